//! The database of evolutions, outcomes, trust and cached answers.
