//! The transforms, as the rules of the tool host state them.

use std::sync::OnceLock;

use serde::Deserialize;
use shim_proto::evolution::v1::{Risk, Transform};

/// The file that the rules of the tool host read as well.
const CATALOG: &str = include_str!("../../../tools/transforms/catalog.json");
/// The engine of all rules of the catalog: text edits over the tree of typescript-eslint.
const ENGINE: &str = "typescript";
/// The name of an evolution by a user's own transform.
pub(crate) const CUSTOM: &str = "custom";

/// A transform of the catalog.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CatalogEntry {
    /// Its name.
    pub(crate) name: String,
    /// What it does, one line.
    pub(crate) description: String,
    risk: String,
    /// Why it is worth doing, and when it is done.
    pub(crate) why: String,
}

impl CatalogEntry {
    /// How dangerous it is by itself.
    pub(crate) fn risk(&self) -> Risk {
        match self.risk.as_str() {
            "low" => Risk::Low,
            "medium" => Risk::Medium,
            _ => Risk::High,
        }
    }

    /// The transform on the wire.
    pub(crate) fn to_message(&self) -> Transform {
        Transform {
            name: self.name.clone(),
            description: self.description.clone(),
            engine: ENGINE.to_owned(),
            risk: self.risk().into(),
        }
    }
}

/// All transforms, by name.
pub(crate) fn catalog() -> &'static [CatalogEntry] {
    static ENTRIES: OnceLock<Vec<CatalogEntry>> = OnceLock::new();
    ENTRIES.get_or_init(|| serde_json::from_str(CATALOG).unwrap_or_default())
}

/// The transform of a name.
pub(crate) fn entry(name: &str) -> Option<&'static CatalogEntry> {
    catalog().iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_is_read_in_the_order_of_names() {
        let names: Vec<&str> = catalog().iter().map(|entry| entry.name.as_str()).collect();
        assert!(names.len() >= 15, "{names:?}");
        assert!(names.is_sorted(), "{names:?}");
        for entry in catalog() {
            assert!(entry.description.ends_with('.') && entry.why.ends_with('.'));
            assert!(entry.risk() != Risk::High, "{}", entry.name);
        }
        assert!(entry("var-to-let-const").is_some() && entry(CUSTOM).is_none());
    }
}
