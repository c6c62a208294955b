//! What ESLint's own cache does not see.

use super::*;

struct TestProject(tempfile::TempDir);

impl TestProject {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        project.write("package.json", r#"{"devDependencies": {"plugin": "1"}}"#);
        project.write("eslint.config.mjs", "import plugin from 'plugin'; import own from './rules/own.js'; export default [plugin, own];");
        project.write(
            "rules/own.js",
            "const helper = require('./helper'); module.exports = helper;",
        );
        project.write("rules/helper.js", "module.exports = 1;");
        project.write(
            "node_modules/plugin/package.json",
            r#"{"name": "plugin", "version": "1.0.0", "dependencies": {"deep": "1"}}"#,
        );
        project.write("node_modules/plugin/lib/rule.js", "1");
        project.write("node_modules/deep/package.json", r#"{"name": "deep"}"#);
        project.write("node_modules/deep/index.js", "1");
        project.write("src/a.js", "a();");
        project
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.0.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn read(&self) -> Configuration {
        read(
            self.0.path(),
            ["src/a.js", "rules/own.js", "rules/helper.js"].into_iter(),
            true,
        )
    }
}

#[test]
fn nothing_changes_when_nothing_does() {
    let project = TestProject::new();
    let configuration = project.read();
    assert_eq!(configuration.flat, ["eslint.config.mjs"]);
    assert_eq!(project.read(), configuration);
}

#[test]
fn whatever_a_configuration_loads_counts() {
    for (path, text) in [
        (
            "eslint.config.mjs",
            "// a comment\nimport plugin from 'plugin'; export default [plugin];",
        ),
        ("rules/helper.js", "module.exports = 2;"),
        ("node_modules/plugin/lib/rule.js", "2"),
        ("node_modules/deep/index.js", "2"),
        ("node_modules/plugin/lib/new.js", ""),
        (
            "node_modules/plugin/package.json",
            r#"{"name": "plugin", "version": "1.0.1"}"#,
        ),
        (
            "node_modules/eslint/package.json",
            r#"{"version": "9.0.0"}"#,
        ),
    ] {
        let project = TestProject::new();
        let before = project.read();
        project.write(path, text);
        assert_ne!(project.read().loaded, before.loaded, "{path}");
    }
}

#[test]
fn a_change_that_hides_its_size_and_time_counts() {
    let project = TestProject::new();
    let file = project.0.path().join("node_modules/plugin/lib/rule.js");
    let written = file.metadata().unwrap().modified().unwrap();
    let before = project.read();
    std::fs::write(&file, "2").unwrap();
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(written)
        .unwrap();
    assert_ne!(project.read().loaded, before.loaded);
}

#[test]
fn every_file_that_configures_counts() {
    for path in [
        ".eslintrc.json",
        "tsconfig.json",
        "src/tsconfig.app.json",
        "src/eslint.config.js",
        ".prettierrc",
        "eslint-suppressions.json",
        "src/package.json",
    ] {
        let project = TestProject::new();
        let before = project.read();
        project.write(path, "{}");
        let after = project.read();
        assert_ne!(after.files, before.files, "{path}");
        assert_eq!(
            after.old.len(),
            usize::from(path == ".eslintrc.json"),
            "{path}"
        );
        assert_eq!(
            after.typescript.len(),
            usize::from(path.contains("tsconfig")),
            "{path}"
        );
    }
}

#[test]
fn packages_that_the_sources_use_count_for_types() {
    let project = TestProject::new();
    let before = project.read();
    project.write("node_modules/deep/index.js", "3");
    assert_eq!(project.read().dependencies, before.dependencies);
    project.write("node_modules/deep/index.d.ts", "3");
    assert_ne!(project.read().dependencies, before.dependencies);
    let before = project.read();
    project.write("node_modules/@types/node/package.json", "{}");
    assert_ne!(project.read().dependencies, before.dependencies);
}
