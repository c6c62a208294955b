//! What a project is like: linters, figures, history, imports, duplicates, ranked by what would help most.
