//! Pulling from a Hugging Face hub: a server on the loopback interface stands for it, with a network's faults.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, Served, Server, assert_error, gguf, read, safetensors};
use parasol_core::ErrorKind;
use parasol_hub::{Cancel, Licence, LocalModel, Origin, PullEvent};
use std::time::{Duration, Instant};

const FILE: &str = "/o/r/resolve/main/m-Q4_0.gguf";
const STORED: &str = "hf/o/r/m-Q4_0/m-Q4_0.gguf";

/// A server with one GGUF file of this size.
fn one_file(len: usize) -> (Server, Home, Vec<u8>) {
    let server = Server::start();
    let body = gguf(len);
    server.repo("o/r", &[("README.md", b"#"), ("m-Q4_0.gguf", &body)]);
    let home = Home::on(&server);
    (server, home, body)
}

#[cfg(unix)]
#[test]
fn a_model_whose_folder_lies_on_another_disk_is_listed() {
    let (_server, home, _) = one_file(1000);
    home.pull("hf:o/r").0.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let (folder, moved) = (home.models().join("hf/o"), elsewhere.path().join("o"));
    std::fs::rename(&folder, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &folder).unwrap();
    // A way back upwards ends, and is no model.
    std::os::unix::fs::symlink(home.models(), moved.join("up")).unwrap();
    let names = home.hub().list().unwrap().models.into_iter().map(|m| m.name).collect::<Vec<_>>();
    assert!(names.contains(&"hf:o/r:m-Q4_0.gguf".to_owned()), "{names:?}");
}

#[test]
fn a_quantisation_is_pulled_found_listed_and_removed() {
    let server = Server::start();
    let (small, large) = (gguf(1000), gguf(3000));
    server.repo("o/r", &[("m-Q4_0.gguf", &small), ("m-Q8_0.gguf", &large)]);
    let home = Home::on(&server);
    let hub = home.hub();
    assert_eq!(hub.locate("hf:o/r:q8_0").unwrap(), None);
    let located = home.pull("hf:o/r:q8_0").0.unwrap();
    assert_eq!(located.name, "hf:o/r:m-Q8_0.gguf");
    assert_eq!(home.files(), ["hf/o/r/m-Q8_0/m-Q8_0.gguf", "hf/o/r/m-Q8_0/model.json"]);
    assert_eq!(read(located.model.path()), large);
    // From now on no network is needed, by whichever name.
    let asked = server.seen("").len();
    for name in ["hf:o/r:q8_0", "hf:o/r", "hf:o/r:m-Q8_0.gguf", &located.name] {
        assert_eq!(home.pull(name).0.unwrap(), located);
    }
    assert_eq!(server.seen("").len(), asked);
    assert_eq!(hub.locate("hf:o/r:q4_0").unwrap(), None);
    home.pull("hf:o/r:q4_0").0.unwrap();
    let listed = hub.list().unwrap();
    assert_eq!(listed.models.iter().map(|m| m.bytes).collect::<Vec<_>>(), [1000, 3000]);
    assert_eq!(listed.models[0].licence.name, "mit");
    assert_eq!(hub.remove("hf:o/r:Q8_0").unwrap().bytes / 1000, 3);
    assert_eq!(home.files().len(), 2);
    hub.remove("hf:o/r").unwrap();
    assert!(home.files().is_empty() && !home.models().join("hf").exists());
    assert_error(hub.remove("hf:o/r"), ErrorKind::NotFound, &["hf:o/r", "not been pulled"]);
}

