//! A model on disk, opened: description, tensors, tokenizer and template from a GGUF file or a Hugging Face folder.
//! Nothing is computed and nothing is copied; pages are read when something first touches them.

use crate::blueprint::Blueprint;
use crate::families;
use crate::gguf::{GgufFile, Metadata};
use crate::huggingface::{Folder, read_json};
use crate::info::{About, ModelInfo, Pooling};
use crate::template::ChatTemplate;
use crate::tokenizer::{Tokenizer, TokenizerSource};
use crate::weights::Weights;
use parasol_core::{Error, ErrorKind, Result, SamplingChoice};
use serde_json::Value;
use std::path::Path;

/// Everything that a model on disk holds.
pub struct Checkpoint {
    /// The decoder's description.
    pub blueprint: Blueprint,
    /// All tensors.
    pub weights: Weights,
    /// Text to tokens and back.
    pub tokenizer: Tokenizer,
    /// The chat template. One that does not compile is no obstacle to continuing texts: it is reported to who chats.
    pub template: Result<Option<ChatTemplate>>,
    /// What it says about itself, and its size.
    pub info: ModelInfo,
}

impl Checkpoint {
    /// Opens a GGUF file (any part of a split one) or a folder with `config.json`, `*.safetensors` and `tokenizer.json`.
    ///
    /// # Errors
    /// `NotFound` for a missing file, `Unsupported` for an architecture, format or feature that this build does not
    /// run, `Corrupt` for anything damaged. Each names the file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self> {
        let meta = std::fs::metadata(path)
            .map_err(|e| Error::from(e).within(format!("cannot open {}", path.display())))?;
        if meta.is_dir() { Self::open_folder(path) } else { Self::open_gguf(path) }
    }

    fn open_gguf(path: &Path) -> Result<Self> {
        let within = |e: Error| e.within(path.display());
        let file = GgufFile::open(path)?;
        let weights = file.weights()?;
        let metadata = file.metadata();
        let blueprint = families::from_gguf(metadata, &weights).map_err(within)?;
        let tokenizer =
            TokenizerSource::from_metadata(&metadata).and_then(Tokenizer::from_source).map_err(within)?;
        let template = ChatTemplate::from_metadata(&metadata, &tokenizer).map_err(within);
        let source = metadata.str("tokenizer.chat_template").map_err(within)?.map(str::to_owned);
        let mut info = ModelInfo::new(&blueprint, &weights, about_gguf(metadata), source, file.bytes());
        info.sampling = sampling_gguf(metadata);
        info.pooling = pooling_gguf(metadata, &blueprint.architecture);
        Self { blueprint, weights, tokenizer, template, info }.checked().map_err(within)
    }

    fn open_folder(path: &Path) -> Result<Self> {
        let within = |e: Error| e.within(path.display());
        let Folder { config, weights, bytes } = Folder::open(path)?;
        let blueprint = families::from_config(&config, &weights).map_err(within)?;
        let tokenizer = Tokenizer::from_folder(path)?;
        let template = ChatTemplate::from_folder(path, &tokenizer).map_err(within);
        let source = template_source(path)?;
        let name = path.file_name().and_then(|n| n.to_str()).map(str::to_owned);
        let about = About { name, ..About::default() };
        let mut info = ModelInfo::new(&blueprint, &weights, about, source, bytes);
        info.pooling = pooling_folder(path)?;
        Self { blueprint, weights, tokenizer, template, info }.checked().map_err(within)
    }

    /// Ids that the tokenizer can make must have a row in the embedding.
    fn checked(self) -> Result<Self> {
        let (tokens, rows) = (self.tokenizer.vocabulary_size(), self.blueprint.vocab);
        if tokens > rows {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the tokenizer has {tokens} tokens and the embedding only {rows} rows"),
            ));
        }
        Ok(self)
    }
}

