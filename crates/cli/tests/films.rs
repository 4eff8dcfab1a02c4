//! Films of providers from the command line and through the server, each of which is killed in the middle of a job, with a server on
//! loopback in the provider's place.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;
mod serving;

use common::provider::{Asked, provider};
use common::{Done, Home, fails, finish, signal, wait, works};
use serde_json::{Value, json};
use serving::Serving;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const KEY: &str = "sk-marker-77aa01de-never-to-be-seen";

/// A provider in Runway's protocol, whose jobs are done when a test says so.
struct Studio {
    at: SocketAddr,
    done: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    /// Methods and paths of all that was asked for, looks left out.
    asked: Arc<Mutex<Vec<String>>>,
}

fn tell(stream: &mut TcpStream, kind: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}

/// A film of a few bytes: its boxes are those of one.
fn mp4() -> Vec<u8> {
    let mut all = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x09moovx\0\0\x10\x08mdat".to_vec();
    // A sound text, since the tests' client reads text.
    all.extend(std::iter::repeat_n(b'f', 4096));
    all
}

impl Studio {
    fn start() -> Self {
        let (done, failed, looks) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (over, broken, count, log) =
            (Arc::clone(&done), Arc::clone(&failed), Arc::clone(&looks), Arc::clone(&asked));
        let at = provider(move |asked: &Asked, stream: &mut TcpStream| {
            assert!(asked.head.contains(KEY), "{}", asked.head);
            let line: String = asked.head.split(' ').take(2).collect::<Vec<_>>().join(" ");
            let host = asked.head.lines().find_map(|l| l.strip_prefix("host: ")).unwrap().to_owned();
            if line == "GET /v1/tasks/t-1" {
                count.fetch_add(1, Ordering::SeqCst);
                let body = match (broken.load(Ordering::SeqCst), over.load(Ordering::SeqCst)) {
                    (true, _) => {
                        json!({ "id": "t-1", "status": "FAILED", "failure": "a face", "failureCode": "SAFETY.INPUT.IMAGE" })
                    }
                    (_, true) => {
                        json!({ "id": "t-1", "status": "SUCCEEDED", "output": [format!("http://{host}/film.mp4")] })
                    }
                    _ => json!({ "id": "t-1", "status": "RUNNING", "progress": 0.25 }),
                };
                return tell(stream, "application/json", body.to_string().as_bytes());
            }
            log.lock().unwrap().push(line.clone());
            match line.as_str() {
                "GET /film.mp4" => tell(stream, "video/mp4", &mp4()),
                "DELETE /v1/tasks/t-1" => tell(stream, "application/json", b"{}"),
                _ => tell(stream, "application/json", br#"{"id":"t-1"}"#),
            }
        });
        Self { at, done, failed, looks, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until a job is being looked at.
    fn is_looked_at(&self) {
        let before = self.looks.load(Ordering::SeqCst);
        eventually(|| self.looks.load(Ordering::SeqCst) > before + 1);
    }
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(40), "never");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A home whose provider is the studio, with a dollar for a second.
fn home(studio: &Studio) -> Home {
    let home = Home::new();
    let text = format!(
        "[[provider]]\nname = \"studio\"\nprotocol = \"runway\"\nurl = \"http://{}/v1\"\nkey_env = [\"STUDIO_KEY\"]\n\
         limits = {{ poll = 0.05, health_interval = 0.0 }}\n\
         [[model]]\nname = \"reel\"\nprovider = \"studio\"\ncapabilities = [\"film\"]\nfilms = {{ seed = true }}\n\
         price = {{ input = 0.0, output = 0.0, second = 1.0, dated = \"2026-11-27\" }}\n",
        studio.at
    );
    std::fs::create_dir_all(home.path("store")).unwrap();
    std::fs::write(home.path("store/remote.toml"), text).unwrap();
    home
}

fn command(home: &Home, args: &[&str]) -> Command {
    let mut command = home.parasol(args);
    command.env("STUDIO_KEY", KEY).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ask(home: &Home, args: &[&str]) -> Done {
    let done = finish(command(home, args), None);
    assert!(!done.out.contains(KEY) && !done.err.contains(KEY), "{done:?}");
    done
}

fn jobs(home: &Home) -> Vec<Value> {
    let told: Value = serde_json::from_str(works(&ask(home, &["jobs", "--json"]))).unwrap();
    told["jobs"].as_array().unwrap().clone()
}

/// What was spent, in all.
fn spent(home: &Home) -> (Value, Value) {
    let told: Value = serde_json::from_str(works(&ask(home, &["usage", "--json"]))).unwrap();
    (told["total"]["answers"].clone(), told["total"]["cost_usd"].clone())
}

/// Fails if a file below a folder holds the key.
fn holds_no_key(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holds_no_key(&path);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "{}", path.display());
        }
    }
}

#[test]
fn a_film_is_written_when_it_is_whole() {
    let studio = Studio::start();
    studio.done.store(true, Ordering::SeqCst);
    let home = home(&studio);
    let file = home.path("film.mp4");
    let args = [
        "film",
        "A cat.",
        "--model",
        "reel",
        "--seconds",
        "5",
        "--seed",
        "7",
        "--stats",
        "-o",
        file.to_str().unwrap(),
    ];
    let done = ask(&home, &args);
    assert_eq!(works(&done), "");
    assert!(done.err.contains("5 s of 1280x720") && done.err.contains("$5.00"), "{done:?}");
    assert_eq!(std::fs::read(&file).unwrap(), mp4());
    assert_eq!((spent(&home), jobs(&home)), ((json!(1), json!(5.0)), vec![]), "what was taken is forgotten");
    let piped = ask(&home, &["film", "A cat.", "--model", "reel"]);
    assert_eq!(works(&piped).as_bytes(), mp4());
    // What is wrong is said before anybody is asked.
    let before = studio.asked().len();
    let none = home.path("none.mp4");
    let none = none.to_str().unwrap();
    fails(&ask(&home, &["film", " ", "--model", "reel", "-o", none]), 2, &["prompt"]);
    fails(
        &ask(&home, &["film", "A cat.", "--model", "reel", "--negative-prompt", "dogs", "-o", none]),
        10,
        &["negative_prompt"],
    );
    fails(&ask(&home, &["film", "A cat.", "--model", "smollm2", "-o", none]), 10, &["makes no films"]);
    fails(&ask(&home, &["film", "A cat.", "--model", "nobody", "-o", none]), 3, &["nobody"]);
    let text = home.path("text.png");
    std::fs::write(&text, "no picture").unwrap();
    let framed = ["film", "A cat.", "--model", "reel", "--first-frame", text.to_str().unwrap(), "-o", none];
    fails(&ask(&home, &framed), 2, &["text.png", "PNG"]);
    assert_eq!((studio.asked().len(), Path::new(none).exists()), (before, false));
    studio.failed.store(true, Ordering::SeqCst);
    fails(
        &ask(&home, &["film", "A cat.", "--model", "reel", "-o", none]),
        2,
        &["a face", "SAFETY.INPUT.IMAGE"],
    );
    assert!(!Path::new(none).exists());
    assert_eq!(spent(&home).0, json!(2), "what was not made costs nothing");
    holds_no_key(home.dir.path());
}

#[test]
fn a_film_whose_program_is_killed_is_gone_on_with() {
    let studio = Studio::start();
    let home = home(&studio);
    let file = home.path("film.mp4");
    let file = file.to_str().unwrap();
    let mut child = command(&home, &["film", "A cat.", "--model", "reel", "-o", file]).spawn().unwrap();
    studio.is_looked_at();
    child.kill().unwrap();
    wait(&mut child);
    let kept = jobs(&home);
    assert_eq!(
        (kept.len(), &kept[0]["state"], &kept[0]["progress"]),
        (1, &json!("in_progress"), &json!(25)),
        "{kept:?}"
    );
    assert_eq!(spent(&home).0, json!(0), "what is under way is not taken for lost");
    let name = kept[0]["name"].as_str().unwrap();
    let listed = ask(&home, &["jobs"]);
    assert!(works(&listed).contains(name), "{listed:?}");
    // Ctrl-C while waiting ends the waiting.
    let waiting = command(&home, &["jobs", "wait", name, "-o", file]).spawn().unwrap();
    studio.is_looked_at();
    signal(waiting.id(), "INT");
    let out = waiting.wait_with_output().unwrap();
    assert!(
        out.status.code() == Some(130) && String::from_utf8_lossy(&out.stderr).contains("goes on"),
        "{out:?}"
    );
    studio.done.store(true, Ordering::SeqCst);
    // The beginning of its name is enough.
    works(&ask(&home, &["jobs", "wait", &name[..14], "-o", file]));
    assert_eq!(std::fs::read(file).unwrap(), mp4());
    assert_eq!(studio.asked(), ["POST /v1/text_to_video", "GET /film.mp4"], "it is begun once");
    assert_eq!((spent(&home), jobs(&home)), ((json!(1), json!(4.0)), vec![]));
    fails(&ask(&home, &["jobs", "wait", name, "-o", file]), 3, &[name]);
    holds_no_key(home.dir.path());
}

#[test]
fn ctrl_c_ends_the_job_at_its_provider() {
    let studio = Studio::start();
    let home = home(&studio);
    let file = home.path("film.mp4");
    let child =
        command(&home, &["film", "A cat.", "--model", "reel", "-o", file.to_str().unwrap()]).spawn().unwrap();
    studio.is_looked_at();
    signal(child.id(), "INT");
    let out = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(130) && err.contains("is cancelled"), "{out:?}");
    assert_eq!(studio.asked(), ["POST /v1/text_to_video", "DELETE /v1/tasks/t-1"]);
    assert!(!file.exists());
    assert_eq!(jobs(&home)[0]["state"], "cancelled");
    assert_eq!(spent(&home), (json!(1), json!(4.0)), "what was worked on may be charged for");
}

