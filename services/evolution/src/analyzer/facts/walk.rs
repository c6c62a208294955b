//! One walk over a syntax tree: its tokens, comments, imports and older forms.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use big_code_analysis::tree_sitter::Node;
use big_code_analysis::{Ast, LANG};

use super::imports::Imports;
use crate::domain::analysis::debt;
use crate::domain::analysis::facts::{FileFacts, OldForm, OldForms};
use crate::domain::analysis::places::{Lines, number};

/// What a walk finds.
pub(super) struct Walked {
    /// All facts but the figures.
    pub(super) facts: FileFacts,
    /// What figures cost: tokens, each times the functions and classes around it.
    pub(super) cost: u64,
    /// The most functions and classes in each other.
    pub(super) deepest: u64,
}

/// Walks the whole tree, without recursion: a source may nest deeper than a stack is.
pub(super) fn walk(ast: &Ast, language: LANG, text: &str) -> Walked {
    let lines = Lines::new(text);
    let mut walk = Walk {
        text,
        lines: &lines,
        facts: FileFacts::default(),
        imports: Imports::new(text, language != LANG::Javascript),
        forms: BTreeMap::new(),
        above: Vec::new(),
        spaces: 0,
        cost: 0,
        deepest: 0,
    };
    let mut cursor = ast.as_tree_sitter().walk();
    loop {
        let node = cursor.node();
        if walk.enter(node) && cursor.goto_first_child() {
            walk.go_down(node);
            continue;
        }
        while !cursor.goto_next_sibling() {
            walk.go_up();
            if !cursor.goto_parent() {
                return walk.finish();
            }
        }
    }
}

struct Walk<'a> {
    text: &'a str,
    lines: &'a Lines<'a>,
    facts: FileFacts,
    imports: Imports<'a>,
    forms: BTreeMap<OldForm, OldForms>,
    /// The kinds of the nodes above, the root first, and whether each is a sum. (A node finds its parent from the root each time.)
    above: Vec<(&'static str, bool)>,
    /// How many of those are functions or classes.
    spaces: u64,
    cost: u64,
    deepest: u64,
}

impl Walk<'_> {
    fn go_down(&mut self, node: Node<'_>) {
        let kind = node.kind();
        self.spaces += u64::from(is_space(kind));
        self.deepest = self.deepest.max(self.spaces);
        self.above.push((kind, is_sum(node, self.text)));
    }

    fn go_up(&mut self) {
        if let Some((kind, _)) = self.above.pop() {
            self.spaces -= u64::from(is_space(kind));
        }
    }

    /// Whether to go on with the children of the node.
    fn enter(&mut self, node: Node<'_>) -> bool {
        match node.kind() {
            "comment" | "html_comment" => {
                debt::find(
                    self.text,
                    self.lines,
                    node.start_byte(),
                    node.end_byte(),
                    &mut self.facts.markers,
                );
                return false;
            }
            // They are alike everywhere and no duplicates that anybody could say once.
            "import_statement" => {
                self.imports.add_statement(node);
                return false;
            }
            "export_statement" if node.child_by_field_name("source").is_some() => {
                self.imports.add_statement(node);
                return false;
            }
            "call_expression" if !self.is_within_type() => self.imports.add_call(node),
            _ => {}
        }
        if let Some(form) = self.old_form(node) {
            self.count_form(form, number(node.start_position().row + 1));
        }
        if is_one_token(node) {
            if matches!(node.kind(), "identifier" | "shorthand_property_identifier")
                && !self.is_within_type()
            {
                self.imports.see(node);
            }
            self.add_token(node);
            return false;
        }
        true
    }

    /// Whether a name here, or the chain of names that it begins, is of a type.
    fn is_within_type(&self) -> bool {
        let chain = ["nested_identifier", "member_expression"];
        let end = self
            .above
            .iter()
            .rev()
            .find(|(kind, _)| !chain.contains(kind));
        end.is_some_and(|(kind, _)| matches!(*kind, "type_query" | "nested_type_identifier"))
    }

    fn old_form(&self, node: Node<'_>) -> Option<OldForm> {
        let parent = self.above.last().copied().unwrap_or_default();
        match node.kind() {
            "var" => Some(OldForm::Var),
            "function_expression" => (parent.0 == "arguments").then_some(OldForm::FunctionArgument),
            "pair" => long_property(node, self.text),
            "binary_expression" if !parent.1 => concatenation(node, self.text),
            "call_expression" => method(node, self.text),
            _ => None,
        }
    }

    fn count_form(&mut self, form: OldForm, line: u32) {
        let forms = self.forms.entry(form).or_insert(OldForms {
            form,
            count: 0,
            first_line: line,
        });
        forms.count += 1;
    }

    fn add_token(&mut self, node: Node<'_>) {
        if node.start_byte() == node.end_byte() {
            return;
        }
        let mut hasher = DefaultHasher::new();
        node.kind_id().hash(&mut hasher);
        self.text.as_bytes()[node.byte_range()].hash(&mut hasher);
        let hash = hasher.finish();
        let line = number(node.start_position().row + 1);
        self.cost += self.spaces;
        self.facts.tokens.push((hash ^ (hash >> 32)) as u32, line);
    }

    fn finish(mut self) -> Walked {
        self.facts.imports = self.imports.finish();
        self.facts.tokens.seal();
        self.facts.old_forms = self.forms.into_values().collect();
        self.facts.lines = number(self.text.lines().count());
        Walked {
            facts: self.facts,
            cost: self.cost,
            deepest: self.deepest,
        }
    }
}

