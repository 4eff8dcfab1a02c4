//! Embeddings in every dialect: a model of the fixtures behind a server, and another server in front of it that reaches it in OpenAI's
//! and Gemini's protocols.

#![allow(clippy::unwrap_used)]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Answer, Running};
use parasol_runtime::{ModelsOptions, Policy};
use parasol_server::KeyTerms;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

fn server(write: impl FnOnce(&Path) -> Vec<PathBuf>) -> Running {
    let settings = |home: PathBuf| {
        std::fs::create_dir_all(&home).unwrap();
        parasol_hub::Settings { catalogues: write(&home), ..parasol_hub::Settings::at(home) }
    };
    Running::start_with(|_| {}, settings, ModelsOptions { pull: Policy::Allowed, ..ModelsOptions::default() })
}

/// A server that has the toy Llama under a plain name.
fn far() -> Running {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/toy-llama/model.gguf");
    let bytes = std::fs::read(&file).unwrap();
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    server(|home| {
        let catalogue = home.join("toys.toml");
        let text = format!(
            "[[model]]\nname = \"toy\"\ncapabilities = [\"complete\"]\nlicence = {{ name = \"MIT\" }}\n[[model.file]]\n\
             name = \"toy.gguf\"\nsize = {}\nsha256 = \"{sum}\"\nsources = [\"file:{}\"]\n",
            bytes.len(),
            file.display()
        );
        std::fs::write(&catalogue, text).unwrap();
        vec![catalogue]
    })
}

/// One in front of it.
fn near(far: &Running) -> Running {
    let address = far.address;
    server(|home| {
        let mut text = String::new();
        for (protocol, base, more) in [
            ("openai", "v1", "manner = { max_inputs = 2 }"),
            ("gemini", "v1beta", "manner = { max_inputs = 2, extended = false }"),
        ] {
            text.push_str(&format!(
                "[[provider]]\nname = \"p-{protocol}\"\nprotocol = \"{protocol}\"\nurl = \"http://{address}/{base}\"\n\
                 key_optional = true\n{more}\n[[model]]\nname = \"by-{protocol}\"\nprovider = \"p-{protocol}\"\nid = \"toy\"\n\
                 capabilities = [\"embed\"]\nprice = {{ input = 1000.0, output = 0.0, dated = \"2026-11-27\" }}\n"
            ));
        }
        text.push_str("[[chain]]\nname = \"best\"\nmodels = [\"by-openai\"]\n");
        std::fs::write(home.join("remote.toml"), text).unwrap();
        Vec::new()
    })
}

const TEXTS: [&str; 5] = ["a cat", "a dog", "x", "the sea", "snow"];

fn post(server: &Running, path: &str, body: &Value) -> Answer {
    server.send("POST", path, &[], &body.to_string())
}

fn json(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

/// The vectors of texts, as each dialect tells them.
fn openai(server: &Running, model: &str) -> Vec<Vec<f32>> {
    let body = json(&post(server, "/v1/embeddings", &json!({ "model": model, "input": TEXTS })));
    assert!(body["usage"]["prompt_tokens"].as_u64() > Some(5) && body["object"] == "list", "{body}");
    let items = body["data"].as_array().unwrap();
    items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            assert_eq!(item["index"], at);
            numbers(&item["embedding"])
        })
        .collect()
}

/// The same but for sums in another order, as texts are computed with others or alone.
fn alike(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
}

fn gemini(server: &Running, model: &str) -> Vec<Vec<f32>> {
    let one = |text: &str| json!({ "model": format!("models/{model}"), "content": { "parts": [{ "text": text }] } });
    let body = json!({ "requests": TEXTS.map(one) });
    let body = json(&post(server, &format!("/v1beta/models/{model}:batchEmbedContents"), &body));
    assert!(body["usageMetadata"]["promptTokenCount"].as_u64() > Some(5), "{body}");
    body["embeddings"].as_array().unwrap().iter().map(|it| numbers(&it["values"])).collect()
}

fn ollama(server: &Running, model: &str) -> Vec<Vec<f32>> {
    let body = json(&post(server, "/api/embed", &json!({ "model": model, "input": TEXTS })));
    assert!(body["prompt_eval_count"].as_u64() > Some(5) && body["model"] == model, "{body}");
    body["embeddings"].as_array().unwrap().iter().map(numbers).collect()
}

