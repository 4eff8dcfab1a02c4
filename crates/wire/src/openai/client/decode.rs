//! A provider's answer, streamed or whole, as events.

use super::super::{citations, logprobs, seals};
use super::error;
use super::plain::Plain;
use crate::client::told_count as count;
use crate::sse::{SseEvent, SseParser};
use parasol_core::{
    Error, ErrorKind, FinishReason, GenerationEvent, Money, Part, Result, Timings, TokenReport,
    ToolCallDelta, ToolCallStart, Usage,
};
use serde_json::Value;

/// Reads a stream of `chat/completions` or `completions`, however it is cut. Times are left to whoever has a clock.
#[derive(Debug)]
pub struct StreamDecoder {
    model: String,
    parser: SseParser,
    started: bool,
    ended: bool,
    reason: Option<FinishReason>,
    /// The model declines to answer.
    refused: bool,
    usage: Usage,
    counted: bool,
    pieces: usize,
}

impl StreamDecoder {
    /// A decoder for an answer of `model`, for streams that do not name theirs.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            parser: SseParser::new(),
            started: false,
            ended: false,
            reason: None,
            refused: false,
            usage: Usage::default(),
            counted: false,
            pieces: 0,
        }
    }

    /// The events that are complete with `bytes`. After `Finished` (or an error) whatever follows is not read.
    ///
    /// # Errors
    /// The provider's own when it reports one inside the stream; `Network` for chunks that are none of this protocol.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<GenerationEvent>> {
        let mut events = Vec::new();
        for event in self.parser.push(bytes)? {
            self.event(&event, &mut events)?;
        }
        Ok(events)
    }

    /// The events that were waiting for the stream's end.
    ///
    /// # Errors
    /// `Network` when the stream broke off before the answer was complete.
    pub fn finish(&mut self) -> Result<Vec<GenerationEvent>> {
        let mut events = Vec::new();
        if let Some(event) = self.parser.finish()? {
            self.event(&event, &mut events)?;
        }
        if !self.ended {
            self.end(&mut events)?;
        }
        Ok(events)
    }

    /// Whether the answer is complete.
    pub fn is_finished(&self) -> bool {
        self.ended
    }

    fn event(&mut self, event: &SseEvent, out: &mut Vec<GenerationEvent>) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        if event.data.trim() == "[DONE]" {
            return self.end(out);
        }
        // The first chunk names the model.
        if self.started
            && event.event.is_none()
            && let Some(plain) = Plain::read(&event.data)
        {
            let before = out.len();
            plain.tell(out);
            self.pieces = self.pieces.saturating_add(out.len().saturating_sub(before));
            return Ok(());
        }
        let chunk: Value = serde_json::from_str(&event.data).map_err(|e| {
            Error::new(ErrorKind::Network, format!("the provider sent a chunk that is no JSON: {e}"))
        })?;
        if event.event.as_deref() == Some("error") || !chunk["error"].is_null() {
            return Err(error(status(&chunk["error"]), event.data.as_bytes(), None));
        }
        self.chunk(&chunk, out)
    }

    fn chunk(&mut self, chunk: &Value, out: &mut Vec<GenerationEvent>) -> Result<()> {
        if !self.started {
            self.started = true;
            if let Some(model) = chunk["model"].as_str().filter(|m| !m.is_empty()) {
                model.clone_into(&mut self.model);
            }
            // The size of the prompt comes with the usage, at the end.
            out.push(GenerationEvent::Started { model: self.model.clone(), prompt_tokens: 0, seed: 0 });
        }
        if chunk["usage"].is_object() {
            self.usage = usage(&chunk["usage"]);
            self.counted = true;
        }
        let choice = &chunk["choices"][0];
        let part = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        let before = out.len();
        for (field, part_of) in [("reasoning_content", Part::Reasoning), ("reasoning", Part::Reasoning)] {
            if let Some(text) = part[field].as_str() {
                token(text.to_owned(), part_of, &Value::Null, out);
                break;
            }
        }
        // Mistral's models that think write parts.
        for piece in part["content"].as_array().into_iter().flatten() {
            let thought = piece["thinking"].as_array().into_iter().flatten();
            for text in thought.filter_map(|inner| inner["text"].as_str()) {
                token(text.to_owned(), Part::Reasoning, &Value::Null, out);
            }
            if let Some(text) = piece["text"].as_str() {
                token(text.to_owned(), Part::Answer, &choice["logprobs"], out);
            }
        }
        if let Some(text) = part["content"].as_str().or(choice["text"].as_str()) {
            token(text.to_owned(), Part::Answer, &choice["logprobs"], out);
        }
        if let Some(refusal) = part["refusal"].as_str() {
            self.refused |= !refusal.is_empty();
            token(refusal.to_owned(), Part::Refusal, &Value::Null, out);
        }
        for (at, call) in part["tool_calls"].as_array().into_iter().flatten().enumerate() {
            out.push(GenerationEvent::ToolCall(call_delta(call, at)));
        }
        out.extend(citations::received(part).into_iter().map(GenerationEvent::Citation));
        out.extend(seals::received(part).into_iter().map(GenerationEvent::Signature));
        self.pieces = self.pieces.saturating_add(out.len().saturating_sub(before));
        match choice["finish_reason"].as_str() {
            // As OpenRouter ends an answer that whoever computes it could not finish.
            Some("error") => return Err(failed(choice)),
            Some(reason) => self.reason = Some(finish_reason(reason)),
            None => {}
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<GenerationEvent>) -> Result<()> {
        let Some(reason) = self.reason else {
            let message = "the provider's stream broke off before the answer was complete";
            return Err(Error::new(ErrorKind::Network, message));
        };
        // A model that declines ends as any other, to this protocol.
        let declined = self.refused && reason == FinishReason::Stop;
        let reason = if declined { FinishReason::ContentFilter } else { reason };
        self.ended = true;
        if !self.counted {
            // Pieces are the nearest thing to tokens that a provider without usage tells.
            self.usage.generated_tokens = self.pieces;
        }
        out.push(GenerationEvent::Finished {
            reason,
            stop: None,
            usage: self.usage,
            timings: Timings::default(),
        });
        Ok(())
    }
}

