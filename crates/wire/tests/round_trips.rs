//! Random conversations and answers through every dialect and back, and streams that are cut at every byte.

#![allow(clippy::unwrap_used)]

mod dialects;

use dialects::{ALL, CALLED, outcome, read, sent, streamed};
use parasol_core::{
    AnswerFormat, ChatRequest, FinishReason, GenerationEvent, MediaKind, MediaSource, Message, Part, Role,
    Signature, SignedPart, Signer, Timings, TokenReport, ToolCall, ToolCallDelta, ToolCallStart, ToolChoice,
    ToolSpec, Usage,
};
use parasol_wire::client::{Protocol, Reader};
use serde_json::{Value, json};

/// Numbers that look random and are the same every time (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Text with everything that JSON, SSE and UTF-8 find hard. Never empty, and no line break at either end.
    fn text(&mut self) -> String {
        const PARTS: [&str; 12] =
            ["a", " ", "é", "漢字", "👩‍🚀", "\"", "\\", "data: x", "{\"a\":1}", "\u{2028}", "[DONE]", "</s>"];
        let middle: String = (0..self.below(6)).map(|_| PARTS[self.below(12)]).collect();
        format!("x{middle}y")
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 4 } else { 6 }) {
            0 => json!(self.below(1000)),
            1 => json!(self.text()),
            2 => json!(self.chance(50)),
            3 => Value::Null,
            4 => (0..self.below(3)).map(|_| self.value(depth - 1)).collect(),
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let pairs = (0..self.below(3)).map(|i| (format!("k{i}"), self.value(depth)));
        Value::Object(pairs.collect())
    }
}

fn conversation(random: &mut Random, protocol: Protocol) -> ChatRequest {
    let mut request = ChatRequest {
        max_tokens: Some(1 + random.below(5000)),
        sampling: parasol_core::SamplingChoice::neutral().sampling(),
        ..ChatRequest::default()
    };
    if random.chance(50) {
        request.messages.push(Message::new(Role::System, random.text()));
    }
    for n in 0..random.below(2) + random.below(2) {
        let name = format!("tool_{n}");
        let parameters = json!({ "type": "object", "properties": { "p": { "type": "string" } } });
        request.tools.push(ToolSpec { name, description: random.text(), parameters });
    }
    if !request.tools.is_empty() && random.chance(40) {
        request.tool_choice = ToolChoice::Required;
    }
    for turn in 0..1 + random.below(3) {
        request.messages.push(asked(random, protocol));
        if turn == 2 {
            break;
        }
        let mut said = Message::new(Role::Assistant, random.text());
        if !request.tools.is_empty() {
            for n in 0..random.below(3) {
                let name = request.tools[random.below(request.tools.len())].name.clone();
                said.tool_calls.push(ToolCall {
                    id: format!("c{turn}{n}"),
                    name,
                    arguments: random.object(2),
                });
            }
        }
        let calls = said.tool_calls.clone();
        request.messages.push(said);
        for call in calls {
            let mut result = Message::new(Role::Tool, random.text());
            (result.tool_call_id, result.name) = (Some(call.id), Some(call.name));
            request.messages.push(result);
        }
    }
    request.messages.push(asked(random, protocol));
    merge(&mut request.messages);
    if random.chance(30) {
        request.format = Some(AnswerFormat::JsonSchema { schema: json!({ "type": "object" }) });
    }
    if random.chance(30) && protocol != Protocol::Responses {
        request.stop = vec![random.text()];
    }
    if random.chance(50) {
        request.sampling.temperature = random.below(20) as f32 / 10.0;
    }
    request
}

fn asked(random: &mut Random, protocol: Protocol) -> Message {
    let mut message = Message::new(Role::User, random.text());
    if random.chance(30) {
        let at = message.content.len();
        let source = MediaSource::Base64("AAAA".into());
        let media_type = Some("image/png".to_owned());
        let name = None;
        let kind = MediaKind::Image;
        message.attachments.push(parasol_core::Attachment {
            at,
            kind,
            source,
            media_type,
            name,
            cited: false,
        });
        // A text behind a picture, except where the protocol would part it.
        if protocol != Protocol::Responses && random.chance(50) {
            message.content.push_str(&random.text());
        }
    }
    message
}

/// Dialects take consecutive messages of the user's for one, so none are made.
fn merge(messages: &mut Vec<Message>) {
    let mut kept: Vec<Message> = Vec::new();
    for message in messages.drain(..) {
        let again = kept.last().is_some_and(|last| last.role == Role::User && message.role == Role::User);
        if !again {
            kept.push(message);
        }
    }
    *messages = kept;
}

#[test]
fn a_thousand_conversations_survive_every_dialect() {
    for protocol in CALLED {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for round in 0..250 {
            let request = conversation(&mut random, protocol);
            let (mut back, ignored) = sent(protocol, &request).unwrap();
            assert!(ignored.is_empty(), "{protocol:?}, round {round}: {ignored:?}");
            back.reasoning = None;
            assert_eq!(back, request, "{protocol:?}, round {round}");
        }
    }
}

