//! Files are readable by their owner alone, whatever the umask of the process that starts the stack.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use shim_redis_harness::Redis;
use shim_tests::binary;
use shim_tests::mcp::{Gateway, GatewayLaunch, tool_output};
use shim_tests::service::{Launch, command_under_umask};
use shim_tests::temp_env::TempEnv;

/// Prints more than a result holds, makes a file of its own, and waits: so long there is something to look at.
const PROGRAM: &str = "seq 20000; echo words > made; while [ ! -e go ]; do sleep 0.02; done";
/// For what comes a moment later.
const MAX_POLLS: usize = 2_000;
const POLL_INTERVAL: Duration = Duration::from_millis(30);

/// Asserts the modes of all that is below, and returns the names.
fn walk(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    assert_private(folder);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // It is gone meanwhile, and what was in it.
        Err(why) if why.kind() == ErrorKind::NotFound => return names,
        Err(why) => panic!("{}: {why}", folder.display()),
    };
    for entry in entries {
        let path = entry.unwrap().path();
        names.insert(path.file_name().unwrap().to_string_lossy().into_owned());
        if path.is_dir() {
            names.append(&mut walk(&path));
        } else {
            assert_private(&path);
        }
    }
    names
}

fn assert_private(path: &Path) {
    // A file that is made, renamed and gone meanwhile is no finding.
    let Ok(meta) = path.symlink_metadata() else {
        return;
    };
    let kind = meta.file_type();
    let expected = if kind.is_dir() { 0o700 } else { 0o600 };
    assert!(
        kind.is_dir() || kind.is_file() || kind.is_socket(),
        "{} is of another kind",
        path.display()
    );
    let mode = meta.permissions().mode() & 0o7777;
    assert_eq!(mode, expected, "{} has {mode:o}", path.display());
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..MAX_POLLS {
        if is_so() {
            return;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    panic!("{what} does not come");
}

/// A window that starts the stack, both under a umask.
async fn window(temp: &TempEnv, umask: &str) -> Gateway {
    let file = temp.one_program("printer", PROGRAM);
    let usual = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let [program, arguments @ ..] = usual.command() else {
        unreachable!("a command has a program")
    };
    let command = command_under_umask(umask, program);
    let words = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned());
    let words = std::iter::once("/bin/sh".to_owned()).chain(words);
    let words = words.chain(arguments.iter().cloned()).collect();
    let mut launch = GatewayLaunch::of_command(words, &temp.project())
        .with_env("SHIM_CONFIG", &file.display().to_string())
        .with_env("SHIM_WORKER_MAX_OUTPUT", "1024");
    for (name, value) in usual.environment() {
        launch = launch.with_env(name, value);
    }
    launch.open().await
}

/// Runs the command line.
fn shim(temp: &TempEnv, umask: &str, arguments: &[&str]) {
    let status = command_under_umask(umask, binary::shim())
        .arg("--data-dir")
        .arg(temp.data_dir())
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success(), "{arguments:?}: {status}");
}

async fn a_stack_keeps_all_to_its_owner(umask: &'static str) {
    let temp = TempEnv::new();
    let (data, project) = (temp.data_dir(), temp.project());
    let mut window = window(&temp, umask).await;
    let save = json!({"current_task": "look at modes", "progress": 0.5});
    window.call("shim_auto_checkpoint", save).await;
    let job = json!({"action": "submit", "goal": "print", "executor": "command"});
    let submitted = tool_output(window.call("shim_coordinate_task", job).await);
    until("the program", || project.join("made").exists()).await;
    let is_output = |name: &String| name.ends_with(".stdout");
    until("its output", || walk(&data).iter().any(is_output)).await;
    for (command, name) in [("export", "all.jsonl"), ("backup", "copy.db")] {
        let file = data.join(name).display().to_string();
        let option = if command == "export" {
            "--output"
        } else {
            "--"
        };
        shim(&temp, umask, &["sessions", command, option, &file]);
    }

    let names = walk(&data);
    for expected in [
        "all.jsonl",
        "artifacts",
        "checkpoints.db",
        "checkpoints.db-shm",
        "checkpoints.db-wal",
        "copy.db",
        "groups",
        "redis.sock",
        "appendonlydir",
        "shim.log",
        "shim.sock",
        "stack.lock",
    ] {
        assert!(names.contains(expected), "no {expected} in {names:?}");
    }
    let is_log = names.iter().any(|name| name.ends_with(".aof"));
    assert!(is_log, "no log of Redis in {names:?}");
    // What a program makes is its user's, as that user wants it.
    let made = project
        .join("made")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    let usual = 0o666 & !u32::from_str_radix(umask, 8).unwrap();
    assert_eq!(made & 0o777, usual, "{made:o}");

    std::fs::write(project.join("go"), "").unwrap();
    let wait = json!({"action": "wait", "task_id": submitted["task"]["task_id"]});
    window.call("shim_coordinate_task", wait).await;
    walk(&data);
    window.close().await;
}

#[tokio::test]
async fn a_stack_keeps_all_to_its_owner_under_the_usual_umask() {
    a_stack_keeps_all_to_its_owner("022").await;
}

#[tokio::test]
async fn a_stack_keeps_all_to_its_owner_under_no_umask() {
    a_stack_keeps_all_to_its_owner("000").await;
}

#[tokio::test]
async fn services_apart_keep_all_to_their_owner_under_no_umask() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let data = temp.data_dir();
    let file = temp.one_program("printer", PROGRAM);
    let mut services = Vec::new();
    for launch in [
        Launch::checkpoint(&data),
        Launch::coordination(&data, &redis.url()),
        Launch::worker(&data, &redis.url())
            .env("SHIM_CONFIG", &file.display().to_string())
            .env("SHIM_WORKER_MAX_OUTPUT", "1024"),
    ] {
        services.push(launch.umask("000").start_or_panic().await);
    }
    let [checkpoint, coordination, _] = &services[..] else {
        unreachable!("three were started")
    };
    let session = shim_tests::calls::open(&mut checkpoint.client(), "/modes").await;
    session.unwrap();
    let mut tasks = coordination.tasks();
    let mut job = shim_tests::tasks::job("print");
    job.requirements.get_or_insert_default().executor =
        shim_proto::coordination::v1::WorkerKind::Command.into();
    tasks.submit(job).await.unwrap();
    let made = temp.project().join("made");
    until("the program", || made.exists()).await;

    let names = walk(&data);
    for expected in ["artifacts", "checkpoints.db-wal", "groups"] {
        assert!(names.contains(expected), "no {expected} in {names:?}");
    }
    for service in &services {
        assert_private(service.socket());
    }
    std::fs::write(temp.project().join("go"), "").unwrap();
}
