//! What a file or folder is, told by its first bytes and never by its name. Reading what it holds is left to the engines.

use crate::files::failed;
use crate::hf::choose::part_of;
use parasol_core::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A GGUF file of any version.
    Gguf,
    /// A safetensors file.
    Safetensors,
    /// A zip archive: a Python wheel, or a recent PyTorch checkpoint.
    Zip,
    /// A Python pickle: an old PyTorch checkpoint. Unpickling runs code, so Parasol never does.
    Pickle,
    /// A ggml file of whisper.cpp's.
    Ggml,
    /// A folder with CTranslate2's `model.bin` and `config.json`.
    CTranslate2,
    /// An ONNX file: a network as a graph, of which voices are made.
    Onnx,
    /// A web page, most often an error or a login page that took a file's place.
    Html,
    /// A folder with `config.json` and safetensors.
    HuggingFace,
    /// Nothing that is known.
    Unknown,
}

/// Longest header that a safetensors file may have, as its specification says.
const LONGEST_HEADER: u64 = 100_000_000;

/// Bytes in which the header of a voice's weights is looked for: it has some hundred names.
const VOICE_HEADER: u64 = 1 << 20;

/// A model on this disk, in one of the shapes that the engines read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalModel {
    /// One GGUF file.
    Gguf(PathBuf),
    /// A folder with `config.json`, safetensors and `tokenizer.json`.
    HuggingFace(PathBuf),
    /// A speech model: a folder with CTranslate2's `model.bin`, or a ggml file.
    Whisper(PathBuf),
    /// A voice: its ONNX or safetensors file, or the folder with it and what belongs to it.
    Voice(PathBuf),
}

impl LocalModel {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        match self {
            LocalModel::Gguf(path)
            | LocalModel::HuggingFace(path)
            | LocalModel::Whisper(path)
            | LocalModel::Voice(path) => path,
        }
    }
}

/// Tells what lies at `path`.
///
/// # Errors
/// When it cannot be read; the message names it.
pub fn sniff(path: &Path) -> Result<Format> {
    let open = |e| failed("read", path, e);
    let meta = std::fs::metadata(path).map_err(open)?;
    if meta.is_dir() {
        if path.join("config.json").is_file() && path.join("model.bin").is_file() {
            return Ok(Format::CTranslate2);
        }
        let model = path.join("config.json").is_file() && !with_extension(path, "safetensors")?.is_empty();
        return Ok(if model { Format::HuggingFace } else { Format::Unknown });
    }
    // A pipe or a device would block or never end.
    if !meta.is_file() {
        return Ok(Format::Unknown);
    }
    let mut first = Vec::with_capacity(64);
    File::open(path).and_then(|file| file.take(64).read_to_end(&mut first)).map_err(open)?;
    Ok(of_first_bytes(&first, meta.len()))
}

/// The format of a file of `len` bytes that starts with `first`.
fn of_first_bytes(first: &[u8], len: u64) -> Format {
    if first.starts_with(b"GGUF") {
        return Format::Gguf;
    }
    // The number 0x67676d6c.
    if first.starts_with(b"lmgg") {
        return Format::Ggml;
    }
    if first.starts_with(b"PK\x03\x04") || first.starts_with(b"PK\x05\x06") {
        return Format::Zip;
    }
    // Protocol 2 to 5, as torch.save writes it.
    if matches!(first, [0x80, 2..=5, ..]) {
        return Format::Pickle;
    }
    // The format's version (field 1, a small number), then the producer's name or version, the domain or the graph.
    if matches!(first, [0x08, 1..=20, 0x12 | 0x1a | 0x22 | 0x3a, ..]) {
        return Format::Onnx;
    }
    let text = first.trim_ascii_start().to_ascii_lowercase();
    if text.starts_with(b"<!doctype html") || text.starts_with(b"<html") {
        return Format::Html;
    }
    // safetensors: the header's length as a little-endian u64, then the header, a JSON object.
    if let Some((length, [b'{', ..])) = first.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length);
        if length <= LONGEST_HEADER && length.saturating_add(8) <= len {
            return Format::Safetensors;
        }
    }
    Format::Unknown
}

