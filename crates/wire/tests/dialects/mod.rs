//! The dialects from both sides: requests written for a provider and read as a server does, answers written as a server
//! does and read as from a provider.

#![allow(clippy::unwrap_used, dead_code)]

pub(crate) mod cohere;

use parasol_core::{
    ChatRequest, Citation, FinishReason, GenerationEvent, Part, Result, SamplingChoice, Signature,
    TokenLogprob, ToolChoice, Usage,
};
use parasol_wire::client::{self, Manner, Protocol, Reader};
use parasol_wire::openai::chat::ChatCall;
use parasol_wire::openai::encode::{ChatStream, Head};
use parasol_wire::openai::responses::{Answer, ResponseCall};
use parasol_wire::sse::SseEvent;
use parasol_wire::{anthropic, gemini};
use serde_json::json;

/// Those that are called and served.
pub(crate) const ALL: [Protocol; 4] =
    [Protocol::OpenAi, Protocol::Responses, Protocol::Anthropic, Protocol::Gemini];
/// Those that are called.
pub(crate) const CALLED: [Protocol; 5] =
    [Protocol::OpenAi, Protocol::Responses, Protocol::Anthropic, Protocol::Gemini, Protocol::Cohere];

/// A provider that speaks a dialect as its makers publish it.
pub(crate) fn manner() -> Manner {
    Manner { extended: false, defaults: Some(SamplingChoice::neutral()), ..Manner::default() }
}

/// A request on its way to a provider, read as that provider would; with what was reported as ignored.
pub(crate) fn sent(protocol: Protocol, request: &ChatRequest) -> Result<(ChatRequest, Vec<String>)> {
    let written = client::chat(protocol, "m", request, &manner())?;
    let recommended = SamplingChoice::neutral();
    let read = match protocol {
        Protocol::OpenAi => ChatCall::read(written.body)?.request(&recommended, 0),
        Protocol::Responses => ResponseCall::read(written.body)?.request(&[], &recommended)?,
        Protocol::Anthropic => anthropic::MessagesRequest::parse(written.body)?.into_chat(&recommended),
        Protocol::Gemini => gemini::GenerateRequest::parse("m", written.body)?.chat(&recommended, 0),
        Protocol::Cohere => {
            let mut read = cohere::read(&written.body);
            // The only tool, if one must be called, is the one that must be called.
            if let (ToolChoice::Required, ToolChoice::Named(name), [tool]) =
                (&read.tool_choice, &request.tool_choice, &read.tools[..])
                && tool.name == *name
            {
                read.tool_choice = request.tool_choice.clone();
            }
            read
        }
        Protocol::ElevenLabs | Protocol::Runway | Protocol::Stability | Protocol::Bfl => {
            unreachable!("it has no chats to write")
        }
    };
    Ok((read, written.ignored.into_iter().map(|(field, _)| field).collect()))
}

/// An answer as a server streams it.
pub(crate) fn streamed(protocol: Protocol, events: &[GenerationEvent]) -> Vec<u8> {
    let mut out = String::new();
    match protocol {
        Protocol::OpenAi => {
            let mut stream = ChatStream::new(Head { model: "m".into(), ..Head::default() }, true);
            let chunks: Vec<_> = events.iter().flat_map(|event| stream.push(0, event)).collect();
            chunks.iter().chain(&stream.end()).for_each(|c| out.push_str(&SseEvent::json(c).encode()));
            out.push_str("data: [DONE]\n\n");
        }
        Protocol::Responses => {
            let asked = json!({ "model": "m", "input": "q", "stream": true });
            let call = ResponseCall::read(asked).unwrap();
            let request = call.request(&[], &SamplingChoice::neutral()).unwrap();
            let mut answer = Answer::new(&call, &request, "key", 0);
            let mut all: Vec<_> = events.iter().flat_map(|event| answer.push(event)).collect();
            let response = answer.response(0).unwrap();
            all.push(answer.last(&response));
            for event in &all {
                let name = event["type"].as_str().unwrap();
                out.push_str(&SseEvent::json(event).named(name).encode());
            }
        }
        Protocol::Anthropic => {
            let mut encoder = anthropic::Encoder::new("msg_1", anthropic::Style::default());
            for event in events.iter().flat_map(|event| encoder.push(event)) {
                out.push_str(&SseEvent::json(&event.data).named(event.name).encode());
            }
        }
        Protocol::Gemini => {
            let style = gemini::Style { include_thoughts: true };
            let mut encoder = gemini::Encoder::new("r", style, 1);
            for chunk in events.iter().flat_map(|event| encoder.push(0, event)) {
                out.push_str(&SseEvent::json(&chunk).encode());
            }
        }
        Protocol::Cohere => {
            for event in events.iter().flat_map(cohere::written) {
                let name = event["type"].as_str().unwrap();
                out.push_str(&SseEvent::json(&event).named(name).encode());
            }
        }
        Protocol::ElevenLabs | Protocol::Runway | Protocol::Stability | Protocol::Bfl => {
            unreachable!("it has no chats to stream")
        }
    }
    out.into_bytes()
}

/// What is read of a stream that comes in these pieces.
pub(crate) fn read<'b>(
    protocol: Protocol,
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> Result<Vec<GenerationEvent>> {
    let (mut reader, mut events) = (Reader::new(protocol, "m"), Vec::new());
    for piece in pieces {
        events.extend(reader.push(piece)?);
    }
    if !reader.is_finished() {
        events.extend(reader.finish()?);
    }
    Ok(events)
}

/// What an answer comes to, however its events are cut.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) thought: String,
    pub(crate) said: String,
    pub(crate) calls: Vec<(String, String, String)>,
    pub(crate) seals: Vec<Signature>,
    pub(crate) citations: Vec<Citation>,
    pub(crate) logprobs: Vec<TokenLogprob>,
    pub(crate) end: Option<(FinishReason, Option<String>, Usage)>,
}

pub(crate) fn outcome(events: &[GenerationEvent]) -> Outcome {
    let mut out = Outcome::default();
    for event in events {
        match event {
            GenerationEvent::Token(token) => {
                match token.part {
                    Part::Answer | Part::Refusal => out.said.push_str(&token.text),
                    Part::Reasoning => out.thought.push_str(&token.text),
                }
                // Dialects differ in whether ids are told, and list the chosen token among the likeliest.
                out.logprobs.extend(token.logprobs.first().map(|one| TokenLogprob { id: 0, ..one.clone() }));
            }
            GenerationEvent::ToolCall(delta) => {
                if let Some(start) = &delta.start {
                    out.calls.push((start.id.clone(), start.name.clone(), String::new()));
                }
                out.calls[delta.index].2.push_str(&delta.arguments);
            }
            GenerationEvent::Signature(seal) => out.seals.push(seal.clone()),
            GenerationEvent::Citation(citation) => out.citations.push(citation.clone()),
            GenerationEvent::Finished { reason, stop, usage, .. } => {
                out.end = Some((*reason, stop.clone(), *usage));
            }
            _ => {}
        }
    }
    // Arguments are compared as what they mean.
    for call in &mut out.calls {
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&call.2) {
            call.2 = value.to_string();
        }
    }
    out
}
