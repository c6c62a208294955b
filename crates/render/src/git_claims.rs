//! The claims about the repository: the commit, the branch, and what of the work tree is not committed.

use shim_proto::checkpoint::v1::{Claim, ClaimKind, ClaimVerdict as Verdict, GitState, WorkTree};

use crate::text::name;

/// Names of changed files that a claim quotes.
const MAX_PATHS: usize = 5;
/// Characters of a path or a branch.
const MAX_PATH: usize = 300;

pub(crate) fn check_git(then: Option<&GitState>, now: Option<&GitState>) -> Vec<Claim> {
    let Some(then) = then else { return Vec::new() };
    let compare = |subject: &str, then: &str, now: Option<&str>| {
        let (verdict, detail) = match now {
            None => (Verdict::Unchecked, format!("was {}", or_none(then))),
            Some(now) if now == then => (Verdict::Unchanged, or_none(then)),
            Some(now) => (
                Verdict::Changed,
                format!("was {}, is {}", or_none(then), or_none(now)),
            ),
        };
        git_claim(subject, verdict, detail)
    };
    let mut claims = vec![
        compare("HEAD", &then.head, now.map(|git| git.head.as_str())),
        compare("branch", &then.branch, now.map(|git| git.branch.as_str())),
    ];
    let trees = (
        then.work_tree.as_ref(),
        now.and_then(|git| git.work_tree.as_ref()),
    );
    if let Some((verdict, detail)) = compare_work_trees(trees.0, trees.1) {
        claims.push(git_claim("work tree", verdict, detail));
    }
    claims
}

fn git_claim(subject: &str, verdict: Verdict, detail: String) -> Claim {
    Claim {
        kind: ClaimKind::Git.into(),
        subject: subject.to_owned(),
        verdict: verdict.into(),
        detail,
    }
}

/// `None` if there is nothing to say: no checkpoint of an older version knows its work tree.
fn compare_work_trees(
    then: Option<&WorkTree>,
    now: Option<&WorkTree>,
) -> Option<(Verdict, String)> {
    Some(match (then, now) {
        (None, None) => return None,
        (None, Some(now)) if now.changed_files == 0 => return None,
        (None, Some(now)) => (
            Verdict::Unchecked,
            format!("has {}; the checkpoint did not look", changes(now)),
        ),
        (Some(then), None) => (
            Verdict::Unchecked,
            format!("had {}; nobody looked now", changes(then)),
        ),
        (Some(then), Some(now)) if then.fingerprint == now.fingerprint => {
            let detail = match now.changed_files {
                0 => changes(now),
                _ => format!("the same {}, by their sizes and times", changes(now)),
            };
            (Verdict::Unchanged, detail)
        }
        (Some(then), Some(now)) => (
            Verdict::Changed,
            format!("had {}, has {}", count(then), changes(now)),
        ),
    })
}

fn count(tree: &WorkTree) -> String {
    match tree.changed_files {
        0 => "no uncommitted change".to_owned(),
        files => format!("{files} uncommitted change(s)"),
    }
}

/// How many changes there are, and the first files by name.
fn changes(tree: &WorkTree) -> String {
    let paths = tree.paths.iter().take(MAX_PATHS);
    let shown: Vec<String> = paths.map(|path| name(path, MAX_PATH)).collect();
    let more = match usize::try_from(tree.changed_files) {
        Ok(files) if files > shown.len() => ", ...",
        _ => "",
    };
    match shown.as_slice() {
        [] => count(tree),
        shown => format!("{}: {}{more}", count(tree), shown.join(", ")),
    }
}

fn or_none(text: &str) -> String {
    match text {
        "" => "none".to_owned(),
        text => name(text, MAX_PATH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str], fingerprint: &str) -> WorkTree {
        WorkTree {
            changed_files: u32::try_from(paths.len()).unwrap_or_default(),
            fingerprint: fingerprint.into(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }
    }

    #[test]
    fn what_is_not_committed_is_compared_as_far_as_it_was_looked_at() {
        let (clean, one, other) = (
            tree(&[], ""),
            tree(&["a.rs"], "x"),
            tree(&["a.rs", "b.rs"], "y"),
        );
        for (then, now, expected) in [
            (
                Some(&clean),
                Some(&clean),
                Some((Verdict::Unchanged, "no uncommitted change")),
            ),
            (
                Some(&clean),
                Some(&one),
                Some((
                    Verdict::Changed,
                    "had no uncommitted change, has 1 uncommitted change(s): a.rs",
                )),
            ),
            (
                Some(&one),
                Some(&clean),
                Some((
                    Verdict::Changed,
                    "had 1 uncommitted change(s), has no uncommitted change",
                )),
            ),
            (
                Some(&one),
                Some(&one),
                Some((
                    Verdict::Unchanged,
                    "the same 1 uncommitted change(s): a.rs, by their sizes and times",
                )),
            ),
            (
                Some(&one),
                Some(&other),
                Some((
                    Verdict::Changed,
                    "had 1 uncommitted change(s), has 2 uncommitted change(s): a.rs, b.rs",
                )),
            ),
            (
                Some(&one),
                None,
                Some((
                    Verdict::Unchecked,
                    "had 1 uncommitted change(s): a.rs; nobody looked now",
                )),
            ),
            (
                None,
                Some(&one),
                Some((
                    Verdict::Unchecked,
                    "has 1 uncommitted change(s): a.rs; the checkpoint did not look",
                )),
            ),
            (None, Some(&clean), None),
            (None, None, None),
        ] {
            let found = compare_work_trees(then, now);
            let found = found
                .as_ref()
                .map(|(verdict, detail)| (*verdict, detail.as_str()));
            assert_eq!(found, expected);
        }
    }
}
