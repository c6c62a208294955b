//! Whether others have a hand in a data folder.

/// Who else may have a hand in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// Nobody.
    #[default]
    Private,
    /// Whoever else there is, is trusted (`data_dir_shared`): a volume of a container belongs to whoever mounted it.
    Shared,
}

impl From<bool> for Sharing {
    fn from(is_shared: bool) -> Self {
        if is_shared {
            Self::Shared
        } else {
            Self::Private
        }
    }
}
