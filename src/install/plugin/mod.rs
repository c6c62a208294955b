//! The plugin of Claude Code: a folder in the client's folder of skills, which it loads by itself in every session. Beside it SHIM
//! changes the status line in the settings, and takes out the entry that an earlier installation left in the list of servers.

mod call;
mod files;
mod location;
mod record;
mod run;
mod state;
mod status_line;

pub(crate) use call::Call;
pub(crate) use files::{PLUGIN_ID, PLUGIN_SERVER};
pub(crate) use location::Location;
pub(crate) use run::install;
pub(crate) use state::Installed;
