//! Tokenizers against their references: ids that llama.cpp and Hugging Face's `tokenizers` gave for one corpus of prose,
//! code, many scripts, emoji and broken UTF-8 (made by tools/reference/tokenizer_corpus.py).

#![allow(clippy::unwrap_used, missing_docs)]

use parasol_hub::{Cancel, Hub, Licence};
use parasol_text::gguf::GgufFile;
use parasol_text::tokenizer::{Special, TextStream, TokenKind, Tokenizer, TokenizerSource};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tokenizers")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn corpus() -> Vec<Vec<u8>> {
    let bytes = |case: &Value| match case["text"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => unhex(case["hex"].as_str().unwrap()),
    };
    json(&fixtures().join("corpus.json")).as_array().unwrap().iter().map(bytes).collect()
}

fn from_gguf(path: &Path) -> Tokenizer {
    let file = GgufFile::open(path).unwrap();
    Tokenizer::from_source(TokenizerSource::from_metadata(&file.metadata()).unwrap()).unwrap()
}

fn ids(value: &Value) -> Option<Vec<u32>> {
    value.as_array().map(|ids| ids.iter().map(|id| id.as_u64().unwrap() as u32).collect())
}

/// What `reference` says about case `i`; `None` where it cannot read the text.
fn expected(file: &Value, reference: &str, special: Special, i: usize) -> Option<Vec<u32>> {
    let key = if special == Special::Parse { "special" } else { "plain" };
    let at = i.to_string();
    let own = &file["differs"][reference][key][&at];
    if !own.is_null() {
        return ids(own);
    }
    let main = file["plain"].get(i).unwrap();
    let parsed = &file["special"][&at];
    ids(if special == Special::Parse && !parsed.is_null() { parsed } else { main })
}

/// Compares every string both ways; where the reference turns plain text into control tokens, ours must not.
fn compare(tokenizer: &Tokenizer, file: &Value, reference: &str) {
    let mut wrong = Vec::new();
    for (i, text) in corpus().iter().enumerate() {
        for special in [Special::AsText, Special::Parse] {
            let ours = tokenizer.encode(text, special, false).unwrap();
            let control = |ids: &[u32]| ids.iter().any(|&id| tokenizer.kind(id) == Some(TokenKind::Control));
            assert!(special == Special::Parse || !control(&ours), "control token from text {i}");
            let Some(theirs) = expected(file, reference, special, i) else { continue };
            if special == Special::AsText && control(&theirs) {
                assert_eq!(tokenizer.decode(&ours).unwrap(), tokenizer.decode(&theirs).unwrap());
            } else if ours != theirs {
                wrong.push(format!(
                    "{i} {special:?} {:?}\n  ours   {ours:?}\n  theirs {theirs:?}",
                    String::from_utf8_lossy(text)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of the corpus differ from {reference}:\n{}", wrong.len(), wrong.join("\n"));
    let added = expected_added(file, reference);
    assert_eq!(tokenizer.encode("a", Special::Parse, true).unwrap(), added);
}

fn expected_added(file: &Value, reference: &str) -> Vec<u32> {
    ids(&file["added"][reference]).unwrap()
}

/// Decoding gives the reference's bytes, and so does the stream, piece by piece, for text that is valid.
fn decodes(tokenizer: &Tokenizer, file: &Value, reference: &str) {
    for (i, text) in corpus().iter().enumerate() {
        let Some(tokens) = ids(&file["plain"][i]) else { continue };
        let whole = file["decoded"][i.to_string()].as_str().map_or_else(|| text.clone(), unhex);
        if file["reference"]["plain"] == reference {
            let ours = tokenizer.decode(&tokens).unwrap();
            assert_eq!(ours, whole, "case {i}: {:?}", String::from_utf8_lossy(&ours));
        }
        let mut stream = TextStream::new::<&str>(&[]).unwrap();
        let mut streamed = String::new();
        let mut bytes = Vec::new();
        for &id in &tokens {
            let piece = tokenizer.token_bytes(id).unwrap();
            bytes.extend_from_slice(&piece);
            streamed += &stream.push(&piece).text;
        }
        streamed += &stream.finish().text;
        assert_eq!(streamed, String::from_utf8_lossy(&bytes), "case {i}");
    }
}

fn toy(name: &str) -> (Value, PathBuf) {
    let folder = fixtures().join(name);
    (json(&folder.join("expected.json")), folder)
}

fn gguf_toy(name: &str) {
    let (file, folder) = toy(name);
    let tokenizer = from_gguf(&folder.join("vocab.gguf"));
    compare(&tokenizer, &file, "llama.cpp");
    decodes(&tokenizer, &file, "llama.cpp");
}

fn json_toy(name: &str) {
    let (file, folder) = toy(name);
    let tokenizer = Tokenizer::from_folder(&folder).unwrap();
    compare(&tokenizer, &file, "tokenizers");
    decodes(&tokenizer, &file, "tokenizers");
}

macro_rules! toys {
    ($($test:ident: $check:ident($name:literal);)*) => { $(#[test] fn $test() { $check($name); })* };
}

toys! {
    gpt2_from_gguf: gguf_toy("toy-gpt2");
    gpt2_from_json: json_toy("toy-gpt2");
    llama3_from_gguf: gguf_toy("toy-llama3");
    llama3_from_json: json_toy("toy-llama3");
    qwen2_from_gguf: gguf_toy("toy-qwen2");
    qwen2_from_json: json_toy("toy-qwen2");
    sentencepiece_from_gguf: gguf_toy("toy-spm-bpe");
    sentencepiece_from_json: json_toy("toy-spm-bpe");
    gemma_from_gguf: gguf_toy("toy-spm-gemma");
    gemma_from_json: json_toy("toy-spm-gemma");
    unigram_from_json: json_toy("toy-unigram");
    t5_from_gguf: gguf_toy("toy-unigram-t5");
    t5_from_json: json_toy("toy-unigram-t5");
}

/// A published model's tokenizer, against llama.cpp. The model is pulled if need be; without it the test says so. Cases
/// that hold `except` are left out.
fn published(model: &str, fixture: &str, except: Option<&str>) {
    let hub = Hub::open().unwrap();
    let path = match hub.locate(model).unwrap() {
        Some(located) => located.model.path().to_owned(),
        None => match hub.pull(model, Licence::Refuse, &Cancel::new(), &mut |_| {}) {
            Ok(located) => located.model.path().to_owned(),
            Err(e) => {
                return eprintln!(
                    "SKIPPED: {model} is not on this machine ({e}); `parasol pull {model}` fetches it"
                );
            }
        },
    };
    let mut file = json(&fixtures().join(fixture));
    for (i, text) in corpus().iter().enumerate() {
        if except.is_some_and(|except| String::from_utf8_lossy(text).contains(except)) {
            file["plain"][i] = Value::Null;
            file["special"].as_object_mut().unwrap().remove(&i.to_string());
        }
    }
    let tokenizer = from_gguf(&path);
    compare(&tokenizer, &file, "llama.cpp");
    decodes(&tokenizer, &file, "llama.cpp");
}

#[test]
fn smollm2_is_tokenised_as_by_llama_cpp() {
    published("smollm2", "smollm2.json", None);
}

#[test]
fn gemma3_is_tokenised_as_by_llama_cpp() {
    // `</s>` is an ordinary token of Gemma's (the end of HTML's strike-through); llama.cpp takes it for the end of a text.
    published("gemma3-270m", "gemma3.json", Some("</s>"));
}
