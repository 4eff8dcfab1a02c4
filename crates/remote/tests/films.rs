//! Films that others make: jobs that are begun, looked at, fetched, gone on with and ended.

#![allow(clippy::unwrap_used)]

mod common;

use common::eventually;
use common::films::{
    How, PROTOCOLS, Studio, What, all, asked, begun, book, dear, job, make, mp4, open, tell,
};
use parasol_core::{ErrorKind, Film, FilmEvent, FilmRequest, FirstFrame, Money};
use parasol_remote::{Films, JobState, Key};
use parasol_wire::client::{Manner, Protocol};
use parasol_wire::filming::FilmManner;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

fn costs(home: &Path) -> Vec<(Option<Money>, bool)> {
    let lines = book(home).lines_of(1).unwrap().1;
    lines.iter().map(|line| (line.usage.cost, line.reckoned)).collect()
}

#[test]
fn every_protocol_is_asked_where_it_listens_and_its_film_arrives() {
    for protocol in PROTOCOLS {
        let studio = Studio::start(protocol, move |what, _, asked, _| {
            let (create, look, film, key, parts) = match protocol {
                Protocol::OpenAi => (
                    "/v1/videos",
                    "/v1/videos/v-1",
                    "/v1/videos/v-1/content",
                    "authorization: bearer k-1234",
                    &[
                        "\"model\"\r\n\r\nm\r\n",
                        "\"seconds\"\r\n\r\n4\r\n",
                        "\"size\"\r\n\r\n1280x720\r\n",
                        "A cat on a roof.",
                    ][..],
                ),
                Protocol::Gemini => (
                    "/v1/models/m:predictLongRunning",
                    "/v1/models/m/operations/op-1",
                    "/v1/files/f1:download?alt=media",
                    "x-goog-api-key: k-1234",
                    &["\"durationSeconds\":4", "\"aspectRatio\":\"16:9\"", "\"resolution\":\"720p\""][..],
                ),
                _ => (
                    "/v1/text_to_video",
                    "/v1/tasks/17f2-0503",
                    "/film.mp4?_jwt=once",
                    "authorization: bearer k-1234",
                    &["\"model\":\"m\"", "\"duration\":4", "\"ratio\":\"1280:720\""][..],
                ),
            };
            let head = asked.head.to_lowercase();
            assert!(head.contains(key), "{head}");
            assert_eq!(head.contains("x-runway-version: 2024-11-06"), protocol == Protocol::Runway);
            match what {
                What::Create => {
                    assert!(asked.path == create && head.contains("idempotency-key: parasol-"), "{head}");
                    assert!(parts.iter().all(|part| asked.body.contains(part)), "{}", asked.body);
                }
                What::Look => assert_eq!(asked.path, look),
                What::Film => assert_eq!(asked.path, film),
                What::End => panic!("nobody ends it"),
            }
            false
        });
        let home = tempfile::tempdir().unwrap();
        let mut entry = dear(studio.entry(|_| {}));
        entry.backends[0].key = Some(Key::new("k-1234", "x").unwrap());
        let it = open(&entry, home.path(), book(home.path()));
        let (film, events, error) = make(&it);
        assert!(error.is_none() && film == mp4(), "{protocol:?}: {error:?} {}", film.len());
        let FilmEvent::Started { model, job: Some(id), seconds: 4, size } = &events[0] else {
            panic!("{events:?}")
        };
        assert_eq!((model.as_str(), size.to_string().as_str()), ("far", "1280x720"));
        let steps: Vec<_> = events
            .iter()
            .filter_map(|e| if let FilmEvent::Step { done, total: 100 } = e { Some(*done) } else { None })
            .collect();
        // Google tells no steps.
        let wanted = if protocol == Protocol::Gemini { vec![0] } else { vec![40] };
        assert_eq!(steps, wanted, "{protocol:?}: {events:?}");
        let [.., FilmEvent::Ready { media_type, bytes }, FilmEvent::Finished { usage, .. }] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!(
            (media_type.as_str(), *bytes, usage.cost),
            ("video/mp4", mp4().len() as u64, Some(Money::dollars(4.0)))
        );
        let kept = Films::at(home.path()).get(id).unwrap();
        assert_eq!((kept.state, kept.progress, kept.client.as_str()), (JobState::Completed, 100, "local"));
        assert_eq!(costs(home.path()), [(Some(Money::dollars(4.0)), false)]);
        assert_eq!(
            (studio.count(What::Create), studio.count(What::Look), studio.count(What::Film)),
            (1, 3, 1)
        );
        // What is over is told again without anybody being asked.
        let (again, _, error) = all(it.wait_for_film(&kept).unwrap());
        assert!(error.is_none() && again == film && studio.count(What::Look) == 3);
    }
}

