//! What crosses into each dialect and back, feature by feature: nothing may be lost in silence, and the table in
//! `docs/remote.md` is made of what is found here (`PARASOL_BLESS=1` writes it).

#![allow(clippy::unwrap_used)]

mod dialects;

use dialects::{ALL, CALLED, Outcome, cohere, manner, outcome, read, sent, streamed};
use parasol_core::{
    AnswerFormat, Attachment, CacheHint, ChatRequest, Citation, CitedRange, CitedUnit, Effort, FinishReason,
    GenerationEvent, MediaKind, MediaSource, Message, Part, Reasoning, Role, Sampling, Signature, SignedPart,
    Signer, Timings, TokenLogprob, TokenReport, ToolCall, ToolCallDelta, ToolCallStart, ToolChoice, ToolSpec,
    Usage,
};
use parasol_wire::client::Protocol;
use serde_json::json;
use std::fmt::Write;

/// What becomes of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Crosses,
    /// It is left out, and the caller is told.
    Reported,
    /// The request is refused by name.
    Refused,
    /// It is said in other words: an effort as a number of tokens.
    Translated,
    /// The dialect has no place for it in an answer.
    NoPlace,
}

impl Fate {
    fn word(self) -> &'static str {
        match self {
            Self::Crosses => "yes",
            Self::Reported => "reported",
            Self::Refused => "refused",
            Self::Translated => "as tokens",
            Self::NoPlace => "–",
        }
    }
}

fn base() -> ChatRequest {
    ChatRequest {
        messages: vec![Message::new(Role::User, "hi")],
        max_tokens: Some(4096),
        sampling: parasol_core::SamplingChoice::neutral().sampling(),
        ..ChatRequest::default()
    }
}

fn with(change: impl FnOnce(&mut ChatRequest)) -> ChatRequest {
    let mut request = base();
    change(&mut request);
    request
}

fn sampled(change: impl FnOnce(&mut Sampling)) -> ChatRequest {
    with(|request| change(&mut request.sampling))
}

fn attached(kind: MediaKind, media_type: &str, source: MediaSource) -> ChatRequest {
    with(|request| {
        let name = (kind == MediaKind::Document).then(|| "a.pdf".to_owned());
        let media_type = matches!(source, MediaSource::Base64(_)).then(|| media_type.to_owned());
        let attachment = Attachment { at: 2, kind, source, media_type, name, cited: false };
        request.messages[0].attachments.push(attachment);
    })
}

fn tool() -> ToolSpec {
    let parameters = json!({ "type": "object", "properties": { "x": { "type": "integer" } } });
    ToolSpec { name: "f".into(), description: "d".into(), parameters }
}

fn offered(choice: ToolChoice) -> ChatRequest {
    with(|request| {
        request.tools = vec![tool()];
        request.tool_choice = choice;
    })
}

/// A conversation in which the assistant has said something.
fn said(change: impl FnOnce(&mut Message)) -> ChatRequest {
    with(|request| {
        let mut message = Message::new(Role::Assistant, "so");
        change(&mut message);
        let calls = message.tool_calls.clone();
        request.messages.push(message);
        for call in calls {
            let mut result = Message::new(Role::Tool, "2");
            result.tool_call_id = Some(call.id);
            result.name = Some(call.name);
            request.messages.push(result);
            request.tools = vec![tool()];
        }
        if request.messages.last().unwrap().role == Role::Assistant {
            request.messages.push(Message::new(Role::User, "go on"));
        }
    })
}

fn call(id: &str) -> ToolCall {
    ToolCall { id: id.into(), name: "f".into(), arguments: json!({ "x": 1 }) }
}

fn sealed(by: Signer, part: SignedPart) -> ChatRequest {
    said(|message| {
        if let SignedPart::Thought(thought) = &part {
            message.reasoning = Some(thought.clone());
        }
        if let SignedPart::Call(_) = part {
            message.tool_calls = vec![call("c1")];
        }
        message.signatures = vec![Signature { by, part, data: "c2Vh".into() }];
    })
}

