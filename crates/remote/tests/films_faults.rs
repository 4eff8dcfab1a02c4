//! Providers of films that break in every way, and what is written down and paid for then.

#![allow(clippy::unwrap_used)]

mod common;

use common::films::{
    How, PROTOCOLS, Studio, What, all, begun, book, created, dear, done_at, film, job, make, mp4, open, tell,
};
use common::{Asked, redirect, respond};
use parasol_core::{ErrorKind, Money};
use parasol_remote::{Budget, Films, JobState, Key, Ledger, RemoteEntry};
use parasol_wire::client::Protocol;
use serde_json::json;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn spent(home: &Path) -> Money {
    book(home).spent_today().unwrap().get("local").copied().unwrap_or_default()
}

/// A way to break, and what is said of it.
type Fault = (&'static str, fn(&mut TcpStream), &'static str);

fn stall(stream: &mut TcpStream) {
    std::thread::sleep(Duration::from_millis(1500));
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
}

fn cut(stream: &mut TcpStream) {
    let _ = stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{\"id\":",
    );
}

#[test]
fn a_begin_that_was_answered_is_tried_again_and_one_that_may_have_worked_is_not() {
    for protocol in PROTOCOLS {
        for (status, again) in [(429, true), (500, true), (503, true), (400, false), (401, false)] {
            let studio = Studio::start(protocol, move |what, before, _, stream| {
                let fails = what == What::Create && before == 0;
                if fails {
                    respond(
                        stream,
                        status,
                        "application/json",
                        if status == 429 { "retry-after: 1\r\n" } else { "" },
                        r#"{"error":{"message":"so it is"}}"#,
                    );
                }
                fails
            });
            let home = tempfile::tempdir().unwrap();
            let it = open(&dear(studio.entry(|limits| limits.retries = 1)), home.path(), book(home.path()));
            let begun = Instant::now();
            let (film, _, error) = make(&it);
            assert_eq!(error.is_none(), again, "{protocol:?}, {status}: {error:?}");
            assert_eq!(
                (film.len(), studio.count(What::Create)),
                if again { (mp4().len(), 2) } else { (0, 1) }
            );
            assert!(status != 429 || begun.elapsed() > Duration::from_secs(1), "it waits as it is asked to");
            assert_eq!(
                spent(home.path()),
                Money::dollars(if again { 4.0 } else { 0.0 }),
                "{protocol:?}, {status}"
            );
            let kept = Films::at(home.path()).all().unwrap();
            assert_eq!(kept.len(), usize::from(again), "{protocol:?}, {status}: {kept:?}");
            if let Some(error) = error {
                assert!(error.message().contains("so it is"), "{error}");
            }
        }
        let faults: [Fault; 6] = [
            ("stalled", stall, "sent nothing"),
            ("cut", cut, "broke"),
            ("no JSON", |stream| respond(stream, 200, "text/html", "", "<html>"), "no JSON"),
            ("no id", |stream| tell(stream, &json!({ "status": "queued" })), "holds no"),
            (
                "endless",
                |stream| respond(stream, 200, "application/json", "", &" ".repeat(2 << 20)),
                "more than",
            ),
            (
                "broken UTF-8",
                |stream| respond(stream, 200, "application/json", "", "{\"id\":\"\u{fffd}"),
                "no JSON",
            ),
        ];
        for (name, fault, part) in faults {
            let studio = Studio::start(protocol, move |what, _, _, stream| {
                if what == What::Create {
                    fault(stream);
                }
                what == What::Create
            });
            let home = tempfile::tempdir().unwrap();
            let it = open(&dear(studio.entry(|limits| limits.retries = 3)), home.path(), book(home.path()));
            let error = make(&it).2.unwrap();
            assert!(
                error.message().contains(part) && error.message().contains("may be charged"),
                "{protocol:?}, {name}: {error}"
            );
            assert_eq!(studio.count(What::Create), 1, "{protocol:?}, {name}: nobody pays twice");
            // What may be charged for is written down.
            assert_eq!(spent(home.path()), Money::dollars(4.0), "{protocol:?}, {name}");
            let kept = Films::at(home.path()).all().unwrap();
            assert_eq!(
                (kept.len(), kept[0].state, kept[0].failure.as_ref().unwrap().code.as_str()),
                (1, JobState::Failed, "unknown")
            );
        }
    }
}

