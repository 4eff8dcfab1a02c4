//! `parasol imagine`, with servers on loopback in the place of providers.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use common::provider::{Asked, provider};
use common::{Done, Home, fails, finish, works};
use serde_json::Value;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const KEY: &str = "sk-marker-p1c7-0f-never-to-be-seen";
/// A picture of three by two pixels that is text, too, and the same in base64.
const GIF: &str = "GIF89a\x03\0\x02\0";
const BASE64: &str = "R0lGODlhAwACAA==";

fn respond(stream: &mut TcpStream, kind: &str, more: &str, body: &str) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{more}connection: close\r\n\r\n"
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

fn openai(asked: &Asked, stream: &mut TcpStream) {
    assert!(asked.head.contains(KEY), "{}", asked.head);
    let count = serde_json::from_str::<Value>(&asked.body).unwrap_or_default()["n"].as_u64().unwrap_or(1);
    let data = vec![format!(r#"{{"b64_json":"{BASE64}"}}"#); count as usize].join(",");
    let usage =
        r#"{"input_tokens":5,"output_tokens":100,"input_tokens_details":{"text_tokens":5,"image_tokens":0}}"#;
    respond(stream, "application/json", "", &format!(r#"{{"created":1,"data":[{data}],"usage":{usage}}}"#));
}

fn imagine(home: &Home, at: SocketAddr, args: &[&str], input: Option<&[u8]>) -> Done {
    let mut command = home.parasol(&["imagine"]);
    command.args(args);
    for (key, url, base) in [
        ("OPENAI_API_KEY", "PARASOL_OPENAI_URL", "v1"),
        ("STABILITY_API_KEY", "PARASOL_STABILITY_URL", "v2beta"),
        ("BFL_API_KEY", "PARASOL_BFL_URL", "v1"),
    ] {
        command.env(key, KEY).env(url, format!("http://{at}/{base}"));
    }
    finish(command, input)
}

fn file(home: &Home, name: &str) -> (PathBuf, String) {
    let path = home.path(name);
    let text = path.to_str().unwrap().to_owned();
    (path, text)
}

#[test]
fn a_picture_is_written_once_it_is_here_and_over_nothing() {
    let (home, times) = (Home::new(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&times);
    let at = provider(move |asked, stream| {
        count.fetch_add(1, Ordering::SeqCst);
        openai(asked, stream);
    });
    // What comes is a GIF, whatever the name says: it gets an ending that fits.
    let (path, name) = file(&home, "cat.png");
    let done = imagine(&home, at, &["A cat", "-m", "gpt-image-2", "-o", &name, "--stats"], None);
    let written = path.with_extension("gif");
    assert_eq!(works(&done).trim(), written.to_str().unwrap());
    assert!(done.err.contains("the provider sent gif") && done.err.contains("1 picture in"), "{}", done.err);
    // 5 tokens at 5 dollars a million and 100 at 30.
    assert!(done.err.contains("$0.003025"), "{}", done.err);
    assert_eq!(std::fs::read(&written).unwrap(), GIF.as_bytes());
    std::fs::write(&path, "mine").unwrap();
    let done = imagine(&home, at, &["A cat", "-m", "gpt-image-2", "-o", &name], None);
    fails(&done, 2, &["is there already"]);
    assert_eq!(times.load(Ordering::SeqCst), 1, "nobody was asked, and nobody is to be paid");
    let done = imagine(
        &home,
        at,
        &["A cat", "-m", "gpt-image-2", "-o", written.to_str().unwrap(), "--force", "--format", "png"],
        None,
    );
    works(&done);
    // One that came under another ending, which is taken, is not thrown away.
    let (_, name) = file(&home, "cat.webp");
    let done = imagine(&home, at, &["A cat", "-m", "gpt-image-2", "-o", &name], None);
    assert_eq!(works(&done).trim(), home.path("cat-2.gif").to_str().unwrap());
    assert!(done.err.contains("is there already"), "{}", done.err);
    // Several get numbers, and stdin gives the prompt.
    let (_, name) = file(&home, "some.gif");
    let args = ["-m", "gpt-image-2", "-o", &name, "-n", "3", "--format", "png", "--json"];
    let done = imagine(&home, at, &args, Some(b"Three cats\n"));
    let told: Value = serde_json::from_str(works(&done)).unwrap();
    assert_eq!(told["images"].as_array().unwrap().len(), 3);
    assert_eq!((&told["images"][2]["width"], &told["cost_usd"]), (&Value::from(3), &Value::from(0.003_025)));
    for number in 1..=3 {
        assert_eq!(std::fs::read(home.path(&format!("some-{number}.gif"))).unwrap(), GIF.as_bytes());
    }
    // A pipe gets the bytes.
    let done = imagine(&home, at, &["A cat", "-m", "gpt-image-2"], None);
    assert_eq!(works(&done), GIF);
}

#[test]
fn jobs_and_forms_are_spoken_from_the_command_line_too() {
    let home = Home::new();
    let at = provider(|asked, stream| {
        let host = asked
            .head
            .to_lowercase()
            .lines()
            .find_map(|l| l.strip_prefix("host: ").map(str::to_owned))
            .unwrap();
        let path = asked.head.split(' ').nth(1).unwrap().to_owned();
        assert!(path.starts_with("/sample") || asked.head.contains(KEY), "{}", asked.head);
        match path.as_str() {
            "/v1/flux-2-pro" => {
                assert!(
                    asked.body.contains("\"width\":1440") && asked.body.contains("\"seed\":7"),
                    "{}",
                    asked.body
                );
                respond(
                    stream,
                    "application/json",
                    "",
                    &format!(r#"{{"id":"1","polling_url":"http://{host}/v1/get_result?id=1","cost":4.5}}"#),
                );
            }
            "/v1/get_result?id=1" => {
                respond(
                    stream,
                    "application/json",
                    "",
                    &format!(r#"{{"status":"Ready","result":{{"sample":"http://{host}/sample?sig=x"}}}}"#),
                );
            }
            "/sample?sig=x" => respond(stream, "image/gif", "", GIF),
            "/v2beta/stable-image/generate/core" => {
                respond(stream, "image/gif", "seed: 42\r\nfinish-reason: SUCCESS\r\n", GIF)
            }
            other => panic!("{other}"),
        }
    });
    let (_, name) = file(&home, "a.jpg");
    let args = ["A cat", "-m", "flux-2-pro", "--size", "1440x816", "--seed", "7", "-o", &name, "--json"];
    let told: Value = serde_json::from_str(works(&imagine(&home, at, &args, None))).unwrap();
    assert_eq!((&told["images"][0]["seed"], &told["cost_usd"]), (&Value::from(7), &Value::from(0.045)));
    let (_, name) = file(&home, "b.png");
    let args = [
        "A cat",
        "-m",
        "stable-image-core",
        "--negative",
        "dogs",
        "--size",
        "1920x1080",
        "-o",
        &name,
        "--json",
    ];
    let done = imagine(&home, at, &args, None);
    let told: Value = serde_json::from_str(works(&done)).unwrap();
    assert_eq!((&told["images"][0]["seed"], &told["cost_usd"]), (&Value::from(42), &Value::from(0.03)));
    assert!(done.err.contains("size has no effect") && done.err.contains("16:9"), "{}", done.err);
    let usage = home.run(&["usage", "--by", "model"]);
    assert!(works(&usage).contains("flux-2-pro"), "{usage:?}");
    assert!(usage.out.contains("0.045"), "{usage:?}");
}

#[test]
fn what_is_wrong_is_said_before_anybody_is_asked() {
    let home = Home::new();
    let at = provider(|_, _| panic!("nobody is to be asked"));
    let text = home.path("note.png");
    std::fs::write(&text, "no picture").unwrap();
    let text = text.to_str().unwrap();
    for (args, code, part) in [
        (&["A cat", "-o", "x.png"][..], 2, "name a provider's"),
        (&["A cat", "-m", "gpt-image-2", "-o", "x.bmp"], 2, "no format of pictures"),
        (&["A cat", "-m", "gpt-image-2", "-o", "x.png", "--seed", "7"], 10, "seed: "),
        (&["A cat", "-m", "gpt-image-2", "-o", "x.png", "--negative", "x"], 10, "negative_prompt: "),
        (
            &["A cat", "-m", "gpt-image-1.5", "-o", "x.png", "--size", "512x512"],
            2,
            "size: 512x512 is not offered",
        ),
        (&["A cat", "-m", "gpt-image-2", "-o", "x.png", "--image", text], 5, "note.png"),
        (&["A cat", "-m", "gpt-image-2", "-o", "x.png", "--mask", text], 2, "--image"),
        (&["A cat", "-m", "gpt-image-2", "-n", "2"], 2, "several pictures"),
        (&["A cat", "-m", "gpt-image-2", "-n", "11", "-o", "x.png"], 2, "n: is 11"),
        (&[" ", "-m", "gpt-image-2", "-o", "x.png"], 2, "prompt: is empty"),
        (&["A cat", "-m", "gpt-5", "-o", "x.png"], 10, "makes no pictures"),
        (&["A cat", "-m", "smollm2", "-o", "x.png"], 10, "runs on this machine and makes no pictures"),
        (&["A cat", "-m", "nobody", "-o", "x.png"], 3, "nobody"),
    ] {
        fails(&imagine(&home, at, args, None), code, &[part]);
    }
    let done = home.run(&["imagine", "A cat", "-m", "gpt-image-2", "-o", "x.png"]);
    fails(&done, 7, &["OPENAI_API_KEY"]);
    assert!(!home.path("x.png").exists());
}

#[test]
fn the_key_is_written_nowhere() {
    let home = Home::new();
    let at = provider(|asked, stream| {
        let echo = asked.head.replace(['\r', '\n', '"'], " ");
        let body = format!(r#"{{"error":{{"message":"{echo}"}}}}"#);
        let head = format!(
            "HTTP/1.1 400 X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    });
    let (_, name) = file(&home, "a.png");
    let done = imagine(&home, at, &["A cat", "-m", "gpt-image-2", "-o", &name], None);
    assert!(done.code != Some(0) && !done.err.contains(KEY) && done.err.contains("***"), "{done:?}");
    let mut folders = vec![home.dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                assert!(!bytes.windows(KEY.len()).any(|it| it == KEY.as_bytes()), "{:?}", entry.path());
            }
        }
    }
}
