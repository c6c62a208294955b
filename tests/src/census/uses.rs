//! What a text imports and names: its `use` trees spelled out, and the paths in its code.

/// One name that a `use` brings in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Use {
    /// The path as it is written, without the alias.
    pub(super) path: Vec<String>,
    /// What follows `as`.
    pub(super) alias: Option<String>,
    /// Whether it is handed on: `pub use`, `pub(crate) use`.
    pub(super) is_public: bool,
}

impl Use {
    /// What the name is called here.
    pub(super) fn name(&self) -> Option<&String> {
        self.alias.as_ref().or(self.path.last())
    }
}

/// Every name that the code's `use` statements bring in.
pub(super) fn uses(code: &str) -> Vec<Use> {
    split(code).0
}

/// Every path in the code with at least two parts, those of `use` trees included.
pub(super) fn paths(code: &str) -> Vec<Vec<String>> {
    let (uses, rest) = split(code);
    let rest = without_scopes(&rest);
    let is_path = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let mut found: Vec<_> = uses.into_iter().map(|it| it.path).collect();
    for run in rest.split(|letter| !is_path(letter)) {
        // What stands before a turbofish or a type ends with colons.
        let run = run.trim_end_matches(':');
        let parts: Vec<String> = run.split("::").map(str::to_owned).collect();
        let is_name = |part: &String| !part.is_empty() && !part.contains(':');
        if parts.len() > 1 && parts.iter().all(is_name) {
            found.push(parts);
        }
    }
    found
}

/// The code without `(in a::b)`, which says who may see an item and needs nothing of theirs.
fn without_scopes(code: &str) -> String {
    let mut pieces = code.split("pub(in ");
    let mut left = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (_, behind) = piece.split_once(')').unwrap_or(("", piece));
        left.push_str("pub ");
        left.push_str(behind);
    }
    left
}

/// The names of all `use` statements, and the code without those.
fn split(code: &str) -> (Vec<Use>, String) {
    let (mut found, mut other) = (Vec::new(), String::new());
    let mut rest = code;
    while let Some(at) = next_use(rest) {
        let before = &rest[..at];
        let statement = &rest[at + "use ".len()..];
        let end = statement.find(';').unwrap_or(statement.len());
        let item = before.rfind([';', '{', '}', ']']).map_or(0, |at| at + 1);
        let is_public = before[item..].trim_start().starts_with("pub");
        spell_out(&statement[..end], &[], is_public, &mut found);
        other.push_str(before);
        rest = &statement[end..];
    }
    other.push_str(rest);
    (found, other)
}

fn next_use(code: &str) -> Option<usize> {
    let begins = |at: &usize| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(|letter| letter.is_whitespace() || ")};{".contains(letter))
    };
    code.match_indices("use ").map(|(at, _)| at).find(begins)
}

/// The names of one `use` tree: `a::{b, c as d}` is `a::b` and `a::c`, called `d`.
fn spell_out(tree: &str, before: &[String], is_public: bool, into: &mut Vec<Use>) {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let prefix: Vec<_> = before.iter().cloned().chain(parts(head)).collect();
        let inside = group.rfind('}').map_or(group, |end| &group[..end]);
        for branch in branches(inside) {
            spell_out(branch, &prefix, is_public, into);
        }
    } else if !tree.is_empty() {
        let (name, alias) = match tree.split_once(" as ") {
            Some((name, alias)) => (name, Some(alias.trim().to_owned())),
            None => (tree, None),
        };
        // `a::{self}` is `a`.
        let own = parts(name).filter(|part| part != "self" || before.is_empty());
        let path = before.iter().cloned().chain(own).collect();
        into.push(Use {
            path,
            alias,
            is_public,
        });
    }
}

/// What the commas of a group's first level separate.
fn branches(group: &str) -> Vec<&str> {
    let (mut depth, mut start) = (0_usize, 0);
    let mut found = Vec::new();
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&group[start..]);
    found
}

/// The parts of a path; a raw identifier is called by its name.
fn parts(path: &str) -> impl Iterator<Item = String> {
    let parts = path.split("::").map(str::trim);
    let named = parts.filter(|part| !part.is_empty());
    named.map(|part| part.strip_prefix("r#").unwrap_or(part).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_spelled_out() {
        let text = "use a::{self, b::{c, d as e}, f::*};";
        let found = uses(text).into_iter().map(|it| it.path.join("::"));
        let expected = ["a", "a::b::c", "a::b::d", "a::f::*"];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_public_use_is_told_from_a_private_one() {
        let text =
            "mod a; pub use a::A as B;\npub(crate) use a::C;\nuse a::r#D;\nfn f() { use a::E; }";
        let found = uses(text);
        let named = found.iter().map(|it| it.name().map(String::as_str));
        assert_eq!(
            named.collect::<Vec<_>>(),
            [Some("B"), Some("C"), Some("D"), Some("E")]
        );
        let public = found.iter().map(|it| it.is_public);
        assert_eq!(public.collect::<Vec<_>>(), [true, true, false, false]);
    }

    #[test]
    fn paths_are_found_in_code_and_in_uses() {
        let found = paths("use a::b; pub(in x::y) fn f() -> c::D { e::f::<G>() + h }");
        let found = found.iter().map(|path| path.join("::"));
        assert_eq!(found.collect::<Vec<_>>(), ["a::b", "c::D", "e::f"]);
    }
}
