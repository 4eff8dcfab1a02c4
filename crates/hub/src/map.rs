//! Mapping a file into memory: the one place outside `parasol-kernels` that needs `unsafe`.

use parasol_core::{Error, Result};
use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// A file that is read where it lies. Pages come from the disk cache on first touch and can be dropped by the system.
pub struct MappedFile {
    path: PathBuf,
    map: memmap2::Mmap,
}

impl MappedFile {
    /// Maps `path` for reading.
    ///
    /// # Errors
    /// When the file cannot be opened or mapped; the message names it.
    #[allow(unsafe_code)]
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        let file = File::open(path).map_err(|e| Error::from(e).within(format!("cannot open {name}")))?;
        // SAFETY: the map is read-only and private to this process. Rust's rule that the bytes do not change
        // underneath holds as long as nobody rewrites the file in place; every reader treats them as plain data whose
        // values it validates, and docs/security.md tells what a file truncated while in use does.
        let map = unsafe { memmap2::MmapOptions::new().map(&file) }
            .map_err(|e| Error::from(e).within(format!("cannot map {name}")))?;
        Ok(Self { path: path.to_owned(), map })
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Deref for MappedFile {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl std::fmt::Debug for MappedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MappedFile({}, {} bytes)", self.path.display(), self.map.len())
    }
}