/// The model at `path`: a GGUF file, a Hugging Face folder, a safetensors file in one, or a folder with a single GGUF file.
///
/// # Errors
/// `NotFound` when nothing is there, `Unsupported` when it is something else, saying what.
pub fn local_model(path: &Path) -> Result<LocalModel> {
    let name = path.display();
    let unsupported = |what: String| Err(Error::new(ErrorKind::Unsupported, what));
    match sniff(path)? {
        Format::Gguf => Ok(LocalModel::Gguf(path.to_owned())),
        Format::HuggingFace => Ok(LocalModel::HuggingFace(path.to_owned())),
        Format::Ggml | Format::CTranslate2 => Ok(LocalModel::Whisper(path.to_owned())),
        Format::Unknown if is_ct2_weights(path) => {
            let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok(LocalModel::Whisper(folder.to_owned()))
        }
        Format::Onnx => Ok(LocalModel::Voice(path.to_owned())),
        Format::Safetensors => match path.parent() {
            Some(folder) if folder.join("config.json").is_file() => {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                Ok(LocalModel::HuggingFace(folder.to_owned()))
            }
            _ if speaks(path) => Ok(LocalModel::Voice(path.to_owned())),
            _ => unsupported(format!(
                "{name} holds weights only: put the config.json and tokenizer.json of its repository beside it"
            )),
        },
        Format::Zip | Format::Pickle => unsupported(format!(
            "{name} is an archive or a PyTorch pickle, which can run code when read: use the model's GGUF or safetensors files"
        )),
        Format::Html => unsupported(format!("{name} is a web page, not a model: download the file itself")),
        Format::Unknown if path.is_dir() && is_voice(path)? => Ok(LocalModel::Voice(path.to_owned())),
        Format::Unknown if path.is_dir() => folder_of_gguf(path),
        Format::Unknown => unsupported(format!(
            "{name} is no model that Parasol knows: its first bytes are neither GGUF, safetensors nor ONNX"
        )),
    }
}

/// Whether a file is the `model.bin` of a CTranslate2 folder.
fn is_ct2_weights(path: &Path) -> bool {
    path.is_file()
        && path.file_name().is_some_and(|name| name == "model.bin")
        && path.parent().is_some_and(|folder| folder.join("config.json").is_file())
}

/// Whether a folder holds ONNX files or the weights of a voice, and no GGUF file.
fn is_voice(folder: &Path) -> Result<bool> {
    let weights = || Ok::<_, Error>(with_extension(folder, "safetensors")?.iter().any(|path| speaks(path)));
    Ok(with_extension(folder, "gguf")?.is_empty()
        && (!with_extension(folder, "onnx")?.is_empty() || weights()?))
}

/// Whether a safetensors file is a voice of Pocket TTS, whose repositories have no config.json: by the names in its header.
fn speaks(path: &Path) -> bool {
    const NAME: &[u8] = b"\"flow_lm.";
    let header = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let (mut length, mut names) = ([0; 8], Vec::new());
        file.read_exact(&mut length)?;
        file.take(u64::from_le_bytes(length).min(VOICE_HEADER)).read_to_end(&mut names)?;
        Ok(names)
    };
    header().is_ok_and(|names| names.windows(NAME.len()).any(|at| at == NAME))
}

/// A folder that holds one GGUF model, whole or in parts, stands for that model.
fn folder_of_gguf(folder: &Path) -> Result<LocalModel> {
    let name = folder.display();
    let files = with_extension(folder, "gguf")?;
    let part = |file: &PathBuf| part_of(file.file_name()?.to_str()?);
    match files.as_slice() {
        [one] => local_model(one),
        [first, rest @ ..] if part(first).is_some() && rest.iter().all(|file| part(file) == part(first)) => {
            local_model(first)
        }
        [] => Err(Error::new(
            ErrorKind::Unsupported,
            format!("the folder {name} holds no model: neither a GGUF file nor config.json with safetensors"),
        )),
        [first, ..] => Err(Error::new(
            ErrorKind::InvalidRequest,
            format!(
                "the folder {name} holds {} GGUF files: name one of them, such as {}",
                files.len(),
                first.display()
            ),
        )),
    }
}

