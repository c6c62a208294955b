//! What is missing of sessions, in words: numbers without a checkpoint, and databases that were set aside.

use std::path::{Path, PathBuf};

use shim_proto::checkpoint::v1::MissingCheckpoints;
use shim_render::figures::bytes;
use shim_render::text::short_id;

use crate::config::Config;

/// Numbers as people write them: "#3, #5 to #9".
pub(super) fn ranges(numbers: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let said = runs.iter().map(|(first, last)| match last - first {
        0 => format!("#{first}"),
        1 => format!("#{first}, #{last}"),
        _ => format!("#{first} to #{last}"),
    });
    said.collect::<Vec<_>>().join(", ")
}

/// One line for a session that misses checkpoints.
pub(crate) fn missing_line(missing: &MissingCheckpoints) -> String {
    let named = missing.first_numbers.len() as u64;
    let rest = match missing.count.saturating_sub(named) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let verb = if missing.count == 1 { "is" } else { "are" };
    format!(
        "{}  {} of its checkpoints {verb} missing: {}{rest}",
        short_id(&missing.session_id),
        missing.count,
        ranges(&missing.first_numbers)
    )
}

/// The databases that were set aside beside the local one; none if the sessions are kept elsewhere.
pub(crate) fn set_aside(config: &Config) -> Vec<PathBuf> {
    match &config.runtime.endpoints.checkpoint {
        Some(_) => Vec::new(),
        None => shim_checkpoint::set_aside(config.data_dir()),
    }
}

/// One line for a database that was set aside.
pub(crate) fn set_aside_line(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let why = if name.contains(".before-restore-") {
        "from before a backup was restored"
    } else {
        "it was damaged; what could not be read is missing"
    };
    let size = std::fs::metadata(file).map_or(0, |meta| meta.len());
    format!("set aside: {} ({}, {why})", file.display(), bytes(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_in_runs() {
        assert_eq!(ranges(&[]), "");
        assert_eq!(ranges(&[3]), "#3");
        assert_eq!(ranges(&[1, 2, 4, 6, 7, 8]), "#1, #2, #4, #6 to #8");
    }

    #[test]
    fn a_session_is_named_with_what_it_misses() {
        let missing = MissingCheckpoints {
            session_id: "0199a000-0000-7000-8000-00009a0b1c2d".into(),
            count: 25,
            first_numbers: (1..=20).collect(),
        };
        assert_eq!(
            missing_line(&missing),
            "9a0b1c2d  25 of its checkpoints are missing: #1 to #20 and 5 more"
        );
    }
}
