//! Packages through the user's own package client, which knows its index, mirrors, proxies and credentials. A package's code is never
//! run: its archive is fetched, and members are taken out.

use crate::cancel::Cancel;
use crate::files::{self, create_folder, failed};
use crate::settings::Settings;
use crate::source::{Package, PackageKind};
use parasol_core::{Error, ErrorKind, Result};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// As much of a client's report as is looked at.
const LOG: u64 = 1 << 20;

/// What came of calling one command.
enum Outcome {
    Fetched,
    /// The program is not there, or cannot work; why.
    Missing(&'static str),
    Failed(Error),
}

/// What is special about a package client.
pub(super) struct Client {
    pub(super) name: &'static str,
    /// The same with what it belongs to.
    pub(super) full_name: &'static str,
    /// Where it fetches from.
    pub(super) index: &'static str,
    /// What it fetches, and the ending of its name.
    pub(super) archive: &'static str,
    pub(super) ending: &'static str,
    /// What stands between a package's name and its version.
    pub(super) between: &'static str,
    /// Which commands may run it, and which one is the user's own.
    pub(super) commands: fn(&Settings) -> Vec<&str>,
    pub(super) own: fn(&Settings) -> Option<&str>,
    /// The environment variable that names the command, and how to get the client.
    pub(super) variable: &'static str,
    pub(super) install: &'static str,
    /// The words that fetch what is wanted into a folder, with whatever passes in another.
    pub(super) words: fn(wanted: &str, folder: &Path, temporary: &Path) -> Vec<OsString>,
    pub(super) marks: Marks,
}

/// Parts of a client's report that tell why it failed.
pub(super) struct Marks {
    /// It cannot work at all, and what to call that.
    pub(super) missing: &'static [&'static str],
    pub(super) missing_why: &'static str,
    pub(super) space: &'static [&'static str],
    pub(super) checksum: &'static [&'static str],
    pub(super) denied: &'static [&'static str],
    pub(super) network: &'static [&'static str],
    pub(super) unknown: &'static [&'static str],
    /// How lines begin that say what went wrong.
    pub(super) line: &'static str,
}

/// Who fetches such packages.
pub(super) fn client(kind: PackageKind) -> &'static Client {
    match kind {
        PackageKind::Pip => &super::pip::PIP,
        PackageKind::Npm => &super::npm::NPM,
    }
}

/// Fetches a package's archive into `folder` and returns its path. `progress` gets the bytes on disk so far.
///
/// # Errors
/// `NotFound` without the client or without the package, `Network`, `NoSpace`, `Cancelled` (the client has been stopped).
pub(super) fn fetch(
    settings: &Settings,
    package: Package<'_>,
    folder: &Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(u64),
) -> Result<PathBuf> {
    let client = client(package.kind);
    let wanted = format!("{}{}{}", package.name, client.between, package.version);
    let mut missing = Vec::new();
    for command in (client.commands)(settings) {
        // What an earlier, killed attempt left.
        let _ = std::fs::remove_dir_all(folder);
        create_folder(&folder.join("tmp"))?;
        let call = Call { client, settings, wanted: &wanted, folder, cancel };
        match call.run(command, progress)? {
            Outcome::Fetched => {
                let (name, archive) = (client.name, client.archive);
                return fetched(package, folder).ok_or_else(|| {
                    Error::new(
                        ErrorKind::NotFound,
                        format!("{name} ended well and left no {archive} of {wanted}"),
                    )
                });
            }
            Outcome::Missing(why) => missing.push(format!("{command}: {why}")),
            Outcome::Failed(error) => return Err(error),
        }
    }
    let what = format!(
        "{wanted} is fetched with {}, which was not found ({})",
        client.full_name,
        missing.join("; ")
    );
    let (variable, install) = (client.variable, client.install);
    let way_out = match (client.own)(settings) {
        Some(_) => format!("correct {variable}"),
        None => format!("{install}, or name the command in {variable}"),
    };
    Err(Error::new(ErrorKind::NotFound, format!("{what}: {way_out}")))
}

/// What one call of a client needs.
struct Call<'a> {
    client: &'static Client,
    settings: &'a Settings,
    wanted: &'a str,
    folder: &'a Path,
    cancel: &'a Cancel,
}

