//! Where a prompt comes from, and what is no prompt. Nothing here reaches a model.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, fails};
use std::time::Duration;

#[test]
fn a_prompt_must_be_there() {
    let home = Home::new();
    fails(&home.run(&["run"]), 2, &["there is no prompt"]);
    fails(&home.run(&["run", "smollm2"]), 2, &["there is no prompt"]);
    fails(&home.run_with(&["run", "  "], b"\n\n"), 2, &["there is no prompt"]);
}

#[test]
fn nul_and_invalid_utf8_on_stdin_are_told_with_their_place() {
    let home = Home::new();
    fails(&home.run_with(&["run"], b"abc\0def"), 2, &["stdin", "NUL", "offset 3"]);
    fails(&home.run_with(&["run", "sum up"], b"abc\xff\xfe"), 2, &["stdin", "UTF-8", "offset 3"]);
    fails(&home.run_with(&["run"], b"cut off: \xf0\x9f\x8c"), 2, &["UTF-8", "offset 9"]);
}

#[test]
fn files_must_be_there_and_be_text() {
    let home = Home::new();
    let path = home.path("data.bin");
    std::fs::write(&path, b"\x7fELF\0\0").unwrap();
    fails(&home.run(&["run", "--file", path.to_str().unwrap(), "hi"]), 2, &["data.bin", "NUL", "offset 4"]);
    fails(&home.run(&["run", "--file", "nowhere.txt", "hi"]), 3, &["nowhere.txt"]);
    let folder = home.dir.path().to_str().unwrap();
    assert_eq!(home.run(&["run", "--file", folder, "hi"]).code, Some(11));
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_no_utf8_is_a_usage_error() {
    use std::os::unix::ffi::OsStrExt;
    let home = Home::new();
    let mut command = home.parasol(&["run"]);
    command.arg(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    fails(&common::finish(command, None), 2, &["UTF-8"]);
}

#[cfg(unix)]
#[test]
fn an_endless_stdin_is_not_read_to_its_end() {
    let home = Home::new();
    let mut command = home.parasol(&["run"]);
    let mut yes = std::process::Command::new("yes").stdout(std::process::Stdio::piped()).spawn().unwrap();
    command.stdin(yes.stdout.take().unwrap());
    let done = common::finish(command, None);
    yes.wait().unwrap();
    fails(&done, 2, &["stdin is longer than"]);
    assert!(done.time < Duration::from_secs(10), "{done:?}");
}

#[test]
fn a_first_argument_that_is_no_model_is_told_with_the_likely_cause() {
    let home = Home::new();
    fails(&home.run(&["run", "Write", "haiku"]), 3, &["\"Write\"", "works too. If", "in quotes"]);
    fails(&home.run(&["run", "smolm2", "hi"]), 3, &["did you mean smollm2"]);
    fails(&home.run(&["run", "./nowhere.gguf", "hi"]), 3, &["nowhere.gguf"]);
    fails(&home.run(&["run", "-m", "hf:nobody", "hi"]), 2, &["hf:owner/repo"]);
}

#[test]
fn logprobs_need_json() {
    fails(&Home::new().run(&["run", "--logprobs", "2", "hi"]), 2, &["--json"]);
}
