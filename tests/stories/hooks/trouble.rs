//! A hook fails at nothing: whatever its input and its surroundings are, it ends with exit code 0, prints nothing and keeps
//! no one waiting.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use serde_json::json;
use shim_tests::mount::Tmpfs;
use shim_tests::temp_env::TempEnv;

use super::*;

/// A hook without a stack to be started.
fn alone(temp: &TempEnv) -> Command {
    let mut command = command(temp);
    command.env("SHIM_HOOK_START_STACK", "false");
    command
}

fn prompt(temp: &TempEnv) -> Vec<u8> {
    input(temp, "UserPromptSubmit", &json!({"prompt": "Mend it"}))
}

#[test]
fn no_input_is_a_failure() {
    let temp = TempEnv::new();
    let whole = prompt(&temp);
    let deep = format!("{{\"hook_event_name\":{}", "[".repeat(1 << 20));
    let large = format!(
        "{{\"hook_event_name\":\"Stop\",\"x\":\"{}\"}}",
        "y".repeat(9 << 20)
    );
    let inputs: [&[u8]; 9] = [
        b"",
        b"{",
        b"null",
        b"\xff\xfe\x00",
        &whole[..whole.len() / 2],
        deep.as_bytes(),
        large.as_bytes(),
        br#"{"hook_event_name":"Stop"}"#,
        br#"{"hook_event_name":7,"session_id":[]}"#,
    ];
    for bytes in inputs {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert_eq!(
            said(&shown, &run(&mut alone(&temp), bytes)),
            None,
            "{shown}"
        );
    }
    let closed = alone(&temp).stdin(Stdio::null()).output().unwrap();
    assert_eq!(said("no input", &closed), None);
    let log = journal(&temp.data_dir());
    assert!(
        log.lines().count() >= 7 && log.contains(" error: "),
        "{log}"
    );
    assert_eq!(spooled(&temp), 0);
}

#[test]
fn no_surroundings_are_a_failure() {
    let temp = TempEnv::new();
    let root = temp.root();
    std::fs::write(root.join("broken.toml"), "data_dir = [").unwrap();
    std::fs::write(root.join("unknown.toml"), "no_such_key = 1").unwrap();
    let open = root.join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    let cases: [(&str, &[(&str, String)]); 6] = [
        (
            "a broken file",
            &[(
                "SHIM_CONFIG",
                root.join("broken.toml").display().to_string(),
            )],
        ),
        (
            "an unknown key",
            &[(
                "SHIM_CONFIG",
                root.join("unknown.toml").display().to_string(),
            )],
        ),
        (
            "a wrong value",
            &[("SHIM_HOOK_LEASES", "perhaps".to_owned())],
        ),
        (
            "a folder that others write",
            &[("SHIM_DATA_DIR", open.display().to_string())],
        ),
        (
            "a file as folder",
            &[(
                "SHIM_DATA_DIR",
                root.join("file/data").display().to_string(),
            )],
        ),
        ("a client that is gone", &[("CLAUDE_PID", "x".to_owned())]),
    ];
    for (what, variables) in cases {
        let mut command = alone(&temp);
        command.envs(variables.iter().cloned());
        assert_eq!(
            said(what, &run(&mut command, &prompt(&temp))),
            None,
            "{what}"
        );
    }
    // What others may write is not entered.
    assert_eq!(std::fs::read_dir(&open).unwrap().count(), 0);
    let log = journal(&temp.data_dir());
    assert!(log.contains("error: the configuration is wrong"), "{log}");
    assert!(
        spooled(&temp) > 0,
        "kept for when the configuration is right again"
    );
}

#[test]
fn without_a_home_nothing_is_written_into_the_project() {
    let temp = TempEnv::new();
    let mut command = alone(&temp);
    command
        .env_remove("SHIM_DATA_DIR")
        .env_remove("HOME")
        .env_remove("XDG_DATA_HOME");
    assert_eq!(said("no home", &run(&mut command, &prompt(&temp))), None);
    assert_eq!(std::fs::read_dir(temp.project()).unwrap().count(), 0);
}

#[test]
fn a_stack_that_does_not_answer_is_not_waited_for() {
    let temp = TempEnv::new();
    std::fs::create_dir(temp.data_dir()).unwrap();
    std::fs::set_permissions(temp.data_dir(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let _silent = UnixListener::bind(temp.data_dir().join("shim.sock")).unwrap();
    for name in [
        "SessionStart",
        "UserPromptSubmit",
        "PreToolUse",
        "Stop",
        "SessionEnd",
    ] {
        let call = json!({"prompt": "x", "tool_name": "Edit", "tool_use_id": "t", "tool_input": {"file_path": "a"}});
        assert_eq!(
            hook_of(&mut alone(&temp), &temp, name, &call),
            None,
            "{name}"
        );
    }
    let log = journal(&temp.data_dir());
    assert_eq!(
        log.matches("the stack did not answer in time").count(),
        5,
        "{log}"
    );
    assert!(spooled(&temp) > 0);
}

#[test]
fn a_full_disk_is_no_failure() {
    let temp = TempEnv::new();
    let Some(_disk) = Tmpfs::mount(&temp.data_dir(), "64k") else {
        return;
    };
    let full = std::fs::write(temp.data_dir().join("filler"), vec![b'x'; 1 << 20]);
    assert!(full.is_err());
    for name in ["SessionStart", "UserPromptSubmit", "Stop"] {
        assert_eq!(
            hook_of(&mut alone(&temp), &temp, name, &json!({"prompt": "x"})),
            None,
            "{name}"
        );
    }
}
