//! Names of files, folders and repositories mean the same on every way in: the command line, a plan, a tool, gRPC, a hook.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use shim_proto::checkpoint::v1::SessionStatus;
use shim_proto::coordination::v1::{FileLease, ListFilesRequest};
use shim_redis_harness::Redis;
use shim_tests::binary;
use shim_tests::mcp::{GatewayLaunch, tool_output};
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;

use super::live::until;

/// A stack, and a repository with names as frameworks have them.
struct World {
    temp: TempEnv,
    service: Service,
    redis: Redis,
}

const NAMES: [&str; 6] = [
    "app/[id]/page.tsx",
    "app/[[...sign-in]]/page.tsx",
    "app/(group)/page.tsx",
    "app/@slot/page.tsx",
    "app/{a,b}.ts",
    "app/i/page.tsx",
];

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with("GIT_")) {
        command.env_remove(name);
    }
    let named = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
    let done = command
        .arg("-C")
        .arg(folder)
        .args(named)
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

impl World {
    async fn new() -> Self {
        let (temp, redis) = (TempEnv::new(), Redis::start());
        let project = temp.project();
        for name in NAMES {
            let whole = project.join(name);
            std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
            std::fs::write(whole, "").unwrap();
        }
        git(&project, &["init", "-q"]);
        git(&project, &["add", "."]);
        git(&project, &["commit", "-q", "-m", "begin"]);
        let service = Launch::stack(&temp.data_dir(), &redis.url())
            .start_or_panic()
            .await;
        Self {
            temp,
            service,
            redis,
        }
    }

    fn shim(&self, folder: &Path, words: &[&str]) -> Command {
        let mut shim = Command::new(binary::shim());
        shim.arg("--data-dir")
            .arg(self.temp.data_dir())
            .args(words)
            .current_dir(folder)
            .env("SHIM_REDIS_URL", self.redis.url());
        shim
    }

    fn run(&self, words: &[&str]) -> Output {
        self.shim(&self.temp.project(), words).output().unwrap()
    }

