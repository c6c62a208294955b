//! Facts of sources that are easy to get wrong.

use big_code_analysis::{MetricsOptions, Source, SpaceKind, analyze};

use super::*;
use crate::domain::analysis::facts::OldForm;

fn of(path: &str, text: &str) -> FileFacts {
    read(language(path), text, &|| false).unwrap()
}

fn imports(path: &str, text: &str) -> Vec<String> {
    let facts = of(path, text);
    facts
        .imports
        .into_iter()
        .map(|import| import.specifier)
        .collect()
}

const SOURCE: &str = "
import { a } from './a';
export class Shape {
  static { if (a) { a(); } }
  area(w = 1, h?: number) { return w && h ? w * h : a?.b ?? 0; }
}
const nested = (list: number[]) => list.map((x) => { if (x > 1) { for (;;) { break; } } return x; });
";

#[test]
fn figures_are_those_of_the_library() {
    for language in [LANG::Typescript, LANG::Tsx] {
        let space = analyze(
            Source::new(language, SOURCE.as_bytes()),
            MetricsOptions::default(),
        )
        .unwrap();
        let facts = read(language, SOURCE, &|| false).unwrap();
        let (mut expected, mut open) = (Vec::new(), vec![&space]);
        while let Some(space) = open.pop() {
            if space.kind == SpaceKind::Function {
                let metrics = &space.metrics;
                expected.push((
                    space.start_line,
                    metrics.cyclomatic.cyclomatic(),
                    metrics.cognitive.cognitive(),
                    metrics.mi.original().to_bits(),
                ));
            }
            open.extend(&space.spaces);
        }
        let mut measured: Vec<_> = facts
            .functions
            .iter()
            .map(|figures| {
                (
                    figures.start_line as usize,
                    figures.cyclomatic as u64,
                    figures.cognitive as u64,
                    figures.maintainability.to_bits(),
                )
            })
            .collect();
        expected.sort_unstable();
        measured.sort_unstable();
        assert_eq!(measured, expected);
        assert!(measured.len() >= 4, "{measured:?}");
        assert_eq!(
            facts.file.cyclomatic as u64,
            space.metrics.cyclomatic.cyclomatic_sum()
        );
    }
}

#[test]
fn imports_of_types_alone_do_not_count() {
    let source = "
        import type { A } from './type-only';
        import { type B, type C } from './marked';
        import { D, E } from './used-as-type';
        import F, { G } from './used-as-value';
        import * as H from './namespace-of-types';
        import './effect';
        import {} from './empty';
        export type { I } from './export-type';
        export { type J } from './export-marked';
        export { K } from './export';
        export * from './all';
        import L = require('./required');
        let d: D | H.Inner = null as typeof E; G(); L(); type N = typeof import('./type-query');
        const m = await import('./dynamic');
    ";
    let expected = [
        "./effect",
        "./export",
        "./all",
        "./dynamic",
        "./used-as-value",
        "./empty",
        "./required",
    ];
    assert_eq!(imports("a.ts", source), expected);
}

#[test]
fn javascript_keeps_what_it_imports() {
    let source = "import { a } from './a'; const b = require('./b'); require(name); require(`./c`); const t = './no'; // require('./d')";
    assert_eq!(imports("a.js", source), ["./a", "./b", "./c"]);
}

#[test]
fn jsx_uses_are_values() {
    assert_eq!(
        imports(
            "a.tsx",
            "import { Button } from './b'; export const x = <Button />;"
        ),
        ["./b"]
    );
}

#[test]
fn markers_are_in_comments_alone() {
    let facts = of(
        "a.js",
        "const s = 'TODO: no'; // FIXME: yes\n/** TODO é */ `HACK ${1 /* XXX in */}`;\nconst t = /BUG/;",
    );
    let words: Vec<&str> = facts
        .markers
        .iter()
        .map(|marker| marker.word.as_str())
        .collect();
    assert_eq!(words, ["FIXME", "TODO", "XXX"]);
}

#[test]
fn older_forms_are_counted() {
    let source = "var a = 'x' + a + 'y' + 1; for (var i of b) {} f(function () {}); g({ a: a, b: c }); p.then(q); f.apply(null, l); 1 + 2; 'a' + 'b';";
    let forms: Vec<(OldForm, u32)> = of("a.js", source)
        .old_forms
        .iter()
        .map(|forms| (forms.form, forms.count))
        .collect();
    let expected = [
        (OldForm::Var, 2),
        (OldForm::Concatenation, 1),
        (OldForm::FunctionArgument, 1),
        (OldForm::LongProperty, 1),
        (OldForm::Then, 1),
        (OldForm::Apply, 1),
    ];
    assert_eq!(forms, expected);
}

