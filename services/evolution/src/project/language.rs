//! Which language a file is in, by its name, and how its modules are written.

use shim_proto::limits::evolution::SOURCE_EXTENSIONS;

/// A language of source files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Language {
    /// JavaScript, possibly with JSX.
    Js,
    /// JavaScript with JSX.
    Jsx,
    /// TypeScript.
    Ts,
    /// TypeScript with JSX.
    Tsx,
}

/// How a file's modules are written, as Node reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ModuleKind {
    /// `require` and `module.exports`.
    CommonJs,
    /// `import` and `export`.
    Esm,
}

impl Language {
    /// The language of a file name, and the kind of its modules if the name decides it; `None` for other files. Names with a
    /// language are those with one of [`SOURCE_EXTENSIONS`].
    pub(crate) fn of(name: &str) -> Option<(Self, Option<ModuleKind>)> {
        let (stem, extension) = name.rsplit_once('.')?;
        // `.js` alone is a hidden file without extension.
        if stem.is_empty() || !SOURCE_EXTENSIONS.contains(&extension) {
            return None;
        }
        Some(match extension {
            "js" => (Self::Js, None),
            "mjs" => (Self::Js, Some(ModuleKind::Esm)),
            "cjs" => (Self::Js, Some(ModuleKind::CommonJs)),
            "jsx" => (Self::Jsx, None),
            "ts" => (Self::Ts, None),
            "mts" => (Self::Ts, Some(ModuleKind::Esm)),
            "cts" => (Self::Ts, Some(ModuleKind::CommonJs)),
            "tsx" => (Self::Tsx, None),
            _ => return None,
        })
    }

    /// Whether it has types.
    #[cfg(test)]
    pub(crate) fn is_typescript(self) -> bool {
        matches!(self, Self::Ts | Self::Tsx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_language() {
        assert_eq!(Language::of("a.js"), Some((Language::Js, None)));
        assert_eq!(
            Language::of("a.test.mts"),
            Some((Language::Ts, Some(ModuleKind::Esm)))
        );
        assert_eq!(
            Language::of(".eslintrc.cjs"),
            Some((Language::Js, Some(ModuleKind::CommonJs)))
        );
        for other in ["a", ".js", "a.json", "a.JS", "a.js.map", "ajs"] {
            assert_eq!(Language::of(other), None, "{other}");
        }
        for extension in SOURCE_EXTENSIONS {
            assert!(Language::of(&format!("a.{extension}")).is_some());
        }
        assert!(Language::Tsx.is_typescript() && !Language::Jsx.is_typescript());
    }
}
