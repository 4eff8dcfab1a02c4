//! Retries, limits known ahead, the cache, and money, against real HTTP on loopback.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, answer, ask, begin, entry_of, eventually, open, piece, respond};
use futures_core::Stream;
use parasol_core::{ChatRequest, ErrorKind, EventStream, GenerationEvent, Message, Money, Role};
use parasol_remote::directory::CacheSettings;
use parasol_remote::{BackendEntry, Budget, Ledger, Price, RemoteModel, Remotes};
use parasol_wire::client::Protocol;
use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Fails `times` times with `status` and the header, then answers.
fn at_first(times: usize, status: u16, header: &'static str) -> Server {
    let asked = AtomicUsize::new(0);
    Server::start(move |request, stream| {
        if asked.fetch_add(1, Ordering::SeqCst) < times {
            respond(stream, status, "application/json", header, r#"{"error":{"message":"later"}}"#);
        } else {
            answer("ok")(request, stream);
        }
    })
}

#[test]
fn a_try_that_fails_before_the_first_token_is_made_again_after_a_pause() {
    for status in [429, 500, 503, 529] {
        let server = at_first(2, status, "");
        let it = open(vec![server.entry(1)], |limits| {
            limits.retries = 2;
            limits.longest_wait = 10.0;
        });
        let begun = Instant::now();
        let (text, _, error) = ask(&it);
        assert_eq!((text.as_str(), server.count()), ("ok", 3), "{status}: {error:?}");
        assert!(begun.elapsed() >= Duration::from_millis(700), "{status}: {:?}", begun.elapsed());
    }
}

#[test]
fn as_long_as_it_was_asked_to_wait_and_not_longer_than_allowed() {
    let server = at_first(1, 429, "retry-after: 1\r\n");
    let it = open(vec![server.entry(1)], |limits| limits.retries = 1);
    let begun = Instant::now();
    assert_eq!(ask(&it).0, "ok");
    assert!((1.0..2.5).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    let server = at_first(1, 429, "retry-after: 90\r\n");
    let it = open(vec![server.entry(1)], |limits| limits.retries = 5);
    let begun = Instant::now();
    assert_eq!(*ask(&it).2.unwrap().kind(), ErrorKind::RateLimited { retry_after: 90 });
    assert!(begun.elapsed() < Duration::from_secs(1) && server.count() == 1);
}

#[test]
fn nothing_is_made_again_that_cannot_get_better_or_has_begun() {
    for status in [400, 401, 403, 404, 422] {
        let server = at_first(1, status, "");
        let it = open(vec![server.entry(1)], |limits| limits.retries = 3);
        assert!(ask(&it).2.is_some(), "{status}");
        assert_eq!(server.count(), 1, "{status}");
    }
    let server = Server::start(|_, stream| {
        begin(stream);
        piece(stream, "half ");
    });
    let it = open(vec![server.entry(1)], |limits| limits.retries = 3);
    let (text, _, error) = ask(&it);
    assert_eq!((text.as_str(), server.count()), ("half ", 1));
    assert_eq!(*error.unwrap().kind(), ErrorKind::Network);
}

#[test]
fn all_tries_of_a_request_have_the_same_idempotency_key_and_requests_different_ones() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keys = Arc::clone(&seen);
    let server = Server::start(move |request, stream| {
        let line = request.head.to_lowercase();
        let key = line.lines().find_map(|l| l.strip_prefix("idempotency-key: ")).unwrap().to_owned();
        let mut keys = keys.lock().unwrap();
        keys.push(key);
        if keys.len() == 1 {
            respond(stream, 500, "text/plain", "", "");
        } else {
            answer("ok")(request, stream);
        }
    });
    let it = open(vec![server.entry(1)], |limits| limits.retries = 1);
    assert!(ask(&it).2.is_none() && ask(&it).2.is_none());
    let keys = seen.lock().unwrap();
    assert!(keys.len() == 3 && keys[0] == keys[1] && keys[1] != keys[2], "{keys:?}");
}

#[test]
fn more_at_once_than_allowed_wait_for_their_turn() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, peak) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(move |request, stream| {
        peak.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(50));
        inside.fetch_sub(1, Ordering::SeqCst);
        answer("ok")(request, stream);
    });
    let it = open(vec![server.entry(1)], |limits| limits.concurrency = 2);
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let it = Arc::clone(&it);
            std::thread::spawn(move || ask(&it).0)
        })
        .collect();
    assert!(asked.into_iter().all(|thread| thread.join().unwrap() == "ok"));
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

