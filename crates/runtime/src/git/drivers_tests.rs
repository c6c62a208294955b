#![allow(clippy::unwrap_used)]
use std::cell::Cell;

use super::*;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_repository_that_may_name_drivers_is_told_by_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
    std::fs::create_dir_all(path("main/.git/worktrees/w")).unwrap();
    std::fs::create_dir_all(path("w/deep")).unwrap();
    write(
        "w/.git",
        &format!("gitdir: {}\n", path("main/.git/worktrees/w").display()),
    );
    write("main/.git/worktrees/w/commondir", "../..\n");
    assert!(
        !may_name_drivers(&path("w/deep")),
        "there is no configuration"
    );
    for (config, may) in [
        (
            "[core]\n\tbare = false\n[remote \"filter\"]\n\turl = x\n",
            false,
        ),
        ("[core]\n[Filter \"x\"]\n\tclean = cat\n", true),
        ("[merge \"x\"]\n\tdriver = cat\n", true),
        ("[include]\n\tpath = other\n", true),
        ("[includeIf \"gitdir:x\"]\n\tpath = other\n", true),
        ("[filter.x]\n\tclean = cat\n", true),
    ] {
        write("main/.git/config", config);
        assert_eq!(may_name_drivers(&path("w/deep")), may, "{config}");
        assert_eq!(may_name_drivers(&path("main")), may, "{config}");
    }
}

/// Runs git with the drivers of the repository taken away, and answers what it printed.
fn harmless(folder: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.test"];
    let mut git = command(folder);
    git.envs(without_drivers(folder, LIMIT).unwrap())
        .args(identity)
        .args(args);
    let output = git.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn no_driver_of_a_repository_runs_and_merges_are_gits_own() {
    let folder = tempfile::tempdir().unwrap();
    let (root, ran) = (folder.path().join("tree"), folder.path().join("ran"));
    std::fs::create_dir(&root).unwrap();
    let write = |text: &str| std::fs::write(root.join("a"), text).unwrap();
    let git = |args: &[&str]| harmless(&root, args);
    git(&["init", "-q", "-b", "main"]);
    std::fs::write(root.join(".gitattributes"), "* filter=x.y merge=x.y\n").unwrap();
    let touch = format!("touch '{}'; cat", ran.display());
    for key in [
        "filter.x.y.clean",
        "filter.x.y.smudge",
        "filter.x.y.process",
        "merge.x.y.driver",
    ] {
        git(&["config", key, &touch]);
    }
    git(&["config", "filter.x.y.required", "true"]);
    write("1\n2\n3\n4\n5\n");
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "one"]);
    git(&["checkout", "-q", "-b", "other"]);
    write("1\n2\n3\n4\nfive\n");
    assert_eq!(git(&["status", "--porcelain"]), " M a\n");
    git(&["commit", "-q", "-a", "-m", "five"]);
    git(&["checkout", "-q", "main"]);
    write("one\n2\n3\n4\n5\n");
    git(&["commit", "-q", "-a", "-m", "one in words"]);
    git(&["merge", "-q", "--no-edit", "other"]);
    let merged = std::fs::read_to_string(root.join("a")).unwrap();
    assert_eq!(merged, "one\n2\n3\n4\nfive\n");
    assert!(!ran.exists(), "a driver ran");
}

/// A folder with a configuration of git, and a count of questions about it.
struct Asking {
    folder: tempfile::TempDir,
    known: Known,
    asked: Cell<usize>,
}

impl Asking {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        Self {
            folder,
            known: Known(Mutex::default()),
            asked: Cell::new(0),
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(".git").join(name), text).unwrap();
    }

    /// Files of the user's are those of the machine that runs this, so they are left out.
    fn read(&self) -> Option<Configuration> {
        let contents = files_of_repository(self.folder.path())?.map(|file| {
            let content = std::fs::read(&file).unwrap_or_default();
            (file, content)
        });
        let has_include = contents.iter().any(|(_, it)| has_section(it, "include"));
        (!has_include).then(|| Configuration(contents.to_vec()))
    }

    /// What is known, and how often was asked by then.
    fn drivers(&self) -> (Drivers, usize) {
        let ask = || {
            self.asked.set(self.asked.get() + 1);
            Ok(vec![(format!("filter.{}.clean", self.asked.get()), "")])
        };
        let drivers = self.known.of(|| self.read(), ask).unwrap();
        (drivers, self.asked.get())
    }
}

#[test]
fn git_is_asked_once_for_each_content_of_its_configuration() {
    let asking = Asking::new();
    let one = asking.drivers();
    assert_eq!((asking.drivers(), one.1), (one.clone(), 1));
    asking.write("config", "[filter \"x\"]\n\tclean = cat\n");
    let two = asking.drivers();
    assert_eq!(two.1, 2);
    asking.write("config.worktree", "[core]\n");
    assert_eq!(asking.drivers().1, 3);
    std::fs::remove_file(asking.folder.path().join(".git/config.worktree")).unwrap();
    assert_eq!(asking.drivers(), (two.0, 3));
    asking.write("config", "[IncludeIf \"onbranch:x\"]\n\tpath = other\n");
    let asked = [asking.drivers().1, asking.drivers().1];
    assert_eq!(
        asked,
        [4, 5],
        "what includes others is asked about each time"
    );
}

#[test]
fn so_many_configurations_are_known_and_no_failure_is() {
    let asking = Asking::new();
    for at in 0..2 * MAX_KNOWN {
        asking.write("config", &format!("[core]\n\tx = {at}\n"));
        asking.drivers();
    }
    assert_eq!(asking.known.0.lock().unwrap().len(), MAX_KNOWN);
    asking.write("config", "");
    let failing = || Err(Error::other("no"));
    let failed = asking.known.of(|| asking.read(), failing);
    assert!(failed.is_err(), "no answer is no driver");
}

#[test]
fn a_driver_that_is_configured_later_is_seen_and_a_broken_configuration_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join(".git/config");
    harmless(folder.path(), &["init", "-q"]);
    let names = || -> Vec<String> {
        let variables = without_drivers(folder.path(), LIMIT).unwrap();
        let values = variables.into_iter().map(|(_, value)| value);
        let values = values.map(|value| value.to_string_lossy().into_owned());
        values
            .filter(|value| value.starts_with("filter.own-"))
            .collect()
    };
    assert_eq!((names(), names()), (Vec::new(), Vec::new()));
    for name in ["own-a", "own-b"] {
        harmless(
            folder.path(),
            &["config", &format!("filter.{name}.clean"), "cat"],
        );
        assert!(names().contains(&format!("filter.{name}.clean")));
    }
    std::fs::write(&config, "[broken\n").unwrap();
    let refused = without_drivers(folder.path(), LIMIT)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("config"), "{refused}");
}
