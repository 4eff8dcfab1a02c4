//! How a person names a model: a catalogue name, a path, or a Hugging Face repository.

use crate::names::{is_plain_name, is_plain_path};
use crate::source::{RepoId, check_revision};
use parasol_core::{Error, ErrorKind, Result};
use std::fmt;
use std::path::PathBuf;

/// A model as it was asked for, not yet looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRef {
    /// A name or alias of the catalogue (or a bare file name; the catalogue is asked first).
    Name(String),
    /// A GGUF file, a Hugging Face folder or a file in one, used where it lies.
    Path(PathBuf),
    /// `hf:owner/repo[@revision][:file-or-quantisation]`.
    Hf(HfRef),
}

/// A repository, and what of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HfRef {
    /// Owner and repository.
    pub repo: RepoId,
    /// Branch, tag or commit; `main` when not given.
    pub revision: Option<String>,
    /// What of the repository.
    pub pick: Pick,
}

/// Which model of a repository is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// Parasol chooses: a GGUF in the preferred quantisation, or the safetensors.
    Any,
    /// The GGUF in this quantisation, for example `Q4_K_M` (any case).
    Quant(String),
    /// This file.
    File(String),
}

impl ModelRef {
    /// Reads a reference. Never touches the disk or the network.
    ///
    /// # Errors
    /// `InvalidRequest` when it can be no reference at all.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("hf:") {
            return parse_hf(text, rest).map(ModelRef::Hf);
        }
        if text.starts_with("https://") || text.starts_with("http://") || text.starts_with("pip:") {
            return Err(invalid(format!(
                "{text:?} is an address, not a model: put it into a catalogue file (with its size and SHA-256) and \
                 pull that entry by name"
            )));
        }
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(invalid(format!(
                "{text:?} names no model: write a catalogue name, a path or hf:owner/repo"
            )));
        }
        let lower = text.to_ascii_lowercase();
        let is_path = text.starts_with(['.', '~', '/'])
            || text.contains(['/', '\\'])
            || lower.ends_with(".gguf")
            || lower.ends_with(".safetensors");
        Ok(if is_path { ModelRef::Path(expand_home(text)) } else { ModelRef::Name(text.into()) })
    }
}

/// `~/x` when no shell has expanded it (an environment variable, a settings file).
fn expand_home(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), etcetera::home_dir()) {
        (Some(rest), Ok(home)) => home.join(rest),
        _ => PathBuf::from(text),
    }
}

/// `owner/repo[@revision][:pick]`.
fn parse_hf(text: &str, rest: &str) -> Result<HfRef> {
    let (path, pick) = match rest.split_once(':') {
        Some((path, pick)) => (path, Some(pick)),
        None => (rest, None),
    };
    let (path, revision) = match path.split_once('@') {
        Some((path, revision)) => (path, Some(revision)),
        None => (path, None),
    };
    let Some((owner, name)) = path.split_once('/') else {
        return Err(invalid(format!(
            "{text:?} names no repository: write hf:owner/repo[@revision][:file or quantisation]"
        )));
    };
    if let Some(revision) = revision {
        check_revision(revision)?;
    }
    let pick = match pick {
        None => Pick::Any,
        Some(file) if is_file(file) && is_plain_path(file) => Pick::File(file.into()),
        Some(quant) if !is_file(quant) && is_plain_name(quant) => Pick::Quant(quant.into()),
        Some(other) => {
            return Err(invalid(format!(
                "{other:?} is neither a file of the repository nor a quantisation such as Q4_K_M"
            )));
        }
    };
    Ok(HfRef { repo: RepoId::new(owner, name)?, revision: revision.map(str::to_owned), pick })
}

fn is_file(pick: &str) -> bool {
    let lower = pick.to_ascii_lowercase();
    lower.contains('/') || lower.ends_with(".gguf") || lower.ends_with(".safetensors")
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

impl HfRef {
    /// The revision to ask for.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }
}

impl fmt::Display for HfRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}", self.repo)?;
        if let Some(revision) = &self.revision {
            write!(f, "@{revision}")?;
        }
        match &self.pick {
            Pick::Any => Ok(()),
            Pick::Quant(what) | Pick::File(what) => write!(f, ":{what}"),
        }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelRef::Name(name) => f.write_str(name),
            ModelRef::Path(path) => write!(f, "{}", path.display()),
            ModelRef::Hf(hf) => hf.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_way_of_naming_a_model_is_told_apart() {
        assert_eq!(ModelRef::parse("smollm2:135m").unwrap(), ModelRef::Name("smollm2:135m".into()));
        for path in ["./x", "x.gguf", "a/b", "/m/model.safetensors", "C:\\m"] {
            assert_eq!(ModelRef::parse(path).unwrap(), ModelRef::Path(path.into()));
        }
        let picks = [
            ("hf:o/r", Pick::Any),
            ("hf:o/r:q4_k_m", Pick::Quant("q4_k_m".into())),
            ("hf:o/r@v1:dir/a.gguf", Pick::File("dir/a.gguf".into())),
        ];
        for (text, pick) in picks {
            let ModelRef::Hf(hf) = ModelRef::parse(text).unwrap() else { panic!("{text}") };
            assert_eq!(hf.pick, pick);
            assert_eq!(hf.to_string(), text);
        }
    }

    #[test]
    fn references_that_could_reach_elsewhere_are_refused() {
        for text in [
            "",
            "hf:",
            "hf:o",
            "hf:o/..",
            "hf:o/r:../x.gguf",
            "hf:o/r/x",
            "hf:o/r@..",
            "https://x/y.gguf",
            "a\nb",
            "hf:o/r:",
        ] {
            assert!(ModelRef::parse(text).is_err(), "{text:?}");
        }
    }
}
