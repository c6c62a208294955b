//! The kernel's count of processes killed for lack of memory.

/// Processes the kernel killed for lack of memory since the machine started (`oom_kill` in proc(5) vmstat);
/// 0 where the platform does not count them.
pub(super) fn oom_kills() -> u64 {
    std::fs::read_to_string("/proc/vmstat")
        .ok()
        .and_then(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
        })
        .unwrap_or(0)
}
