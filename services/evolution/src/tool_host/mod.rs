//! The Node process that runs the tools: installed, started, called, stopped.
