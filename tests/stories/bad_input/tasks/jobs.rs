//! One wrong field at a time in what submitters send.

use serde_json::{Value, json};

use crate::bad_input::cases::{Cases, MEBIBYTE, long};

const SUBMIT: [&str; 1] = ["SubmitTask"];
const OF_A_TASK: [&str; 6] = [
    "GetTask",
    "WatchTask",
    "CancelTask",
    "RetryTask",
    "ApproveTask",
    "AggregateResults",
];

/// A text that must be there.
fn required(cases: &mut Cases, pointer: &'static str, limit: usize, says: &'static str) {
    cases.text(&SUBMIT, pointer, limit, says);
    let missing = [json!(""), Value::Null, json!(" ")];
    cases.add(&SUBMIT, pointer, missing.map(|value| (value, "required")));
}

/// A time of at least `shortest` and at most a little less than `too_long`.
fn span(
    cases: &mut Cases,
    pointer: &'static str,
    too_short: &str,
    too_long: &str,
    says: &'static str,
) {
    let bad = ["-1s", "315576000000s", too_long, too_short];
    cases.add(&SUBMIT, pointer, bad.map(|span| (json!(span), says)));
}

/// One of an enumeration.
fn choice(cases: &mut Cases, methods: &[&'static str], pointer: &'static str) {
    let bad = [json!(99), json!(-1)];
    cases.add(methods, pointer, bad.map(|value| (value, "must be")));
}

fn requirements(cases: &mut Cases, capabilities: &'static str, executor: &'static str) {
    let many: Vec<_> = (0..21).map(|n| format!("c{n}")).collect();
    let bad = [
        (json!(["with space"]), "letters"),
        (json!([""]), "letters"),
        (json!(["x".repeat(101)]), "100"),
        (json!(["x".repeat(10 * MEBIBYTE)]), "100"),
        (json!(many), "20"),
    ];
    cases.add(&SUBMIT, capabilities, bad);
    choice(cases, &SUBMIT, executor);
}

fn payload(cases: &mut Cases, pointer: &'static str) {
    let bad = [65_536, 10 * MEBIBYTE].map(|bytes| json!({"a": "x".repeat(bytes)}));
    cases.add(&SUBMIT, pointer, bad.map(|value| (value, "65536")));
    let deep = (0..33).fold(json!(1), |inner, _| json!({"a": inner}));
    cases.add(&SUBMIT, pointer, [(deep, "32")]);
}

fn pattern(cases: &mut Cases, pointer: &'static str) {
    let wrong = [
        "../secret",
        "src/../../etc",
        "a/..",
        "..",
        "/etc/passwd",
        "[",
        "{a",
        "",
        "a\0b",
    ];
    cases.add(&SUBMIT, pointer, wrong.map(|path| (json!(path), "")));
    let long = [long(1_025), long(10 * MEBIBYTE)];
    cases.add(&SUBMIT, pointer, long.map(|path| (path, "1024")));
}

fn priority(cases: &mut Cases, pointer: &'static str) {
    let bad = [json!(101), json!(u32::MAX)];
    cases.add(&SUBMIT, pointer, bad.map(|value| (value, "100")));
}

fn queues(cases: &mut Cases) {
    let bad = [
        (json!(["no-such-queue"]), "is no queue"),
        (json!(["work", "work.cobol"]), "is no queue"),
        (json!([""]), ""),
        (json!(["a\nb"]), "letters"),
        (json!([long(201)]), "200"),
        (json!(vec!["work"; 1_001]), "1000"),
    ];
    cases.add(&["PauseQueues", "ResumeQueues"], "/queues", bad);
    let bad = [
        (json!(null), "required"),
        (json!("-1s"), "must be"),
        (json!("315360001s"), "must be"),
    ];
    cases.add(&["PruneTasks"], "/older_than", bad);
}

fn texts_of_jobs(cases: &mut Cases) {
    queues(cases);
    required(cases, "/goal", 8_192, "8192");
    cases.text(&SUBMIT, "/kind", 100, "100");
    cases.text(&SUBMIT, "/workspace", 1_024, "1024");
    let bad = [
        (json!("a\nb"), "control"),
        (json!(""), "required with files"),
    ];
    cases.add(&SUBMIT, "/workspace", bad);
    cases.id(&SUBMIT, "/submitted_by");
    let bad = [
        (json!(vec!["x"; 1_001]), "1000"),
        (json!([""]), "required"),
        (json!(["x".repeat(1_025)]), "1024"),
        (json!(["a\0b"]), "NUL"),
        (json!(vec!["x".repeat(1_024); 65]), "65536"),
    ];
    cases.add(&SUBMIT, "/steps", bad);
    cases.add(
        &SUBMIT,
        "/files",
        [(json!(vec![json!({"path": "a"}); 1_001]), "1000")],
    );
    pattern(cases, "/files/0/path");
    cases.add(&SUBMIT, "/files/0/size_bytes", [(json!(u64::MAX), "")]);
    payload(cases, "/payload");
    requirements(
        cases,
        "/requirements/capabilities",
        "/requirements/executor",
    );
}

fn numbers_of_jobs(cases: &mut Cases) {
    cases.id(&SUBMIT, "/parent_id");
    for pointer in ["/split", "/on_failure", "/merge", "/strategy", "/overlap"] {
        choice(cases, &SUBMIT, pointer);
    }
    choice(cases, &["AggregateResults"], "/merge");
    priority(cases, "/priority");
    cases.add(
        &SUBMIT,
        "/max_attempts",
        [(json!(21), "20"), (json!(u32::MAX), "20")],
    );
    for pointer in ["/max_budget", "/subtasks/0/max_budget"] {
        let budgets = [0.0, -0.01, 1_000_000.5];
        cases.add(&SUBMIT, pointer, budgets.map(|it| (json!(it), "1000000")));
    }
    span(cases, "/delay", "-0.001s", "2592001s", "2592000");
    span(cases, "/backoff", "-0.001s", "3601s", "3600");
    span(cases, "/timeout", "0.999s", "43201s", "43200");
    let times = ["2001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"];
    cases.add(
        &SUBMIT,
        "/deadline",
        times.map(|time| (json!(time), "future")),
    );
    let schedules = [
        "nonsense",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "0 0 30 2 *",
        "a\0b",
        "\u{661} * * * *",
        "0 9 MON * *",
        "* * * * JAN",
        "5,,10 * * * *",
        ", * * * *",
        "*/90 * * * *",
        "@daily",
        "CRON_TZ=UTC 0 9 * * *",
    ];
    cases.add(
        &SUBMIT,
        "/schedule",
        schedules.map(|text| (json!(text), "")),
    );
    cases.add(&SUBMIT, "/schedule", [(long(10 * MEBIBYTE), "")]);
}

/// Parts that are no graph.
fn graphs(cases: &mut Cases) {
    let many: Vec<_> = (0..1_001)
        .map(|n| json!({"key": format!("k{n}"), "goal": "g"}))
        .collect();
    let circle = json!([
        {"key": "a", "goal": "g", "depends_on": ["c"]},
        {"key": "b", "goal": "g", "depends_on": ["a"]},
        {"key": "c", "goal": "g", "depends_on": ["b"]},
    ]);
    let bad = [(json!(many), "1000"), (circle, "a -> ")];
    cases.add(&SUBMIT, "/subtasks", bad);
    cases.add(&SUBMIT, "/subtasks/1/key", [(json!("lexer"), "unique")]);
    let bad = [
        (json!(["lexer"]), "itself"),
        (json!(["nobody"]), "nobody"),
        (json!([""]), ""),
        (json!(vec!["parser"; 101]), "100"),
        (json!(["x".repeat(10 * MEBIBYTE)]), ""),
    ];
    cases.add(&SUBMIT, "/subtasks/0/depends_on", bad);
}

fn subtasks(cases: &mut Cases) {
    required(cases, "/subtasks/0/key", 100, "100");
    cases.add(&SUBMIT, "/subtasks/0/key", [(json!("a\nb"), "control")]);
    required(cases, "/subtasks/0/goal", 8_192, "8192");
    cases.text(&SUBMIT, "/subtasks/0/kind", 100, "100");
    cases.add(
        &SUBMIT,
        "/subtasks/0/files",
        [(json!(vec!["a"; 101]), "100")],
    );
    pattern(cases, "/subtasks/0/files/0");
    payload(cases, "/subtasks/0/payload");
    requirements(
        cases,
        "/subtasks/0/requirements/capabilities",
        "/subtasks/0/requirements/executor",
    );
    priority(cases, "/subtasks/0/priority");
    span(cases, "/subtasks/0/timeout", "0.999s", "43201s", "43200");
    let weights = [
        json!("NaN"),
        json!("Infinity"),
        json!(-1),
        json!(1e10),
        json!(-1e-9),
    ];
    cases.add(
        &SUBMIT,
        "/subtasks/0/weight",
        weights.map(|weight| (weight, "more than 0")),
    );
}

fn other_requests(cases: &mut Cases) {
    cases.required_id(&OF_A_TASK, "/task_id");
    cases.id(&["ListTasks"], "/root_id");
    cases.text(&["CancelTask", "ApproveTask"], "/reason", 1_024, "1024");
    cases.text(&["ListTasks"], "/worker_id", 200, "200");
    cases.add(
        &["ListTasks"],
        "/states",
        [(json!([99]), ""), (json!([0]), ""), (json!([-1]), "")],
    );
    let sizes = [json!(501), json!(u32::MAX)];
    cases.add(
        &["ListTasks"],
        "/page_size",
        sizes.map(|size| (size, "500")),
    );
    let tokens = ["garbage", "\0", "zz", "2d31"].map(|token| (json!(token), "next_page_token"));
    cases.add(&["ListTasks"], "/page_token", tokens);
    let cursors = ["garbage", "1", "-", "1-", "-1", "1-2-3", "$", "\0"];
    cases.add(
        &["WatchTask"],
        "/after_cursor",
        cursors.map(|cursor| (json!(cursor), "cursor")),
    );
    cases.add(
        &["WatchTask"],
        "/after_cursor",
        [(long(10 * MEBIBYTE), "cursor")],
    );
}

/// Of all RPCs of `TaskService`.
pub(crate) fn add_to(cases: &mut Cases) {
    texts_of_jobs(cases);
    numbers_of_jobs(cases);
    graphs(cases);
    subtasks(cases);
    other_requests(cases);
}