/// A model that costs a dollar for each token of the answer, with a book in `folder`.
fn dear(
    server: &Server,
    folder: &std::path::Path,
    budget: Budget,
    cache: bool,
) -> (Arc<RemoteModel>, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::new(folder.join("usage"), budget));
    let cache = cache.then_some(CacheSettings { seconds: 60.0, entries: 10 });
    let mut entry = entry_of(vec![server.entry(1)], |_| {});
    let million = 1e6;
    entry.price = Some(Price {
        input: 0.0,
        cached: None,
        cache_write: None,
        output: million,
        dated: "2025-11-27".into(),
        ..Price::default()
    });
    let remotes = Remotes::new().unwrap().accounted(Arc::clone(&ledger), cache);
    (remotes.open(&entry).unwrap(), ledger)
}

fn ask_for(model: &RemoteModel, client: &str, most: usize) -> (Option<Money>, Option<ErrorKind>) {
    let (events, error) = common::ask_as(model, client, most);
    let cost = events.iter().find_map(|event| match event {
        GenerationEvent::Finished { usage, .. } => usage.cost,
        _ => None,
    });
    (cost, error.map(|error| error.kind().clone()))
}

#[test]
fn answers_have_their_price_and_budgets_stop_before_they_are_passed() {
    let (server, folder) = (Server::start(answer("ok")), tempfile::tempdir().unwrap());
    let budget = Budget { day: Some(10.0), key_day: Some(5.0), ..Budget::default() };
    let (it, ledger) = dear(&server, folder.path(), budget, false);
    // The server tells of two tokens: two dollars. At most four are promised.
    assert_eq!(ask_for(&it, "a", 4), (Some(Money::dollars(2.0)), None));
    // Two are spent and four would be promised, which could pass the five of this key …
    let (_, error) = ask_for(&it, "a", 4);
    assert!(matches!(error, Some(ErrorKind::RateLimited { .. })), "{error:?}");
    // … while three cannot.
    assert_eq!(ask_for(&it, "a", 3).1, None);
    assert_eq!(ask_for(&it, "b", 5).1, None);
    // All together have spent six: five more could pass the ten of the day.
    assert!(matches!(ask_for(&it, "c", 5).1, Some(ErrorKind::RateLimited { .. })));
    assert_eq!(server.count(), 3, "what is refused is not asked");
    let lines = ledger.lines_of(2).unwrap().1;
    assert_eq!(lines.iter().map(|line| line.client.as_str()).collect::<Vec<_>>(), ["a", "a", "b"]);
    assert!(lines.iter().all(|line| line.usage.cost == Some(Money::dollars(2.0)) && !line.reckoned));
}

#[test]
fn an_answer_that_is_given_up_is_written_down_as_far_as_it_came() {
    let server = Server::start(|_, stream| {
        begin(stream);
        while piece(stream, "x") {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let (it, ledger) = dear(&server, folder.path(), Budget::default(), false);
    let mut stream = common::chat(&it);
    common::next(&mut stream).unwrap().unwrap();
    drop(stream);
    eventually("it is written down", || ledger.lines_of(2).unwrap().1.len() == 1);
    let line = &ledger.lines_of(2).unwrap().1[0];
    assert!(
        line.reckoned && line.usage.generated_tokens >= 1 && line.usage.cost > Some(Money(0)),
        "{line:?}"
    );
}

#[test]
fn what_fails_costs_nothing_and_promises_are_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_, stream| respond(stream, 500, "text/plain", "", ""));
    let budget = Budget { day: Some(10.0), ..Budget::default() };
    let (it, ledger) = dear(&server, folder.path(), budget, false);
    for _ in 0..3 {
        let error = ask_for(&it, "a", 9).1.unwrap();
        assert!(!matches!(error, ErrorKind::RateLimited { .. }), "{error:?}");
    }
    assert!(ledger.lines_of(2).unwrap().1.is_empty());
}

#[test]
fn the_same_request_is_answered_from_the_cache_where_that_is_wanted() {
    let (server, folder) = (Server::start(answer("ok")), tempfile::tempdir().unwrap());
    let (it, ledger) = dear(&server, folder.path(), Budget::default(), true);
    assert_eq!(ask_for(&it, "a", 4), (Some(Money::dollars(2.0)), None));
    assert_eq!(ask_for(&it, "a", 4), (Some(Money(0)), None));
    assert_eq!(ask_for(&it, "b", 4), (Some(Money::dollars(2.0)), None), "another client's is another's");
    assert_eq!((server.count(), ledger.lines_of(2).unwrap().1.len()), (2, 2));
}

/// A server that keeps connections and, by the number of each request on its connection, answers or closes without a byte.
fn keeping(answers: impl Fn(usize) -> bool + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, answers) = (Arc::clone(&asked), Arc::new(answers));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, count, answers) = (stream.unwrap(), Arc::clone(&count), Arc::clone(&answers));
            std::thread::spawn(move || {
                for on_this_connection in 0.. {
                    if common::read(&stream).is_none() {
                        return;
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    if !answers(on_this_connection) {
                        return;
                    }
                    common::begin_and_keep(&mut stream);
                    piece(&mut stream, "ok");
                    common::end(&mut stream);
                }
            });
        }
    });
    (address, asked)
}

