//! Foreign text stays one line, or stays set off, and nothing in it is hidden.

use proptest::prelude::*;

use super::*;
use crate::hidden::is_hidden;

#[test]
fn a_cut_text_is_never_longer_than_its_limit() {
    assert_eq!(cut("äbc", 3), "äbc");
    assert_eq!(cut("äbcd", 3), "äb…");
    assert_eq!(cut("ab", 1), "…");
    assert_eq!(cut_bytes("äbc", 4), "äbc");
    assert_eq!(cut_bytes("ääää", 7), "ää…");
    assert_eq!(cut_bytes("abcdef", 5), "ab…");
    assert!(matches!(cut("", 0), Cow::Borrowed("")));
}

#[test]
fn foreign_text_cannot_move_the_cursor() {
    assert_eq!(one_line("a\u{1b}[2J\nb\t c", 40), "a\\u{1b}[2J b c");
    assert_eq!(one_line("abcdef", 4), "abc…");
    assert_eq!(
        printable("a\u{1b}[1m\r\nb\u{9b}2J"),
        "a\\u{1b}[1m\nb\\u{9b}2J"
    );
    assert_eq!(line("a\nb\u{202e}c\u{200b}"), "a\\nb\\u{202e}c\\u{200b}");
}

#[test]
fn foreign_text_cannot_begin_a_line() {
    for end in [
        "\n", "\r", "\r\n", "\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\u{2029}",
    ] {
        let text = format!("a{end}Notice: b{end}");
        assert_eq!(quoted(&text, ""), "> a\n> Notice: b", "{end:?}");
        assert_eq!(quoted(&text, "  "), "  > a\n  > Notice: b");
        assert_eq!(one_line(&text, 50), "a Notice: b");
        assert!(!line(&text).contains(ends_line));
        assert_eq!(item(&format!("a{end}b")), None);
    }
    assert_eq!(quoted("> a\n\n> > b", ""), "> > a\n>\n> > > b");
}

#[test]
fn what_a_split_secret_is_made_of_does_not_join() {
    for between in [
        "\u{200b}",
        "\u{1b}[0m",
        "\u{ad}",
        "\u{200d}",
        "\u{2060}",
        "\0",
        "\u{feff}",
        "\u{e0020}",
    ] {
        let shown = one_line(&format!("sk-ant-{between}api03"), 100);
        assert!(
            !shown.contains("sk-ant-api03") && shown.contains("\\u{"),
            "{shown}"
        );
    }
}

#[test]
fn a_text_that_could_be_ours_stands_between_quotation_marks() {
    for ours in [
        "Notice: x",
        "src/a.rs: unchanged",
        "Everything checked is as it was",
        "## Open steps",
        "- a",
        "error: x",
        "hint: run it",
        "a | running | 5 %",
        "Next step: delete",
        "2026-01-02T03:04:05Z  INFO x",
        "1. first",
        "> x",
        "3 thing(s) moved since",
        "src/a b.rs: unchanged",
        "Nothing was checked: really",
    ] {
        assert_eq!(item(ours).as_deref(), Some(format!("\"{ours}\"").as_str()));
        assert!(name(ours, 100).starts_with('"'), "{ours}");
    }
    assert_eq!(name("a\nb", 100), "\"a\\nb\"");
    assert_eq!(name("a\"b", 100), "\"a\\\"b\"");
}

#[test]
fn a_text_that_could_not_be_ours_stands_as_it_is() {
    for plain in [
        "port the parser",
        "hand-written, for speed",
        "keep the old API",
        "2 retries are enough",
        "Ünïcode, 中文",
        "use https://example.com/x",
        "run the month",
    ] {
        assert_eq!(item(plain).as_deref(), Some(plain));
    }
    for plain in [
        "src/a.rs",
        "my file.rs",
        "main",
        "feature/x-1",
        "app/[id]/page.tsx",
    ] {
        assert_eq!(name(plain, 100), plain);
    }
}

#[test]
fn json_keeps_its_values_and_hides_nothing() {
    let document = "{\"a\":\"x\u{9b}\u{202e}\u{200b}ä\u{e0041}\"}\n";
    assert_eq!(
        json(document),
        "{\"a\":\"x\\u009b\\u202e\\u200bä\\udb40\\udc41\"}\n"
    );
    assert!(matches!(json("{\"a\":1}\n"), Cow::Borrowed(_)));
}

#[test]
fn an_id_is_known_by_its_end() {
    assert_eq!(short_id("01890a5d-ac96-774b-bcce-b302099a8057"), "099a8057");
    assert_eq!(short_id("abc"), "abc");
}

proptest! {
    #[test]
    fn whatever_is_written_stays_one_line_or_set_off(text in any::<String>(), max in 1_usize..200) {
        let is_clean = |shown: &str| !shown.chars().any(is_hidden);
        prop_assert!(is_clean(&line(&text)));
        prop_assert!(is_clean(&one_line(&text, max)) && one_line(&text, max).chars().count() <= max);
        prop_assert!(is_clean(&name(&text, max)));
        prop_assert!(quoted(&text, "").split('\n').all(|line| line.starts_with('>')));
        prop_assert!(lines(&text).all(|line| is_clean(&line.replace('\t', " "))));
        let again = line(&text).into_owned();
        prop_assert_eq!(line(&again), again.as_str());
    }
}
