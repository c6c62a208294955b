//! What a pattern is made of: sequences of places, within a name and between names.

use super::char_class::CharClass;

/// One place of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<T> {
    /// Exactly one of these.
    One(T),
    /// Any run of anything, also an empty one: `*` within a name, `**` between names.
    Run,
}

/// The name of a file or folder; it is not empty.
pub(super) type Name = Vec<Piece<CharClass>>;

/// What the text of one name can mean, at least one: the pattern first, then its letters. `[id]` is a class, and the name of a
/// folder that may be there, or be made later.
pub(super) type Readings = Vec<Name>;

/// The names from the root. A run at the end covers what lies below; a route without one ends with the name of a file.
pub(super) type Route = Vec<Piece<Readings>>;

/// A token of a pattern's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GlobToken {
    Char(char),
    /// A character behind a `\`.
    Escaped(char),
    /// `?`.
    Any,
    /// A class, with its letters.
    Class(CharClass, String),
    /// Brackets or braces that mean their letters; a dot in them begins no extension.
    Letters(String),
    Star,
    Slash,
    Open,
    Comma,
    Close,
}

/// Characters that a `\` may stand before: those that may mean something else than themselves.
pub(super) const ESCAPABLE: &str = r"*?[]{},!^-\~$%@+()|:`";
