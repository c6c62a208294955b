//! Analyses over real tools.
