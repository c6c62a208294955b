//! What the arguments of Claude Code's own tools say: files, a summary, steps of the plan.
