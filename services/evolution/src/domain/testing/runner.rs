//! The runners that a project's tests may be for.

/// What runs a project's tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RunnerKind {
    /// Vitest.
    Vitest,
    /// Jest.
    Jest,
    /// Mocha.
    Mocha,
    /// The runner of Node itself.
    NodeTest,
    /// Some other program: its exit code and its TAP are all that is known of it.
    Script,
}

impl RunnerKind {
    /// The name that people know.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Vitest => "vitest",
            Self::Jest => "jest",
            Self::Mocha => "mocha",
            Self::NodeTest => "node:test",
            Self::Script => "script",
        }
    }

    /// The npm package that it comes in; none for those that need no package.
    pub(crate) const fn package(self) -> Option<&'static str> {
        match self {
            Self::Vitest => Some("vitest"),
            Self::Jest => Some("jest"),
            Self::Mocha => Some("mocha"),
            Self::NodeTest | Self::Script => None,
        }
    }
}
