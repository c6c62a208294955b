//! Where a text holds a term, without regard to case, accents and width; as words, or anywhere within them.

/// A text as it is compared: lower case, without accents, in the narrow forms of letters. Case keeps no byte positions, so
/// each compared byte knows where its original begins.
pub(crate) struct Folded {
    text: String,
    /// For each byte of `text`, and for its end, the position in the original.
    origin: Vec<usize>,
}

/// The bytes of a match in the original.
pub(crate) type Span = (usize, usize);

impl Folded {
    pub(crate) fn of(original: &str) -> Self {
        let mut text = String::with_capacity(original.len());
        let mut origin = Vec::with_capacity(original.len() + 1);
        for (at, c) in original.char_indices() {
            fold_into(&mut text, c);
            origin.resize(text.len(), at);
        }
        origin.push(original.len());
        Self { text, origin }
    }

    /// The first place where the words of `term` stand in a row, as whole words.
    pub(crate) fn find_words(&self, term: &str) -> Option<Span> {
        let term = fold(term);
        let wanted: Vec<_> = words(&term).map(|(_, word)| word).collect();
        let there: Vec<_> = words(&self.text).collect();
        if wanted.is_empty() {
            return None;
        }
        let mut rows = there.windows(wanted.len());
        let row = rows.find(|row| row.iter().map(|(_, word)| word).eq(&wanted))?;
        let (&(start, _), &(last, word)) = (row.first()?, row.last()?);
        Some(self.span(start, last + word.len()))
    }

    /// The first place where `term` stands, within words too; at the beginning of one, if there is such a place.
    pub(crate) fn find_within(&self, term: &str) -> Option<Span> {
        let needle = needle(term);
        let begins_word = |at: &usize| {
            let before = self.text[..*at].chars().next_back();
            !before.is_some_and(char::is_alphanumeric)
        };
        let places = || self.text.match_indices(&needle).map(|(at, _)| at);
        let at = places().find(begins_word).or_else(|| places().next())?;
        Some(self.span(at, at + needle.len()))
    }

    /// The original of some compared bytes, whole characters.
    fn span(&self, start: usize, end: usize) -> Span {
        let from = self.origin[start];
        // A character may become several: all of them have one origin.
        let behind = self.origin[end - 1];
        let to = self.origin[end..].iter().find(|at| **at > behind);
        (from, to.copied().unwrap_or(behind))
    }
}

/// A text as it is compared.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    text.chars().for_each(|c| fold_into(&mut folded, c));
    folded
}

/// What of a term is looked for within words.
pub(crate) fn needle(term: &str) -> String {
    let folded = fold(term);
    folded
        .trim_matches(|c: char| !c.is_alphanumeric())
        .to_owned()
}

/// Whether a term is in a script that puts no blanks between words, or joins particles to them: an index of words has no
/// answer for it.
pub(crate) fn is_unspaced(term: &str) -> bool {
    term.chars().any(|c| {
        matches!(u32::from(c),
            0x0e00..=0x0eff // Thai, Lao
            | 0x1000..=0x109f // Burmese
            | 0x1100..=0x11ff // Hangul letters
            | 0x1780..=0x17ff // Khmer
            | 0x3040..=0x30ff // Hiragana, Katakana
            | 0x3130..=0x318f // Hangul letters
            | 0x3400..=0x9fff // Han
            | 0xac00..=0xd7af // Hangul
            | 0xf900..=0xfaff // Han
            | 0xff66..=0xffdc // narrow Katakana and Hangul
            | 0x2_0000..=0x3_ffff // Han
        )
    })
}

fn fold_into(text: &mut String, c: char) {
    for c in narrow(c).to_lowercase() {
        match base(c) {
            // A combining accent.
            '\u{300}'..='\u{36f}' => {}
            c => text.push(c),
        }
    }
}

/// The narrow form of a wide letter, digit or sign.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        c => c,
    }
}

/// The letter below an accent, as the index of words has it.
fn base(c: char) -> char {
    match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' | 'ǎ' => 'a',
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
        'ĥ' => 'h',
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ǐ' => 'i',
        'ĵ' => 'j',
        'ķ' => 'k',
        'ĺ' | 'ļ' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'ō' | 'ŏ' | 'ő' | 'ǒ' => 'o',
        'ŕ' | 'ŗ' | 'ř' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' => 's',
        'ţ' | 'ť' => 't',
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ǔ' => 'u',
        'ŵ' => 'w',
        'ý' | 'ÿ' | 'ŷ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        c => c,
    }
}

/// Each run of letters and digits, with its place.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let start = text.as_ptr() as usize;
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr() as usize - start, word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marked(text: &str, span: Option<Span>) -> Option<&str> {
        span.map(|(from, to)| &text[from..to])
    }

    #[test]
    fn words_are_found_whole_and_anything_within_them() {
        for (text, term, as_words, within) in [
            (
                "parseHttp then parse",
                "parse",
                Some("parse"),
                Some("parse"),
            ),
            ("the parseHttpHeader", "http", None, Some("Http")),
            ("unparsed, parser", "parse", None, Some("parse")),
            ("a group-commit", "group commit", Some("group-commit"), None),
            ("请修复身份验证的超时", "身份验证", None, Some("身份验证")),
            ("ユーザー認証を直す", "認証", None, Some("認証")),
            ("로그인을 고친다", "로그인", None, Some("로그인")),
            ("Größe ÜBER alles", "uber", Some("ÜBER"), Some("ÜBER")),
            (
                "cafe\u{301} noir",
                "café",
                Some("cafe\u{301}"),
                Some("cafe\u{301}"),
            ),
            ("ＡＰＩ を", "api", Some("ＡＰＩ"), Some("ＡＰＩ")),
            ("İstanbul", "istanbul", Some("İstanbul"), Some("İstanbul")),
            (
                "src/store/a.rs",
                "store/a.rs",
                Some("store/a.rs"),
                Some("store/a.rs"),
            ),
            ("nothing", "absent", None, None),
            ("a", "(a*", Some("a"), Some("a")),
        ] {
            let folded = Folded::of(text);
            assert_eq!(marked(text, folded.find_words(term)), as_words, "{term}");
            assert_eq!(marked(text, folded.find_within(term)), within, "{term}");
        }
    }

    #[test]
    fn a_place_at_the_beginning_of_a_word_comes_first() {
        let text = "reparse parser";
        assert_eq!(Folded::of(text).find_within("parse"), Some((8, 13)));
    }

    #[test]
    fn scripts_without_blanks_are_known() {
        for term in ["身份", "かな", "カナ", "ｶﾅ", "한글", "ไทย", "x験"] {
            assert!(is_unspaced(term), "{term}");
        }
        for term in ["word", "größe", "слово", "λόγος", "שלום", "ＡＰＩ", "—"]
        {
            assert!(!is_unspaced(term), "{term}");
        }
    }

    proptest! {
        #[test]
        fn a_piece_of_a_text_is_found_where_it_stands_or_before(
            before in "[a-zA-Zäé 身份Ａİ\u{301}]{0,8}", piece in "[a-z身份Ａ]{1,4}", behind in "[a-zA-Zäé 身份İß]{0,8}"
        ) {
            let text = format!("{before}{piece}{behind}");
            let found = Folded::of(&text).find_within(&piece);
            let (from, to) = found.unwrap_or_else(|| panic!("{text:?} {piece:?}"));
            prop_assert_eq!(fold(&text[from..to]), fold(&piece));
        }
    }
}