impl Call<'_> {
    /// Runs one command to its end.
    fn run(&self, command: &str, progress: &mut dyn FnMut(u64)) -> Result<Outcome> {
        // The path of a program may hold spaces itself.
        let whole = Path::new(command).is_file();
        let mut words = if whole { vec![command] } else { command.split_whitespace().collect() }.into_iter();
        let Some(program) = words.next() else { return Ok(Outcome::Missing("the command is empty")) };
        // A file and not a pipe: nothing blocks when a helper of the client's outlives it.
        let log_path = self.folder.join("client.log");
        let log = File::create(&log_path).map_err(|e| failed("create", &log_path, e))?;
        let temporary = self.folder.join("tmp");
        let mut client = Command::new(program);
        client
            .args(words)
            .args((self.client.words)(self.wanted, self.folder, &temporary))
            .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, temporary.as_os_str())))
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(path) = &self.settings.path {
            client.env("PATH", path);
        }
        let child = match client.spawn() {
            Ok(child) => child,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Outcome::Missing("no such program"));
            }
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                return Ok(Outcome::Missing("may not be run"));
            }
            Err(e) => return Err(Error::from(e).within(format!("cannot run {command}"))),
        };
        let status = self.wait(child, || progress(bytes_under(self.folder, 8)))?;
        let log = files::read_small(&log_path, LOG).unwrap_or_default();
        Ok(self.client.judge(status, &String::from_utf8_lossy(&log), self.wanted))
    }

    /// Waits for a child, looking at the cancel flag; a cancelled child is killed.
    fn wait(&self, mut child: Child, mut tick: impl FnMut()) -> Result<ExitStatus> {
        loop {
            let status = child
                .try_wait()
                .map_err(|e| Error::from(e).within(format!("cannot wait for {}", self.client.name)))?;
            if let Some(status) = status {
                // Ctrl-C reaches the client too, which then ends by itself: that is a cancellation and no failure.
                self.cancel.check()?;
                return Ok(status);
            }
            if let Err(cancelled) = self.cancel.check() {
                // It may have ended meanwhile; either way it is gone and reaped.
                let _ = child.kill();
                let _ = child.wait();
                return Err(cancelled);
            }
            tick();
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Client {
    /// What its exit status and report mean.
    fn judge(&self, status: ExitStatus, log: &str, wanted: &str) -> Outcome {
        if status.success() {
            return Outcome::Fetched;
        }
        let Self { name, index, archive, marks, .. } = self;
        let holds = |marks: &[&str]| marks.iter().any(|mark| log.contains(mark));
        if holds(marks.missing) {
            return Outcome::Missing(marks.missing_why);
        }
        // 127 and 126 are how a shell or a version manager's stand-in says that there is no such program.
        if matches!(status.code(), Some(126 | 127)) {
            return Outcome::Missing("it cannot be run");
        }
        let (kind, what) = if holds(marks.space) {
            let what = format!("no space is left on the disk while {name} fetches {wanted}: free some");
            (ErrorKind::NoSpace, what)
        } else if holds(marks.checksum) {
            (ErrorKind::Checksum, format!("the {index} serves other bytes for {wanted} than it announces"))
        } else if holds(marks.denied) {
            let what = format!("the {index} or a proxy refuses access to {wanted}: check {name}'s settings");
            (ErrorKind::Denied, what)
        } else if holds(marks.network) {
            let hint = format!(
                "is this machine connected to the network? ({name} config list shows the {index} in use)"
            );
            (ErrorKind::Network, format!("{name} cannot reach its {index} for {wanted}: {hint}"))
        } else if holds(marks.unknown) {
            (ErrorKind::NotFound, format!("the {index} that {name} uses has no {archive} of {wanted}"))
        } else {
            let last = self.last_words(log);
            (ErrorKind::Network, format!("{name} could not fetch {wanted} ({status}){last}"))
        };
        Outcome::Failed(Error::new(kind, what))
    }

    /// What becomes of a failure with this report; `None` where the client cannot work at all.
    #[cfg(all(test, unix))]
    pub(super) fn kind_of(&self, log: &str) -> Option<ErrorKind> {
        let failed = std::os::unix::process::ExitStatusExt::from_raw(1 << 8);
        match self.judge(failed, log, "p") {
            Outcome::Failed(error) => Some(error.kind().clone()),
            _ => None,
        }
    }

    /// The last line of its own report, for the cases that no mark fits.
    fn last_words(&self, log: &str) -> String {
        let line = log.lines().rev().map(str::trim).find(|line| line.starts_with(self.marks.line));
        let line = line.or_else(|| log.lines().rev().map(str::trim).find(|line| !line.is_empty()));
        line.map_or_else(String::new, |line| {
            let clean: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
            format!(" ({}: {clean})", self.name)
        })
    }
}

/// The archive of a package in `folder`, where an earlier call fetched it.
pub(super) fn fetched(package: Package<'_>, folder: &Path) -> Option<PathBuf> {
    let ending = client(package.kind).ending;
    let mut entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.find(|path| path.extension() == Some(OsStr::new(ending)))
}

/// Bytes of all files below `folder`.
fn bytes_under(folder: &Path, depth: usize) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().fold(0, |sum, entry| {
        let size = match entry.metadata() {
            Ok(meta) if meta.is_dir() && depth > 0 => bytes_under(&entry.path(), depth - 1),
            Ok(meta) if meta.is_file() => meta.len(),
            _ => 0,
        };
        sum.saturating_add(size)
    })
}
