//! Which patterns overlap, and what telling so costs.

use super::*;

fn overlap(left: &str, right: &str) -> bool {
    let (one, other) = (
        Pattern::parse(left).unwrap(),
        Pattern::parse(right).unwrap(),
    );
    let both = one.overlaps(&other, &mut Budget::per_decision());
    let turned = other.overlaps(&one, &mut Budget::per_decision());
    assert_eq!(both, turned, "{left} and {right}");
    both
}

#[test]
fn patterns_that_share_a_file_overlap() {
    for (left, right) in [
        ("src/**", "src/a.rs"),
        ("src", "src/a.rs"),
        ("src/", "./src//deep/a.rs"),
        ("**/*.rs", "src/deep/a.rs"),
        ("**/test/**", "src/**"),
        ("src/*.rs", "src/[a-m]*"),
        ("a*c", "ab*"),
        ("{src,lib}/*.rs", "{lib,bin}/main.*"),
        ("a/**/z", "a/z"),
        ("a/**/z", "**/y/**"),
        (".", "any/thing"),
        ("*", "src/a.rs"),
        ("[!a]x", "bx"),
        (r"app/\[id\]/page", "app/*/page"),
        ("*.lock", "Cargo.lock"),
        ("größe/?.txt", "größe/ü.txt"),
        // A text is also the name that it spells, there or not.
        ("app/[id]/page.tsx", r"app/\[id\]/page.tsx"),
        ("app/[id]/**", r"app/\[id\]/page.tsx"),
        ("app/[id]", r"app/\[id\]/"),
        ("app/[id]/[slug].tsx", r"app/\[id\]/\[slug\].tsx"),
        ("app/[id]/[slug].tsx", r"app/\[id\]/s.tsx"),
        ("**/[id]/page.tsx", r"app/\[id\]/page.tsx"),
        ("app/[...slug]", r"app/\[...slug\]/*"),
        ("app/[...slug]", "app/*/page.tsx"),
        ("app/[[...sign-in]]/*.ts", r"app/\[\[...sign-in\]\]/"),
        ("app/{a,b}/x.ts", r"app/\{a,b\}/x.ts"),
        ("app/{a,b}/x.ts", "app/b/x.ts"),
        ("app/{x}/x.ts", r"app/\{x\}/x.ts"),
        ("{a,b}/{c,d}", r"\{a,b\}/\{c,d\}"),
        ("{a,b}/{c,d}", r"\{a,b\}/c"),
        (r"\[a\]", r"\\\[a\\\]"),
        ("[x].rs", "[x].rs"),
    ] {
        assert!(overlap(left, right), "{left} and {right}");
    }
}

#[test]
fn patterns_without_a_common_file_do_not() {
    for (left, right) in [
        ("src/**", "lib/a.rs"),
        ("src/a.rs", "src/ab.rs"),
        ("src/*.rs", "src/*.toml"),
        ("src/[a-m]*", "src/[n-z]*"),
        ("src/[!a]*", "src/a*"),
        ("a?", "a"),
        ("?", "ab"),
        ("{src,lib}/*.rs", "{bin,tests}/main.rs"),
        ("a*b", "a*c"),
        ("x/**/a.rs", "y/**/a.rs"),
        (r"app/\[id\]/page", "app/i/page"),
        ("SRC/a.rs", "src/a.rs"),
        ("app/[id]/page.tsx", r"app/\[ix\]/page.tsx"),
        ("app/[...slug]", "app/s"),
        ("{a}", "a"),
    ] {
        assert!(!overlap(left, right), "{left} and {right}");
    }
}

#[test]
fn a_name_covers_the_paths_below_unless_it_is_the_name_of_a_file() {
    for (left, right, expected) in [
        ("src", "src/a.rs", true),
        ("src/*", "src/a/b.rs", true),
        ("src/api", "src/*/mod.rs", true),
        (".github", ".github/x.yml", true),
        (".github", "*/x.yml", true),
        ("a[.]d", "*/x", true),
        ("**/*.rs", "README.md", false),
        ("**/*.rs", "**/*.md", false),
        ("src/*/a.rs", "src/a.rs", false),
        ("*.rs", "*/y", false),
        ("*.rs", "?.rs/y", false),
        (".env.d", "*/x", false),
        ("{src,x.d}", "*.d/y", false),
        // The other spells it out.
        ("foo.app", "foo.app/x", true),
        ("foo.app", "foo.{app,dmg}/x", true),
        ("*.rs", "x.rs/y", true),
        ("**/*.rs", "**/x.rs/*.md", true),
        ("a/*.d", "a/b.d/**/c", true),
        ("a/*.d", "b/b.d/c", false),
        ("*.d", "**/b.d", true),
        ("*.d", "x/b.d/c", false),
        // A slash at the end makes it a folder.
        ("foo.d/", "*/x", true),
        ("foo.d/.", "*/x", true),
        ("foo.d/**", "*/x", true),
        ("*.d/", "**/*.rs", true),
        ("*.d/", "*.rs", false),
    ] {
        assert_eq!(overlap(left, right), expected, "{left} and {right}");
    }
}

/// A name that contains 200 times the letter a.
fn many_a() -> String {
    format!("{}*", "*a".repeat(200))
}

#[test]
fn hostile_patterns_cost_no_more_than_the_product_of_their_lengths() {
    for (left, right, expected) in [
        (many_a(), "ab".repeat(199), false),
        (many_a(), "ab".repeat(200), true),
        ("**/*a*/".repeat(70), "**/*b*a*/".repeat(55), true),
        ("**/a*a*a*b/".repeat(45), "**/*a*a*a/".repeat(50), true),
        ("**/a.b/".repeat(70), "**/a*b/".repeat(70) + "*.b", true),
        (
            "**/a.a/".repeat(70) + "b.c",
            "**/a.a/".repeat(70) + "?.a/*.a",
            true,
        ),
    ] {
        let mut budget = Budget::per_decision();
        let whole = budget.0;
        let (one, other) = (
            Pattern::parse(&left).unwrap(),
            Pattern::parse(&right).unwrap(),
        );
        assert_eq!(
            one.overlaps(&other, &mut budget),
            expected,
            "{left} and {right}"
        );
        let product = (left.len() * right.len()) as u64;
        assert!(whole - budget.0 <= 2 * product, "{left} and {right}");
    }
}

#[test]
fn when_the_budget_is_used_up_every_answer_is_yes() {
    let mut budget = Budget(1_000_000);
    let one = Pattern::parse(&many_a()).unwrap();
    let other = Pattern::parse(&"ab".repeat(199)).unwrap();
    let answers: Vec<_> = (0..100)
        .map(|_| one.overlaps(&other, &mut budget))
        .collect();
    assert!(!answers[0]);
    assert!(answers[99]);
}
