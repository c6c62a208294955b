//! Claude Code's transcripts, one JSON document a line, as observed events.
