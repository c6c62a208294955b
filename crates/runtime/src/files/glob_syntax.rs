//! Reading patterns: first tokens, then the alternatives of the braces, then names.
//!
//! An ambiguous text is refused with the words to write instead, because a lease must not cover less than its holder
//! believes.

use super::char_class::CharClass;
use super::glob_parts::{ESCAPABLE, Name, Piece, Route};
use super::pattern_error::{MAX_ALTERNATIVES, PatternError};

const DOT: GlobToken = GlobToken::Char(CharClass::One('.'));

/// A token of a pattern's text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum GlobToken {
    Char(CharClass),
    Star,
    Slash,
    Open,
    Comma,
    Close,
}

/// Reads a pattern into a route for each alternative.
pub(super) fn parse(text: &str) -> Result<Vec<Route>, PatternError> {
    let alternatives = alternatives(tokens(text)?)?;
    alternatives.iter().map(|tokens| route(tokens)).collect()
}

fn tokens(text: &str) -> Result<Vec<GlobToken>, PatternError> {
    let mut chars = text.chars();
    let mut tokens = Vec::new();
    let mut depth = 0_usize;
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => GlobToken::Star,
            '/' => GlobToken::Slash,
            '?' => GlobToken::Char(CharClass::Any),
            '[' => GlobToken::Char(class(&mut chars)?),
            '\\' => GlobToken::Char(CharClass::One(escaped(&mut chars)?)),
            '{' => {
                depth += 1;
                GlobToken::Open
            }
            '}' => {
                depth = depth.checked_sub(1).ok_or(PatternError::Braces)?;
                GlobToken::Close
            }
            ',' if depth > 0 => GlobToken::Comma,
            c => GlobToken::Char(CharClass::One(c)),
        });
    }
    if depth > 0 {
        return Err(PatternError::Braces);
    }
    Ok(tokens)
}

fn escaped(chars: &mut std::str::Chars<'_>) -> Result<char, PatternError> {
    match chars.next() {
        Some(c) if ESCAPABLE.contains(c) => Ok(c),
        Some(c) => Err(PatternError::Escape(c)),
        None => Err(PatternError::LastEscape),
    }
}

/// Reads a class, from after its `[` to its `]`. A `]` in the first place means itself, as in POSIX, and so does a `-` in
/// the first or last place.
fn class(chars: &mut std::str::Chars<'_>) -> Result<CharClass, PatternError> {
    let negated = chars.as_str().starts_with(['!', '^']);
    if negated {
        chars.next();
    }
    let mut ranges = Vec::new();
    loop {
        let first = match chars.next().ok_or(PatternError::OpenClass)? {
            ']' if !ranges.is_empty() => return Ok(CharClass::among(&ranges, negated)),
            c => member(c, chars)?,
        };
        let rest = chars.as_str();
        let last = if rest.starts_with('-') && !rest.starts_with("-]") {
            chars.next();
            let c = chars.next().ok_or(PatternError::OpenClass)?;
            member(c, chars)?
        } else {
            first
        };
        if last < first {
            return Err(PatternError::Backwards(first, last));
        }
        ranges.push((first, last));
    }
}

fn member(c: char, chars: &mut std::str::Chars<'_>) -> Result<char, PatternError> {
    match c {
        '\\' => escaped(chars),
        '/' => Err(PatternError::SlashInClass),
        c => Ok(c),
    }
}

/// Braces that are being read: the alternatives before the last comma, and the starts of those after it.
struct Braces {
    before: Vec<Vec<GlobToken>>,
    last: Vec<Vec<GlobToken>>,
}

impl Braces {
    fn new() -> Self {
        Self {
            before: Vec::new(),
            last: vec![Vec::new()],
        }
    }
}

fn alternatives(tokens: Vec<GlobToken>) -> Result<Vec<Vec<GlobToken>>, PatternError> {
    let mut outer = Vec::new();
    let mut now = Braces::new();
    for token in tokens {
        match token {
            GlobToken::Open => outer.push(std::mem::replace(&mut now, Braces::new())),
            GlobToken::Comma => {
                now.before.append(&mut now.last);
                now.last.push(Vec::new());
            }
            GlobToken::Close => {
                if now.before.is_empty() {
                    return Err(PatternError::OneAlternative);
                }
                let mut inner = now.before;
                inner.append(&mut now.last);
                now = outer.pop().ok_or(PatternError::Braces)?;
                now.last = product(&now.last, &inner)?;
            }
            token => now
                .last
                .iter_mut()
                .for_each(|tokens| tokens.push(token.clone())),
        }
        if now.before.len() + now.last.len() > MAX_ALTERNATIVES {
            return Err(PatternError::TooManyAlternatives);
        }
    }
    Ok(now.last)
}

/// Every start followed by every end.
fn product(
    starts: &[Vec<GlobToken>],
    ends: &[Vec<GlobToken>],
) -> Result<Vec<Vec<GlobToken>>, PatternError> {
    if starts.len() * ends.len() > MAX_ALTERNATIVES {
        return Err(PatternError::TooManyAlternatives);
    }
    let with_ends = |start: &Vec<GlobToken>| {
        let start = start.clone();
        ends.iter().map(move |end| [start.as_slice(), end].concat())
    };
    Ok(starts.iter().flat_map(with_ends).collect())
}

