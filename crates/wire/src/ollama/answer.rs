//! Answers of generate and chat: events to the lines of a stream, or to one object.

use crate::outcome::{Outcome, Piece};
use parasol_core::{
    Error, ErrorKind, FinishReason, GenerationEvent, Part, Result, Timings, TokenReport, Usage,
};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Which endpoint's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `/api/generate`: `response`, `thinking`.
    Generate,
    /// `/api/chat`: `message`.
    Chat,
}

/// Turns the events of an answer into lines.
#[derive(Debug)]
pub struct Encoder {
    shape: Shape,
    model: String,
    created: String,
    total: Outcome,
    calls_sent: usize,
}

impl Encoder {
    /// For an answer of `model`; `created` is a time as RFC 3339 has it.
    pub fn new(shape: Shape, model: impl Into<String>, created: impl Into<String>) -> Self {
        let (model, created) = (model.into(), created.into());
        Self { shape, model, created, total: Outcome::default(), calls_sent: 0 }
    }

    /// The lines of the next event. `loading` is what getting the model took and `total` what the request took so far.
    pub fn push(&mut self, event: &GenerationEvent, loading: Duration, total: Duration) -> Vec<Value> {
        match event {
            GenerationEvent::Token(token) => {
                if token.text.is_empty() && token.logprobs.is_empty() {
                    return Vec::new();
                }
                let mut line = match token.part {
                    Part::Answer | Part::Refusal => self.line(&token.text, None, Vec::new()),
                    Part::Reasoning => self.line("", Some(&token.text), Vec::new()),
                };
                let items: Vec<Value> = logprobs(token).into_iter().collect();
                if !items.is_empty() {
                    line["logprobs"] = items.into();
                }
                vec![line]
            }
            // The protocol knows calls in one piece only: they are sent when all is known of them.
            GenerationEvent::ToolCall(delta) => {
                let lines = if delta.start.is_some() { self.calls() } else { Vec::new() };
                self.total.push(event);
                lines
            }
            GenerationEvent::Finished { reason, usage, timings, .. } => {
                let mut lines = self.calls();
                let mut last = self.line("", None, Vec::new());
                end(&mut last, *reason, usage, timings, loading, total);
                lines.push(last);
                lines
            }
            // The protocol has no field for seals and sources; what was ignored is told beside the answer.
            GenerationEvent::Started { .. }
            | GenerationEvent::Prefill { .. }
            | GenerationEvent::Signature(_)
            | GenerationEvent::Citation(_)
            | GenerationEvent::Ignored { .. } => Vec::new(),
        }
    }

    /// The calls that are complete and have not been sent.
    fn calls(&mut self) -> Vec<Value> {
        let all = calls(&self.total);
        let fresh = all.get(self.calls_sent..).unwrap_or_default().to_vec();
        self.calls_sent = all.len();
        if fresh.is_empty() { Vec::new() } else { vec![self.line("", None, fresh)] }
    }

    fn line(&self, text: &str, thinking: Option<&str>, calls: Vec<Value>) -> Value {
        let mut line = json!({ "model": self.model, "created_at": self.created });
        match self.shape {
            Shape::Generate => {
                line["response"] = json!(text);
                if let Some(thinking) = thinking {
                    line["thinking"] = json!(thinking);
                }
            }
            Shape::Chat => {
                let mut message = json!({ "role": "assistant", "content": text });
                if let Some(thinking) = thinking {
                    message["thinking"] = json!(thinking);
                }
                if !calls.is_empty() {
                    message["tool_calls"] = calls.into();
                }
                line["message"] = message;
            }
        }
        line["done"] = json!(false);
        line
    }

    /// Takes the next event in, for [`Self::finish`].
    pub fn gather(&mut self, event: &GenerationEvent) -> Option<(Usage, Timings)> {
        self.total.push(event);
        match event {
            GenerationEvent::Finished { usage, timings, .. } => Some((*usage, *timings)),
            _ => None,
        }
    }

    /// The whole answer as one object.
    ///
    /// # Errors
    /// `Internal` when it has not ended.
    pub fn finish(self, timings: &Timings, loading: Duration, total: Duration) -> Result<Value> {
        let Some((reason, _, usage)) = &self.total.end else {
            let what = "the model's answer broke off without an end: this is a fault of Parasol's own";
            return Err(Error::new(ErrorKind::Internal, what));
        };
        let (mut text, mut thinking) = (String::new(), String::new());
        for piece in &self.total.pieces {
            match piece {
                Piece::Text(piece) | Piece::Refusal(piece) => text.push_str(piece),
                Piece::Reasoning(piece) => thinking.push_str(piece),
                Piece::Call(_) => {}
            }
        }
        let thinking = Some(thinking.as_str()).filter(|t| !t.is_empty());
        let mut whole = self.line(&text, thinking, calls(&self.total));
        let items: Vec<Value> = self.total.tokens.iter().filter_map(logprobs).collect();
        if !items.is_empty() {
            whole["logprobs"] = items.into();
        }
        end(&mut whole, *reason, usage, timings, loading, total);
        Ok(whole)
    }
}

