//! Lists of evolutions, the newest first, without their diffs.

use rusqlite::types::Value;
use shim_proto::evolution::v1::{Evolution, EvolutionState};

use super::evolution_store::Store;
use super::evolutions::{COLUMNS, StoredRow};
use crate::error::EvolutionError;

/// Which evolutions a list holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct EvolutionFilter {
    /// Of the project with this root; of all if unset.
    pub(crate) root: Option<String>,
    /// In these states; in all if empty.
    pub(crate) states: Vec<EvolutionState>,
    /// Proposed before this row; from the newest if unset.
    pub(crate) before: Option<i64>,
}

impl Store {
    /// Up to `limit` evolutions with the rows they stand in.
    ///
    /// # Errors
    /// Damage; the store's failures.
    pub(crate) async fn list_evolutions(
        &self,
        filter: EvolutionFilter,
        limit: u32,
    ) -> Result<Vec<(i64, Evolution)>, EvolutionError> {
        self.read(move |db| {
            let (condition, values) = condition(&filter);
            let sql = format!(
                "SELECT {COLUMNS}, row_id FROM evolutions WHERE {condition} ORDER BY row_id DESC LIMIT {limit}"
            );
            let mut statement = db.prepare_cached(&sql)?;
            let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
                Ok((row.get::<_, i64>(5)?, StoredRow::read(row)?))
            })?;
            let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            rows.into_iter()
                .map(|(row_id, row)| Ok((row_id, row.head()?)))
                .collect()
        })
        .await
    }

    /// The evolutions that were being applied when the service ended.
    ///
    /// # Errors
    /// Damage; the store's failures.
    pub(crate) async fn interrupted_evolutions(&self) -> Result<Vec<Evolution>, EvolutionError> {
        let filter = EvolutionFilter {
            states: vec![EvolutionState::Applying],
            ..EvolutionFilter::default()
        };
        let found = self.list_evolutions(filter, 1_000).await?;
        Ok(found.into_iter().map(|(_, evolution)| evolution).collect())
    }
}

fn condition(filter: &EvolutionFilter) -> (String, Vec<Value>) {
    let mut parts = vec!["1".to_owned()];
    let mut values = Vec::new();
    if let Some(root) = &filter.root {
        parts.push("root = ?".to_owned());
        values.push(Value::from(root.clone()));
    }
    if !filter.states.is_empty() {
        let states: Vec<String> = filter
            .states
            .iter()
            .map(|state| i32::from(*state).to_string())
            .collect();
        parts.push(format!("state IN ({})", states.join(", ")));
    }
    if let Some(before) = filter.before {
        parts.push("row_id < ?".to_owned());
        values.push(Value::from(before));
    }
    (parts.join(" AND "), values)
}
