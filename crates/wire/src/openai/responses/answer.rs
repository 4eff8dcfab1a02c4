//! Answers of responses: events of a generation to typed events, and the object that they build up.

use super::super::encode::unfinished;
use super::super::{citations, error, logprobs};
use super::request::ResponseCall;
use crate::seal;
use parasol_core::{
    ChatRequest, Citation, Error, ErrorKind, FinishReason, GenerationEvent, Part, Result, Signature,
    SignedPart, Signer, TokenReport, ToolCallDelta, Usage,
};
use serde_json::{Value, json};

/// What an item of the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reasoning,
    Message,
    /// A message in which the model declines.
    Refusal,
    Call,
}

/// The item that is being written.
#[derive(Debug)]
struct Open {
    kind: Kind,
    /// The item as it was when it was begun.
    item: Value,
    text: String,
    logprobs: Vec<Value>,
    annotations: Vec<Value>,
}

/// One answer. Its events build the same object, whether they are sent or not.
#[derive(Debug)]
pub struct Answer {
    base: Value,
    key: String,
    output: Vec<Value>,
    open: Option<Open>,
    /// Where the calls stand in the output.
    calls: Vec<usize>,
    /// Seals that belong to no thought that is told: they come last.
    seals: Vec<Signature>,
    sequence: u64,
    /// The model declines to answer.
    refused: bool,
    end: Option<(FinishReason, Usage)>,
}

impl Answer {
    /// An answer to `call`, asked as `request`. Its id ends in `key`; `created` is in seconds since 1970.
    pub fn new(call: &ResponseCall, request: &ChatRequest, key: impl Into<String>, created: u64) -> Self {
        let key = key.into();
        let mut base = json!({
            "id": format!("{}{key}", super::PREFIX), "object": "response", "created_at": created,
            "status": "in_progress", "completed_at": null, "error": null, "incomplete_details": null,
            "output": [], "usage": null,
        });
        if let (Some(base), Value::Object(echo)) = (base.as_object_mut(), call.echo(request)) {
            base.extend(echo);
        }
        Self {
            base,
            key,
            output: Vec::new(),
            open: None,
            calls: Vec::new(),
            seals: Vec::new(),
            sequence: 0,
            refused: false,
            end: None,
        }
    }

    /// The events that the next event of the generation becomes.
    pub fn push(&mut self, event: &GenerationEvent) -> Vec<Value> {
        let mut out = Vec::new();
        match event {
            GenerationEvent::Started { .. } => {
                let base = self.base.clone();
                self.emit("response.created", json!({ "response": base }), &mut out);
                self.emit("response.in_progress", json!({ "response": base }), &mut out);
            }
            // What was ignored is told beside the answer.
            GenerationEvent::Prefill { .. } | GenerationEvent::Ignored { .. } => {}
            GenerationEvent::Signature(signature) => self.sign(signature, &mut out),
            GenerationEvent::Citation(citation) => self.cite(citation, &mut out),
            GenerationEvent::Token(token) => self.token(token, &mut out),
            GenerationEvent::ToolCall(delta) => self.call(delta, &mut out),
            GenerationEvent::Finished { reason, usage, .. } => {
                if self.open.is_none() && self.output.is_empty() {
                    // An answer without a word is a message without a word.
                    self.begin(Kind::Message, json!({}), &mut out);
                }
                // To this protocol, an answer in which the model declines is whole.
                let declined = self.refused && *reason == FinishReason::ContentFilter;
                let reason = if declined { &FinishReason::Stop } else { reason };
                let whole = matches!(reason, FinishReason::Stop | FinishReason::ToolCalls);
                self.close(if whole { "completed" } else { "incomplete" }, &mut out);
                for signature in std::mem::take(&mut self.seals) {
                    let seal = seal::written(&signature, Signer::OpenAi);
                    self.begin(Kind::Reasoning, json!({ "encrypted_content": seal }), &mut out);
                    self.close("completed", &mut out);
                }
                self.end = Some((*reason, *usage));
            }
        }
        out
    }

    fn sign(&mut self, signature: &Signature, out: &mut Vec<Value>) {
        match (&signature.part, &mut self.open) {
            (SignedPart::Thought(_), Some(open)) if open.kind == Kind::Reasoning => {
                open.item["encrypted_content"] = seal::written(signature, Signer::OpenAi).into();
                self.close("completed", out);
            }
            _ => self.seals.push(signature.clone()),
        }
    }

