//! Builds the studio (the page in `web/`) with npm and packs it for embedding unless `PARASOL_STUDIO=off` forbids it. Where npm is
//! missing or fails, or where there is no `web/`, the server is built without it and its front page says how to add it.

#[path = "build/npm.rs"]
mod npm;
#[path = "build/pack.rs"]
mod pack;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the page is made of. `tests`, `node_modules` and `dist` are not.
const INPUTS: [&str; 7] = [
    "index.html",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
    "src",
];

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed=PARASOL_STUDIO");
    let (Some(own), Some(out)) = (std::env::var_os("CARGO_MANIFEST_DIR"), std::env::var_os("OUT_DIR")) else {
        println!("cargo::error=cargo says neither where this package lies nor where to build");
        return ExitCode::FAILURE;
    };
    let (own, out) = (PathBuf::from(own), PathBuf::from(out));
    println!("cargo::rerun-if-changed={}", own.join("build.rs").display());
    println!("cargo::rerun-if-changed={}", own.join("build").display());
    let built = match build(&own.join("../../web"), &out.join("studio")) {
        Ok(built) => built,
        Err(why) => {
            println!("cargo::warning=the studio is left out, the server works without it: {why}");
            try_again(&out);
            None
        }
    };
    match pack::pack(built.as_deref(), &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("cargo::error=the studio cannot be packed: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Has the next build of a user who did what the front page says try anew: once npm is installed, or whatever else it failed of may
/// have passed.
fn try_again(out: &Path) {
    println!("cargo::rerun-if-env-changed=PATH");
    let folders = npm::awaited(&std::env::var_os("PATH").unwrap_or_default());
    for folder in &folders {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    if folders.is_empty() {
        // What is never there counts as changed each time.
        println!("cargo::rerun-if-changed={}", out.join("never").display());
    }
}

/// Builds `web` into `to`; `None` when nobody wants it or there is nothing to build.
fn build(web: &Path, to: &Path) -> Result<Option<PathBuf>, String> {
    if std::env::var("PARASOL_STUDIO").is_ok_and(|v| v == "off") {
        return Ok(None);
    }
    if !web.join("package.json").exists() {
        // The packaged crate has no page beside it.
        println!("cargo::rerun-if-changed={}", web.join("package.json").display());
        return Ok(None);
    }
    for input in INPUTS {
        let path = web.join(input);
        if path.exists() {
            // Of a folder cargo watches every file.
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    npm::install(web)?;
    npm::build(web, to)?;
    Ok(Some(to.to_owned()))
}