    async fn leases(&self, path: &str) -> Vec<FileLease> {
        let request = ListFilesRequest {
            workspace: self
                .temp
                .project()
                .canonicalize()
                .unwrap()
                .display()
                .to_string(),
            paths: vec![path.to_owned()],
            ..Default::default()
        };
        let mut locks = self.service.coordination().locks;
        locks.list_files(request).await.unwrap().into_inner().leases
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_there_means_itself_on_every_way_in() {
    let world = World::new().await;
    let mut gateway = GatewayLaunch::new(&world.temp.data_dir(), &world.temp.project())
        .open()
        .await;
    for (i, name) in NAMES.into_iter().enumerate() {
        let holder = format!("holder-{i}");
        let acquired = world.run(&["files", "acquire", name, "--holder", &holder]);
        assert!(
            acquired.status.success() && !text(&acquired).contains("note:"),
            "{}",
            text(&acquired)
        );
        let leases = world.leases(name).await;
        assert_eq!(leases.len(), 1, "{name}: {leases:?}");
        let pattern = &leases[0].patterns;

        let plan = world.temp.root().join("plan.json");
        let parts = json!([{"key": "part", "goal": "g", "files": [name]}]);
        std::fs::write(&plan, parts.to_string()).unwrap();
        let submit = [
            "tasks",
            "submit",
            "g",
            "--json",
            "--subtasks",
            plan.to_str().unwrap(),
        ];
        let planned = world
            .shim(&world.temp.project().join("app"), &submit)
            .output()
            .unwrap();
        let planned: serde_json::Value = serde_json::from_slice(&planned.stdout).unwrap();
        assert_eq!(planned["subtasks"][0]["files"], json!(pattern), "{name}");

        let part = json!({"id": "part", "goal": "g", "files": [name]});
        let job = json!({"action": "submit", "goal": "g", "files": [name, "gone/*.ts"], "subtasks": [part]});
        let answer = tool_output(gateway.call("shim_coordinate_task", job).await);
        assert_eq!(answer["unmatched_files"], json!(["gone/*.ts"]), "{answer}");
        let task = json!({"action": "status", "task_id": answer["subtasks"][0]["task_id"]});
        let told = tool_output(gateway.call("shim_coordinate_task", task).await);
        assert_eq!(told["task"]["files"], json!([name]), "{told}");
    }
    gateway.close().await;
}

/// Whoever leased a name first has it, also if it is made later, and by whatever links others come to it.
#[tokio::test(flavor = "multi_thread")]
async fn one_file_has_one_holder_made_later_or_behind_links() {
    let world = World::new().await;
    let project = world.temp.project();
    let acquire =
        |name: &str, holder: &str| world.run(&["files", "acquire", name, "--holder", holder]);
    for name in [
        "new/[id]/page.tsx",
        "new/[...slug]/page.tsx",
        "new/[[...lang]]/page.tsx",
        "new/(group)/[user-id].tsx",
        "new/{x}/page.tsx",
        "new/{a,b}.tsx",
    ] {
        let first = acquire(name, "ann");
        assert!(first.status.success(), "{name}: {}", text(&first));
        let whole = project.join(name);
        std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
        std::fs::write(whole, "").unwrap();
        let second = acquire(name, "ben");
        assert!(
            !second.status.success() && text(&second).contains("ann"),
            "{name}: {}",
            text(&second)
        );
        assert_eq!(
            world.run(&["files", "check", name]).status.code(),
            Some(1),
            "{name}"
        );
        assert_eq!(world.leases(name).await.len(), 1, "{name}");
    }
    for (link, target) in [
        ("link", "app"),
        ("app/again.tsx", "i/page.tsx"),
        ("out", "/etc"),
        ("round", "round"),
    ] {
        std::os::unix::fs::symlink(target, project.join(link)).unwrap();
    }
    let first = acquire("link/i/page.tsx", "ann");
    assert!(first.status.success(), "{}", text(&first));
    for name in [
        "app/i/page.tsx",
        "app/again.tsx",
        "link/again.tsx",
        "link/i/*.tsx",
    ] {
        let second = acquire(name, "ben");
        assert!(
            !second.status.success() && text(&second).contains("ann"),
            "{name}: {}",
            text(&second)
        );
        assert_eq!(world.leases(name).await.len(), 1, "{name}");
    }
    for name in ["out/passwd", "round/x"] {
        let refused = acquire(name, "ben");
        assert!(
            !refused.status.success() && text(&refused).contains("link"),
            "{name}: {}",
            text(&refused)
        );
    }
    // A link that is staged is changed itself, beside what it leads to.
    git(&project, &["add", "app/again.tsx"]);
    let staged = ["files", "check", "--staged", "--strict"];
    assert_eq!(world.run(&staged).status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_means_nothing_here_is_refused_or_told() {
    let world = World::new().await;
    for typed in ["", " ", "!src/**", "~/x", "$HOME/x", "@(a|b)"] {
        for words in [
            &["files", "acquire", "--holder", "a", "--", typed][..],
            &["files", "check", "--strict", "--", typed],
            &["files", "list", "--", typed],
            &["tasks", "submit", "g", "--file", typed],
        ] {
            let refused = world.run(words);
            assert!(!refused.status.success(), "{words:?}: {}", text(&refused));
        }
    }
    for words in [
        ["sessions", "list", "--project", ""],
        ["state", "list", "-n", ""],
        ["files", "list", "-w", ""],
    ] {
        assert!(!world.run(&words).status.success(), "{words:?}");
    }
    let acquired = world.run(&["files", "acquire", "app/*.rs", "--holder", "a"]);
    assert!(
        acquired.status.success() && text(&acquired).contains("no file there is matches app/*.rs")
    );
    let held = world.run(&["files", "check", "app/*.rs"]);
    assert_eq!(held.status.code(), Some(1), "{}", text(&held));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_asks_about_the_repository_it_is_in() {
    let world = World::new().await;
    let other = world.temp.root().join("other");
    std::fs::create_dir(&other).unwrap();
    git(&other, &["init", "-q"]);
    let project = world.temp.project();
    std::fs::write(project.join("app/i/page.tsx"), "changed").unwrap();
    let acquired = world.run(&["files", "acquire", "app/i/page.tsx", "--holder", "ben"]);
    assert!(acquired.status.success(), "{}", text(&acquired));
    let check = |environment: &[(&str, &str)]| {
        let mut check = world.shim(&project, &["files", "check", "--staged", "--strict"]);
        check
            .envs(environment.iter().copied())
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(check(&[]), Some(0), "nothing is staged");
    git(&project, &["add", "."]);
    let git_dir = other.join(".git").display().to_string();
    let index = other.join(".git/index").display().to_string();
    let tree = other.display().to_string();
    for environment in [
        &[][..],
        &[("GIT_DIR", git_dir.as_str())],
        &[
            ("GIT_DIR", &git_dir),
            ("GIT_WORK_TREE", &tree),
            ("GIT_INDEX_FILE", &index),
        ],
        &[("GIT_INDEX_FILE", ".git/index")],
    ] {
        assert_eq!(check(environment), Some(1), "{environment:?}");
    }
    let launch = GatewayLaunch::new(&world.temp.data_dir(), &project).with_env("GIT_DIR", &git_dir);
    let mut gateway = launch.open().await;
    let saved = gateway
        .call(
            "shim_auto_checkpoint",
            json!({"current_task": "t", "progress": 0.1}),
        )
        .await;
    let id = tool_output(saved)["checkpoint"]["checkpoint_id"].clone();
    let uri = json!({"uri": format!("shim://checkpoints/{}", id.as_str().unwrap())});
    let read = gateway.request("resources/read", uri).await.unwrap();
    let text = read["contents"][0]["text"].as_str().unwrap();
    let whole: serde_json::Value = serde_json::from_str(text).unwrap();
    let head = whole["state"]["git"]["head"].clone();
    let own = Command::new("git")
        .arg("-C")
        .arg(&project)
        .args(["rev-parse", "HEAD"])
        .output()
        .unwrap();
    assert_eq!(head, json!(String::from_utf8_lossy(&own.stdout).trim()));
    gateway.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_renamed_project_are_not_missing() {
    let world = World::new().await;
    let project = world.temp.project();
    let mut gateway = GatewayLaunch::new(&world.temp.data_dir(), &project)
        .open()
        .await;
    let state = json!({
        "current_task": "t", "progress": 0.5, "next_steps": ["go on"], "active_files": ["app/i/page.tsx"],
    });
    let saved = tool_output(gateway.call("shim_auto_checkpoint", state).await);
    let session_id = saved["session_id"].as_str().unwrap();
    gateway.kill().await;
    until(&world.temp, session_id, SessionStatus::Interrupted).await;
    let renamed = world.temp.root().join("renamed");
    std::fs::rename(&project, &renamed).unwrap();

    let shown = world
        .shim(world.temp.root(), &["sessions", "restore", session_id])
        .output()
        .unwrap();
    let shown = text(&shown);
    assert!(
        shown.contains("page.tsx") && shown.contains("project is gone"),
        "{shown}"
    );
    assert!(!shown.contains("MISSING"), "{shown}");

    // Somebody makes another folder at the old path.
    std::fs::create_dir_all(project.join("app/i")).unwrap();
    std::fs::write(project.join("app/i/page.tsx"), "of somebody else").unwrap();
    let shown = world
        .shim(world.temp.root(), &["sessions", "restore", session_id])
        .output()
        .unwrap();
    let shown = text(&shown);
    assert!(shown.contains("another folder now"), "{shown}");
    assert!(
        !shown.contains("MISSING") && !shown.contains("CHANGED"),
        "{shown}"
    );
    std::fs::remove_dir_all(&project).unwrap();

    let mut gateway = GatewayLaunch::new(&world.temp.data_dir(), &renamed)
        .open()
        .await;
    let restore = json!({"action": "restore", "session_id": session_id});
    let restored = gateway.call("shim_check_recovery", restore).await;
    let claims = tool_output(restored)["claims"].clone();
    let claims = claims.as_array().unwrap();
    let file = claims.iter().find(|claim| claim["kind"] == "file").unwrap();
    assert_eq!(file["verdict"], "unchanged", "{claims:?}");
    assert!(
        file["detail"].as_str().unwrap().contains("project is gone"),
        "{file}"
    );
    let git = claims.iter().filter(|claim| claim["kind"] == "git");
    assert!(
        git.clone().count() >= 2 && git.clone().all(|claim| claim["verdict"] == "unchanged"),
        "{claims:?}"
    );
    gateway.close().await;
}
