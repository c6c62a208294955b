//! The leases of a workspace, found by the names that their patterns begin with.
//!
//! A requested lease is compared with those alone that may overlap it, so a decision costs what overlaps, not what there is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use prost::Message;
use shim_proto::coordination::v1::{FileLease, FileLeaseMode};
use shim_runtime::files::{Budget, Pattern, beginnings};

use super::leases::{Conflict, LeaseSpec, MAX_LEASES, MAX_TABLE_BYTES};

/// A lease with its patterns as they were read, once.
#[derive(Debug)]
pub(crate) struct TableLease {
    lease: FileLease,
    /// `None` for a pattern that this version cannot read: it counts as covering everything.
    patterns: Arc<[Option<Pattern>]>,
    bytes: usize,
}

/// The leases of a workspace.
#[derive(Debug, Default)]
pub(crate) struct LeaseTable {
    leases: HashMap<String, Arc<TableLease>>,
    by_prefix: BTreeMap<String, BTreeSet<String>>,
    bytes: usize,
}

impl TableLease {
    fn new(lease: FileLease) -> Self {
        let texts = lease.patterns.iter();
        Self {
            patterns: texts.map(|text| Pattern::parse_stored(text).ok()).collect(),
            bytes: lease.encoded_len(),
            lease,
        }
    }

    fn prefixes(&self) -> BTreeSet<String> {
        let of = |pattern: &Option<Pattern>| {
            let everything = || vec![String::new()];
            pattern.as_ref().map_or_else(everything, Pattern::prefixes)
        };
        self.patterns.iter().flat_map(of).collect()
    }

    /// Bytes of the lease, encoded.
    pub(crate) fn encoded_len(&self) -> usize {
        self.bytes
    }

    /// The first pair of patterns that overlap, if this lease is in the way of a requested one.
    fn conflict(&self, spec: &LeaseSpec, budget: &mut Budget) -> Option<Conflict> {
        let shared = FileLeaseMode::Shared;
        let is_beside = spec.mode == shared && self.lease.mode() == shared;
        if self.lease.holder == spec.holder || is_beside {
            return None;
        }
        let pairs = self.patterns.iter().zip(&self.lease.patterns);
        for (held, text) in pairs {
            let wanted = spec.patterns.iter().find(|wanted| match held {
                Some(held) => held.overlaps(wanted, budget),
                None => true,
            });
            if let Some(wanted) = wanted {
                return Some(Conflict {
                    wanted: wanted.text().to_owned(),
                    pattern: text.clone(),
                    lease: self.lease.clone(),
                });
            }
        }
        None
    }
}

impl LeaseTable {
    /// Adds a lease, in the place of an earlier state of it.
    pub(crate) fn put(&mut self, lease: FileLease) {
        if self.renew(&lease) {
            return;
        }
        self.remove(&lease.lease_id);
        let id = lease.lease_id.clone();
        let lease = TableLease::new(lease);
        self.bytes += lease.bytes;
        for prefix in lease.prefixes() {
            self.by_prefix.entry(prefix).or_default().insert(id.clone());
        }
        self.leases.insert(id, Arc::new(lease));
    }

    /// Whether the lease is there with the same patterns, which then are not read again: mostly its end alone differs.
    fn renew(&mut self, lease: &FileLease) -> bool {
        let Some(known) = self.leases.get_mut(&lease.lease_id) else {
            return false;
        };
        if known.lease.patterns != lease.patterns {
            return false;
        }
        let renewed = TableLease {
            lease: lease.clone(),
            patterns: Arc::clone(&known.patterns),
            bytes: lease.encoded_len(),
        };
        self.bytes = self.bytes - known.bytes + renewed.bytes;
        *known = Arc::new(renewed);
        true
    }

    /// Takes a lease off, if it is there.
    pub(crate) fn remove(&mut self, lease_id: &str) {
        let Some(lease) = self.leases.remove(lease_id) else {
            return;
        };
        self.bytes -= lease.bytes;
        for prefix in lease.prefixes() {
            if let Some(ids) = self.by_prefix.get_mut(&prefix) {
                ids.remove(lease_id);
                if ids.is_empty() {
                    self.by_prefix.remove(&prefix);
                }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.leases.len()
    }

    /// Bytes of all leases, encoded.
    pub(crate) fn encoded_len(&self) -> usize {
        self.bytes
    }

    /// Whether one more lease of so many bytes is too much.
    pub(crate) fn is_full(&self, draft: &FileLease) -> bool {
        self.len() >= MAX_LEASES || self.bytes + draft.encoded_len() > MAX_TABLE_BYTES
    }

    /// The leases that may be in the way of a requested one, by their ends.
    pub(crate) fn candidates(&self, spec: &LeaseSpec) -> Vec<Arc<TableLease>> {
        let mut ids = BTreeSet::new();
        for prefix in spec.patterns.iter().flat_map(Pattern::prefixes) {
            for beginning in beginnings(&prefix) {
                ids.extend(self.by_prefix.get(beginning).into_iter().flatten());
            }
            let below = self.by_prefix.range(prefix.clone()..);
            for (_, below) in below.take_while(|(other, _)| other.starts_with(&prefix)) {
                ids.extend(below);
            }
        }
        let mut found: Vec<_> = ids
            .into_iter()
            .filter_map(|id| self.leases.get(id).cloned())
            .collect();
        let end = |lease: &TableLease| lease.lease.expires_at.map(|at| (at.seconds, at.nanos));
        found.sort_by_key(|lease| end(lease));
        found
    }
}

/// The candidates that are in the way of a requested lease, each with the first pair of patterns that overlap.
pub(crate) fn conflicts(candidates: &[Arc<TableLease>], spec: &LeaseSpec) -> Vec<Conflict> {
    let mut budget = Budget::per_decision();
    let conflict = |lease: &Arc<TableLease>| lease.conflict(spec, &mut budget);
    candidates.iter().filter_map(conflict).collect()
}

#[cfg(test)]
#[path = "lease_table_test.rs"]
mod tests;
