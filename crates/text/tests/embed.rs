//! Embedding: llama.cpp's vectors on the same files (`tools/reference/llama_embeddings.py`), and what is promised beside numbers.
#![allow(clippy::unwrap_used)]

mod fixture_files;

use fixture_files::{fixtures, published};
use futures_core::Stream;
use parasol_core::{
    Chat, ChatRequest, Complete, CompleteRequest, Embed, EmbedEvent, EmbedInput, EmbedPurpose, EmbedRequest,
    ErrorKind, EventStream, Message, Result, Role, Usage,
};
use parasol_kernels::Isa;
use parasol_text::engine::{LoadOptions, TextModel};
use parasol_text::info::Pooling;
use serde_json::Value;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn next<E>(stream: &mut EventStream<E>) -> Option<Result<E>> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match pin!(&mut *stream).poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(event) => return event,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The vectors, in order, and what they took.
fn vectors(model: &TextModel, request: EmbedRequest) -> Result<(Vec<Vec<f32>>, Usage)> {
    let mut stream = model.embed(request)?;
    let mut all = Vec::new();
    while let Some(event) = next(&mut stream) {
        match event? {
            EmbedEvent::Embedded { index, vector } => {
                assert_eq!(index, all.len());
                all.push(vector);
            }
            EmbedEvent::Finished { usage, .. } => {
                assert!(next(&mut stream).is_none());
                return Ok((all, usage));
            }
            EmbedEvent::Started { .. } | EmbedEvent::Ignored { .. } => assert!(all.is_empty()),
        }
    }
    panic!("no end was told");
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    assert_eq!(a.len(), b.len());
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn options(isa: Isa) -> LoadOptions {
    LoadOptions { isa: Some(isa), context: Some(256), threads: Some(2), ..LoadOptions::default() }
}

fn toy(name: &str) -> TextModel {
    TextModel::load(&fixtures().join(name).join("model.gguf"), options(Isa::detect())).unwrap()
}

/// The toy as a folder that says how it embeds, in sentence-transformers' way.
fn folder(name: &str, pooling: &str) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(fixtures().join(name).join(file), to.path().join(file)).unwrap();
    }
    std::fs::create_dir(to.path().join("1_Pooling")).unwrap();
    std::fs::write(to.path().join("1_Pooling/config.json"), pooling).unwrap();
    to
}

