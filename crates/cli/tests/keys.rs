//! The file of keys survives what may happen to those who write it.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, signal, wait, works};
use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn a_kill_at_any_moment_leaves_the_keys_that_were_shown() {
    let home = Home::new();
    let mut shown = Vec::new();
    for i in 0..40_u64 {
        let name = format!("key-{i}");
        let mut command = home.parasol(&["keys", "create", &name, "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // From before the program has begun to after its end.
        std::thread::sleep(Duration::from_micros(i * 300));
        signal(child.id(), "KILL");
        wait(&mut child);
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        if out.contains(&name) {
            shown.push(name);
        }
    }
    let listed = home.run(&["keys", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(works(&listed)).unwrap();
    let names: Vec<&str> =
        listed["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    for name in &shown {
        assert!(names.contains(&name.as_str()), "{name} was shown and is not in {names:?}");
    }
    works(&home.run(&["keys", "create", "after", "--json"]));
    works(&home.run(&["keys", "revoke", "after"]));
}
