//! Calls npm. The packages land in `web/node_modules`, which git ignores; nothing else is written into the source tree.

use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How npm is called.
const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// Where npm would appear if somebody installed it, out of a path to programs: the folders that are there and hold none. Empty when
/// npm is there already: then another thing stood in its way.
pub(crate) fn awaited(path: &OsStr) -> Vec<PathBuf> {
    let folders: Vec<PathBuf> =
        std::env::split_paths(path).filter(|folder| folder.is_absolute() && folder.is_dir()).collect();
    match folders.iter().any(|folder| folder.join(NPM).exists()) {
        true => Vec::new(),
        false => folders,
    }
}

/// Installs exactly what the lock file names, unless that is there already.
pub(crate) fn install(web: &Path) -> Result<(), String> {
    if is_installed(web) {
        return Ok(());
    }
    run(web, &["ci", "--no-audit", "--no-fund", "--loglevel=error"])
}

/// Builds the page into `to`.
pub(crate) fn build(web: &Path, to: &Path) -> Result<(), String> {
    let to = to.to_str().ok_or("the path of the build has no UTF-8 name")?;
    run(web, &["run", "build", "--", "--outDir", to, "--emptyOutDir", "--logLevel", "error"])
}

fn run(web: &Path, arguments: &[&str]) -> Result<(), String> {
    let what = format!("npm {}", arguments.iter().take(2).copied().collect::<Vec<_>>().join(" "));
    let mut command = Command::new(NPM);
    command.args(arguments).current_dir(web).stdin(Stdio::null());
    let output = command.output().map_err(|e| format!("{what} cannot be run ({e})"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    // A warning is one line: the first that speaks of an error, else the first.
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| line.to_lowercase().contains("error")).or_else(|| lines().next());
    Err(format!("{what} failed ({}): {}", output.status, line.unwrap_or("it does not say why")))
}

/// Whether every package that the lock file wants is installed in its version. npm notes what it has installed in a file of the
/// same shape.
fn is_installed(web: &Path) -> bool {
    let read =
        |path: &str| -> Option<Value> { serde_json::from_slice(&std::fs::read(web.join(path)).ok()?).ok() };
    let (Some(wanted), Some(there)) = (read("package-lock.json"), read("node_modules/.package-lock.json"))
    else {
        return false;
    };
    let Some(wanted) = wanted["packages"].as_object() else { return false };
    let right = |(path, package): (&String, &Value)| {
        let have = &there["packages"][path.as_str()];
        // What other platforms need is left out here.
        (have.is_null() && package["optional"] == true) || have["version"] == package["version"]
    };
    wanted.iter().filter(|(path, _)| !path.is_empty()).all(right)
}