fn requests() -> Vec<(&'static str, ChatRequest)> {
    let data = || MediaSource::Base64("AAAA".into());
    let url = |end: &str| MediaSource::Url(format!("https://example.org/a.{end}"));
    let thought = || SignedPart::Thought("hm".into());
    vec![
        ("system prompt", with(|r| r.messages.insert(0, Message::new(Role::System, "s")))),
        ("picture, in the request", attached(MediaKind::Image, "image/png", data())),
        ("picture, by address", attached(MediaKind::Image, "", url("png"))),
        ("document, in the request", attached(MediaKind::Document, "application/pdf", data())),
        ("document, by address", attached(MediaKind::Document, "", url("pdf"))),
        ("sound, in the request", attached(MediaKind::Audio, "audio/wav", data())),
        ("film, in the request", attached(MediaKind::Video, "video/mp4", data())),
        (
            "document to be cited",
            with(|r| {
                let source = MediaSource::Text("facts".into());
                let media_type = Some("text/plain".to_owned());
                let kind = MediaKind::Document;
                let attachment = Attachment { at: 2, kind, source, media_type, name: None, cited: true };
                r.messages[0].attachments.push(attachment);
            }),
        ),
        ("tools", offered(ToolChoice::Auto)),
        ("calls and their results, several at once", said(|m| m.tool_calls = vec![call("c1"), call("c2")])),
        ("a tool that must be called", offered(ToolChoice::Named("f".into()))),
        ("some tool must be called", offered(ToolChoice::Required)),
        ("no tool may be called", offered(ToolChoice::None)),
        (
            "one call at a time",
            with(|r| {
                r.tools = vec![tool()];
                r.parallel_tool_calls = Some(false);
            }),
        ),
        (
            "JSON of a schema",
            with(|r| r.format = Some(AnswerFormat::JsonSchema { schema: json!({"type": "object"}) })),
        ),
        ("any JSON", with(|r| r.format = Some(AnswerFormat::JsonObject))),
        ("regular expression", with(|r| r.format = Some(AnswerFormat::Regex { pattern: "a+".into() }))),
        ("grammar", with(|r| r.format = Some(AnswerFormat::Lark { grammar: "start: \"a\"".into() }))),
        ("no thinking", with(|r| r.reasoning = Some(Reasoning::Off))),
        (
            "effort",
            with(|r| {
                r.reasoning = Some(Reasoning::On);
                r.effort = Some(Effort::High);
            }),
        ),
        (
            "most tokens of thinking",
            with(|r| {
                r.reasoning = Some(Reasoning::On);
                r.thinking_tokens = Some(2000);
            }),
        ),
        ("earlier thinking", said(|m| m.reasoning = Some("hm".into()))),
        ("Anthropic's seal on thinking", sealed(Signer::Anthropic, thought())),
        ("Anthropic's hidden thinking", sealed(Signer::Anthropic, SignedPart::Hidden)),
        ("Google's seal on a call", sealed(Signer::Google, SignedPart::Call(0))),
        ("OpenAI's sealed thinking", sealed(Signer::OpenAi, thought())),
        ("cache mark on a message", with(|r| r.messages[0].cache = Some(CacheHint::Minutes))),
        (
            "cache mark on the tools",
            with(|r| {
                r.tools = vec![tool()];
                r.tools_cache = Some(CacheHint::Hour);
            }),
        ),
        ("stop strings", with(|r| r.stop = vec!["END".into()])),
        ("log-probabilities", with(|r| r.logprobs = Some(2))),
        ("temperature", sampled(|s| s.temperature = 0.3)),
        ("top-p", sampled(|s| s.top_p = Some(0.5))),
        ("top-k", sampled(|s| s.top_k = Some(7))),
        ("min-p", sampled(|s| s.min_p = Some(0.1))),
        (
            "presence and frequency penalty",
            sampled(|s| (s.presence_penalty, s.frequency_penalty) = (0.5, 0.25)),
        ),
        ("repetition penalty", sampled(|s| s.repetition_penalty = 1.1)),
        ("seed", sampled(|s| s.seed = Some(5))),
        ("bias of tokens", sampled(|s| s.logit_bias = [(3, 1.5)].into())),
    ]
}

fn fate_of_request(protocol: Protocol, name: &str, request: &ChatRequest) -> Fate {
    match sent(protocol, request) {
        Err(error) => {
            assert!(error.message().contains(": "), "{protocol:?} refuses {name} without a field: {error}");
            Fate::Refused
        }
        Ok((_, ignored)) if !ignored.is_empty() => Fate::Reported,
        Ok((read, _)) => {
            let mut read = read;
            // Which model thinks by itself is not said where nothing was asked.
            if request.reasoning.is_none() && request.effort.is_none() {
                read.reasoning = None;
            }
            for (read, sent) in read.messages.iter_mut().zip(&request.messages) {
                for (read, sent) in read.attachments.iter_mut().zip(&sent.attachments) {
                    // A type that is guessed adds something; the name of a document is for people.
                    read.media_type = read.media_type.take().filter(|_| sent.media_type.is_some());
                    // What an address leads to says of itself what it is.
                    if matches!(sent.source, MediaSource::Url(_)) {
                        read.media_type.clone_from(&sent.media_type);
                    }
                    read.name.clone_from(&sent.name);
                }
            }
            if request.effort.is_some() && read.effort.is_none() && read.thinking_tokens.is_some() {
                return Fate::Translated;
            }
            assert_eq!(&read, request, "{protocol:?} loses {name} in silence");
            Fate::Crosses
        }
    }
}

