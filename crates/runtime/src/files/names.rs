//! Names of files as patterns. A name that is there means itself: `app/[id]/page.tsx` is a file in some frameworks.

use std::path::{Path, PathBuf};

use super::glob::{self, Pattern};
use super::glob_parts::Piece;
use super::links::{self, LinkError};

/// Which reading of a name with `\` comes first, if both are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backslash {
    /// Its letters.
    Itself,
    /// An escape.
    Escapes,
}

/// A path relative to the workspace's root as a pattern that matches nothing else.
#[must_use]
pub fn literal(path: &str) -> String {
    let names = path.split('/').enumerate();
    let names: Vec<_> = names.map(|(i, name)| escaped(name, i == 0)).collect();
    names.join("/")
}

/// What a person or model wrote for files below `root`, relative to it, as a pattern: as far as its names are there they
/// mean themselves, links mean what they lead to, and the rest is read as a pattern. A folder that is there ends with a
/// slash, so that `foo.d` is not taken for a file.
///
/// # Errors
/// If a link leads out of `root`, or nowhere.
pub fn as_pattern(root: &Path, typed: &str) -> Result<String, LinkError> {
    resolved(root, typed, Backslash::Itself, links::moved)
}

/// The same for a pattern that came over the wire, whose sender may have made it with [`as_pattern`]: escapes come first.
///
/// # Errors
/// As of [`as_pattern`].
pub fn as_sent_pattern(root: &Path, sent: &str) -> Result<String, LinkError> {
    resolved(root, sent, Backslash::Escapes, links::moved)
}

/// The same, but links mean themselves: a link can be changed and committed, too.
#[must_use]
pub fn as_sent_name(root: &Path, sent: &str) -> String {
    let stays = |_: &Path, _: &str| Ok(None);
    resolved(root, sent, Backslash::Escapes, stays).unwrap_or_else(|_| sent.to_owned())
}

/// `moved` says where an entry really is, if not there.
fn resolved(
    root: &Path,
    typed: &str,
    backslash: Backslash,
    moved: impl Fn(&Path, &str) -> Result<Option<PathBuf>, LinkError>,
) -> Result<String, LinkError> {
    let mut pattern = String::new();
    let mut place = root.to_path_buf();
    let mut rest = Some(typed);
    while let Some(text) = rest {
        let (name, behind) = text
            .split_once('/')
            .map_or((text, None), |(n, b)| (n, Some(b)));
        let Some((path_name, text_of_name)) =
            name_there(&place, name, pattern.is_empty(), backslash)
        else {
            return Ok(pattern + text);
        };
        match moved(&place, &path_name)? {
            Some(target) => {
                pattern = literal(&inside(root, &target)?);
                place = target;
            }
            None => {
                place.push(path_name);
                pattern.push_str(&text_of_name);
            }
        }
        if behind.is_some() {
            pattern.push('/');
        }
        rest = behind;
    }
    if place.is_dir() && !pattern.ends_with('/') {
        pattern.push('/');
    }
    Ok(pattern)
}

/// The path within the root; `.` for the root itself.
fn inside(root: &Path, target: &Path) -> Result<String, LinkError> {
    let inside = target.strip_prefix(root).ok().and_then(Path::to_str);
    let inside = inside.ok_or_else(|| LinkError::Outside {
        target: target.to_path_buf(),
        root: root.to_path_buf(),
    })?;
    Ok(if inside.is_empty() { "." } else { inside }.to_owned())
}

/// A pattern as a worker reads it: the path itself if it spells one out, since a program opens files by their names.
#[must_use]
pub fn shown(pattern: &str) -> String {
    if !pattern.contains('\\') {
        return pattern.to_owned();
    }
    let names: Option<Vec<String>> = pattern.split('/').map(plain).collect();
    names.map_or_else(|| pattern.to_owned(), |names| names.join("/"))
}

/// A part without its escapes; `None` if it stands for several names.
fn plain(part: &str) -> Option<String> {
    if part.contains('\\') {
        unescaped(part)
    } else {
        // What is no pattern is itself.
        let is_itself = !part.contains(['*', '?', '[', ']', '{', '}']);
        is_itself.then(|| part.to_owned())
    }
}

/// The name in `folder` that a part of a text means, and the part as a pattern; `None` if nothing is there.
fn name_there(
    folder: &Path,
    part: &str,
    is_first: bool,
    backslash: Backslash,
) -> Option<(String, String)> {
    if matches!(part, "" | ".") {
        return Some((String::new(), part.to_owned()));
    }
    if part == ".." {
        return None;
    }
    let is_there = |name: &str| folder.join(name).symlink_metadata().is_ok();
    let itself = || is_there(part).then(|| (part.to_owned(), escaped(part, is_first)));
    let unescaped = || {
        let name = unescaped(part).filter(|name| is_there(name))?;
        Some((name, part.to_owned()))
    };
    match backslash {
        _ if !part.contains('\\') => itself(),
        Backslash::Itself => itself().or_else(unescaped),
        Backslash::Escapes => unescaped().or_else(itself),
    }
}

/// The one name that a part with escapes stands for.
fn unescaped(part: &str) -> Option<String> {
    let pattern = Pattern::parse(part).ok()?;
    match pattern.routes() {
        [route] => match route.as_slice() {
            [Piece::One(readings)] | [Piece::One(readings), Piece::Run] => {
                readings.first().and_then(glob::spelled_out)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The name with a `\` before each character that could mean something else there.
fn escaped(name: &str, is_first: bool) -> String {
    let mut text = String::with_capacity(name.len());
    let mut before = None;
    for (i, c) in name.char_indices() {
        let could_mean_else = match c {
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '|' | '`' | '$' => true,
            '!' | '~' | '^' => is_first && i == 0,
            // `:(exclude)` of git, and the drives of Windows.
            ':' => is_first && i <= 1,
            '%' => i == 0,
            '(' => matches!(before, Some('+' | '@' | '!')),
            _ => false,
        };
        if could_mean_else {
            text.push('\\');
        }
        text.push(c);
        before = Some(c);
    }
    text
}
