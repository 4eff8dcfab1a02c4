//! `run` and `bench` with a toy model: text, JSON, seeds, limits, pipes.

#![allow(clippy::unwrap_used)]

mod common;

use common::{ENDLESS, Home, fails, finish, works};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_text() {
    let home = Home::new();
    let toy = home.toy();
    let ask = |seed: &str| home.run(&["run", &toy, "hello", "-n", "20", "--seed", seed]);
    let (one, again, other) = (ask("1"), ask("1"), ask("2"));
    assert_eq!(works(&one), works(&again));
    assert_ne!(works(&one), works(&other));
    assert!(one.out.ends_with('\n') && one.err.is_empty(), "{one:?}");
}

#[test]
fn argument_and_stdin_and_environment_come_together() {
    let home = Home::new();
    let toy = home.toy();
    let greedy = ["-n", "8", "--temperature", "0", "--json"];
    let text = |done: &common::Done| json(works(done))["text"].as_str().unwrap().to_owned();
    let both = home.run_with(&[&["run", toy.as_str(), "one"], &greedy[..]].concat(), b"two\n");
    let joined = home.run(&[&["run", toy.as_str(), "one\n\ntwo"], &greedy[..]].concat());
    assert_eq!(text(&both), text(&joined));
    // From stdin alone the single argument is the model; from the environment there need be none.
    let piped = home.run_with(&[&["run", toy.as_str()], &greedy[..]].concat(), b"one\n\ntwo");
    assert_eq!(text(&piped), text(&joined));
    let mut command = home.parasol(&["run", "one\n\ntwo", "--json"]);
    command.env("PARASOL_MODEL", &toy).env("PARASOL_MAX_TOKENS", "8").env("PARASOL_TEMPERATURE", "0");
    // A variable set to nothing counts as not set.
    command.env("PARASOL_CONTEXT", "").env("PARASOL_QUIET", "").env("PARASOL_STATS", "1");
    let done = finish(command, None);
    assert_eq!(text(&done), text(&joined));
    assert!(done.err.contains("first token"), "{done:?}");
    let file = home.path("one.txt");
    std::fs::write(&file, "one\n\n").unwrap();
    let file = file.to_str().unwrap();
    let raw = home.run(&[&["run", toy.as_str(), "two", "--raw", "--file", file], &greedy[..]].concat());
    let same = home.run(&[&["run", toy.as_str(), "one\n\ntwo", "--raw"], &greedy[..]].concat());
    assert_eq!(text(&raw), text(&same));
}

