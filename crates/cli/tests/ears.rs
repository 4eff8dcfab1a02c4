//! `transcribe` and `show` with the smallest speech model, which is pulled into the user's own store as a user would.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, fails, works};
use parasol_hub::{Cancel, Hub, Licence};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The folder of whisper-tiny.
fn tiny() -> String {
    let pulled =
        Hub::open().unwrap().pull("whisper-tiny", Licence::Refuse, &Cancel::new(), &mut |_| {}).unwrap();
    pulled.model.path().to_str().unwrap().to_owned()
}

fn speech() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/whisper/speech.flac")
}

#[test]
fn speech_becomes_text_in_every_format() {
    let (home, model, speech) = (Home::new(), tiny(), speech());
    let file = speech.to_str().unwrap();
    let hear = |more: &[&str]| home.run(&[&["transcribe", file, "--model", &model], more].concat());
    let text = hear(&[]);
    assert!(works(&text).to_lowercase().contains("sister"), "{text:?}");
    // From a pipe the same.
    let piped = home.run_with(&["transcribe", "-", "--model", &model], &std::fs::read(&speech).unwrap());
    assert_eq!(works(&piped), works(&text));
    let srt = hear(&["--format", "srt"]);
    assert!(works(&srt).starts_with("1\n00:00:0") && srt.out.contains(" --> "), "{srt:?}");
    let vtt = hear(&["--format", "vtt"]);
    assert!(works(&vtt).starts_with("WEBVTT\n\n00:0"), "{vtt:?}");
    let tsv = hear(&["--format", "tsv"]);
    assert!(works(&tsv).starts_with("start\tend\ttext\n"), "{tsv:?}");
    let whole = json(works(&hear(&["--format", "json", "--word-timestamps", "--language", "en"])));
    let words: Vec<&Value> =
        whole["segments"].as_array().unwrap().iter().flat_map(|s| s["words"].as_array().unwrap()).collect();
    assert!(words.len() > 30, "{whole}");
    let start = |word: &Value| word["start"].as_f64().unwrap();
    assert!(words.windows(2).all(|pair| start(pair[0]) <= start(pair[1])), "{words:?}");
    let lines = text.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(whole["text"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" "), lines);
}

#[test]
fn what_cannot_be_heard_is_said() {
    let (home, model) = (Home::new(), tiny());
    let empty = home.path("empty.wav");
    std::fs::write(&empty, b"").unwrap();
    let text = home.path("text.wav");
    std::fs::write(&text, "no sound at all ".repeat(100)).unwrap();
    let hear = |file: &Path| home.run(&["transcribe", file.to_str().unwrap(), "--model", &model]);
    fails(&hear(&empty), 5, &["empty.wav", "empty"]);
    fails(&hear(&text), 10, &["text.wav", "no sound"]);
    fails(&hear(Path::new("nowhere.mp3")), 3, &["nowhere.mp3"]);
    let speech = speech();
    let deaf = home.run(&["transcribe", speech.to_str().unwrap(), "--model", &home.toy()]);
    fails(&deaf, 10, &["whisper-base"]);
}

#[test]
fn a_speech_model_is_shown() {
    let (home, model) = (Home::new(), tiny());
    let shown = json(works(&home.run(&["show", &model, "--json"])));
    assert_eq!(
        (shown["architecture"].as_str(), shown["encoder_layers"].as_u64()),
        (Some("whisper"), Some(4))
    );
    // The catalogue says 37 760 256; this file has zeros for biases that keys do not have. What has two names counts once.
    assert_eq!(shown["parameters"], 37_760_256 + 12 * 384, "{shown}");
    assert!(shown["memory"]["total_bytes"].as_u64() > shown["bytes"].as_u64(), "{shown}");
    let text = home.run(&["show", &model]);
    assert!(works(&text).contains("4 encoder and 4 decoder layers"), "{text:?}");
    fails(&home.run(&["show", &model, "--template"]), 3, &["no chat template"]);
    // As a language model it is refused, and the way out is named.
    fails(&home.run(&["run", &model, "hello"]), 10, &["parasol transcribe"]);
}

/// 16-bit numbers at 16 kHz of the fixture.
fn numbers() -> Vec<u8> {
    let sound = parasol_runtime::sound::open(&speech()).unwrap();
    assert_eq!(sound.rate(), 16_000);
    let samples: Vec<f32> = sound.flat_map(Result::unwrap).collect();
    parasol_runtime::sound::wav::pcm(&samples)
}

