//! Keys in the operating system's keyring: a real one of its own for each test, GNOME's in a D-Bus session, and none at all.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, fails, finish, works};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const MARKER: &str = "sk-marker-ke4149-never-to-be-seen";

/// Answers a chat to whoever shows the marked key.
fn provider() -> SocketAddr {
    common::provider::provider(|asked, stream| {
        let (status, text) = match asked.head.contains(MARKER) {
            true => ("200 OK", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"gpt here\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n".to_owned()),
            false => ("401 Unauthorized", format!("{{\"error\":{{\"message\":\"not {MARKER}\"}}}}")),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            text.len()
        );
        let _ = stream.write_all(format!("{head}{text}").as_bytes());
    })
}

fn plain(home: &Home, at: SocketAddr, args: &[&str]) -> Command {
    let mut command = home.parasol(args);
    command.env_remove("OPENAI_API_KEY").env("PARASOL_OPENAI_URL", format!("http://{at}/v1"));
    command
}

/// Runs lines of a shell in which `parasol` is the binary, in a session with an unlocked keyring; `None` (said aloud) where this
/// machine has none.
fn session(home: &Home, at: SocketAddr, lines: &str) -> Option<String> {
    for program in ["dbus-run-session", "gnome-keyring-daemon"] {
        if Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_err()
        {
            eprintln!("SKIPPED: {program} is not on this machine");
            return None;
        }
    }
    let run = home.path("run");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o700)).unwrap();
    let like = plain(home, at, &[]);
    let script = format!(
        "printf unlocked | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1\n{lines}"
    );
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "sh", "-c", &script]).env("parasol", like.get_program());
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("XDG_DATA_HOME", home.path("data")).env("XDG_RUNTIME_DIR", run).env("KEY", MARKER);
    let done = finish(command, None);
    Some(format!("{}{}", done.out, done.err))
}

/// Fails when a file anywhere below holds the marked key.
fn search(folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += search(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let found = bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes());
            assert!(!found, "{} holds the key", path.display());
            files += 1;
        }
    }
    files
}

#[test]
fn a_key_is_kept_in_the_keyring_found_again_and_forgotten() {
    let (home, at) = (Home::new(), provider());
    let lines = r#"
        printf '%s\n' "$KEY" | "$parasol" providers login openai --keyring && echo one
        "$parasol" run --model gpt-5 hi && echo two
        "$parasol" providers --json
        PARASOL_LOG=trace "$parasol" doctor --json
        cat "$PARASOL_HOME/provider-keys.toml"
    "#;
    let Some(seen) = session(&home, at, lines) else { return };
    for part in ["kept in the keyring of this system\none", "gpt here\ntwo", "keyring = \"parasol\""] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    assert!(!seen.contains(MARKER), "{seen}");
    // The keyring's own file, too, which its password locks.
    assert!(home.path("data/keyrings/login.keyring").exists() && search(home.dir.path()) >= 3);
    // Kept in the file instead, it is in the keyring no more; forgotten, it is nowhere.
    let lines = r#"
        printf '%s\n' "$KEY" | "$parasol" providers login openai && rm "$PARASOL_HOME/provider-keys.toml"
        printf 'openai = { keyring = "parasol" }' > "$PARASOL_HOME/provider-keys.toml"
        chmod 600 "$PARASOL_HOME/provider-keys.toml"
        "$parasol" run --model gpt-5 hi || echo gone
        "$parasol" providers logout openai && echo out
        "$parasol" run --model gpt-5 hi || echo none
    "#;
    let seen = session(&home, at, lines).unwrap();
    for part in ["it holds none any more", "gone", "out", "OPENAI_API_KEY", "none"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    assert!(!seen.contains(MARKER) && !seen.contains("gpt here"), "{seen}");
    search(home.dir.path());
}

#[test]
fn where_there_is_no_keyring_that_is_said_with_the_other_ways() {
    let (home, at) = (Home::new(), provider());
    let without = |args: &[&str]| {
        let mut command = plain(&home, at, args);
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", home.path("no-bus").display()));
        command
    };
    let done = finish(without(&["providers", "login", "openai", "--keyring"]), Some(MARKER.as_bytes()));
    fails(&done, 7, &["keyring", "parasol providers login"]);
    assert!(!done.err.contains(MARKER) && !home.path("store/provider-keys.toml").exists(), "{done:?}");
    // Nobody asks it who was not told to.
    works(&finish(without(&["providers", "login", "openai"]), Some(MARKER.as_bytes())));
    assert_eq!(works(&finish(without(&["run", "--model", "gpt-5", "hi"]), None)), "gpt here\n");
    // Nor is it needed to have done with it: what stays in it is said, and the file goes.
    let file = home.path("store/provider-keys.toml");
    let note = || std::fs::write(&file, "openai = { keyring = \"parasol\" }\n").unwrap();
    note();
    fails(&finish(without(&["run", "--model", "gpt-5", "hi"]), None), 7, &["parasol providers login"]);
    let done = finish(without(&["providers", "login", "openai"]), Some(MARKER.as_bytes()));
    fails(&done, 7, &["provider-keys.toml is changed", "still in the keyring"]);
    assert!(!done.err.contains(MARKER), "{done:?}");
    assert_eq!(works(&finish(without(&["run", "--model", "gpt-5", "hi"]), None)), "gpt here\n");
    note();
    fails(&finish(without(&["providers", "logout", "openai"]), None), 7, &["provider-keys.toml is changed"]);
    fails(&finish(without(&["run", "--model", "gpt-5", "hi"]), None), 7, &["OPENAI_API_KEY"]);
}
