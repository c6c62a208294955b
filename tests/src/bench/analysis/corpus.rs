//! A project of 2,000 files: half JavaScript, half TypeScript, with functions of every shape, imports, comments and a history.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::rng::SeededRng;

const FOLDERS: u64 = 500;
const SEED: u64 = 15;

const CONFIG: &str = "import js from '@eslint/js';
import ts from 'typescript-eslint';
export default [
  { files: ['**/*.{js,ts}'], ...js.configs.recommended },
  ...ts.configs.recommended.map((part) => ({ ...part, files: ['**/*.ts'] })),
  { files: ['**/*.{js,ts}'], rules: { complexity: ['warn', 12], 'no-undef': 'off', 'prefer-const': 'warn', eqeqeq: 'warn' } },
];
";

/// Writes the project, the same one each time, and commits it.
pub(super) fn write(root: &Path) {
    let mut rng = SeededRng::new(SEED);
    put(
        root,
        "package.json",
        r#"{"name": "corpus", "version": "1.0.0", "type": "module"}"#,
    );
    put(root, "eslint.config.js", CONFIG);
    put(root, ".gitignore", "node_modules\n");
    for folder in 0..FOLDERS {
        for (name, is_typed) in [
            ("a.js", false),
            ("b.js", false),
            ("c.ts", true),
            ("e.ts", true),
        ] {
            put(
                root,
                &format!("src/m{folder:04}/{name}"),
                &module(&mut rng, folder, is_typed),
            );
        }
    }
    git(root, &["init", "-q"]);
    git(root, &["add", "."]);
    git(root, &["commit", "-qm", "corpus"]);
}

fn put(root: &Path, path: &str, text: &str) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().expect("a file has a folder"))
        .expect("the home is writable");
    std::fs::write(file, text).expect("the home is writable");
}

fn git(root: &Path, args: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(root).args([
        "-c",
        "user.name=bench",
        "-c",
        "user.email=bench@example.test",
    ]);
    let status = command.args(args).status().expect("git is on PATH");
    assert!(status.success(), "{args:?}");
}

fn module(rng: &mut SeededRng, folder: u64, is_typed: bool) -> String {
    let mut text = format!("// Part {folder} of the corpus.\n");
    let other = rng.within(0..FOLDERS);
    let _ = writeln!(
        text,
        "import {{ f0 as other }} from '../m{other:04}/{}.js';",
        if is_typed { "c" } else { "a" }
    );
    for at in 0..4 + rng.within(0..6) {
        function(rng, at, is_typed, &mut text);
    }
    text
}

fn function(rng: &mut SeededRng, at: u64, is_typed: bool, text: &mut String) {
    let (number, list) = if is_typed {
        (": number", ": number[]")
    } else {
        ("", "")
    };
    let _ = writeln!(text, "\n/** Sums what is above {at}. TODO: name it. */");
    let _ = writeln!(
        text,
        "export function f{at}(x{number}, y{list} = [], z{number} = {at}) {{\n  let total = z + {};",
        rng.within(0..1_000)
    );
    for branch in 0..1 + rng.within(0..8) {
        let (one, two) = (rng.within(0..50), rng.within(0..50));
        let line = match rng.within(0..5) {
            0 => format!(
                "if (x > {one} && total < {two}) {{ total += {branch} * x; }} else if (x === {two}) {{ total -= {one}; }}"
            ),
            1 => format!(
                "for (const item of y) {{ if (item % {} === 0) {{ continue; }} total += item; }}",
                one + 1
            ),
            2 => format!(
                "total += y.map((item) => item * {one}).filter((item) => item > {two}).length;"
            ),
            3 => format!(
                "switch (x) {{ case {one}: total += 1; break; case {}: total += 2; break; default: total -= 1; }}",
                two + 50
            ),
            _ => format!(
                "const part{branch} = `${{x}}-{one}`; total += part{branch}.length ?? {two};"
            ),
        };
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(
        text,
        "  return x > {} ? total : other === undefined ? 0 : total;\n}}",
        rng.within(0..9)
    );
}