#[test]
fn a_kept_connection_that_closes_when_it_is_used_again_costs_no_error() {
    let at = |address: SocketAddr| {
        let url = format!("http://{address}/v1");
        open(vec![BackendEntry { url, model: Some("m".into()), ..BackendEntry::default() }], |_| {})
    };
    // Each connection answers once.
    let (address, asked) = keeping(|number| number == 0);
    let it = at(address);
    for round in 0..4 {
        let (text, _, error) = ask(&it);
        assert_eq!(text, "ok", "{round}: {error:?}");
        // The connection goes back to those that are kept when its end has been read.
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 7, "three of four were sent twice");
    assert_eq!(it.status()[0].failures, 0);
    // One that never answers is not asked again for nothing …
    let (address, asked) = keeping(|_| false);
    let error = ask(&at(address)).2.unwrap();
    assert_eq!((error.kind(), asked.load(Ordering::SeqCst)), (&ErrorKind::Network, 1));
    // … and one that stops answering once more only.
    let left = AtomicUsize::new(1);
    let (address, asked) =
        keeping(move |_| left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok());
    let it = at(address);
    assert_eq!(ask(&it).0, "ok");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(*ask(&it).2.unwrap().kind(), ErrorKind::Network);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[test]
fn a_prompt_that_may_be_too_dear_is_counted_before_it_is_refused() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = Server::start(move |request, stream| {
        if request.path.ends_with("/count_tokens") {
            count.fetch_add(1, Ordering::SeqCst);
            let tokens = if request.body.contains("long") { 900 } else { 3 };
            respond(stream, 200, "application/json", "", &format!("{{\"input_tokens\":{tokens}}}"));
        } else {
            begin(stream);
            for event in [
                r#"{"type":"message_start","message":{"model":"far","usage":{"input_tokens":3}}}"#,
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"ok"}}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}"#,
                r#"{"type":"message_stop"}"#,
            ] {
                common::send(stream, &format!("data: {event}\n\n"));
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let budget = Budget { day: Some(600.0), ..Budget::default() };
    let ledger = Arc::new(Ledger::new(folder.path().join("usage"), budget));
    let backend = BackendEntry { protocol: Protocol::Anthropic, ..server.entry(1) };
    let mut entry = entry_of(vec![backend], |_| {});
    // A dollar for each token, on both sides.
    let price = Price {
        input: 1e6,
        cached: None,
        cache_write: None,
        output: 1e6,
        dated: "2025-11-27".into(),
        ..Price::default()
    };
    entry.price = Some(price);
    let it = Remotes::new().unwrap().accounted(Arc::clone(&ledger), None).open(&entry).unwrap();
    let say = |words: String| {
        let request = ChatRequest {
            messages: vec![Message::new(Role::User, words)],
            sampling: it.recommended().sampling(),
            max_tokens: Some(5),
            ..ChatRequest::default()
        };
        let mut stream = it.chat().unwrap().chat(request).unwrap();
        loop {
            match common::next(&mut stream) {
                None => return None,
                Some(Err(error)) => return Some(error.kind().clone()),
                Some(Ok(_)) => {}
            }
        }
    };
    // Short enough whatever it says: nobody is asked to count.
    assert_eq!((say("hi".into()), asked.load(Ordering::SeqCst)), (None, 0));
    assert_eq!((say("a ".repeat(400)), asked.load(Ordering::SeqCst)), (None, 1));
    let refused = say("long ".repeat(200));
    assert!(matches!(refused, Some(ErrorKind::RateLimited { .. })), "{refused:?}");
    assert_eq!(
        (asked.load(Ordering::SeqCst), server.count()),
        (2, 4),
        "what is refused is counted and not asked"
    );
    assert_eq!(ledger.spent_today().unwrap().values().next(), Some(&Money::dollars(8.0)));
}

#[test]
fn a_budget_that_is_spent_asks_nobody_to_count() {
    let server = Server::start(|_, stream| {
        respond(stream, 200, "application/json", "", r#"{"input_tokens":1}"#);
    });
    let folder = tempfile::tempdir().unwrap();
    let budget = Budget { day: Some(5.0), ..Budget::default() };
    let ledger = Arc::new(Ledger::new(folder.path().join("usage"), budget));
    let backend = BackendEntry { protocol: Protocol::Anthropic, ..server.entry(1) };
    let price = Price { input: 1e6, output: 1e6, dated: "2025-11-27".into(), ..Price::default() };
    let entry = parasol_remote::RemoteEntry { price: Some(price), ..entry_of(vec![backend], |_| {}) };
    let it = Remotes::new().unwrap().accounted(ledger, None).open(&entry).unwrap();
    // Six dollars for the answer alone: whatever the prompt has, it does not fit.
    let (_, error) = ask_for(&it, "a", 6);
    assert!(matches!(error, Some(ErrorKind::RateLimited { .. })), "{error:?}");
    assert_eq!(server.count(), 0);
    // Three leave room for two tokens: that is worth a question, whose answer fits, and then the answer is asked for.
    ask_for(&it, "a", 3);
    assert_eq!(server.count(), 2);
}

/// Reads an answer to its end.
async fn drained(mut stream: EventStream<GenerationEvent>) -> Vec<GenerationEvent> {
    let mut events = Vec::new();
    while let Some(event) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
        events.push(event.unwrap());
    }
    events
}

#[test]
fn a_book_that_another_process_holds_keeps_no_other_connection_waiting() {
    let (server, folder) = (Server::start(answer("ok")), tempfile::tempdir().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for day in [Some(1e6), None] {
        let home = folder.path().join(format!("{day:?}"));
        runtime.block_on(async {
            // Made in here, it is asked by the thread that does everything else, too.
            let (it, ledger) = dear(&server, &home, Budget { day, ..Budget::default() }, false);
            assert!(matches!(
                drained(common::chat(&it)).await.last(),
                Some(GenerationEvent::Finished { .. })
            ));
            assert_eq!(ledger.lines_of(1).unwrap().1.len(), 1, "who has read the end finds it in the book");
            let other = rusqlite::Connection::open(home.join("usage/book.sqlite3")).unwrap();
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            let asked = tokio::spawn(drained(common::chat(&it)));
            let (begun, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
            while begun.elapsed() < Duration::from_millis(1500) {
                tokio::time::sleep(Duration::from_millis(10)).await;
                (longest, last) = (longest.max(last.elapsed()), Instant::now());
            }
            assert!(longest < Duration::from_millis(700), "{day:?}: the thread stood still for {longest:?}");
            assert!(!asked.is_finished(), "{day:?}: it waits for the book itself");
            other.execute_batch("ROLLBACK").unwrap();
            assert!(matches!(asked.await.unwrap().last(), Some(GenerationEvent::Finished { .. })));
            assert_eq!(ledger.lines_of(1).unwrap().1.len(), 2);
            // One that is given up is written down, too, by the end of the process.
            let mut given_up = common::chat(&it);
            let first = poll_fn(|cx| Pin::new(&mut given_up).poll_next(cx)).await;
            assert!(first.is_some_and(|event| event.is_ok()));
            drop(given_up);
            ledger.finish();
            assert_eq!(ledger.lines_of(1).unwrap().1.len(), 3);
        });
    }
}
