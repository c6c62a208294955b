//! Any name that is there, written as a pattern, covers exactly itself.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use proptest::prelude::*;

use super::glob::{self, Pattern};
use super::glob_parts::Piece;
use super::names::{self, literal, shown};

fn as_pattern(root: &Path, typed: &str) -> String {
    names::as_pattern(&root.canonicalize().unwrap(), typed).unwrap()
}

fn as_sent_pattern(root: &Path, sent: &str) -> String {
    names::as_sent_pattern(&root.canonicalize().unwrap(), sent).unwrap()
}

/// The one path that a pattern spells out.
fn spelled_path(text: &str) -> String {
    let pattern = Pattern::parse(text).unwrap_or_else(|why| panic!("{text:?} {why}"));
    let [route] = pattern.routes() else {
        panic!("{text:?} has alternatives");
    };
    let names = route.iter().filter_map(|piece| match piece {
        Piece::One(readings) => {
            Some(glob::spelled_out(&readings[0]).unwrap_or_else(|| panic!("{text:?}")))
        }
        Piece::Run => None,
    });
    names.collect::<Vec<_>>().join("/")
}

fn make(root: &Path, path: &str) -> bool {
    let whole = root.join(path);
    whole
        .parent()
        .is_some_and(|folder| std::fs::create_dir_all(folder).is_ok())
        && std::fs::write(whole, "").is_ok()
}

#[test]
fn names_of_frameworks_mean_themselves() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "app/[id]/page.tsx",
        "app/[[...sign-in]]/page.tsx",
        "app/[...slug]/page.tsx",
        "app/(group)/page.tsx",
        "app/@slot/page.tsx",
        "app/(..)photo/[id].tsx",
        "app/{a,b}/x.ts",
        "routes/$postId.tsx",
        "$HOME/x",
        "~/x",
        "!x",
        "@(a|b)",
        "+page@(app).svelte",
        "^a$",
        "a*b?.txt",
        r"back\slash",
        r"\[id\]",
        "C:/x",
        "größe/身份.md",
    ] {
        assert!(make(folder.path(), name), "{name}");
        let pattern = as_pattern(folder.path(), name);
        assert_eq!(spelled_path(&pattern), name, "{pattern}");
        assert_eq!(shown(&pattern), name);
        assert_eq!(as_sent_pattern(folder.path(), &pattern), pattern, "{name}");
    }
}

#[test]
fn the_part_that_is_there_means_itself_and_the_rest_is_a_pattern() {
    let folder = tempfile::tempdir().unwrap();
    assert!(make(folder.path(), "app/[id]/page.tsx"));
    for (typed, expected) in [
        ("app/[id]/new.tsx", r"app/\[id\]/new.tsx"),
        ("app/[id]/*.tsx", r"app/\[id\]/*.tsx"),
        ("app/[id]", r"app/\[id\]/"),
        ("app/[id]/", r"app/\[id\]/"),
        (r"app/\[id\]/page.tsx", r"app/\[id\]/page.tsx"),
        ("app/[ab]/page.tsx", "app/[ab]/page.tsx"),
        ("app/*", "app/*"),
        ("**/[id]/page.tsx", "**/[id]/page.tsx"),
        ("{app/x,app/y}", "{app/x,app/y}"),
        (".", "./"),
        ("app", "app/"),
    ] {
        assert_eq!(as_pattern(folder.path(), typed), expected, "{typed}");
    }
}

#[test]
fn a_pattern_of_several_files_is_shown_as_it_is() {
    for pattern in [
        r"app/\[id\]/*.tsx",
        "src/**",
        "[ab].rs",
        r"{a,b\*}",
        r"\[a\]/[b]",
    ] {
        assert_eq!(shown(pattern), pattern);
    }
    assert_eq!(shown(r"app/\[id\]/"), "app/[id]/");
}