    fn cite(&mut self, citation: &Citation, out: &mut Vec<Value>) {
        let Some(open) = self.open.as_mut().filter(|open| open.kind == Kind::Message) else { return };
        let annotation = citations::flat(citation);
        open.annotations.push(annotation.clone());
        let fields = json!({
            "item_id": open.item["id"], "output_index": self.output.len(), "content_index": 0,
            "annotation_index": open.annotations.len().saturating_sub(1), "annotation": annotation,
        });
        self.emit("response.output_text.annotation.added", fields, out);
    }

    fn token(&mut self, token: &TokenReport, out: &mut Vec<Value>) {
        let kind = match token.part {
            Part::Reasoning => Kind::Reasoning,
            Part::Answer => Kind::Message,
            Part::Refusal => Kind::Refusal,
        };
        let item = logprobs::item(token).filter(|_| kind == Kind::Message);
        if token.text.is_empty() && item.is_none() {
            return;
        }
        if self.open.as_ref().is_none_or(|open| open.kind != kind) {
            self.close("completed", out);
            self.begin(kind, json!({}), out);
        }
        self.refused |= kind == Kind::Refusal;
        let Some(open) = &mut self.open else { return };
        open.text.push_str(&token.text);
        open.logprobs.extend(item.clone());
        let mut fields = json!({
            "item_id": open.item["id"], "output_index": self.output.len(), "content_index": 0,
            "delta": token.text,
        });
        let name = match kind {
            Kind::Message => {
                fields["logprobs"] = item.into_iter().collect();
                "response.output_text.delta"
            }
            Kind::Refusal => "response.refusal.delta",
            _ => "response.reasoning_text.delta",
        };
        self.emit(name, fields, out);
    }

    fn call(&mut self, delta: &ToolCallDelta, out: &mut Vec<Value>) {
        if let Some(start) = &delta.start {
            self.close("completed", out);
            self.calls.push(self.output.len());
            self.begin(Kind::Call, json!({ "call_id": start.id, "name": start.name }), out);
        }
        let Some(at) = self.calls.get(delta.index).copied() else { return };
        if delta.arguments.is_empty() {
            return;
        }
        let id = match self.output.get_mut(at) {
            // A provider that writes several calls at once: the call was taken for complete when the next one began.
            Some(item) => {
                let all = format!("{}{}", item["arguments"].as_str().unwrap_or_default(), delta.arguments);
                item["arguments"] = all.into();
                item["id"].clone()
            }
            None => {
                let Some(open) = &mut self.open else { return };
                open.text.push_str(&delta.arguments);
                open.item["id"].clone()
            }
        };
        let fields = json!({ "item_id": id, "output_index": at, "delta": delta.arguments });
        self.emit("response.function_call_arguments.delta", fields, out);
    }

    /// Begins an item with what is known of it.
    fn begin(&mut self, kind: Kind, known: Value, out: &mut Vec<Value>) {
        let at = self.output.len();
        let (prefix, mut item) = match kind {
            Kind::Reasoning => ("rs", json!({ "type": "reasoning", "summary": [], "content": [] })),
            Kind::Message | Kind::Refusal => {
                ("msg", json!({ "type": "message", "role": "assistant", "content": [] }))
            }
            Kind::Call => ("fc", json!({ "type": "function_call", "arguments": "" })),
        };
        item["id"] = format!("{prefix}_{}_{at}", self.key).into();
        item["status"] = "in_progress".into();
        for (name, value) in known.as_object().into_iter().flatten() {
            item[name] = value.clone();
        }
        self.emit("response.output_item.added", json!({ "output_index": at, "item": item }), out);
        if kind != Kind::Call {
            let fields = json!({
                "item_id": item["id"], "output_index": at, "content_index": 0,
                "part": part(kind, "", &[], &[]),
            });
            self.emit("response.content_part.added", fields, out);
        }
        let open = Open { kind, item, text: String::new(), logprobs: Vec::new(), annotations: Vec::new() };
        self.open = Some(open);
    }

