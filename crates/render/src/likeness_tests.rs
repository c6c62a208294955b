//! Pairs of tasks as models word them: the same one reworded, and another one.

use super::*;

/// The same task in other words.
const REWORDED: [(&str, &str); 31] = [
    (
        "Write a parser",
        "write a parser: grammar done, now the tests",
    ),
    (
        "Add login page",
        "Adding the login page (form done, validation next)",
    ),
    ("Add login page", "Implement login page"),
    ("Create login page", "Still building the login page"),
    ("Add login page", "Continue to add the login page"),
    ("Add login page", "Login page: add"),
    (
        "Port the rate limiter",
        "Porting the rate limiter: gather the callers",
    ),
    ("Fix login bug", "Fixing the login bug"),
    ("Fix the flaky test", "Repair the flaky test"),
    (
        "Remove the legacy API",
        "Removing the legacy API, step 2: delete its handlers",
    ),
    ("Remove the legacy API", "Delete the legacy API"),
    (
        "Migrate from MySQL to Postgres",
        "Migrating from MySQL to Postgres: schema is done",
    ),
    ("Refactor the session store", "Clean up the session store"),
    (
        "Refactor auth module",
        "Refactoring auth module - splitting files",
    ),
    (
        "Update dependencies",
        "Updating dependencies: serde and tokio",
    ),
    ("Release 1.2", "Release 1.2: changelog written, tag is next"),
    ("Revert the cache change", "Reverting the cache change"),
    (
        "Disable telemetry by default",
        "Disabling telemetry by default; docs left",
    ),
    (
        "Optimise the query planner",
        "Optimising the query planner: measure first",
    ),
    (
        "Investigate memory leak in worker",
        "Investigating the memory leak in the worker",
    ),
    (
        "Login-Seite hinzufügen",
        "Login-Seite hinzufügen: Formular fertig",
    ),
    (
        "Ajouter la page de connexion",
        "Ajouter la page de connexion, tests en cours",
    ),
    ("Port scripts to Python 3", "Port the scripts to Python3"),
    (
        "Port the caf\u{e9} menu",
        "Porting the cafe\u{301} menu: HTML is next",
    ),
    ("重构身份验证模块", "重构身份验证模块：测试完成"),
    (
        "Fix bug in module A",
        "Fixing the bug in module A, half done",
    ),
    (
        "Rewrite service in C++",
        "Rewriting the service in C++ (headers done)",
    ),
    ("Rename foo to bar", "Renaming foo to bar: callers are next"),
    ("Add a parser", "Adding parser"),
    (
        "Fix the parser's crash",
        "Fixing the parser\u{2019}s crash; tests left",
    ),
    ("I am adding a login page", "I am adding the login page"),
];

/// One task or a part or an addition: only what else is known of them can tell.
const RELATED: [(&str, &str); 12] = [
    ("Add a rate limiter", "Adding tests to the rate limiter"),
    ("Fix login bug", "Fix login bug in src/auth.rs"),
    ("fix issue 41", "Fixing issue 41 in the parser"),
    (
        "Document the REST API",
        "Documenting the REST API endpoints",
    ),
    (
        "Port the caf\u{e9} menu",
        "Porting the cafe\u{301} menu to HTML",
    ),
    ("重构身份验证模块", "重构身份验证模块的测试"),
    ("Refactor payment service", "Refactor payment service tests"),
    ("Set up monitoring", "Set up monitoring alerts"),
    (
        "Add tests",
        "Add tests for the billing export and wire up nightly job",
    ),
    ("Fix the parser", "Fix the parser of the CLI and release it"),
    ("Fix the parser", "Fix the parser, then release it"),
    ("Fix the parser", "Fix the parser. Release it."),
];

