//! Reading patterns: first tokens, then the alternatives of the braces, then names.
//!
//! An ambiguous text is refused with the words to write instead, because a lease must not cover less than its holder
//! believes.

use super::brackets::{bracket, escaped};
use super::char_class::CharClass;
use super::glob_parts::{GlobToken, Name, Piece, Readings, Route};
use super::pattern_error::{MAX_ALTERNATIVES, PatternError};

const DOT: GlobToken = GlobToken::Char('.');

/// Reads a pattern into a route for each alternative, and for each way to take its braces for letters: as far as the names
/// in front may be there.
pub(super) fn parse(text: &str) -> Result<Vec<Route>, PatternError> {
    let tokens = tokens(text)?;
    let spelled = with_spelled_braces(&tokens);
    let alternatives = alternatives(tokens)?;
    let routes: Result<Vec<_>, _> = alternatives.iter().map(|tokens| route(tokens)).collect();
    let mut routes = routes?;
    routes.extend(spelled.iter().filter_map(|tokens| route(tokens).ok()));
    Ok(routes)
}

fn tokens(text: &str) -> Result<Vec<GlobToken>, PatternError> {
    let mut chars = text.chars();
    let mut tokens = Vec::new();
    let mut depth = 0_usize;
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => GlobToken::Star,
            '/' => GlobToken::Slash,
            '?' => GlobToken::Any,
            '[' => bracket(&mut chars)?,
            '\\' => GlobToken::Escaped(escaped(&mut chars)?),
            '{' => {
                depth += 1;
                GlobToken::Open
            }
            '}' => {
                depth = depth.checked_sub(1).ok_or(PatternError::Braces)?;
                GlobToken::Close
            }
            ',' if depth > 0 => GlobToken::Comma,
            c => GlobToken::Char(c),
        });
    }
    if depth > 0 {
        return Err(PatternError::Braces);
    }
    Ok(tokens)
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
                let is_alone = now.before.is_empty();
                let mut inner = now.before;
                inner.append(&mut now.last);
                if is_alone {
                    inner.iter_mut().for_each(in_braces);
                }
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

/// Braces without a comma mean themselves, as in shells.
fn in_braces(tokens: &mut Vec<GlobToken>) {
    tokens.insert(0, GlobToken::Letters("{".to_owned()));
    tokens.push(GlobToken::Letters("}".to_owned()));
}

/// The alternatives in which the braces of the first names, one name more each time, are letters.
fn with_spelled_braces(tokens: &[GlobToken]) -> Vec<Vec<GlobToken>> {
    let (mut all, mut depth, mut has_braces) = (Vec::new(), 0_usize, false);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            GlobToken::Open => (depth, has_braces) = (depth + 1, true),
            GlobToken::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_end = at + 1 == tokens.len() || *token == GlobToken::Slash;
        if is_end && depth == 0 && std::mem::take(&mut has_braces) {
            let (front, rest) = tokens.split_at(at + 1);
            let front: Vec<_> = front.iter().map(spelled_brace).collect();
            let rest = alternatives(rest.to_vec()).unwrap_or_default();
            all.extend(
                rest.into_iter()
                    .map(|rest| [front.as_slice(), &rest].concat()),
            );
        }
    }
    all
}

fn spelled_brace(token: &GlobToken) -> GlobToken {
    let letter = match token {
        GlobToken::Open => "{",
        GlobToken::Comma => ",",
        GlobToken::Close => "}",
        other => return other.clone(),
    };
    GlobToken::Letters(letter.to_owned())
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
                route.push(Piece::One(readings(tokens)?));
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

/// The pattern, and its letters where they differ: first those of its classes, then those of its escapes too.
fn readings(tokens: &[GlobToken]) -> Result<Readings, PatternError> {
    if tokens
        .windows(2)
        .any(|pair| *pair == [GlobToken::Star, GlobToken::Star])
    {
        return Err(PatternError::DoubleStar);
    }
    let is_class = |token: &GlobToken| matches!(token, GlobToken::Class(..));
    let is_escaped = |token: &GlobToken| matches!(token, GlobToken::Escaped(_));
    let mut readings = vec![name(tokens, Spelled::Nothing)];
    if tokens.iter().any(is_class) {
        readings.push(name(tokens, Spelled::Classes));
    }
    if tokens.iter().any(is_escaped) {
        readings.push(name(tokens, Spelled::ClassesAndEscapes));
    }
    Ok(readings)
}

/// What of a name is taken for its letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelled {
    Nothing,
    Classes,
    ClassesAndEscapes,
}