#[test]
fn looks_that_fail_are_made_again() {
    let faults: [fn(&mut TcpStream); 7] = [
        |stream| respond(stream, 500, "text/plain", "", "down"),
        |stream| {
            respond(
                stream,
                429,
                "application/json",
                "retry-after: 1\r\n",
                r#"{"error":{"message":"slowly"}}"#,
            )
        },
        stall,
        cut,
        |stream| respond(stream, 200, "text/html", "", "<html>"),
        |stream| tell(stream, &json!({ "status": "a status of next year" })),
        |stream| redirect(stream, 302, "elsewhere"),
    ];
    for protocol in PROTOCOLS {
        for (number, fault) in faults.into_iter().enumerate() {
            let studio = Studio::start(protocol, move |what, before, _, stream| {
                let fails = what == What::Look && before == 1;
                if fails {
                    fault(stream);
                }
                fails
            });
            // A look of Google's that says nothing says that it is not done.
            let home = tempfile::tempdir().unwrap();
            let it = open(&dear(studio.entry(|_| {})), home.path(), book(home.path()));
            let begun = Instant::now();
            let (film, _, error) = make(&it);
            assert!(error.is_none() && film == mp4(), "{protocol:?}, {number}: {error:?}");
            assert!(number != 1 || begun.elapsed() > Duration::from_secs(1), "it waits as it is asked to");
            assert_eq!((studio.count(What::Create), spent(home.path())), (1, Money::dollars(4.0)));
        }
    }
}