    /// Ends the item that is being written, if one is.
    fn close(&mut self, status: &str, out: &mut Vec<Value>) {
        let Some(Open { kind, mut item, text, logprobs, annotations }) = self.open.take() else { return };
        let at = self.output.len();
        item["status"] = status.into();
        if kind == Kind::Call {
            item["arguments"] = text.clone().into();
            let fields = json!({
                "item_id": item["id"], "output_index": at, "name": item["name"], "arguments": text,
            });
            self.emit("response.function_call_arguments.done", fields, out);
        } else {
            let part = part(kind, &text, &logprobs, &annotations);
            item["content"] = json!([part]);
            let place = json!({ "item_id": item["id"], "output_index": at, "content_index": 0 });
            let mut done = place.clone();
            let (field, name) = match kind {
                Kind::Message => ("text", "response.output_text.done"),
                Kind::Refusal => ("refusal", "response.refusal.done"),
                _ => ("text", "response.reasoning_text.done"),
            };
            done[field] = text.into();
            if kind == Kind::Message {
                done["logprobs"] = logprobs.into();
            }
            self.emit(name, done, out);
            let mut whole = place;
            whole["part"] = part;
            self.emit("response.content_part.done", whole, out);
        }
        self.emit("response.output_item.done", json!({ "output_index": at, "item": item }), out);
        self.output.push(item);
    }

    /// The response when the generation has finished; `now` is in seconds since 1970.
    ///
    /// # Errors
    /// `Internal` when it has not.
    pub fn response(&self, now: u64) -> Result<Value> {
        let (reason, usage) = self.end.ok_or_else(unfinished)?;
        let mut response = self.base.clone();
        let why = match reason {
            FinishReason::Stop | FinishReason::ToolCalls => None,
            FinishReason::Length => Some("max_output_tokens"),
            FinishReason::ContentFilter => Some("content_filter"),
        };
        match why {
            None => {
                response["status"] = "completed".into();
                response["completed_at"] = now.into();
            }
            Some(why) => {
                response["status"] = "incomplete".into();
                response["incomplete_details"] = json!({ "reason": why });
            }
        }
        response["output"] = self.output.clone().into();
        response["usage"] = self::usage(&usage);
        Ok(response)
    }

    /// The event that ends the stream of `response`.
    pub fn last(&mut self, response: &Value) -> Value {
        let name =
            if response["status"] == "completed" { "response.completed" } else { "response.incomplete" };
        self.event(name, json!({ "response": response }))
    }

    /// The events that end a stream which went wrong.
    pub fn fail(&mut self, error: &Error) -> Vec<Value> {
        let body = error::body(error);
        let body = &body["error"];
        let fields = json!({ "code": body["code"], "message": body["message"], "param": body["param"] });
        // A failed response knows fewer codes.
        let code = match error.kind() {
            ErrorKind::RateLimited { .. } => "rate_limit_exceeded",
            ErrorKind::InvalidRequest | ErrorKind::ContextOverflow { .. } => "invalid_prompt",
            _ => "server_error",
        };
        let mut response = self.base.clone();
        response["status"] = "failed".into();
        response["error"] = json!({ "code": code, "message": body["message"] });
        response["output"] = self.output.clone().into();
        let mut out = Vec::new();
        self.emit("error", fields, &mut out);
        self.emit("response.failed", json!({ "response": response }), &mut out);
        out
    }

    fn emit(&mut self, name: &str, fields: Value, out: &mut Vec<Value>) {
        let event = self.event(name, fields);
        out.push(event);
    }

    fn event(&mut self, name: &str, fields: Value) -> Value {
        let mut event = json!({ "type": name, "sequence_number": self.sequence });
        self.sequence = self.sequence.saturating_add(1);
        if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
            event.extend(fields);
        }
        event
    }
}

/// The one part that a message or a thought consists of.
fn part(kind: Kind, text: &str, logprobs: &[Value], annotations: &[Value]) -> Value {
    match kind {
        Kind::Reasoning => json!({ "type": "reasoning_text", "text": text }),
        Kind::Refusal => json!({ "type": "refusal", "refusal": text }),
        _ => json!({ "type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs }),
    }
}

/// `usage`.
fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_written_tokens },
        "output_tokens": usage.generated_tokens,
        "output_tokens_details": { "reasoning_tokens": usage.reasoning_tokens },
        "total_tokens": usage.prompt_tokens.saturating_add(usage.generated_tokens),
    })
}
