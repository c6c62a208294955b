//! Tables of a damaged database, read leaf by leaf: without the pages that lead to the leaves, and without the schema.
//!
//! A leaf of a table holds whole rows, so each of them can be read as if it were all of its table. Which pages are in use is
//! told by the map that `auto_vacuum` keeps: what was deleted does not come back. See
//! <https://sqlite.org/fileformat2.html>, sections 1.6 "B-tree Pages" and 1.8 "Pointer Map or Ptrmap Pages".

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row};

use crate::files::{self, database_files};

/// The first bytes of a database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
const PAGE_SIZE_AT: usize = 16;
const PAGE_COUNT_AT: usize = 28;
const AUTO_VACUUM_AT: usize = 52;
/// SQLite's own choice, and ours.
const USUAL_PAGE_SIZE: usize = 4096;
/// Locks live here; the page around this byte is never used.
const PENDING_BYTE: u64 = 0x4000_0000;
/// Bytes of the map for one page: what it is, and its parent.
const MAP_ENTRY_BYTES: usize = 5;
/// In the map: the root of a tree, and any other page of one.
const ROOT_OR_BRANCH: [u8; 2] = [1, 5];
/// The first byte of a page that holds rows of a table.
const TABLE_LEAF: u8 = 0x0D;

/// A copy of a damaged database; removed when it is dropped.
pub struct Leaves {
    copy: PathBuf,
    page_size: usize,
    leaves: Vec<u32>,
}

impl Leaves {
    /// Copies the database `damaged` with its log, beside it.
    ///
    /// # Errors
    /// If the copy cannot be made; it needs as much room as the database.
    pub fn of(damaged: &Path) -> io::Result<Self> {
        let mut leaves = Self {
            copy: files::unused_name(damaged, "leaves"),
            page_size: USUAL_PAGE_SIZE,
            leaves: Vec::new(),
        };
        for (from, to) in database_files(damaged)
            .iter()
            .zip(database_files(&leaves.copy))
            .take(2)
        {
            if from.exists() {
                files::create_private(&to)?;
                std::fs::copy(from, &to)?;
            }
        }
        leaves.fold_log();
        let file = File::open(&leaves.copy)?;
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0)?;
        leaves.page_size = page_size(&header);
        if keeps_map(&header) {
            leaves.leaves = find(&file, leaves.page_size)?;
        }
        Ok(leaves)
    }

    /// How many pages hold rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.leaves.len()
    }

    /// Visits the rows of every leaf as rows of a table, which `schema` has. Rows of other tables are visited as well, with
    /// whatever their columns hold: only a row that proves itself is one of this table's.
    ///
    /// # Errors
    /// What `each` answers, or if the copy cannot be used.
    pub fn for_each_row<E: From<rusqlite::Error>>(
        &self,
        schema: &Connection,
        columns: &str,
        table: &str,
        mut each: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let one_table = self.first_page::<E>(schema, table)?;
        self.replace_first_page(&one_table).map_err(unusable)?;
        let db = Connection::open(&self.copy)?;
        db.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON;",
        )?;
        let select = format!("SELECT {columns} FROM {table} NOT INDEXED");
        for leaf in &self.leaves {
            db.execute_batch("PRAGMA writable_schema = ON")?;
            let moved = "UPDATE sqlite_schema SET rootpage = ?1 WHERE name = ?2";
            db.prepare_cached(moved)?.execute((leaf, table))?;
            // The schema is read anew.
            db.execute_batch("PRAGMA writable_schema = RESET")?;
            let Ok(mut statement) = db.prepare(&select) else {
                continue;
            };
            let Ok(mut rows) = statement.query([]) else {
                continue;
            };
            // A leaf that is damaged itself ends here.
            while let Ok(Some(row)) = rows.next() {
                each(row)?;
            }
        }
        Ok(())
    }

    /// Takes the log into the copy, as far as SQLite finds it whole.
    fn fold_log(&self) {
        let folded = Connection::open(&self.copy)
            .and_then(|db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        if let Err(error) = folded {
            tracing::debug!(%error, "the log of the damaged database is not looked through page by page");
        }
        for log in &database_files(&self.copy)[1..] {
            let _ = std::fs::remove_file(log);
        }
    }

    /// The first page of a database that has this table alone.
    fn first_page<E: From<rusqlite::Error>>(
        &self,
        schema: &Connection,
        table: &str,
    ) -> Result<Vec<u8>, E> {
        let sql = "SELECT sql FROM sqlite_schema WHERE name = ?1";
        let definition: String = schema.query_row(sql, [table], |row| row.get(0))?;
        let other = files::unused_name(&self.copy, "table");
        files::create_private(&other).map_err(unusable)?;
        let made = Connection::open(&other).and_then(|db| {
            db.execute_batch(&format!(
                "PRAGMA page_size = {}; {definition}",
                self.page_size
            ))
        });
        let image = std::fs::read(&other);
        let _ = std::fs::remove_file(&other);
        made?;
        let mut image = image.map_err(unusable)?;
        image.truncate(self.page_size);
        Ok(image)
    }

    fn replace_first_page(&self, page: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.copy)?;
        let pages = file.metadata()?.len() / self.page_size as u64;
        let mut page = page.to_vec();
        let count = u32::try_from(pages).unwrap_or(u32::MAX).to_be_bytes();
        page[PAGE_COUNT_AT..PAGE_COUNT_AT + count.len()].copy_from_slice(&count);
        // A page cut short at the end is no page.
        file.set_len(pages * self.page_size as u64)?;
        file.write_all_at(&page, 0)
    }
}

