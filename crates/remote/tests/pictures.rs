//! Models that make pictures elsewhere, in every protocol: what they are asked, what comes back, and what it costs.

#![allow(clippy::unwrap_used)]

mod common;

use common::pictures::{BASE64, GIF, PROTOCOLS, all, ask, asked, draw, entry, home, manner, model};
use common::{Server, begin, eventually, next, respond, send};
use parasol_core::{ErrorKind, Imagine, ImagineEvent, ImagineRequest, Money, Picture};
use parasol_remote::{Budget, Key, Ledger, PicturePrice, Price, RemoteEntry, Remotes};
use parasol_wire::client::{Manner, Protocol};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn every_protocol_is_asked_where_it_listens_and_its_picture_arrives() {
    for protocol in PROTOCOLS {
        let server = Server::start(move |asked, stream| {
            let head = asked.head.to_lowercase();
            let (path, header, part) = match protocol {
                Protocol::Gemini => (
                    "/v1beta/models/m:generateContent",
                    "x-goog-api-key: k-1234",
                    "\"text\":\"A lighthouse\"",
                ),
                Protocol::Stability => {
                    ("/v2beta/stable-image/generate/sd3", "authorization: bearer k-1234", "A lighthouse")
                }
                Protocol::Bfl => ("/v1/m", "x-key: k-1234", "\"prompt\":\"A lighthouse\""),
                _ => {
                    ("/v1/images/generations", "authorization: bearer k-1234", "\"prompt\":\"A lighthouse\"")
                }
            };
            if asked.path.starts_with("/sample.gif") {
                assert!(!head.contains("k-1234"), "the key goes to no signed address: {head}");
            } else {
                assert!(head.contains(header), "{head}");
                assert!(asked.path == path || asked.path.starts_with("/v1/get_result"), "{}", asked.path);
            }
            assert!(asked.head.starts_with("GET") || asked.body.contains(part), "{}", asked.body);
            draw(protocol, asked, stream);
        });
        let mut entry = entry(protocol, &server, |_| {});
        entry.backends[0].key = Some(Key::new("k-1234", "x").unwrap());
        let (images, events, error) = ask(&Remotes::new().unwrap().open(&entry).unwrap());
        assert!(error.is_none(), "{protocol:?}: {error:?}");
        assert_eq!((images.len(), images[0].picture.bytes.as_slice()), (1, GIF.as_bytes()), "{protocol:?}");
        assert_eq!(images[0].picture.dimensions(), Some((3, 2)));
        let told = matches!(protocol, Protocol::Stability | Protocol::Bfl).then_some(42);
        assert_eq!(images[0].seed, told, "{protocol:?}");
        let [ImagineEvent::Started { model, total: 1 }, ImagineEvent::Finished { usage, timings }] =
            &events[..]
        else {
            panic!("{protocol:?}: {events:?}")
        };
        assert_eq!((model.as_str(), usage.images, usage.cost), ("far", 1, None));
        assert!(timings.first_image <= timings.total);
    }
}