/// Whether figures are counted for nodes of this kind by themselves, and again for each of those around it.
fn is_space(kind: &str) -> bool {
    ["function", "method", "class", "interface", "module"]
        .iter()
        .any(|part| kind.contains(part))
}

/// A leaf, or what has parts that mean nothing alone.
fn is_one_token(node: Node<'_>) -> bool {
    node.child_count() == 0 || matches!(node.kind(), "string" | "regex")
}

fn long_property(node: Node<'_>, text: &str) -> Option<OldForm> {
    let (key, value) = (
        node.child_by_field_name("key")?,
        node.child_by_field_name("value")?,
    );
    let is_name = key.kind() == "property_identifier" && value.kind() == "identifier";
    (is_name && of(key, text) == of(value, text)).then_some(OldForm::LongProperty)
}

fn is_sum(node: Node<'_>, text: &str) -> bool {
    let operator = || node.child_by_field_name("operator");
    node.kind() == "binary_expression"
        && operator().is_some_and(|operator| of(operator, text) == "+")
}

/// The outermost sum, with a string and with something that is none.
fn concatenation(node: Node<'_>, text: &str) -> Option<OldForm> {
    let (mut has_string, mut has_other) = (false, false);
    let mut at = Some(node).filter(|node| is_sum(*node, text));
    while let Some(sum) = at {
        let sides = [
            sum.child_by_field_name("left"),
            sum.child_by_field_name("right"),
        ];
        at = sides[0].filter(|left| is_sum(*left, text));
        for side in sides
            .into_iter()
            .flatten()
            .filter(|side| !is_sum(*side, text))
        {
            has_string |= side.kind() == "string";
            has_other |= side.kind() != "string";
        }
    }
    (has_string && has_other).then_some(OldForm::Concatenation)
}

fn method(node: Node<'_>, text: &str) -> Option<OldForm> {
    let callee = node
        .child_by_field_name("function")
        .filter(|callee| callee.kind() == "member_expression")?;
    let arguments = node.child_by_field_name("arguments")?.named_child_count();
    match (of(callee.child_by_field_name("property")?, text), arguments) {
        ("then", 1..) => Some(OldForm::Then),
        ("apply", 2) => Some(OldForm::Apply),
        _ => None,
    }
}

fn of<'a>(node: Node<'_>, text: &'a str) -> &'a str {
    text.get(node.byte_range()).unwrap_or_default()
}
