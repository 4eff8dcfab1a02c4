//! Opening a GGUF model on disk: one file, or all parts of a split one (`name-00001-of-00003.gguf`).

use super::{Header, Metadata};
use crate::weights::{Naming, Tensor, Weights};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::MappedFile;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More parts than any published model has.
const MOST_PARTS: u64 = 10_000;

/// A GGUF model: the mapped parts with their checked headers. The first part holds the metadata.
#[derive(Debug)]
pub struct GgufFile {
    first: (Arc<MappedFile>, Header),
    rest: Vec<(Arc<MappedFile>, Header)>,
}

impl GgufFile {
    /// Maps `path` and, when it is a part of a split model, every other part beside it.
    ///
    /// # Errors
    /// As [`Header::parse`], with the file's name in front; `NotFound` names a part that is missing.
    pub fn open(path: &Path) -> Result<Self> {
        let first = open_part(path)?;
        let Some(count) = split_number(&first, "split.count")?.filter(|n| *n > 1) else {
            return Ok(Self { first, rest: Vec::new() });
        };
        if count > MOST_PARTS {
            return Err(within(
                path,
                corrupt(format!("metadata `split.count` is {count}, more than {MOST_PARTS}")),
            ));
        }
        let mut parts = Vec::new();
        for number in 0..count {
            let part_path = part_path(path, number, count)?;
            let part = if part_path == path { first.clone() } else { open_part(&part_path)? };
            let found = (split_number(&part, "split.no")?, split_number(&part, "split.count")?);
            if found != (Some(number), Some(count)) {
                let message =
                    format!("says it is part {found:?} where ({number}, {count}) belongs; fetch it again");
                return Err(within(&part_path, corrupt(message)));
            }
            parts.push(part);
        }
        let rest = parts.split_off(1);
        let this = Self { first: parts.swap_remove(0), rest };
        let (found, announced) = (this.tensor_count(), split_number(&this.first, "split.tensors.count")?);
        match announced {
            Some(announced) if announced != found as u64 => Err(within(
                path,
                corrupt(format!("the parts hold {found} tensors and the first announces {announced}")),
            )),
            _ => Ok(this),
        }
    }

    /// The metadata (of the first part).
    pub fn metadata(&self) -> Metadata<'_> {
        self.first.1.metadata(&self.first.0)
    }

    /// The mapped file that holds the metadata.
    pub fn file(&self) -> &Arc<MappedFile> {
        &self.first.0
    }

    /// Tensors in all parts.
    pub fn tensor_count(&self) -> usize {
        self.parts().map(|(_, header)| header.tensors.len()).sum()
    }

    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.parts().map(|(file, _)| file.len() as u64).sum()
    }

    fn parts(&self) -> impl Iterator<Item = &(Arc<MappedFile>, Header)> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// All tensors, where they lie.
    ///
    /// # Errors
    /// When two parts hold a tensor of the same name.
    pub fn weights(&self) -> Result<Weights> {
        let mut tensors = HashMap::new();
        for (file, header) in self.parts() {
            for entry in &header.tensors {
                let range = entry.range.clone();
                let tensor = Tensor::mapped(
                    entry.format,
                    entry.rows,
                    entry.cols,
                    file.clone(),
                    range.start,
                    range.end,
                );
                if tensors.insert(entry.name.clone(), tensor).is_some() {
                    let message = format!("tensor `{}` is also in another part of the model", entry.name);
                    return Err(within(file.path(), corrupt(message)));
                }
            }
        }
        Ok(Weights::new(Naming::Gguf, tensors))
    }
}

fn open_part(path: &Path) -> Result<(Arc<MappedFile>, Header)> {
    let file = MappedFile::open(path)?;
    let header = Header::parse(&file).map_err(|e| within(path, e))?;
    Ok((Arc::new(file), header))
}

fn split_number((file, header): &(Arc<MappedFile>, Header), key: &str) -> Result<Option<u64>> {
    header.metadata(file).unsigned(key).map_err(|e| within(file.path(), e))
}

/// The path of part `number` (from 0) of `count`, given that of any part.
fn part_path(any: &Path, number: u64, count: u64) -> Result<PathBuf> {
    let name = any.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let stem = name
        .strip_suffix(&format!("-of-{count:05}.gguf"))
        .and_then(|rest| rest.split_at_checked(rest.len().checked_sub(6)?))
        .filter(|(_, digits)| digits.starts_with('-') && digits[1..].bytes().all(|b| b.is_ascii_digit()));
    match stem {
        Some((stem, _)) => Ok(any.with_file_name(format!("{stem}-{:05}-of-{count:05}.gguf", number + 1))),
        None => Err(Error::new(
            ErrorKind::InvalidRequest,
            format!(
                "{} is one of {count} parts of a split model and must keep its name (…-00001-of-{count:05}.gguf), \
                 with the other parts beside it",
                any.display()
            ),
        )),
    }
}

fn within(path: &Path, error: Error) -> Error {
    error.within(path.display())
}

fn corrupt(message: String) -> Error {
    super::cursor::corrupt(message)
}
