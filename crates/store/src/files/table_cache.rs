//! The tables that this process has in sight: what it read of a workspace's leases, kept from one acquisition to the next.
//!
//! (A) A table holds every lease that lives and was granted up to its newest token. It may hold ended ones too, so a lease in
//! the way is looked for in the store before a request is refused. (B) A table is used by one acquisition at a time. (C) The
//! tables of all workspaces have a bound; the least used are forgotten, and read whole when they are needed again.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shim_proto::coordination::v1::FileLease;
use tokio::sync::Mutex as AsyncMutex;

use super::rows::Table;
use crate::domain::lease_table::LeaseTable;

/// Bytes of leases that are kept in sight, encoded. In memory they take about four times as much.
const MAX_BYTES: usize = 8 << 20;
/// Workspaces whose leases are kept in sight.
const MAX_TABLES: usize = 2_048;
/// A table with more ended leases than this, and more than living ones, is read again.
const MAX_ENDED: usize = 64;

/// What this process knows of the leases of a workspace.
#[derive(Debug)]
pub(super) struct KnownTable {
    /// The token of the newest lease that is known; `None` if nothing is.
    pub(super) newest: Option<String>,
    /// The latest time of Redis's clock at which an end was seen.
    pub(super) read_ms: i64,
    pub(super) leases: LeaseTable,
    counted_bytes: usize,
    all_bytes: Arc<AtomicUsize>,
}

impl KnownTable {
    fn new(all_bytes: Arc<AtomicUsize>) -> Self {
        Self {
            newest: None,
            read_ms: 0,
            leases: LeaseTable::default(),
            counted_bytes: 0,
            all_bytes,
        }
    }

    /// Takes in what was read: the whole table, or what was granted since the newest known lease and what became of the
    /// `checked` ones.
    pub(super) fn update(&mut self, read: Table, checked: &[String]) {
        if read.is_whole {
            self.leases = LeaseTable::default();
        }
        let living: HashSet<_> = read.leases.iter().map(|lease| &lease.lease_id).collect();
        for ended in checked.iter().filter(|lease_id| !living.contains(lease_id)) {
            self.leases.remove(ended);
        }
        read.leases
            .into_iter()
            .for_each(|lease| self.leases.put(lease));
        self.newest = Some(read.newest);
        self.read_ms = self.read_ms.max(read.read_ms);
        self.count();
    }

    /// Takes in a lease that was granted over this table, of which `living` leases were left then.
    pub(super) fn add(&mut self, lease: FileLease, living: usize) {
        self.newest = Some(lease.fencing_token.to_string());
        self.leases.put(lease);
        if self.leases.len() > 2 * living + MAX_ENDED {
            self.forget();
        }
        self.count();
    }

    /// Takes off leases that were given back.
    fn remove(&mut self, lease_ids: &[String]) {
        lease_ids.iter().for_each(|id| self.leases.remove(id));
        self.count();
    }

    /// The next acquisition reads the whole table.
    pub(super) fn forget(&mut self) {
        (self.newest, self.leases) = (None, LeaseTable::default());
        self.count();
    }

    fn count(&mut self) {
        let bytes = self.leases.encoded_len();
        self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.all_bytes
            .fetch_sub(self.counted_bytes, Ordering::Relaxed);
        self.counted_bytes = bytes;
    }
}

impl Drop for KnownTable {
    fn drop(&mut self) {
        self.all_bytes
            .fetch_sub(self.counted_bytes, Ordering::Relaxed);
    }
}

/// A table that acquisitions of its workspace wait for.
pub(super) type SharedTable = Arc<AsyncMutex<KnownTable>>;

/// The tables of this process.
#[derive(Debug, Default)]
pub(super) struct TableCache {
    tables: Mutex<HashMap<String, Entry>>,
    /// How often a table was used.
    uses: AtomicU64,
    all_bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Entry {
    table: SharedTable,
    /// The number of its last use.
    used: u64,
}

impl TableCache {
    /// A table of which nothing is known, beside the others.
    pub(super) fn unknown(&self) -> KnownTable {
        KnownTable::new(Arc::clone(&self.all_bytes))
    }

    /// The table of a workspace, perhaps without anything known.
    pub(super) fn table(&self, workspace: &str) -> SharedTable {
        let mut tables = self.lock();
        let used = self.uses.fetch_add(1, Ordering::Relaxed);
        let new = || Entry {
            table: Arc::new(AsyncMutex::new(self.unknown())),
            used,
        };
        let entry = tables.entry(workspace.to_owned()).or_insert_with(new);
        entry.used = used;
        let table = Arc::clone(&entry.table);
        self.shrink(&mut tables);
        table
    }

    /// Leases of a workspace were given back. A table in use keeps them until they are looked for.
    pub(super) fn remove(&self, workspace: &str, lease_ids: &[String]) {
        let table = self.lock().get(workspace).map(|entry| entry.table.clone());
        if let Some(table) = table
            && let Ok(mut table) = table.try_lock()
        {
            table.remove(lease_ids);
        }
    }

    /// Unknown leases of a workspace were given back.
    pub(super) fn forget(&self, workspace: &str) {
        self.lock().remove(workspace);
    }

    /// Forgets the least used tables while there are too many, but not the last one.
    fn shrink(&self, tables: &mut HashMap<String, Entry>) {
        let is_too_much =
            |count| count > MAX_TABLES || self.all_bytes.load(Ordering::Relaxed) > MAX_BYTES;
        while tables.len() > 1 && is_too_much(tables.len()) {
            let least = tables.iter().min_by_key(|(_, entry)| entry.used);
            let Some(workspace) = least.map(|(workspace, _)| workspace.clone()) else {
                return;
            };
            tables.remove(&workspace);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
