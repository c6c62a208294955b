//! Packages whose functions are mutated, with the runners of their tests and Stryker's plugin for each.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use shim_proto::evolution::v1::TestGenerationReport;

/// The newest version that runs on Node 20.
const STRYKER: &str = "9.6.1";

/// A package of npm.
pub(super) struct Package {
    pub(super) name: &'static str,
    version: &'static str,
    /// The command of its tests.
    test: &'static str,
    /// What its tests need, with versions.
    needs: &'static [(&'static str, &'static str)],
    /// Stryker's name of its test runner.
    pub(super) runner: &'static str,
    /// Files of tests, for runners that Stryker must tell.
    pub(super) spec: &'static str,
}

pub(super) const PACKAGES: [Package; 2] = [
    Package {
        name: "dijkstrajs",
        version: "1.0.3",
        test: "mocha -R spec",
        needs: &[("mocha", "11.7.5"), ("expect.js", "0.3.1")],
        runner: "mocha",
        spec: "test/*.js",
    },
    Package {
        name: "ml-array-sum",
        version: "2.0.0",
        test: "vitest run src",
        needs: &[("vitest", "4.1.12")],
        runner: "vitest",
        spec: "",
    },
];

impl Package {
    /// Its published files in a repository, with what its tests and Stryker need beside them.
    pub(super) fn install(&self, folder: &Path) {
        std::fs::create_dir(folder).expect("the home is writable");
        let named = format!("{}@{}", self.name, self.version);
        let printed = run(folder, "npm", &["pack", "--silent", &named]);
        let archive = printed.trim().lines().last().unwrap_or_default().to_owned();
        run(folder, "tar", &["xzf", &archive, "--strip-components=1"]);
        std::fs::remove_file(folder.join(archive)).expect("it was unpacked");
        self.write_manifest(folder);
        let ignored = "node_modules\n.stryker-tmp\nreports\n";
        std::fs::write(folder.join(".gitignore"), ignored).expect("the home is writable");
        let flags = [
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ];
        run(
            folder,
            "npm",
            &[&["install", "--legacy-peer-deps"], &flags[..]].concat(),
        );
        for args in [
            &["init", "-q", "-b", "main"][..],
            &["add", "-A"],
            &["commit", "-qm", "package"],
        ] {
            git(folder, args);
        }
    }

    fn write_manifest(&self, folder: &Path) {
        let file = folder.join("package.json");
        let text = std::fs::read_to_string(&file).expect("a package has a manifest");
        let mut facts: Value = serde_json::from_str(&text).expect("a manifest is JSON");
        let plugin = format!("@stryker-mutator/{}-runner", self.runner);
        let mut needs = json!({"@stryker-mutator/core": STRYKER, plugin: STRYKER});
        for (name, version) in self.needs {
            needs[*name] = json!(version);
        }
        facts["scripts"] = json!({"test": self.test});
        facts["devDependencies"] = needs;
        std::fs::write(file, facts.to_string()).expect("the home is writable");
    }

    /// A copy of a branch, with the packages.
    pub(super) fn checkout(&self, project: &Path, branch: &str, copy: &Path) {
        let (from, to) = (project.display().to_string(), copy.display().to_string());
        run(
            project,
            "git",
            &["clone", "-q", "--branch", branch, &from, &to],
        );
        run(project, "cp", &["-a", "node_modules", &to]);
    }

    /// The files of the functions that were mutated.
    pub(super) fn mutated(&self, report: &TestGenerationReport) -> Vec<String> {
        let functions = report.functions.iter().filter(|it| it.mutants > 0);
        let mut files: Vec<String> = functions.map(|it| it.path.clone()).collect();
        files.sort();
        files.dedup();
        files
    }
}

fn git(folder: &Path, args: &[&str]) {
    let identity = [
        "-c",
        "user.name=bench",
        "-c",
        "user.email=bench@example.test",
    ];
    run(folder, "git", &[&identity, args].concat());
}

/// What a program that must succeed prints.
pub(super) fn run(folder: &Path, program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .current_dir(folder)
        .args(args)
        .output();
    let output = output.unwrap_or_else(|why| panic!("{program}: {why}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
