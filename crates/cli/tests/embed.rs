//! `parasol embed`: with a toy here, and with a server on loopback in a provider's place.

#![allow(clippy::unwrap_used)]

mod common;

use common::provider::provider;
use common::{Home, fails, finish, works};
use serde_json::{Value, json};
use std::io::Write;

const KEY: &str = "sk-marker-77c1e0d4-never-to-be-seen";

fn numbers(line: &str) -> Vec<f32> {
    line.split(' ').map(|x| x.parse().unwrap()).collect()
}

#[test]
fn texts_become_lines_of_numbers_or_json() {
    let home = Home::new();
    let model = home.toy_base();
    let done = home.run(&["embed", "a cat", "a dog", "--model", &model]);
    let lines: Vec<Vec<f32>> = works(&done).lines().map(numbers).collect();
    assert!(lines.len() == 2 && lines[0].len() > 8 && lines[0] != lines[1], "{done:?}");
    assert!(done.err.contains("was not made to embed"), "{done:?}");
    let done =
        home.run_with(&["embed", "-m", &model, "--json", "--dimensions", "8", "--stats"], b"a cat\na dog\n");
    let body: Value = serde_json::from_str(works(&done)).unwrap();
    let vectors = body["embeddings"].as_array().unwrap();
    assert_eq!((vectors.len(), vectors[1].as_array().unwrap().len()), (2, 8));
    assert!(body["usage"]["prompt_tokens"].as_u64() > Some(1) && done.err.contains("2 texts"), "{done:?}");
    let done = home.run(&["embed", "a", "-m", &model, "--purpose", "query"]);
    works(&done);
    assert!(done.err.contains("--purpose has no effect"), "{done:?}");
}

#[test]
fn what_cannot_be_embedded_is_refused_with_its_place() {
    let home = Home::new();
    let model = home.toy_base();
    fails(&home.run_with(&["embed", "-m", &model], b"a\n\nb\n"), 2, &["line 2"]);
    fails(&home.run_with(&["embed", "-m", &model], b""), 2, &["nothing to embed"]);
    fails(&home.run_with(&["embed", "-m", &model], b"a\xff\n"), 2, &["UTF-8"]);
    fails(&home.run(&["embed", "-m", &model, "a", ""]), 2, &["input.1"]);
    fails(&home.run(&["embed", "-m", &model, "a", "--dimensions", "99999"]), 2, &["dimensions", "99999"]);
    let long = "word ".repeat(2000);
    fails(&home.run(&["embed", "-m", &model, &long]), 6, &["input.0", "256"]);
    works(&home.run(&["embed", "-m", &model, &long, "--truncate"]));
    fails(&home.run(&["embed", "-m", "no-such-model", "a"]), 3, &["no-such-model"]);
    fails(&home.run(&["embed", "-m", &model, "a", "--purpose", "poetry"]), 2, &["poetry"]);
}

#[test]
fn providers_are_asked_with_their_key_which_nobody_sees() {
    let at = provider(|asked, stream| {
        assert!(asked.head.contains(KEY) && asked.head.contains("/embeddings "), "{}", asked.head);
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let data: Vec<Value> = body["input"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(at, text)| json!({ "index": at, "embedding": [text.as_str().unwrap().len(), 0.5] }))
            .collect();
        let body =
            json!({ "data": data, "usage": { "prompt_tokens": 1_000_000, "total_tokens": 1_000_000 } })
                .to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        let _ = stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes());
    });
    let home = Home::new();
    let ask = |args: &[&str]| {
        let mut command = home.parasol(args);
        command.env("OPENAI_API_KEY", KEY).env("PARASOL_OPENAI_URL", format!("http://{at}/v1"));
        finish(command, None)
    };
    let done = ask(&["embed", "abc", "-m", "text-embedding-3-small", "--stats"]);
    assert_eq!(works(&done), "3 0.5\n");
    assert!(done.err.contains("$0.02") && !done.err.contains("was not made"), "{done:?}");
    // One that is not on the list, and its price therefore not known.
    let done = ask(&["embed", "abcd", "-m", "openai/some-embedding", "--json"]);
    let body: Value = serde_json::from_str(works(&done)).unwrap();
    assert_eq!((&body["embeddings"], body["usage"].get("cost_usd")), (&json!([[4.0, 0.5]]), None));
    fails(&ask(&["embed", "a", "-m", "gpt-5"]), 10, &["gpt-5", "embed"]);
    let used = home.run(&["usage", "--json"]);
    let used: Value = serde_json::from_str(works(&used)).unwrap();
    assert_eq!(used["total"]["prompt_tokens"], 2_000_000);
    let mut folders = vec![home.dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let bytes = std::fs::read(&path).unwrap();
                    assert!(
                        !bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()),
                        "{}",
                        path.display()
                    );
                }
            }
        }
    }
}
