//! Projects of all shapes, as they lie on disks.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use shim_proto::evolution::v1::ModuleSystem;
use tempfile::TempDir;

use super::content::MAX_SOURCE_BYTES;
use super::language::ModuleKind;
use super::*;
use crate::tool_host::test_host::Trust;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        write(folder.path(), name, content);
    }
    folder
}

fn write(root: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn git(folder: &Path, args: &[&str]) {
    let mut command = shim_runtime::git::command(folder);
    let who = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.test",
        "-c",
        "protocol.file.allow=always",
    ];
    let output = command.args(who).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
}

async fn open(path: &Path) -> Project {
    Project::open(path, &[], &Trust(false)).await.unwrap()
}

async fn refusal(path: &Path, roots: &[PathBuf]) -> String {
    let error = Project::open(path, roots, &Trust(false)).await.unwrap_err();
    let EvolutionError::Project(error) = error else {
        panic!("{error:?}")
    };
    error.to_string()
}

async fn paths(project: &Project, include: &[&str]) -> Vec<String> {
    let include: Vec<_> = include.iter().map(|it| (*it).to_owned()).collect();
    let files = project.source_files(&include).await.unwrap();
    files.files.into_iter().map(|file| file.path).collect()
}

async fn unread(project: &Project) -> Vec<(String, String)> {
    let files = project.source_files(&[]).await.unwrap();
    let unread = files.unread.into_iter();
    unread.map(|it| (it.path, it.reason)).collect()
}

#[tokio::test]
async fn a_path_that_is_no_project_is_refused_with_the_reason() {
    let inside = folder(&[("a.js", "")]);
    let root = inside.path().canonicalize().unwrap();
    let outside = folder(&[("b.js", "")]);
    symlink(outside.path(), root.join("link")).unwrap();
    mkfifo(&root.join("pipe"), Mode::S_IRWXU).unwrap();
    let roots = [root.clone()];
    assert!(
        Project::open(&root, &roots, &Trust(true))
            .await
            .unwrap()
            .is_trusted()
    );
    for (path, says) in [
        (PathBuf::from("relative"), "is not an absolute path"),
        (root.join("no-such"), "cannot be used"),
        (root.join("pipe"), "neither a folder nor a regular file"),
        (root.join("link"), "outside of the folders"),
        (root.join(".."), "outside of the folders"),
        (outside.path().to_path_buf(), "outside of the folders"),
        (PathBuf::from("/no/such/thing"), "outside of the folders"),
    ] {
        let why = refusal(&path, &roots).await;
        assert!(why.contains(says), "{}: {why}", path.display());
    }
    write(&root, "package.json", "{ \"name\": }");
    assert!(refusal(&root, &roots).await.contains("line 1 column 11"));
}