#[test]
fn one_that_was_down_and_then_forgetful_is_asked_on() {
    for protocol in PROTOCOLS {
        let studio = Studio::start(protocol, move |what, before, _, stream| {
            let fails = what == What::Look && before < 4;
            if fails {
                let status = if before < 3 { 500 } else { 404 };
                respond(stream, status, "application/json", "", r#"{"error":{"message":"so it is"}}"#);
            }
            fails
        });
        let home = tempfile::tempdir().unwrap();
        let (film, _, error) = make(&open(&studio.entry(|_| {}), home.path(), book(home.path())));
        assert!(error.is_none() && film == mp4(), "{protocol:?}: {error:?}");
        assert_eq!(studio.count(What::Look), 5);
    }
}

#[test]
fn a_job_that_its_provider_does_not_know_is_gone_and_one_whose_key_is_refused_is_not() {
    for protocol in PROTOCOLS {
        for (status, gone) in [(404, true), (401, false)] {
            let studio = Studio::start(protocol, move |what, _, _, stream| {
                if what == What::Look {
                    respond(stream, status, "application/json", "", r#"{"error":{"message":"so it is"}}"#);
                }
                what == What::Look
            });
            let home = tempfile::tempdir().unwrap();
            let it = open(&dear(studio.entry(|_| {})), home.path(), book(home.path()));
            let error = make(&it).2.unwrap();
            let kept = Films::at(home.path()).all().unwrap().remove(0);
            assert_eq!(
                (kept.state.is_over(), studio.count(What::Look)),
                (gone, 3),
                "{protocol:?}, {status}: {error}"
            );
            assert_eq!(error.message().contains("does not know it"), gone, "{error}");
            assert_eq!(kept.note.is_some_and(|note| note.contains("so it is")), !gone);
            assert_eq!(spent(home.path()), Money::dollars(if gone { 4.0 } else { 0.0 }));
        }
    }
}

#[test]
fn failed_and_moderated_jobs_say_so_and_cost_nothing() {
    for protocol in PROTOCOLS {
        let moderated = match protocol {
            Protocol::OpenAi => "moderation_blocked",
            Protocol::Gemini => "filtered",
            _ => "SAFETY.INPUT.TEXT",
        };
        for (code, kind) in [(moderated, ErrorKind::InvalidRequest), ("INTERNAL", ErrorKind::Network)] {
            let studio = Studio::start(protocol, move |what, _, _, stream| {
                if what == What::Look {
                    tell(stream, &job(protocol, How::Failed(code), ""));
                }
                what == What::Look
            });
            let home = tempfile::tempdir().unwrap();
            let it = open(&dear(studio.entry(|_| {})), home.path(), book(home.path()));
            let error = make(&it).2.unwrap();
            assert_eq!(*error.kind(), kind, "{protocol:?}: {error}");
            assert!(
                error.message().contains("so it is") && error.message().contains(code),
                "{protocol:?}: {error}"
            );
            assert_eq!(spent(home.path()), Money(0));
            assert_eq!(book(home.path()).lines_of(1).unwrap().1.len(), 0);
        }
    }
}

#[test]
fn films_that_break_on_their_way_are_fetched_again() {
    let faults: [fn(&mut TcpStream); 6] = [
        |stream| respond(stream, 500, "text/plain", "", "down"),
        |stream| {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", mp4().len());
            let _ = stream.write_all(&[head.as_bytes(), &mp4()[..70_000]].concat());
        },
        // Without a length the boxes tell.
        |stream| {
            let _ = stream
                .write_all(&[b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", &mp4()[..70_000]].concat());
        },
        |stream| {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", mp4().len());
            let _ = stream.write_all(&[head.as_bytes(), &mp4()[..70_000]].concat());
            std::thread::sleep(Duration::from_millis(600));
        },
        |stream| respond(stream, 200, "text/html", "", "<html>not yet</html>"),
        |stream| respond(stream, 404, "application/json", "", r#"{"error":{"message":"not yet"}}"#),
    ];
    for protocol in PROTOCOLS {
        for (number, fault) in faults.into_iter().enumerate() {
            for always in [false, true] {
                let studio = Studio::start(protocol, move |what, before, _, stream| {
                    let fails = what == What::Film && (before == 0 || always);
                    if fails {
                        fault(stream);
                    }
                    fails
                });
                let home = tempfile::tempdir().unwrap();
                let it = open(&dear(studio.entry(|_| {})), home.path(), book(home.path()));
                let (film, _, error) = make(&it);
                assert_eq!(error.is_some(), always, "{protocol:?}, {number}: {error:?}");
                assert_eq!(
                    (film.len(), studio.count(What::Film)),
                    if always { (0, 3) } else { (mp4().len(), 2) },
                    "{protocol:?}, {number}"
                );
                // It was made, whoever has it.
                assert_eq!(spent(home.path()), Money::dollars(4.0), "{protocol:?}, {number}");
                let kept = Films::at(home.path()).all().unwrap().remove(0);
                // What cannot be fetched now may be later; what is no film will be none.
                let no_film = matches!(number, 2 | 4);
                let state = match (always, no_film) {
                    (false, _) => JobState::Completed,
                    (true, true) => JobState::Failed,
                    (true, false) => JobState::InProgress,
                };
                assert_eq!(kept.state, state, "{protocol:?}, {number}: {kept:?}");
                let left = std::fs::read_dir(home.path().join("jobs")).unwrap();
                let parts =
                    left.filter(|it| it.as_ref().unwrap().path().to_string_lossy().contains("film.part"));
                assert_eq!(parts.count(), 0, "{protocol:?}, {number}");
            }
        }
    }
}

#[test]
fn nothing_is_fetched_from_where_no_film_may_lie() {
    // A server of this machine's that nobody may be led to.
    let secret = TcpListener::bind("127.0.0.1:0").unwrap();
    let inside = format!("http://{}/film.mp4", secret.local_addr().unwrap());
    for protocol in [Protocol::Gemini, Protocol::Runway] {
        for uri in [
            inside.clone(),
            inside.replace("http://", "https://"),
            "https://localhost/film.mp4".to_owned(),
            "https://169.254.169.254/latest/meta-data".to_owned(),
            "https://[::ffff:127.0.0.1]/film.mp4".to_owned(),
            "https://0x7f000001/film.mp4".to_owned(),
            "http://example.com/film.mp4".to_owned(),
            "https://u:p@example.com/film.mp4".to_owned(),
            "file:///etc/passwd".to_owned(),
            "no address".to_owned(),
        ] {
            let told = uri.clone();
            let studio = Studio::start(protocol, move |what, _, _, stream| {
                if what == What::Look {
                    tell(stream, &done_at(protocol, &told));
                }
                what == What::Look
            });
            let home = tempfile::tempdir().unwrap();
            let it = open(&studio.entry(|_| {}), home.path(), book(home.path()));
            let error = make(&it).2.unwrap();
            assert!(error.message().contains("the address of its film"), "{protocol:?}, {uri}: {error}");
            assert_eq!(Films::at(home.path()).all().unwrap()[0].state, JobState::Failed, "{uri}");
        }
    }
    // Nor by a redirect, wherever the film is said to lie; back to the provider it may lead, but not for ever.
    for protocol in PROTOCOLS {
        let to = inside.clone();
        let studio = Studio::start(protocol, move |what, _, _, stream| {
            if what == What::Film {
                respond(stream, 302, "text/plain", &format!("location: {to}\r\n"), "");
            }
            what == What::Film
        });
        let home = tempfile::tempdir().unwrap();
        let error = make(&open(&studio.entry(|_| {}), home.path(), book(home.path()))).2.unwrap();
        assert!(error.message().contains("nothing is fetched from there"), "{protocol:?}: {error}");
        let round = |most: usize| {
            move |what: What, before: usize, asked: &Asked, stream: &mut TcpStream| {
                let leads_on = what == What::Film && before < most;
                if leads_on {
                    respond(
                        stream,
                        302,
                        "text/plain",
                        &format!("location: {}&n={before}\r\n", asked.path),
                        "",
                    );
                }
                leads_on
            }
        };
        let studio = Studio::start(protocol, round(3));
        let home = tempfile::tempdir().unwrap();
        let (film, _, error) = make(&open(&studio.entry(|_| {}), home.path(), book(home.path())));
        assert!(error.is_none() && film == mp4(), "{protocol:?}: {error:?}");
        let studio = Studio::start(protocol, round(usize::MAX));
        let home = tempfile::tempdir().unwrap();
        let error = make(&open(&studio.entry(|_| {}), home.path(), book(home.path()))).2.unwrap();
        assert!(error.message().contains("leads on"), "{protocol:?}: {error}");
    }
    secret.set_nonblocking(true).unwrap();
    assert!(secret.accept().is_err(), "somebody was there");
}

#[test]
fn no_more_is_taken_than_a_film_can_have() {
    let studio = Studio::start(Protocol::OpenAi, |what, _, _, stream| {
        if what == What::Film {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n");
        }
        what == What::Film
    });
    let home = tempfile::tempdir().unwrap();
    let error = make(&open(&studio.entry(|_| {}), home.path(), book(home.path()))).2.unwrap();
    assert!(error.message().contains("99999999999 bytes"), "{error}");
}

#[test]
fn budgets_stop_before_they_are_passed_and_hold_what_is_under_way() {
    let breaks = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&breaks);
    let studio = Studio::start(Protocol::Runway, move |what, _, _, stream| {
        let fails = what == What::Look && broken.swap(false, Ordering::SeqCst);
        if fails {
            tell(stream, &job(Protocol::Runway, How::Failed("INTERNAL"), ""));
        }
        fails
    });
    let home = tempfile::tempdir().unwrap();
    let ledger = || Ledger::new(home.path().join("usage"), Budget { day: Some(10.0), ..Budget::default() });
    let entry = dear(studio.entry(|_| {}));
    let it = open(&entry, home.path(), ledger());
    assert!(make(&it).2.is_none());
    // Of 10 dollars 4 are spent and 4 promised to one whose process is gone.
    let (stream, id) = begun(&it);
    drop((stream, it));
    let other = open(&entry, home.path(), ledger());
    let error = make(&other).2.unwrap();
    assert!(
        matches!(error.kind(), ErrorKind::RateLimited { .. }) && error.message().contains("$8.00"),
        "{error}"
    );
    assert_eq!(studio.count(What::Create), 2);
    // It fails, and what it was promised is free again.
    let kept = Films::at(home.path()).get(&id).unwrap();
    breaks.store(true, Ordering::SeqCst);
    assert!(all(other.wait_for_film(&kept).unwrap()).2.is_some());
    assert!(make(&other).2.is_none());
    assert_eq!(spent(home.path()), Money::dollars(8.0));
    // A model without a price is not asked under a budget.
    let free = open(&RemoteEntry { price: None, ..entry }, home.path(), ledger());
    assert!(make(&free).2.unwrap().message().contains("no price"));
    assert_eq!(studio.count(What::Create), 3);
}

#[test]
fn a_begin_that_was_cut_off_by_the_end_of_its_process_is_not_forgotten() {
    let studio = Studio::start(Protocol::OpenAi, |_, _, _, _| false);
    let home = tempfile::tempdir().unwrap();
    let entry = dear(studio.entry(|_| {}));
    let it = open(&entry, home.path(), book(home.path()));
    make(&it);
    // As it is written down before its provider is asked.
    let films = Films::at(home.path());
    let mut kept = films.all().unwrap().remove(0);
    (kept.id, kept.state) = ("video_00000000000000000000000000000000".into(), JobState::Asking);
    (kept.remote, kept.address, kept.ended) = (None, String::new(), None);
    let path = home.path().join("jobs").join(format!("{}.json", kept.id));
    std::fs::write(path, serde_json::to_string(&kept).unwrap()).unwrap();
    let error = all(it.wait_for_film(&kept).unwrap()).2.unwrap();
    assert!(error.message().contains("nobody knows"), "{error}");
    assert_eq!(films.get(&kept.id).unwrap().state, JobState::Failed);
}

/// Looks like a key, and nothing else does.
const MARKER: &str = "sk-marker-feed5eed-90ab";

/// All that was written below a folder.
fn written(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.push_str(&written(&path)),
            false => all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap())),
        }
    }
    all
}

