//! ESLint's findings are those of its command.

use serde_json::Value;

use super::*;

const CONFIG: &str = "
export default [
  { ignores: ['ignored/**'] },
  {
    files: ['**/*.js', '**/*.mjs', '**/*.cjs'],
    rules: { 'no-var': 'error', 'prefer-const': 'warn', 'no-debugger': 'error', complexity: ['error', 2], 'no-undef': 'error', eqeqeq: 'warn' },
  },
];
";

/// Sources of every kind that a command answers differently.
const FILES: [(&str, &str); 13] = [
    ("package.json", r#"{"name": "lint-me", "type": "module"}"#),
    ("eslint.config.mjs", CONFIG),
    (
        "src/plain.js",
        "var a = 1;\nlet b = 2;\nif (a == b) { debugger; }\n",
    ),
    (
        "src/wide.js",
        "\u{feff}/* 😀 */ var é = '😀'; debugger;\r\nvar z = é;\r\nexport { z };\r\n",
    ),
    ("src/broken.js", "let a = ;\nvar b = 1;\n"),
    (
        "src/directives.js",
        "/* eslint-disable-next-line no-var -- because legacy */\nvar a = 1;\n// eslint-disable-next-line no-debugger\nconsole.log(a);\n",
    ),
    ("src/untyped.ts", "var a: number = 1;\n"),
    ("src/[id].js", "var route = 1;\n"),
    ("ignored/old.js", "var old = 1;\n"),
    (
        "nested/eslint.config.js",
        "export default [{ rules: { 'no-console': 'error' } }];\n",
    ),
    ("nested/deep/own.js", "var kept = 1; console.log(kept);\n"),
    ("legacy.cjs", "with (a) { b(); }\n"),
    (".hidden.js", "var hidden = 1;\n"),
];

/// What the command says of the files that the analysis looks at: path, line, column, rule, severity, message, suppression.
fn by_command(bench: &Bench, packages: &Path, files: &[String]) -> Vec<(String, String)> {
    let eslint = packages.join("eslint/bin/eslint.js");
    let output = Command::new("node")
        .current_dir(&bench.root)
        .arg(eslint)
        .args(["-f", "json", "--no-warn-ignored"])
        .args(files)
        .output()
        .unwrap();
    let results: Vec<Value> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}"));
    let mut said = Vec::new();
    for result in results {
        let path = Path::new(result["filePath"].as_str().unwrap())
            .strip_prefix(&bench.root)
            .unwrap();
        let path = path.to_str().unwrap();
        for (list, is_suppressed) in [("messages", false), ("suppressedMessages", true)] {
            for message in result[list].as_array().unwrap() {
                // The command names a file whose configuration is missing; here it is an unread file.
                if message["line"].is_null() {
                    continue;
                }
                let number = |name: &str| message[name].as_u64().unwrap_or(0);
                let place = [
                    number("line"),
                    number("column"),
                    number("endLine"),
                    number("endColumn"),
                ];
                let rule = message["ruleId"].as_str().unwrap_or_default();
                let text = format!(
                    "{place:?} {rule} {} {} {is_suppressed}",
                    number("severity"),
                    message["message"].as_str().unwrap()
                );
                said.push((path.to_owned(), text));
            }
        }
    }
    said.sort();
    said
}

fn by_analysis(answer: &Analysis) -> Vec<(String, String)> {
    let findings = answer.of("eslint").map(|finding| {
        let place = finding.location.clone().unwrap();
        let numbers = [place.line, place.column, place.end_line, place.end_column];
        let severity = u32::from(finding.severity == 3) + 1;
        let is_suppressed = !finding.suppression.is_empty();
        (
            place.path,
            format!(
                "{numbers:?} {} {severity} {} {is_suppressed}",
                finding.rule, finding.message
            ),
        )
    });
    let mut findings: Vec<_> = findings.collect();
    findings.sort();
    findings
}

