//! The settings of the private Redis (`redis.*`): when it writes to the disk, and how much memory it may take.

use shim_runtime::config::Setting;

/// When Redis writes what it acknowledged through to the disk.
///
/// With `everysec` Redis holds acknowledged writes back for up to two seconds while an earlier write is on its way to the
/// disk (`flushAppendOnlyFile` of Redis). A crash of Redis then loses them, not only a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppendFsync {
    /// Before it answers.
    Always,
    /// Every second.
    EverySec,
}

impl AppendFsync {
    /// As Redis spells it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySec => "everysec",
        }
    }
}

impl Setting for AppendFsync {
    fn parse(text: &str) -> Result<Self, String> {
        [Self::Always, Self::EverySec]
            .into_iter()
            .find(|choice| choice.word() == text)
            .ok_or_else(|| "always or everysec".to_owned())
    }
}

/// How much memory the private Redis may take for what it holds (`redis.maxmemory`), in bytes; 0 sets no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MaxMemory(u64);

impl MaxMemory {
    /// Some two million queued tasks, or half a million finished ones with longer results.
    pub(crate) const DEFAULT: Self = Self(1 << 30);
    /// A Redis without data takes less than 2 MB.
    const LEAST: u64 = 8 << 20;

    /// The bound in bytes; 0 for none.
    pub(super) fn bytes(self) -> u64 {
        self.0
    }
}

impl Setting for MaxMemory {
    /// A number of bytes, or of `kb`, `mb` or `gb`, as Redis itself reads it.
    fn parse(text: &str) -> Result<Self, String> {
        let expected = || "0, or 8mb and more, such as 512mb or 2gb".to_owned();
        let lower = text.trim().to_ascii_lowercase();
        let units = [("kb", 1_u64 << 10), ("mb", 1 << 20), ("gb", 1 << 30)];
        let unit = units.iter().find(|(unit, _)| lower.ends_with(unit));
        let (digits, factor) = match unit {
            Some((unit, factor)) => (lower[..lower.len() - unit.len()].trim_end(), *factor),
            None => (lower.as_str(), 1),
        };
        let number = digits.parse::<u64>().map_err(|_| expected())?;
        let bytes = number.checked_mul(factor).ok_or_else(expected)?;
        match bytes {
            1..Self::LEAST => Err(expected()),
            bytes => Ok(Self(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_of_memory_is_read_as_redis_reads_it() {
        let bytes = |text| MaxMemory::parse(text).map(|bound| bound.0);
        for (text, expected) in [
            ("0", 0),
            ("16777216", 16 << 20),
            ("512mb", 512 << 20),
            ("2GB", 2 << 30),
            ("9000 kb", 9_000 << 10),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "1mb",
            "-1",
            "1.5gb",
            "8 MiB",
            "lots",
            "99999999999gb",
            "mb",
        ] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