#[test]
fn what_is_piped_in_is_written_down_line_by_line() {
    let (home, model) = (Home::new(), tiny());
    let listen = |more: &[&str], bytes: &[u8]| {
        home.run_with(&[&["listen", "-", "--model", &model, "--pause", "300"], more].concat(), bytes)
    };
    // Twice, with a second of silence between.
    let numbers = [numbers(), vec![0; 32_000], numbers()].concat();
    let text = listen(&["--raw", "16000"], &numbers);
    let lines: Vec<&str> = works(&text).lines().collect();
    assert_eq!(lines.len(), 2, "{text:?}");
    assert!(lines.iter().all(|line| line.to_lowercase().contains("sister")), "{text:?}");
    // A file with a head is the same sound.
    let flac = listen(&[], &std::fs::read(speech()).unwrap());
    assert!(works(&flac).lines().count() == 1 && flac.out.to_lowercase().contains("sister"), "{flac:?}");
    let events: Vec<Value> =
        works(&listen(&["--raw", "16000", "--format", "json"], &numbers)).lines().map(json).collect();
    let said: Vec<&str> =
        events.iter().filter(|e| e["event"] == "line").map(|e| e["text"].as_str().unwrap()).collect();
    assert!(said.len() == 2 && said.iter().all(|line| line.to_lowercase().contains("sister")), "{said:?}");
    let times: Vec<f64> = events
        .iter()
        .filter(|e| e["event"] == "line")
        .flat_map(|e| [e["start"].as_f64().unwrap(), e["end"].as_f64().unwrap()])
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    let srt = listen(&["--raw", "16000", "--format", "srt"], &numbers);
    assert!(works(&srt).starts_with("1\n00:00:0") && srt.out.contains("\n2\n"), "{srt:?}");
}

/// `parasol listen` on a pipe that is open.
fn listening(home: &Home, model: &str) -> (Child, ChildStdin) {
    let mut child = home
        .parasol(&["listen", "-", "--raw", "16000", "--format", "json", "--model", model])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let to = child.stdin.take().unwrap();
    (child, to)
}

/// The fixture as from a microphone, at twice the pace.
fn feed(to: &mut ChildStdin) -> std::io::Result<()> {
    for piece in numbers().chunks(3200) {
        to.write_all(piece)?;
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn words_come_while_a_line_is_said() {
    let (home, model) = (Home::new(), tiny());
    let (child, mut to) = listening(&home, &model);
    let feeding = std::thread::spawn(move || feed(&mut to));
    let out = child.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    let out = String::from_utf8(out.stdout).unwrap();
    let events: Vec<Value> = out.lines().map(json).collect();
    assert_eq!(events.first().map(|e| e["event"].clone()), Some(Value::from("partial")), "{out}");
    assert_eq!(events.last().map(|e| e["event"].clone()), Some(Value::from("line")), "{out}");
}

#[cfg(unix)]
#[test]
fn what_is_being_said_is_written_down_before_it_ends() {
    use std::io::BufRead;
    let (home, model) = (Home::new(), tiny());
    let (mut child, mut to) = listening(&home, &model);
    // Without a pause at the end: nobody knows yet that the line is over.
    feed(&mut to).unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(json(&lines.next().unwrap())["event"], "partial");
    common::signal(child.id(), "INT");
    assert_eq!(common::wait(&mut child).code(), Some(130));
    drop(to);
    let last = lines.last().unwrap();
    assert!(json(&last)["text"].as_str().unwrap().to_lowercase().contains("sister"), "{last}");
    assert_eq!(json(&last)["event"], "line");
}

#[test]
fn what_cannot_be_listened_to_is_said() {
    let (home, model) = (Home::new(), tiny());
    let listen = |more: &[&str], bytes: &[u8]| {
        home.run_with(&[&["listen", "-", "--model", &model], more].concat(), bytes)
    };
    fails(&listen(&["--raw", "16000"], b"abc"), 5, &["16 bits"]);
    fails(&listen(&["--raw", "0"], b"ab"), 2, &["--raw 0"]);
    fails(&listen(&[], b"no sound at all"), 10, &["stdin"]);
    assert_eq!(works(&listen(&["--raw", "16000"], &[0; 64_000])), "", "silence is no line");
    fails(&home.run(&["listen", "--raw", "16000", "--model", &model]), 2, &["--raw", "- for stdin"]);
    #[cfg(not(feature = "microphone"))]
    fails(&home.run(&["listen", "--model", &model]), 10, &["--features microphone", "parasol listen -"]);
}
