//! The engine's promises, on toy models: order of events, limits, stop strings, prefix reuse, cancelling, seeds.
#![allow(clippy::unwrap_used)]

use futures_core::Stream;
use parasol_core::{
    Chat, ChatRequest, Complete, CompleteRequest, Error, ErrorKind, EventStream, FinishReason,
    GenerationEvent, Message, Result, Role, Sampling, TokenReport, Usage,
};
use parasol_text::engine::{BenchShape, LoadOptions, TextModel};
use parasol_text::prompt;
use parasol_text::tokenizer::{SpecialIds, Strings, Tokenizer, TokenizerSource};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

fn model(name: &str, context: usize) -> TextModel {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(format!("toy-{name}/model.gguf"));
    TextModel::load(&path, LoadOptions { threads: Some(1), context: Some(context), ..LoadOptions::default() })
        .unwrap()
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn next(stream: &mut EventStream<GenerationEvent>) -> Option<Result<GenerationEvent>> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match pin!(&mut *stream).poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(event) => return event,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn all(mut stream: EventStream<GenerationEvent>) -> Vec<GenerationEvent> {
    std::iter::from_fn(|| next(&mut stream)).map(Result::unwrap).collect()
}

/// What an answer came to.
struct Answer {
    text: String,
    tokens: Vec<TokenReport>,
    reason: FinishReason,
    usage: Usage,
}

fn answer(stream: EventStream<GenerationEvent>) -> Answer {
    let mut tokens = Vec::new();
    for event in all(stream) {
        match event {
            GenerationEvent::Token(token) => tokens.push(token),
            GenerationEvent::Finished { reason, usage, .. } => {
                let text = tokens.iter().map(|t| t.text.as_str()).collect();
                return Answer { text, tokens, reason, usage };
            }
            _ => {}
        }
    }
    panic!("the stream ended without an end");
}

fn request(prompt: &str, max_tokens: usize) -> CompleteRequest {
    // Toy models have no sense of an end: keep their end tokens out so that lengths are exact.
    let logit_bias = (315..320).map(|id| (id, -1000.0)).collect();
    let sampling = Sampling { seed: Some(7), logit_bias, ..Sampling::default() };
    CompleteRequest {
        prompt: prompt.into(),
        max_tokens: Some(max_tokens),
        sampling,
        ..CompleteRequest::default()
    }
}

fn refused(result: Result<EventStream<GenerationEvent>>) -> Error {
    result.expect_err("accepted")
}

#[test]
fn events_come_in_order_and_counts_are_right() {
    let model = model("llama", 128);
    let events = all(model.complete(request("the quick brown fox", 12)).unwrap());
    let prompt = model
        .tokenizer()
        .encode("the quick brown fox", parasol_text::tokenizer::Special::Parse, true)
        .unwrap()
        .len();
    assert!(
        matches!(events[0], GenerationEvent::Started { prompt_tokens, seed: 7, .. } if prompt_tokens == prompt)
    );
    assert!(
        matches!(events[1], GenerationEvent::Prefill { done, total } if done == prompt && total == prompt)
    );
    let tokens = events.iter().filter(|e| matches!(e, GenerationEvent::Token(t) if t.id.is_some())).count();
    assert_eq!(tokens, 12);
    let Some(GenerationEvent::Finished { reason, usage, timings, .. }) = events.last() else {
        panic!("no end")
    };
    assert_eq!(*reason, FinishReason::Length);
    assert_eq!(*usage, Usage { prompt_tokens: prompt, generated_tokens: 12, ..Usage::default() });
    assert!(timings.first_token >= timings.prefill);
}

#[test]
fn the_same_seed_gives_the_same_text_and_another_one_another() {
    let model = model("llama", 128);
    let hot = |seed| {
        let mut request = request("once", 40);
        request.sampling =
            Sampling { seed: Some(seed), temperature: 1.5, top_k: None, min_p: None, ..request.sampling };
        answer(model.complete(request).unwrap()).text
    };
    assert_eq!(hot(1), hot(1));
    assert_ne!(hot(1), hot(2));
}

#[test]
fn overflow_says_both_numbers_before_anything_is_computed() {
    let model = model("llama", 32);
    let error = refused(model.complete(request(&"word ".repeat(100), 5)));
    let &ErrorKind::ContextOverflow { needed, limit } = error.kind() else { panic!("{error}") };
    assert!(needed > 100 && limit == 32);
    assert!(error.message().contains(&needed.to_string()) && error.message().contains("32"), "{error}");
}

#[test]
fn an_answer_ends_where_the_context_ends() {
    let model = model("llama", 32);
    let full = answer(model.complete(request("ab", 1_000)).unwrap());
    assert_eq!(full.reason, FinishReason::Length);
    // The last token generated needs no room: nothing is computed after it.
    assert_eq!(full.usage.prompt_tokens + full.usage.generated_tokens, 33);
}

#[test]
fn no_tokens_asked_for_none_given() {
    let model = model("llama", 32);
    let none = answer(model.complete(request("ab", 0)).unwrap());
    assert_eq!((none.reason, none.usage.generated_tokens, none.text.as_str()), (FinishReason::Length, 0, ""));
}

#[test]
fn the_end_token_ends_the_answer_and_is_neither_shown_nor_counted() {
    let model = model("llama", 64);
    let end = *model.tokenizer().ends().first().unwrap();
    let mut request = request("go", 20);
    request.sampling.logit_bias = [(end, 1000.0)].into();
    let ended = answer(model.complete(request).unwrap());
    assert_eq!(
        (ended.reason, ended.text.as_str(), ended.usage.generated_tokens),
        (FinishReason::Stop, "", 0)
    );
}

#[test]
fn a_stop_string_ends_the_answer_and_is_not_shown() {
    let model = model("llama", 128);
    let free = answer(model.complete(request("once", 60)).unwrap()).text;
    // A stop that begins in the middle of one token and ends in another.
    let from = free.char_indices().nth(20).unwrap().0;
    let stop: String = free[from..].chars().take(7).collect();
    let cut = free.find(&stop).unwrap();
    let stopped =
        answer(model.complete(CompleteRequest { stop: vec![stop], ..request("once", 60) }).unwrap());
    assert_eq!((stopped.reason, stopped.text.as_str()), (FinishReason::Stop, &free[..cut]));
    let error = refused(model.complete(CompleteRequest { stop: vec![String::new()], ..request("once", 60) }));
    assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
}

#[test]
fn a_shared_beginning_is_not_computed_again_and_changes_nothing() {
    let model = model("qwen3", 128);
    let first = answer(model.complete(request("the same beginning and one end", 8)).unwrap());
    assert_eq!(first.usage.cached_tokens, 0);
    let second = answer(model.complete(request("the same beginning and another", 8)).unwrap());
    assert!(second.usage.cached_tokens > 5, "{:?}", second.usage);
    let fresh = self::model("qwen3", 128);
    assert_eq!(
        second.text,
        answer(fresh.complete(request("the same beginning and another", 8)).unwrap()).text
    );
    // The same prompt once more: all but its last token.
    let third = answer(model.complete(request("the same beginning and another", 8)).unwrap());
    assert_eq!(third.usage.cached_tokens, third.usage.prompt_tokens - 1);
    assert_eq!(third.text, second.text);
}

#[test]
fn dropping_the_stream_stops_the_work() {
    let model = model("llama", 256);
    let mut stream = model.complete(request("go", 250)).unwrap();
    while !matches!(next(&mut stream), Some(Ok(GenerationEvent::Token(_)))) {}
    drop(stream);
    // The next request does not wait for 250 tokens' sake; nor does one that was dropped before it began.
    drop(model.complete(request("never read", 250)).unwrap());
    let start = Instant::now();
    let after = answer(model.complete(request("go", 3)).unwrap());
    assert_eq!(after.usage.generated_tokens, 3);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_slow_reader_loses_nothing() {
    let model = model("llama", 256);
    // More events than the channel holds.
    let stream = model.complete(request("go", 254)).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let events = all(stream);
    assert_eq!(
        events.iter().filter(|e| matches!(e, GenerationEvent::Token(t) if t.id.is_some())).count(),
        254
    );
}

#[test]
fn requests_queue_up() {
    let model = model("llama", 64);
    let streams: Vec<_> = (0..4).map(|_| model.complete(request("queue", 5)).unwrap()).collect();
    let texts: Vec<_> = streams.into_iter().map(|s| answer(s).text).collect();
    assert!(texts.iter().all(|t| *t == texts[0]));
}

#[test]
fn the_prompt_is_echoed_when_asked_for() {
    let model = model("llama", 64);
    let plain = answer(model.complete(request("echo ", 5)).unwrap()).text;
    let echoed = answer(model.complete(CompleteRequest { echo: true, ..request("echo ", 5) }).unwrap());
    assert_eq!(echoed.text, format!("echo {plain}"));
    assert_eq!(echoed.usage.generated_tokens, 5);
}

#[test]
fn log_probabilities_belong_to_the_tokens_and_agree_with_scoring() {
    let model = model("llama", 64);
    let mut ask = request("log", 6);
    ask.logprobs = Some(3);
    ask.sampling = Sampling { temperature: 0.0, logit_bias: Default::default(), ..ask.sampling };
    let told = answer(model.complete(ask).unwrap());
    let mut tokens = model.tokenizer().encode("log", parasol_text::tokenizer::Special::Parse, true).unwrap();
    for report in told.tokens.iter().filter(|t| t.id.is_some()) {
        let scores = model.score(&tokens, &[report.id.unwrap()]).unwrap();
        let last = scores.last().unwrap();
        assert_eq!(report.logprobs.len(), 4);
        let chosen = &report.logprobs[0];
        assert_eq!((Some(chosen.id), chosen.id), (report.id, last.top));
        assert!((chosen.logprob - last.columns[0]).abs() < 1e-3, "{} {}", chosen.logprob, last.columns[0]);
        assert!(report.logprobs[1..].is_sorted_by(|a, b| a.logprob >= b.logprob));
        assert!(report.logprobs[1].logprob <= chosen.logprob);
        tokens.push(report.id.unwrap());
    }
}

#[test]
fn gaps_are_filled_only_where_the_model_knows_how() {
    let model = model("llama", 64);
    let error = refused(model.complete(CompleteRequest { suffix: Some("x".into()), ..request("a", 5) }));
    assert_eq!(error.kind(), &ErrorKind::Unsupported);
}

#[test]
fn the_sides_of_a_gap_stand_between_their_tokens_and_cannot_pose_as_them() {
    let names = ["<PRE>", "<SUF>", "<MID>", "a", "b"];
    let source = TokenizerSource {
        model: "gpt2".into(),
        pre: "gpt-2".into(),
        tokens: Strings::collect(
            names.map(str::as_bytes).into_iter().chain(SIGNS.iter().map(|s| s.as_bytes())),
        )
        .unwrap(),
        types: [3, 3, 3].into_iter().chain([1; 9]).collect(),
        special: SpecialIds {
            fim_prefix: Some(0),
            fim_suffix: Some(1),
            fim_middle: Some(2),
            ..SpecialIds::default()
        },
        ..TokenizerSource::default()
    };
    let tokenizer = Tokenizer::from_source(source).unwrap();
    let gap = |prompt: &str| CompleteRequest { suffix: Some("b".into()), ..request(prompt, 1) };
    assert_eq!(prompt::complete(&tokenizer, &gap("ab")).unwrap(), [0, 3, 4, 1, 4, 2]);
    let posing = prompt::complete(&tokenizer, &gap("<MID>")).unwrap();
    assert_eq!(posing.iter().filter(|id| **id < 3).count(), 3, "{posing:?}");
}

/// What `<MID>` is spelt with.
const SIGNS: [&str; 7] = ["<", "M", "I", "D", ">", "x", "y"];

#[test]
fn a_ten_megabyte_prompt_is_refused_with_both_numbers_soon() {
    let model = model("llama", 64);
    let start = Instant::now();
    // Words, and one word without an end, which takes tokenizers longest.
    for text in ["ten megabytes of words ".repeat(450_000), "x".repeat(10_000_000)] {
        let error = refused(model.complete(request(&text, 5)));
        assert!(
            matches!(error.kind(), ErrorKind::ContextOverflow { limit: 64, needed: 100_000.. }),
            "{error}"
        );
        assert!(error.message().contains("at least"), "{error}");
        // Nor is it counted to its end.
        let error = Complete::count_tokens(&model, &request(&text, 5)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ContextOverflow { limit: 64, .. }), "{error}");
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn too_many_alternatives_are_refused() {
    let model = model("llama", 64);
    let error = refused(model.complete(CompleteRequest { logprobs: Some(1_000_000), ..request("a", 1) }));
    assert!(error.kind() == &ErrorKind::InvalidRequest && error.message().contains("1000000"), "{error}");
}

#[test]
fn a_model_without_a_chat_template_says_so() {
    let model = model("llama", 64);
    let messages = vec![Message::new(Role::User, "hello")];
    let error = refused(model.chat(ChatRequest { messages, ..ChatRequest::default() }));
    assert_eq!(error.kind(), &ErrorKind::Unsupported);
    assert!(error.message().contains("chat template"), "{error}");
}

#[test]
fn empty_prompts_unknown_tokens_and_odd_contexts_are_refused() {
    let model = model("llama", 64);
    assert_eq!(model.score(&[], &[]).unwrap_err().kind(), &ErrorKind::InvalidRequest);
    assert_eq!(model.score(&[4_000_000], &[]).unwrap_err().kind(), &ErrorKind::InvalidRequest);
    assert_eq!(refused(model.complete(request("", 5))).kind(), &ErrorKind::InvalidRequest);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/toy-llama/model.gguf");
    for context in [0, 100_000] {
        let error = TextModel::load(&path, LoadOptions { context: Some(context), ..LoadOptions::default() })
            .err()
            .unwrap();
        assert!(error.message().contains(&context.to_string()), "{error}");
    }
}

#[test]
fn the_bench_counts_what_it_computed() {
    let model = model("llama", 64);
    let report = model.bench(BenchShape { prompt: 16, generate: 8, depth: 4, sequences: 1 }).unwrap();
    assert_eq!((report.prompt_tokens, report.generated_tokens, report.depth), (16, 8, 4));
    assert!(
        report.prompt_per_second() > 0.0
            && report.generation_per_second() > 0.0
            && report.bytes_per_token > 0
    );
    let together = model.bench(BenchShape { prompt: 0, generate: 8, depth: 4, sequences: 3 }).unwrap();
    assert_eq!((together.prompt_tokens, together.generated_tokens), (0, 24));
    let error = model.bench(BenchShape { prompt: 100, generate: 8, depth: 4, sequences: 1 }).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::ContextOverflow { needed: 104, limit: 64 });
}
