//! Where things lie and whom to ask: the one place that reads environment variables and platform folders.

use etcetera::BaseStrategy;
use parasol_core::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// How pip is called where nobody says how, in the order tried; words separated by spaces.
pub const PIP_COMMANDS: [&str; 4] = ["pip", "pip3", "python3 -m pip", "python -m pip"];

/// The same of npm, which is a script on Windows.
pub const NPM_COMMANDS: [&str; 1] = [if cfg!(windows) { "npm.cmd" } else { "npm" }];

/// Everything that the hub takes from its surroundings. [`Settings::from_env`] reads it; tests and embedders fill it in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store's root: `PARASOL_HOME`, else `parasol` in the platform's data folder (`~/.local/share` on Linux).
    pub home: PathBuf,
    /// Catalogue files of the user's, in order: `models.d/*.toml` in the platform's configuration folder, then
    /// those that `PARASOL_CATALOGUE` lists (separated as in `PATH`).
    pub catalogues: Vec<PathBuf>,
    /// The Hugging Face hub or a mirror of it: `HF_ENDPOINT`.
    pub hf_endpoint: String,
    /// Sent to the hub for gated repositories: `HF_TOKEN`, else what `hf auth login` wrote to `HF_TOKEN_PATH`, else to
    /// `HF_HOME/token`, else to `~/.cache/huggingface/token`.
    pub hf_token: Option<String>,
    /// An existing Hugging Face cache, whose files are used where they lie: `HF_HUB_CACHE`, else `HF_HOME/hub`,
    /// else `~/.cache/huggingface/hub`.
    pub hf_cache: Option<PathBuf>,
    /// The command that runs pip, words separated by spaces: `PARASOL_PIP`. Without it [`PIP_COMMANDS`] are tried.
    pub pip: Option<String>,
    /// The command that runs npm, in the same way: `PARASOL_NPM`. Without it [`NPM_COMMANDS`] are tried.
    pub npm: Option<String>,
    /// Where programs are looked for: `PATH`.
    pub path: Option<std::ffi::OsString>,
}

impl Settings {
    /// The commands by which pip may be called, in the order to try: the user's own, or the usual ones.
    pub fn pip_commands(&self) -> Vec<&str> {
        self.pip.as_deref().map_or(PIP_COMMANDS.to_vec(), |own| vec![own])
    }

    /// The commands by which npm may be called, in the order to try.
    pub fn npm_commands(&self) -> Vec<&str> {
        self.npm.as_deref().map_or(NPM_COMMANDS.to_vec(), |own| vec![own])
    }

    /// Reads the environment.
    ///
    /// # Errors
    /// `NotFound` when there is neither `PARASOL_HOME` nor a home directory; what goes wrong reading `models.d`.
    pub fn from_env() -> Result<Self> {
        let platform = etcetera::choose_base_strategy().ok();
        let home = match (var_path("PARASOL_HOME"), &platform) {
            (Some(home), _) => home,
            (None, Some(platform)) => platform.data_dir().join("parasol"),
            (None, None) => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    "this user has no home directory to keep models in: set PARASOL_HOME to a folder",
                ));
            }
        };
        let mut catalogues = Vec::new();
        if let Some(platform) = &platform {
            catalogues = toml_files(&platform.config_dir().join("parasol").join("models.d"))?;
        }
        if let Some(list) = std::env::var_os("PARASOL_CATALOGUE") {
            catalogues.extend(std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()));
        }
        let hf_home = var_path("HF_HOME")
            .or_else(|| platform.as_ref().map(|platform| platform.cache_dir().join("huggingface")));
        let in_hf_home = |name: &str| hf_home.as_ref().map(|home| home.join(name));
        let token_path = var_path("HF_TOKEN_PATH").or_else(|| in_hf_home("token"));
        let hf_token = var("HF_TOKEN").or_else(|| stored_token(&token_path?));
        let hf_cache = var_path("HF_HUB_CACHE").or_else(|| in_hf_home("hub"));
        Ok(Self {
            home,
            catalogues,
            hf_endpoint: var("HF_ENDPOINT").unwrap_or_else(|| DEFAULT_ENDPOINT.into()),
            hf_token,
            hf_cache,
            pip: var("PARASOL_PIP"),
            npm: var("PARASOL_NPM"),
            path: std::env::var_os("PATH"),
        })
    }

    /// Settings for a store at `home` that knows nothing of this machine: no user catalogue, no cache, no token.
    pub fn at(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            catalogues: Vec::new(),
            hf_endpoint: DEFAULT_ENDPOINT.into(),
            hf_token: None,
            hf_cache: None,
            pip: None,
            npm: None,
            path: std::env::var_os("PATH"),
        }
    }
}

/// The public hub, as the clients of the Hugging Face hub know it.
const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// The token in a file, when there is one in one line: it becomes a header.
fn stored_token(path: &Path) -> Option<String> {
    let token = String::from_utf8(crate::files::read_small(path, 4096).ok()?).ok()?;
    let token = token.trim();
    (!token.is_empty() && token.chars().all(|c| c.is_ascii_graphic())).then(|| token.to_owned())
}

fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn var_path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The `*.toml` files of a folder by name; none when there is no such folder.
fn toml_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::from(e).within(format!("cannot read {}", folder.display()))),
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("toml")))
        .collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_stored_token_is_one_word() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        assert_eq!(stored_token(&path), None);
        std::fs::write(&path, "hf_abc\n").unwrap();
        assert_eq!(stored_token(&path).as_deref(), Some("hf_abc"));
        for bad in ["", "\n", "two words", "a\r\nX: y", "\u{e9}"] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(stored_token(&path), None, "{bad:?}");
        }
    }

    #[test]
    fn only_toml_files_are_catalogues_and_a_missing_folder_is_none() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.toml", "a.toml", "notes.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> = toml_files(dir.path()).unwrap();
        assert_eq!(names, [dir.path().join("a.toml"), dir.path().join("b.toml")]);
        assert!(toml_files(&dir.path().join("none")).unwrap().is_empty());
    }
}