#[test]
fn all_that_is_asked_for_is_sent_and_what_cannot_be_is_refused_by_name() {
    for protocol in PROTOCOLS {
        let studio = Studio::start(protocol, move |what, _, asked, _| {
            if what == What::Create {
                let parts = match protocol {
                    Protocol::OpenAi => &[
                        "\"input_reference\"; filename=\"frame.png\"",
                        "\"seconds\"\r\n\r\n8\r\n",
                        "720x1280",
                    ][..],
                    Protocol::Gemini => &[
                        "\"bytesBase64Encoded\":\"iVBOR",
                        "\"negativePrompt\":\"dogs\"",
                        "\"9:16\"",
                        "\"durationSeconds\":8",
                    ][..],
                    _ => &[
                        "data:image/png;base64,iVBOR",
                        "\"negativePrompt\":\"dogs\"",
                        "\"seed\":7",
                        "720:1280",
                    ][..],
                };
                assert!(parts.iter().all(|part| asked.body.contains(part)), "{}", asked.body);
            }
            false
        });
        let (home, mut entry) = (tempfile::tempdir().unwrap(), studio.entry(|_| {}));
        let can = |seed, negative_prompt| {
            let films = FilmManner { seed, negative_prompt, ..FilmManner::default() };
            Some(Manner { films, ..Manner::standard() })
        };
        entry.backends[0].manner = can(protocol == Protocol::Runway, protocol != Protocol::OpenAi);
        let it = open(&entry, home.path(), book(home.path()));
        let whole = FilmRequest {
            negative_prompt: (protocol != Protocol::OpenAi).then(|| "dogs".into()),
            first_frame: Some(FirstFrame { bytes: b"\x89PNG\r\n\x1a\n".to_vec() }),
            size: Some("720x1280".parse().unwrap()),
            seconds: Some(8),
            seed: (protocol == Protocol::Runway).then_some(7),
            ..asked()
        };
        let (film, _, error) = all(it.film(whole.clone()).unwrap());
        assert!(error.is_none() && film == mp4(), "{protocol:?}: {error:?}");
        entry.backends[0].manner = can(false, false);
        let it = open(&entry, home.path(), book(home.path()));
        for (request, field) in [
            (FilmRequest { seed: Some(7), ..asked() }, "seed"),
            (FilmRequest { negative_prompt: Some("dogs".into()), ..asked() }, "negative_prompt"),
        ] {
            let error = all(it.film(request).unwrap()).2.unwrap();
            assert!(error.message().contains(field), "{protocol:?}: {error}");
        }
        assert!(
            it.film(FilmRequest { seconds: Some(0), ..asked() })
                .unwrap_err()
                .message()
                .starts_with("seconds: ")
        );
        assert_eq!(studio.count(What::Create), 1, "nobody is asked for what cannot be");
        // Nothing is left of what was refused.
        assert_eq!(Films::at(home.path()).all().unwrap().len(), 1);
    }
}

#[test]
fn a_job_outlives_whoever_began_it() {
    for protocol in PROTOCOLS {
        let studio = Studio::start(protocol, |_, _, _, _| false);
        let home = tempfile::tempdir().unwrap();
        let entry = dear(studio.entry(|_| {}));
        let first = open(&entry, home.path(), book(home.path()));
        let (stream, id) = begun(&first);
        drop((stream, first));
        let films = Films::at(home.path());
        let kept = films.get(&id).unwrap();
        assert!(!kept.state.is_over() && !films.is_held(&id), "{kept:?}");
        assert!(
            costs(home.path()).is_empty(),
            "nothing is due yet, and what is promised is not taken for lost"
        );
        let second = open(&entry, home.path(), book(home.path()));
        let (film, events, error) = all(second.wait_for_film(&kept).unwrap());
        assert!(error.is_none() && film == mp4(), "{protocol:?}: {error:?}");
        assert!(matches!(&events[0], FilmEvent::Started { job: Some(job), .. } if *job == id));
        assert_eq!(studio.count(What::Create), 1, "it is not begun again");
        assert_eq!(costs(home.path()), [(Some(Money::dollars(4.0)), false)]);
    }
}

