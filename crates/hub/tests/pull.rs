//! Pulling catalogue entries: sources in order, consent, locks between processes, full disks, closed folders.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, Served, Server, assert_error, gguf, read};
use parasol_core::ErrorKind;
use parasol_hub::{Cancel, Hub, Licence, Origin, PullEvent, Settings, Terms};
use std::path::Path;
use std::time::Duration;

/// A server with `/m.gguf`, and a home whose catalogue's model `m` comes from it.
fn one_model(len: usize, more: &str) -> (Server, Home, Vec<u8>) {
    let server = Server::start();
    let body = gguf(len);
    server.serve("/m.gguf", Served::new(body.clone()));
    let home = Home::new().catalogue(&body, &format!("[\"{}/m.gguf\"]", server.url), more);
    (server, home, body)
}

#[test]
fn sources_are_tried_in_order_and_parts_are_joined() {
    let server = Server::start();
    let body = gguf(100_000);
    server.serve("/wrong", Served::new(gguf(50_000)));
    server.serve("/a", Served::new(&body[..30_000]));
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join("part");
    std::fs::write(&part, &body[30_000..]).unwrap();
    let url = &server.url;
    let sources = format!("['{url}/gone', '{url}/wrong', ['{url}/a', 'file:{}']]", part.display());
    let home = Home::new().catalogue(&body, &sources, "");
    let (result, events) = home.pull("m");
    assert_eq!(read(result.unwrap().model.path()), body);
    assert_eq!(home.files(), ["m/m.gguf", "m/model.json"]);
    let reasons: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            PullEvent::Retrying { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(reasons.len(), 2);
    assert!(reasons[0].contains("404") && reasons[1].contains("100000"), "{reasons:?}");
    assert!(matches!(events.last(), Some(PullEvent::Done { .. })));
}

#[test]
fn when_no_source_works_all_reasons_are_told_and_nothing_is_left() {
    let server = Server::start();
    let body = gguf(1000);
    let mut wrong = body.clone();
    wrong[999] ^= 1;
    server.serve("/wrong", Served::new(wrong));
    let home = Home::new().catalogue(&body, &format!("['{0}/gone', '{0}/wrong']", server.url), "");
    assert_error(
        home.pull("m").0,
        ErrorKind::Checksum,
        &["none of the 2 sources", "(1)", "404", "(2)", "SHA-256"],
    );
    assert!(home.files().is_empty() && !home.models().join("m").exists());
}

#[test]
fn a_file_that_the_user_has_is_verified_and_used_where_it_lies() {
    let body = gguf(5000);
    let home = Home::new().catalogue(&body, "['file:mine.gguf']", "");
    let mine = home.dir.path().join("mine.gguf");
    let mut wrong = body.clone();
    wrong[100] ^= 1;
    std::fs::write(&mine, &wrong).unwrap();
    assert_error(home.pull("m").0, ErrorKind::Checksum, &["SHA-256"]);
    std::fs::write(&mine, &body).unwrap();
    let located = home.pull("m").0.unwrap();
    assert_eq!(located.model.path(), mine);
    assert_eq!(home.files(), ["m/model.json"]);
    home.hub().remove("m").unwrap();
    assert_eq!(read(&mine), body);
    // By its path it needs no catalogue at all, and is not ours to remove.
    let path = mine.to_str().unwrap();
    assert_eq!(home.pull(path).0.unwrap().origin, Origin::Path);
    assert_error(home.hub().remove(path), ErrorKind::InvalidRequest, &["mine.gguf"]);
    assert_error(home.pull("./none.gguf").0, ErrorKind::NotFound, &["none.gguf"]);
    assert_error(home.pull("smolm2").0, ErrorKind::NotFound, &["did you mean smollm2"]);
}

#[test]
fn terms_are_shown_and_asked_for_before_anything_large_is_fetched() {
    let (server, home, _) = one_model(5000, ", ask = true");
    let catalogue = home.settings.catalogues[0].clone();
    let text = "the terms";
    server.serve("/terms", Served::new(text));
    let sha = common::sha256(text.as_bytes());
    let mut toml = std::fs::read_to_string(&catalogue).unwrap();
    toml += &format!(
        "[[model.file]]\nname = \"TERMS.txt\"\nrole = \"licence\"\nsize = 9\nsha256 = \"{sha}\"\nsources = ['{}/terms']\n",
        server.url
    );
    std::fs::write(&catalogue, toml).unwrap();
    assert_error(home.pull("m").0, ErrorKind::Denied, &["Test Terms", "https://example.org/terms"]);
    let mut shown = String::new();
    let mut no = |terms: &Terms, text: Option<&Path>| {
        assert!(terms.ask);
        shown = std::fs::read_to_string(text.unwrap()).unwrap();
        false
    };
    let result = home.hub().pull("m", Licence::Ask(&mut no), &Cancel::new(), &mut |_| {});
    assert_error(result, ErrorKind::Denied, &["--accept-licence"]);
    assert_eq!(shown, text);
    assert!(home.files().is_empty() && server.seen("/m.gguf").is_empty());
    home.hub().pull("m", Licence::Accept, &Cancel::new(), &mut |_| {}).unwrap();
    assert_eq!(home.files(), ["m/TERMS.txt", "m/m.gguf", "m/model.json"]);
    assert!(home.hub().list().unwrap().models[0].licence.accepted.is_some());
    // What has been accepted and pulled is not asked for again.
    home.pull("m").0.unwrap();
}

#[test]
fn a_model_that_does_not_fit_is_refused_with_both_numbers() {
    let (server, home, _) = one_model(1000, "");
    let catalogue = &home.settings.catalogues[0];
    let toml = std::fs::read_to_string(catalogue).unwrap();
    std::fs::write(catalogue, toml.replace("size = 1000", "size = 4_000_000_000_000_000_000")).unwrap();
    assert_error(home.pull("m").0, ErrorKind::NoSpace, &["m needs 4.0 EB", " has "]);
    assert!(home.files().is_empty() && server.seen("m.gguf").is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_says_so_and_keeps_nothing() {
    let (_server, home, _) = one_model(100_000, "");
    let folder = home.models().join("m");
    std::fs::create_dir_all(&folder).unwrap();
    // The kernel's always-full device behind the partial file's name: the real error at the real place.
    std::os::unix::fs::symlink("/dev/full", folder.join("m.gguf.partial")).unwrap();
    assert_error(
        home.pull("m").0,
        ErrorKind::NoSpace,
        &["m.gguf.partial", "no space is left", "PARASOL_HOME"],
    );
    assert!(home.files().is_empty());
    home.pull("m").0.unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_home_that_cannot_be_written_to_says_so() {
    let (_server, mut home, body) = one_model(1000, "");
    home.pull("m").0.unwrap();
    let folder = home.settings.home.clone();
    let close = |mode| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // What is there stays usable.
    close(0o555);
    assert_eq!(read(home.pull("m").0.unwrap().model.path()), body);
    close(0o755);
    // Even root may not make folders here.
    home.settings.home = "/sys/parasol".into();
    assert_error(home.pull("m").0, ErrorKind::Denied, &["/sys/parasol", "set PARASOL_HOME"]);
    // Nor under a file.
    home.settings.home = folder.join("models/m/m.gguf/x");
    assert!(home.pull("m").0.unwrap_err().message().contains("m.gguf/x"));
}

#[test]
fn a_changed_file_is_noticed_and_repaired() {
    let (_server, home, body) = one_model(1000, "");
    let path = home.pull("m").0.unwrap().model.path().to_owned();
    let mut changed = body.clone();
    changed[500] ^= 1;
    std::fs::write(&path, changed).unwrap();
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(100);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    assert_error(home.hub().locate("m"), ErrorKind::Checksum, &["m.gguf", "changed"]);
    let listed = home.hub().list().unwrap();
    assert!(listed.models.is_empty() && listed.damaged.len() == 1);
    assert_eq!(read(home.pull("m").0.unwrap().model.path()), body);
    std::fs::write(&path, b"GGUF").unwrap();
    assert_eq!(home.hub().locate("m").unwrap(), None);
    assert_eq!(read(home.pull("m").0.unwrap().model.path()), body);
}

#[test]
fn threads_that_pull_the_same_model_fetch_it_once() {
    let (server, home, body) = one_model(200_000, "");
    server.change("/m.gguf", |file| file.slow = Some((50_000, Duration::from_millis(150))));
    let results: Vec<_> = std::thread::scope(|scope| {
        let pulls: Vec<_> = (0..3).map(|_| scope.spawn(|| home.pull("m"))).collect();
        pulls.into_iter().map(|pull| pull.join().unwrap()).collect()
    });
    let waited = results
        .iter()
        .filter(|(_, events)| events.iter().any(|e| matches!(e, PullEvent::Waiting { .. })))
        .count();
    assert_eq!((waited, server.seen("/m.gguf").len()), (2, 1));
    for (result, _) in results {
        assert_eq!(read(result.unwrap().model.path()), body);
    }
}

/// Not a test of its own: what a second process does when a test below starts this binary again.
#[test]
fn second_process() {
    let Some(home) = std::env::var_os("PARASOL_TEST_HOME") else { return };
    let mut settings = Settings::at(&home);
    settings.catalogues.push(std::env::var_os("PARASOL_TEST_CATALOGUE").unwrap().into());
    let mut waited = false;
    let hub = Hub::with(settings).unwrap();
    let pulled = hub.pull("m", Licence::Refuse, &Cancel::new(), &mut |event| {
        waited |= matches!(event, PullEvent::Waiting { .. });
    });
    println!("second process: waited {waited}, pulled {}", pulled.is_ok());
}

fn start_second_process(home: &Home) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "second_process", "--nocapture", "--test-threads", "1"])
        .env("PARASOL_TEST_HOME", &home.settings.home)
        .env("PARASOL_TEST_CATALOGUE", &home.settings.catalogues[0])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the server has been asked for the model.
fn until_asked(server: &Server) {
    for _ in 0..500 {
        if !server.seen("/m.gguf").is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nobody asked for the model");
}

#[test]
fn two_processes_that_pull_the_same_model_fetch_it_once() {
    let (server, home, body) = one_model(200_000, "");
    server.change("/m.gguf", |file| file.slow = Some((50_000, Duration::from_millis(300))));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| home.pull("m").0.unwrap());
        until_asked(&server);
        let second = start_second_process(&home).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&second.stdout).into_owned();
        assert!(said.contains("waited true, pulled true"), "{said}");
        assert_eq!(read(first.join().unwrap().model.path()), body);
    });
    assert_eq!(server.seen("/m.gguf").len(), 1);
}

#[test]
fn a_process_that_is_killed_leaves_no_model_and_the_next_goes_on() {
    let (server, home, body) = one_model(400_000, "");
    server.change("/m.gguf", |file| file.slow = Some((100_000, Duration::from_millis(400))));
    let mut killed = start_second_process(&home);
    let partial = home.models().join("m/m.gguf.partial");
    for _ in 0..500 {
        if std::fs::metadata(&partial).is_ok_and(|meta| meta.len() >= 100_000) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(home.hub().locate("m").unwrap(), None);
    server.change("/m.gguf", |file| file.slow = None);
    assert_eq!(read(home.pull("m").0.unwrap().model.path()), body);
    assert!(server.seen("/m.gguf").last().unwrap().range().is_some());
}

#[test]
fn a_bad_catalogue_names_file_and_line() {
    let (_server, home, _) = one_model(1000, "");
    let catalogue = &home.settings.catalogues[0];
    let toml = std::fs::read_to_string(catalogue).unwrap();
    std::fs::write(catalogue, toml.replace("size = 1000", "size = \"big\"")).unwrap();
    let result = Hub::with(home.settings.clone());
    assert_error(result, ErrorKind::InvalidRequest, &["catalogue.toml, line 7"]);
}
