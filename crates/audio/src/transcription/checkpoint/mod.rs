//! A Whisper checkpoint (Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022) in any of three
//! dresses: a CTranslate2 folder, a Hugging Face folder, or a ggml file of whisper.cpp's. Sizes, weights and vocabulary;
//! what is computed with them is left to `encoder` and `decoder`.

mod config;
mod ct2;
mod ggml;
mod names;
mod safetensors;
mod tensor;

pub use config::Config;
pub(crate) use names::{Part, Side, Style};
pub(crate) use safetensors::file as safetensors_file;
pub(crate) use tensor::{Tensor, Weights};

use super::tokens::Vocabulary;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::Format;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;

/// The first bytes of a ggml file: the number 0x67676d6c.
const GGML_MAGIC: [u8; 4] = *b"lmgg";

/// Files larger than this are no vocabulary or configuration.
const LARGEST_TEXT: u64 = 64 << 20;

/// An opened checkpoint: nothing is computed yet.
#[derive(Debug)]
pub struct Checkpoint {
    /// Sizes.
    pub config: Config,
    pub(crate) weights: Weights,
    /// Tokens and their text.
    pub vocabulary: Vocabulary,
    /// Bytes of its weights on disk.
    pub bytes: u64,
}

impl Checkpoint {
    /// Opens a CTranslate2 or Hugging Face folder (or the weights in one), or a ggml file.
    ///
    /// # Errors
    /// `NotFound`, `Unsupported` for a model that is no Whisper, `Corrupt` for files that contradict themselves.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = if path.is_dir() {
            Some(path)
        } else {
            path.parent().filter(|f| f.join("config.json").is_file())
        };
        let opened = match folder {
            _ if path.is_file() && starts_with(path, GGML_MAGIC) => ggml::open(path),
            Some(folder) if folder.join("model.bin").is_file() => open_ct2(folder),
            Some(folder) => open_huggingface(folder),
            None => Err(Error::new(
                ErrorKind::Unsupported,
                "this is no speech model: a CTranslate2 or Hugging Face folder of Whisper's or a ggml file is",
            )),
        };
        let checkpoint = opened.map_err(|e| e.within(path.display()))?;
        checkpoint.config.check(checkpoint.vocabulary.len()).map_err(|e| e.within(path.display()))?;
        Ok(checkpoint)
    }

    /// Parameters in all tensors.
    pub fn parameters(&self) -> u64 {
        self.weights.values()
    }

    /// Bytes in each storage format, the largest share first.
    pub fn formats(&self) -> Vec<(Format, u64)> {
        self.weights.formats()
    }
}

fn starts_with(path: &Path, magic: [u8; 4]) -> bool {
    let mut first = [0; 4];
    std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut first)).is_ok()
        && first == magic
}

fn open_ct2(folder: &Path) -> Result<Checkpoint> {
    let json = config::Json::read(folder)?;
    let (weights, heads) = ct2::open(&folder.join("model.bin"))?;
    let vocabulary = Vocabulary::new(vocabulary(folder)?)?;
    let config = Config::of_ct2(&json, &weights, heads)?;
    Ok(Checkpoint { bytes: weights.bytes(), config, weights, vocabulary })
}

fn open_huggingface(folder: &Path) -> Result<Checkpoint> {
    let json = config::Json::read(folder)?;
    let config = Config::of_huggingface(&json)?;
    let weights = safetensors::open(folder)?;
    let vocabulary = Vocabulary::new(vocabulary(folder)?)?;
    Ok(Checkpoint { bytes: weights.bytes(), config, weights, vocabulary })
}

