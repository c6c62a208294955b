//! What a project says of itself in its package.json, as far as it can be understood: a field of another type than npm
//! demands counts as missing.

use std::path::Path;

use serde_json::{Map, Value};
use shim_runtime::data_dir::read_bounded;

use super::error::ProjectError;
use super::language::ModuleKind;

/// A larger manifest is none that anybody wrote.
const MAX_BYTES: u64 = 4 << 20;
/// The fields that name packages.
const DEPENDENCIES: [&str; 4] = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
];

/// A package.json.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PackageJson {
    fields: Map<String, Value>,
}

impl PackageJson {
    /// Reads the manifest in `folder`; `None` if there is none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, ProjectError> {
        let path = folder.join("package.json");
        let broken = |why: String| ProjectError::Manifest {
            path: path.display().to_string(),
            why,
        };
        let meta = match path.metadata() {
            Ok(meta) => meta,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(broken(why.to_string())),
        };
        // A pipe would be waited for.
        if !meta.is_file() {
            return Err(broken("it is not a regular file".to_owned()));
        }
        let file = std::fs::File::open(&path).map_err(|why| broken(why.to_string()))?;
        let bytes = read_bounded(file, MAX_BYTES).map_err(|why| broken(why.to_string()))?;
        Self::parse(&bytes).map(Some).map_err(broken)
    }

    /// The manifest in `bytes`; npm takes one with a byte order mark as well.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self { fields }),
            Ok(_) => Err("it holds no JSON object".to_owned()),
            Err(why) => Err(format!("it is no JSON: {why}")),
        }
    }

    /// A field of any type.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// A field with text; empty without one.
    pub(crate) fn text(&self, name: &str) -> &str {
        let text = self.field(name).and_then(Value::as_str);
        text.unwrap_or_default()
    }

    /// The package's name; empty without one.
    pub(crate) fn name(&self) -> &str {
        self.text("name")
    }

    /// A script of `npm run`; `None` without one.
    pub(crate) fn script(&self, name: &str) -> Option<&str> {
        self.field("scripts")?.get(name)?.as_str()
    }

    /// How files that end in `.js` and `.ts` are read.
    pub(crate) fn module_kind(&self) -> ModuleKind {
        if self.text("type") == "module" {
            ModuleKind::Esm
        } else {
            ModuleKind::CommonJs
        }
    }

    /// The version range of a package that is named in any of the fields for dependencies.
    pub(crate) fn dependency(&self, package: &str) -> Option<&str> {
        let of_field = |name| self.field(name)?.get(package)?.as_str();
        DEPENDENCIES.into_iter().find_map(of_field)
    }

    /// The patterns of the folders of a monorepo's packages; empty for a single package.
    #[cfg(test)]
    pub(crate) fn workspaces(&self) -> Vec<&str> {
        let field = self.field("workspaces");
        // Yarn 1 also knows an object with `packages`.
        let list = field.and_then(|it| it.as_array().or_else(|| it.get("packages")?.as_array()));
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.collect()
    }

    /// The runner of the tests: what the script `test` runs, else what is installed; empty if neither says it.
    pub(crate) fn test_runner(&self) -> &'static str {
        let script = self.script("test").unwrap_or_default();
        let words: Vec<&str> = script.split([' ', '/', '&', ';', '"', '\'']).collect();
        let runs = |word: &str| words.contains(&word);
        if runs("node") && runs("--test") {
            return "node:test";
        }
        let named = [
            ("vitest", "vitest"),
            ("jest", "jest"),
            ("mocha", "mocha"),
            ("_mocha", "mocha"),
        ];
        let of_script = named.iter().find(|(word, _)| runs(word));
        let of_packages = || {
            named
                .iter()
                .find(|(name, _)| self.dependency(name).is_some())
        };
        of_script
            .or_else(of_packages)
            .map_or("", |(_, runner)| runner)
    }
}

