//! Tasks that are started and then belong to nothing.

/// The ways to start a task that answer with its handle. A method of an owner (`tasks.spawn_critical`) is none of them.
const SPAWNS: [&str; 3] = ["tokio::spawn(", "task::spawn(", "task::spawn_blocking("];

/// The lines, from 1, whose statement starts a task and drops the handle: `tokio::spawn(..);`, also behind `let _ =` or in
/// `drop(..)`.
#[must_use]
pub fn dropped_spawns(code: &str) -> Vec<usize> {
    let mut starts: Vec<usize> = SPAWNS
        .iter()
        .flat_map(|spawn| code.match_indices(spawn).map(|(at, _)| at))
        .filter(|at| is_dropped(code, *at))
        .collect();
    starts.sort_unstable();
    let line = |at: usize| code[..at].matches('\n').count() + 1;
    let mut lines: Vec<usize> = starts.into_iter().map(line).collect();
    lines.dedup();
    lines
}

fn is_dropped(code: &str, spawn: usize) -> bool {
    // The path may be longer than what was looked for: `tokio::task::spawn`.
    let in_path = |it: char| it.is_alphanumeric() || it == '_' || it == ':';
    let before = code[..spawn].trim_end_matches(in_path).trim_end();
    let begins_statement = before.ends_with([';', '{', '}']) || before.is_empty();
    let is_thrown_away = before.ends_with("let _ =") || before.ends_with("drop(");
    if is_thrown_away {
        return true;
    }
    let behind = code[call_end(code, spawn)..].trim_start();
    begins_statement && behind.starts_with(';')
}

/// Behind the parenthesis that closes the call.
fn call_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in code[from..].char_indices() {
        match letter {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return from + at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_handle_is_found() {
        for text in [
            "fn f() { tokio::spawn(async { a(); }); }",
            "fn f() { a(); tokio::task::spawn(b()); }",
            "fn f() { let _ = tokio::spawn(b()); }",
            "fn f() { drop(tokio::spawn(b())); }",
            "fn f() { tokio::task::spawn_blocking(|| ()); }",
        ] {
            assert_eq!(dropped_spawns(text), [1], "{text}");
        }
        assert_eq!(dropped_spawns("fn f() {\n    tokio::spawn(\n    a());\n}"), [2]);
    }

    #[test]
    fn a_kept_handle_is_not() {
        for text in [
            "fn f() { let task = tokio::spawn(a()); }",
            "fn f() -> JoinHandle<()> { tokio::spawn(a()) }",
            "async fn f() { tokio::spawn(a()).await; }",
            "fn f() { self.tasks.push(tokio::spawn(a())); }",
            "fn f() { owner.spawn_critical(\"name\", a()); }",
            "fn f() { match x { _ => tokio::spawn(a()) } }",
        ] {
            assert_eq!(dropped_spawns(text), [] as [usize; 0], "{text}");
        }
    }
}