/// The tokens of a folder by id, as bytes, from whichever file it has: `tokenizer.json`, `vocabulary.json` or `.txt`
/// (CTranslate2), `vocab.json` (Hugging Face).
fn vocabulary(folder: &Path) -> Result<Vec<Vec<u8>>> {
    #[derive(Deserialize)]
    struct File {
        model: Model,
    }
    #[derive(Deserialize)]
    struct Model {
        vocab: HashMap<String, u32>,
    }
    let read = |name: &str| read_text(&folder.join(name));
    let wrong = |name: &str, e: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Corrupt, format!("{} is no vocabulary: {e}", folder.join(name).display()))
    };
    let has = |name: &str| folder.join(name).is_file();
    if has("tokenizer.json") {
        let name = "tokenizer.json";
        let file: File = serde_json::from_str(&read(name)?).map_err(|e| wrong(name, &e))?;
        return by_id(file.model.vocab).map_err(|e| wrong(name, &e));
    }
    if has("vocabulary.json") {
        let name = "vocabulary.json";
        let list: Vec<String> = serde_json::from_str(&read(name)?).map_err(|e| wrong(name, &e))?;
        return Ok(list.iter().map(|token| bytes_of(token)).collect());
    }
    if has("vocabulary.txt") {
        return Ok(read("vocabulary.txt")?.lines().map(bytes_of).collect());
    }
    if has("vocab.json") {
        let name = "vocab.json";
        let map: HashMap<String, u32> = serde_json::from_str(&read(name)?).map_err(|e| wrong(name, &e))?;
        return by_id(map).map_err(|e| wrong(name, &e));
    }
    let message = "the folder has no vocabulary: put tokenizer.json beside the weights";
    Err(Error::new(ErrorKind::NotFound, message))
}

fn read_text(path: &Path) -> Result<String> {
    let name = path.display();
    let bytes = std::fs::metadata(path).map_or(0, |meta| meta.len());
    if bytes > LARGEST_TEXT {
        let message = format!("{name} has {bytes} bytes: at most {LARGEST_TEXT} are read");
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    std::fs::read_to_string(path).map_err(|e| Error::from(e).within(format!("cannot read {name}")))
}

/// Tokens in the order of their ids, which have no gaps.
fn by_id(vocabulary: HashMap<String, u32>) -> Result<Vec<Vec<u8>>> {
    let mut tokens = vec![None; vocabulary.len()];
    for (token, id) in vocabulary {
        // `as` widens.
        match tokens.get_mut(id as usize) {
            Some(place @ None) => *place = Some(bytes_of(&token)),
            _ => {
                let message = format!("token {token:?} has the id {id}, which is taken or too large");
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
        }
    }
    // As many places as tokens, none of them twice: all are taken.
    Ok(tokens.into_iter().flatten().collect())
}

/// The bytes of a token in GPT-2's alphabet (Radford et al. 2019), in which every byte is a printable character; a
/// character outside it stands for itself.
fn bytes_of(token: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(token.len());
    for c in token.chars() {
        match u32::from(c) {
            // These bytes stand for themselves: `as` keeps them.
            code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => bytes.push(code as u8),
            // The others follow from 256 on, in order.
            code @ 0x100..=0x120 => bytes.push((code - 0x100) as u8),
            code @ 0x121..=0x142 => bytes.push((code - 0x121 + 0x7f) as u8),
            0x143 => bytes.push(0xad),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_character() {
        // The definition: printable bytes stand for themselves, the others are numbered from 256 on.
        let mut next = 256;
        for byte in 0..=255u8 {
            let itself = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
            let code = if itself { u32::from(byte) } else { next };
            next += u32::from(!itself);
            assert_eq!(bytes_of(&char::from_u32(code).map(String::from).unwrap_or_default()), [byte]);
        }
        assert_eq!(bytes_of("Ġhi"), b" hi");
    }

    #[test]
    fn ids_have_no_gaps_and_come_once() {
        let map = |pairs: &[(&str, u32)]| pairs.iter().map(|(t, i)| ((*t).to_owned(), *i)).collect();
        assert_eq!(by_id(map(&[("b", 1), ("a", 0)])).ok(), Some(vec![b"a".to_vec(), b"b".to_vec()]));
        assert!(by_id(map(&[("a", 0), ("b", 2)])).is_err());
        assert!(by_id(map(&[("a", 0), ("b", 0)])).is_err());
    }
}
