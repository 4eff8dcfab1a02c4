//! Models that speak elsewhere: long texts, what they cost, and their keys.

#![allow(clippy::unwrap_used)]

mod common;

use common::speech::{PROTOCOLS, all, asked, end, entry, head, say, send, sound, whole};
use common::{Server, eventually, next, redirect, respond};
use parasol_core::{ErrorKind, Money, Speak, SpeakRequest, SpeechEvent};
use parasol_remote::{Budget, Key, Ledger, Price, RemoteModel, Remotes};
use parasol_wire::client::{Manner, Protocol};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn a_long_text_is_asked_for_in_pieces_and_only_what_was_not_heard_again() {
    let text = "One two three. Four five six. Seven eight.";
    for protocol in PROTOCOLS {
        let times = AtomicUsize::new(0);
        let server = Server::start(move |_, stream| match times.fetch_add(1, Ordering::SeqCst) {
            1 => respond(stream, 500, "text/plain", "", ""),
            _ => whole(stream, protocol, 10),
        });
        let mut entry = entry(protocol, &server, |limits| limits.retries = 1);
        entry.backends[0].manner = Some(Manner { max_characters: 16, ..Manner::standard() });
        let it = Remotes::new().unwrap().open(&entry).unwrap();
        let (samples, events, error) = say(&it, text);
        assert!(error.is_none() && samples.len() == 30 && server.count() == 4, "{error:?} {}", samples.len());
        let SpeechEvent::Finished { usage, .. } = events.last().unwrap() else { panic!() };
        assert_eq!(usage.characters, text.len());
    }
    // What was heard is not said again, and no sound changes its rate.
    for (second, part) in [(None, "broke"), (Some(16_000), "had 24000 before")] {
        let times = AtomicUsize::new(0);
        let server = Server::start(move |_, stream| {
            let rate =
                if times.fetch_add(1, Ordering::SeqCst) == 0 { 24_000 } else { second.unwrap_or(24_000) };
            head(stream, "audio/wav");
            send(stream, &sound(Protocol::OpenAi, 10, rate));
            if second.is_some() {
                end(stream);
            }
        });
        let mut entry = entry(Protocol::OpenAi, &server, |limits| limits.retries = 3);
        entry.backends[0].manner = Some(Manner { max_characters: 30, ..Manner::standard() });
        let (_, _, error) = say(&Remotes::new().unwrap().open(&entry).unwrap(), text);
        let error = error.unwrap();
        assert!(error.message().contains(part), "{error}");
        assert!(server.count() <= 2 + usize::from(second.is_some()) * 3, "{part}: {}", server.count());
    }
}

/// A model with prices and a book.
fn dear(server: &Server, folder: &Path, budget: Budget, price: Price) -> (Arc<RemoteModel>, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::new(folder.join("usage"), budget));
    let mut entry = entry(Protocol::OpenAi, server, |_| {});
    entry.price = Some(Price { dated: "2026-11-27".into(), ..price });
    (Remotes::new().unwrap().accounted(Arc::clone(&ledger), None).open(&entry).unwrap(), ledger)
}

#[test]
fn speech_has_its_price_and_budgets_stop_before_they_are_passed() {
    let server = Server::start(|_, stream| whole(stream, Protocol::OpenAi, 24_000));
    let folder = tempfile::tempdir().unwrap();
    let budget = Budget { day: Some(20.0), ..Budget::default() };
    // A dollar a character, whatever it sounds like.
    let price = Price { characters: Some(1e6), minute: Some(60.0), ..Price::default() };
    let (it, ledger) = dear(&server, folder.path(), budget.clone(), price);
    let (_, events, _) = all(it.speak(SpeakRequest { client: "a".into(), ..asked("Ten chars.") }).unwrap());
    let SpeechEvent::Finished { usage, .. } = events.last().unwrap() else { panic!("{events:?}") };
    assert_eq!(usage.cost, Some(Money::dollars(10.0)));
    let error = say(&it, "Eleven char").2.unwrap();
    assert!(matches!(error.kind(), ErrorKind::RateLimited { .. }), "{error}");
    assert_eq!((server.count(), ledger.spent_today().unwrap()["a"]), (1, Money::dollars(10.0)));
    // A dollar a second, of which there is one; a character could take half of one, and pauses half a minute.
    let folder = tempfile::tempdir().unwrap();
    let budget = Budget { day: Some(50.0), ..Budget::default() };
    let (it, ledger) = dear(&server, folder.path(), budget, Price { minute: Some(60.0), ..Price::default() });
    assert!(say(&it, "Ten chars.").2.is_none());
    assert_eq!(ledger.spent_today().unwrap()["local"], Money::dollars(1.0));
    assert!(say(&it, &"x".repeat(39)).2.is_some(), "49.5 more could pass the 50");
    assert!(say(&it, &"x".repeat(38)).2.is_none());
}

