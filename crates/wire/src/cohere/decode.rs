//! An answer of `POST /v2/chat` as events.

use parasol_core::{
    Citation, Error, ErrorKind, FinishReason, GenerationEvent, Part, Result, Timings, TokenReport,
    ToolCallDelta, ToolCallStart, Usage,
};
use serde_json::Value;

/// Reads the events of one answer.
#[derive(Debug)]
pub(crate) struct Decoder {
    model: String,
    started: bool,
    /// Calls so far: each event names the one that was begun last.
    calls: usize,
    ended: bool,
}

impl Decoder {
    /// For an answer of `model`: the stream does not name it.
    pub(crate) fn new(model: &str) -> Self {
        Self { model: model.to_owned(), started: false, calls: 0, ended: false }
    }

    /// Whether the answer is complete.
    pub(crate) fn is_finished(&self) -> bool {
        self.ended
    }

    /// What an event says.
    ///
    /// # Errors
    /// The provider's own when it reports one.
    pub(crate) fn push(&mut self, event: &Value) -> Result<Vec<GenerationEvent>> {
        let mut out = Vec::new();
        if self.ended {
            return Ok(out);
        }
        if !self.started {
            self.started = true;
            let model = self.model.clone();
            out.push(GenerationEvent::Started { model, prompt_tokens: 0, seed: 0 });
        }
        let (delta, message) = (&event["delta"], &event["delta"]["message"]);
        match event["type"].as_str().unwrap_or_default() {
            "content-start" | "content-delta" => {
                said(&message["content"]["thinking"], Part::Reasoning, &mut out);
                said(&message["content"]["text"], Part::Answer, &mut out);
            }
            "tool-plan-delta" => said(&message["tool_plan"], Part::Answer, &mut out),
            "tool-call-start" => {
                let (call, index) = (&message["tool_calls"], self.calls);
                self.calls = self.calls.saturating_add(1);
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let id = call["id"].as_str().map_or_else(|| format!("call_{index}"), str::to_owned);
                let start = Some(ToolCallStart { id, name: text(&call["function"]["name"]) });
                let arguments = text(&call["function"]["arguments"]);
                out.push(GenerationEvent::ToolCall(ToolCallDelta { index, start, arguments }));
            }
            "tool-call-delta" => {
                let arguments = message["tool_calls"]["function"]["arguments"].as_str().unwrap_or_default();
                if let Some(index) = self.calls.checked_sub(1).filter(|_| !arguments.is_empty()) {
                    let arguments = arguments.to_owned();
                    out.push(GenerationEvent::ToolCall(ToolCallDelta { index, start: None, arguments }));
                }
            }
            "citation-start" => {
                let sources = message["citations"]["sources"].as_array().into_iter().flatten();
                out.extend(sources.map(|source| GenerationEvent::Citation(citation(source))));
            }
            "message-end" => {
                let reason = reason(delta)?;
                self.ended = true;
                let (usage, timings) = (usage(&delta["usage"]), Timings::default());
                out.push(GenerationEvent::Finished { reason, stop: None, usage, timings });
            }
            "" if event["message"].is_string() => {
                return Err(Error::new(ErrorKind::Network, event["message"].as_str().unwrap_or_default()));
            }
            // Ends of parts, what debugs it, and what later versions add.
            _ => {}
        }
        Ok(out)
    }
}

fn said(text: &Value, part: Part, out: &mut Vec<GenerationEvent>) {
    if let Some(text) = text.as_str().filter(|text| !text.is_empty()) {
        let report = TokenReport { id: None, text: text.to_owned(), part, logprobs: Vec::new() };
        out.push(GenerationEvent::Token(report));
    }
}

fn citation(source: &Value) -> Citation {
    let document = &source["document"];
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Citation {
        url: text(&document["url"]),
        title: text(&document["title"]),
        quote: text(&document["snippet"]),
        // As they were numbered when they were sent.
        document: source["id"].as_str().and_then(|id| id.parse().ok()),
        range: None,
    }
}

fn reason(delta: &Value) -> Result<FinishReason> {
    match delta["finish_reason"].as_str().unwrap_or_default() {
        "MAX_TOKENS" => Ok(FinishReason::Length),
        "TOOL_CALL" => Ok(FinishReason::ToolCalls),
        word @ ("ERROR" | "TIMEOUT" | "ERROR_TOXIC" | "ERROR_LIMIT" | "USER_CANCEL") => {
            let kind = if word == "TIMEOUT" { ErrorKind::Timeout } else { ErrorKind::Network };
            let told = delta["error"].as_str().unwrap_or("the provider could not finish its answer");
            Err(Error::new(kind, format!("{told} ({word})")))
        }
        _ => Ok(FinishReason::Stop),
    }
}

/// What is charged for, where that is told: it leaves out what the provider adds to a prompt.
fn usage(value: &Value) -> Usage {
    // They are written as floats.
    let count = |value: &Value| value.as_f64().map(|n| n.max(0.0) as usize);
    let of = |name: &str| count(&value["billed_units"][name]).or_else(|| count(&value["tokens"][name]));
    Usage {
        prompt_tokens: of("input_tokens").unwrap_or(0),
        cached_tokens: count(&value["cached_tokens"]).unwrap_or(0).min(of("input_tokens").unwrap_or(0)),
        generated_tokens: of("output_tokens").unwrap_or(0),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn ends_that_are_none_are_errors() {
        let end = |reason: &str| {
            let mut decoder = Decoder::new("m");
            decoder.push(
                &json!({ "type": "message-end", "delta": { "finish_reason": reason, "error": "so it is" } }),
            )
        };
        assert_eq!(*end("TIMEOUT").unwrap_err().kind(), ErrorKind::Timeout);
        assert!(end("ERROR").unwrap_err().message().contains("so it is"));
        assert_eq!(end("STOP_SEQUENCE").unwrap().len(), 2);
        let told = Decoder::new("m").push(&json!({ "id": "x", "message": "too many" })).unwrap_err();
        assert_eq!(told.message(), "too many");
    }

    #[test]
    fn nonsense_is_passed_over() {
        let mut decoder = Decoder::new("m");
        for event in
            [json!(7), json!([]), json!({ "type": 5 }), json!({ "type": "tool-call-delta", "delta": 3 })]
        {
            decoder.push(&event).unwrap();
        }
        assert!(!decoder.is_finished());
    }
}
