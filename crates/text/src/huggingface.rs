//! A Hugging Face checkpoint folder: `config.json`, and the weights in `model.safetensors` or in the files that
//! `model.safetensors.index.json` lists. Tokenizer and template files beside them are left to [`crate::checkpoint`].

use crate::families::Config;
use crate::safetensors;
use crate::weights::{Naming, Weights};
use parasol_core::{Error, ErrorKind, Result};
use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::Path;

/// More than any published `config.json` or index takes.
const LARGEST_JSON: u64 = 64 << 20;

/// What a folder holds.
pub struct Folder {
    /// Its `config.json`.
    pub config: Config,
    /// Its tensors, mapped.
    pub weights: Weights,
    /// Bytes of its weight files.
    pub bytes: u64,
}

impl Folder {
    /// Opens the checkpoint in `folder`.
    ///
    /// # Errors
    /// `NotFound` names a missing file; the rest as [`Config::parse`] and [`safetensors::parse`].
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let config = Config::parse(&read_json(&path)?).map_err(|e| e.within(folder.display()))?;
        let (mut tensors, mut bytes) = (HashMap::new(), 0);
        for name in weight_files(folder)? {
            let path = folder.join(name);
            let (file, found) = safetensors::open(&path)?;
            bytes += file.len() as u64;
            for (name, tensor) in found {
                if tensors.contains_key(&name) {
                    let message = format!("tensor `{name}` is also in another file of the checkpoint");
                    return Err(Error::new(ErrorKind::Corrupt, message).within(path.display()));
                }
                tensors.insert(name, tensor);
            }
        }
        Ok(Self { config, weights: Weights::new(Naming::HuggingFace, tensors), bytes })
    }
}

/// Reads a JSON (or other text) file of bounded size.
pub(crate) fn read_json(path: &Path) -> Result<Vec<u8>> {
    let within = |e: std::io::Error| Error::from(e).within(format!("cannot read {}", path.display()));
    let mut text = Vec::new();
    std::fs::File::open(path)
        .map_err(within)?
        .take(LARGEST_JSON + 1)
        .read_to_end(&mut text)
        .map_err(within)?;
    if text.len() as u64 > LARGEST_JSON {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("{} is larger than {LARGEST_JSON} bytes, which no such file needs", path.display()),
        ));
    }
    Ok(text)
}

/// Names of the weight files, each a plain name inside the folder.
fn weight_files(folder: &Path) -> Result<BTreeSet<String>> {
    const WHOLE: &str = "model.safetensors";
    const INDEX: &str = "model.safetensors.index.json";
    let path = folder.join(INDEX);
    if folder.join(WHOLE).exists() || !path.exists() {
        return Ok(BTreeSet::from([WHOLE.to_owned()]));
    }
    let bad = |message: String| Error::new(ErrorKind::Corrupt, format!("{}: {message}", path.display()));
    let index: serde_json::Value =
        serde_json::from_slice(&read_json(&path)?).map_err(|e| bad(format!("it is not JSON: {e}")))?;
    let map = index.get("weight_map").and_then(|m| m.as_object());
    let map = map.ok_or_else(|| bad("`weight_map` must be an object from tensors to files".into()))?;
    let mut files = BTreeSet::new();
    for (tensor, file) in map {
        let name = file.as_str().unwrap_or_default();
        // The list comes with the model: it may name files beside it and nothing else on this machine.
        if !name.ends_with(".safetensors") || name.contains(['/', '\\', '\0']) {
            return Err(bad(format!(
                "tensor `{tensor}` lies in {file}, which is no .safetensors file beside the list"
            )));
        }
        files.insert(name.to_owned());
    }
    match files.is_empty() {
        true => Err(bad("`weight_map` is empty".into())),
        false => Ok(files),
    }
}