/// npm, pnpm, yarn or bun, by the field `packageManager`, else by the lock file in a folder or above it up to `top`; empty if
/// nothing says it.
pub(crate) fn package_manager(package: &PackageJson, folder: &Path, top: &Path) -> &'static str {
    const KNOWN: [&str; 4] = ["npm", "pnpm", "yarn", "bun"];
    const LOCKS: [(&str, &str); 6] = [
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
        ("package-lock.json", "npm"),
        ("npm-shrinkwrap.json", "npm"),
    ];
    let named = package.text("packageManager").split('@').next();
    if let Some(known) = KNOWN.into_iter().find(|it| Some(*it) == named) {
        return known;
    }
    let folders = folder.ancestors().take_while(|it| it.starts_with(top));
    let of_folder = |folder: &Path| {
        let is_there = |(lock, _): &&(&str, &str)| folder.join(lock).is_file();
        LOCKS.iter().find(is_there).map(|(_, manager)| *manager)
    };
    folders.into_iter().find_map(of_folder).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(value: &Value) -> PackageJson {
        PackageJson::parse(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_runner_is_what_the_script_runs_else_what_is_installed() {
        for (script, installed, runner) in [
            ("vitest run", "jest", "vitest"),
            ("node --test", "", "node:test"),
            ("node --no-warnings --test test/", "mocha", "node:test"),
            ("c8 node_modules/.bin/_mocha -R dot", "", "mocha"),
            ("npm run build && jest", "", "jest"),
            ("tape test/*.js", "", ""),
            ("npm run unit", "vitest", "vitest"),
            ("node test.js --test-me", "", ""),
            ("echo jesting", "", ""),
        ] {
            let dependencies = if installed.is_empty() {
                json!({})
            } else {
                json!({ installed: "1" })
            };
            let it =
                package(&json!({ "scripts": { "test": script }, "devDependencies": dependencies }));
            assert_eq!(it.test_runner(), runner, "{script} {installed}");
        }
    }

    #[test]
    fn fields_of_a_wrong_type_count_as_missing() {
        let it = package(&json!({
            "name": 5, "type": ["module"], "scripts": "x", "workspaces": { "packages": ["a/*", 7] },
            "dependencies": ["jest"],
        }));
        assert_eq!(it.name(), "");
        assert_eq!(it.module_kind(), ModuleKind::CommonJs);
        assert_eq!(it.script("test"), None);
        assert_eq!(it.dependency("jest"), None);
        assert_eq!(it.workspaces(), ["a/*"]);
        assert_eq!(
            PackageJson::parse(b"\xef\xbb\xbf{\"name\":\"a\"}")
                .unwrap()
                .name(),
            "a"
        );
    }

    #[test]
    fn a_broken_manifest_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("package.json");
        assert_eq!(PackageJson::read(folder.path()), Ok(None));
        for (content, what) in [
            ("{\n  \"name\": ,\n}", "line 2 column 11"),
            ("", "line 1 column 0"),
            ("[]", "no JSON object"),
            ("\u{0}", "line 1 column 1"),
        ] {
            std::fs::write(&path, content).unwrap();
            let why = PackageJson::read(folder.path()).unwrap_err().to_string();
            assert!(why.contains(what) && why.contains("package.json"), "{why}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(PackageJson::read(folder.path()).is_err());
    }

    #[test]
    fn the_package_manager_is_found_in_a_monorepo_too() {
        let root = tempfile::tempdir().unwrap();
        let member = root.path().join("packages/a");
        std::fs::create_dir_all(&member).unwrap();
        let plain = PackageJson::default();
        assert_eq!(package_manager(&plain, &member, root.path()), "");
        std::fs::write(root.path().join("yarn.lock"), "").unwrap();
        assert_eq!(package_manager(&plain, &member, root.path()), "yarn");
        assert_eq!(package_manager(&plain, &member, &member), "");
        let named = package(&json!({ "packageManager": "pnpm@9.1.0+sha512.00" }));
        assert_eq!(package_manager(&named, &member, root.path()), "pnpm");
    }
}
