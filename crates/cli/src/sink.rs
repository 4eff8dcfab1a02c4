//! Where a command's sound, film or picture goes: a pipe, a place that is written as it is, or a file that is there when it is complete.

use crate::beside::Beside;
use crate::exit::Outcome;
use parasol_core::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where it goes.
pub(crate) enum Sink {
    /// Stdout.
    Pipe(io::Stdout),
    /// Written in place: a device, or a link, which stays one …
    Place(File, PathBuf),
    /// … or beside the file and moved there at the end, so that what fails leaves what was there.
    File(Beside),
}

fn cannot(path: &Path) -> impl Fn(io::Error) -> Error {
    move |e| Error::from(e).within(format!("cannot write {}", path.display()))
}

impl Sink {
    /// What leads to this path, or to stdout.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub(crate) fn open(path: Option<&Path>) -> Outcome<Self> {
        let Some(path) = path else { return Ok(Self::Pipe(io::stdout())) };
        // A link is not followed for this: what is moved to its name would stand in its place.
        if std::fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
            return Ok(Self::Place(File::create(path).map_err(cannot(path))?, path.to_owned()));
        }
        Ok(Self::File(Beside::create(path).map_err(cannot(path))?))
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// When they cannot be written; when nobody reads the pipe any more.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Outcome {
        match self {
            Self::Pipe(out) => {
                out.write_all(bytes)?;
                Ok(out.flush()?)
            }
            Self::Place(file, path) => Ok(file.write_all(bytes).map_err(cannot(path))?),
            Self::File(beside) => Ok(beside.file().write_all(bytes).map_err(cannot(beside.path()))?),
        }
    }

    /// It is complete: `last` is done to a file, and what was written beside its name gets it.
    ///
    /// # Errors
    /// When that fails.
    pub(crate) fn end(self, last: impl FnOnce(&mut File) -> io::Result<()>) -> Outcome {
        match self {
            Self::Pipe(_) => Ok(()),
            Self::Place(mut file, path) => {
                let done =
                    file.metadata().and_then(|meta| if meta.is_file() { last(&mut file) } else { Ok(()) });
                Ok(done.map_err(cannot(&path))?)
            }
            Self::File(mut beside) => {
                let path = beside.path().to_owned();
                let done = last(beside.file());
                Ok(done.and_then(|()| beside.keep()).map_err(cannot(&path))?)
            }
        }
    }
}
