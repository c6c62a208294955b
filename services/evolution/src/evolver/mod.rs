//! Changes of code: previewed, applied in a worktree of their own, verified, committed or discarded.