#[test]
fn a_split_model_is_pulled_whole_and_used_as_one() {
    let server = Server::start();
    let parts = [gguf(1000), gguf(2000)];
    let names = ["Q4_0/m-00001-of-00002.gguf", "Q4_0/m-00002-of-00002.gguf"];
    server.repo("o/r", &[(names[1], &parts[1]), (names[0], &parts[0]), ("m-Q8_0.gguf", &gguf(3000))]);
    let mut home = Home::on(&server);
    let located = home.pull("hf:o/r:Q4_0").0.unwrap();
    let folder = home.models().join("hf/o/r/Q4_0/m-00001-of-00002");
    assert_eq!(located.name, format!("hf:o/r:{}", names[0]));
    assert_eq!(located.model, LocalModel::Gguf(folder.join("m-00001-of-00002.gguf")));
    assert_eq!(read(&folder.join("m-00002-of-00002.gguf")), parts[1]);
    let asked = server.seen("").len();
    for name in ["hf:o/r", "hf:o/r:q4_0", &format!("hf:o/r:{}", names[1]), &located.name] {
        assert_eq!(home.pull(name).0.unwrap(), located, "{name}");
    }
    assert_eq!(server.seen("").len(), asked);
    assert_eq!(home.hub().remove("hf:o/r:Q4_0").unwrap().bytes / 1000, 3);
    assert!(home.files().is_empty());
    // In a cache only all parts together are the model; one alone is not mixed with parts of the store.
    let cache = home.dir.path().join("cache");
    let snapshot = cache.join("models--o--r/snapshots/main/Q4_0");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::write(snapshot.join("m-00001-of-00002.gguf"), &parts[0]).unwrap();
    home.settings.hf_cache = Some(cache);
    let located = home.pull("hf:o/r:Q4_0").0.unwrap();
    assert_eq!((located.origin, located.model.path().parent()), (Origin::Store, Some(folder.as_path())));
    home.hub().remove("hf:o/r:Q4_0").unwrap();
    std::fs::write(snapshot.join("m-00002-of-00002.gguf"), &parts[1]).unwrap();
    let located = home.hub().locate("hf:o/r:Q4_0").unwrap().unwrap();
    assert_eq!(located.model, LocalModel::Gguf(snapshot.join("m-00001-of-00002.gguf")));
}

#[test]
fn a_busy_hub_is_asked_again() {
    let (server, home, body) = one_file(1000);
    server.change("/api/models/o/r/revision/main", |listing| listing.busy = Some((503, "X: y", 1)));
    server.change(FILE, |file| file.busy = Some((429, "Retry-After: 1", 1)));
    let start = Instant::now();
    let (result, events) = home.pull("hf:o/r");
    assert_eq!(read(result.unwrap().model.path()), body);
    assert!(start.elapsed() >= Duration::from_secs(1));
    let told = |e: &PullEvent| matches!(e, PullEvent::Retrying { reason, .. } if reason.contains("429") && reason.ends_with("trying again"));
    assert!(events.iter().any(told), "{events:?}");
    home.hub().remove("hf:o/r").unwrap();
    server.change(FILE, |file| file.busy = Some((429, "Retry-After: 3600", 1000)));
    assert_error(home.pull("hf:o/r").0, ErrorKind::Network, &["429", "HF_TOKEN"]);
    assert_eq!(server.seen("m-Q4_0.gguf").len(), 3);
}

#[test]
fn a_damaged_record_is_removed_or_repaired() {
    let (_server, home, body) = one_file(1000);
    let record = home.models().join("hf/o/r/m-Q4_0/model.json");
    home.pull("hf:o/r").0.unwrap();
    std::fs::write(&record, "{").unwrap();
    assert_eq!(home.hub().list().unwrap().damaged.len(), 1);
    assert_error(home.hub().locate("hf:o/r"), ErrorKind::Corrupt, &["model.json"]);
    assert_eq!(read(home.pull("hf:o/r:Q4_0").0.unwrap().model.path()), body);
    std::fs::write(&record, "{").unwrap();
    assert_error(home.hub().remove("hf:o/r:Q8_0"), ErrorKind::Corrupt, &["model.json"]);
    home.hub().remove("hf:o/r:Q4_0").unwrap();
    assert!(!record.exists());
}

#[test]
fn an_endpoint_that_is_no_address_is_named() {
    let mut home = Home::new();
    home.settings.hf_endpoint = "hub.example".into();
    assert_error(home.pull("hf:o/r").0, ErrorKind::InvalidRequest, &["hub.example", "HF_ENDPOINT"]);
}

