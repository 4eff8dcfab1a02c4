//! Responses that are kept: one table, in which nobody reads what is another's. Rows go after 30 days.

use crate::AppState;
use crate::context::RequestContext;
use crate::openai::now;
use parasol_core::{Error, ErrorKind, Result};
use parasol_wire::openai::responses::owner_of;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use std::collections::BTreeMap;

/// How long a response is kept, in seconds.
const KEPT: u64 = 30 * 24 * 3600;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS response (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, previous TEXT, created INTEGER NOT NULL,
    response TEXT NOT NULL, input TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS response_created ON response (created);";

/// A conversation, from its first response to the one that is asked for.
const CHAIN: &str = "WITH RECURSIVE chain (id, previous, input, response, depth) AS (
    SELECT id, previous, input, response, 0 FROM response WHERE id = ?1 AND owner = ?2 AND created > ?3
    UNION ALL
    SELECT r.id, r.previous, r.input, r.response, depth + 1 FROM response r
    JOIN chain ON r.id = chain.previous WHERE r.owner = ?2 AND r.created > ?3)
SELECT previous, input, response FROM chain ORDER BY depth DESC";

/// A response with the input that it answers.
pub(super) struct Kept {
    /// Its id.
    pub(super) id: String,
    /// The id of the response that it continues.
    pub(super) previous: Option<String>,
    /// The response.
    pub(super) response: Value,
    /// Its input items.
    pub(super) input: Vec<Value>,
}

/// The responses of one owner.
#[derive(Clone)]
pub(super) struct Store {
    state: AppState,
    owner: String,
}