#[test]
fn json_has_its_documented_shape() {
    let home = Home::new();
    let toy = home.toy();
    let args = ["run", &toy, "hello", "-n", "5", "--seed", "7", "--logprobs", "2", "--json"];
    let done = home.run(&[&args[..], &ENDLESS].concat());
    let answer = json(works(&done));
    assert_eq!(done.out.lines().count(), 1);
    assert_eq!((&answer["seed"], &answer["finish_reason"]), (&7.into(), &"length".into()));
    assert_eq!(answer["usage"]["generated_tokens"], 5);
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
    assert!(answer["timings"]["first_token_seconds"].as_f64().unwrap() > 0.0);
    let tokens = answer["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 5);
    assert!(tokens.iter().all(|t| t["logprobs"].as_array().unwrap().len() == 3));
    // The same again as events: one object a line.
    let done = home
        .run(&[&["run", &toy, "hello", "-n", "5", "--seed", "7", "--json=events"], &ENDLESS[..]].concat());
    let events: Vec<Value> = works(&done).lines().map(json).collect();
    let named = |name: &str| events.iter().filter(|e| e["event"] == name).cloned().collect::<Vec<_>>();
    assert_eq!((named("started").len(), named("finished").len()), (1, 1));
    let text: String = named("token").iter().map(|t| t["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(text, answer["text"].as_str().unwrap());
}

#[test]
fn stats_are_one_line_on_stderr() {
    let home = Home::new();
    let done = home.run(&["run", &home.toy(), "hello", "-n", "4", "--stats"]);
    works(&done);
    let line = done.err.trim_end();
    assert!(line.lines().count() == 1 && line.contains("first token") && line.contains("tok/s"), "{done:?}");
    assert!(!line.contains('\x1b'), "colours in a pipe: {done:?}");
}

#[test]
fn a_base_model_says_what_to_do() {
    let home = Home::new();
    let base = home.toy_base();
    fails(&home.run(&["run", &base, "hello"]), 10, &["--raw"]);
    works(&home.run(&["run", &base, "hello", "--raw", "-n", "4"]));
    fails(&home.run(&["run", &base, "def f(", "--suffix", "):", "-n", "4"]), 10, &[]);
}

#[test]
fn a_prompt_that_is_too_long_says_both_numbers_soon() {
    let home = Home::new();
    let base = home.toy_base();
    let done = home.run(&["run", &base, "--raw", &"hello ".repeat(300)]);
    fails(&done, 6, &["256", "--context"]);
    let done = home.run_with(
        &["run", &base, "--raw"],
        "words and more words, 10 MB of them. ".repeat(280_000).as_bytes(),
    );
    fails(&done, 6, &["256"]);
    assert!(done.time < Duration::from_secs(3), "{done:?}");
    fails(&home.run(&["run", &base, "--raw", "x", "--context", "257"]), 2, &["256"]);
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_early_ends_the_program_quietly() {
    use std::io::Read;
    let home = Home::new();
    let toy = home.toy();
    let mut child = home
        .parasol(&[&["run", &toy, "hello"], &ENDLESS[..]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0]).unwrap();
    drop(out);
    assert_eq!(common::wait(&mut child).code(), Some(0));
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(err, "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_stdout_has_its_own_code() {
    let home = Home::new();
    let mut command = home.parasol(&["list"]);
    command.stdout(std::fs::File::create("/dev/full").unwrap()).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(8), "{output:?}");
}

#[cfg(unix)]
#[test]
fn a_home_that_cannot_be_written_to_does_not_keep_a_file_from_running() {
    let home = Home::new();
    let toy = home.toy();
    // A file where the folder should be: this stops even a superuser, whom permissions do not.
    std::fs::write(home.path("store"), "").unwrap();
    works(&home.run(&["run", &toy, "hello", "-n", "3"]));
    works(&home.run_with(&["chat", &toy, "-n", "3"], b"hello\n"));
    let done = home.run(&["pull", "smollm2"]);
    assert!(done.code != Some(0) && done.err.contains("store"), "{done:?}");
}

#[test]
fn quantising_on_load_is_by_name() {
    let home = Home::new();
    let toy = home.toy();
    works(&home.run(&["run", &toy, "hello", "-n", "3", "--quantize", "q8_0"]));
    fails(&home.run(&["run", &toy, "hello", "--quantize", "q9"]), 2, &["q9", "q8_0"]);
}

#[test]
fn bench_reports_what_it_measured() {
    let home = Home::new();
    let toy = home.toy();
    let args = [
        "bench",
        &toy,
        "--prompt",
        "32",
        "--generate",
        "8",
        "--depth",
        "4",
        "--repeat",
        "2",
        "--threads",
        "1",
    ];
    let report = json(works(&home.run(&[&args[..], &["--json"]].concat())));
    for key in [
        "prompt_tokens_per_second",
        "generate_tokens_per_second",
        "read_bandwidth_gb_per_s",
        "int8_peak_gops",
    ] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key}: {report}");
    }
    for (key, value) in [("prompt", 32), ("generate", 8), ("depth", 4), ("threads", 1), ("repeat", 2)] {
        assert_eq!(report[key], value, "{key}");
    }
    assert!(
        report["bytes_per_token"].as_u64().unwrap() > 0 && report["load_seconds"].as_f64().unwrap() > 0.0
    );
    assert!(cfg!(not(target_os = "linux")) || report["peak_memory_bytes"].as_u64().unwrap() > 0);
    assert!(works(&home.run(&args)).contains("tokens/s"));
    fails(&home.run(&["bench", &toy, "--prompt", "0", "--generate", "0"]), 2, &["nothing to measure"]);
}