fn answer(random: &mut Random, protocol: Protocol) -> Vec<GenerationEvent> {
    let mut events = vec![GenerationEvent::Started { model: "m".into(), prompt_tokens: 9, seed: 0 }];
    let token = |text: String, part| {
        GenerationEvent::Token(TokenReport { id: None, text, part, logprobs: Vec::new() })
    };
    if random.chance(50) {
        let pieces: Vec<String> = (0..1 + random.below(3)).map(|_| random.text()).collect();
        let whole = pieces.concat();
        events.extend(pieces.into_iter().map(|text| token(text, Part::Reasoning)));
        if random.chance(60) {
            let by = [Signer::Anthropic, Signer::Google, Signer::OpenAi][random.below(3)];
            let part = SignedPart::Thought(whole);
            events.push(GenerationEvent::Signature(Signature { by, part, data: "c2Vh".into() }));
        }
    }
    events.extend((0..random.below(4)).map(|_| token(random.text(), Part::Answer)));
    let calls = random.below(3);
    for index in 0..calls {
        let arguments = random.object(2).to_string();
        // Cut anywhere between characters.
        let cut =
            (0..=random.below(arguments.len() + 1)).rev().find(|i| arguments.is_char_boundary(*i)).unwrap();
        let start = Some(ToolCallStart { id: format!("c{index}"), name: "f".into() });
        for (start, piece) in [(start, &arguments[..cut]), (None, &arguments[cut..])] {
            let arguments = piece.to_owned();
            events.push(GenerationEvent::ToolCall(ToolCallDelta { index, start, arguments }));
        }
    }
    let reason = match (calls, random.below(3)) {
        (1.., _) => FinishReason::ToolCalls,
        (0, 0) => FinishReason::Length,
        _ => FinishReason::Stop,
    };
    let mut usage = Usage {
        prompt_tokens: 50 + random.below(50),
        cached_tokens: random.below(20),
        generated_tokens: 30 + random.below(30),
        reasoning_tokens: random.below(10),
        ..Usage::default()
    };
    if protocol == Protocol::Anthropic {
        usage.cache_written_tokens = random.below(20);
    }
    events.push(GenerationEvent::Finished { reason, stop: None, usage, timings: Timings::default() });
    events
}

#[test]
fn answers_survive_every_dialect_however_their_streams_are_cut() {
    for protocol in ALL {
        let mut random = Random(0x2545_F491_4F6C_DD1D);
        for round in 0..60 {
            let events = answer(&mut random, protocol);
            let bytes = streamed(protocol, &events);
            let wanted = outcome(&events);
            let each: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(outcome(&read(protocol, each).unwrap()), wanted, "{protocol:?}, round {round}, bytes");
            // Every place where it can be cut in two; the first rounds only, since streams are long.
            let step = if round < 4 { 1 } else { 97 };
            for at in (0..bytes.len()).step_by(step) {
                let got = read(protocol, [&bytes[..at], &bytes[at..]]).unwrap();
                assert_eq!(outcome(&got), wanted, "{protocol:?}, round {round}, cut at {at}");
            }
        }
    }
}

#[test]
fn a_stream_that_ends_too_early_is_an_error_and_never_half_an_answer() {
    for protocol in CALLED {
        let mut random = Random(77);
        let events = answer(&mut random, protocol);
        let bytes = streamed(protocol, &events);
        for at in 0..bytes.len() {
            let (mut reader, mut done) = (Reader::new(protocol, "m"), false);
            let pushed = reader.push(&bytes[..at]);
            if let Ok(events) = &pushed {
                done |= events.iter().any(|e| matches!(e, GenerationEvent::Finished { .. }));
            }
            // What is complete may lack nothing but the blank line or the mark at its end.
            let ended = done || reader.finish().is_ok_and(|events| !events.is_empty());
            let whole = bytes.len() - at <= if protocol == Protocol::OpenAi { 600 } else { 2 };
            assert!(!ended || whole, "{protocol:?} takes {at} of {} bytes for an answer", bytes.len());
        }
    }
}

#[test]
fn garbage_is_an_error_and_no_panic() {
    let pieces: [&[u8]; 8] = [
        b"data: {\n\n",
        b"data: []\n\n",
        b"data: 3\n\n",
        b"data: {\"type\":\"content_block_delta\"}\n\n",
        b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":7}]}}]}\n\n",
        b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":18446744073709551615}]}}]}\n\n",
        b"data: \xff\xfe\n\n",
        b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n",
    ];
    for protocol in CALLED {
        for piece in pieces {
            let mut reader = Reader::new(protocol, "m");
            if reader.push(piece).is_ok() {
                assert!(reader.finish().is_err(), "{protocol:?}: {}", String::from_utf8_lossy(piece));
            }
        }
    }
}
