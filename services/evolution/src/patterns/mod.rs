//! What became of evolutions, and what the next ones are worth by it.