#[tokio::test]
async fn findings_are_those_of_the_command_file_by_file() {
    let bench = Bench::new(&FILES);
    bench.write(
        "eslint-suppressions.json",
        r#"{"src/[id].js": {"no-var": {"count": 1}}, "legacy.cjs": {"no-eval": {"count": 2}}}"#,
    );
    let answer = bench.analyze(true).await;
    let project = Project::open(&bench.root, &[], &Trust(true)).await.unwrap();
    let files: Vec<String> = project
        .source_files(&[])
        .await
        .unwrap()
        .files
        .into_iter()
        .map(|file| file.path)
        .collect();
    assert!(files.contains(&"src/[id].js".to_owned()));
    let said = by_command(&bench, &bench.packages().await, &files);
    assert!(said.len() > 10, "{said:?}");
    assert_eq!(by_analysis(&answer), said);
    let unread: Vec<(String, String)> = answer
        .unread()
        .into_iter()
        .filter(|(_, tool)| tool == "eslint")
        .collect();
    let expected = ["ignored/old.js", "src/broken.js", "src/untyped.ts"];
    assert_eq!(
        unread
            .iter()
            .map(|(path, _)| path.as_str())
            .collect::<Vec<_>>(),
        expected
    );
    let directive = answer.of("eslint").find(|finding| {
        !finding.suppression.is_empty()
            && finding.rule == "no-var"
            && path_of(finding) == "src/directives.js"
    });
    assert_eq!(directive.unwrap().suppression, "directive: because legacy");
    assert!(
        answer.notes().contains("eslint-suppressions.json"),
        "{}",
        answer.notes()
    );
    assert_eq!(answer.tool("eslint").version, "10.15.0");
}

