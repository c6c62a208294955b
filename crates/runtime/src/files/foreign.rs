//! Forms of patterns that other programs know and this one does not: shells, gitignore, regular expressions. A text that
//! looks like one is refused with the form to write instead, because its author means something else than its letters.

use super::pattern_error::PatternError;

/// Refuses a text that is blank, or holds a foreign form outside of escapes.
///
/// # Errors
/// What the text looks like, and what to write instead.
pub fn check(text: &str) -> Result<(), PatternError> {
    if text.trim().is_empty() {
        return Err(PatternError::Empty);
    }
    check_beginning(text)?;
    for name in text.split('/') {
        check_name(name)?;
    }
    if text.ends_with('$') && !text.ends_with("\\$") {
        return Err(PatternError::RegularExpression('$'));
    }
    Ok(())
}

/// What has a meaning of its own at the beginning of the whole text.
fn check_beginning(text: &str) -> Result<(), PatternError> {
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.next());
    match (first, second) {
        (Some('!'), Some('(')) => Ok(()),
        (Some('!'), _) => Err(PatternError::Negation),
        (Some('~'), _) => Err(PatternError::Home),
        (Some('^'), _) => Err(PatternError::RegularExpression('^')),
        (Some('$'), Some(c)) if c.is_ascii_alphabetic() || c == '_' => Err(variable(text)),
        (Some(':'), Some('(' | '!' | '^' | '/')) => Err(PatternError::GitMagic),
        (Some(drive), Some(':')) if drive.is_ascii_alphabetic() && text[2..].starts_with('/') => {
            Err(PatternError::Absolute)
        }
        _ if is_url(text) => Err(PatternError::Url),
        _ => Ok(()),
    }
}

fn is_url(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme
        .is_some_and(|scheme| scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// What has a meaning of its own within a name.
fn check_name(name: &str) -> Result<(), PatternError> {
    if is_variable(name) {
        return Err(variable(name));
    }
    let mut before = None;
    let mut chars = name.char_indices();
    while let Some((at, c)) = chars.next() {
        let rest = &name[at + c.len_utf8()..];
        match (before, c) {
            (_, '\\') => {
                chars.next();
                before = None;
                continue;
            }
            (_, '[') => {
                if let Some(class) = posix_class(rest) {
                    return Err(PatternError::PosixClass(class.to_owned()));
                }
                let behind = at + 1 + class_len(rest);
                chars
                    .by_ref()
                    .take_while(|(i, _)| i + 1 < behind)
                    .for_each(drop);
            }
            (Some('$'), '{' | '(') => return Err(variable(&name[at - 1..])),
            (Some(kind @ ('?' | '*' | '+' | '@' | '!')), '(') if rest.contains(')') => {
                return Err(PatternError::ExtendedGlob(kind));
            }
            (_, '`') => return Err(variable(&name[at..])),
            (_, '|') => return Err(PatternError::Bar),
            _ => {}
        }
        before = Some(c);
    }
    Ok(())
}

/// `$HOME` or `%TEMP%`, the whole name: in capitals, since frameworks have names such as `$postId`.
fn is_variable(name: &str) -> bool {
    let in_capitals = |word: &str| {
        let part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        word.starts_with(|c: char| c.is_ascii_uppercase() || c == '_') && word.chars().all(part)
    };
    let of_windows = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let inner = name
        .strip_prefix('%')
        .and_then(|word| word.strip_suffix('%'));
    name.strip_prefix('$').is_some_and(in_capitals)
        || inner.is_some_and(|word| !word.is_empty() && of_windows(word))
}

/// The beginning of what a shell would replace, short enough for a refusal.
fn variable(text: &str) -> PatternError {
    let end = text.find('/').unwrap_or(text.len()).min(40);
    PatternError::Variable(text[..text.floor_char_boundary(end)].to_owned())
}

/// The bytes of a class from behind its `[` to its `]`, which means itself in the first place; 0 if it has no end.
fn class_len(rest: &str) -> usize {
    let inner = rest.trim_start_matches(['!', '^']);
    let first = rest.len() - inner.len();
    let mut is_escaped = false;
    for (i, c) in inner.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ']' if i > 0 => return first + i + 1,
            _ => {}
        }
    }
    0
}

/// `alpha` of `[[:alpha:]]`, from behind its first bracket.
fn posix_class(rest: &str) -> Option<&str> {
    let (class, _) = rest.strip_prefix("[:")?.split_once(":]")?;
    let is_name = !class.is_empty() && class.chars().all(|c| c.is_ascii_alphabetic());
    is_name.then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_programs_know_is_refused_with_what_to_write() {
        for (text, remedy) in [
            ("", "write ."),
            ("  ", "write ."),
            ("!src/gen/**", r"\!"),
            ("!x", r"\!"),
            ("~", "relative"),
            ("~/x", "relative"),
            ("~ada/x", "relative"),
            ("$HOME/x", "relative"),
            ("$home", "relative"),
            ("src/$OUT/x", "relative"),
            ("${HOME}/x", "relative"),
            ("src/${OUT}/x", "relative"),
            ("$(pwd)/x", "relative"),
            ("src/`date`", "relative"),
            ("%TEMP%/x", "relative"),
            ("@(a|b)", "{a,b}"),
            ("src/+(a|b).rs", "{a,b}"),
            ("src/?(a).rs", "{a,b}"),
            ("*(a|b)", "{a,b}"),
            ("!(a)", "{a,b}"),
            ("src/!(gen)/**", "{a,b}"),
            ("(a|b)/x", "{a,b}"),
            ("a|b", "{a,b}"),
            ("^src/", r"\^"),
            ("src/.*$", r"\$"),
            (":(exclude)src", "files themselves"),
            (":!src", "files themselves"),
            ("file:///x", "relative"),
            ("https://x/y", "relative"),
            ("C:/x", "relative"),
            ("src/[[:alpha:]]*", "a-z"),
        ] {
            let refused = check(text).map_err(|why| why.to_string());
            assert!(
                refused.as_ref().is_err_and(|why| why.contains(remedy)),
                "{text:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn what_means_itself_everywhere_passes() {
        for text in [
            "src/**",
            "app/(group)/page.tsx",
            "app/@slot/page.tsx",
            "app/(..)photo/x",
            "routes/$postId.tsx",
            "a!b",
            "a~",
            "x@2.png",
            "a+b(1).txt",
            "c++",
            "report (1).pdf",
            r"\!x",
            r"\~/x",
            r"\$HOME/x",
            r"@\(a\|b)",
            "100%/x",
            "a:b",
            "[!a]x",
            "[^a]x",
            "[a|b(`]x",
            "[]|]x",
            "price$s",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }
}
