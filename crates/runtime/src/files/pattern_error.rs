//! Why a text is no pattern, with the words to write instead.

/// The number of alternatives of all braces of one pattern, multiplied out.
pub(super) const MAX_ALTERNATIVES: usize = 64;

/// The reason that a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text is empty, or one of its alternatives is.
    #[error("is empty, or one of its alternatives is; write . for everything")]
    Empty,
    /// The path is absolute.
    #[error("begins with /; write it relative to the workspace's root")]
    Absolute,
    /// The path may leave the workspace.
    #[error("holds \"..\"; write it relative to the workspace's root")]
    Parent,
    /// A class has no end.
    #[error("has a [ without its ]; write \\[ for a bracket")]
    OpenClass,
    /// A class contains a slash.
    #[error("has a / within [ ]; a class stands for one character of a name")]
    SlashInClass,
    /// A range ends before it begins.
    #[error("has the range {0}-{1} in [ ], which ends before it begins; write \\[ for a bracket")]
    Backwards(char, char),
    /// The braces do not match.
    #[error("has {{ and }} that do not match; write \\{{ or \\}} for a brace")]
    Braces,
    /// There are too many alternatives.
    #[error("has more than {MAX_ALTERNATIVES} alternatives; use several patterns or *")]
    TooManyAlternatives,
    /// `**` stands beside other characters.
    #[error("has ** within a name; it must stand alone between slashes, as in **/*.rs")]
    DoubleStar,
    /// A backslash stands before a character that needs none; the text may be a path of Windows.
    #[error(
        "has a \\ before {0:?}; separate names with /, and put \\ only before a character that could mean something else, \
         such as * ? [ ] {{ }} , ! ^ - ~ $ ( | and itself"
    )]
    Escape(char),
    /// A backslash stands at the end.
    #[error("ends with \\, which belongs before another character")]
    LastEscape,
    /// It begins with `!`, as exclusions of gitignore do.
    #[error(
        "begins with !, and nothing can be excluded; name what is meant, by several patterns, or write \\! for a name that begins with it"
    )]
    Negation,
    /// It begins with `~`, the home folder of shells.
    #[error(
        "begins with ~, which no shell has replaced; write it relative to the workspace's root, or \\~ for a name that begins with it"
    )]
    Home,
    /// It holds a variable or a command of a shell.
    #[error(
        "holds {0:?}, which no shell has replaced; write the path itself, relative to the workspace's root, or \\ before the character"
    )]
    Variable(String),
    /// It holds an extended pattern of shells.
    #[error(
        "holds {0}( ), which is not known here; write {{a,b}} for alternatives, or \\( for the character"
    )]
    ExtendedGlob(char),
    /// It holds a `|`.
    #[error(
        "holds |, which is not known here; write {{a,b}} for alternatives, or \\| for the character"
    )]
    Bar,
    /// It begins or ends as a regular expression.
    #[error(
        "has a {0} as regular expressions do; it is a glob (*, ?, [a-z], {{a,b}} and **), so leave it out, or write \\{0} for the character"
    )]
    RegularExpression(char),
    /// It begins as a pathspec of git with a meaning of its own.
    #[error(
        "begins as a magic pathspec of git; name the files themselves, or write \\: for the character"
    )]
    GitMagic,
    /// It is the address of something.
    #[error("is a URL; write the path relative to the workspace's root")]
    Url,
    /// It holds a named class of POSIX.
    #[error("has the class [:{0}:], which is not known here; write ranges such as [a-z] or [0-9]")]
    PosixClass(String),
}