#[tokio::test]
async fn typed_rules_and_plugins_say_what_the_command_says() {
    let bench = Bench::new(&[
        ("package.json", r#"{"name": "typed", "type": "module"}"#),
        (
            "tsconfig.json",
            r#"{"compilerOptions": {"strict": true, "target": "es2022", "module": "nodenext", "noEmit": true}}"#,
        ),
        (
            "eslint.config.mjs",
            "import ts from 'typescript-eslint';\nexport default ts.config(ts.configs.recommendedTypeChecked, { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } }, { files: ['**/*.mjs'], extends: [ts.configs.disableTypeChecked] });\n",
        ),
        (
            "a.ts",
            "export async function a(): Promise<number> { return await Promise.resolve(1); }\n",
        ),
        (
            "b.ts",
            "import { a } from './a.js';\na();\nconst x: any = 1;\nexport const y: number = x;\n",
        ),
    ]);
    bench.link("typescript-eslint").await;
    bench.link("typescript").await;
    let answer = bench.analyze(true).await;
    let files = ["a.ts", "b.ts", "eslint.config.mjs"].map(str::to_owned);
    let said = by_command(&bench, &bench.packages().await, &files);
    assert!(
        said.iter()
            .any(|(_, text)| text.contains("no-floating-promises")),
        "{said:?}"
    );
    assert_eq!(by_analysis(&answer), said);

    // The type of an imported file changes what is found in another one.
    bench.write("a.ts", "export function a(): number { return 1; }\n");
    let answer = bench.analyze(true).await;
    assert_eq!(
        by_analysis(&answer),
        by_command(&bench, &bench.packages().await, &files)
    );
    assert!(
        !answer
            .of("eslint")
            .any(|finding| finding.rule.ends_with("no-floating-promises"))
    );
}

#[tokio::test]
async fn no_configuration_of_an_untrusted_project_runs() {
    let bench = Bench::new(&[
        ("package.json", "{}"),
        (
            "eslint.config.js",
            "require('fs').writeFileSync(__dirname + '/ran', ''); module.exports = [];",
        ),
        (
            "src/eslint.config.mjs",
            "import fs from 'fs'; fs.writeFileSync(new URL('./ran', import.meta.url), ''); export default [];",
        ),
        (
            "oxlint.config.ts",
            "import fs from 'fs'; fs.writeFileSync('ran', ''); export default {};",
        ),
        (
            ".oxlintrc.json",
            r#"{"jsPlugins": ["./plugin.js"], "rules": {"no-debugger": "off"}}"#,
        ),
        (
            "plugin.js",
            "require('fs').writeFileSync(__dirname + '/ran', '');",
        ),
        ("src/a.js", "debugger;\n"),
    ]);
    let answer = bench.analyze(false).await;
    assert!(!bench.root.join("ran").exists() && !bench.root.join("src/ran").exists());
    assert!(answer.notes().contains("not trusted"), "{}", answer.notes());
    assert!(
        answer
            .of("eslint")
            .any(|finding| finding.rule == "no-debugger" && path_of(finding) == "src/a.js")
    );
    assert!(answer.first_picture.unwrap().warnings > 0);
    // Once it may, its own word counts.
    let trusted = bench.analyze(true).await;
    assert!(bench.root.join("ran").exists() && bench.root.join("src/ran").exists());
    assert!(
        !trusted
            .of("eslint")
            .any(|finding| path_of(finding) == "src/a.js")
    );
}

#[tokio::test]
async fn whose_configuration_was_used_is_said() {
    for (path, text, is_trusted, note) in [
        (
            ".eslintrc.json",
            "{}",
            true,
            "instead of .eslintrc.json: ESLint 9 and newer do not read it",
        ),
        (
            "readme.md",
            "",
            true,
            "the project has no configuration of ESLint",
        ),
        (
            "eslint.config.js",
            "module.exports = [require('missing-plugin')];",
            true,
            "its configuration cannot be used: Cannot find module 'missing-plugin'",
        ),
        (
            "eslint.config.js",
            "module.exports = [{ rules: { 'no-such': 1, 'no-var': 7 } }];",
            true,
            "its configuration cannot be used",
        ),
        (
            "sub/eslint.config.js",
            "module.exports = [{ rules: {} }];",
            true,
            "for 1 of 3 files",
        ),
    ] {
        let bench = Bench::new(&[
            ("package.json", "{}"),
            ("a.js", "var a = 1; a;\n"),
            ("sub/b.js", "b();\n"),
            (path, text),
        ]);
        let answer = bench.analyze(is_trusted).await;
        assert!(answer.notes().contains(note), "{path}: {}", answer.notes());
        assert_eq!(answer.tool("eslint").failure, "", "{path}");
    }
}

#[tokio::test]
async fn a_rule_that_throws_costs_its_file_alone() {
    let config = "const rule = { create: (c) => ({ Program() { if (c.filename.endsWith('bad.js')) throw new Error('boom'); } }) };\n\
        module.exports = [{ plugins: { own: { rules: { rule } } }, rules: { 'own/rule': 'error', 'no-var': 'error' } }];";
    let bench = Bench::new(&[
        ("package.json", "{}"),
        ("eslint.config.cjs", config),
        ("bad.js", "var a;"),
        ("good.js", "var a;"),
    ]);
    let answer = bench.analyze(true).await;
    assert!(
        answer
            .of("eslint")
            .any(|finding| path_of(finding) == "good.js")
    );
    assert!(
        answer
            .unread()
            .contains(&("bad.js".to_owned(), "eslint".to_owned())),
        "{:?}",
        answer.report.unread_files
    );
}

#[tokio::test]
async fn a_comment_that_eslint_calls_fatal_leaves_its_file_linted() {
    let bench = Bench::new(&[
        ("package.json", "{}"),
        ("old.js", "/* eslint-env mocha */\ndebugger;\nlet unused;\n"),
    ]);
    let answer = bench.analyze(true).await;
    assert!(answer.unread().is_empty(), "{:?}", answer.unread());
    let mut rules: Vec<(String, String)> = answer
        .findings
        .iter()
        .map(|finding| (finding.rule.clone(), finding.tool.clone()))
        .collect();
    rules.sort();
    let eslint = "eslint 10.15.0";
    let expected = ["", "no-debugger", "no-unused-vars"];
    let expected = expected.map(|rule| (rule.to_owned(), eslint.to_owned()));
    assert_eq!(rules, expected, "and nothing is told twice");
}
