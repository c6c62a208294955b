use super::*;
use crate::domain::testing::candidates::Claim;
use crate::domain::testing::habits::TestText;
use crate::domain::testing::sequence::{Sequence, Thrown};
use crate::domain::testing::titles::MAX_TITLE_CHARS;

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
            holder: "cut".to_owned(),
            member: String::new(),
            access: "named".to_owned(),
        }],
        arbitraries: BTreeMap::new(),
        seed: 7,
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
    file.imports[0].holder = "delete".to_owned();
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

fn sequence(steps: &[&str], expected: &str, state: &[(&str, &str)]) -> Claim {
    let state = state.iter();
    Claim::Sequence(Sequence {
        is_made_by_call: false,
        steps: texts(steps),
        expected: expected.to_owned(),
        throws: None,
        state: state
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
        waits: vec![false; steps.len()],
    })
}

#[test]
fn sequences_are_calls_on_an_instance_with_its_state_afterwards() {
    let habits = Habits::of(RunnerKind::Mocha, &[], false, false);
    let tests = [
        candidate(1, sequence(&["2"], "undefined", &[("size", "0")])),
        candidate(
            2,
            sequence(&["2", "push(1)", "pop()"], "1", &[("size", "0")]),
        ),
        candidate(3, sequence(&["", "push(1)"], "this", &[])),
        candidate(4, full()),
    ];
    let mut file = file(&habits, &tests);
    let import = &mut file.imports[0];
    for name in [&mut import.exported, &mut import.name, &mut import.holder] {
        *name = "Stack".to_owned();
    }
    let text = render(&file);
    assert!(text.ends_with(SEQUENCES), "{text}");
}

/// A push that an instance of no size refuses.
fn full() -> Claim {
    Claim::Sequence(Sequence {
        is_made_by_call: false,
        steps: texts(&["0", "push(1)"]),
        expected: String::new(),
        throws: Some(Thrown {
            name: "RangeError".to_owned(),
            message: Some("full".to_owned()),
        }),
        state: Vec::new(),
        waits: vec![false, false],
    })
}

const SEQUENCES: &str = r"describe('Stack', () => {
  it('the constructor leads to size 0 for 2', () => {
    const stack = new Stack(2);
    assert.equal(stack.size, 0);
  });

  it('pop() returns 1 after push(1) on one made of 2', () => {
    const stack = new Stack(2);
    stack.push(1);
    assert.equal(stack.pop(), 1);
    assert.equal(stack.size, 0);
  });

  it('push(1) returns the instance', () => {
    const stack = new Stack();
    assert.equal(stack.push(1), stack);
  });

  it('push(1) throws RangeError on one made of 0', () => {
    const stack = new Stack(0);
    assert.throws(() => stack.push(1), { name: 'RangeError', message: 'full' });
  });
});
";

#[test]
fn an_instance_that_a_call_makes_is_made_by_that_call() {
    let habits = Habits::of(RunnerKind::NodeTest, &[], true, false);
    let mut claims = [
        sequence(&["2"], "undefined", &[("size", "0")]),
        sequence(&["2", "push(1)"], "this", &[]),
    ];
    for claim in &mut claims {
        if let Claim::Sequence(sequence) = claim {
            sequence.is_made_by_call = true;
        }
    }
    let [one, two] = claims;
    let tests = [candidate(1, one), candidate(2, two)];
    let text = render(&file(&habits, &tests));
    for line in [
        "  it('the call leads to size 0 for 2', () => {",
        "    const instance = cut(2);",
        "    assert.equal(instance.push(1), instance);",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn methods_are_called_on_what_has_them_and_it_is_imported_once() {
    let habits = Habits::of(RunnerKind::NodeTest, &[], true, false);
    let call = |id, f| Candidate {
        f,
        ..candidate(
            id,
            Claim::Value {
                args: texts(&["1"]),
                expected: "2".to_owned(),
                changed: Vec::new(),
            },
        )
    };
    let tests = [call(1, 1), call(2, 2)];
    let mut file = file(&habits, &tests);
    let method = |f, member: &str| Import {
        f,
        exported: "api".to_owned(),
        name: format!("api.{member}"),
        holder: "api".to_owned(),
        member: member.to_owned(),
        access: "named".to_owned(),
    };
    file.imports = vec![method(1, "get"), method(2, "put")];
    let text = render(&file);
    assert!(text.contains("import { api } from '../lib/a';"), "{text}");
    assert!(text.contains("describe('api.put', () => {"), "{text}");
    assert!(text.contains("assert.equal(api.put(1), 2);"), "{text}");
}

#[test]
fn properties_are_written_with_fast_check_where_the_project_has_it() {
    let habits = Habits::of(RunnerKind::Vitest, &[], true, false);
    let tests = tests();
    let mut file = file(&habits, &tests);
    file.arbitraries = BTreeMap::from([(3, texts(&["fc.string()"]))]);
    let text = render(&file);
    let expected = r"  it('changes nothing more the second time', () => {
    fc.assert(
      fc.property(fc.string(), (input) => {
        const once = cut(input);
        expect(cut(once)).toEqual(once);
      }),
      { seed: 7, numRuns: 100 },
    );
  });
";
    assert!(
        text.contains(
            "import fc from 'fast-check';
"
        ),
        "{text}"
    );
    assert!(text.contains(expected), "{text}");
}