#[test]
fn vectors_cross_every_pair_of_dialects_unchanged() {
    let far = far();
    let near = near(&far);
    let wanted = openai(&far, "toy");
    assert_eq!(wanted.len(), TEXTS.len());
    assert!(wanted.iter().all(|v| (v.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4));
    assert_ne!(wanted[0], wanted[1]);
    for (server, model) in [(&far, "toy"), (&near, "by-openai"), (&near, "by-gemini")] {
        for told in [openai(server, model), gemini(server, model), ollama(server, model)] {
            assert_eq!(told.len(), wanted.len(), "{model}");
            assert!(told.iter().zip(&wanted).all(|(a, b)| alike(a, b)), "{model}: {told:?}, not {wanted:?}");
        }
    }
    let body = json!({ "model": "by-openai", "input": TEXTS, "encoding_format": "base64", "dimensions": 8 });
    let body = json(&post(&near, "/v1/embeddings", &body));
    let bytes = STANDARD.decode(body["data"][4]["embedding"].as_str().unwrap()).unwrap();
    assert_eq!(bytes.len(), 32);
    let cost = body["usage"]["cost"].as_f64().unwrap();
    assert!(
        (cost - body["usage"]["total_tokens"].as_f64().unwrap() / 1000.0).abs() < 1e-9,
        "{}",
        body["usage"]
    );
    let one = json!({ "content": { "parts": [{ "text": "snow" }] }, "outputDimensionality": 8, "taskType": "RETRIEVAL_QUERY" });
    let told = post(&near, "/v1beta/models/by-gemini:embedContent", &one);
    assert_eq!(numbers(&json(&told)["embedding"]["values"]).len(), 8);
    let older = json(&post(&near, "/api/embeddings", &json!({ "model": "by-openai", "prompt": "snow" })));
    assert!(alike(&numbers(&older["embedding"]), &wanted[4]));
}

#[test]
fn purposes_that_have_no_effect_are_named_all_the_way() {
    let far = far();
    let near = near(&far);
    let body = json!({ "model": "toy", "input": "a", "input_type": "query", "user": "u" });
    let answer = post(&far, "/v1/embeddings", &body);
    let named = |answer: &Answer, fields: &[&str]| {
        let line = answer
            .head
            .lines()
            .find(|line| line.starts_with("x-parasol-without-effect"))
            .unwrap_or_default()
            .to_owned();
        assert!(answer.status == 200 && fields.iter().all(|field| line.contains(field)), "{answer:?}");
    };
    named(&answer, &["purpose", "user"]);
    let answer = post(&near, "/api/embed", &json!({ "model": "by-gemini", "input": "a", "truncate": true }));
    named(&answer, &["truncate"]);
}

#[test]
fn what_is_wrong_is_said_in_the_dialect() {
    let far = far();
    let near = near(&far);
    let long = "word ".repeat(4000);
    for (server, model) in [(&far, "toy"), (&near, "by-openai")] {
        for (more, status, part) in [
            (json!({ "input": long }), 400, "tokens"),
            (json!({ "input": "" }), 400, "input.0"),
            (json!({ "input": [] }), 400, "nothing to embed"),
            (json!({ "input": ["a", 5] }), 400, "input.1"),
            (json!({ "input": [1, 2, 3] }), 400, "token ids"),
            (json!({ "dimensions": 100_000 }), 400, "dimensions"),
            (json!({ "frobnicate": 1 }), 400, "frobnicate"),
        ] {
            let mut body = json!({ "model": model, "input": "a" });
            more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
            let answer = post(server, "/v1/embeddings", &body);
            let error: Value = serde_json::from_str(&answer.body).unwrap();
            let message = error["error"]["message"].as_str().unwrap();
            assert!(answer.status == status && message.contains(part), "{model}: {answer:?}, not {part}");
        }
    }
    let missing = post(&far, "/v1/embeddings", &json!({ "model": "no-such-model", "input": "a" }));
    assert!(missing.status == 404 && missing.body.contains("model_not_found"), "{missing:?}");
    let chain = post(&near, "/v1/embeddings", &json!({ "model": "best", "input": "a" }));
    assert!(chain.status == 400 && chain.body.contains("chain"), "{chain:?}");
    let gemini =
        post(&far, "/v1beta/models/toy:embedContent", &json!({ "content": { "parts": [{ "text": long }] } }));
    assert!(gemini.status == 400 && gemini.body.contains("INVALID_ARGUMENT"), "{gemini:?}");
    let ollama = post(&far, "/api/embed", &json!({ "model": "toy", "input": long }));
    assert!(ollama.status == 400 && ollama.body.contains("tokens"), "{ollama:?}");
    let cut = json(&post(&far, "/api/embed", &json!({ "model": "toy", "input": long, "truncate": true })));
    assert_eq!(cut["prompt_eval_count"], 256);
    let wide =
        post(&far, "/api/embed", &json!({ "model": "toy", "input": "a", "options": { "num_ctx": 999 } }));
    assert!(wide.status == 400 && wide.body.contains("num_ctx"), "{wide:?}");
}

#[test]
fn keys_and_metrics_know_of_embeddings() {
    let far = far();
    let secret =
        far.key(KeyTerms { name: "some".into(), models: vec!["other".into()], ..KeyTerms::default() });
    let header = format!("authorization: Bearer {secret}");
    let body = json!({ "model": "toy", "input": "a" }).to_string();
    for path in ["/v1/embeddings", "/api/embed"] {
        let refused = far.send("POST", path, &[&header], &body);
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    let none = far.send("POST", "/v1/embeddings", &[], &body);
    assert_eq!(none.status, 401, "{none:?}");
    let secret = far.key(KeyTerms { name: "all".into(), tokens_per_minute: Some(2), ..KeyTerms::default() });
    let header = format!("authorization: Bearer {secret}");
    let texts = json!({ "model": "toy", "input": TEXTS }).to_string();
    let first = far.send("POST", "/v1/embeddings", &[&header], &texts);
    assert_eq!(first.status, 200, "{first:?}");
    let second = far.send("POST", "/v1/embeddings", &[&header], &texts);
    assert!(second.status == 429, "its tokens count: {second:?}");
    let metrics = far.get("/metrics", &[&header]);
    let counted = |line: &str| line.starts_with("parasol_prompt_tokens_total{") && line.contains("\"all\"");
    assert!(metrics.body.lines().any(counted), "{}", metrics.body);
}
