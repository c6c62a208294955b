//! What a file imports when the program runs. Imports of types alone are gone by then.

use std::collections::{BTreeSet, HashSet};

use big_code_analysis::tree_sitter::Node;

use crate::domain::analysis::facts::Import;

/// Collects the imports of one file.
pub(super) struct Imports<'a> {
    text: &'a str,
    /// Whether the compiler leaves imports out whose names only types use.
    has_types: bool,
    found: Vec<Import>,
    /// Imports that count if one of their names is used as a value.
    waiting: Vec<(Import, Vec<&'a str>)>,
    /// Names used as values.
    values: HashSet<&'a str>,
}

impl<'a> Imports<'a> {
    pub(super) fn new(text: &'a str, has_types: bool) -> Self {
        Self {
            text,
            has_types,
            found: Vec::new(),
            waiting: Vec::new(),
            values: HashSet::new(),
        }
    }

    /// Adds `import ... from`, `import "..."`, `export ... from` and `import a = require("...")`.
    pub(super) fn add_statement(&mut self, node: Node<'_>) {
        let clause = child_of_kind(node, "import_require_clause");
        let source = node
            .child_by_field_name("source")
            .or_else(|| clause?.child_by_field_name("source"));
        let Some(specifier) = source.and_then(|source| self.string(source)) else {
            return;
        };
        if has_child(node, "type") || has_child(node, "typeof") {
            return;
        }
        let import = Import {
            specifier,
            is_require: clause.is_some(),
        };
        let named = clause.or_else(|| child_of_kind(node, "import_clause"));
        let exported = child_of_kind(node, "export_clause");
        match (named, exported) {
            (Some(clause), _) => {
                let names = self.local_names(clause);
                if self.has_types {
                    self.waiting.push((import, names));
                } else {
                    self.found.push(import);
                }
            }
            (None, Some(clause)) if all_are_types(clause) => {}
            (None, _) => self.found.push(import),
        }
    }

    /// Adds `require("...")` and `import("...")`.
    pub(super) fn add_call(&mut self, node: Node<'_>) {
        let Some(callee) = node.child_by_field_name("function") else {
            return;
        };
        let is_require = callee.kind() == "identifier" && self.of(callee) == "require";
        if !is_require && callee.kind() != "import" {
            return;
        }
        let arguments = node.child_by_field_name("arguments");
        let first = arguments.and_then(|arguments| arguments.named_child(0));
        if let Some(specifier) = first.and_then(|first| self.string(first)) {
            self.found.push(Import {
                specifier,
                is_require,
            });
        }
    }

    /// Takes a name for one that is used as a value.
    pub(super) fn see(&mut self, node: Node<'_>) {
        if self.has_types {
            self.values.insert(self.of(node));
        }
    }

    pub(super) fn finish(self) -> Vec<Import> {
        let Self {
            mut found,
            waiting,
            values,
            ..
        } = self;
        let is_used = |names: &[&str]| names.iter().any(|name| values.contains(name));
        // `import {} from "a"` names nothing and stays.
        let used = waiting
            .into_iter()
            .filter(|(_, names)| names.is_empty() || is_used(names));
        found.extend(used.map(|(import, _)| import));
        let mut seen = BTreeSet::new();
        found.retain(|import| seen.insert((import.specifier.clone(), import.is_require)));
        found
    }

    /// The names that an import clause binds, without those it marks as types.
    fn local_names(&self, clause: Node<'_>) -> Vec<&'a str> {
        let (mut names, mut open) = (Vec::new(), vec![clause]);
        let mut has_marked = false;
        while let Some(node) = open.pop() {
            match node.kind() {
                "import_specifier" if has_child(node, "type") => has_marked = true,
                "import_specifier" => {
                    let name = node
                        .child_by_field_name("alias")
                        .or_else(|| node.child_by_field_name("name"));
                    names.extend(name.map(|name| self.of(name)));
                }
                "identifier" => names.push(self.of(node)),
                "string" => {}
                _ => open.extend(children(node)),
            }
        }
        if names.is_empty() && has_marked {
            // All of them are types: a name that no value has.
            names.push("");
        }
        names
    }

    fn string(&self, node: Node<'_>) -> Option<String> {
        let is_plain = node.kind() == "string"
            || node.kind() == "template_string" && node.named_child_count() < 2;
        let text = self.of(node);
        let inner = text.get(1..text.len().checked_sub(1)?)?;
        let has_escape =
            inner.contains(['\\', '$']) && node.kind() == "template_string" || inner.contains('\\');
        (is_plain && !has_escape && !inner.is_empty()).then(|| inner.to_owned())
    }

    fn of(&self, node: Node<'_>) -> &'a str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }
}

fn all_are_types(clause: Node<'_>) -> bool {
    let mut specifiers = children(clause)
        .filter(|node| node.kind() == "export_specifier")
        .peekable();
    specifiers.peek().is_some() && specifiers.all(|specifier| has_child(specifier, "type"))
}

fn has_child(node: Node<'_>, kind: &str) -> bool {
    child_of_kind(node, kind).is_some()
}

fn child_of_kind<'t>(node: Node<'t>, kind: &str) -> Option<Node<'t>> {
    children(node).find(|child| child.kind() == kind)
}

fn children<'t>(node: Node<'t>) -> impl Iterator<Item = Node<'t>> {
    (0..node.child_count()).filter_map(move |at| node.child(u32::try_from(at).unwrap_or(u32::MAX)))
}
