//! The project of a user: committed, with work in progress, with files of all line ends, and with tests that leave a daemon
//! behind and never end on demand.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use shim_runtime::git;

const PACKAGE: &str = r#"{ "name": "users", "version": "1.0.0", "main": "src/total.js", "scripts": { "test": "node --test" } }
"#;
const TOTAL: &str = "'use strict';\n\nvar rate = 0.2;\n\nfunction total(prices) {\n\tvar sum = 0;\n\tfor (var i = 0; i < prices.length; i++) {\n\t\tsum = sum + prices[i];\n\t}\n\treturn sum * (1 + rate);\n}\n\nfunction label(name, count) {\n\tvar text = 'item ' + name + ' x' + String(count);\n\treturn text;\n}\n\nmodule.exports = { total: total, label: label };\n";
const CRLF: &str = "'use strict';\r\n\r\nvar names = ['a', 'b'];\r\n\r\nfunction first(list) {\r\n  var head = list && list.length > 0 ? list[0] : undefined;\r\n  return head;\r\n}\r\n\r\nmodule.exports = { first: first, names: names };\r\n";
const BOM: &str = "\u{feff}'use strict';\n\nfunction twice(value) {\n    var doubled = value * 2; // kept\n    return doubled;\n}\n\nmodule.exports = { twice: twice };";
const TSCONFIG: &str =
    "{ \"compilerOptions\": { \"allowJs\": true, \"noEmit\": true }, \"include\": [\"src\"] }\n";
/// `FLAG` stands for the path of a file: while it is there, the tests never end.
const TEST: &str = "'use strict';\nconst test = require('node:test');\nconst assert = require('node:assert');\nconst { spawn } = require('node:child_process');\nconst { total, label } = require('../src/total.js');\nconst { first } = require('../src/crlf.js');\nconst { twice } = require('../src/bom.js');\n\nspawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }).unref();\nwhile (require('node:fs').existsSync('FLAG'));\n\ntest('all of it', () => {\n  assert.equal(total([1, 2]), 3.5999999999999996);\n  assert.equal(label('a', 2), 'item a x2');\n  assert.equal(first(['z']), 'z');\n  assert.equal(twice(4), 8);\n});\n";
/// Folders of `.git` where evolutions leave objects and branches.
const SHARED: [&str; 3] = ["objects", "refs/heads/shim", "logs/refs/heads/shim"];

/// The project.
pub(super) struct UserProject {
    root: PathBuf,
    /// While this file is there, the tests never end.
    flag: PathBuf,
}

/// All that is the user's: files with their modes and contents, git's own among them, and what git says of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    files: BTreeMap<PathBuf, (u32, Vec<u8>)>,
    git: Vec<String>,
}

impl Fingerprint {
    /// What differs from `before`, in words.
    pub(super) fn difference(&self, before: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let paths: std::collections::BTreeSet<_> =
            self.files.keys().chain(before.files.keys()).collect();
        for path in paths {
            if self.files.get(path) != before.files.get(path) {
                found.push(format!("{} differs", path.display()));
            }
        }
        if self.git != before.git {
            found.push(format!(
                "git says {:?} instead of {:?}",
                self.git, before.git
            ));
        }
        found
    }
}

impl UserProject {
    /// Writes the project into an empty folder.
    ///
    /// # Panics
    /// If it cannot be written, or git cannot be run.
    pub(super) fn make(root: &Path) -> Self {
        let project = Self {
            root: root.to_path_buf(),
            flag: root.with_file_name("never-ends"),
        };
        let test = TEST.replace("FLAG", &project.flag.display().to_string());
        for (name, content) in [
            ("package.json", PACKAGE),
            ("src/total.js", TOTAL),
            ("src/crlf.js", CRLF),
            ("src/bom.js", BOM),
            ("src/draft.js", "var draft = 1;\n"),
            ("test/total.test.js", test.as_str()),
            ("tsconfig.json", TSCONFIG),
            (".gitignore", "node_modules/\n"),
            (".gitattributes", "* -text\n"),
        ] {
            project.write(name, content);
        }
        project.git(&["init", "--quiet", "--initial-branch", "main"]);
        project.git(&["add", "."]);
        project.git(&[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.test",
            "commit",
            "--quiet",
            "--message",
            "all",
        ]);
        // Work in progress, some of it set aside.
        project.write("src/draft.js", "var draft = 3; // set aside\n");
        project.git(&[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.test",
            "stash",
            "push",
            "--quiet",
        ]);
        project.git(&["branch", "older"]);
        project.git(&["pack-refs", "--all"]);
        project.edit(2);
        project.write("notes.txt", "not known to git\n");
        project
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder"))
            .expect("the project is writable");
        std::fs::write(path, content).expect("the project is writable");
    }

    /// What git prints.
    pub(super) fn git(&self, args: &[&str]) -> String {
        let output: Output = git::command(&self.root)
            .args(args)
            .output()
            .expect("git runs");
        assert!(output.status.success(), "git {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The user goes on with what is not committed.
    pub(super) fn edit(&self, number: u64) {
        self.write(
            "src/draft.js",
            &format!("var draft = {number}; // not committed\n"),
        );
    }

    /// Lets the tests end, or not.
    ///
    /// # Panics
    /// If the home cannot be written.
    pub(super) fn let_tests_end(&self, ends: bool) {
        if ends {
            let _ = std::fs::remove_file(&self.flag);
        } else {
            std::fs::write(&self.flag, "").expect("the home is writable");
        }
    }

    /// The state of all that is the user's.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut files = BTreeMap::new();
        let shared = SHARED.map(|name| self.root.join(".git").join(name));
        collect(&self.root, &shared, &mut files);
        let asked: [&[&str]; 5] = [
            &["rev-parse", "HEAD"],
            &["symbolic-ref", "HEAD"],
            &["status", "--porcelain"],
            &["stash", "list"],
            &["config", "--local", "--list"],
        ];
        Fingerprint {
            files,
            git: asked.iter().map(|args| self.git(args)).collect(),
        }
    }
}

/// All files but those below `shared`. A link counts with what it leads to.
fn collect(folder: &Path, shared: &[PathBuf], files: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if shared.contains(&path) {
            continue;
        }
        let Ok(meta) = path.symlink_metadata() else {
            continue;
        };
        if meta.is_dir() {
            collect(&path, shared, files);
        } else {
            let content = match std::fs::read_link(&path) {
                Ok(target) => target.into_os_string().into_encoded_bytes(),
                Err(_) => std::fs::read(&path).unwrap_or_default(),
            };
            files.insert(path, (meta.permissions().mode(), content));
        }
    }
}
