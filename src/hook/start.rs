//! Starting a stack that does not run: detached, not waited for, and with nothing of the hook's inherited, since the
//! client waits until the hook's output is closed.

use super::hook_folder::HookFolder;
use super::journal::Line;
use crate::config::Config;

/// Starts the stack unless it runs, is configured elsewhere, or hooks are not to start it.
pub(super) fn if_away(config: &Config, place: &HookFolder) {
    if !config.hook.start_stack || config.runtime.endpoints.checkpoint.is_some() {
        return;
    }
    let program = shim_runtime::process::own_program();
    let started = program.map_err(|why| why.to_string()).and_then(|program| {
        config
            .stack()
            .start_unwaited(&program)
            .map_err(|why| why.to_string())
    });
    if let Err(why) = started {
        place.journal.note(&Line::error(
            "",
            &format!("the stack does not start: {why}"),
        ));
    }
}