#[test]
fn no_more_sound_is_paid_for_than_was_promised() {
    // 36 seconds for ten characters, which is not beyond belief, but more than 30 and half a second for each.
    let server = Server::start(|_, stream| {
        head(stream, "audio/wav");
        send(stream, &sound(Protocol::OpenAi, 24_000, 24_000));
        for _ in 1..36 {
            send(stream, &sound(Protocol::ElevenLabs, 24_000, 24_000));
        }
        end(stream);
    });
    let by_minute = || Price { minute: Some(60.0), ..Price::default() };
    let by_character = Price { characters: Some(1e6), ..by_minute() };
    for (day, price, spent) in [(None, by_minute(), 36.0), (Some(40.0), by_character, 10.0)] {
        let folder = tempfile::tempdir().unwrap();
        let (it, ledger) = dear(&server, folder.path(), Budget { day, ..Budget::default() }, price);
        let (samples, _, error) = say(&it, "Ten chars.");
        assert!(samples.len() == 36 * 24_000 && error.is_none(), "{error:?}");
        assert_eq!(ledger.spent_today().unwrap()["local"], Money::dollars(spent));
    }
    let folder = tempfile::tempdir().unwrap();
    let budget = Budget { day: Some(40.0), ..Budget::default() };
    let (it, ledger) = dear(&server, folder.path(), budget, by_minute());
    let (samples, _, error) = say(&it, "Ten chars.");
    let error = error.unwrap();
    assert!(error.message().contains("35 s of sound, which is all that the budget"), "{error}");
    // All of it is spent, what came is passed on, nobody is asked again, and the address has done nothing wrong.
    assert_eq!(ledger.spent_today().unwrap()["local"], Money::dollars(35.0));
    assert!((30 * 24_000..=35 * 24_000).contains(&samples.len()), "{}", samples.len());
    assert_eq!((server.count(), it.status()[0].failures), (3, 0));
}

#[test]
fn what_a_refused_piece_would_have_cost_is_not_written_down() {
    let server = Server::start(move |asked, stream| match asked.body.contains("One") {
        true => whole(stream, Protocol::OpenAi, 10),
        false => respond(stream, 400, "application/json", "", r#"{"error":{"message":"not that"}}"#),
    });
    for (text, spent) in [("One two three. Four five six.", Some(14.0)), ("Four five six. One.", None)] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Ledger::new(folder.path().join("usage"), Budget::default()));
        let mut entry = entry(Protocol::OpenAi, &server, |_| {});
        entry.price = Some(Price { characters: Some(1e6), dated: "2026-11-27".into(), ..Price::default() });
        entry.backends[0].manner = Some(Manner { max_characters: 16, ..Manner::standard() });
        let it = Remotes::new().unwrap().accounted(Arc::clone(&ledger), None).open(&entry).unwrap();
        assert!(say(&it, text).2.unwrap().message().contains("not that"));
        let lines = ledger.lines_of(1).unwrap().1;
        let costs: Vec<_> = lines.iter().map(|line| line.usage.cost).collect();
        assert_eq!(
            costs,
            spent.map(|spent| Some(Money::dollars(spent))).into_iter().collect::<Vec<_>>(),
            "{text}"
        );
    }
}

#[test]
fn each_piece_takes_a_turn_of_its_own() {
    let server = Server::start(|_, stream| whole(stream, Protocol::OpenAi, 10));
    let mut entry = entry(Protocol::OpenAi, &server, |limits| {
        (limits.requests_per_minute, limits.longest_wait) = (2, 1.0);
    });
    entry.backends[0].manner = Some(Manner { max_characters: 16, ..Manner::standard() });
    let it = Remotes::new().unwrap().open(&entry).unwrap();
    let (samples, _, error) = say(&it, "One two three. Four five six. Seven eight.");
    let error = error.unwrap();
    assert!(error.message().contains("requests_per_minute"), "{error}");
    assert_eq!((samples.len(), server.count()), (20, 2), "the third would be one too many");
}

#[test]
fn a_speech_that_is_given_up_is_written_down() {
    let server = Server::start(|_, stream| {
        head(stream, "audio/wav");
        send(stream, &sound(Protocol::OpenAi, 10, 24_000));
        while send(stream, &[0, 0]) {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let price = Price { characters: Some(1e6), ..Price::default() };
    let (it, ledger) = dear(&server, folder.path(), Budget::default(), price);
    let mut stream = it.speak(asked("Hello.")).unwrap();
    next(&mut stream).unwrap().unwrap();
    drop(stream);
    eventually("it is written down", || ledger.lines_of(1).unwrap().1.len() == 1);
    let line = &ledger.lines_of(1).unwrap().1[0];
    assert!(line.reckoned && line.usage.cost == Some(Money::dollars(6.0)), "{line:?}");
    assert_eq!(line.usage.generated_tokens, 0, "pieces of sound are no tokens");
}

/// Looks like a key, and nothing else does.
const MARKER: &str = "sk-marker-feed5eed-90ab";

#[test]
fn a_key_is_in_one_header_and_nowhere_else() {
    for protocol in PROTOCOLS {
        for echo in 0..4 {
            let server = Server::start(move |asked, stream| {
                assert!(asked.head.matches(MARKER).count() == 1 && !asked.body.contains(MARKER));
                assert!(!asked.path.contains(MARKER));
                match echo {
                    0 => {
                        respond(stream, 401, "text/plain", "", &format!(r#"{{"detail":"bad key {MARKER}"}}"#))
                    }
                    1 => respond(stream, 200, &format!("text/{MARKER}"), "", ""),
                    2 => {
                        head(stream, "audio/wav");
                        send(stream, format!("{MARKER} is no sound").as_bytes());
                        end(stream);
                    }
                    _ => redirect(stream, 302, MARKER),
                }
            });
            let mut entry = entry(protocol, &server, |_| {});
            entry.backends[0].key = Some(Key::new(MARKER, "x").unwrap());
            entry.backends[0].key_name = Some("P_KEY".into());
            let it = Remotes::new().unwrap().open(&entry).unwrap();
            let (_, events, error) = say(&it, "Hello.");
            // Plain samples may be anything.
            assert!(error.is_some() || (protocol, echo) == (Protocol::ElevenLabs, 2), "{protocol:?}, {echo}");
            let seen = format!("{events:?}{error:?}{it:?}{entry:?}{:?}", it.status());
            assert!(!seen.contains(MARKER), "{protocol:?}, {echo}: {seen}");
        }
    }
}
