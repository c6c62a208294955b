//! Phases 4 and 5 of SHIM: analyzes code, evolves it, writes tests for it, and remembers what became of it.
//!
//! Parsing, linting, transforming and running belong to tools: ESLint, jscodeshift, the TypeScript compiler, oxlint and the
//! users' own test runners. What is worth doing, whether it may be done and whether it held is decided here.

mod analyzer;
mod domain;
mod evolver;
mod patterns;
mod project;
mod rpc;
mod store;
mod test_generator;
#[allow(dead_code, unused_imports)]
mod test_runs;
mod tool_host;
