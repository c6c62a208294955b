//! The JSON that Claude Code gives a hook, as an observed event.
