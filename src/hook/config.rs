//! The keys `hook.*` and `leases.auto`: what hooks may do beside telling what happened.

use std::str::FromStr;

use shim_runtime::config::{Setting, Settings};

/// What a hook does about a write to a file that another session leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseRule {
    /// Nothing.
    Off,
    /// It tells the model, and the tool runs.
    Warn,
    /// The tool does not run.
    Deny,
}

impl FromStr for LeaseRule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "off" => Ok(Self::Off),
            "warn" => Ok(Self::Warn),
            "deny" => Ok(Self::Deny),
            _ => Err(()),
        }
    }
}

impl Setting for LeaseRule {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|()| "off, warn or deny".to_owned())
    }
}

/// What hooks may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HookConfig {
    /// Whether the start of a session and a prompt start a stack that does not run (`hook.start_stack`).
    pub(crate) start_stack: bool,
    /// What happens to a write to a file that another session leases (`hook.leases`).
    pub(crate) leases: LeaseRule,
    /// Whether a session's first edit of a file leases it (`leases.auto`).
    pub(crate) auto_lease: bool,
    /// Whether a window that registered as a worker goes on by itself while tasks or messages wait
    /// (`hook.keep_workers_going`).
    pub(crate) keep_workers_going: bool,
}

impl HookConfig {
    /// Reads the keys.
    pub(crate) fn read(settings: &mut Settings) -> Self {
        Self {
            start_stack: settings.get_or("hook.start_stack", true),
            leases: settings.get_or("hook.leases", LeaseRule::Deny),
            auto_lease: settings.get_or("leases.auto", false),
            keep_workers_going: settings.get_or("hook.keep_workers_going", true),
        }
    }
}