impl Store {
    /// The responses of whoever asks: of a key, or of an address where no keys are in use.
    pub(super) fn of(state: &AppState, ctx: &RequestContext) -> Self {
        let owner = match (ctx.key(), ctx.peer()) {
            // One machine has several addresses for itself.
            (None, Some(peer)) if peer.to_canonical().is_loopback() => "this machine".to_owned(),
            _ => ctx.client().to_owned(),
        };
        Self { state: state.clone(), owner }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, String) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let owner = self.owner.clone();
        let work = move |db: &mut Connection| {
            db.execute_batch(TABLE)?;
            work(db, owner)
        };
        self.state.storage().run(work).await
    }

    /// Keeps a response. It is on the disk when this returns.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn keep(&self, kept: Kept) -> Result<()> {
        let (response, input) = (kept.response.to_string(), Value::from(kept.input).to_string());
        self.run(move |db, owner| {
            let (now, oldest) = times();
            let change = db.transaction()?;
            change.execute("DELETE FROM response WHERE created <= ?1", [oldest])?;
            change.execute(
                "INSERT INTO response VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![kept.id, owner, kept.previous, now, response, input],
            )?;
            change.commit()
        })
        .await
    }

    /// A response and its input items.
    ///
    /// # Errors
    /// `NotFound`, and those of the database.
    pub(super) async fn find(&self, id: &str) -> Result<(Value, Vec<Value>)> {
        let wanted = id.to_owned();
        let found = self.run(move |db, owner| one(db, &wanted, &owner)).await?;
        let (response, input) = found.ok_or_else(|| absent(id))?;
        Ok((read(&response)?, list(read(&input)?)))
    }

    /// Deletes a response.
    ///
    /// # Errors
    /// `NotFound`, and those of the database.
    pub(super) async fn delete(&self, id: &str) -> Result<()> {
        let wanted = id.to_owned();
        let delete = "DELETE FROM response WHERE id = ?1 AND owner = ?2";
        match self.run(move |db, owner| db.execute(delete, [wanted, owner])).await? {
            0 => Err(absent(id)),
            _ => Ok(()),
        }
    }

    /// The items of the conversation that ends with this response: inputs and outputs in turn.
    ///
    /// # Errors
    /// `InvalidRequest` when it, or one that it continues, is not there, and those of the database.
    pub(super) async fn history(&self, id: &str) -> Result<Vec<Value>> {
        let wanted = id.to_owned();
        let rows = self
            .run(move |db, owner| {
                let mut chain = db.prepare(CHAIN)?;
                let rows = chain.query_map(params![wanted, owner, times().1], |row| {
                    Ok((row.get::<_, Option<String>>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
                })?;
                rows.collect::<rusqlite::Result<Vec<_>>>()
            })
            .await?;
        let missing = match rows.first() {
            None => Some(id),
            Some((previous, ..)) => previous.as_deref(),
        };
        if let Some(missing) = missing {
            let what = format!(
                "previous_response_id: no response {missing:?} of yours is stored, which the conversation needs: send its items as input"
            );
            return Err(Error::new(ErrorKind::InvalidRequest, what));
        }
        let mut items = Vec::new();
        for (_, input, response) in rows {
            items.extend(list(read(&input)?));
            items.extend(list(read(&response)?["output"].take()));
        }
        Ok(items)
    }

    /// The items of these ids, as far as they are there.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn items(&self, ids: &[&str]) -> Result<BTreeMap<String, Value>> {
        let mut owners: Vec<String> = ids.iter().filter_map(|id| owner_of(id)).collect();
        owners.sort_unstable();
        owners.dedup();
        let find = move |db: &mut Connection, owner: String| {
            owners
                .iter()
                .filter_map(|id| one(db, id, &owner).transpose())
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut found = BTreeMap::new();
        for (response, input) in self.run(find).await? {
            for item in list(read(&input)?).into_iter().chain(list(read(&response)?["output"].take())) {
                let Some(id) = item["id"].as_str().filter(|id| ids.contains(id)) else { continue };
                found.insert(id.to_owned(), item);
            }
        }
        Ok(found)
    }
}

/// A response and its input, as they lie there.
fn one(db: &Connection, id: &str, owner: &str) -> rusqlite::Result<Option<(String, String)>> {
    let find = "SELECT response, input FROM response WHERE id = ?1 AND owner = ?2 AND created > ?3";
    db.query_row(find, params![id, owner, times().1], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Now, and when what is still kept was made at the earliest; seconds since 1970, as the database counts.
fn times() -> (i64, i64) {
    let now = now();
    let count = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    (count(now), count(now.saturating_sub(KEPT)))
}

fn read(text: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|e| Error::new(ErrorKind::Corrupt, format!("a stored response is no JSON: {e}")))
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}

/// Absent and another's are told alike.
fn absent(id: &str) -> Error {
    let shown: String = id.chars().take(100).collect();
    Error::new(ErrorKind::NotFound, format!("no response {shown:?} of yours is stored"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ServerOptions;
    use parasol_runtime::{Models, ModelsOptions, Runtime};
    use serde_json::json;

    fn store(home: &std::path::Path, owner: &str) -> Store {
        let runtime = Runtime::new(parasol_hub::Settings::at(home)).unwrap();
        let models = Models::new(runtime, ModelsOptions::default()).unwrap();
        let state = AppState::new(models, ServerOptions::at(home)).unwrap();
        Store { state, owner: owner.into() }
    }

    fn kept(id: &str, previous: Option<&str>) -> Kept {
        let response = json!({ "id": id, "output": [{ "id": format!("msg_{}_0", &id[5..]) }] });
        let input = vec![json!({ "id": format!("in {id}") })];
        Kept { id: id.into(), previous: previous.map(Into::into), response, input }
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap().block_on(test);
    }

    #[test]
    fn a_conversation_is_found_in_order_and_only_by_its_owner() {
        run(conversation());
    }

    async fn conversation() {
        let home = tempfile::tempdir().unwrap();
        let mine = store(home.path(), "me");
        mine.keep(kept("resp_a", None)).await.unwrap();
        mine.keep(kept("resp_b", Some("resp_a"))).await.unwrap();
        // Another state over the same folder is what a restart leaves.
        let again = store(home.path(), "me");
        let items = again.history("resp_b").await.unwrap();
        let ids: Vec<&str> = items.iter().filter_map(|i| i["id"].as_str()).collect();
        assert_eq!(ids, ["in resp_a", "msg_a_0", "in resp_b", "msg_b_0"]);
        assert_eq!(again.items(&["msg_a_0", "msg_zz_0", "x"]).await.unwrap().len(), 1);
        let other = store(home.path(), "other");
        assert!(other.find("resp_a").await.is_err() && other.delete("resp_a").await.is_err());
        assert!(other.items(&["msg_a_0"]).await.unwrap().is_empty());
        assert_eq!(*other.history("resp_b").await.unwrap_err().kind(), ErrorKind::InvalidRequest);
        mine.delete("resp_a").await.unwrap();
        assert_eq!(*mine.find("resp_a").await.unwrap_err().kind(), ErrorKind::NotFound);
        let error = mine.history("resp_b").await.unwrap_err();
        assert!(error.message().contains("resp_a"), "the missing link is named: {error}");
    }

    #[test]
    fn what_is_older_than_a_month_goes() {
        run(month());
    }

    async fn month() {
        let home = tempfile::tempdir().unwrap();
        let store = store(home.path(), "me");
        for id in ["resp_old", "resp_new"] {
            store.keep(kept(id, None)).await.unwrap();
        }
        let age = "UPDATE response SET created = created - 30 * 24 * 3600 - 1 WHERE id = 'resp_old'";
        store.run(move |db, _| db.execute(age, [])).await.unwrap();
        assert!(store.find("resp_old").await.is_err() && store.find("resp_new").await.is_ok());
        store.keep(kept("resp_third", None)).await.unwrap();
        let count = |db: &mut Connection, _| {
            db.query_row("SELECT count(*) FROM response", [], |r| r.get::<_, i64>(0))
        };
        assert_eq!(store.run(count).await.unwrap(), 2_i64);
    }
}