#[test]
fn a_safetensors_repository_becomes_a_folder() {
    let server = Server::start();
    let weights = safetensors();
    server.repo(
        "o/r",
        &[
            ("config.json", b"{}"),
            ("tokenizer.json", b"{}"),
            ("model.safetensors.index.json", b"{}"),
            ("model-00001-of-00002.safetensors", &weights),
            ("model-00002-of-00002.safetensors", &weights),
            ("pytorch_model.bin", b"x"),
        ],
    );
    let home = Home::on(&server);
    let located = home.pull("hf:o/r").0.unwrap();
    let folder = home.models().join("hf/o/r");
    assert_eq!(located.model, LocalModel::HuggingFace(folder));
    assert_eq!(home.files().len(), 6, "{:?}", home.files());
    assert!(server.seen("pytorch_model.bin").is_empty());
    assert_eq!(home.hub().locate("hf:o/r").unwrap(), Some(located));
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let (server, home, body) = one_file(1_000_000);
    server.change(FILE, |file| file.cut = Some((400_000, 2)));
    let (result, events) = home.pull("hf:o/r");
    assert_eq!(read(result.unwrap().model.path()), body);
    let seen = server.seen("m-Q4_0.gguf");
    let ranges: Vec<_> = seen.iter().map(|seen| seen.range()).collect();
    assert_eq!(ranges, [None, Some("bytes=400000-"), Some("bytes=800000-")]);
    assert!(seen[1].headers.contains_key("if-range"));
    assert!(events.iter().any(|event| matches!(event, PullEvent::Retrying { .. })));
}

#[test]
fn an_interrupted_pull_goes_on_next_time() {
    let (server, home, body) = one_file(1_000_000);
    // Every answer ends after 300 000 bytes or, from the third on, before anything new.
    server.change(FILE, |file| file.cut = Some((300_000, 2)));
    let cancel = Cancel::new();
    let stop = cancel.clone();
    let result = home.hub().pull("hf:o/r", Licence::Refuse, &cancel, &mut |event| {
        if matches!(event, PullEvent::Retrying { .. }) {
            stop.cancel();
        }
    });
    assert_error(result, ErrorKind::Cancelled, &["cancelled"]);
    assert_eq!(home.files(), [format!("{STORED}.partial"), format!("{STORED}.partial.json")]);
    assert_eq!(home.hub().locate("hf:o/r").unwrap(), None);
    server.change(FILE, |file| file.cut = None);
    assert_eq!(read(home.pull("hf:o/r").0.unwrap().model.path()), body);
    assert_eq!(server.seen("m-Q4_0.gguf").last().unwrap().range(), Some("bytes=300000-"));
    assert_eq!(home.files(), [STORED.to_owned(), "hf/o/r/m-Q4_0/model.json".into()]);
}