/// Another task on the same things.
const OTHER: [(&str, &str); 59] = [
    ("Add login page", "Remove login page"),
    ("Add login page", "Remove the login page again"),
    ("Add login page", "Undo: add login page"),
    ("Add login page", "Revert adding the login page"),
    ("Add login page", "Do not add a login page"),
    ("Add login page", "Test login page"),
    ("Add login page", "Review the login page"),
    ("Add login page", "Fix login page"),
    ("Add login page", "Document login page"),
    ("Add login page", "Add logout page"),
    ("Add login page", "Add login endpoint"),
    ("Add login page", "Translate login page"),
    ("Enable telemetry", "Disable telemetry"),
    (
        "Enable two-factor login",
        "Disable two-factor login for admins",
    ),
    (
        "Upgrade tokio to the newest version",
        "Downgrade tokio to the newest version",
    ),
    ("Encrypt the backups", "Decrypt the backups"),
    ("Import the user data", "Export the user data"),
    ("Upload build artifacts", "Download build artifacts"),
    ("Lock the accounts table", "Unlock the accounts table"),
    ("Increase the pool size", "Reduce the pool size"),
    ("Raise the memory limit", "Lower the memory limit"),
    ("Start the migration job", "Stop the migration job"),
    ("Open the beta channel", "Close the beta channel"),
    ("Show the sidebar", "Hide the sidebar"),
    (
        "Migrate from MySQL to Postgres",
        "Migrate from Postgres to MySQL",
    ),
    (
        "Copy settings from staging to production",
        "Copy settings from production to staging",
    ),
    ("Merge the two config files", "Split the two config files"),
    ("Install the plugin", "Uninstall the plugin"),
    ("Deploy the API", "Revert the API deploy"),
    ("write the parser", "write the lexer"),
    ("Write unit tests for auth", "Write unit tests for billing"),
    ("Fix the parser crash", "Benchmark the parser crash fix"),
    ("Investigate the memory leak", "Fix the memory leak"),
    ("Design the schema", "Implement the schema"),
    ("Refactor the client", "Refactor the server"),
    ("task 1", "task 2"),
    ("fix issue 41", "fix issue 42"),
    ("Release 1.2", "Release 1.3"),
    ("main job", "a subagent's look at the docs"),
    ("gather data", "check links"),
    ("重构身份验证模块", "删除身份验证模块"),
    ("重构身份验证模块", "更新文档"),
    ("Login-Seite hinzufügen", "Login-Seite entfernen"),
    (
        "Ajouter la page de connexion",
        "Supprimer la page de connexion",
    ),
    ("Fix bug in module A", "Fix bug in module B"),
    (
        "Fix bug in module A",
        "Fixing the bug in module B: tests left",
    ),
    (
        "Fix bug in module a of the app",
        "Fix bug in module b of the app",
    ),
    ("Answer question a)", "Answer question b)"),
    ("Merge branch feature/a", "Merge branch feature/b"),
    ("Rewrite service in C", "Rewrite service in C++"),
    (
        "Rewrite service in C#",
        "Rewrite service in C++: headers done",
    ),
    ("Rewrite service in C", "Rewrite service in Go"),
    ("Rename foo to bar", "Rename bar to foo"),
    ("Rename foo to bar", "Renaming bar to foo: callers are next"),
    ("Replace foo with bar", "Replace bar with foo"),
    ("Convert USD to EUR", "Convert EUR to USD"),
    ("Port scripts to Python 2", "Port the scripts to Python3"),
    ("TODO: write docs", "TODO: write tests"),
    ("", ""),
];

/// The pairs that are not told as they should be, in either order.
fn told_wrongly(
    pairs: &[(&str, &str)],
    tells: fn(&str, &str) -> bool,
    expected: bool,
) -> Vec<String> {
    let told = |one: &str, other: &str| tells(one, other) == expected;
    let wrong = pairs
        .iter()
        .filter(|(one, other)| !(told(one, other) && told(other, one)));
    wrong.map(|pair| format!("{pair:?}")).collect()
}

#[test]
fn reworded_tasks_are_alike() {
    assert_eq!(told_wrongly(&REWORDED, is_alike, true), [""; 0]);
    let same = REWORDED.map(|(one, _)| (one, one));
    assert_eq!(told_wrongly(&same, is_alike, true), [""; 0]);
}

#[test]
fn tasks_that_may_be_one_are_related_but_not_alike() {
    assert_eq!(told_wrongly(&RELATED, is_related, true), [""; 0]);
    assert_eq!(told_wrongly(&RELATED, is_alike, false), [""; 0]);
}

#[test]
fn other_tasks_are_neither() {
    assert_eq!(told_wrongly(&OTHER, is_related, false), [""; 0]);
    assert_eq!(told_wrongly(&OTHER, is_alike, false), [""; 0]);
}

#[test]
fn a_text_that_only_says_more_is_longer() {
    for (one, other, expected) in [
        ("Add login page", "Adding the login page: form", true),
        ("Add login page", "Add logout page", false),
        ("测试", "写测试", true),
    ] {
        assert_eq!(is_longer_or_shorter(one, other), expected, "{one} {other}");
    }
}