/// The answer to a request that only loads or unloads a model.
pub fn loaded(shape: Shape, model: &str, created: &str, reason: &str) -> Value {
    let mut line = Encoder::new(shape, model, created).line("", None, Vec::new());
    line["done"] = json!(true);
    line["done_reason"] = json!(reason);
    line
}

fn calls(outcome: &Outcome) -> Vec<Value> {
    let calls = outcome.pieces.iter().filter_map(|piece| match piece {
        Piece::Call(call) => Some(call),
        _ => None,
    });
    let each = calls.enumerate().map(|(index, call)| {
        // Cut arguments are no object: their text is shown rather than lost.
        let arguments = call.object().unwrap_or_else(|text| json!({ "incomplete": text }));
        json!({ "id": call.id, "function": { "index": index, "name": call.name, "arguments": arguments } })
    });
    each.collect()
}

fn logprobs(token: &TokenReport) -> Option<Value> {
    crate::openai::logprobs::item(token)
}

/// A time as the protocol tells it.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Fills in what the last line tells.
fn end(
    line: &mut Value,
    reason: FinishReason,
    usage: &Usage,
    timings: &Timings,
    loading: Duration,
    total: Duration,
) {
    // The protocol has no word for calls: the answer stopped.
    let reason = if reason == FinishReason::Length { "length" } else { "stop" };
    let last: Map<String, Value> = [
        ("done", json!(true)),
        ("done_reason", json!(reason)),
        ("total_duration", json!(nanoseconds(total))),
        ("load_duration", json!(nanoseconds(loading))),
        ("prompt_eval_count", json!(usage.prompt_tokens)),
        ("prompt_eval_duration", json!(nanoseconds(timings.prefill))),
        ("eval_count", json!(usage.generated_tokens)),
        ("eval_duration", json!(nanoseconds(timings.decode))),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into_iter()
    .collect();
    if let Value::Object(map) = line {
        map.extend(last);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::{ToolCallDelta, ToolCallStart};

    fn events() -> Vec<GenerationEvent> {
        let start = Some(ToolCallStart { id: "c".into(), name: "f".into() });
        let call = |start, arguments: &str| {
            GenerationEvent::ToolCall(ToolCallDelta { index: 0, start, arguments: arguments.into() })
        };
        vec![
            crate::outcome::text_event(Part::Reasoning, "hm"),
            crate::outcome::text_event(Part::Answer, "so"),
            call(start, "{\"x\":"),
            call(None, "1}"),
            GenerationEvent::Finished {
                reason: FinishReason::ToolCalls,
                stop: None,
                usage: Usage { prompt_tokens: 3, generated_tokens: 2, ..Usage::default() },
                timings: Timings { prefill: Duration::from_nanos(5), ..Timings::default() },
            },
        ]
    }

    #[test]
    fn streamed_lines_and_the_whole_say_the_same() {
        let second = Duration::from_secs(1);
        let mut encoder = Encoder::new(Shape::Chat, "m", "t");
        let lines: Vec<Value> =
            events().iter().flat_map(|e| encoder.push(e, Duration::ZERO, second)).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0]["message"]["thinking"], "hm");
        assert_eq!(lines[1]["message"]["content"], "so");
        assert_eq!(lines[2]["message"]["tool_calls"][0]["function"]["arguments"], json!({ "x": 1 }));
        assert_eq!(lines[3]["done_reason"], "stop");
        assert_eq!(lines[3]["total_duration"], 1_000_000_000u64);
        assert_eq!(lines[3]["prompt_eval_duration"], 5);
        let mut whole = Encoder::new(Shape::Chat, "m", "t");
        let end = events().iter().filter_map(|e| whole.gather(e)).last().unwrap();
        let whole = whole.finish(&end.1, Duration::ZERO, second).unwrap();
        assert_eq!(whole["message"]["thinking"], "hm");
        assert_eq!(whole["message"]["tool_calls"], lines[2]["message"]["tool_calls"]);
        assert_eq!(whole["eval_count"], 2);
    }

    #[test]
    fn generate_has_its_own_words() {
        let mut encoder = Encoder::new(Shape::Generate, "m", "t");
        let lines = encoder.push(&events()[1], Duration::ZERO, Duration::ZERO);
        assert_eq!(lines[0]["response"], "so");
        assert_eq!(loaded(Shape::Generate, "m", "t", "load")["done_reason"], "load");
        let unended = Encoder::new(Shape::Chat, "m", "t");
        assert!(unended.finish(&Timings::default(), Duration::ZERO, Duration::ZERO).is_err());
    }
}