#[test]
fn a_removal_clears_what_an_interrupted_pull_left() {
    let (server, home, _) = one_file(1_000_000);
    server.change(FILE, |file| file.cut = Some((300_000, 1000)));
    server.change(FILE, |file| file.ranges = false);
    assert_error(home.pull("hf:o/r").0, ErrorKind::Network, &["m-Q4_0.gguf", "300.0 kB", "pull again"]);
    assert_eq!(home.files().len(), 2);
    home.hub().remove("hf:o/r").unwrap();
    assert!(home.files().is_empty());
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_from_the_start() {
    let (server, home, _) = one_file(1_000_000);
    server.change(FILE, |file| file.cut = Some((300_000, 1000)));
    server.change(FILE, |file| file.ranges = false);
    assert!(home.pull("hf:o/r").0.is_err());
    let mut other = gguf(1_000_000);
    other.reverse();
    other[..4].copy_from_slice(b"GGUF");
    server.repo("o/r", &[("m-Q4_0.gguf", &other)]);
    assert_eq!(read(home.pull("hf:o/r").0.unwrap().model.path()), other);
    let last = server.seen("m-Q4_0.gguf").pop().unwrap();
    // Asked for the rest of the old version, the server sent the whole new one.
    assert_eq!(last.range(), Some("bytes=300000-"));
}

#[test]
fn a_server_that_ignores_if_range_does_not_get_two_halves_joined() {
    for etag in [true, false] {
        let (server, home, _) = one_file(1_000_000);
        server.change(FILE, |file| {
            file.cut = Some((300_000, 1));
            file.etag = file.etag.clone().filter(|_| etag).map(|tag| format!("W/{tag}"));
        });
        let cancel = Cancel::new();
        let stop = cancel.clone();
        let first = home.hub().pull("hf:o/r", Licence::Refuse, &cancel, &mut |event| {
            if matches!(event, PullEvent::Retrying { .. }) {
                stop.cancel();
            }
        });
        assert!(first.is_err());
        let mut other = gguf(1_000_000);
        other[4..].reverse();
        server.repo("o/r", &[("m-Q4_0.gguf", &other)]);
        server.change(FILE, |file| {
            file.etag = file.etag.clone().filter(|_| etag).map(|tag| format!("W/{tag}"))
        });
        assert_eq!(read(home.pull("hf:o/r").0.unwrap().model.path()), other, "etag {etag}");
    }
}

#[test]
fn a_server_without_ranges_gets_a_clean_restart() {
    let (server, home, body) = one_file(1_000_000);
    server.change(FILE, |file| {
        file.cut = Some((400_000, 1));
        file.ranges = false;
    });
    assert_eq!(read(home.pull("hf:o/r").0.unwrap().model.path()), body);
}

#[test]
fn wrong_bytes_are_an_error_and_leave_nothing() {
    let (server, home, body) = one_file(100_000);
    let mut wrong = body.clone();
    wrong[50_000] ^= 1;
    server.change(FILE, |file| file.body = wrong);
    assert_error(home.pull("hf:o/r").0, ErrorKind::Checksum, &["m-Q4_0.gguf", "SHA-256"]);
    assert!(home.files().is_empty());
    server.change(FILE, |file| file.body.truncate(99_999));
    assert_error(home.pull("hf:o/r").0, ErrorKind::Checksum, &["100000", "99999"]);
    assert!(home.files().is_empty() && !home.models().join("hf").exists());
}

#[test]
fn a_web_page_in_a_models_place_is_found_out() {
    let server = Server::start();
    // A mirror that states neither size nor checksum.
    server.listing("o/r", r#"{"siblings":[{"rfilename":"m-Q4_0.gguf"}]}"#);
    server.serve(FILE, Served::new("<!DOCTYPE html><title>Log in</title>"));
    let home = Home::on(&server);
    assert_error(home.pull("hf:o/r").0, ErrorKind::Unsupported, &["web page"]);
    assert!(home.files().is_empty());
    server.serve(FILE, Served::new(gguf(500)));
    let (result, events) = home.pull("hf:o/r");
    assert_eq!(read(result.unwrap().model.path()), gguf(500));
    // The length that the server announces serves the progress bar.
    assert!(events.iter().any(|e| matches!(e, PullEvent::Downloading { done: 500, total: Some(500), .. })));
}

#[test]
fn a_cancelled_pull_stops_at_once_and_leaves_no_model() {
    let (server, home, body) = one_file(1_000_000);
    server.change(FILE, |file| file.slow = Some((50_000, Duration::from_secs(5))));
    let cancel = Cancel::new();
    let stop = cancel.clone();
    let start = Instant::now();
    let result = home.hub().pull("hf:o/r", Licence::Refuse, &cancel, &mut |event| {
        if matches!(event, PullEvent::Downloading { .. }) {
            stop.cancel();
        }
    });
    assert_error(result, ErrorKind::Cancelled, &["run it again"]);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(!home.models().join(STORED).exists());
    assert_eq!(home.hub().locate("hf:o/r").unwrap(), None);
    server.change(FILE, |file| file.slow = None);
    assert_eq!(read(home.pull("hf:o/r").0.unwrap().model.path()), body);
}

#[test]
fn a_gated_repository_asks_for_a_token_and_gets_it() {
    let (server, mut home, _) = one_file(1000);
    let listing = "/api/models/o/r/revision/main";
    server.change(listing, |listing| listing.status = 401);
    assert_error(home.pull("hf:o/r").0, ErrorKind::Denied, &["o/r", "gated", "HF_TOKEN"]);
    home.settings.hf_token = Some("secret".into());
    assert_error(home.pull("hf:o/r").0, ErrorKind::Denied, &["HF_TOKEN is set"]);
    server.change(listing, |listing| listing.status = 200);
    home.pull("hf:o/r").0.unwrap();
    for path in ["main", "m-Q4_0.gguf"] {
        let seen = server.seen(path).pop().unwrap();
        assert_eq!(seen.headers.get("authorization").map(String::as_str), Some("Bearer secret"));
    }
}

#[test]
fn what_is_not_there_and_who_is_not_there_differ() {
    let (server, mut home, _) = one_file(1000);
    assert_error(home.pull("hf:o/none").0, ErrorKind::NotFound, &["o/none", "main"]);
    assert_error(home.pull("hf:o/r:Q8_0").0, ErrorKind::NotFound, &["Q8_0", "it has Q4_0"]);
    assert_error(home.pull("hf:o/r:x.gguf").0, ErrorKind::NotFound, &["x.gguf"]);
    server.change("/api/models/o/r/revision/main", |listing| listing.status = 503);
    assert_error(home.pull("hf:o/r").0, ErrorKind::Network, &["503"]);
    // A port that was free a moment ago: nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    home.settings.hf_endpoint = format!("http://127.0.0.1:{port}");
    let start = Instant::now();
    assert_error(home.pull("hf:o/r").0, ErrorKind::Network, &["refuses the connection"]);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn hostile_listings_are_refused() {
    let server = Server::start();
    let home = Home::on(&server);
    let huge = format!(r#"{{"siblings":[{}]}}"#, vec![r#"{"rfilename":"a"}"#; 1_000_000].join(","));
    let cases: [(&str, String, ErrorKind); 5] = [
        ("huge", huge, ErrorKind::Corrupt),
        ("deep", "[".repeat(1_000_000), ErrorKind::Corrupt),
        ("none", "{}".into(), ErrorKind::Unsupported),
        ("up", r#"{"siblings":[{"rfilename":"../../../evil.gguf"}]}"#.into(), ErrorKind::Unsupported),
        (
            "vast",
            r#"{"siblings":[{"rfilename":"a.gguf","size":9000000000000000000}]}"#.into(),
            ErrorKind::NoSpace,
        ),
    ];
    for (name, body, kind) in cases {
        server.listing(&format!("o/{name}"), body);
        assert_error(home.pull(&format!("hf:o/{name}")).0, kind, &[]);
    }
    assert!(home.files().is_empty() && !home.dir.path().join("evil.gguf").exists());
}

#[test]
fn an_existing_cache_is_used_where_it_lies() {
    let (server, mut home, body) = one_file(1000);
    let cache = home.dir.path().join("cache");
    let snapshot = cache.join("models--o--r/snapshots/abc");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(cache.join("models--o--r/refs")).unwrap();
    std::fs::write(cache.join("models--o--r/refs/main"), "abc").unwrap();
    std::fs::write(snapshot.join("m-Q4_0.gguf"), &body).unwrap();
    home.settings.hf_cache = Some(cache);
    let located = home.pull("hf:o/r").0.unwrap();
    assert_eq!(
        (located.origin, located.model.path()),
        (Origin::Cache, snapshot.join("m-Q4_0.gguf").as_path())
    );
    assert!(home.files().is_empty() && server.seen("").is_empty());
    assert_error(home.hub().remove("hf:o/r"), ErrorKind::InvalidRequest, &["not Parasol's"]);
    // A catalogue entry whose hf: source is cached is verified and noted, not copied.
    let home = home.catalogue(&body, r#"["hf:o/r/m-Q4_0.gguf@main"]"#, "");
    let located = home.pull("m").0.unwrap();
    assert_eq!(
        (located.origin, located.model.path()),
        (Origin::Store, snapshot.join("m-Q4_0.gguf").as_path())
    );
    assert_eq!(home.files(), ["m/model.json"]);
    home.hub().remove("m").unwrap();
    assert!(snapshot.join("m-Q4_0.gguf").exists() && home.files().is_empty());
}
