//! Files that are written beside their name and moved there once they are complete: what fails leaves what was there.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file that is not complete yet. Dropping it leaves nothing of it.
#[derive(Debug)]
pub(crate) struct Beside {
    file: File,
    part: PathBuf,
    path: PathBuf,
}

impl Beside {
    /// Begins the file that is to become `path`.
    ///
    /// # Errors
    /// When its folder cannot be written to.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        Ok(Self { file: File::create(&part)?, part, path: path.to_owned() })
    }

    /// The file.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// What it is to become.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// It is complete: it gets its name.
    ///
    /// # Errors
    /// When it cannot be moved there.
    pub(crate) fn keep(self) -> io::Result<()> {
        std::fs::rename(&self.part, &self.path)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // What was kept has another name by now; for the rest best effort: the error that led here is the one to report.
        let _ = std::fs::remove_file(&self.part);
    }
}
