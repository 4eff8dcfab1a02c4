//! Building the studio where it cannot be built: the build script's own code, run where npm is not there or fails.

#![allow(clippy::unwrap_used)]

#[path = "../build/npm.rs"]
#[allow(unreachable_pub)]
mod npm;

use std::path::Path;
use std::process::Command;

/// Runs this test program's `name` again, with this path to programs.
fn again(name: &str, path: &Path) {
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new(own);
    let done = command
        .args(["--exact", name, "--nocapture"])
        .env("PATH", path)
        .env("STUDIO_BUILD", "1")
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

fn web() -> tempfile::TempDir {
    let web = tempfile::tempdir().unwrap();
    std::fs::write(
        web.path().join("package-lock.json"),
        r#"{"packages":{"node_modules/a":{"version":"1.0.0"}}}"#,
    )
    .unwrap();
    web
}

#[test]
fn without_npm_the_reason_is_one_line_and_no_failure() {
    if std::env::var_os("STUDIO_BUILD").is_none() {
        return again("without_npm_the_reason_is_one_line_and_no_failure", Path::new("/nonexistent"));
    }
    let web = web();
    for why in [npm::install(web.path()), npm::build(web.path(), web.path())] {
        let why = why.unwrap_err();
        assert!(why.starts_with("npm ") && why.contains("cannot be run") && !why.contains('\n'), "{why}");
    }
}

/// What the front page promises: after installing npm, building again adds the studio.
#[test]
fn an_npm_that_is_missing_is_waited_for_where_it_would_be_installed() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gone = first.path().join("gone");
    let folders = [first.path(), &gone, Path::new("relative"), second.path()];
    let path = std::env::join_paths(folders).unwrap();
    assert_eq!(npm::awaited(&path), [first.path(), second.path()]);
    std::fs::write(second.path().join(if cfg!(windows) { "npm.cmd" } else { "npm" }), "").unwrap();
    assert!(npm::awaited(&path).is_empty(), "it is there: something else is wrong");
}

#[cfg(unix)]
#[test]
fn an_npm_that_fails_is_told_by_its_first_error() {
    use std::os::unix::fs::PermissionsExt;
    if std::env::var_os("STUDIO_BUILD").is_none() {
        let bin = tempfile::tempdir().unwrap();
        let npm = bin.path().join("npm");
        std::fs::write(
            &npm,
            "#!/bin/sh\necho one\necho 'npm error code EBADENGINE' >&2\necho three >&2\nexit 3\n",
        )
        .unwrap();
        std::fs::set_permissions(&npm, std::fs::Permissions::from_mode(0o755)).unwrap();
        return again("an_npm_that_fails_is_told_by_its_first_error", bin.path());
    }
    let why = npm::install(web().path()).unwrap_err();
    assert!(why.contains("npm error code EBADENGINE") && why.contains("exit status: 3"), "{why}");
    assert!(!why.contains('\n'), "{why}");
}
