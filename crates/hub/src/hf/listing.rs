//! The hub's answer about a repository, read as what it is: a stranger's JSON.

use crate::names::is_plain_path;
use parasol_core::{Error, ErrorKind, Result};
use serde::Deserialize;

/// A listing larger than this is refused before it is parsed.
pub(crate) const LARGEST: usize = 16 << 20;

/// What a repository holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Its licence as its card states it.
    pub(crate) licence: Option<String>,
    pub(crate) files: Vec<Remote>,
}

/// One file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Path inside the repository: plain names only.
    pub(crate) path: String,
    pub(crate) size: Option<u64>,
    /// Known for files that the hub keeps as large files.
    pub(crate) sha256: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    siblings: Vec<RawFile>,
    #[serde(default, rename = "cardData")]
    card: Option<serde_json::Value>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct RawFile {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<RawLarge>,
}

#[derive(Deserialize)]
struct RawLarge {
    sha256: Option<String>,
    size: Option<u64>,
}

/// Reads a listing. Files whose names could not be stored as they are (`..`, hidden files, odd characters) are left out: no
/// model needs them.
///
/// # Errors
/// `Corrupt` when it is no listing.
pub(crate) fn parse(body: &[u8], repo: &str) -> Result<Listing> {
    let raw: Raw = serde_json::from_slice(body).map_err(|e| {
        Error::new(ErrorKind::Corrupt, format!("the hub's answer about {repo} is no listing of files: {e}"))
    })?;
    let files = raw
        .siblings
        .into_iter()
        .filter(|file| is_plain_path(&file.rfilename))
        .map(|file| {
            let digest = |s: &String| s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit());
            let (sha256, large) = file.lfs.map_or((None, None), |lfs| (lfs.sha256, lfs.size));
            Remote {
                path: file.rfilename,
                size: large.or(file.size),
                sha256: sha256.filter(digest).map(|s| s.to_ascii_lowercase()),
            }
        })
        .collect();
    let card = raw.card.as_ref().and_then(|card| card.get("license")).and_then(|l| l.as_str());
    let tag = raw.tags.iter().find_map(|tag| tag.strip_prefix("license:"));
    let licence = card.or(tag).map(|name| name.chars().filter(|c| !c.is_control()).take(100).collect());
    Ok(Listing { licence, files })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_listing_is_read() {
        let sha = "AB".repeat(32);
        let body = format!(
            r#"{{"sha":"x","cardData":{{"license":"mit"}},"siblings":[
            {{"rfilename":"config.json","size":12}},
            {{"rfilename":"m.gguf","size":130,"lfs":{{"sha256":"{sha}","size":1000,"pointerSize":130}}}}]}}"#
        );
        let listing = parse(body.as_bytes(), "o/r").unwrap();
        assert_eq!(listing.licence.as_deref(), Some("mit"));
        assert_eq!((listing.files[0].size, &listing.files[0].sha256), (Some(12), &None));
        assert_eq!(
            (listing.files[1].size, &listing.files[1].sha256),
            (Some(1000), &Some(sha.to_lowercase()))
        );
    }

    #[test]
    fn hostile_listings_are_errors_or_harmless() {
        let body = r#"{"siblings":[{"rfilename":"../../.bashrc"},{"rfilename":"/etc/passwd"},{"rfilename":"a\u0000b"},
            {"rfilename":"a/../b"},{"rfilename":".git/config"},{"rfilename":"ok.gguf","size":18446744073709551615,"lfs":{"sha256":"../"}}]}"#;
        let listing = parse(body.as_bytes(), "o/r").unwrap();
        assert_eq!(listing.files.len(), 1);
        assert_eq!(listing.files[0], Remote { path: "ok.gguf".into(), size: Some(u64::MAX), sha256: None });
        let deep = format!(r#"{{"cardData":{}"#, "[".repeat(1 << 20));
        for bad in [
            deep.as_str(),
            "",
            "[]x",
            "<html>",
            r#"{"siblings":[{"rfilename":7}]}"#,
            r#"{"siblings":[{"rfilename":"a","size":-1}]}"#,
        ] {
            assert_eq!(*parse(bad.as_bytes(), "o/r").unwrap_err().kind(), ErrorKind::Corrupt);
        }
        assert!(parse(b"{}", "o/r").unwrap().files.is_empty());
    }
}
