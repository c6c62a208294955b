//! Tests for exported functions: made, run, and kept if they hold.
