//! What fuzz targets reach of this crate.

use crate::domain::schedule::Schedule;

/// Reads a schedule as it is given and as it is kept, and finds its next runs.
pub fn schedule(text: &str) {
    const NOW: i64 = 1_700_000_000;
    for schedule in [Schedule::parse(text), Schedule::stored(text)] {
        if let Ok(schedule) = schedule {
            schedule.runs_after(NOW, 3);
            schedule.note();
        }
    }
}
