//! JSON as programs print it. What a strict reader refuses is read as far as its meaning is beyond doubt: half a surrogate
//! pair is U+FFFD; a number that a double would change is a text of the same digits, and what is no number is null; what is
//! nested too deeply is its text; text around an object is passed over. A line whose object is not complete holds no
//! message, but [`begun`] tells the fields that are. Pure.

use serde_json::{Map, Number, Value};
use shim_runtime::json_text;

/// Deeper values are read as texts.
const MAX_DEPTH: usize = 100;
/// Objects of one line that are begun and turn out to be none.
const MAX_FALSE_STARTS: usize = 8;
/// Objects of one line.
const MAX_OBJECTS: usize = 64;
const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

/// The JSON objects of a line, in their order; those of a list stand for themselves.
pub(super) fn objects(line: &[u8]) -> Vec<Value> {
    match serde_json::from_str::<Value>(&json_text::mend(line)) {
        Ok(object @ Value::Object(_)) => vec![object],
        Ok(Value::Array(mut items)) => {
            items.retain(Value::is_object);
            items
        }
        Ok(_) => Vec::new(),
        Err(_) => leniently(line),
    }
}

/// An object whose end is missing.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Begun {
    /// Its fields that are complete.
    pub(super) fields: Map<String, Value>,
    /// The name of a text that was cut off, and what there is of it.
    pub(super) cut: Option<(String, String)>,
}

/// The object that a text begins with and does not end; `None` if it is complete or none.
pub(super) fn begun(text: &[u8]) -> Option<Begun> {
    let text = text.trim_ascii();
    let mut reader = Reader { bytes: text, at: 1 };
    let mut begun = Begun::default();
    if !text.starts_with(b"{") {
        return None;
    }
    loop {
        reader.skip_gaps();
        let name = match reader.peek() {
            Some(b'}') => return None,
            Some(b'"') => reader.string(),
            _ => None,
        };
        reader.skip_gaps();
        let Some(name) = name.filter(|_| reader.next() == Some(b':')) else {
            return Some(begun);
        };
        reader.skip_gaps();
        let start = reader.at;
        let value = reader.value(1);
        let is_word = !text[start.min(text.len())..].starts_with(b"\"");
        let written = &text[start..reader.at];
        // A word at the very end may be the half of another one.
        let is_half = reader.peek().is_none() && is_word && !is_closed_word(written);
        match value.filter(|_| !is_half) {
            Some(value) => begun.fields.insert(name, value),
            None => {
                begun.cut = (!is_word).then(|| (name, half_string(&text[start..])));
                return Some(begun);
            }
        };
    }
}

/// Whether what stands at the end of a text is whole: a list, an object or one of JSON's words.
fn is_closed_word(written: &[u8]) -> bool {
    written.ends_with(b"}")
        || written.ends_with(b"]")
        || [&b"true"[..], b"false", b"null"].contains(&written)
}

/// A text without its end; an escape that was cut off is left out.
fn half_string(text: &[u8]) -> String {
    let mut whole = text.len();
    for length in 1..=6.min(text.len()) {
        let tail = &text[text.len() - length..];
        let backslashes = text[..=text.len() - length].iter().rev();
        let is_escape =
            tail[0] == b'\\' && backslashes.take_while(|byte| **byte == b'\\').count() % 2 == 1;
        let is_cut = length == 1 || tail[1] == b'u' && length < 6;
        if is_escape && is_cut {
            whole = text.len() - length;
        }
    }
    let closed = [&text[..whole], b"\""].concat();
    let mut reader = Reader {
        bytes: &closed,
        at: 0,
    };
    reader.string().unwrap_or_default()
}