#[test]
fn one_looks_and_the_others_watch() {
    let studio = Studio::start(Protocol::OpenAi, |what, before, _, stream| {
        let busy = what == What::Look && before < 30;
        if busy {
            tell(stream, &job(Protocol::OpenAi, How::Running(before as u8), ""));
        }
        busy
    });
    let home = tempfile::tempdir().unwrap();
    let entry = dear(studio.entry(|_| {}));
    let first = open(&entry, home.path(), book(home.path()));
    let (stream, id) = begun(&first);
    let kept = Films::at(home.path()).get(&id).unwrap();
    let looking = std::thread::spawn(move || all(stream));
    eventually("somebody looks", || Films::at(home.path()).is_held(&id));
    let others: Vec<_> = (0..3)
        .map(|_| {
            let other = open(&entry, home.path(), book(home.path()));
            let kept = kept.clone();
            std::thread::spawn(move || all(other.wait_for_film(&kept).unwrap()))
        })
        .collect();
    for (film, _, error) in others.into_iter().chain([looking]).map(|it| it.join().unwrap()) {
        assert!(error.is_none() && film == mp4(), "{error:?}");
    }
    assert_eq!((studio.count(What::Look), studio.count(What::Film)), (31, 1));
    assert_eq!(costs(home.path()).len(), 1, "it is paid for once");
}

#[test]
fn ending_a_job_reaches_its_provider_whoever_looks_after_it() {
    for protocol in PROTOCOLS {
        for looked_after in [true, false] {
            for running in [false, true] {
                let studio = Studio::start(protocol, move |what, _, _, stream| {
                    let how = if running { How::Running(10) } else { How::Queued };
                    if what == What::Look {
                        tell(stream, &job(protocol, how, ""));
                    }
                    what == What::Look
                });
                let home = tempfile::tempdir().unwrap();
                let entry = dear(studio.entry(|_| {}));
                let it = open(&entry, home.path(), book(home.path()));
                let (stream, id) = begun(&it);
                let films = Films::at(home.path());
                let looking = std::thread::spawn(move || all(stream));
                eventually("it was looked at", || studio.count(What::Look) > 1);
                if !looked_after {
                    // Another has it in hand; here nobody does any more.
                    it.cancel_film_now(&id).unwrap();
                    looking.join().unwrap();
                    let over = films.get(&id).unwrap();
                    assert_eq!(it.cancel_film_now(&id).unwrap(), over, "what is over stays as it is");
                    continue;
                }
                let other = open(&entry, home.path(), book(home.path()));
                let ended = other.cancel_film_now(&id).unwrap();
                assert_eq!(ended.state, JobState::Cancelled, "{protocol:?}: {ended:?}");
                let error = looking.join().unwrap().2.unwrap();
                assert!(*error.kind() == ErrorKind::Cancelled && error.message().contains(&id), "{error}");
                let google = protocol == Protocol::Gemini;
                assert_eq!(studio.count(What::End), usize::from(!google), "{protocol:?}");
                let why = ended.failure.unwrap().message;
                assert_eq!(why.contains("no way to end"), google, "{why}");
                // What was worked on may be charged for; Google's all are.
                let due = if running || google { vec![(Some(Money::dollars(4.0)), true)] } else { vec![] };
                assert_eq!(costs(home.path()), due, "{protocol:?}, {running}");
            }
        }
    }
}

