//! Voices of providers from the command line and through the server, and budgets that several processes share, with servers on
//! loopback in the providers' place.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;
mod serving;

use common::provider::Asked;
use common::{Done, Home, fails, finish, works};
use serde_json::{Value, json};
use serving::Serving;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const KEY: &str = "sk-marker-51de0a77-never-to-be-seen";

/// Answers every request that holds the key.
fn provider(answer: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    common::provider::provider(move |asked, stream| {
        assert!(asked.head.contains(KEY), "{}", asked.head);
        answer(asked, stream);
    })
}

/// The key, and the addresses of providers.
fn variables(at: SocketAddr) -> [(&'static str, String); 4] {
    [
        ("OPENAI_API_KEY", KEY.to_owned()),
        ("ELEVENLABS_API_KEY", KEY.to_owned()),
        ("PARASOL_OPENAI_URL", format!("http://{at}/v1")),
        ("PARASOL_ELEVENLABS_URL", format!("http://{at}/v1")),
    ]
}

fn keyed(home: &Home, at: SocketAddr, args: &[&str]) -> Command {
    let mut command = home.parasol(args);
    command.envs(variables(at));
    command
}

fn ask(home: &Home, at: SocketAddr, args: &[&str]) -> Done {
    finish(keyed(home, at, args), None)
}

fn post(address: SocketAddr, path: &str, body: &Value) -> TcpStream {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    stream
}

fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A second of sound in two halves, as OpenAI and ElevenLabs send it; between them `pause` is called.
fn speak(asked: &Asked, stream: &mut TcpStream, pause: impl Fn()) {
    let samples: Vec<u8> = (0..24_000).flat_map(|_| 4_096i16.to_le_bytes()).collect();
    let mut bytes = samples;
    if asked.head.contains("/audio/speech ") {
        let mut wav = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wav.extend([24_000u32, 48_000].map(u32::to_le_bytes).concat());
        wav.extend(b"\x02\0\x10\0data\xff\xff\xff\xff");
        bytes = [wav, bytes].concat();
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for half in bytes.chunks(24_022) {
        let _ = stream.write_all(&[format!("{:x}\r\n", half.len()).as_bytes(), half, b"\r\n"].concat());
        pause();
    }
    let _ = stream.write_all(b"0\r\n\r\n");
}

/// A WAV file of so many minutes that is quiet for a second at some of its seconds, and loud elsewhere.
fn talk(minutes: usize, quiet: &[usize]) -> Vec<u8> {
    let mut wav = parasol_runtime::sound::wav::header(16_000, Some(minutes * 60 * 16_000)).to_vec();
    for second in 0..minutes * 60 {
        let sample = if quiet.contains(&second) { 0i16 } else { 9_000 };
        wav.extend(sample.to_le_bytes().repeat(16_000));
    }
    wav
}

#[test]
fn long_sounds_are_sent_in_pieces_and_told_as_one_transcript() {
    let pieces = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pieces);
    let at = provider(move |asked, stream| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        // Beside the fields: no more than providers take at once.
        assert!(asked.body.len() < 25_000_000, "{}", asked.body.len());
        let word = json!({ "text": format!("Piece {number}."), "start": 1.5, "end": 2.0, "type": "word", "logprob": 0 });
        let body = match asked.head.contains("/speech-to-text ") {
            true => json!({ "language_code": "eng", "text": "x", "words": [word] }),
            false => json!({ "text": format!("Piece {number}.") }),
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        let _ = stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes());
    });
    let home = Home::new();
    let file = home.path("talk.wav");
    std::fs::write(&file, talk(14, &[570])).unwrap();
    let file = file.to_str().unwrap();
    let done = ask(&home, at, &["transcribe", file, "--model", "scribe_v2", "--format", "json"]);
    let told: Value = serde_json::from_str(works(&done)).unwrap();
    assert_eq!((&told["language"], &told["duration"]), (&json!("en"), &json!(840.0)), "{told}");
    let segments = told["segments"].as_array().unwrap();
    let starts: Vec<f64> = segments.iter().map(|segment| segment["start"].as_f64().unwrap()).collect();
    // Cut in the quiet second.
    assert!(starts.len() == 2 && starts[0] == 1.5 && (571.5..572.5).contains(&starts[1]), "{starts:?}");
    assert_eq!(told["text"], "Piece 0. Piece 1.");
    // Fourteen minutes.
    assert!((told["usage"]["cost_usd"].as_f64().unwrap() - 14.0 * 0.003_666).abs() < 1e-6, "{told}");
    let plain = ask(&home, at, &["transcribe", file, "--model", "gpt-transcribe", "--stats"]);
    assert_eq!(works(&plain), "Piece 2.\nPiece 3.\n");
    assert!(plain.err.contains("$0.063"), "{plain:?}");
    // What no budget has room for is refused before a piece of it is sent.
    std::fs::write(home.path("store/remote.toml"), "[budget]\nday = 0.15\n").unwrap();
    let refused = ask(&home, at, &["transcribe", file, "--model", "gpt-transcribe"]);
    assert!(refused.code != Some(0) && refused.err.contains("budget of the day"), "{refused:?}");
    assert_eq!(pieces.load(Ordering::SeqCst), 4);
}

