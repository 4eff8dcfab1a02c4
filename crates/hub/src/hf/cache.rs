//! An existing Hugging Face cache (as `huggingface_hub` lays it out): `models--OWNER--REPO/snapshots/COMMIT/…`, with
//! `refs/BRANCH` naming the commit. Only read; files are used where they lie.

use crate::files::read_small;
use crate::hf::choose::{Choice, choose, with_parts};
use crate::names::is_plain_name;
use crate::reference::{HfRef, Pick};
use crate::source::RepoId;
use std::path::{Path, PathBuf};

/// Most files looked at in one snapshot.
const MOST: usize = 10_000;

/// The model that `hf` asks for, when the cache holds all of it.
pub(crate) fn find(cache: &Path, hf: &HfRef) -> Option<PathBuf> {
    let snapshot = snapshot(cache, &hf.repo, hf.revision())?;
    let mut files = Vec::new();
    collect(&snapshot, "", &mut files, 4);
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    // Whatever does not fit here (a partial snapshot) is the hub's to explain.
    match choose(&hf.repo.to_string(), &names, &hf.pick).ok()? {
        Choice::Gguf(files) => Some(snapshot.join(files.first()?)),
        Choice::Folder(_) => Some(snapshot),
    }
}

/// One file of a repository, when the cache holds it.
pub(crate) fn find_file(cache: &Path, repo: &RepoId, file: &str, revision: &str) -> Option<PathBuf> {
    let path = snapshot(cache, repo, revision)?.join(file);
    path.is_file().then_some(path)
}

/// The folder of the snapshot that a revision names.
fn snapshot(cache: &Path, repo: &RepoId, revision: &str) -> Option<PathBuf> {
    let root = cache.join(format!("models--{}--{}", repo.owner, repo.name));
    let commit = match read_small(&root.join("refs").join(revision), 200) {
        Ok(commit) => String::from_utf8(commit).ok()?.trim().to_owned(),
        Err(_) => revision.to_owned(),
    };
    let folder = is_plain_name(&commit).then(|| root.join("snapshots").join(commit))?;
    folder.is_dir().then_some(folder)
}

/// Relative paths of the files below `folder`. The entries are links into the cache's blobs; a dangling one (an
/// interrupted download) is no file.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>, depth: usize) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !is_plain_name(&name) || files.len() >= MOST {
            continue;
        }
        let relative = format!("{prefix}{name}");
        match std::fs::metadata(entry.path()) {
            Ok(meta) if meta.is_file() => files.push(relative),
            Ok(meta) if meta.is_dir() && depth > 0 => {
                collect(&entry.path(), &format!("{relative}/"), files, depth - 1);
            }
            _ => {}
        }
    }
}

/// What of `files` (paths of installed GGUF models, the first part of a split one) `pick` asks for: the rule that chooses on
/// the hub chooses here too.
pub(crate) fn choose_installed<'a>(repo: &RepoId, files: &[&'a str], pick: &Pick) -> Option<&'a str> {
    let all: Vec<String> = files.iter().flat_map(|file| with_parts(file)).collect();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    match choose(&repo.to_string(), &names, pick).ok()? {
        Choice::Gguf(parts) => {
            files.iter().copied().find(|file| parts.first().is_some_and(|first| first == file))
        }
        Choice::Folder(_) => None,
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::reference::ModelRef;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn reference(text: &str) -> HfRef {
        match ModelRef::parse(text).unwrap() {
            ModelRef::Hf(hf) => hf,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cached_model_is_found_where_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("models--o--r");
        let snapshot = root.join("snapshots").join("c0ffee");
        for folder in [&snapshot, &root.join("refs"), &root.join("blobs")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(root.join("refs/main"), "c0ffee").unwrap();
        fs::write(root.join("blobs/1234"), "GGUF").unwrap();
        symlink("../../blobs/1234", snapshot.join("m-Q8_0.gguf")).unwrap();
        symlink("../../blobs/gone", snapshot.join("m-Q4_0.gguf")).unwrap();
        let found = Some(snapshot.join("m-Q8_0.gguf"));
        assert_eq!(find(dir.path(), &reference("hf:o/r")), found);
        assert_eq!(find(dir.path(), &reference("hf:o/r@c0ffee:q8_0")), found);
        assert_eq!(find(dir.path(), &reference("hf:o/r:q4_0")), None);
        assert_eq!(find(dir.path(), &reference("hf:o/r@other")), None);
        assert_eq!(find(dir.path(), &reference("hf:o/x")), None);
        let repo = RepoId::new("o", "r").unwrap();
        assert_eq!(find_file(dir.path(), &repo, "m-Q8_0.gguf", "main"), found);
        fs::write(root.join("refs/main"), "../../../etc").unwrap();
        assert_eq!(find(dir.path(), &reference("hf:o/r")), None);
    }
}
