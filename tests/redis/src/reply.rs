//! The part of the Redis protocol that tests need: one command is sent, one reply is read (RESP2,
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>).

use std::io::{self, BufRead, BufReader, Read, Write};

/// A reply that is not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// No value.
    Nil,
    /// A number.
    Integer(i64),
    /// A status or a string; bytes that are not UTF-8 are replaced.
    Text(String),
    /// A list of replies.
    List(Vec<Reply>),
}

impl Reply {
    /// The text of a text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an integer.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The items of a list; none of any other reply.
    #[must_use]
    pub fn items(&self) -> &[Reply] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The value after `name` in a flat list of names and values.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let (pairs, _) = self.items().as_chunks::<2>();
        let [_, value] = pairs.iter().find(|[key, _]| key.text() == Some(name))?;
        value.text()
    }
}

/// Sends one command and reads its reply. The inner error is Redis's refusal.
pub(crate) fn command<S: Read + Write>(
    stream: S,
    words: &[&str],
) -> io::Result<Result<Reply, String>> {
    let mut stream = BufReader::new(stream);
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.get_mut().write_all(command.as_bytes())?;
    read(&mut stream)
}

fn read(stream: &mut impl BufRead) -> io::Result<Result<Reply, String>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).ok_or_else(|| garbled(line))?;
    let number = || rest.parse::<i64>().map_err(|_| garbled(line));
    Ok(Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => return Ok(Err(rest.to_owned())),
        ":" => Reply::Integer(number()?),
        "$" => match usize::try_from(number()?) {
            Ok(length) => read_text(stream, length)?,
            Err(_) => Reply::Nil,
        },
        "*" => match usize::try_from(number()?) {
            Ok(length) => return read_list(stream, length),
            Err(_) => Reply::Nil,
        },
        _ => return Err(garbled(line)),
    }))
}

fn read_text(stream: &mut impl BufRead, length: usize) -> io::Result<Reply> {
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes)?;
    bytes.truncate(length);
    Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
}

fn read_list(stream: &mut impl BufRead, length: usize) -> io::Result<Result<Reply, String>> {
    let mut items = Vec::new();
    for _ in 0..length {
        match read(stream)? {
            Ok(item) => items.push(item),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Ok(Reply::List(items)))
}

fn garbled(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no reply: {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Reply, String> {
        read(&mut text.as_bytes()).expect("the text is a reply")
    }

    #[test]
    fn every_kind_of_reply_is_read() {
        let text = |text: &str| Reply::Text(text.to_owned());
        assert_eq!(parse("+OK\r\n"), Ok(text("OK")));
        assert_eq!(parse(":-7\r\n"), Ok(Reply::Integer(-7)));
        assert_eq!(parse("$-1\r\n"), Ok(Reply::Nil));
        assert_eq!(parse("*-1\r\n"), Ok(Reply::Nil));
        assert_eq!(parse("$4\r\na\r\nb\r\n"), Ok(text("a\r\nb")));
        assert_eq!(parse("-OOM no room\r\n"), Err("OOM no room".to_owned()));
        let list = parse("*2\r\n$2\r\nip\r\n*1\r\n:1\r\n");
        let inner = Reply::List(vec![Reply::Integer(1)]);
        assert_eq!(list, Ok(Reply::List(vec![text("ip"), inner])));
    }

    #[test]
    fn fields_of_flat_lists_are_found_by_name() {
        let list = parse("*4\r\n$2\r\nip\r\n$1\r\n4\r\n$4\r\nport\r\n$2\r\n80\r\n");
        assert_eq!(list.expect("a list").field("port"), Some("80"));
    }
}
