//! The rules of this service's messages, on top of the shared rules of single fields.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use shim_proto::limits::MAX_PATH_BYTES;
use shim_proto::limits::evolution::{
    MAX_ID_BYTES, MAX_INCLUDE, MAX_REASON_BYTES, MAX_TRANSFORM_BYTES, MAX_TRANSFORMS, MIN_ID_BYTES,
};
use shim_runtime::fields::Fields as Shared;
use tonic::Status;

/// The shared rules and those of this service's messages.
#[derive(Debug, Default)]
pub(super) struct Fields(Shared);

impl Deref for Fields {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl DerefMut for Fields {
    fn deref_mut(&mut self) -> &mut Shared {
        &mut self.0
    }
}

impl Fields {
    /// # Errors
    /// INVALID_ARGUMENT naming every wrong field.
    pub(super) fn finish(self) -> Result<(), Status> {
        self.0.finish()
    }

    /// A required absolute path.
    pub(super) fn path(&mut self, field: &str, path: &str) -> PathBuf {
        self.required_line(field, path, MAX_PATH_BYTES);
        self.absolute(field, path);
        PathBuf::from(path)
    }

    /// An absolute path, or nothing.
    pub(super) fn optional_path(&mut self, field: &str, path: &str) -> Option<PathBuf> {
        if path.is_empty() {
            return None;
        }
        Some(self.path(field, path))
    }

    fn absolute(&mut self, field: &str, path: &str) {
        if !path.trim().is_empty() && !Path::new(path).is_absolute() {
            self.refuse(field, "must be an absolute path; it begins without /");
        }
    }

    /// Files and folders below the path of the request.
    pub(super) fn include(&mut self, include: &[String]) {
        if !self.list("include", include.len(), MAX_INCLUDE) {
            return;
        }
        for (i, path) in include.iter().enumerate() {
            self.path_below(&format!("include[{i}]"), path, MAX_PATH_BYTES);
        }
    }

    /// Names of transforms.
    pub(super) fn transforms(&mut self, transforms: &[String]) {
        if self.list("transforms", transforms.len(), MAX_TRANSFORMS) {
            for (i, transform) in transforms.iter().enumerate() {
                self.name(format!("transforms[{i}]"), transform, MAX_TRANSFORM_BYTES);
            }
        }
    }

    /// A number of 1..=`max`; 0 means `default`.
    pub(super) fn count(&mut self, field: &str, count: u32, default: u32, max: u32) -> u32 {
        if count > max {
            self.refuse(
                field,
                format!("must be 1..{max}, or 0 for {default}; it is {count}"),
            );
        }
        if count == 0 { default } else { count }
    }

    /// An evolution's id, or its beginning or end.
    pub(super) fn evolution_id(&mut self, id: &str) {
        self.part_of_id("evolution_id", id, MIN_ID_BYTES..=MAX_ID_BYTES);
    }

    /// Why something is rejected or taken back.
    pub(super) fn reason(&mut self, reason: &str) {
        self.text("reason", reason, MAX_REASON_BYTES);
    }
}
