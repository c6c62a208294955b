//! The production sources of a checkout: which files they are, and their text without comments, literals and tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One Rust file of the program.
pub struct Source {
    /// Path below the root of the checkout.
    pub path: PathBuf,
    /// The text as it is, for Lua and for what is looked up in comments.
    pub raw: String,
    /// The code alone: comments, the inside of literals and `#[cfg(test)]` items are blanks; line breaks stay.
    pub code: String,
}

impl Source {
    /// The file at `path` with this text.
    #[must_use]
    pub fn new(path: PathBuf, raw: String) -> Self {
        let code = without_tests(&code_of(&raw));
        Self { path, raw, code }
    }

    /// Lines that hold code.
    #[must_use]
    pub fn lines(&self) -> usize {
        let full = |line: &&str| !line.trim().is_empty();
        self.code.lines().filter(full).count()
    }
}

/// A package: the folder of its sources and its root file.
pub struct Package {
    /// The folder of the sources, below the root of the checkout.
    pub folder: PathBuf,
    /// Its production files by path.
    pub sources: BTreeMap<PathBuf, Source>,
}

impl Package {
    /// The package whose sources lie in `folder` and are these: paths below the root of the checkout, and texts.
    #[must_use]
    pub fn of_texts(folder: &str, files: &[(&str, &str)]) -> Self {
        let source = |(path, text): &(&str, &str)| {
            let path = PathBuf::from(path);
            (path.clone(), Source::new(path, (*text).to_owned()))
        };
        Self {
            folder: PathBuf::from(folder),
            sources: files.iter().map(source).collect(),
        }
    }
}

/// Every package of production code below `root`: each folder with a `Cargo.toml` and a `src`, but for the tests' own.
///
/// # Errors
///
/// If a folder or file cannot be read.
pub fn packages(root: &Path) -> std::io::Result<Vec<Package>> {
    let mut folders = Vec::new();
    find_packages(root, root, 0, &mut folders)?;
    folders.sort();
    folders
        .into_iter()
        .map(|folder| {
            let mut sources = BTreeMap::new();
            read_folder(root, &root.join(&folder), &mut sources)?;
            drop_test_files(&mut sources);
            Ok(Package { folder, sources })
        })
        .collect()
}

fn find_packages(
    root: &Path,
    folder: &Path,
    depth: usize,
    into: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    if folder.join("Cargo.toml").is_file() && folder.join("src").is_dir() {
        let sources = folder.join("src");
        into.push(sources.strip_prefix(root).unwrap_or(&sources).to_owned());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let apart = ["target", "tests", "src", "node_modules", ".git"];
        if depth < 2 && path.is_dir() && !apart.contains(&name.as_ref()) {
            find_packages(root, &path, depth + 1, into)?;
        }
    }
    Ok(())
}

fn read_folder(
    root: &Path,
    folder: &Path,
    into: &mut BTreeMap<PathBuf, Source>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_folder(root, &path, into)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let raw = fs::read_to_string(&path)?;
            let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
            into.insert(path.clone(), Source::new(path, raw));
        }
    }
    Ok(())
}

/// Takes out the files and folders of modules that stand behind `#[cfg(test)]`.
fn drop_test_files(sources: &mut BTreeMap<PathBuf, Source>) {
    let mut gone = Vec::new();
    for source in sources.values() {
        let code = code_of(&source.raw);
        for (at, _) in code.match_indices("#[cfg(test)]") {
            let rest = code[at + "#[cfg(test)]".len()..].trim_start();
            let rest = rest.strip_prefix("pub(crate) ").unwrap_or(rest);
            let Some((name, _)) = rest.strip_prefix("mod ").and_then(|it| it.split_once(';'))
            else {
                continue;
            };
            if !name.contains(['{', ' ']) {
                gone.push(children(&source.path).join(name));
            }
        }
    }
    sources.retain(|path, _| {
        let module = path.with_extension("");
        !gone.iter().any(|gone| module.starts_with(gone))
    });
}

