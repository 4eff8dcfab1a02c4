//! What a request may call a model. Names come from anybody: whatever could reach a file that is not a model of the store
//! is refused before the disk is looked at.

use super::options::Policy;
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::ModelRef;

/// Longer names belong to no model: the longest is a repository with a revision and a file in it.
const LONGEST: usize = 512;

/// Checks a name as it came.
///
/// # Errors
/// `InvalidRequest` that says what is wrong with it.
pub(super) fn check(name: &str, paths: Policy) -> Result<&str> {
    if name.len() > LONGEST {
        return Err(invalid(format!(
            "the model's name has {} bytes: names have at most {LONGEST}",
            name.len()
        )));
    }
    if name.trim().is_empty() {
        return Err(invalid("no model is named: give the name of one".to_owned()));
    }
    if name.chars().any(char::is_control) {
        return Err(invalid(format!("the model's name {name:?} holds control characters")));
    }
    let name = name.trim();
    if paths == Policy::Refused && is_outside(bare(name)) {
        return Err(invalid(format!(
            "{name:?} is a path, and a request may only name models: pull it or give it a name in a catalogue file"
        )));
    }
    Ok(name)
}

/// Whether a name is or could become a path. Repositories (`hf:`) have a syntax of their own, which allows no step up.
fn is_outside(name: &str) -> bool {
    match name.strip_prefix("hf:") {
        Some(rest) => rest.split(['/', '\\', ':', '@']).any(|part| part == ".."),
        None => name.contains(['/', '\\']) || matches!(ModelRef::parse(name), Ok(ModelRef::Path(_))),
    }
}

/// The same names without what dialects add: Gemini writes `models/NAME`, Ollama `NAME:latest`.
pub(super) fn bare(name: &str) -> &str {
    let name = name.strip_prefix("models/").unwrap_or(name);
    match name.strip_suffix(":latest") {
        // A repository's file of that name is meant as it stands.
        Some(rest) if !name.starts_with("hf:") => rest,
        _ => name,
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_could_reach_a_file_is_refused() {
        let huge = "x".repeat(LONGEST + 1);
        let bad = [
            "",
            " ",
            "..",
            "../x",
            "/etc/passwd",
            "a/../b",
            "models/../x",
            "models//etc/passwd",
            "~/x",
            "./x",
            "x.gguf",
            "x\\y",
            "C:\\x",
            "a\0b",
            "a\nb",
            "hf:a/..",
            "hf:a/b:../c.gguf",
            "models/models/x",
            &huge,
        ];
        for name in bad {
            let error = check(name, Policy::Refused).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::InvalidRequest, "{name:?}");
            assert!(error.message().len() < 800, "{name:?}");
        }
        for name in ["smollm2", "smollm2:135m", "models/smollm2", "smollm2:latest", "hf:o/r:Q4_K_M", " a "] {
            check(name, Policy::Refused).unwrap();
        }
        check("/models/x.gguf", Policy::Allowed).unwrap();
    }

    #[test]
    fn dialects_dress_names() {
        for name in ["smollm2", "models/smollm2", "smollm2:latest", "models/smollm2:latest"] {
            assert_eq!(bare(name), "smollm2");
        }
        assert_eq!(bare("smollm2:135m"), "smollm2:135m");
    }
}
