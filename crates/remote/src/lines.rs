//! The book as earlier versions wrote it: a file for each month with a line of JSON for each answer. It is read once, when the
//! book of today is made, and left as it is.

use crate::keys::is_absent;
use crate::ledger::Line;
use parasol_core::{Error, Result};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The files, the oldest month first.
pub(crate) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "jsonl") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

/// Gives every whole line. What is none (of a version to come, or torn by a full disk) is passed over.
///
/// # Errors
/// `Io` when a file cannot be read.
pub(crate) fn each(folder: &Path, take: &mut dyn FnMut(Line)) -> Result<()> {
    let all = match files(folder) {
        Err(e) if is_absent(&e) => return Ok(()),
        all => all.map_err(|e| Error::from(e).within(format!("cannot read {}", folder.display())))?,
    };
    for path in all {
        let failed = |e: std::io::Error| Error::from(e).within(format!("cannot read {}", path.display()));
        let mut reader = BufReader::new(std::fs::File::open(&path).map_err(failed)?);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).map_err(failed)? > 0 {
            if let Ok(line) = serde_json::from_slice(&bytes) {
                take(line);
            }
            bytes.clear();
        }
    }
    Ok(())
}