fn token(text: &str, part: Part) -> GenerationEvent {
    GenerationEvent::Token(TokenReport { id: None, text: text.into(), part, logprobs: Vec::new() })
}

fn called(index: usize) -> GenerationEvent {
    let start = Some(ToolCallStart { id: format!("c{index}"), name: "f".into() });
    GenerationEvent::ToolCall(ToolCallDelta { index, start, arguments: "{\"x\":1}".into() })
}

fn seal(by: Signer, part: SignedPart) -> GenerationEvent {
    GenerationEvent::Signature(Signature { by, part, data: "c2Vh".into() })
}

fn answer(
    middle: Vec<GenerationEvent>,
    reason: FinishReason,
    stop: Option<&str>,
    usage: Usage,
) -> Vec<GenerationEvent> {
    let mut events = vec![GenerationEvent::Started { model: "m".into(), prompt_tokens: 9, seed: 0 }];
    events.extend(middle);
    let timings = Timings::default();
    events.push(GenerationEvent::Finished { reason, stop: stop.map(str::to_owned), usage, timings });
    events
}

fn answers() -> Vec<(&'static str, Vec<GenerationEvent>)> {
    let usage = Usage { prompt_tokens: 9, generated_tokens: 5, ..Usage::default() };
    let plain = |middle| answer(middle, FinishReason::Stop, None, usage);
    let hello = || token("hello", Part::Answer);
    let hm = || token("hm", Part::Reasoning);
    let thought = || SignedPart::Thought("hm".into());
    let cited = |citation| plain(vec![hello(), GenerationEvent::Citation(citation)]);
    let web =
        Citation { url: Some("https://example.org".into()), title: Some("t".into()), ..Citation::default() };
    let range = Some(CitedRange { unit: CitedUnit::Characters, start: 3, end: 9 });
    let passage = Citation {
        title: Some("t".into()),
        quote: Some("words".into()),
        document: Some(1),
        range,
        ..Citation::default()
    };
    let logprob = TokenLogprob { id: 0, bytes: b"hello".to_vec(), logprob: -0.25 };
    let logged = TokenReport { id: None, text: "hello".into(), part: Part::Answer, logprobs: vec![logprob] };
    vec![
        ("text", plain(vec![hello()])),
        ("thinking", plain(vec![hm(), hello()])),
        ("several calls", answer(vec![called(0), called(1)], FinishReason::ToolCalls, None, usage)),
        ("Anthropic's seal on thinking", plain(vec![hm(), seal(Signer::Anthropic, thought()), hello()])),
        ("Anthropic's hidden thinking", plain(vec![seal(Signer::Anthropic, SignedPart::Hidden), hello()])),
        ("Google's seal on thinking", plain(vec![hm(), seal(Signer::Google, thought()), hello()])),
        (
            "Google's seal on a call",
            answer(
                vec![called(0), seal(Signer::Google, SignedPart::Call(0))],
                FinishReason::ToolCalls,
                None,
                usage,
            ),
        ),
        ("OpenAI's sealed thinking", plain(vec![hm(), seal(Signer::OpenAi, thought()), hello()])),
        ("source on the web", cited(web)),
        ("passage of a document", cited(passage)),
        ("log-probabilities", plain(vec![GenerationEvent::Token(logged)])),
        ("cut by its length", answer(vec![hello()], FinishReason::Length, None, usage)),
        (
            "words by which the model declines",
            answer(vec![token("I will not.", Part::Refusal)], FinishReason::ContentFilter, None, usage),
        ),
        ("withheld by a filter", answer(vec![hello()], FinishReason::ContentFilter, None, usage)),
        ("which stop string was met", answer(vec![hello()], FinishReason::Stop, Some("END"), usage)),
        (
            "cached tokens",
            answer(vec![hello()], FinishReason::Stop, None, Usage { cached_tokens: 4, ..usage }),
        ),
        (
            "tokens written to a cache",
            answer(vec![hello()], FinishReason::Stop, None, Usage { cache_written_tokens: 4, ..usage }),
        ),
        (
            "tokens of thinking",
            answer(vec![hm(), hello()], FinishReason::Stop, None, Usage { reasoning_tokens: 2, ..usage }),
        ),
    ]
}

fn fate_of_answer(protocol: Protocol, name: &str, events: &[GenerationEvent]) -> Fate {
    if protocol == Protocol::Cohere && !cohere::ends(events) {
        return Fate::NoPlace;
    }
    let bytes = streamed(protocol, events);
    let got = read(protocol, [bytes.as_slice()]).unwrap_or_else(|e| panic!("{protocol:?}, {name}: {e}"));
    let (wanted, got) = (outcome(events), outcome(&got));
    if got == wanted {
        return Fate::Crosses;
    }
    // Whatever is lost, it is never the answer.
    let kept = |o: &Outcome| (o.said.clone(), o.calls.clone(), o.end.as_ref().map(|e| e.0));
    assert_eq!(kept(&got), kept(&wanted), "{protocol:?} changes the answer of {name}");
    Fate::NoPlace
}