fn name(tokens: &[GlobToken], spelled: Spelled) -> Name {
    let itself = |c| Piece::One(CharClass::One(c));
    let mut name = Name::with_capacity(tokens.len());
    for token in tokens {
        match token {
            GlobToken::Char(c) => name.push(itself(*c)),
            GlobToken::Escaped(c) => {
                if spelled == Spelled::ClassesAndEscapes {
                    name.push(itself('\\'));
                }
                name.push(itself(*c));
            }
            GlobToken::Any => name.push(Piece::One(CharClass::Any)),
            GlobToken::Class(class, _) if spelled == Spelled::Nothing => {
                name.push(Piece::One(class.clone()));
            }
            GlobToken::Class(_, letters) | GlobToken::Letters(letters) => {
                name.extend(letters.chars().map(itself));
            }
            // Only stars are left: slashes and braces were read before.
            _ => name.push(Piece::Run),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::glob_parts::ESCAPABLE;
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
            ("{a}", r"\{a\}"),
            ("x{}", r"x\{\}"),
            ("{a,{b}}", r"{a,\{b\}}"),
            ("[...slug]", r"\[...slug\]/"),
            ("[[...sign-in]]", r"\[\[...sign-in\]\]/"),
            ("[user-id].ts", r"\[user-id\].ts"),
        ] {
            assert_eq!(as_patterns(one), as_patterns(other), "{one} and {other}");
        }
        for (one, other) in [(r"\*", "*"), ("a.d", "a.d/")] {
            assert_ne!(as_patterns(one), as_patterns(other), "{one} and {other}");
        }
    }

    /// The first reading of each alternative, in which nothing but escapes is taken for letters.
    fn as_patterns(text: &str) -> Vec<Vec<Option<Name>>> {
        let alternatives = alternatives(tokens(text).unwrap()).unwrap();
        let first = |piece: &Piece<Readings>| match piece {
            Piece::One(readings) => Some(readings[0].clone()),
            Piece::Run => None,
        };
        let routes = alternatives.iter().map(|tokens| route(tokens).unwrap());
        routes
            .map(|route| route.iter().map(first).collect())
            .collect()
    }

    fn letters_of(name: &Name) -> Option<String> {
        let letter = |place: &Piece<_>| match place {
            Piece::One(CharClass::One(c)) => Some(*c),
            _ => None,
        };
        name.iter().map(letter).collect()
    }

    #[test]
    fn a_text_also_means_its_letters() {
        let spelled = |text: &str| -> Vec<String> {
            let routes = parse(text).unwrap();
            let names = routes.iter().filter_map(|route| match route.first() {
                Some(Piece::One(readings)) => Some(readings.clone()),
                _ => None,
            });
            let names = names.flatten();
            names.filter_map(|name| letters_of(&name)).collect()
        };
        assert_eq!(spelled("[id]"), ["[id]"]);
        assert_eq!(spelled("{a,b}"), ["a", "b", "{a,b}"]);
        assert_eq!(spelled(r"\[id\]"), ["[id]", r"\[id\]"]);
        assert_eq!(spelled("[z]{a,b}"), ["[z]a", "[z]b", "[z]{a,b}"]);
        assert_eq!(
            spelled("{a,b}/{c,d}"),
            ["a", "a", "b", "b", "{a,b}", "{a,b}", "{a,b}"]
        );
    }

    #[test]
    fn braces_may_be_nested_deeply() {
        let deep = format!("{}b{}", "{a,".repeat(60), "}".repeat(60));
        assert_eq!(parse(&deep).unwrap().len(), 62);
        let deeper = format!("{}b{}", "{a,".repeat(100), "}".repeat(100));
        assert_eq!(parse(&deeper), Err(PatternError::TooManyAlternatives));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r"[a\-*?\[\]{},!^./\\ü]{0,40}") {
            if let Ok(routes) = parse(&text) {
                prop_assert!((1..=3 * MAX_ALTERNATIVES).contains(&routes.len()));
                prop_assert!(routes.iter().all(|route| !route.is_empty()));
            }
        }

        #[test]
        fn an_escaped_name_means_itself(name in r"[a*?\[\]{},!^ -]{1,20}") {
            let escape = |c: char| if ESCAPABLE.contains(c) { format!("\\{c}") } else { c.to_string() };
            let text: String = name.chars().map(escape).collect();
            let place = |c| Piece::One(CharClass::One(c));
            let own: Name = name.chars().map(place).collect();
            let routes = parse(&text).unwrap();
            prop_assert_eq!(routes.len(), 1);
            prop_assert!(matches!(&routes[0][..], [Piece::One(readings), Piece::Run] if readings[0] == own));
        }
    }
}
