//! A data folder in which somebody else has a hand: nothing in it is believed, shown a token, signalled or written.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use shim_tests::binary;
use shim_tests::mcp::GatewayLaunch;
use shim_tests::service::command_under_umask;
use shim_tests::temp_env::TempEnv;

use super::stranger::{Stranger, UID, Victim, command_of_stranger, public_folder, python};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Commands of every kind that reads the folder.
const COMMANDS: [&[&str]; 12] = [
    &["status"],
    &["down"],
    &["up"],
    &["up", "--detach"],
    &["hold", "--", "true"],
    &["doctor"],
    &["doctor", "--fix"],
    &["healthcheck"],
    &["sessions", "list"],
    &["sessions", "verify"],
    &["sessions", "backup", "copy.db"],
    &["tasks", "list"],
];

fn shim(data_dir: &Path, token: &Path, words: &[&str]) -> Output {
    Command::new(binary::shim())
        .arg("--data-dir")
        .arg(data_dir)
        .args(words)
        .env("SHIM_AUTH_TOKEN_FILE", token)
        .output()
        .unwrap()
}

/// A file with the token that commands show.
fn token_file(temp: &TempEnv) -> PathBuf {
    let file = temp.root().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    file
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    format!("{out}{err}")
}

#[tokio::test]
async fn a_folder_of_somebody_else_gets_no_token_and_directs_no_signal() {
    let (temp, public) = (TempEnv::new(), public_folder());
    let token = token_file(&temp);
    let Some(stranger) = command_of_stranger(python()) else {
        return;
    };
    let folder = public.path().join("data");
    let mut victim = Victim::start();
    let stranger = Stranger::prepare(stranger, &folder, victim.pid());
    for words in COMMANDS {
        let output = shim(&folder, &token, words);
        let said = said(&output);
        assert!(!output.status.success(), "{words:?}: {said}");
        assert!(said.contains(&format!("uid {UID}")), "{words:?}: {said}");
        victim.assert_alive(&words.join(" "));
    }
    let launch = GatewayLaunch::new(&folder, &temp.project())
        .with_env("SHIM_AUTH_TOKEN_FILE", &token.display().to_string());
    let mut window = launch.open().await;
    let save = json!({"current_task": "go on", "progress": 0.5});
    let answer = window.call("shim_auto_checkpoint", save).await;
    assert_eq!(answer["isError"], Value::Bool(true), "{answer}");
    assert!(
        answer.to_string().contains(&format!("uid {UID}")),
        "{answer}"
    );
    window.close().await;
    victim.assert_alive("a gateway");
    assert_eq!(stranger.heard(), "");
}

#[tokio::test]
async fn nothing_is_said_on_a_socket_of_somebody_else() {
    let (temp, public) = (TempEnv::new(), public_folder());
    let token = token_file(&temp);
    let Some(stranger) = command_of_stranger(python()) else {
        return;
    };
    let folder = public.path().join("data");
    let stranger = Stranger::prepare(stranger, &folder, 1);
    let endpoint = format!("unix:{}/shim.sock", folder.display());
    let output = Command::new(binary::shim())
        .arg("--data-dir")
        .arg(temp.data_dir())
        .args(["sessions", "list"])
        .env("SHIM_AUTH_TOKEN_FILE", &token)
        .env("SHIM_ENDPOINTS_CHECKPOINT", endpoint)
        .output()
        .unwrap();
    let said = said(&output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains(&format!("uid {UID}")), "{said}");
    assert_eq!(stranger.heard(), "");
}

#[test]
fn a_lock_of_ones_own_directs_no_signal_either() {
    let temp = TempEnv::new();
    let token = token_file(&temp);
    let mut victim = Victim::start();
    // The socket lies elsewhere, and whoever holds the lock is another process than the one named.
    let elsewhere = temp.root().join("elsewhere");
    let forger = Stranger::prepare(Command::new(python()), &elsewhere, victim.pid());
    std::fs::rename(&elsewhere, temp.data_dir()).unwrap();
    let moved = temp.root().join("moved.sock");
    std::fs::rename(temp.data_dir().join("shim.sock"), &moved).unwrap();
    for words in [&["down"][..], &["hold", "--", "true"]] {
        let output = shim(&temp.data_dir(), &token, words);
        assert!(!output.status.success(), "{words:?}: {}", said(&output));
        victim.assert_alive(&words.join(" "));
    }
    assert_eq!(forger.heard(), "");
}

#[test]
fn no_link_in_the_folder_leads_anything_elsewhere() {
    let temp = TempEnv::new();
    let token = token_file(&temp);
    let precious = temp.root().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    std::fs::create_dir(temp.data_dir()).unwrap();
    for name in [
        "stack.lock",
        "hold.lock",
        "shim.sock",
        "shim.log",
        "token",
        "checkpoints.db",
        "checkpoints.db-wal",
        "checkpoints.lock",
        "redis",
        "artifacts",
        "worker",
    ] {
        let link = temp.data_dir().join(name);
        symlink(&precious, &link).unwrap();
        for words in [
            &["up", "--detach"][..],
            &["status"],
            &["doctor"],
            &["checkpoint"],
        ] {
            let output = shim(&temp.data_dir(), &token, words);
            let said = said(&output);
            assert!(!output.status.success(), "{name} {words:?}: {said}");
            assert!(said.contains("is a link"), "{name} {words:?}: {said}");
        }
        std::fs::remove_file(link).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
}

#[test]
fn what_others_can_write_is_refused_until_the_printed_step_is_done() {
    let temp = TempEnv::new();
    let token = token_file(&temp);
    let above = temp.root().join("above");
    let folder = above.join("data");
    std::fs::create_dir_all(&folder).unwrap();
    for (open, command) in [(&above, "chmod"), (&folder, "chmod -R")] {
        std::fs::set_permissions(open, PermissionsExt::from_mode(0o777)).unwrap();
        let refused = said(&shim(&folder, &token, &["status"]));
        let step = format!("{command} go-w {}", open.display());
        assert!(refused.contains(&step), "{refused}");
        let done = Command::new("sh").args(["-c", &step]).status().unwrap();
        assert!(done.success());
        let stopped = said(&shim(&folder, &token, &["status"]));
        assert!(stopped.contains("stopped"), "{stopped}");
    }
}

#[test]
fn a_umask_that_takes_the_owners_rights_is_no_obstacle() {
    let public = public_folder();
    for umask in ["0777", "0277", "0400"] {
        let folder = public.path().join(umask).join("data");
        for (words, code) in [
            (&["up", "--detach"][..], 0),
            (&["sessions", "list"], 0),
            (&["down"], 0),
            (&["status"], 3),
        ] {
            let Some(own) = command_of_stranger(binary::shim()) else {
                return;
            };
            let mut command = command_under_umask(umask, own.get_program());
            command.args(own.get_args()).current_dir("/");
            command.arg("--data-dir").arg(&folder).args(words);
            let output = command.env("HOME", "/nonexistent").output().unwrap();
            let said = said(&output);
            assert_eq!(
                output.status.code(),
                Some(code),
                "{umask} {words:?}: {said}"
            );
        }
    }
}
