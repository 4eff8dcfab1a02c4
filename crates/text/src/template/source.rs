//! Where templates come from, and what must change in them before they compile.

use super::ChatTemplate;
use crate::tokenizer::{MetadataLookup, Tokenizer, read_optional, token_text};
use parasol_core::{Error, ErrorKind, Result};
use serde_json::Value as Json;
use std::path::Path;

impl ChatTemplate {
    /// The template in GGUF metadata; `None` for a model without one. What `bos_token` and `eos_token` stand for comes from
    /// the tokenizer.
    ///
    /// # Errors
    /// `Corrupt` when it does not compile.
    pub fn from_metadata(metadata: &dyn MetadataLookup, tokenizer: &Tokenizer) -> Result<Option<Self>> {
        let Some(source) = metadata.string("tokenizer.chat_template").filter(|source| !source.is_empty())
        else {
            return Ok(None);
        };
        let (bos, eos) = ends_of(tokenizer);
        let template = Self::new(source, &bos, &eos)?;
        match metadata.string("tokenizer.chat_template.tool_use") {
            Some(source) => template.with_tool_template(source).map(Some),
            None => Ok(Some(template)),
        }
    }

    /// The template of a Hugging Face folder: chat_template.jinja or, where that is missing, what tokenizer_config.json
    /// holds; `None` for a model without one.
    ///
    /// # Errors
    /// `Corrupt` when it does not compile or tokenizer_config.json is no JSON.
    pub fn from_folder(folder: &Path, tokenizer: &Tokenizer) -> Result<Option<Self>> {
        let corrupt = |file: &str, e: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Corrupt, format!("{} cannot be read: {e}", folder.join(file).display()))
        };
        let config: Json = match read_optional(&folder.join("tokenizer_config.json"))? {
            Some(content) => {
                serde_json::from_slice(&content).map_err(|e| corrupt("tokenizer_config.json", &e))?
            }
            None => Json::Null,
        };
        let (bos, eos) = ends_of(tokenizer);
        let bos = token_text(&config, "bos_token").unwrap_or(&bos);
        let eos = token_text(&config, "eos_token").unwrap_or(&eos);
        if let Some(content) = read_optional(&folder.join("chat_template.jinja"))? {
            let source = std::str::from_utf8(&content).map_err(|e| corrupt("chat_template.jinja", &e))?;
            return Self::new(source, bos, eos).map(Some);
        }
        let in_config = config.get("chat_template").unwrap_or(&Json::Null);
        if let Some(source) = in_config.as_str() {
            return Self::new(source, bos, eos).map(Some);
        }
        // Or a list of templates with names.
        let named = |name: &str| {
            let entry = in_config
                .as_array()?
                .iter()
                .find(|entry| entry.get("name").and_then(Json::as_str) == Some(name))?;
            entry.get("template")?.as_str()
        };
        let Some(source) = named("default") else { return Ok(None) };
        let template = Self::new(source, bos, eos)?;
        match named("tool_use") {
            Some(source) => template.with_tool_template(source).map(Some),
            None => Ok(Some(template)),
        }
    }
}

/// The texts of the tokens that begin and end a text.
fn ends_of(tokenizer: &Tokenizer) -> (String, String) {
    let text = |id: Option<u32>| {
        let bytes = id.and_then(|id| tokenizer.token_text(id).ok()).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    (text(tokenizer.special().bos), text(tokenizer.special().eos))
}

/// Replaces `{% generation %}` … `{% endgeneration %}`, by which `transformers` marks the model's own words for training,
/// with a block that does nothing. White-space signs stay.
pub(super) fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(end + 2);
        let inner = tag.trim_start_matches("{%").trim_end_matches("%}");
        let name = inner.trim_matches(|c: char| c == '-' || c == '+' || c.is_whitespace());
        match name {
            "generation" => out.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => out.push_str(&tag.replace("endgeneration", "endif")),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_tags_become_empty_blocks() {
        assert_eq!(
            without_generation_tags("{%- generation -%}a{% endgeneration +%}{% if generation %}{% x"),
            "{%- if true -%}a{% endif +%}{% if generation %}{% x"
        );
    }
}