#[test]
fn a_key_is_in_one_header_and_in_nothing_that_is_written() {
    for protocol in PROTOCOLS {
        for echo in 0..6 {
            let studio = Studio::start(protocol, move |what, _, asked, stream| {
                assert!(
                    asked.head.matches(MARKER).count() == 1
                        && !asked.body.contains(MARKER)
                        && !asked.path.contains(MARKER)
                );
                let refusal = format!(r#"{{"error":{{"message":"bad key {MARKER}","code":"{MARKER}"}}}}"#);
                match (echo, what) {
                    (0, What::Create) => respond(stream, 401, "application/json", "", &refusal),
                    (1, What::Create) => {
                        let mut body = created(protocol);
                        let field = if protocol == Protocol::Gemini { "name" } else { "id" };
                        body[field] = json!(format!("operations/{MARKER}"));
                        tell(stream, &body);
                    }
                    (2, What::Look) => respond(stream, 403, "application/json", "", &refusal),
                    (3, What::Look) => {
                        let code: &'static str = MARKER;
                        tell(stream, &job(protocol, How::Failed(code), ""));
                    }
                    (4, What::Film) => film(stream, format!("{MARKER} is no film").as_bytes()),
                    (5, What::Film) => redirect(stream, 302, MARKER),
                    _ => return false,
                }
                true
            });
            let home = tempfile::tempdir().unwrap();
            let mut entry = studio.entry(|_| {});
            entry.backends[0].key = Some(Key::new(MARKER, "x").unwrap());
            entry.backends[0].key_name = Some("P_KEY".into());
            let it = open(&entry, home.path(), book(home.path()));
            let (_, events, error) = make(&it);
            assert!(error.is_some(), "{protocol:?}, {echo}");
            let jobs = Films::at(home.path()).all().unwrap();
            let seen = format!(
                "{events:?}{error:?}{it:?}{entry:?}{:?}{jobs:?}{}",
                it.status(),
                written(home.path())
            );
            assert!(!seen.contains(MARKER), "{protocol:?}, {echo}: {seen}");
        }
    }
}
