//! Reading tasks: by id, by job, or page by page.

use serde::{Deserialize, Serialize};

use super::rows::Row;
use super::scripts::{ScriptRunner, script};
use crate::error::Error;
use crate::script::{Effect, Script};

/// Tasks that one call reads.
const READ_AT_ONCE: usize = 200;

/// The texts to read of each task.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TextSelection {
    /// None of them.
    None,
    /// Its error and its note.
    Errors,
    /// Its result too.
    All,
}

/// The place in a list where a page begins, and the tasks it may hold.
#[derive(Debug, Serialize)]
pub(super) struct ListArgs<'a> {
    pub(super) key: String,
    pub(super) newest_first: bool,
    pub(super) from: u64,
    pub(super) max: u32,
    /// The numbers of the states, one after the other; empty for any.
    pub(super) states: String,
    /// Empty for any.
    pub(super) worker: &'a str,
}

#[derive(Serialize)]
struct ReadArgs<'a> {
    texts: TextSelection,
    ids: Option<&'a [&'a str]>,
    job: Option<&'a str>,
    list: Option<&'a ListArgs<'a>>,
}

/// Rows, and where the list goes on.
#[derive(Deserialize)]
pub(super) struct ReadAnswer {
    pub(super) rows: Vec<Row>,
    #[serde(default)]
    pub(super) next: Option<u64>,
}

/// Reads tasks.
pub(super) struct TaskReader {
    runner: ScriptRunner,
    read: Script,
}

impl TaskReader {
    pub(super) fn new(runner: ScriptRunner) -> Self {
        Self {
            runner,
            read: script(Effect::Reads, include_str!("../lua/tasks/read.lua")),
        }
    }

    /// The tasks with these ids, without those that there are not.
    ///
    /// # Errors
    /// As the store fails.
    pub(super) async fn rows(&self, texts: TextSelection, ids: &[&str]) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::with_capacity(ids.len());
        for ids in ids.chunks(READ_AT_ONCE) {
            let read = self.read(ReadArgs {
                texts,
                ids: Some(ids),
                job: None,
                list: None,
            });
            rows.extend(read.await?.rows);
        }
        Ok(rows)
    }

    /// One task; `None` if there is none with this id.
    ///
    /// # Errors
    /// As the store fails.
    pub(super) async fn row(&self, texts: TextSelection, id: &str) -> Result<Option<Row>, Error> {
        Ok(self.rows(texts, &[id]).await?.pop())
    }

    /// A job's root and its subtasks after it; nothing if there is no such job.
    ///
    /// # Errors
    /// As the store fails.
    pub(super) async fn job(&self, texts: TextSelection, root_id: &str) -> Result<Vec<Row>, Error> {
        let read = self.read(ReadArgs {
            texts,
            ids: None,
            job: Some(root_id),
            list: None,
        });
        Ok(read.await?.rows)
    }

    /// A page of a list, without results.
    ///
    /// # Errors
    /// As the store fails.
    pub(super) async fn list(&self, list: &ListArgs<'_>) -> Result<ReadAnswer, Error> {
        let args = ReadArgs {
            texts: TextSelection::Errors,
            ids: None,
            job: None,
            list: Some(list),
        };
        self.read(args).await
    }

    async fn read(&self, args: ReadArgs<'_>) -> Result<ReadAnswer, Error> {
        let answer = self.runner.run(&self.read, &args).await?;
        Ok(answer.unrefused()?.1)
    }
}