#[test]
fn of_two_names_the_wire_means_the_escaped_one() {
    let folder = tempfile::tempdir().unwrap();
    assert!(make(folder.path(), "[a]") && make(folder.path(), r"\[a\]"));
    assert_eq!(as_pattern(folder.path(), r"\[a\]"), r"\\\[a\\\]");
    assert_eq!(as_sent_pattern(folder.path(), r"\[a\]"), r"\[a\]");
}

#[test]
fn a_link_means_what_it_leads_to() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap().join("root");
    assert!(make(&root, "src/[id]/a.rs") && make(&root, "src/b.rs"));
    for (link, target) in [
        ("link", "src"),
        ("[to]", "src/[id]"),
        ("b.rs", "src/b.rs"),
        ("new.rs", "src/new.rs"),
        ("all", "."),
        ("out", ".."),
        ("etc", "/etc"),
        ("round", "round"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    for (typed, expected) in [
        ("link/b.rs", "src/b.rs"),
        ("link", "src/"),
        ("link/*.rs", "src/*.rs"),
        ("link/[id]/a.rs", r"src/\[id\]/a.rs"),
        ("[to]/a.rs", r"src/\[id\]/a.rs"),
        (r"\[to\]/a.rs", r"src/\[id\]/a.rs"),
        ("b.rs", "src/b.rs"),
        ("new.rs", "src/new.rs"),
        ("all/all/link/new.rs", "src/new.rs"),
        ("l*/b.rs", "l*/b.rs"),
    ] {
        assert_eq!(as_pattern(&root, typed), expected, "{typed}");
        assert_eq!(as_sent_pattern(&root, typed), expected, "{typed}");
    }
    assert_eq!(names::as_sent_name(&root, "[to]/a.rs"), r"\[to\]/a.rs");
    for (typed, why) in [
        ("out/x", "outside"),
        ("etc/passwd", "outside"),
        ("etc", "outside"),
        ("round/x", "circle"),
    ] {
        let refused = names::as_pattern(&root, typed).unwrap_err();
        assert!(refused.to_string().contains(why), "{typed}: {refused}");
    }
}

proptest! {
    /// Whichever of two lessees was first, and whether the file was there for both, one, or none of them.
    #[test]
    fn one_spelling_has_one_holder(
        names in proptest::collection::vec(r"[a\[\]{}.\-!(),$]{1,7}", 1..4)
    ) {
        let is_name = |name: &String| name != "." && name != "..";
        prop_assume!(names.iter().all(is_name));
        let path = names.join("/");
        let folder = tempfile::tempdir().unwrap();
        let before = as_pattern(folder.path(), &path);
        // What is refused before it is there has no holder.
        let Ok(first) = Pattern::parse(&before) else { return Ok(()) };
        prop_assume!(make(folder.path(), &path));
        let second = Pattern::parse(&as_pattern(folder.path(), &path)).unwrap();
        let mut budget = glob::Budget::per_decision();
        prop_assert!(first.overlaps(&second, &mut budget), "{} and {}", first, second);
        prop_assert!(second.overlaps(&first, &mut budget), "{} and {}", second, first);
    }

    #[test]
    fn any_name_that_is_there_covers_exactly_itself(
        names in proptest::collection::vec(r"[a*?\[\]{},!^\-~$%@+()|:`\\. A=ü]{1,8}", 1..3)
    ) {
        let is_name = |name: &String| !name.trim().is_empty() && name != "." && name != "..";
        prop_assume!(names.iter().all(is_name));
        let path = names.join("/");
        let folder = tempfile::tempdir().unwrap();
        prop_assume!(make(folder.path(), &path));
        let pattern = as_pattern(folder.path(), &path);
        prop_assert_eq!(spelled_path(&pattern), path.clone());
        prop_assert_eq!(as_sent_pattern(folder.path(), &pattern), pattern);
        prop_assert_eq!(spelled_path(&literal(&path)), path);
    }

    #[test]
    fn a_pattern_that_is_printed_is_the_same_pattern(text in r"[a\-*?\[\]{},!^./\\ü~$@(|)]{0,30}") {
        if let Ok(pattern) = Pattern::parse(&text) {
            prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
        }
    }
}
