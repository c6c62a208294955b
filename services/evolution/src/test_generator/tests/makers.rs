//! What functions make and modules hold: methods of their results, and of instances that are exported.

use super::*;

const MANIFEST: &str = r#"{"name":"p","type":"module","scripts":{"test":"node --test"}}"#;

const MAKERS: &str = r"
/** @param {number} start @param {number} step */
export function createCounter(start = 0, step = 1) {
  if (step === 0) throw new RangeError('a step of 0 counts nothing');
  let at = start;
  const reset = () => {
    at = start;
    return at;
  };
  return {
    step,
    next() {
      at += step;
      return at;
    },
    reset,
  };
}

class Scale {
  constructor(factor) { this.factor = factor; }
  /** @param {number} n */
  times(n) { return n > 100 ? 100 * this.factor : n * this.factor; }
}

class Log {
  #lines = [];
  /** @param {string} line */
  add(line) { this.#lines.push(line); return this.#lines.length; }
}

export const metric = new Scale(10);
export const log = new Log();

/** @param {number} a */
export const above = (a) => (b) => a > b;
";

#[tokio::test]
async fn methods_of_what_functions_make_and_of_exported_instances_get_tests() {
    let lab = Lab::new();
    let root = lab.test.path("makers");
    std::fs::create_dir_all(root.join("src")).unwrap();
    std::fs::write(root.join("package.json"), MANIFEST).unwrap();
    std::fs::write(root.join("src/makers.js"), MAKERS).unwrap();
    let report = lab.generate(&root, 20).await.unwrap();
    let lines = lines(&report);
    assert!(killed(&report, "createCounter") >= 0.6, "{lines:?}");
    assert!(killed(&report, "metric.times") >= 0.6, "{lines:?}");
    let diff = &report.evolution.as_ref().unwrap().files[0].diff;
    assert!(diff.contains("const instance = createCounter("), "{diff}");
    assert!(!diff.contains("new createCounter"), "{diff}");
    assert!(diff.contains("metric.times("), "{diff}");
    let told = |name: &str| {
        let found = report.functions.iter().find(|it| it.function == name);
        found.unwrap_or_else(|| panic!("{name}: {lines:?}")).clone()
    };
    // What is left in the instance by one call is seen by the next one: of its values no test stays.
    let add = told("log.add");
    assert!(
        add.dropped
            .iter()
            .any(|it| it.reason == "flaky or order-dependent"),
        "{add:?}"
    );
    assert!(!diff.contains("log.add('"), "{diff}");
    let above = told("above");
    assert!(
        above.kept == 0 && above.skipped.contains("returns a function"),
        "{above:?}"
    );
}
