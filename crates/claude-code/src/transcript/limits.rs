//! How much of a transcript is read.

/// How much of a transcript is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the beginning of a file that is larger than beginning and end together.
    pub head_bytes: u64,
    /// Bytes of the end of such a file.
    pub tail_bytes: u64,
    /// Bytes of a line; longer ones are skipped.
    pub line_bytes: usize,
    /// Events; the oldest but the first prompt make room.
    pub events: usize,
    /// Files of subagents, the ones that changed last.
    pub subagents: usize,
    /// Bytes of each of them: a quarter at the beginning, the rest at the end.
    pub subagent_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 4 << 20,
            tail_bytes: 60 << 20,
            line_bytes: 16 << 20,
            events: 10_000,
            subagents: 50,
            subagent_bytes: 4 << 20,
        }
    }
}

impl Limits {
    /// The same for the file of a subagent.
    pub(super) fn of_subagent(&self) -> Self {
        let head_bytes = self.subagent_bytes / 4;
        Self {
            head_bytes,
            tail_bytes: self.subagent_bytes - head_bytes,
            ..self.clone()
        }
    }
}
