//! What one file tells by itself, from one parse of it.

use shim_proto::evolution::v1::Figures;

use super::fingerprints::fingerprints;

/// What one file tells. Paths in it are empty: equal files share their facts.
#[derive(Debug, Default, Clone)]
pub(crate) struct FileFacts {
    /// Figures of the whole file.
    pub(crate) file: Figures,
    /// Figures of its functions, in the order of the source.
    pub(crate) functions: Vec<Figures>,
    /// What it imports.
    pub(crate) imports: Vec<Import>,
    /// Its markers of debt.
    pub(crate) markers: Vec<Marker>,
    /// What older forms it uses.
    pub(crate) old_forms: Vec<OldForms>,
    /// Its tokens, for the search for duplicates.
    pub(crate) tokens: Tokens,
    /// Its lines.
    pub(crate) lines: u32,
}

/// One import that is there when the program runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Import {
    /// What it names: `./a`, `lodash`.
    pub(crate) specifier: String,
    /// Whether it is a `require`, which is resolved by other conditions.
    pub(crate) is_require: bool,
}

/// A word of debt in a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    /// TODO, FIXME, HACK, XXX or BUG.
    pub(crate) word: String,
    /// The rest of the line.
    pub(crate) text: String,
    /// Where it begins.
    pub(crate) line: u32,
    /// Column of the word.
    pub(crate) column: u32,
    /// Column after the word.
    pub(crate) end_column: u32,
}

/// How often a file uses a form for which there is a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OldForms {
    /// Which.
    pub(crate) form: OldForm,
    /// How often.
    pub(crate) count: u32,
    /// The first line of the first.
    pub(crate) first_line: u32,
}

/// A form for which there is a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum OldForm {
    /// `var a`.
    Var,
    /// `"a" + b`.
    Concatenation,
    /// `f(function () {})`.
    FunctionArgument,
    /// `{ a: a }`.
    LongProperty,
    /// `p.then(...)`.
    Then,
    /// `f.apply(null, list)`.
    Apply,
}

/// The tokens of a file, each with its hash and its line. Comments and white space are no tokens.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tokens {
    /// A hash of each token's kind and text.
    pub(crate) hashes: Vec<u32>,
    /// The line that each begins in.
    pub(crate) lines: Vec<u32>,
    /// Fingerprints of chosen sequences, each with the token it begins at.
    pub(crate) marks: Vec<(u64, u32)>,
}

impl Tokens {
    /// Adds a token.
    pub(crate) fn push(&mut self, hash: u32, line: u32) {
        self.hashes.push(hash);
        self.lines.push(line);
    }

    /// Chooses the fingerprints; no token may follow.
    pub(crate) fn seal(&mut self) {
        self.marks = fingerprints(&self.hashes);
    }
}
