//! The tables, and how older ones become them: one step for each version, counted in the database's `user_version`.

use parasol_core::{Error, ErrorKind};
use rusqlite::Connection;

/// What makes the tables of each version out of those of the one before.
const STEPS: [&str; 1] = ["
CREATE TABLE conversation (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, title TEXT NOT NULL, folder TEXT,
    pinned INTEGER NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL, model TEXT, system TEXT,
    parameters TEXT NOT NULL, head TEXT, deleted TEXT) STRICT;
CREATE INDEX conversation_listed ON conversation (owner, pinned, updated, id) WHERE deleted IS NULL;
CREATE INDEX conversation_deleted ON conversation (deleted) WHERE deleted IS NOT NULL;
CREATE TABLE message (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    parent TEXT, role TEXT NOT NULL, content TEXT NOT NULL, reasoning TEXT, tool_calls TEXT NOT NULL, model TEXT,
    created TEXT NOT NULL, state TEXT NOT NULL, error TEXT, finish_reason TEXT, usage TEXT, timings TEXT) STRICT;
CREATE INDEX message_conversation ON message (conversation, seq);
CREATE INDEX message_running ON message (state) WHERE state = 'running';
CREATE TABLE preset (
    owner TEXT NOT NULL, name TEXT NOT NULL, model TEXT, system TEXT, parameters TEXT NOT NULL,
    PRIMARY KEY (owner, name)) STRICT;
-- Three characters of anything can be found, in every script. A message has twice its number, a title one more than that.
CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'trigram');
CREATE TRIGGER message_said AFTER INSERT ON message WHEN new.state <> 'running' BEGIN
    INSERT INTO words (rowid, text) VALUES (new.seq * 2, new.content);
END;
-- What is being written is found when it is done: it is saved every second.
CREATE TRIGGER message_done AFTER UPDATE OF content, state ON message WHEN new.state <> 'running' BEGIN
    DELETE FROM words WHERE rowid = new.seq * 2;
    INSERT INTO words (rowid, text) VALUES (new.seq * 2, new.content);
END;
CREATE TRIGGER message_gone AFTER DELETE ON message BEGIN
    DELETE FROM words WHERE rowid = old.seq * 2;
END;
CREATE TRIGGER titled AFTER INSERT ON conversation BEGIN
    INSERT INTO words (rowid, text) VALUES (new.seq * 2 + 1, new.title);
END;
CREATE TRIGGER retitled AFTER UPDATE OF title ON conversation BEGIN
    DELETE FROM words WHERE rowid = new.seq * 2 + 1;
    INSERT INTO words (rowid, text) VALUES (new.seq * 2 + 1, new.title);
END;
CREATE TRIGGER conversation_gone AFTER DELETE ON conversation BEGIN
    DELETE FROM words WHERE rowid = old.seq * 2 + 1;
END;
"];

/// Brings the tables to this version; inside of a transaction or not.
pub(super) fn prepare(db: &Connection) -> rusqlite::Result<()> {
    let version = |db: &Connection| db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    let have = usize::try_from(version(db)?).unwrap_or(usize::MAX);
    if have > STEPS.len() {
        // What a later Parasol keeps in its tables, this one could only lose.
        let says = format!(
            "its tables are of version {have}, from a newer Parasol, and this one knows up to {}: run the newer one, or start \
             with another PARASOL_HOME. Nothing in it was changed",
            STEPS.len()
        );
        let newer = Error::new(ErrorKind::Unsupported, says);
        return Err(rusqlite::Error::ToSqlConversionFailure(newer.into()));
    }
    for (step, number) in STEPS.iter().zip(1..).skip(have) {
        let step = format!("SAVEPOINT step; {step} PRAGMA user_version = {number}; RELEASE step;");
        if let Err(error) = db.execute_batch(&step) {
            // Without a transaction there may be nothing to roll back.
            let _ = db.execute_batch("ROLLBACK TO step; RELEASE step;");
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tables_are_made_once_and_newer_ones_are_left_alone() {
        let db = Connection::open_in_memory().unwrap();
        prepare(&db).unwrap();
        prepare(&db).unwrap();
        db.execute_batch(
            "PRAGMA user_version = 1000; CREATE TABLE later (it TEXT); INSERT INTO later VALUES ('kept')",
        )
        .unwrap();
        let says = prepare(&db).unwrap_err().to_string();
        assert!(says.contains("version 1000") && says.contains("up to 1"), "{says}");
        let kept: String = db.query_row("SELECT it FROM later", [], |row| row.get(0)).unwrap();
        let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!((kept.as_str(), version), ("kept", 1000));
    }
}
