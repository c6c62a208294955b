//! How long functions are.

use super::source::item_end;

/// Every function with a body: its name, and its lines from `fn` to the closing brace.
#[must_use]
pub fn functions(code: &str) -> Vec<(String, usize)> {
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let begins = !code[..at].ends_with(is_word);
        let rest = &code[at + "fn ".len()..];
        let rest = rest.strip_prefix("r#").unwrap_or(rest);
        let name: String = rest.chars().take_while(|it| is_word(*it)).collect();
        let item = &code[at..item_end(code, at)];
        // A function of a trait or a block `extern` may have no body; a pointer to a function has no name.
        if begins && !name.is_empty() && item.ends_with('}') {
            found.push((name, item.lines().count()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(lines: usize) -> String {
        let body = "    step();\n".repeat(lines - 2);
        format!("pub(crate) async fn run(&self) -> Result<[u8; 2], Error> {{\n{body}}}\n")
    }

    #[test]
    fn a_function_is_as_long_as_its_lines_from_the_first_to_the_brace() {
        for lines in [2, 40, 41] {
            let text = format!("{}fn next() {{}}\n", function(lines));
            let expected = [("run".to_owned(), lines), ("next".to_owned(), 1)];
            assert_eq!(functions(&text), expected);
        }
    }

    #[test]
    fn what_has_no_body_is_no_function() {
        let text = "trait Clock {\n    async fn now(&self) -> u64;\n    fn r#type(&self) {}\n}\ntype F = fn (u8);\n";
        assert_eq!(functions(text), [("type".to_owned(), 1)]);
    }

    #[test]
    fn the_functions_of_a_macro_count_too() {
        let text = "macro_rules! m {\n    ($name:ident) => {\n        fn made() {\n        }\n    };\n}\n";
        assert_eq!(functions(text), [("made".to_owned(), 2)]);
    }
}