/// The folder in which the modules that `file` declares lie.
pub(super) fn children(file: &Path) -> PathBuf {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    match file.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") | None => folder,
        Some(stem) => folder.join(stem),
    }
}

/// The text with blanks for comments and literals.
pub(super) fn code_of(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        let length = comment(rest)
            .or_else(|| text_literal(rest, code.as_bytes().last().copied()))
            .or_else(|| char_literal(rest));
        if let Some(length) = length {
            code.extend(blanked(&rest[..length]));
            at += length;
        } else {
            let letter = rest.chars().next().unwrap_or(' ');
            code.push(letter);
            at += letter.len_utf8();
        }
    }
    code
}

/// The length of the comment that begins here. Block comments nest.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(next) = rest[at..].find(['/', '*']) {
        at += next;
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    Some(rest.len())
}

/// The length of the string literal that begins here: plain, of bytes (`b`) or for C (`c`), each raw or not.
fn text_literal(rest: &str, before: Option<u8>) -> Option<usize> {
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let unprefixed = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let prefix = rest.len() - unprefixed.len();
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let marks = raw.len() - raw.trim_start_matches('#').len();
        if raw[marks..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(marks));
            let start = prefix + 1 + marks + 1;
            let length = rest[start..].find(&end).map(|at| start + at + end.len());
            return Some(length.unwrap_or(rest.len()));
        }
    }
    let inside = unprefixed.strip_prefix('"')?;
    let mut escaped = false;
    for (at, letter) in inside.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix + at + 2),
            _ => {}
        }
    }
    Some(rest.len())
}

fn char_literal(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let mut letters = inside.char_indices();
    let (_, first) = letters.next()?;
    if first == '\\' {
        let end = inside[2..].find('\'')?;
        return Some(end + 4);
    }
    let (at, second) = letters.next()?;
    (second == '\'').then_some(at + 2)
}

/// As many blanks as letters; line breaks stay.
fn blanked(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .map(|letter| if letter == '\n' { '\n' } else { ' ' })
}

/// Blanks every item behind `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut kept = code.to_owned();
    while let Some(at) = kept.find("#[cfg(test)]") {
        let end = item_end(&kept, at + "#[cfg(test)]".len());
        let blanks: String = blanked(&kept[at..end]).collect();
        kept.replace_range(at..end, &blanks);
    }
    kept
}

/// Where the item that begins at `from` ends: behind its block, or behind its semicolon.
pub(super) fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in code[from..].char_indices() {
        match letter {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && letter == '}' {
                    return from + at + 1;
                }
            }
            ';' if depth == 0 => return from + at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new(PathBuf::from("src/lib.rs"), text.to_owned()).code
    }

    #[test]
    fn only_code_is_left_of_a_text() {
        for (text, left) in [
            ("a(); // b", "a();"),
            ("a /* b /* c */ d */ e", "a e"),
            (r#"a("}", b"{", c"(", 'x', '\'', '{');"#, "a( , , , , , );"),
            (r##"a(r#"b " c"#); 'outer: loop {}"##, "a( ); 'outer: loop {}"),
            ("fn f<'a>(it: &'a str) {}", "fn f<'a>(it: &'a str) {}"),
            ("a(); #[cfg(test)] mod tests { fn b() {} } c();", "a(); c();"),
            ("a(); #[cfg(test)] mod tests; c();", "a(); c();"),
        ] {
            let words: Vec<_> = code(text).split_whitespace().map(str::to_owned).collect();
            assert_eq!(words.join(" "), left, "{text}");
        }
    }

    #[test]
    fn the_lines_stay_where_they_are() {
        let text = "/* a\nb */\nfn f() {}\n#[cfg(test)]\nmod tests {\n}\nfn g() {}\n";
        assert_eq!(code(text).lines().nth(6), Some("fn g() {}"));
    }
}