#[test]
fn several_pictures_are_asked_for_at_once_or_one_by_one() {
    let seeds = Arc::new(std::sync::Mutex::new(Vec::new()));
    for protocol in PROTOCOLS {
        let seen = Arc::clone(&seeds);
        let server = Server::start(move |asked, stream| {
            let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap_or_default();
            seen.lock().unwrap().extend(body["seed"].as_u64());
            if protocol == Protocol::OpenAi {
                assert_eq!(body["n"], 3);
                let three =
                    format!(r#"{{"data":[{}]}}"#, [r#"{"b64_json":"R0lGODlhAwACAA=="}"#; 3].join(","));
                respond(stream, 200, "application/json", "", &three);
            } else {
                draw(protocol, asked, stream);
            }
        });
        let seed = (protocol != Protocol::OpenAi).then_some(7);
        let request = ImagineRequest { count: 3, seed, ..asked() };
        let (images, _, error) = all(model(protocol, &server).imagine(request).unwrap());
        assert!(error.is_none(), "{protocol:?}: {error:?}");
        assert_eq!(images.iter().map(|image| image.index).collect::<Vec<_>>(), [0, 1, 2], "{protocol:?}");
        if protocol == Protocol::Bfl {
            assert_eq!(seeds.lock().unwrap().split_off(0), [7, 8, 9]);
        }
        seeds.lock().unwrap().clear();
    }
}

#[test]
fn previews_come_before_the_picture_is_done() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let server = Server::start(move |asked, stream| {
        assert!(asked.body.contains("\"partial_images\":2") && asked.body.contains("\"stream\":true"));
        begin(stream);
        let event = |kind: &str, more: &str| {
            format!(
                "event: image_generation.{kind}\ndata: {{\"type\":\"image_generation.{kind}\",\"b64_json\":\"{BASE64}\"{more}}}\n\n"
            )
        };
        send(stream, &event("partial_image", ",\"partial_image_index\":0"));
        wait.lock().unwrap().recv_timeout(Duration::from_secs(10)).unwrap();
        send(stream, &event("completed", ",\"usage\":{\"input_tokens\":5,\"output_tokens\":100}"));
        let _ = stream.write_all(b"0\r\n\r\n");
    });
    let it = model(Protocol::OpenAi, &server);
    let mut stream = it.imagine(ImagineRequest { previews: 2, ..asked() }).unwrap();
    assert!(matches!(next(&mut stream), Some(Ok(ImagineEvent::Started { .. }))));
    let Some(Ok(ImagineEvent::Preview { index: 0, number: 0, picture })) = next(&mut stream) else {
        panic!()
    };
    assert_eq!(picture.bytes, GIF.as_bytes());
    go.send(()).unwrap();
    let (images, events, error) = all(stream);
    assert!(error.is_none() && images.len() == 1, "{error:?}");
    let Some(ImagineEvent::Finished { usage, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!((usage.text_tokens, usage.output_tokens), (5, 100));
    // Where nobody can be asked for them, that is told, and the picture comes all the same.
    let server = Server::start(|asked, stream| draw(Protocol::Stability, asked, stream));
    let it = model(Protocol::Stability, &server);
    let (images, events, _) = all(it.imagine(ImagineRequest { previews: 2, ..asked() }).unwrap());
    assert!(
        matches!(&events[0], ImagineEvent::Ignored { field, .. } if field == "partial_images"),
        "{events:?}"
    );
    assert_eq!(images.len(), 1);
}

#[test]
fn what_a_provider_cannot_be_told_is_refused_by_name_and_nobody_is_asked() {
    let server = Server::start(|_, _| panic!("nobody is to be asked"));
    let gif = || Picture::new(GIF.as_bytes().to_vec()).unwrap();
    for (protocol, request, field) in [
        (
            Protocol::OpenAi,
            ImagineRequest { negative_prompt: Some("x".into()), ..asked() },
            "negative_prompt: ",
        ),
        (Protocol::OpenAi, ImagineRequest { seed: Some(7), ..asked() }, "seed: "),
        (Protocol::OpenAi, ImagineRequest { size: "16:9".parse().ok(), ..asked() }, "size: "),
        (Protocol::Gemini, ImagineRequest { quality: Some("high".into()), ..asked() }, "quality: "),
        (Protocol::Gemini, ImagineRequest { seed: Some(1 << 40), ..asked() }, "seed: "),
        (
            Protocol::Stability,
            ImagineRequest { background: Some("opaque".into()), ..asked() },
            "background: ",
        ),
        (Protocol::Bfl, ImagineRequest { guidance: Some(3.0), ..asked() }, "guidance_scale: "),
        (Protocol::Bfl, ImagineRequest { mask: Some(gif()), pictures: vec![gif()], ..asked() }, "mask: "),
        (Protocol::Anthropic, asked(), "no pictures"),
    ] {
        let mut entry = entry(protocol, &server, |limits| limits.retries = 2);
        entry.backends[0].manner = Some(manner(protocol));
        let it = Remotes::new().unwrap().open(&entry).unwrap();
        let (_, events, error) = all(it.imagine(request).unwrap());
        let error = error.unwrap();
        assert!(error.message().contains(field) && events.is_empty(), "{protocol:?}: {error}");
    }
    let it = model(Protocol::OpenAi, &server);
    assert!(it.imagine(ImagineRequest { count: 0, ..asked() }).is_err());
    let chats = common::open(vec![server.entry(1)], |_| {});
    let error = chats.imagine(asked()).err().unwrap();
    assert!(
        *error.kind() == ErrorKind::Unsupported && error.message().contains("far cannot imagine"),
        "{error}"
    );
}

/// A model with prices and a book.
fn dear(
    entry: &RemoteEntry,
    home: &std::path::Path,
    budget: Budget,
) -> (Arc<parasol_remote::RemoteModel>, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::new(home.join("usage"), budget));
    (Remotes::new().unwrap().accounted(Arc::clone(&ledger), None).open(entry).unwrap(), ledger)
}

fn priced(each: Option<f64>, output: f64) -> Option<Price> {
    let pictures = Some(PicturePrice { each, ..PicturePrice::default() });
    Some(Price { input: output / 8.0, output, pictures, dated: "2026-11-27".into(), ..Price::default() })
}

#[test]
fn a_picture_is_paid_for_by_its_tokens_by_the_list_or_as_the_provider_tells() {
    let server = |more: &'static str| {
        Server::start(move |asked, stream| match more {
            "" => draw(Protocol::OpenAi, asked, stream),
            more => respond(
                stream,
                200,
                "application/json",
                "",
                &format!(r#"{{"data":[{{"b64_json":"{BASE64}"}}],"usage":{more}}}"#),
            ),
        })
    };
    for (more, price, dollars) in [
        // 5 of text at 5 and 100 of a picture at 40.
        ("", priced(None, 40.0), Some(0.004_025)),
        ("{}", priced(Some(0.04), 0.0), Some(0.04)),
        (r#"{"cost_in_usd_ticks":700000000}"#, priced(Some(0.04), 0.0), Some(0.07)),
        ("{}", None, None),
    ] {
        let (server, folder) = (server(more), tempfile::tempdir().unwrap());
        let entry = RemoteEntry { price, ..entry(Protocol::OpenAi, &server, |_| {}) };
        let (it, ledger) = dear(&entry, folder.path(), Budget::default());
        let (_, events, _) = ask(&it);
        let Some(ImagineEvent::Finished { usage, .. }) = events.last() else { panic!("{events:?}") };
        assert_eq!(usage.cost, dollars.map(Money::dollars), "{more}");
        let lines = ledger.lines_of(1).unwrap().1;
        assert_eq!((lines.len(), lines[0].usage.cost), (1, usage.cost));
    }
}

#[test]
fn budgets_stop_before_they_are_passed() {
    let server = Server::start(|asked, stream| draw(Protocol::Stability, asked, stream));
    let folder = tempfile::tempdir().unwrap();
    let entry = RemoteEntry { price: priced(Some(0.04), 0.0), ..entry(Protocol::Stability, &server, |_| {}) };
    let (it, _) = dear(&entry, folder.path(), Budget { day: Some(0.10), ..Budget::default() });
    let (_, _, error) = all(it.imagine(ImagineRequest { count: 3, ..asked() }).unwrap());
    assert!(matches!(error.unwrap().kind(), ErrorKind::RateLimited { .. }));
    assert_eq!(server.count(), 0, "nobody was asked");
    for (fits, asked) in [(true, 1), (true, 2), (false, 2)] {
        assert_eq!(ask(&it).2.is_none(), fits);
        assert_eq!(server.count(), asked);
    }
    // Of what no price is known a budget lets nothing through.
    let (it, _) = dear(
        &RemoteEntry { price: None, ..entry },
        folder.path(),
        Budget { day: Some(9.0), ..Budget::default() },
    );
    assert!(ask(&it).2.is_some());
}

#[test]
fn one_that_nobody_waits_for_is_left_and_written_down() {
    let polls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&polls);
    let server = Server::start(move |asked, stream| match asked.path.starts_with("/v1/get_result") {
        true => {
            let part = seen.fetch_add(1, Ordering::SeqCst) + 1;
            respond(
                stream,
                200,
                "application/json",
                "",
                &format!(r#"{{"status":"Pending","progress":0.{part}}}"#),
            );
        }
        false => {
            let url = home(asked, "/v1/get_result?id=1");
            respond(
                stream,
                200,
                "application/json",
                "",
                &format!(r#"{{"id":"1","polling_url":"{url}","cost":6}}"#),
            );
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let entry = RemoteEntry {
        price: priced(Some(0.04), 0.0),
        ..entry(Protocol::Bfl, &server, |limits| limits.first_token = 60.0)
    };
    let (it, ledger) = dear(&entry, folder.path(), Budget::default());
    let mut stream = it.imagine(asked()).unwrap();
    assert!(matches!(next(&mut stream), Some(Ok(ImagineEvent::Started { .. }))));
    assert!(matches!(next(&mut stream), Some(Ok(ImagineEvent::Step { index: 0, done: 10, total: 100 }))));
    assert!(matches!(next(&mut stream), Some(Ok(ImagineEvent::Step { done: 20, .. }))));
    drop(stream);
    let asked_before = polls.load(Ordering::SeqCst);
    eventually("it stands in the book", || ledger.lines_of(1).unwrap().1.len() == 1);
    let line = &ledger.lines_of(1).unwrap().1[0];
    // Six credits, as the provider told when the job began.
    assert_eq!((line.usage.cost, line.reckoned), (Some(Money::dollars(0.06)), true));
    std::thread::sleep(Duration::from_millis(900));
    assert_eq!(polls.load(Ordering::SeqCst), asked_before, "nobody asks any more");
}

#[test]
fn own_servers_take_all_that_the_vocabulary_has() {
    let server = Server::start(|asked, stream| {
        for part in [
            "\"negative_prompt\":\"fog\"",
            "\"seed\":7",
            "\"steps\":20",
            "\"guidance_scale\":7.5",
            "\"response_format\":\"b64_json\"",
        ] {
            assert!(asked.body.contains(part), "{}", asked.body);
        }
        draw(Protocol::OpenAi, asked, stream);
    });
    let mut entry = entry(Protocol::OpenAi, &server, |_| {});
    entry.backends[0].manner = Some(Manner::default());
    let request = ImagineRequest {
        negative_prompt: Some("fog".into()),
        seed: Some(7),
        steps: Some(20),
        guidance: Some(7.5),
        ..asked()
    };
    let (images, _, error) = all(Remotes::new().unwrap().open(&entry).unwrap().imagine(request).unwrap());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(images[0].seed, Some(7), "alone, it was drawn from what was asked for");
}