fn leniently(line: &[u8]) -> Vec<Value> {
    let mut reader = Reader { bytes: line, at: 0 };
    let (mut objects, mut false_starts) = (Vec::new(), 0);
    while let Some(start) = reader.rest().iter().position(|byte| *byte == b'{') {
        let start = reader.at + start;
        reader.at = start;
        if let Some(object) = reader.value(0) {
            objects.push(object);
        } else if reader.peek().is_none() {
            // The line ends within it: what it contains is no message.
            break;
        } else {
            reader.at = start + 1;
            false_starts += 1;
        }
        if false_starts == MAX_FALSE_STARTS || objects.len() == MAX_OBJECTS {
            break;
        }
    }
    objects
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Passes over spaces and commas, which say nothing that the values do not.
    fn skip_gaps(&mut self) {
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_whitespace() || byte == b',')
        {
            self.at += 1;
        }
    }

    /// The value that begins here; `None` if it is not complete.
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.skip_gaps();
        match self.peek()? {
            b'{' | b'[' if depth == MAX_DEPTH => self.skip_nested(),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Value::String),
            _ => self.word().map(meaning),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut fields = Map::new();
        loop {
            self.skip_gaps();
            let name = match self.peek()? {
                b'}' => break,
                b'"' => self.string()?,
                _ => String::from_utf8_lossy(self.word()?).into_owned(),
            };
            self.skip_gaps();
            if self.next()? != b':' {
                return None;
            }
            let value = self.value(depth + 1)?;
            fields.insert(name, value);
        }
        self.at += 1;
        Some(Value::Object(fields))
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_gaps();
            if self.peek()? == b']' {
                break;
            }
            items.push(self.value(depth + 1)?);
        }
        self.at += 1;
        Some(Value::Array(items))
    }

    /// A value of any depth, as its text.
    fn skip_nested(&mut self) -> Option<Value> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                let text = String::from_utf8_lossy(&self.bytes[start..self.at]);
                return Some(Value::String(text.into_owned()));
            }
        }
    }

    /// Letters and digits outside of quotes; `None` if there are none.
    fn word(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b",:]}[{\"".contains(byte);
        let end = rest.iter().position(is_end).unwrap_or(rest.len());
        self.at += end;
        (end > 0).then(|| &rest[..end])
    }

    fn string(&mut self) -> Option<String> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => break,
                b'\\' => self.escape(&mut text)?,
                byte => text.push(byte),
            }
        }
        Some(match String::from_utf8(text) {
            Ok(text) => text,
            Err(wrong) => String::from_utf8_lossy(wrong.as_bytes()).into_owned(),
        })
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Option<()> {
        match self.next()? {
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'u' => match self.letter() {
                Some(letter) => text.extend_from_slice(letter.to_string().as_bytes()),
                None => text.extend_from_slice(REPLACEMENT),
            },
            other => text.push(other),
        }
        Some(())
    }

    /// The letter after `\u`, of one unit or of a pair; `None` if it is half a pair or none.
    fn letter(&mut self) -> Option<char> {
        let first = self.hex_unit()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        let after_first = self.at;
        let second = self.rest().starts_with(b"\\u").then(|| {
            self.at += 2;
            self.hex_unit()
        });
        if let Some(Some(second @ 0xDC00..0xE000)) = second {
            return char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00));
        }
        self.at = after_first;
        None
    }

    fn hex_unit(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let unit = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        self.at += 4;
        Some(unit)
    }
}

/// What a word outside of quotes means: a number that a double would change is its text, and what is none of JSON's words
/// is null.
fn meaning(word: &[u8]) -> Value {
    let word = std::str::from_utf8(word).unwrap_or_default();
    match word {
        "true" | "True" => return Value::Bool(true),
        "false" | "False" => return Value::Bool(false),
        _ if json_text::is_inexact(word.as_bytes()) => return Value::String(word.to_owned()),
        _ => {}
    }
    if let Ok(whole) = word.parse::<u64>() {
        return whole.into();
    }
    if let Ok(whole) = word.parse::<i64>() {
        return whole.into();
    }
    let number = word.parse().ok().and_then(Number::from_f64);
    number.map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests;
