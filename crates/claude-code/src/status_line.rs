//! The JSON that Claude Code gives the program of its status line, as an observed event.