/// Embeds the texts of the fixture, together and one by one, and compares.
fn compare(path: &Path, isa: Isa, name: &str, how: &str, least: f64) {
    let text = std::fs::read_to_string(fixtures().join("embeddings.json")).unwrap();
    let fixture: Value = serde_json::from_str(&text).unwrap();
    let numbers = |list: &Value| {
        list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect::<Vec<_>>()
    };
    let wanted: Vec<Vec<f32>> =
        fixture["models"][name][how].as_array().unwrap().iter().map(numbers).collect();
    let texts: Vec<&str> =
        fixture["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).take(wanted.len()).collect();
    let model = TextModel::load(path, LoadOptions { context: Some(256), ..options(isa) }).unwrap();
    let (together, usage) = vectors(&model, EmbedRequest::texts(texts.clone())).unwrap();
    let mut tokens = 0;
    for ((text, ours), theirs) in texts.into_iter().zip(&together).zip(&wanted) {
        let (alone, took) = vectors(&model, EmbedRequest::texts([text])).unwrap();
        tokens += took.prompt_tokens;
        let (near, same) = (cosine(ours, theirs), cosine(ours, &alone[0]));
        eprintln!("{name}, {how}, {}: {near:.6} to llama.cpp, {same:.6} to itself alone", isa.name());
        assert!(
            // A text alone may be few enough tokens for other kernels than many texts together.
            near >= least && same >= least,
            "{name}, {how}, {}: {near} and {same}: {text:?}",
            isa.name()
        );
        let length = ours.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    assert_eq!(tokens, usage.prompt_tokens);
}

#[test]
fn toys_have_llama_cpps_vectors_on_every_instruction_set() {
    for name in ["toy-llama", "toy-qwen3", "toy-gemma3"] {
        for isa in Isa::available() {
            compare(&fixtures().join(name).join("model.gguf"), isa, name, "last", 0.999);
        }
    }
    let mean = folder("toy-llama", r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false}"#);
    compare(mean.path(), Isa::detect(), "toy-llama", "mean", 0.999);
}

#[test]
fn published_models_have_llama_cpps_vectors() {
    // Both round activations to 8 bits, each in its own way, and the state of Gemma's one token shows it where logits do not.
    for (name, least) in [("smollm2", 0.999), ("gemma3-270m", 0.997)] {
        let Some(path) = published(name) else { continue };
        compare(&path, Isa::detect(), name, "last", least);
    }
}

#[test]
fn folders_say_how_they_embed() {
    let of = |pooling: &str| {
        let folder = folder("toy-llama", pooling);
        TextModel::load(folder.path(), options(Isa::detect())).map(|model| model.info().pooling)
    };
    assert_eq!(of(r#"{"pooling_mode_lasttoken": true}"#).unwrap(), Some(Pooling::Last));
    assert_eq!(of(r#"{"pooling_mode_cls_token": true}"#).unwrap(), Some(Pooling::First));
    for unknown in [
        r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}"#,
        r#"{"pooling_mode_cls_token": false, "pooling_mode_weightedmean_tokens": true}"#,
    ] {
        let folder = folder("toy-llama", unknown);
        let model = TextModel::load(folder.path(), options(Isa::detect())).unwrap();
        let error = vectors(&model, EmbedRequest::texts(["a"])).unwrap_err();
        assert!(
            model.info().pooling == Some(Pooling::Other) && *error.kind() == ErrorKind::Unsupported,
            "{error}"
        );
    }
    assert_eq!(of("[]").unwrap(), None);
    assert_eq!(*of("{").unwrap_err().kind(), ErrorKind::Corrupt);
}

/// A text of so many bytes: the toys take most letters for a token each.
fn long(bytes: usize) -> String {
    "word and word, ".chars().cycle().take(bytes).collect()
}

#[test]
fn long_texts_are_computed_in_pieces_and_too_long_ones_refused_with_both_numbers() {
    let path = fixtures().join("toy-llama/model.gguf");
    let model = TextModel::load(&path, LoadOptions { context: Some(200), ..options(Isa::detect()) }).unwrap();
    let error = vectors(&model, EmbedRequest::texts(["a".into(), long(2000)])).unwrap_err();
    let ErrorKind::ContextOverflow { needed, limit: 200 } = error.kind() else { panic!("{error}") };
    assert!(error.message().contains("input.1") && error.message().contains(&needed.to_string()), "{error}");
    let cut = EmbedRequest { truncate: true, ..EmbedRequest::texts([long(2000)]) };
    let (cut, usage) = vectors(&model, cut).unwrap();
    assert_eq!(usage.prompt_tokens, 200);
    assert_eq!(cut.len(), 1);
    // Longer than a piece.
    let folder = folder("toy-llama", r#"{"pooling_mode_mean_tokens": true}"#);
    let config = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
    let config = config.replace("\"max_position_embeddings\": 256", "\"max_position_embeddings\": 8192");
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let wide = LoadOptions { context: Some(8192), ..options(Isa::detect()) };
    let model = TextModel::load(folder.path(), wide).unwrap();
    let texts = [long(10), long(1500), "x".to_owned(), long(4000), long(30)];
    let (all, usage) = vectors(&model, EmbedRequest::texts(texts.clone())).unwrap();
    assert!(usage.prompt_tokens > 2000, "{usage:?}");
    for (text, vector) in texts.into_iter().zip(all) {
        let alone = vectors(&model, EmbedRequest::texts([text])).unwrap().0;
        assert!(cosine(&vector, &alone[0]) > 0.9999);
    }
}

#[test]
fn vectors_are_as_long_as_they_are_wanted() {
    let model = toy("toy-llama");
    let whole = vectors(&model, EmbedRequest::texts(["abc"])).unwrap().0.remove(0);
    let short = EmbedRequest { dimensions: Some(8), ..EmbedRequest::texts(["abc"]) };
    let short = vectors(&model, short).unwrap().0.remove(0);
    assert!(short.len() == 8 && cosine(&short, &whole[..8]) > 0.999_999);
    assert!((short.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    for (request, part) in [
        (EmbedRequest { dimensions: Some(whole.len() + 1), ..EmbedRequest::texts(["a"]) }, "dimensions"),
        (EmbedRequest { inputs: vec![EmbedInput::Tokens(vec![1])], ..EmbedRequest::default() }, "input.0"),
        (EmbedRequest::texts(["a", ""]), "input.1"),
        (EmbedRequest::default(), "nothing to embed"),
    ] {
        let error = vectors(&model, request).unwrap_err();
        assert!(*error.kind() == ErrorKind::InvalidRequest && error.message().contains(part), "{error}");
    }
    let mut stream = model
        .embed(EmbedRequest { purpose: Some(EmbedPurpose::Query), ..EmbedRequest::texts(["a"]) })
        .unwrap();
    let first = next(&mut stream).unwrap().unwrap();
    assert!(matches!(first, EmbedEvent::Ignored { field, .. } if field == "purpose"));
}

#[test]
fn whoever_gives_up_keeps_nobody_from_its_turn_and_chats_go_on() {
    let model = Arc::new(toy("toy-llama"));
    let many = || EmbedRequest::texts(vec![long(200); 40]);
    // One that has begun and is not read on holds the turn; one behind it waits, and goes.
    let mut begun = model.embed(many()).unwrap();
    assert!(matches!(next(&mut begun), Some(Ok(EmbedEvent::Started { .. }))));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(&mut begun).poll_next(&mut cx).is_pending());
    let mut behind = model.embed(many()).unwrap();
    assert!(matches!(next(&mut behind), Some(Ok(EmbedEvent::Started { .. }))));
    assert!(pin!(&mut behind).poll_next(&mut cx).is_pending());
    drop(behind);
    let waiting = {
        let model = Arc::clone(&model);
        std::thread::spawn(move || vectors(&model, EmbedRequest::texts(["abc"])).unwrap().0.len())
    };
    let request = CompleteRequest { prompt: "ab".into(), max_tokens: Some(3), ..CompleteRequest::default() };
    let mut said = model.complete(request).unwrap();
    while let Some(event) = next(&mut said) {
        event.unwrap();
    }
    drop(begun);
    assert_eq!(waiting.join().unwrap(), 1);
    let stats = model.stats();
    assert_eq!((stats.book_errors, stats.running), (0, 0));
    let chat = ChatRequest { messages: vec![Message::new(Role::User, "a")], ..ChatRequest::default() };
    assert!(model.chat(chat).is_err(), "a base model has no template");
}

#[test]
fn requests_take_turns_in_the_order_of_asking() {
    let model = toy("toy-llama");
    let mut cx = Context::from_waker(Waker::noop());
    let mut many = model.embed(EmbedRequest::texts(vec![long(200); 40])).unwrap();
    let mut one = model.embed(EmbedRequest::texts(["abc"])).unwrap();
    assert!(matches!(next(&mut many), Some(Ok(EmbedEvent::Started { .. }))));
    assert!(matches!(next(&mut one), Some(Ok(EmbedEvent::Started { .. }))));
    assert!(pin!(&mut many).poll_next(&mut cx).is_pending());
    assert!(pin!(&mut one).poll_next(&mut cx).is_pending());
    // What was computed together with the first is told; for the rest it is behind.
    assert!(matches!(next(&mut many), Some(Ok(EmbedEvent::Embedded { index: 0, .. }))));
    while pin!(&mut many).poll_next(&mut cx).is_ready() {}
    let begun = Instant::now();
    loop {
        match pin!(&mut one).poll_next(&mut cx) {
            Poll::Ready(event) => break assert!(matches!(event, Some(Ok(EmbedEvent::Embedded { .. })))),
            Poll::Pending => assert!(begun.elapsed().as_secs() < 20, "the first has taken the turn again"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn vectors_of_a_model_that_goes_come_to_their_end() {
    let model = toy("toy-qwen3");
    let mut stream = model.embed(EmbedRequest::texts(vec![long(100); 20])).unwrap();
    drop(model);
    let mut count = 0;
    while let Some(event) = next(&mut stream) {
        count += usize::from(matches!(event.unwrap(), EmbedEvent::Embedded { .. }));
    }
    assert_eq!(count, 20);
}