fn table() -> String {
    let mut out = format!("| | {} |\n|---|---|---|---|---|---|\n", NAMES.join(" | "));
    let mut row = |name: &str, fates: [Fate; 5]| {
        let cells = fates.map(Fate::word).join(" | ");
        writeln!(out, "| {name} | {cells} |").unwrap();
    };
    for (name, request) in requests() {
        row(name, CALLED.map(|protocol| fate_of_request(protocol, name, &request)));
    }
    for (name, events) in answers() {
        row(&format!("answer: {name}"), CALLED.map(|protocol| fate_of_answer(protocol, name, &events)));
    }
    out
}

const NAMES: [&str; 5] = ["OpenAI chat", "OpenAI responses", "Anthropic", "Gemini", "Cohere"];

/// What an application that speaks `from` can ask for, as the server reads it.
fn asked_in(from: Protocol, request: &ChatRequest) -> Option<ChatRequest> {
    sent(from, request).ok().filter(|(_, ignored)| ignored.is_empty()).map(|(read, _)| read)
}

/// What becomes of an answer of a provider that speaks `to` on its way to an application that speaks `from`, if the provider can give
/// it at all.
fn answered(from: Protocol, to: Protocol, name: &str, events: &[GenerationEvent]) -> Option<Fate> {
    if fate_of_answer(to, name, events) != Fate::Crosses {
        return None;
    }
    let bytes = streamed(to, events);
    Some(fate_of_answer(from, name, &read(to, [bytes.as_slice()]).unwrap()))
}

/// What crosses from an application of each dialect to a provider of each, and back.
fn pairs() -> String {
    let mut out = String::from("| application → provider | whole | not whole |\n|---|---|---|\n");
    let pairs = ALL.iter().enumerate().flat_map(|from| CALLED.iter().enumerate().map(move |to| (from, to)));
    for ((i, from), (j, to)) in pairs {
        let mut fates: Vec<(String, Fate)> = Vec::new();
        for (name, request) in requests() {
            if let Some(asked) = asked_in(*from, &request) {
                fates.push((name.to_owned(), fate_of_request(*to, name, &asked)));
            }
        }
        for (name, events) in answers() {
            fates.extend(answered(*from, *to, name, &events).map(|fate| (format!("answer: {name}"), fate)));
        }
        let whole = fates.iter().filter(|(_, fate)| *fate == Fate::Crosses).count();
        let of = |wanted: Fate, word: &str| {
            let names: Vec<&str> =
                fates.iter().filter(|(_, fate)| *fate == wanted).map(|(name, _)| name.as_str()).collect();
            (!names.is_empty()).then(|| format!("**{word}** {}", names.join(", ")))
        };
        let rest = [
            of(Fate::Translated, "as tokens"),
            of(Fate::Reported, "reported"),
            of(Fate::Refused, "refused"),
            of(Fate::NoPlace, "no place for"),
        ];
        let rest = rest.into_iter().flatten().collect::<Vec<_>>().join("; ");
        writeln!(out, "| {} → {} | {whole} of {} | {rest} |", NAMES[i], NAMES[j], fates.len()).unwrap();
    }
    out
}

/// Compares a part of the page with what it should be, or writes it.
fn in_step(part: &str, table: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/remote.md");
    let (begin, end) = (format!("<!-- {part}: begin -->\n"), format!("<!-- {part}: end -->"));
    let text = std::fs::read_to_string(path).unwrap();
    let from = text.find(&begin).unwrap() + begin.len();
    let to = text.find(&end).unwrap();
    if std::env::var_os("PARASOL_BLESS").is_some() {
        std::fs::write(path, format!("{}{table}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    assert_eq!(&text[from..to], table, "PARASOL_BLESS=1 brings docs/remote.md in step");
}

#[test]
fn the_tables_say_what_crosses_and_nothing_is_lost_in_silence() {
    in_step("crossing", &table());
    in_step("pairs", &pairs());
}

#[test]
fn what_every_application_needs_crosses_everywhere() {
    let needed = ["system prompt", "picture, in the request", "tools", "JSON of a schema", "temperature"];
    for (name, request) in requests().into_iter().filter(|(name, _)| needed.contains(name)) {
        for protocol in CALLED {
            assert_eq!(fate_of_request(protocol, name, &request), Fate::Crosses, "{protocol:?}: {name}");
        }
    }
    assert!(manner().defaults.is_some());
}