#[test]
fn voices_of_providers_speak_like_local_ones() {
    let at = provider(|asked, stream| {
        let parts = match asked.head.contains("/audio/speech ") {
            true => ["\"voice\":\"alloy\"", "\"input\":\"Hello there.\"", "-tts\""],
            false => ["\"text\":\"Hello there.\"", "\"model_id\":\"eleven_flash_v2_5\"", ""],
        };
        assert!(parts.iter().all(|part| asked.body.contains(part)), "{}", asked.body);
        assert!(
            parts[2] == "-tts\"" || asked.head.contains("/v1/text-to-speech/EXAVITQu4vr4xnSDxMaL/stream?")
        );
        speak(asked, stream, || {});
    });
    let home = Home::new();
    for (name, first) in [("a.wav", &b"RIFF"[..]), ("a.flac", b"fLaC"), ("a.opus", b"OggS"), ("a.pcm", b"")] {
        let out = home.path(name);
        let out = out.to_str().unwrap();
        let done =
            ask(&home, at, &["speak", "Hello there.", "--model", "gpt-4o-mini-tts", "-o", out, "--stats"]);
        // A second at a cent and a half a minute.
        assert!(works(&done).is_empty() && done.err.contains("$0.00025"), "{done:?}");
        let bytes = std::fs::read(out).unwrap();
        assert!(bytes.starts_with(first) && bytes.len() > 80, "{name}: {}", bytes.len());
        if name == "a.pcm" {
            assert_eq!(bytes, 4_096i16.to_le_bytes().repeat(24_000));
        }
    }
    let out = home.path("b.wav");
    let out = out.to_str().unwrap();
    let eleven = ["speak", "Hello there.", "--model", "eleven_flash_v2_5", "--voice", "sarah", "-o", out];
    works(&ask(&home, at, &eleven));
    let usage: Value =
        serde_json::from_str(works(&home.run(&["usage", "--json", "--by", "provider"]))).unwrap();
    let costs: Vec<_> =
        usage["rows"].as_array().unwrap().iter().map(|row| (&row["provider"], &row["cost_usd"])).collect();
    assert_eq!(costs, [(&json!("elevenlabs"), &json!(0.0018)), (&json!("openai"), &json!(0.001))]);
    let list = ask(&home, at, &["speak", "--model", "tts-1", "--list-voices"]);
    assert!(works(&list).contains("alloy") && list.out.contains("shimmer"), "{list:?}");
    assert!(works(&home.run(&["providers"])).contains("15/M chars"));
    // What it cannot do, and who does not speak.
    let mut keyless = home.parasol(&["speak", "Hi", "--model", "openai/tts-1", "-o", out]);
    keyless.env_remove("OPENAI_API_KEY");
    fails(&finish(keyless, None), 7, &["OPENAI_API_KEY"]);
    for (args, part) in [
        (&["speak", "Hi", "--model", "tts-1", "--phonemes"][..], "phonemes"),
        (&["speak", "Hi", "--model", "tts-1", "-o", out, "--seed", "7"], "seed"),
        (&["speak", "Hi", "--model", "gpt-5", "-o", out], "does not speak"),
        (&["run", "--model", "tts-1", "Hi"], "cannot chat"),
        (&["transcribe", out, "--model", "tts-1"], "does not listen"),
    ] {
        let done = ask(&home, at, args);
        assert!(done.code != Some(0) && done.err.contains(part), "{args:?}: {done:?}");
    }
}

