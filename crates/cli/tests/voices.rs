//! `voices`: what is kept, what is asked before, and what is said about sounds.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, fails, works};
use parasol_runtime::mark::Marker;
use parasol_runtime::sound::wav;
use serde_json::Value;

const RATE: u32 = 16_000;

/// Noise whose loudness wanders, as speech's does.
fn noise(seconds: usize) -> Vec<f32> {
    let (mut state, mut level) = (1u64, 0.1f32);
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let mut sample = |n: usize| {
        if n.is_multiple_of(800) {
            level = (level * (1.0 + next())).clamp(0.02, 0.5);
        }
        level * next()
    };
    (0..seconds * RATE as usize).map(&mut sample).collect()
}

fn file(home: &Home, name: &str, samples: &[f32]) -> String {
    let path = home.path(name);
    std::fs::write(&path, wav::encode(RATE, samples)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_voice_needs_consent_and_is_kept_listed_and_removed() {
    let home = Home::new();
    let path = file(&home, "anna.wav", &noise(4));
    let done = home.run(&["voices", "add", "anna", &path]);
    fails(&done, 7, &["--consent", "permission of the person who speaks"]);
    assert!(works(&home.run(&["voices", "list", "--json"])).contains("[]"));
    let done = home.run(&["voices", "add", "anna", &path, "--consent", "--transcript", "Hi.", "--json"]);
    let added: Value = serde_json::from_str(works(&done)).unwrap();
    assert_eq!((added["name"].as_str(), added["consent"]["way"].as_str()), (Some("anna"), Some("--consent")));
    assert_eq!(added["consent"]["sha256"].as_str().unwrap().len(), 64);
    let done = home.run(&["voices"]);
    assert!(works(&done).contains("anna") && done.out.contains("this machine"), "{done:?}");
    fails(&home.run(&["voices", "add", "Anna", &path, "--consent"]), 2, &["already"]);
    let short = file(&home, "short.wav", &noise(1));
    fails(&home.run(&["voices", "add", "ben", &short, "--consent"]), 2, &["lasts 1.0 s", "2 to 60 s"]);
    fails(&home.run(&["voices", "add", "ben", "/no/such.wav", "--consent"]), 3, &["/no/such.wav"]);
    works(&home.run(&["voices", "rm", "anna"]));
    fails(&home.run(&["voices", "rm", "anna"]), 3, &["anna"]);
}

#[test]
fn a_mark_is_told_and_what_is_no_sound_is_refused() {
    let home = Home::new();
    let plain = noise(6);
    let mut marker = Marker::new(RATE);
    let mut marked = marker.push(&plain);
    marked.extend(marker.finish());
    let (plain, marked) = (file(&home, "plain.wav", &plain), file(&home, "marked.wav", &marked));
    let done = home.run(&["voices", "check", &plain, &marked]);
    let lines: Vec<_> = works(&done).lines().collect();
    assert!(lines[0].contains("no mark") && lines[1].contains("marked.wav: marked"), "{lines:?}");
    let done = home.run_with(&["voices", "check", "-", "--json"], &std::fs::read(&marked).unwrap());
    let told: Value = serde_json::from_str(works(&done)).unwrap();
    assert_eq!(told["files"][0]["marked"], true);
    assert!(told["files"][0]["chance_log10"].as_f64().unwrap() < -8.0, "{told}");
    let text = home.path("text.wav");
    std::fs::write(&text, "no sound").unwrap();
    assert_ne!(home.run(&["voices", "check", text.to_str().unwrap()]).code, Some(0));
}

#[cfg(unix)]
#[test]
fn a_terminal_is_asked_and_a_no_adds_nothing() {
    let home = Home::new();
    let path = file(&home, "anna.wav", &noise(4));
    for (answer, is_kept) in [("n", false), ("", false), ("y", true)] {
        let mut command = home.parasol(&["voices", "add", "anna", &path]);
        command.env("TERM", "dumb").stdin(std::process::Stdio::inherit());
        let mut session = rexpect::session::spawn_command(command, Some(20_000)).unwrap();
        session.exp_string("Do you state this?").unwrap();
        session.send_line(answer).unwrap();
        session.exp_eof().unwrap();
        let listed = home.run(&["voices", "list", "--json"]);
        assert_eq!(works(&listed).contains("\"terminal\""), is_kept, "{answer:?}: {listed:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_kill_at_any_moment_leaves_whole_voices() {
    use common::{signal, wait};
    use std::time::Duration;
    let home = Home::new();
    let path = file(&home, "anna.wav", &noise(4));
    for i in 0..30_u64 {
        let name = format!("anna-{i}");
        let mut command = home.parasol(&["voices", "add", &name, &path, "--consent", "-q"]);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(i * 700));
        signal(child.id(), "KILL");
        wait(&mut child);
    }
    works(&home.run(&["voices", "add", "last", &path, "--consent"]));
    let listed: Value = serde_json::from_str(works(&home.run(&["voices", "list", "--json"]))).unwrap();
    let listed = listed["voices"].as_array().unwrap();
    assert!(listed.iter().any(|voice| voice["name"] == "last"));
    let mut folders = 0;
    for entry in std::fs::read_dir(home.path("store/voices")).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            folders += 1;
            assert!(
                entry.join("card.json").is_file()
                    && entry.join("sound.wav").metadata().unwrap().len() > 100_000
            );
        }
    }
    assert_eq!(folders, listed.len());
}