/// The events of an answer that was not streamed.
///
/// # Errors
/// `Network` when it is no answer of this protocol.
pub fn response(model: &str, body: &[u8]) -> Result<Vec<GenerationEvent>> {
    let whole: Value = serde_json::from_slice(body)
        .map_err(|e| Error::new(ErrorKind::Network, format!("the provider's answer is no JSON: {e}")))?;
    let mut decoder = StreamDecoder::new(model);
    let mut events = Vec::new();
    decoder.chunk(&whole, &mut events)?;
    decoder.end(&mut events)?;
    Ok(events)
}

pub(super) fn token(mut text: String, part: Part, logprobs: &Value, out: &mut Vec<GenerationEvent>) {
    let items = logprobs["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        if !text.is_empty() {
            out.push(GenerationEvent::Token(TokenReport { id: None, text, part, logprobs: Vec::new() }));
        }
        return;
    }
    // A chunk may hold several tokens: its text goes with the first, so that none is told twice.
    for item in items {
        let text = std::mem::take(&mut text);
        let logprobs = logprobs::read(item);
        out.push(GenerationEvent::Token(TokenReport { id: None, text, part, logprobs }));
    }
}

fn call_delta(call: &Value, at: usize) -> ToolCallDelta {
    let index = call["index"].as_u64().and_then(|i| usize::try_from(i).ok()).unwrap_or(at);
    let function = &call["function"];
    let start = function["name"].as_str().filter(|name| !name.is_empty()).map(|name| ToolCallStart {
        id: call["id"].as_str().map_or_else(|| format!("call_{index}"), str::to_owned),
        name: name.to_owned(),
    });
    ToolCallDelta { index, start, arguments: function["arguments"].as_str().unwrap_or_default().to_owned() }
}

/// The status of an error that has none of its own, inside a stream or an answer: it is in its body, if anywhere.
fn status(error: &Value) -> u16 {
    error["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(500)
}

/// What an answer that ended with an error says of it.
fn failed(choice: &Value) -> Error {
    let told = &choice["error"];
    if told.is_null() {
        let message = "the provider ended its answer with an error, and does not say which";
        return Error::new(ErrorKind::Network, message);
    }
    error(status(told), serde_json::json!({ "error": told }).to_string().as_bytes(), None)
}

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        // `stop`, and what servers call the same (`eos`, `stop_sequence`).
        _ => FinishReason::Stop,
    }
}