#[test]
fn the_server_passes_speech_on_as_it_is_made() {
    let (half, halves) = channel::<()>();
    let halves = std::sync::Mutex::new(halves);
    let at = provider(move |asked, stream| {
        // Only its makers know the voice by this name.
        assert!(
            asked.head.contains("/EXAVITQu4vr4xnSDxMaL/") || asked.body.contains("\"voice\":\"onyx\""),
            "{}",
            asked.body
        );
        speak(asked, stream, || {
            let _ = halves.lock().unwrap().recv_timeout(Duration::from_secs(20));
        });
    });
    let home = Home::new();
    let server = Serving::start(&home, &[], &variables(at));
    let openai =
        json!({ "model": "tts-1", "input": "Hello there.", "voice": "onyx", "response_format": "pcm" });
    let eleven = json!({ "model_id": "eleven_v3", "text": "Hello there." });
    for (path, body) in [
        ("/v1/audio/speech", openai),
        ("/v1/text-to-speech/EXAVITQu4vr4xnSDxMaL/stream?output_format=pcm_24000", eleven),
    ] {
        let mut answer = post(server.address, path, &body);
        let begun = Instant::now();
        let mut first = [0; 8_000];
        answer.read_exact(&mut first).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(15), "the first half came with the second");
        let head = String::from_utf8_lossy(&first).to_lowercase();
        assert!(head.starts_with("http/1.1 200") && head.contains("x-parasol-sample-rate: 24000"), "{head}");
        assert!(!head.contains("without-effect"), "{head}");
        half.send(()).unwrap();
        half.send(()).unwrap();
        assert!(rest(answer).len() > 36_000);
    }
    let refused = rest(post(
        server.address,
        "/v1/audio/speech",
        &json!({ "model": "tts-1", "input": "Hi", "voice": "onyx", "seed": 1 }),
    ));
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("seed"), "{refused}");
    server.end();
}

/// A chat's answer of a hundred tokens, after so long.
fn chat(stream: &mut TcpStream, pause: Duration) {
    std::thread::sleep(pause);
    let events = [
        json!({ "model": "x", "choices": [{ "index": 0, "delta": { "content": "gpt here" } }] }),
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }),
        json!({ "choices": [], "usage": { "prompt_tokens": 8, "completion_tokens": 100 } }),
    ];
    let text: String = events.iter().map(|e| format!("data: {e}\n\n")).collect();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n";
    let _ = stream.write_all(format!("{head}content-length: {}\r\n\r\n{text}", text.len()).as_bytes());
}

#[test]
fn processes_that_run_at_once_keep_one_budget() {
    let count = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&count);
    let at = provider(move |_, stream| {
        asked.fetch_add(1, Ordering::SeqCst);
        chat(stream, Duration::from_secs(4));
    });
    let home = Home::new();
    std::fs::create_dir_all(home.path("store")).unwrap();
    // A hundred tokens of gpt-5 are a tenth of a cent: two answers fit, and three do not.
    std::fs::write(home.path("store/remote.toml"), "[budget]\nday = 0.0025\n").unwrap();
    let server = Serving::start(&home, &[], &variables(at));
    let body =
        json!({ "model": "gpt-5", "max_tokens": 100, "messages": [{ "role": "user", "content": "hi" }] });
    let through: Vec<TcpStream> =
        (0..2).map(|_| post(server.address, "/v1/chat/completions", &body)).collect();
    let spawn = || {
        let mut run = keyed(&home, at, &["run", "-m", "gpt-5", "-n", "100", "hi"]);
        run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let runs: Vec<Child> = (0..3).map(|_| spawn()).collect();
    let mut answered = 0;
    for run in runs {
        let done = run.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() || told.contains("the budget of the day is $0.0025"), "{told}");
        answered += usize::from(done.status.success());
    }
    for answer in through.into_iter().map(rest) {
        let good = answer.starts_with("HTTP/1.1 200");
        assert!(
            good || answer.starts_with("HTTP/1.1 429") && answer.contains("the budget of the day"),
            "{answer}"
        );
        answered += usize::from(good);
    }
    assert_eq!((answered, count.load(Ordering::SeqCst)), (2, 2), "of five at once");
    let usage: Value = serde_json::from_str(works(&home.run(&["usage", "--json"]))).unwrap();
    assert_eq!(usage["total"]["cost_usd"], 0.00202, "{usage}");
    server.end();
}

#[test]
fn what_a_killed_process_had_promised_is_free_again() {
    let (told, asked) = channel();
    let told = std::sync::Mutex::new(told);
    let at = provider(move |asked, stream| {
        told.lock().unwrap().send(()).unwrap();
        let pause = if asked.body.contains("wait") { 60 } else { 0 };
        chat(stream, Duration::from_secs(pause));
    });
    let home = Home::new();
    std::fs::create_dir_all(home.path("store")).unwrap();
    std::fs::write(home.path("store/remote.toml"), "[budget]\nday = 0.0015\n").unwrap();
    let mut killed = keyed(&home, at, &["run", "-m", "gpt-5", "-n", "100", "wait"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    asked.recv_timeout(Duration::from_secs(30)).unwrap();
    let run = ["run", "-m", "gpt-5", "-n", "100", "hi"];
    let done = ask(&home, at, &run);
    assert!(done.code != Some(0) && done.err.contains("spent or promised"), "{done:?}");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(works(&ask(&home, at, &run)), "gpt here\n");
    // What it had asked for may have been charged: its prompt is in the book.
    let usage: Value = serde_json::from_str(works(&home.run(&["usage", "--json"]))).unwrap();
    let total = &usage["total"];
    assert!(total["answers"] == 2 && total["cost_usd"].as_f64() > Some(0.00101), "{usage}");
}
