//! One puller at a time: a lock that the operating system releases when its holder ends, however it ends.

use crate::cancel::Cancel;
use crate::files::{create_folder, failed};
use parasol_core::Result;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// Held while a model's folder is being filled or emptied. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock if nobody holds it.
    pub(crate) fn try_take(path: &Path) -> Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            create_folder(folder)?;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(|e| failed("create the lock", path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some network file systems have no locks. Pulling without one is safe as long as one process does it.
            Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => {
                Ok(Some(Self { _file: file }))
            }
            Err(TryLockError::Error(e)) => Err(failed("lock", path, e)),
        }
    }

    /// Waits for the lock. `waiting` is called once if another holds it.
    pub(crate) fn take(path: &Path, cancel: &Cancel, waiting: impl FnOnce()) -> Result<Self> {
        let mut waiting = Some(waiting);
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            cancel.check()?;
            // Asking again beats a blocking lock, which could not be cancelled.
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::ErrorKind;

    #[test]
    fn the_second_waits_until_the_first_is_done_or_it_is_cancelled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks").join("m.lock");
        let first = Lock::try_take(&path).unwrap().unwrap();
        assert!(Lock::try_take(&path).unwrap().is_none());
        let cancel = Cancel::new();
        let stop = cancel.clone();
        let error = Lock::take(&path, &cancel, move || stop.cancel()).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Cancelled);
        let mut first = Some(first);
        Lock::take(&path, &Cancel::new(), move || drop(first.take())).unwrap();
    }
}
