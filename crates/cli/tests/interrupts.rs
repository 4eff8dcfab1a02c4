//! Ctrl-C and its kin, sent as signals: in `run`, in `chat`, and during a pull.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{ENDLESS, Home, signal, wait};
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn in_run_it_stops_the_answer_and_the_program() {
    let home = Home::new();
    let toy = home.toy();
    let mut command = home.parasol(&[&["run", &toy, "hello"], &ENDLESS[..]].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 8]).unwrap();
    let reader = std::thread::spawn(move || {
        let mut rest = Vec::new();
        out.read_to_end(&mut rest).unwrap();
        rest
    });
    let begun = Instant::now();
    signal(child.id(), "INT");
    assert_eq!(wait(&mut child).code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // What had been said is whole: the answer ends with a line break.
    assert_eq!(reader.join().unwrap().last(), Some(&b'\n'));
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn in_run_it_counts_even_when_the_reader_leaves_at_the_same_time() {
    let home = Home::new();
    let toy = home.toy();
    let mut command = home.parasol(&[&["run", &toy, "hello", "--json=events"], &ENDLESS[..]].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // Nobody reads: the program waits in the middle of a write when both come.
    std::thread::sleep(Duration::from_millis(1500));
    signal(child.id(), "INT");
    std::thread::sleep(Duration::from_millis(100));
    drop(child.stdout.take());
    assert_eq!(wait(&mut child).code(), Some(130));
}

#[test]
fn while_stdin_is_awaited_it_ends_the_program() {
    let home = Home::new();
    let mut child = home.parasol(&["run"]).stdin(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    signal(child.id(), "INT");
    assert_eq!(wait(&mut child).code(), Some(130));
}

#[test]
fn in_chat_it_stops_the_answer_and_not_the_program() {
    let home = Home::new();
    let toy = home.toy();
    let mut command = home.parasol(&[&["chat", &toy], &ENDLESS[..]].concat());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut out = child.stdout.take().unwrap();
    stdin.write_all(b"hello\n").unwrap();
    out.read_exact(&mut [0; 8]).unwrap();
    let reader = std::thread::spawn(move || {
        let mut rest = Vec::new();
        out.read_to_end(&mut rest).unwrap();
        String::from_utf8_lossy(&rest).into_owned()
    });
    signal(child.id(), "INT");
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "the chat has ended");
    stdin.write_all(b"/model\n/quit\n").unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
    assert!(reader.join().unwrap().ends_with("\ntoy\n"), "the chat did not go on");
}

#[test]
fn during_a_pull_it_leaves_nothing_half_written() {
    let home = Home::new();
    let mut command = home.parasol(&["pull", "slow"]);
    command.envs(home.endless_pull()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    signal(child.id(), "INT");
    assert_eq!(wait(&mut child).code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(err.contains("stopped") && !err.contains("panicked"), "{err}");
    assert!(!holds_gguf(&home.path("store")), "a half-written model was left");
    let mut command = home.parasol(&["list", "--json"]);
    command.envs(home.endless_pull());
    assert!(!common::works(&common::finish(command, None)).contains("\"here\":true"));
}

fn holds_gguf(folder: &std::path::Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|e| {
        let path = e.path();
        path.extension().is_some_and(|x| x == "gguf") || (path.is_dir() && holds_gguf(&path))
    })
}

#[test]
fn a_request_to_end_is_obeyed_in_a_chat() {
    let home = Home::new();
    let toy = home.toy();
    let mut child = home.parasol(&["chat", &toy]).stdin(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(child.id(), "TERM");
    assert_eq!(wait(&mut child).code(), Some(143));
}