fn usage(value: &Value) -> Usage {
    let (prompt, written) = (count(&value["prompt_tokens"]), count(&value["completion_tokens"]));
    let thought = count(&value["completion_tokens_details"]["reasoning_tokens"]);
    // xAI counts what was thought beside what was written, others within it: the sum tells.
    let all = written.saturating_add(thought);
    let apart = thought > 0 && count(&value["total_tokens"]) == prompt.saturating_add(all);
    Usage {
        prompt_tokens: prompt,
        // The second is DeepSeek's name for it.
        cached_tokens: count(&value["prompt_tokens_details"]["cached_tokens"])
            .max(count(&value["prompt_cache_hit_tokens"])),
        cache_written_tokens: count(&value["prompt_tokens_details"]["cache_write_tokens"]),
        generated_tokens: if apart { all } else { written },
        reasoning_tokens: thought,
        // What OpenRouter charges for the answer, and what a Parasol in between reckons.
        cost: value["cost"].as_f64().filter(|cost| cost.is_finite() && *cost >= 0.0).map(Money::dollars),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(chunks: &[&str]) -> Result<Vec<GenerationEvent>> {
        let mut decoder = StreamDecoder::new("m");
        let mut events = Vec::new();
        for chunk in chunks {
            events.extend(decoder.push(format!("data: {chunk}\n\n").as_bytes())?);
        }
        events.extend(decoder.finish()?);
        Ok(events)
    }

    #[test]
    fn a_stream_that_breaks_off_is_an_error_and_one_without_done_is_not() {
        let hello = r#"{"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}"#;
        assert_eq!(*read(&[hello]).unwrap_err().kind(), ErrorKind::Network);
        let end = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#;
        let events = read(&[hello, end]).unwrap();
        let last = events.last().unwrap();
        assert!(matches!(last, GenerationEvent::Finished { reason: FinishReason::Length, .. }), "{last:?}");
    }

    #[test]
    fn an_error_inside_the_stream_is_told() {
        let error = read(&[r#"{"error":{"message":"out of blocks","code":503}}"#]).unwrap_err();
        assert_eq!((error.kind(), error.message()), (&ErrorKind::Overloaded, "out of blocks"));
        assert!(read(&["nonsense"]).unwrap_err().message().contains("no JSON"));
    }

    #[test]
    fn an_answer_that_ends_with_an_error_is_none() {
        let hello = r#"{"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}"#;
        let end = r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#;
        let error = read(&[hello, end, "[DONE]"]).unwrap_err();
        assert!(*error.kind() == ErrorKind::Network && error.message().contains("with an error"), "{error}");
        let whole = br#"{"choices":[{"message":{"content":"hel"},"finish_reason":"error","error":{"code":503,"message":"gone"}}]}"#;
        let error = response("m", whole).unwrap_err();
        assert_eq!((error.kind(), error.message()), (&ErrorKind::Overloaded, "gone"));
    }

    #[test]
    fn chunks_of_text_are_read_the_short_way_as_they_are_the_long_way() {
        let chunk = |delta: &str, more: &str| {
            format!(
                r#"{{"id":"x","object":"chat.completion.chunk","created":1,"model":"far","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]{more}}}"#
            )
        };
        let end = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
        for (delta, more, plain) in [
            (r#"{"content":"a \u00e9\n"}"#, "", true),
            (
                r#"{"role":"assistant","content":"a","refusal":null}"#,
                r#","usage":null,"service_tier":"x""#,
                true,
            ),
            (r#"{"reasoning_content":"hm","reasoning":"hm","content":"a"}"#, "", true),
            (r#"{"reasoning":"hm"}"#, "", true),
            (r#"{"content":""}"#, "", true),
            (r#"{"content":null}"#, "", true),
            // What these hold more than text has to be seen.
            (r#"{"content":"a"}"#, r#","usage":{"prompt_tokens":5,"completion_tokens":2}"#, false),
            (r#"{"content":"a","extra_content":{"google":{"thought_signature":"s"}}}"#, "", false),
            (r#"{"content":[{"type":"text","text":"a"}]}"#, "", false),
            (r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}"#, "", false),
        ] {
            let it = chunk(delta, more);
            assert_eq!(Plain::read(&it).is_some(), plain, "{it}");
            // A type that no protocol has sends the same chunk the long way.
            let long = [(None, chunk("{}", "")), (Some("other"), it.clone()), (None, end.into())];
            let short = [(None, chunk("{}", "")), (None, it.clone()), (None, end.into())];
            let told = |events: [(Option<&str>, String); 3]| {
                let mut decoder = StreamDecoder::new("m");
                let mut out = Vec::new();
                for (name, data) in events {
                    let event = SseEvent { event: name.map(str::to_owned), data };
                    out.extend(decoder.push(event.encode().as_bytes()).unwrap());
                }
                out.extend(decoder.finish().unwrap());
                out
            };
            assert_eq!(told(short), told(long), "{it}");
        }
        let broken = chunk(r#"{"content":"a"}"#, r#","error":{"message":"gone","code":503}"#);
        assert!(read(&[&chunk("{}", ""), &broken]).unwrap_err().message().contains("gone"));
    }

    #[test]
    fn completions_stream_text_and_whole_answers_are_read() {
        let events =
            read(&[r#"{"choices":[{"index":0,"text":"a","finish_reason":"stop"}]}"#, "[DONE]"]).unwrap();
        assert!(matches!(&events[1], GenerationEvent::Token(t) if t.text == "a"));
        let whole = br#"{"model":"x","choices":[{"message":{"content":"b","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
        let events = response("m", whole).unwrap();
        assert_eq!(events.len(), 4);
        assert!(matches!(&events[2], GenerationEvent::ToolCall(c) if c.start.as_ref().unwrap().name == "f"));
        assert!(response("m", b"{}").is_err());
    }
}
