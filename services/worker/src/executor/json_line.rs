//! JSON as programs print it. What a strict reader refuses is read as far as its meaning is beyond doubt: half a surrogate
//! pair is U+FFFD; a number that JSON or a double does not know is null; what is nested too deeply is null; text around an
//! object is passed over. A line whose object is not complete holds no message. Pure.

use serde_json::{Map, Number, Value};

/// Deeper values are read as null.
const MAX_DEPTH: usize = 100;
/// Objects of one line that are begun and turn out to be none.
const MAX_FALSE_STARTS: usize = 8;
/// Objects of one line.
const MAX_OBJECTS: usize = 64;
const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

/// The JSON objects of a line, in their order; those of a list stand for themselves.
pub(super) fn objects(line: &[u8]) -> Vec<Value> {
    match serde_json::from_slice::<Value>(line) {
        Ok(object @ Value::Object(_)) => vec![object],
        Ok(Value::Array(mut items)) => {
            items.retain(Value::is_object);
            items
        }
        Ok(_) => Vec::new(),
        Err(_) => leniently(line),
    }
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

    /// Passes over a value of any depth.
    fn skip_nested(&mut self) -> Option<Value> {
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
                return Some(Value::Null);
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

/// What a word outside of quotes means; null if it is none of JSON's, or a number beyond doubles.
fn meaning(word: &[u8]) -> Value {
    let word = std::str::from_utf8(word).unwrap_or_default();
    match word {
        "true" | "True" => return Value::Bool(true),
        "false" | "False" => return Value::Bool(false),
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_strict_reader_refuses_is_read_by_its_meaning() {
        for (line, expected) in [
            (r#"{"a":"fix \ud82d"}"#, json!([{"a": "fix \u{FFFD}"}])),
            (r#"{"a":"\udc00x"}"#, json!([{"a": "\u{FFFD}x"}])),
            (
                r#"{"a":"\ud83d\ud83d\ude00"}"#,
                json!([{"a": "\u{FFFD}😀"}]),
            ),
            (r#"{"a":"\ud83d\n\u00e9"}"#, json!([{"a": "\u{FFFD}\né"}])),
            (
                r#"{"a":"\uZZZZ\u12"}"#,
                json!([{"a": "\u{FFFD}ZZZZ\u{FFFD}12"}]),
            ),
            (r#"{"a\ud800":1}"#, json!([{"a\u{FFFD}": 1}])),
            (
                r#"{"a":NaN,"b":-Infinity,"c":1e999}"#,
                json!([{"a": null, "b": null, "c": null}]),
            ),
            (
                r#"{"a":undefined,"b":None,"c":True}"#,
                json!([{"a": null, "b": null, "c": true}]),
            ),
            (
                r#"{"a":007,"b":+1,"c":1.}"#,
                json!([{"a": 7, "b": 1, "c": 1.0}]),
            ),
            (r#"{"a":[1,2,],}"#, json!([{"a": [1, 2]}])),
            ("{\"a\":\"one\ttwo\"}", json!([{"a": "one\ttwo"}])),
            (r"{a:1}", json!([{"a": 1}])),
            (r#"{"a":1,"a":2}"#, json!([{"a": 2}])),
            (
                r#"npm warn {old} 5% {"a":1} {"b":2}."#,
                json!([{"a": 1}, {"b": 2}]),
            ),
            ("\u{FEFF}{\"a\":1}", json!([{"a": 1}])),
            (r#"{"a":"cut"#, json!([])),
            (r#"{"a":[1,{"b":2}"#, json!([])),
            (r"{{{{{{{{{{", json!([])),
            (r#"[1,{"a":1},{"b":2}]"#, json!([{"a": 1}, {"b": 2}])),
            (r#"[{"a":NaN},{"b":2}]"#, json!([{"a": null}, {"b": 2}])),
            ("[1]", json!([])),
            ("", json!([])),
        ] {
            assert_eq!(Value::from(objects(line.as_bytes())), expected, "{line}");
        }
        let bytes = b"{\"a\":\"\xFF\xED\xA0\xBD\",\"b\":1}";
        assert_eq!(objects(bytes)[0]["b"], 1);
    }

    #[test]
    fn what_is_nested_deeply_costs_no_stack_and_hides_no_other_field() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let line = format!("{{\"a\":{deep},\"b\":\"]\"}}");
        assert_eq!(objects(line.as_bytes())[0]["b"], "]");
        assert!(objects("{\"a\":".repeat(100_000).as_bytes()).is_empty());
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            objects(&line);
        }

        #[test]
        fn no_json_like_line_makes_it_panic(line in r#"[{}\[\],:"\\u0-9a-fdDE.+-]{0,80}"#) {
            objects(line.as_bytes());
        }

        #[test]
        fn what_is_strict_is_read_alike(text in any::<String>(), number in any::<i64>(), real in -1e300..1e300_f64) {
            let value = json!({"a": text, "b": [number, {"c": real}], "d": null, "e": false});
            prop_assert_eq!(leniently(value.to_string().as_bytes()), vec![value]);
        }
    }
}
