//! The words of a shell command line, as far as scripts of packages need it.

/// A word of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// As it stands, with quotes: a shell reads it.
    pub(crate) raw: String,
    /// What a shell makes of it, without expansion.
    pub(crate) text: String,
}

/// A word without quotes.
pub(crate) fn plain(text: &str) -> Word {
    Word {
        raw: text.to_owned(),
        text: text.to_owned(),
    }
}

/// A script's commands: what stands between `&&`, `||`, `;`, `|` and `&`, each as its words.
pub(super) fn commands(script: &str) -> Vec<Vec<Word>> {
    let mut commands = vec![Vec::new()];
    let mut word = Word {
        raw: String::new(),
        text: String::new(),
    };
    let mut quote = None;
    let mut chars = script.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '&' | '|' | ';') => {
                end_word(&mut commands, &mut word);
                commands.push(Vec::new());
            }
            (None, c) if c.is_whitespace() => end_word(&mut commands, &mut word),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.raw.push(c);
            }
            (Some(open), c) if open == c => {
                quote = None;
                word.raw.push(c);
            }
            (None | Some('"'), '\\') => {
                word.raw.push(c);
                if let Some(next) = chars.next() {
                    word.raw.push(next);
                    word.text.push(next);
                }
            }
            (_, c) => {
                word.raw.push(c);
                word.text.push(c);
            }
        }
    }
    end_word(&mut commands, &mut word);
    commands.retain(|words| !words.is_empty());
    commands
}

fn end_word(commands: &mut [Vec<Word>], word: &mut Word) {
    if word.raw.is_empty() {
        return;
    }
    let ended = std::mem::replace(word, plain(""));
    if let Some(words) = commands.last_mut() {
        words.push(ended);
    }
}