#[test]
fn a_film_that_is_not_wanted_any_more_is_not_fetched_to_its_end() {
    let studio = Studio::start(Protocol::OpenAi, |what, _, _, stream| {
        if what == What::Film {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2000000000\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(head);
            // A minute and more, unless somebody hangs up.
            while stream.write_all(&[0; 65_536]).is_ok() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        what == What::Film
    });
    let home = tempfile::tempdir().unwrap();
    let entry = dear(studio.entry(|_| {}));
    let (stream, id) = begun(&open(&entry, home.path(), book(home.path())));
    let fetching = std::thread::spawn(move || all(stream));
    eventually("it is fetched", || studio.count(What::Film) == 1);
    let since = Instant::now();
    let ended = open(&entry, home.path(), book(home.path())).cancel_film_now(&id).unwrap();
    assert!(ended.state == JobState::Cancelled && since.elapsed() < Duration::from_secs(20), "{ended:?}");
    assert_eq!(*fetching.join().unwrap().2.unwrap().kind(), ErrorKind::Cancelled);
    // It was made, and is paid for once.
    assert_eq!(costs(home.path()), [(Some(Money::dollars(4.0)), false)]);
}

#[test]
fn a_job_that_nobody_looks_after_is_ended_all_the_same() {
    let studio = Studio::start(Protocol::Runway, |_, _, _, _| false);
    let home = tempfile::tempdir().unwrap();
    let entry = dear(studio.entry(|_| {}));
    let it = open(&entry, home.path(), book(home.path()));
    let (stream, id) = begun(&it);
    drop(stream);
    let ended = it.cancel_film_now(&id).unwrap();
    assert_eq!((ended.state, studio.count(What::End)), (JobState::Cancelled, 1));
    // Whoever was dropped may have looked at it before.
    assert!(costs(home.path()).is_empty() || studio.count(What::Look) > 0);
}

#[test]
fn a_provider_that_refuses_to_end_a_job_is_told_of() {
    for (status, ended) in [(409, true), (404, true), (500, false), (401, false)] {
        let studio = Studio::start(Protocol::OpenAi, move |what, _, _, stream| {
            match what {
                What::Look => tell(stream, &job(Protocol::OpenAi, How::Running(5), "")),
                What::End => common::respond(
                    stream,
                    status,
                    "application/json",
                    "",
                    r#"{"error":{"message":"not now"}}"#,
                ),
                _ => return false,
            }
            true
        });
        let home = tempfile::tempdir().unwrap();
        let entry = dear(studio.entry(|_| {}));
        let it = open(&entry, home.path(), book(home.path()));
        let (stream, id) = begun(&it);
        drop(stream);
        match it.cancel_film_now(&id) {
            Ok(job) => {
                assert!(ended, "{status}: {job:?}");
                assert_eq!(job.failure.unwrap().message.contains("not now"), status == 409, "{status}");
            }
            Err(error) => {
                assert!(!ended && error.message().contains("not now"), "{status}: {error}");
                let kept = Films::at(home.path()).get(&id).unwrap();
                assert!(!kept.state.is_over() && kept.note.unwrap().contains("not now"), "{status}");
            }
        }
        assert_eq!(studio.count(What::End), if status == 500 { 3 } else { 1 }, "{status}");
    }
}

#[test]
fn a_job_that_never_ends_is_ended() {
    for protocol in PROTOCOLS {
        let studio = Studio::start(protocol, move |what, _, _, stream| {
            if what == What::Look {
                tell(stream, &job(protocol, How::Running(99), ""));
            }
            what == What::Look
        });
        let home = tempfile::tempdir().unwrap();
        let it = open(&dear(studio.entry(|limits| limits.job = 0.5)), home.path(), book(home.path()));
        let begun = Instant::now();
        let error = make(&it).2.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10) && *error.kind() == ErrorKind::Timeout, "{error}");
        assert!(error.message().contains("0.5 s"), "{error}");
        assert_eq!(studio.count(What::End), usize::from(protocol != Protocol::Gemini));
        assert_eq!(costs(home.path()), [(Some(Money::dollars(4.0)), true)]);
    }
}

#[test]
fn a_film_is_made_anew_where_it_lies() {
    let studio = Studio::start(Protocol::OpenAi, |what, before, asked, _| {
        if what == What::Create && before == 1 {
            assert_eq!(
                (asked.path.as_str(), asked.body.as_str()),
                ("/v1/videos/v-1/remix", r#"{"prompt":"At night."}"#)
            );
        }
        false
    });
    let home = tempfile::tempdir().unwrap();
    let entry = dear(studio.entry(|_| {}));
    let it = open(&entry, home.path(), book(home.path()));
    make(&it);
    let first = Films::at(home.path()).all().unwrap().remove(0);
    let night = FilmRequest { prompt: "At night.".into(), ..asked() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let second = runtime.block_on(it.begin_film(&night, Some(&first))).unwrap();
    assert_eq!((second.remixed_from.as_ref(), second.seconds), (Some(&first.id), 4));
    let done = runtime.block_on(it.follow_film(&second.id)).unwrap();
    assert_eq!((done.state, done.prompt.as_str()), (JobState::Completed, "At night."));
    // What was made elsewhere is none of its business.
    let elsewhere = parasol_remote::FilmJob { address: "http://127.0.0.1:9/v1".into(), ..first };
    let error = runtime.block_on(it.begin_film(&night, Some(&elsewhere))).unwrap_err();
    assert!(error.message().contains("another address"), "{error}");
    let error = runtime.block_on(it.follow_film("video_00000000000000000000000000000000")).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
}
