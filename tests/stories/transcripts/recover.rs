//! `shim sessions recover`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{CONVERSATION, Home};

/// A machine under load is slow, but not this slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// The session's id, once it waits to be brought back.
fn interrupted(home: &Home) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let words = ["sessions", "list", "--status", "interrupted", "--json"];
        let listed: Value = serde_json::from_str(&home.said(&words, b"")).unwrap();
        if let Some(id) = listed["sessions"][0]["id"].as_str() {
            return id.to_owned();
        }
        assert!(Instant::now() < deadline, "it is never offered: {listed}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_killed_conversation_that_told_nothing_comes_back_from_its_transcript() {
    let home = Home::new();
    home.killed();
    let listed = home.said(&["sessions", "recover"], b"");
    assert!(
        listed.contains(CONVERSATION) && listed.contains("Fix the parser"),
        "{listed}"
    );
    let said = home.said(&["sessions", "recover", CONVERSATION], b"");
    for fact in [
        "Fix the parser",
        "parser.rs",
        "Bash Run the tests",
        "outcome is unknown",
        "shim sessions restore",
    ] {
        assert!(said.contains(fact), "{fact}: {said}");
    }
    assert!(
        !said.contains("let token"),
        "contents of files are not told: {said}"
    );
    let id = interrupted(&home);
    let prompt = home.said(&["sessions", "restore", &id], b"");
    for fact in ["Fix the parser", "parser.rs", "Run the tests"] {
        assert!(prompt.contains(fact), "{fact}: {prompt}");
    }
    // Read again by its file, it has no second effect.
    let again = home.said(
        &[
            "sessions",
            "recover",
            &home.transcript().display().to_string(),
        ],
        b"",
    );
    assert!(again.contains("0 events taken"), "{again}");
    assert_eq!(interrupted(&home), id);
}

#[test]
fn the_newest_transcripts_are_listed_and_a_recovery_is_read_by_programs() {
    let home = Home::new();
    let none = home.said(&["sessions", "recover"], b"");
    assert_eq!(none, "no transcripts\n");
    let path = home.killed();
    let listed = home.said(&["sessions", "recover", "--json"], b"");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed["conversation"], &listed["lastPrompt"]),
        (&json!(CONVERSATION), &json!("Fix the parser"))
    );
    let project = ["sessions", "recover", "--project", "/work/app"];
    assert!(home.said(&project, b"").contains("Fix the parser"));
    let other = ["sessions", "recover", "--project", "/work/other"];
    assert_eq!(home.said(&other, b""), "no transcripts of /work/other\n");
    let printed = home.said(
        &["sessions", "recover", &path.display().to_string(), "--json"],
        b"",
    );
    let lines: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [reported, session, observed] = &lines[..] else {
        panic!("{printed}");
    };
    assert_eq!(reported["sessionIds"][0], session["session"]["id"]);
    assert_eq!(observed["state"]["lastPrompt"], "Fix the parser");
    assert_eq!(observed["state"]["openToolCalls"][0]["toolUseId"], "t2");
}

#[test]
fn what_cannot_be_recovered_is_refused_with_a_reason() {
    let home = Home::new();
    let missing = home.refused(&["sessions", "recover", "/no/such.jsonl"]);
    assert!(
        missing.contains("/no/such.jsonl") && missing.contains("hint: "),
        "{missing}"
    );
    let unknown = home.refused(&["sessions", "recover", "ffffffff"]);
    assert!(
        unknown.contains("no conversation that begins so"),
        "{unknown}"
    );
    let foreign = home.temp.root().join("notes.jsonl");
    std::fs::write(&foreign, "{\"type\":\"user\"}\nhello\n").unwrap();
    let foreign = home.refused(&["sessions", "recover", &foreign.display().to_string()]);
    assert!(
        foreign.contains("no transcript of Claude Code"),
        "{foreign}"
    );
    let folder = home.refused(&[
        "sessions",
        "recover",
        &home.temp.root().display().to_string(),
    ]);
    assert!(folder.contains("not a regular file"), "{folder}");
    let path = home.killed();
    // A window has the conversation: this process plays it.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let start = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_ascii_whitespace()
        .nth(19)
        .unwrap();
    let pid = std::process::id();
    let live = json!({"pid": pid, "sessionId": CONVERSATION, "procStart": start, "kind": "interactive", "status": "busy"});
    let sessions = home.claude().join("sessions");
    std::fs::create_dir_all(&sessions).unwrap();
    std::fs::write(sessions.join(format!("{pid}.json")), live.to_string()).unwrap();
    let living = home.refused(&["sessions", "recover", &path.display().to_string()]);
    assert!(living.contains(&format!("process {pid}")), "{living}");
}