fn about_gguf(metadata: Metadata<'_>) -> About {
    // These only inform: one of a wrong type is left out rather than fatal.
    let text = |keys: &[&str]| {
        keys.iter().find_map(|key| metadata.str(&format!("general.{key}")).ok().flatten()).map(str::to_owned)
    };
    let languages = metadata.strings("general.languages").ok().flatten().into_iter().flatten();
    About {
        name: text(&["name", "basename"]),
        author: text(&["author", "organization"]),
        licence: text(&["license.name", "license"]),
        url: text(&["url", "repo_url", "source.url"]),
        languages: languages.map(|l| String::from_utf8_lossy(l).into_owned()).collect(),
    }
}

/// What the file recommends. As with [`About`], a value of a wrong type or out of its range is left out: the file is
/// usable without it.
fn sampling_gguf(metadata: Metadata<'_>) -> SamplingChoice {
    let number = |key: &str, allowed: fn(&f32) -> bool| {
        metadata.float(&format!("general.sampling.{key}")).ok().flatten().filter(allowed)
    };
    let top_k = metadata.unsigned("general.sampling.top_k").ok().flatten();
    SamplingChoice {
        temperature: number("temp", |t| t.is_finite() && *t >= 0.0),
        top_k: top_k.and_then(|k| usize::try_from(k).ok()),
        top_p: number("top_p", |p| *p > 0.0 && *p <= 1.0),
        min_p: number("min_p", |p| (0.0..=1.0).contains(p)),
        repetition_penalty: number("penalty_repeat", |r| r.is_finite() && *r > 0.0),
        ..SamplingChoice::default()
    }
}

/// llama.cpp's `enum llama_pooling_type`.
fn pooling_gguf(metadata: Metadata<'_>, architecture: &str) -> Option<Pooling> {
    match metadata.unsigned(&format!("{architecture}.pooling_type")).ok().flatten()? {
        1 => Some(Pooling::Mean),
        2 => Some(Pooling::First),
        3 => Some(Pooling::Last),
        4 => Some(Pooling::Rank),
        0 => None,
        _ => Some(Pooling::Other),
    }
}

/// What sentence-transformers keeps in `1_Pooling/config.json`.
fn pooling_folder(folder: &Path) -> Result<Option<Pooling>> {
    let path = folder.join("1_Pooling").join("config.json");
    if !path.exists() {
        return Ok(None);
    }
    let config: Value = serde_json::from_slice(&read_json(&path)?)
        .map_err(|e| Error::new(ErrorKind::Corrupt, format!("{} is not JSON: {e}", path.display())))?;
    let modes = config.as_object().into_iter().flatten();
    let mut set = modes.filter(|(_, value)| value.as_bool() == Some(true)).filter_map(|(name, _)| {
        Some(match name.strip_prefix("pooling_mode_")? {
            "mean_tokens" => Pooling::Mean,
            "cls_token" => Pooling::First,
            "lasttoken" => Pooling::Last,
            _ => Pooling::Other,
        })
    });
    // Several at once are joined there, which no other format knows.
    Ok(match (set.next(), set.next()) {
        (one, None) => one,
        _ => Some(Pooling::Other),
    })
}

/// `chat_template.jinja`, or the entry of `tokenizer_config.json`: one text, or a list of which `default` counts.
fn template_source(folder: &Path) -> Result<Option<String>> {
    let path = folder.join("chat_template.jinja");
    if path.exists() {
        return match String::from_utf8(read_json(&path)?) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Error::new(ErrorKind::Corrupt, format!("{} is not UTF-8", path.display()))),
        };
    }
    let path = folder.join("tokenizer_config.json");
    if !path.exists() {
        return Ok(None);
    }
    let config: Value = serde_json::from_slice(&read_json(&path)?)
        .map_err(|e| Error::new(ErrorKind::Corrupt, format!("{} is not JSON: {e}", path.display())))?;
    let named = |list: &Vec<Value>| {
        let default = list.iter().find(|t| t.get("name").is_some_and(|name| name == "default"));
        default.and_then(|t| t.get("template")).and_then(Value::as_str).map(str::to_owned)
    };
    Ok(match config.get("chat_template") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Array(list)) => named(list),
        _ => None,
    })
}
