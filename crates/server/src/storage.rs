//! What must survive a restart, or a kill at any moment: one SQLite file. What the tables hold is their dialects' affair.

use parasol_core::{Error, ErrorKind, Result};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The name of the file under the home folder.
const FILE: &str = "server.sqlite3";

/// The database, opened on first use. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Storage {
    path: PathBuf,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Storage {
    /// The database under `home`. Touches nothing yet.
    pub(crate) fn at(home: &Path) -> Self {
        Self { path: home.join(FILE), connection: Arc::default() }
    }

    /// Runs `work` on the database in a thread of its own. What `work` commits is on the disk when this returns (write-ahead log,
    /// `synchronous=FULL`). Tables are made by who needs them: begin with `CREATE TABLE IF NOT EXISTS`.
    ///
    /// # Errors
    /// Those of the database, and those of `work`.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || this.run_blocking(work)).await;
        done.unwrap_or_else(|e| {
            Err(Error::new(ErrorKind::Internal, format!("the database's thread failed: {e}")))
        })
    }

    /// [`Self::run`] on the calling thread.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) fn run_blocking<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        // A panic in `work` leaves a transaction that its drop has rolled back, so the connection is still sound.
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match &mut *slot {
            Some(connection) => connection,
            empty => empty.insert(open(&self.path)?),
        };
        work(connection).map_err(|e| failed(&self.path, &e))
    }
}

fn open(path: &Path) -> Result<Connection> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::from(e).within(format!("cannot create {}", folder.display())))?;
    }
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(connection)
    };
    let connection = open().map_err(|e| failed(path, &e))?;
    own_only(path);
    Ok(connection)
}

/// Takes the file away from other users of the machine: it may hold conversations.
#[cfg(unix)]
pub(crate) fn own_only(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    // A file system without permissions has none to take away.
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
}

/// Elsewhere files in a user's folder are the user's own.
#[cfg(not(unix))]
pub(crate) fn own_only(_: &Path) {}

fn failed(path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ffi::ErrorCode;
    // An error of ours that `work` could hand on in no other way.
    if let rusqlite::Error::ToSqlConversionFailure(inner) = error
        && let Some(own) = inner.downcast_ref::<Error>()
    {
        return Error::new(own.kind().clone(), format!("the database {}: {}", path.display(), own.message()));
    }
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ErrorKind::NoSpace,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Corrupt,
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => ErrorKind::Denied,
        _ => ErrorKind::Io,
    };
    Error::new(kind, format!("the database {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_committed_is_found_again() {
        let home = tempfile::tempdir().unwrap();
        let make = "CREATE TABLE IF NOT EXISTS note (text TEXT)";
        let storage = Storage::at(home.path());
        storage
            .run_blocking(|db| {
                db.execute(make, [])?;
                db.execute("INSERT INTO note VALUES ('kept')", [])
            })
            .unwrap();
        drop(storage);
        let read =
            |db: &mut Connection| db.query_row("SELECT text FROM note", [], |row| row.get::<_, String>(0));
        assert_eq!(Storage::at(home.path()).run_blocking(read).unwrap(), "kept");
    }

    #[test]
    fn a_file_that_is_no_database_is_told() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(FILE), "nonsense ".repeat(1000)).unwrap();
        let e = Storage::at(home.path()).run_blocking(|db| db.execute("SELECT 1", [])).unwrap_err();
        assert_eq!(*e.kind(), ErrorKind::Corrupt);
        assert!(e.message().contains(FILE), "{e}");
    }
}