impl Drop for Leaves {
    fn drop(&mut self) {
        for file in database_files(&self.copy) {
            let _ = std::fs::remove_file(file);
        }
    }
}

fn unusable(error: io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// What the header says, or the usual size where it cannot be so.
fn page_size(header: &[u8]) -> usize {
    let stored = usize::from(u16::from_be_bytes([
        header[PAGE_SIZE_AT],
        header[PAGE_SIZE_AT + 1],
    ]));
    // 1 stands for what two bytes cannot hold.
    let size = if stored == 1 { 1 << 16 } else { stored };
    if size.is_power_of_two() && size >= 512 {
        size
    } else {
        USUAL_PAGE_SIZE
    }
}

/// Whether the database has a map of its pages. One with a broken header is taken for one of ours, which have it.
fn keeps_map(header: &[u8]) -> bool {
    let is_set = header[AUTO_VACUUM_AT..AUTO_VACUUM_AT + 4]
        .iter()
        .any(|byte| *byte != 0);
    is_set || !header.starts_with(MAGIC)
}

/// The pages in use that hold rows.
fn find(file: &File, page_size: usize) -> io::Result<Vec<u32>> {
    let size = page_size as u64;
    let pages = file.metadata()?.len() / size;
    let entries = (page_size / MAP_ENTRY_BYTES) as u64;
    let pending = PENDING_BYTE / size + 1;
    let mut leaves = Vec::new();
    let mut map = vec![0; page_size];
    let mut begin = 2;
    while begin <= pages {
        let at = if begin == pending { begin + 1 } else { begin };
        file.read_exact_at(&mut map, (at - 1) * size)
            .or_else(ends_short)?;
        for (entry, page) in map.chunks_exact(MAP_ENTRY_BYTES).zip(at + 1..=pages) {
            let mut first = [0];
            if ROOT_OR_BRANCH.contains(&entry[0]) {
                file.read_exact_at(&mut first, (page - 1) * size)?;
            }
            if let (TABLE_LEAF, Ok(page)) = (first[0], u32::try_from(page)) {
                leaves.push(page);
            }
        }
        begin += entries + 1;
    }
    Ok(leaves)
}

/// A map that is cut off names nothing more.
fn ends_short(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Ok(());
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ROWS: i64 = 2_000;

    /// A database of ours with rows that take a page or several each.
    fn database(folder: &Path) -> (PathBuf, Connection) {
        let path = folder.join("a.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; CREATE TABLE other (x); CREATE TABLE a (row_id INTEGER PRIMARY KEY, text TEXT UNIQUE)").unwrap();
        let mut insert = db.prepare("INSERT INTO a (text) VALUES (?1)").unwrap();
        db.execute_batch("BEGIN").unwrap();
        for row in 1..=ROWS {
            insert.execute([text(row)]).unwrap();
        }
        db.execute_batch("COMMIT; INSERT INTO other VALUES (7)")
            .unwrap();
        drop(insert);
        (path, db)
    }

    fn text(row: i64) -> String {
        row.to_string()
            .repeat(if row % 50 == 0 { 5_000 } else { 40 })
    }

    fn rows(path: &Path, schema: &Connection) -> Vec<i64> {
        let mut found = Vec::new();
        let leaves = Leaves::of(path).unwrap();
        let each = |row: &Row<'_>| -> Result<(), rusqlite::Error> {
            let row_id: i64 = row.get(0)?;
            if row
                .get::<_, String>(1)
                .is_ok_and(|found| found == text(row_id))
            {
                found.push(row_id);
            }
            Ok(())
        };
        leaves
            .for_each_row(schema, "row_id, text", "a", each)
            .unwrap();
        found
    }

    fn root(db: &Connection) -> i64 {
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'a'";
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn all_rows_are_found_without_the_root_and_without_the_first_page() {
        let folder = tempfile::tempdir().unwrap();
        let (path, db) = database(folder.path());
        let schema = Connection::open_in_memory().unwrap();
        schema
            .execute_batch("CREATE TABLE a (row_id INTEGER PRIMARY KEY, text TEXT UNIQUE)")
            .unwrap();
        let all: Vec<i64> = (1..=ROWS).collect();
        assert_eq!(rows(&path, &schema), all, "the log is read");
        let page = u64::try_from(root(&db)).unwrap();
        db.close().unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for broken in [page, 1] {
            file.write_all_at(&[0xA5; 4096], (broken - 1) * 4096)
                .unwrap();
            assert_eq!(rows(&path, &schema), all, "without page {broken}");
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "the copy is gone"
        );
    }

    #[test]
    fn rows_that_were_deleted_do_not_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, db) = database(folder.path());
        db.execute("DELETE FROM a WHERE row_id > 100", []).unwrap();
        assert_eq!(rows(&path, &db), (1..=100).collect::<Vec<_>>());
    }
}