/// The files directly in `folder` with this extension, by name.
fn with_extension(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| failed("read the folder", folder, e))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case(extension)) && path.is_file()
        })
        .collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    fn safetensors() -> Vec<u8> {
        [&2u64.to_le_bytes()[..], b"{}"].concat()
    }

    #[test]
    fn formats_are_told_by_first_bytes() {
        let long = u64::MAX.to_le_bytes();
        for (bytes, format) in [
            (b"GGUF\x03\0\0\0".to_vec(), Format::Gguf),
            (safetensors(), Format::Safetensors),
            ([&long[..], b"{"].concat(), Format::Unknown),
            ([&100u64.to_le_bytes()[..], b"{"].concat(), Format::Unknown),
            (b"lmgg\0\0".to_vec(), Format::Ggml),
            (b"PK\x03\x04....".to_vec(), Format::Zip),
            (b"\x80\x02}q".to_vec(), Format::Pickle),
            (b"\x08\x08\x12\x07pytorch".to_vec(), Format::Onnx),
            (b"\n<!DOCTYPE html><p>".to_vec(), Format::Html),
            (Vec::new(), Format::Unknown),
            (b"GGU".to_vec(), Format::Unknown),
        ] {
            assert_eq!(of_first_bytes(&bytes, bytes.len() as u64), format, "{bytes:?}");
        }
    }

    #[test]
    fn a_model_is_found_whichever_way_it_is_pointed_at() {
        let dir = tempfile::tempdir().unwrap();
        let hf = dir.path().join("hf");
        fs::create_dir(&hf).unwrap();
        fs::write(hf.join("model.safetensors"), safetensors()).unwrap();
        let error = local_model(&hf.join("model.safetensors")).unwrap_err();
        assert!(error.message().contains("config.json"), "{error}");
        fs::write(hf.join("config.json"), "{}").unwrap();
        assert_eq!(local_model(&hf).unwrap(), LocalModel::HuggingFace(hf.clone()));
        assert_eq!(local_model(&hf.join("model.safetensors")).unwrap(), LocalModel::HuggingFace(hf));

        let ct2 = dir.path().join("ct2");
        fs::create_dir(&ct2).unwrap();
        fs::write(ct2.join("model.bin"), [6, 0, 0, 0]).unwrap();
        assert!(local_model(&ct2.join("model.bin")).is_err());
        fs::write(ct2.join("config.json"), "{}").unwrap();
        // Other files of the folder, safetensors too, do not change what it is.
        fs::write(ct2.join("vad.safetensors"), safetensors()).unwrap();
        assert_eq!(local_model(&ct2).unwrap(), LocalModel::Whisper(ct2.clone()));
        assert_eq!(local_model(&ct2.join("model.bin")).unwrap(), LocalModel::Whisper(ct2));

        // A voice's weights are told by their names, by themselves or with what lies beside them.
        let voice = dir.path().join("voice");
        fs::create_dir(&voice).unwrap();
        let header = br#"{"flow_lm.bos_emb":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let weights = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
        fs::write(voice.join("model.safetensors"), weights).unwrap();
        fs::write(voice.join("alba.safetensors"), safetensors()).unwrap();
        assert_eq!(local_model(&voice).unwrap(), LocalModel::Voice(voice.clone()));
        let file = voice.join("model.safetensors");
        assert_eq!(local_model(&file).unwrap(), LocalModel::Voice(file));
        assert!(local_model(&voice.join("alba.safetensors")).is_err());

        let gguf = dir.path().join("gguf");
        fs::create_dir(&gguf).unwrap();
        assert!(local_model(&gguf).unwrap_err().message().contains("holds no model"));
        fs::write(gguf.join("a.gguf"), "GGUF").unwrap();
        assert_eq!(local_model(&gguf).unwrap(), LocalModel::Gguf(gguf.join("a.gguf")));
        fs::write(gguf.join("b.gguf"), "GGUF").unwrap();
        assert!(local_model(&gguf).unwrap_err().message().contains("2 GGUF files"));
        let split = dir.path().join("split");
        fs::create_dir(&split).unwrap();
        let parts = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"].map(|part| split.join(part));
        for part in &parts {
            fs::write(part, "GGUF").unwrap();
        }
        assert_eq!(local_model(&split).unwrap(), LocalModel::Gguf(parts[0].clone()));
        fs::write(split.join("m.gguf"), "GGUF").unwrap();
        assert!(local_model(&split).unwrap_err().message().contains("3 GGUF files"));
        fs::write(gguf.join("b.gguf"), "<html>").unwrap();
        assert!(local_model(&gguf.join("b.gguf")).unwrap_err().message().contains("web page"));
        assert_eq!(*local_model(&gguf.join("c.gguf")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_no_model_and_is_not_read() {
        assert_eq!(sniff(Path::new("/dev/zero")).unwrap(), Format::Unknown);
    }
}