fn route(tokens: &[GlobToken]) -> Result<Route, PatternError> {
    match tokens {
        [] => return Err(PatternError::Empty),
        [GlobToken::Slash, ..] => return Err(PatternError::Absolute),
        _ => {}
    }
    let mut route = Route::new();
    let mut ends_with_file = false;
    for tokens in tokens.split(|token| *token == GlobToken::Slash) {
        ends_with_file = false;
        match tokens {
            [] => {}
            [one] if *one == DOT => {}
            [one, two] if *one == DOT && *two == DOT => return Err(PatternError::Parent),
            [GlobToken::Star, GlobToken::Star] => run(&mut route),
            tokens => {
                route.push(Piece::One(name(tokens)?));
                ends_with_file = tokens[1..].contains(&DOT);
            }
        }
    }
    if !ends_with_file {
        run(&mut route);
    }
    Ok(route)
}

/// Adds a run; two runs in a row are one.
fn run(route: &mut Route) {
    if route.last() != Some(&Piece::Run) {
        route.push(Piece::Run);
    }
}

fn name(tokens: &[GlobToken]) -> Result<Name, PatternError> {
    if tokens
        .windows(2)
        .any(|pair| *pair == [GlobToken::Star, GlobToken::Star])
    {
        return Err(PatternError::DoubleStar);
    }
    let place = |token: &GlobToken| match token {
        GlobToken::Char(class) => Piece::One(class.clone()),
        // Only stars are left: slashes and braces were read before.
        _ => Piece::Run,
    };
    Ok(tokens.iter().map(place).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_that_is_not_a_pattern_is_refused_with_the_reason() {
        for (text, why) in [
            ("", PatternError::Empty),
            ("{a,}", PatternError::Empty),
            ("/etc/passwd", PatternError::Absolute),
            ("{,a}/b", PatternError::Absolute),
            ("..", PatternError::Parent),
            ("a/../b", PatternError::Parent),
            ("a/.{.,x}", PatternError::Parent),
            ("a[bc", PatternError::OpenClass),
            ("a[]", PatternError::OpenClass),
            ("a[!", PatternError::OpenClass),
            ("a[b-", PatternError::OpenClass),
            ("a[x/y]", PatternError::SlashInClass),
            ("[z-a]", PatternError::Backwards('z', 'a')),
            ("{a,b", PatternError::Braces),
            ("a}", PatternError::Braces),
            ("{a}", PatternError::OneAlternative),
            ("{}", PatternError::OneAlternative),
            (
                "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
                PatternError::TooManyAlternatives,
            ),
            ("a**", PatternError::DoubleStar),
            ("***", PatternError::DoubleStar),
            ("src/**.rs", PatternError::DoubleStar),
            (r"src\a.rs", PatternError::Escape('a')),
            ("a\\", PatternError::LastEscape),
        ] {
            assert_eq!(parse(text), Err(why), "{text:?}");
        }
        let wide = format!("{{{}}}", vec!["a"; 65].join(","));
        assert_eq!(parse(&wide), Err(PatternError::TooManyAlternatives));
    }

    #[test]
    fn equivalent_texts_give_the_same_routes() {
        for (one, other) in [
            ("src", "./src/"),
            ("src", "src/**"),
            ("src", "src/**/**"),
            ("a//b", "a/./b"),
            (".", "**"),
            ("./", "**"),
            ("a.d/", "a.d/**"),
            ("a.d/", "a.d/."),
            ("a{b,c}", "{ab,ac}"),
            ("{a,{b,c}}", "{a,b,c}"),
            ("x{,.bak}", "{x,x.bak}"),
            (r"\*", r"\*"),
            ("[^a-c]", "[!abc]"),
            ("[a-]", "[-a]"),
            ("[]a]", r"[a\]]"),
            ("a,b", r"a\,b"),
        ] {
            assert_eq!(
                parse(one).unwrap(),
                parse(other).unwrap(),
                "{one} and {other}"
            );
        }
        for (one, other) in [(r"\*", "*"), ("a.d", "a.d/")] {
            assert_ne!(parse(one), parse(other), "{one} and {other}");
        }
    }

    #[test]
    fn braces_may_be_nested_deeply() {
        let deep = format!("{}b{}", "{a,".repeat(60), "}".repeat(60));
        assert_eq!(parse(&deep).unwrap().len(), 61);
        let deeper = format!("{}b{}", "{a,".repeat(100), "}".repeat(100));
        assert_eq!(parse(&deeper), Err(PatternError::TooManyAlternatives));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r"[a\-*?\[\]{},!^./\\ü]{0,40}") {
            if let Ok(routes) = parse(&text) {
                prop_assert!((1..=MAX_ALTERNATIVES).contains(&routes.len()));
                prop_assert!(routes.iter().all(|route| !route.is_empty()));
            }
        }

        #[test]
        fn an_escaped_name_means_itself(name in r"[a*?\[\]{},!^ -]{1,20}") {
            let escape = |c: char| if ESCAPABLE.contains(c) { format!("\\{c}") } else { c.to_string() };
            let text: String = name.chars().map(escape).collect();
            let place = |c| Piece::One(CharClass::One(c));
            let own = vec![Piece::One(name.chars().map(place).collect()), Piece::Run];
            prop_assert_eq!(parse(&text), Ok(vec![own]));
        }
    }
}