#[test]
fn tokens_know_no_white_space_and_no_comments() {
    let one = of("a.js", "const a = [1, 'x y'];\n");
    let other = of("b.js", "const a\n =  [ 1 , 'x y' ] // c\n;");
    assert_eq!(one.tokens.hashes, other.tokens.hashes);
    assert_ne!(
        one.tokens.hashes,
        of("c.js", "const a = [1, 'x  y'];").tokens.hashes
    );
}

#[test]
fn broken_and_deep_sources_are_read() {
    of("a.js", "function f( { if (");
    let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    let facts = of("deep.js", &deep);
    assert!(!facts.tokens.hashes.is_empty());
}

/// Texts that nest without end, in each way that the grammar has.
fn deep(levels: usize) -> Vec<(&'static str, String)> {
    let nested = |open: &str, middle: &str, close: &str| {
        [open.repeat(levels), middle.to_owned(), close.repeat(levels)].concat()
    };
    vec![
        ("a.js", nested("a => ", "1", "")),
        ("a.js", nested("(a) => { return ", "1", " }")),
        ("a.js", nested("function f() { ", "let a;", " }")),
        ("a.js", nested("(function () { ", "", " })()")),
        ("a.js", nested("x = class { a = ", "1", " }")),
        ("a.js", nested("({ m() { return ", "1", " } })")),
        ("a.ts", nested("namespace N { ", "", " }")),
        ("a.js", nested("(", "1", ")")),
        ("a.js", nested("[", "1", "]")),
        ("a.js", nested("{ let b; ", "", "}")),
        ("a.js", nested("({ a: ", "1", " })")),
        ("a.js", nested("`${", "1", "}`")),
        ("a.js", nested("a ? b : ", "c", "")),
        ("a.js", nested("if (a) b(); else ", "c();", "")),
        ("a.js", nested("if (a) { let b = 1; ", "", " }")),
        ("a.js", nested("switch (a) { case 1: ", "", " }")),
        ("a.js", nested("!", "a", "")),
        ("a.js", nested("a + ", "1", "")),
        ("a.js", nested("", "a", ".b()")),
        ("a.js", nested("f(", "", ")")),
        ("a.js", nested("a = ", "1", "")),
        ("a.js", nested("label: ", "a;", "")),
        ("a.tsx", nested("<A>", "", "</A>")),
        ("a.ts", format!("type T = {};", nested("Array<", "A", ">"))),
        (
            "a.ts",
            format!("type T = {};", nested("A extends B ? C : ", "D", "")),
        ),
        ("a.js", "(".repeat(levels)),
        ("a.js", "{".repeat(levels)),
        ("a.js", "`${".repeat(levels)),
        ("a.tsx", "<A b={".repeat(levels)),
        ("a.ts", "a<".repeat(levels)),
        ("a.js", "async (a = ".repeat(levels)),
    ]
}

#[test]
fn no_nesting_stalls_or_ends_the_service() {
    for (path, text) in deep(6_000) {
        let facts = read(language(path), &text, &|| false);
        let shown = &text[..text.len().min(40)];
        if let Err(why) = facts {
            assert!(
                why.contains("too long") || why.contains("within"),
                "{shown}: {why}"
            );
        }
    }
    let arrows = read(LANG::Javascript, &deep(6_000)[0].1, &|| false).unwrap_err();
    assert!(arrows.contains("stand 6000 deep in each other"), "{arrows}");
    let flat = "f(a => b => { return c; });\n".repeat(10_000);
    assert_eq!(of("flat.js", &flat).functions.len(), 20_000);
}

#[test]
fn a_call_that_nobody_waits_for_measures_nothing() {
    let asked = std::cell::Cell::new(0);
    let is_stopped = || {
        asked.set(asked.get() + 1);
        true
    };
    let why = read(LANG::Javascript, &"a = [1];\n".repeat(50_000), &is_stopped).unwrap_err();
    assert_eq!((why.as_str(), asked.get() > 0), (STOPPED, true));
}
