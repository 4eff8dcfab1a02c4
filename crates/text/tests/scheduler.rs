//! Many requests at once, on toy models: the same answers as alone, whatever shares the batch, the cache or the memory.
#![allow(clippy::unwrap_used)]

use futures_core::Stream;
use parasol_core::{
    Complete, CompleteRequest, ErrorKind, EventStream, FinishReason, GenerationEvent, Result, Sampling,
    TokenLogprob,
};
use parasol_kernels::KvFormat;
use parasol_text::engine::{LoadOptions, TextModel};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

fn load(name: &str, options: LoadOptions) -> TextModel {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(format!("toy-{name}/model.gguf"));
    TextModel::load(&path, LoadOptions { threads: Some(2), ..options }).unwrap()
}

fn options(context: usize, cache_tokens: usize) -> LoadOptions {
    LoadOptions { context: Some(context), cache_tokens: Some(cache_tokens), ..LoadOptions::default() }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

type Events = EventStream<GenerationEvent>;

fn next(stream: &mut Events) -> Option<Result<GenerationEvent>> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match pin!(&mut *stream).poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(event) => return event,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn request(prompt: &str, max_tokens: usize, client: &str) -> CompleteRequest {
    // Toy models have no sense of an end: keep their end tokens out so that lengths are exact.
    let logit_bias = (315..320).map(|id| (id, -1000.0)).collect();
    let sampling = Sampling { seed: Some(7), logit_bias, ..Sampling::default() };
    CompleteRequest {
        prompt: prompt.into(),
        max_tokens: Some(max_tokens),
        sampling,
        client: client.into(),
        ..CompleteRequest::default()
    }
}

/// The text, the reason of the end and the prompt tokens that were cached.
fn answer(mut stream: Events) -> (String, FinishReason, usize) {
    let mut text = String::new();
    while let Some(event) = next(&mut stream) {
        match event.unwrap() {
            GenerationEvent::Token(token) => text += &token.text,
            GenerationEvent::Finished { reason, usage, .. } => return (text, reason, usage.cached_tokens),
            _ => {}
        }
    }
    panic!("the stream ended without an end");
}

fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < Duration::from_secs(10), "still not: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Nothing runs, and the books of the cache balance.
fn check_idle(model: &TextModel) {
    wait_until("idle", || {
        let stats = model.stats();
        stats.running + stats.waiting + stats.blocks_used == 0
    });
    assert_eq!(model.stats().book_errors, 0);
}

fn prompts(n: usize) -> Vec<String> {
    let words = ["rain", "on", "the", "roof", "and", "a", "long", "road", "home", "under"];
    let word = |i: usize| words[i % words.len()];
    (0..n).map(|i| (0..3 + i * 5 % 17).map(|j| word(i + j * (i + 1))).collect::<Vec<_>>().join(" ")).collect()
}

/// The likeliest tokens, with the candidates at each.
fn greedy(model: &TextModel, prompt: &str) -> Events {
    let mut request = request(prompt, 30, "");
    request.sampling.temperature = 0.0;
    model.complete(CompleteRequest { logprobs: Some(10), ..request }).unwrap()
}

fn candidates(mut stream: Events) -> Vec<Vec<TokenLogprob>> {
    let mut all = vec![];
    while let Some(event) = next(&mut stream) {
        if let GenerationEvent::Token(token) = event.unwrap() {
            all.push(token.logprobs);
        }
    }
    all.retain(|candidates| !candidates.is_empty());
    all
}

/// Whether two answers are one. Sums depend on how many tokens are multiplied together, so where two tokens are about as likely,
/// either may be said, and what follows is another story.
fn agree(got: &[Vec<TokenLogprob>], alone: &[Vec<TokenLogprob>], what: &str) -> bool {
    assert_eq!(got.len(), alone.len(), "{what}");
    let Some((got, alone)) = got.iter().zip(alone).find(|(got, alone)| got[0].id != alone[0].id) else {
        return true;
    };
    let other = alone[1..].iter().find(|other| other.id == got[0].id);
    let other = other.map_or(f32::NEG_INFINITY, |other| other.logprob);
    assert!(alone[0].logprob - other < 0.05, "{what}: {got:?}, alone {alone:?}");
    false
}

#[test]
fn many_together_say_what_each_says_alone() {
    for (name, window) in [("llama", "none"), ("gemma3", "sliding"), ("qwen3", "none")] {
        let model = load(name, options(128, 2048));
        let prompts = prompts(24);
        let alone: Vec<_> =
            prompts.iter().map(|p| candidates(greedy(&load(name, options(128, 128)), p))).collect();
        let streams: Vec<_> = prompts.iter().map(|p| greedy(&model, p)).collect();
        let mut whole = 0;
        for (i, (stream, alone)) in streams.into_iter().zip(&alone).enumerate() {
            let what = format!("{name} ({window} window), prompt {i}");
            whole += usize::from(agree(&candidates(stream), alone, &what));
        }
        assert!(
            whole > alone.len() / 2,
            "{name}: {whole} of {} answers are the same to the end",
            alone.len()
        );
        assert!(model.stats().batch_sequences > 0);
        check_idle(&model);
    }
}

#[test]
fn when_memory_runs_out_sequences_give_way_and_come_back() {
    // Room for two and a half sequences of 96 tokens, asked for by eight.
    let model = load("llama", options(96, 240));
    let alone = load("llama", options(96, 96));
    let prompts = prompts(8);
    let streams: Vec<_> = prompts.iter().map(|p| model.complete(request(p, 60, p)).unwrap()).collect();
    for (stream, prompt) in streams.into_iter().zip(&prompts) {
        let (text, reason, _) = answer(stream);
        assert_eq!(reason, FinishReason::Length);
        assert_eq!(text, answer(alone.complete(request(prompt, 60, "")).unwrap()).0, "{prompt}");
    }
    assert!(model.stats().preemptions > 0, "{:?}", model.stats());
    check_idle(&model);
}

#[test]
fn prompts_that_do_not_fit_together_wait_instead_of_undoing_each_other() {
    // Each takes three blocks in the end; without counting what is promised, all eight would be let in at once.
    let model = load("llama", options(96, 320));
    let prompts: Vec<_> = (0..8).map(|i| format!("{i} ").repeat(30)).collect();
    let streams: Vec<_> = prompts.iter().map(|p| model.complete(request(p, 8, p)).unwrap()).collect();
    streams.into_iter().for_each(|stream| assert_eq!(answer(stream).1, FinishReason::Length));
    assert_eq!(model.stats().preemptions, 0, "{:?}", model.stats());
    check_idle(&model);
}

#[test]
fn a_beginning_that_is_being_computed_is_not_computed_twice() {
    let model = load("llama", options(256, 2048));
    let shared = "many words stand before the question that each of them asks ".repeat(3);
    let streams: Vec<_> =
        (0..6).map(|i| model.complete(request(&format!("{shared}{i}"), 4, "")).unwrap()).collect();
    let cached: Vec<_> = streams.into_iter().map(|s| answer(s).2).collect();
    assert_eq!(cached[0], 0);
    assert!(cached[1..].iter().all(|&n| n > 64), "{cached:?}");
    check_idle(&model);
}

#[test]
fn what_readers_leave_behind_is_freed_within_a_step() {
    let model = load("llama", options(256, 1024));
    let mut streams: Vec<_> =
        prompts(12).iter().map(|p| model.complete(request(p, 200, "")).unwrap()).collect();
    // One has seen tokens, others only wait.
    while !matches!(next(&mut streams[0]), Some(Ok(GenerationEvent::Token(_)))) {}
    drop(streams);
    check_idle(&model);
    assert!(model.stats().generated_tokens < 12 * 200);
}

#[test]
fn a_reader_that_stalls_holds_nobody_up() {
    let model = load("llama", options(256, 2048));
    let stalled = model.complete(request("go", 250, "slow")).unwrap();
    for prompt in prompts(4) {
        answer(model.complete(request(&prompt, 50, "quick")).unwrap());
    }
    wait_until("the stalled reader's sequence rests", || model.stats().running == 1);
    let (text, reason, _) = answer(stalled);
    assert_eq!(reason, FinishReason::Length);
    assert_eq!(text, answer(model.complete(request("go", 250, "")).unwrap()).0);
    check_idle(&model);
}

#[test]
fn what_repeats_is_guessed_and_changes_nothing() {
    let ask = |bias: f32| {
        // A model that is made to say the same three tokens: the past foretells what follows.
        let mut ask = request("round and round", 60, "");
        ask.sampling.logit_bias.extend((60..62).map(|id| (id, bias)));
        ask.sampling.temperature = 0.0;
        ask
    };
    let model = load("llama", options(128, 512));
    let alone = answer(model.complete(ask(1000.0)).unwrap()).0;
    let stats = model.stats();
    assert!(stats.guessed_right > 10 && stats.guessed_right <= stats.guessed_tokens, "{stats:?}");
    assert_eq!(stats.generated_tokens, 60);
    // With several at once nothing is guessed.
    let streams: Vec<_> = (0..6).map(|_| model.complete(ask(1000.0)).unwrap()).collect();
    streams.into_iter().for_each(|stream| assert_eq!(answer(stream).0, alone));
    check_idle(&model);
}

#[test]
fn clients_take_turns() {
    // One place: the client that asks for much does not go first for ever.
    let model = load("llama", LoadOptions { sequences: Some(2), ..options(128, 512) });
    let greedy: Vec<_> =
        (0..10).map(|i| model.complete(request(&format!("greedy {i}"), 100, "greedy")).unwrap()).collect();
    let begun = Instant::now();
    answer(model.complete(request("modest", 5, "modest")).unwrap());
    let modest = begun.elapsed();
    greedy.into_iter().for_each(|stream| drop(answer(stream)));
    assert!(modest < begun.elapsed() / 2, "{modest:?} of {:?}", begun.elapsed());
    check_idle(&model);
}

#[test]
fn an_8_bit_cache_answers_much_the_same_and_takes_half_the_room() {
    let eight = LoadOptions { cache_format: KvFormat::Q8, ..options(128, 512) };
    // Heads of 32 values or a multiple.
    let name = "qwen3";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(format!("toy-{name}/model.gguf"));
    match TextModel::load(&path, eight) {
        Ok(model) => {
            let mut greedy = request("the same beginning", 8, "");
            greedy.sampling.temperature = 0.0;
            let text = answer(model.complete(greedy.clone()).unwrap()).0;
            assert_eq!(text, answer(load(name, options(128, 512)).complete(greedy).unwrap()).0);
            check_idle(&model);
        }
        Err(error) => {
            assert_eq!(error.kind(), &ErrorKind::Unsupported);
            assert!(error.message().contains("multiple of 32"), "{error}");
        }
    }
}