#[test]
fn a_job_that_is_left_to_itself_can_be_ended() {
    let studio = Studio::start();
    let home = home(&studio);
    let name = works(&ask(&home, &["film", "A cat.", "--model", "reel", "--detach"])).trim().to_owned();
    assert!(name.starts_with("video_") && jobs(&home).len() == 1, "{name}");
    let ended = ask(&home, &["jobs", "cancel", &name]);
    assert!(works(&ended).contains("is cancelled"), "{ended:?}");
    assert_eq!(studio.asked(), ["POST /v1/text_to_video", "DELETE /v1/tasks/t-1"]);
    // Unless it was looked at on the way, nobody had worked on it.
    assert!(spent(&home).0.as_u64().unwrap() <= 1, "{:?}", spent(&home));
    fails(&ask(&home, &["jobs", "cancel", &name]), 2, &["is cancelled"]);
    fails(&ask(&home, &["jobs", "cancel", "video_none"]), 3, &["video_none"]);
}

/// The bytes of an answer.
fn get(address: SocketAddr, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    bytes.split_off(at + 4)
}

#[test]
fn a_server_that_is_killed_goes_on_with_its_films() {
    let studio = Studio::start();
    let home = home(&studio);
    let variables = [("STUDIO_KEY", KEY.to_owned())];
    let first = Serving::start(&home, &[], &variables);
    let asked = json!({ "model": "reel", "prompt": "A cat.", "seconds": "5" });
    let made = first.ask("POST", "/v1/videos", &asked).json();
    assert_eq!((&made["object"], &made["seconds"]), (&json!("video"), &json!("5")), "{made}");
    studio.is_looked_at();
    first.kill();
    studio.done.store(true, Ordering::SeqCst);
    let second = Serving::start(&home, &[], &variables);
    let path = format!("/v1/videos/{}", made["id"].as_str().unwrap());
    // Nobody has to ask for it.
    eventually(|| studio.asked().len() == 2);
    eventually(|| second.ask("GET", &path, &Value::Null).json()["status"] == "completed");
    let video = second.ask("GET", &path, &Value::Null).json();
    assert_eq!(
        (&video["progress"], &video["prompt"], &video["error"]),
        (&json!(100), &json!("A cat."), &Value::Null)
    );
    assert!(video["expires_at"].as_i64() > video["completed_at"].as_i64(), "{video}");
    assert_eq!(get(second.address, &format!("{path}/content")), mp4());
    assert_eq!(studio.asked(), ["POST /v1/text_to_video", "GET /film.mp4"]);
    assert_eq!(spent(&home), (json!(1), json!(5.0)));
    let gone = second.ask("DELETE", &path, &Value::Null).json();
    assert_eq!(gone["deleted"], true);
    assert_eq!(second.ask("GET", &path, &Value::Null).status, 404);
    second.end();
    holds_no_key(home.dir.path());
}
