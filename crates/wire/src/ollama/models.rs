//! What `/api/tags`, `/api/ps`, `/api/show` and `/api/pull` say of models.

use serde_json::{Map, Value, json};

/// A model as it is listed.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// When it was fetched: RFC 3339.
    pub modified: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its file; empty when it has none.
    pub digest: String,
    /// `gguf`, `safetensors`.
    pub format: String,
    /// Its architecture.
    pub family: String,
    /// How many parameters it has.
    pub parameters: Option<u64>,
    /// The format of its weights.
    pub quantisation: String,
}

impl Listed {
    /// `details`.
    pub fn details(&self) -> Value {
        let families: Vec<&str> = Some(self.family.as_str()).filter(|f| !f.is_empty()).into_iter().collect();
        json!({
            "parent_model": "", "format": self.format, "family": self.family, "families": families,
            "parameter_size": self.parameters.map(size).unwrap_or_default(),
            "quantization_level": self.quantisation,
        })
    }

    /// An entry of `/api/tags`.
    pub fn tag(&self) -> Value {
        json!({
            "name": self.name, "model": self.name, "modified_at": self.modified, "size": self.bytes,
            "digest": self.digest, "details": self.details(),
        })
    }

    /// An entry of `/api/ps`: `bytes` in memory, none of them on a graphics card.
    pub fn running(&self, bytes: u64, expires: &str, context: Option<usize>) -> Value {
        json!({
            "name": self.name, "model": self.name, "size": bytes, "digest": self.digest,
            "details": self.details(), "expires_at": expires, "size_vram": 0, "context_length": context,
        })
    }

    /// `/api/show`.
    pub fn shown(&self, capabilities: &[String], context: Option<usize>) -> Value {
        let mut info = Map::new();
        info.insert("general.architecture".into(), json!(self.family));
        if let Some(n) = self.parameters {
            info.insert("general.parameter_count".into(), json!(n));
        }
        if let Some(n) = context {
            info.insert(format!("{}.context_length", self.family), json!(n));
        }
        let words = capabilities.iter().map(|c| match c.as_str() {
            "chat" | "complete" => "completion",
            "fill-in-the-middle" | "infill" => "insert",
            "reasoning" => "thinking",
            "embed" => "embedding",
            other => other,
        });
        let mut known: Vec<&str> = Vec::new();
        for word in words {
            if !known.contains(&word) {
                known.push(word);
            }
        }
        json!({
            "modelfile": format!("FROM {}\n", self.name), "parameters": "", "template": "",
            "details": self.details(), "model_info": info, "capabilities": known,
            "modified_at": self.modified,
        })
    }
}

/// `362M`, `1.5B`.
fn size(parameters: u64) -> String {
    match parameters as f64 {
        n if n >= 1e9 => format!("{:.1}B", n / 1e9),
        n if n >= 1e6 => format!("{:.0}M", n / 1e6),
        n => format!("{n}"),
    }
}

/// A line of a pull: what happens, and how far a file has come.
pub fn progress(status: &str, file: Option<(&str, u64, Option<u64>)>) -> Value {
    let mut line = json!({ "status": status });
    if let Some((digest, done, total)) = file {
        line["digest"] = json!(digest);
        line["completed"] = json!(done);
        if let Some(total) = total {
            line["total"] = json!(total);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_people_say_them() {
        assert_eq!(size(361_821_120), "362M");
        assert_eq!(size(1_500_000_000), "1.5B");
        assert_eq!(size(5), "5");
    }

    #[test]
    fn capabilities_have_the_words_of_the_protocol_once() {
        let shown = Listed::default().shown(&["chat".into(), "complete".into(), "tools".into()], Some(8));
        assert_eq!(shown["capabilities"], json!(["completion", "tools"]));
    }
}
