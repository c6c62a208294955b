use super::*;
use crate::domain::testing::habits::TestText;

fn candidate(id: u32, claim: Claim) -> Candidate {
    Candidate {
        id,
        f: 1,
        is_async: false,
        is_iterator: false,
        claim,
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn file<'a>(habits: &'a Habits, tests: &'a [Candidate]) -> TestFile<'a> {
    let refs: Vec<&Candidate> = tests.iter().collect();
    let titles = titles(&refs);
    TestFile {
        habits,
        specifier: "../lib/a".to_owned(),
        is_esm_module: habits.is_esm,
        imports: vec![Import {
            f: 1,
            exported: "cut".to_owned(),
            name: "cut".to_owned(),
            access: "named".to_owned(),
        }],
        tests: refs.into_iter().zip(titles).collect(),
    }
}

fn tests() -> [Candidate; 3] {
    [
        candidate(
            1,
            Claim::Value {
                args: texts(&["'a\\'b'", "2"]),
                expected: "[1, 2]".to_owned(),
                changed: vec![None, None],
            },
        ),
        candidate(
            2,
            Claim::Throws {
                args: texts(&["3"]),
                name: "TypeError".to_owned(),
                message: Some("it's no text".to_owned()),
            },
        ),
        candidate(
            3,
            Claim::Idempotent {
                inputs: vec![texts(&["'a'"]), texts(&["'b'"])],
            },
        ),
    ]
}

#[test]
fn a_commonjs_file_for_mocha_reads_like_one() {
    let own = [TestText {
        path: "test/a.js".to_owned(),
        text: "const assert = require('assert');".to_owned(),
    }];
    let habits = Habits::of(RunnerKind::Mocha, &own, false, false);
    let expected = r#"'use strict';
// These tests state what the code does today, as it was observed. Where that is wrong, correct both.
const assert = require('node:assert/strict');
const { cut } = require('../lib/a');

describe('cut', () => {
  it('returns [1, 2] for \'a\\\'b\', 2', () => {
    assert.deepEqual(cut('a\'b', 2), [1, 2]);
  });

  it('throws TypeError for 3', () => {
    assert.throws(() => cut(3), { name: 'TypeError', message: 'it\'s no text' });
  });

  it('changes nothing more the second time', () => {
    const inputs = [
      'a',
      'b',
    ];
    for (const input of inputs) {
      const once = cut(input);
      assert.deepEqual(cut(once), once);
    }
  });
});
"#;
    assert_eq!(render(&file(&habits, &tests())), expected);
}

#[test]
fn a_file_beside_suites_has_suites() {
    let own = [TestText {
        path: "test/a.js".to_owned(),
        text: "suite('a', function() {\n  test('b', function() {});\n});\n".to_owned(),
    }];
    let habits = Habits::of(RunnerKind::Mocha, &own, false, false);
    let text = render(&file(&habits, &tests()));
    assert!(
        text.contains("\nsuite('cut', () => {\n  test('returns "),
        "{text}"
    );
    assert!(
        !text.contains("describe(") && !text.contains(" it("),
        "{text}"
    );
}

#[test]
fn a_typescript_file_for_vitest_reads_like_one() {
    let habits = Habits::of(RunnerKind::Vitest, &[], true, true);
    let text = render(&file(&habits, &tests()));
    for line in [
        "import { describe, expect, it } from 'vitest';",
        "import { cut } from '../lib/a';",
        "    expect(cut('a\\'b', 2)).toEqual([1, 2]);",
        "    expect(() => cut(3)).toThrow(TypeError);",
        "    expect(() => cut(3)).toThrow('it\\'s no text');",
        "    const inputs: Parameters<typeof cut>[0][] = [",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
}

#[test]
fn changed_arguments_promises_and_names_that_are_taken_are_written_out() {
    let habits = Habits::of(RunnerKind::Jest, &[], false, false);
    let changing = Candidate {
        is_async: true,
        ..candidate(
            1,
            Claim::Value {
                args: texts(&["[2, 1]"]),
                expected: "1".to_owned(),
                changed: vec![Some("[1, 2]".to_owned())],
            },
        )
    };
    let tests = [changing];
    let mut file = file(&habits, &tests);
    file.imports[0].name = "delete".to_owned();
    file.imports[0].exported = "delete".to_owned();
    let text = render(&file);
    assert!(
        text.contains("const { delete: deleteFunction } = require('../lib/a');"),
        "{text}"
    );
    assert!(text.contains("    const input1 = [2, 1];\n    expect(await deleteFunction(input1)).toBe(1);\n    expect(input1).toEqual([1, 2]);\n"), "{text}");
}

#[test]
fn titles_are_short_and_differ() {
    let long = candidate(
        1,
        Claim::Value {
            args: texts(&[&"'ä'".repeat(90)]),
            expected: "1".to_owned(),
            changed: Vec::new(),
        },
    );
    let other = Candidate {
        id: 2,
        ..long.clone()
    };
    let titles = titles(&[&long, &other]);
    assert_eq!(titles[0].chars().count(), MAX_TITLE_CHARS);
    assert_eq!(titles[1], format!("{} (2)", titles[0]));
}
