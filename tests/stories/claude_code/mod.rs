//! The real Claude Code with SHIM: what it does is what it does at its users' machines, only what the model says is a script.

mod agent_stack;
mod agents;
mod client;
mod conversations;
mod interrupted_agents;
mod killed;
mod observed_stack;
mod plugin;
mod teamwork;