#[tokio::test]
async fn the_nearest_manifest_makes_the_project_and_what_was_asked_for_its_files() {
    let tree = folder(&[
        ("package.json", r#"{"workspaces": ["packages/*"]}"#),
        ("pnpm-lock.yaml", ""),
        ("tool.js", ""),
        (
            "packages/a/package.json",
            r#"{"name": "a", "type": "module"}"#,
        ),
        ("packages/a/src/one.js", "export const a = 1;\n"),
        ("packages/a/src/two.js", ""),
        ("packages/b/three.js", "module.exports = 1;\n"),
    ]);
    git(tree.path(), &["init", "-q"]);
    let top = tree.path().canonicalize().unwrap();
    let whole = open(tree.path()).await;
    assert_eq!(
        (whole.root(), whole.asked()),
        (top.as_path(), Path::new(""))
    );
    assert_eq!(
        paths(&whole, &[]).await,
        [
            "packages/a/src/one.js",
            "packages/a/src/two.js",
            "packages/b/three.js",
            "tool.js"
        ]
    );
    let member = open(&tree.path().join("packages/a/src")).await;
    assert_eq!(
        (member.root(), member.asked()),
        (top.join("packages/a").as_path(), Path::new("src"))
    );
    assert_eq!(member.to_message().package_manager, "pnpm");
    assert_eq!(paths(&member, &["two.js"]).await, ["src/two.js"]);
    let file = open(&tree.path().join("packages/a/src/one.js")).await;
    assert_eq!(file.root(), top.join("packages/a"));
    assert_eq!(paths(&file, &[]).await, ["src/one.js"]);
    let kinds: Vec<_> = whole
        .source_files(&[])
        .await
        .unwrap()
        .files
        .into_iter()
        .map(|it| it.module_kind)
        .collect();
    assert_eq!(
        kinds,
        [
            ModuleKind::Esm,
            ModuleKind::Esm,
            ModuleKind::CommonJs,
            ModuleKind::CommonJs
        ]
    );
    for (entry, says) in [
        ("../b", "leads out"),
        ("/etc", "not a path relative"),
        ("no-such", "cannot be read"),
        ("", "not a path"),
    ] {
        let error = member
            .source_files(&[entry.to_owned()])
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{entry}: {error}");
    }
}

#[tokio::test]
async fn only_sources_of_the_project_are_listed_and_the_rest_is_told() {
    let outside = folder(&[("o.js", "")]);
    let tree = folder(&[
        (".gitignore", "ignored/\n*.gen.js\n"),
        ("a.ts", "import b from './b';\n"),
        (".eslintrc.cjs", "module.exports = {};\n"),
        ("ignored/x.js", ""),
        ("x.gen.js", ""),
        ("node_modules/p/index.js", ""),
        ("lib/node_modules/p/index.js", ""),
        ("dist/bundle.js", ""),
        (".cache/x.js", ""),
        ("made.js", "// @generated\n"),
        ("packed.min.js", ""),
        ("readme.md", ""),
    ]);
    let root = tree.path();
    write(root, "video.ts", b"G\0\0");
    write(root, "latin.js", b"// \xe9\n");
    write(
        root,
        "huge.js",
        vec![b'\n'; (MAX_SOURCE_BYTES + 1) as usize],
    );
    write(root, "nested/own.js", "");
    git(&root.join("nested"), &["init", "-q"]);
    symlink(root, root.join("cycle")).unwrap();
    symlink(root.join("a.ts"), root.join("same.ts")).unwrap();
    symlink(outside.path().join("o.js"), root.join("out.js")).unwrap();
    symlink("nowhere.js", root.join("broken.js")).unwrap();
    symlink(outside.path(), root.join("lib/linked")).unwrap();
    mkfifo(&root.join("pipe.js"), Mode::S_IRWXU).unwrap();
    let project = open(root).await;
    assert_eq!(paths(&project, &[]).await, [".eslintrc.cjs", "a.ts"]);
    let told = unread(&project).await;
    let expected = [
        ("broken.js", "a link to nothing"),
        (
            "dist",
            "output of a build; name it in `include` to have it read",
        ),
        ("huge.js", "larger than 1024 KiB"),
        ("latin.js", "not UTF-8 at byte 3"),
        ("made.js", "generated: @generated"),
        (
            "nested",
            "another repository: a submodule, a worktree or a clone",
        ),
        ("out.js", "a link out of the project"),
        ("packed.min.js", "minified: by its name"),
        ("pipe.js", "no regular file"),
        ("video.ts", "binary"),
    ];
    let expected = expected.map(|(path, why)| (path.to_owned(), why.to_owned()));
    assert_eq!(told, expected);
    assert_eq!(
        paths(&project, &["dist", "x.gen.js"]).await,
        ["dist/bundle.js", "x.gen.js"]
    );
}

#[tokio::test]
async fn git_is_told_as_it_is() {
    let tree = folder(&[("a.js", "1;\n")]);
    assert_eq!(open(tree.path()).await.git(), None);
    git(tree.path(), &["init", "-q", "-b", "main"]);
    let git_of = async |path: &Path| open(path).await.git().unwrap().clone();
    let fresh = git_of(tree.path()).await;
    assert_eq!((fresh.head, fresh.branch.as_deref()), (None, Some("main")));
    assert_eq!(fresh.changed, ["a.js"]);
    git(tree.path(), &["add", "."]);
    git(tree.path(), &["commit", "-q", "-m", "one"]);
    let clean = git_of(tree.path()).await;
    assert!(!clean.is_dirty() && !clean.is_linked());
    assert_eq!(clean.head.as_ref().unwrap().len(), 40);
    write(tree.path(), "a.js", "2;\n");
    assert_eq!(git_of(tree.path()).await.changed, ["a.js"]);
    git(tree.path(), &["checkout", "-q", "--detach"]);
    let message = open(tree.path()).await.to_message();
    assert_eq!((message.git_branch.as_str(), message.is_dirty), ("", true));
    let linked = tree.path().join("linked");
    git(
        tree.path(),
        &["worktree", "add", "-q", linked.to_str().unwrap()],
    );
    let worktree = git_of(&linked).await;
    assert!(worktree.is_linked());
    assert_eq!(worktree.common_dir, clean.git_dir);
}

#[tokio::test]
async fn a_repository_that_cannot_be_used_is_told_and_the_project_opens_all_the_same() {
    let tree = folder(&[]);
    git(tree.path(), &["init", "-q", "--bare", "bare.git"]);
    let bare = open(&tree.path().join("bare.git")).await;
    assert_eq!(
        (bare.git(), bare.git_refusal()),
        (None, Some(&GitRefusal::Bare))
    );
    write(tree.path(), "broken/.git", "gitdir: nowhere\n");
    let broken = open(&tree.path().join("broken")).await;
    assert!(broken.git().is_none());
}

#[tokio::test]
async fn each_refusal_of_git_is_told_apart() {
    let tree = folder(&[]);
    git(tree.path(), &["init", "-q", "main"]);
    let main = tree.path().join("main");
    git(&main, &["commit", "-q", "--allow-empty", "-m", "one"]);
    git(&main, &["worktree", "add", "-q", "../linked"]);
    let linked = tree.path().join("linked");
    assert!(open(&linked).await.git().is_some());
    // The worktree of a repository that is gone: `git init` would not help.
    std::fs::remove_dir_all(&main).unwrap();
    let lost = open(&linked).await;
    let Some(GitRefusal::Other(said)) = lost.git_refusal() else {
        panic!("{:?}", lost.git_refusal())
    };
    assert!(said.contains("not a git repository: "), "{said}");
    let none = open(tree.path()).await;
    assert_eq!((none.git(), none.git_refusal()), (None, None));
}

#[tokio::test]
async fn a_repositorys_own_programs_are_not_run() {
    let tree = folder(&[("a.js", "")]);
    git(tree.path(), &["init", "-q"]);
    let mark = tree.path().join("ran");
    let program = format!("touch {}; false", mark.display());
    git(tree.path(), &["config", "core.fsmonitor", &program]);
    assert!(open(tree.path()).await.git().is_some());
    assert!(!mark.exists());
}

#[tokio::test]
async fn an_empty_project_has_no_files_and_a_submodule_is_another_project() {
    let tree = folder(&[("a.js", "const a = require('a');\n")]);
    let other = folder(&[("b.js", "")]);
    for root in [tree.path(), other.path()] {
        git(root, &["init", "-q"]);
        git(root, &["add", "."]);
        git(root, &["commit", "-q", "-m", "one"]);
    }
    git(
        tree.path(),
        &[
            "submodule",
            "--quiet",
            "add",
            other.path().to_str().unwrap(),
            "sub",
        ],
    );
    let project = open(tree.path()).await;
    assert_eq!(paths(&project, &[]).await, ["a.js"]);
    assert_eq!(unread(&project).await[0].0, "sub");
    let mut message = project.to_message();
    project
        .source_files(&[])
        .await
        .unwrap()
        .describe(&mut message);
    assert_eq!((message.source_files, message.source_lines), (1, 1));
    assert_eq!(message.module_system(), ModuleSystem::Commonjs);
    let submodule = open(&tree.path().join("sub")).await;
    assert_eq!(paths(&submodule, &[]).await, ["b.js"]);
    let empty = folder(&[]);
    assert_eq!(paths(&open(empty.path()).await, &[]).await, [""; 0]);
}

/// A project with so many files; how long their listing takes is printed, not asserted.
async fn listed(count: usize) {
    let tree = folder(&[("package.json", "{}")]);
    let padding = "// What a line of a source looks like, on average.\n".repeat(100);
    for number in 0..count {
        let name = format!("src/{}/file{number}.ts", number % 200);
        let content = format!("export const value = {number};\n{padding}");
        write(tree.path(), &name, content);
    }
    let project = open(tree.path()).await;
    let begun = Instant::now();
    let files = project.source_files(&[]).await.unwrap();
    let took: Duration = begun.elapsed();
    eprintln!("{count} files of 5 kB listed, read and hashed in {took:?}");
    assert_eq!((files.files.len(), files.unread.len()), (count, 0));
    assert_eq!(files.module_system(), ModuleSystem::Esm);
}

#[tokio::test]
async fn many_files_are_listed() {
    listed(2_000).await;
}

#[tokio::test]
#[ignore = "a measurement: it writes 100 MB"]
async fn twenty_thousand_files_are_listed() {
    listed(20_000).await;
}
