//! A response as it is made: what becomes of the vocabulary's events, and the items that they make up.

use super::Ids;
use super::items::{Author, Item, Kind, Part};
use super::session::{Modality, ResponseCall};
use crate::openai::error as wire;
use parasol_core::{Error, FinishReason, ToolCallDelta, Usage};
use serde_json::{Value, json};

/// How a response ends.
#[derive(Debug)]
pub enum End {
    /// By itself.
    Finished(FinishReason),
    /// It was broken off, by somebody who began to speak where `spoken_over`.
    Cancelled {
        /// By speech, and not by `response.cancel`.
        spoken_over: bool,
    },
    /// Something went wrong.
    Failed(Error),
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    id: String,
    conversation: String,
    call: ResponseCall,
    /// The item before the first one.
    previous: Option<String>,
    items: Vec<Item>,
    /// The place of the message among the items.
    message: Option<usize>,
    /// The places of calls, by their index in the answer.
    calls: Vec<(usize, usize)>,
    usage: Usage,
}

impl Answer {
    /// A response of this id that follows the item `previous`.
    pub fn new(ids: &mut Ids, call: ResponseCall, previous: Option<String>) -> Self {
        Self {
            id: ids.next("resp"),
            conversation: ids.conversation(),
            call,
            previous,
            items: Vec::new(),
            message: None,
            calls: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How it was asked for.
    pub fn call(&self) -> &ResponseCall {
        &self.call
    }

    /// Its items so far, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// `response.created`.
    pub fn created(&self) -> Value {
        json!({ "type": "response.created", "response": self.response("in_progress", Value::Null) })
    }

    fn response(&self, status: &str, details: Value) -> Value {
        let done = status != "in_progress";
        let mut response = json!({
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": self.items.iter().filter(|_| done).map(|item| item.write(false)).collect::<Vec<_>>(),
            "conversation_id": self.call.kept.then_some(&self.conversation),
            "output_modalities": [self.call.speech.modality.name()],
            "max_output_tokens": self.call.speech.most(),
            "metadata": self.call.metadata,
            "usage": done.then(|| usage(&self.usage)),
        });
        if self.call.speech.modality == Modality::Audio {
            let voicing = &self.call.speech.voicing;
            response["audio"] =
                json!({ "output": { "format": voicing.format.write(), "voice": voicing.voice } });
        }
        response
    }

    fn at(&self, kind: &str, place: usize) -> Value {
        let id = self.items.get(place).map(|item| item.id.as_str());
        json!({ "type": kind, "response_id": self.id, "item_id": id, "output_index": place })
    }

    fn part(&self, kind: &str, place: usize) -> Value {
        let mut event = self.at(kind, place);
        event["content_index"] = json!(0);
        event
    }

    fn spoken(&self) -> bool {
        self.call.speech.modality == Modality::Audio
    }

    /// The id of the item before the one at `place`.
    fn before(&self, place: usize) -> Option<&str> {
        match place.checked_sub(1) {
            Some(before) => self.items.get(before).map(|item| item.id.as_str()),
            None => self.previous.as_deref(),
        }
    }

    fn add(&mut self, item: Item, events: &mut Vec<Value>) -> usize {
        let place = self.items.len();
        // It is filled as it comes.
        let mut empty = item.write(false);
        empty["status"] = json!("in_progress");
        if let Kind::Message(..) = item.kind {
            empty["content"] = json!([]);
        }
        events.push(json!({
            "type": "response.output_item.added", "response_id": self.id, "output_index": place,
            "item": empty,
        }));
        if self.call.kept {
            events.push(json!({
                "type": "conversation.item.added", "previous_item_id": self.before(place), "item": empty,
            }));
        }
        self.items.push(item);
        place
    }

    fn open(&mut self, ids: &mut Ids, events: &mut Vec<Value>) -> usize {
        if let Some(place) = self.message {
            return place;
        }
        let part = match self.spoken() {
            true => Part::Audio { audio: String::new(), transcript: Some(String::new()) },
            false => Part::Text(String::new()),
        };
        let item = Item::new(ids.next("item"), Kind::Message(Author::Assistant, vec![part]));
        let place = self.add(Item { whole: false, ..item }, events);
        let mut added = self.part("response.content_part.added", place);
        added["part"] = self.content(place);
        events.push(added);
        self.message = Some(place);
        place
    }

    /// The part of the message as `content_part` events show it.
    fn content(&self, place: usize) -> Value {
        let text = self.says(place);
        match self.spoken() {
            true => json!({ "type": "audio", "transcript": text }),
            false => json!({ "type": "text", "text": text }),
        }
    }

    fn says(&self, place: usize) -> &str {
        match self.items.get(place).map(|item| &item.kind) {
            Some(Kind::Message(_, parts)) => parts.first().map_or("", Part::says),
            _ => "",
        }
    }

    /// More text of the answer.
    pub fn text(&mut self, ids: &mut Ids, text: &str) -> Vec<Value> {
        let mut events = Vec::new();
        let place = self.open(ids, &mut events);
        if let Some(Kind::Message(_, parts)) = self.items.get_mut(place).map(|item| &mut item.kind)
            && let Some(Part::Text(said) | Part::Audio { transcript: Some(said), .. }) = parts.first_mut()
        {
            said.push_str(text);
        }
        let kind = match self.spoken() {
            true => "response.output_audio_transcript.delta",
            false => "response.output_text.delta",
        };
        let mut delta = self.part(kind, place);
        delta["delta"] = json!(text);
        events.push(delta);
        events
    }

    /// More sound, in base64, of text that has come before.
    pub fn sound(&mut self, ids: &mut Ids, base64: String) -> Vec<Value> {
        let mut events = Vec::new();
        let place = self.open(ids, &mut events);
        let mut delta = self.part("response.output_audio.delta", place);
        delta["delta"] = json!(base64);
        events.push(delta);
        events
    }

    /// More of a call.
    pub fn tool_call(&mut self, ids: &mut Ids, delta: &ToolCallDelta) -> Vec<Value> {
        let mut events = Vec::new();
        if let Some(start) = &delta.start {
            let kind =
                Kind::Call { call_id: start.id.clone(), name: start.name.clone(), arguments: String::new() };
            let place = self.add(Item { whole: false, ..Item::new(ids.next("item"), kind) }, &mut events);
            self.calls.push((delta.index, place));
        }
        let Some((_, place)) = self.calls.iter().find(|(index, _)| *index == delta.index).copied() else {
            return events;
        };
        if let Some(Kind::Call { call_id, arguments, .. }) = self.items.get_mut(place).map(|i| &mut i.kind)
            && !delta.arguments.is_empty()
        {
            arguments.push_str(&delta.arguments);
            let call_id = call_id.clone();
            let mut event = self.at("response.function_call_arguments.delta", place);
            event["call_id"] = json!(call_id);
            event["delta"] = json!(delta.arguments);
            events.push(event);
        }
        events
    }

    /// The model has told what it took.
    pub fn took(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// The end of everything that was begun, and `response.done`.
    pub fn end(&mut self, end: &End) -> Vec<Value> {
        let (status, details) = match end {
            End::Finished(FinishReason::Stop | FinishReason::ToolCalls) => ("completed", Value::Null),
            End::Finished(reason) => {
                let reason =
                    if *reason == FinishReason::Length { "max_output_tokens" } else { "content_filter" };
                ("incomplete", json!({ "type": "incomplete", "reason": reason }))
            }
            End::Cancelled { spoken_over } => {
                let reason = if *spoken_over { "turn_detected" } else { "client_cancelled" };
                ("cancelled", json!({ "type": "cancelled", "reason": reason }))
            }
            End::Failed(error) => {
                let body = wire::body(error)["error"].take();
                let error = json!({ "type": body["type"], "code": body["code"], "message": body["message"] });
                ("failed", json!({ "type": "failed", "error": error }))
            }
        };
        let mut events = Vec::new();
        for place in 0..self.items.len() {
            self.items[place].whole = status == "completed";
            self.close(place, &mut events);
        }
        events.push(json!({ "type": "response.done", "response": self.response(status, details) }));
        events
    }

    fn close(&self, place: usize, events: &mut Vec<Value>) {
        match &self.items[place].kind {
            Kind::Call { call_id, name, arguments } => {
                let mut done = self.at("response.function_call_arguments.done", place);
                done["call_id"] = json!(call_id);
                done["name"] = json!(name);
                done["arguments"] = json!(arguments);
                events.push(done);
            }
            _ => {
                let mut done = Vec::new();
                match self.spoken() {
                    true => {
                        done.push(self.part("response.output_audio.done", place));
                        let mut text = self.part("response.output_audio_transcript.done", place);
                        text["transcript"] = json!(self.says(place));
                        done.push(text);
                    }
                    false => {
                        let mut text = self.part("response.output_text.done", place);
                        text["text"] = json!(self.says(place));
                        done.push(text);
                    }
                }
                events.append(&mut done);
                let mut part = self.part("response.content_part.done", place);
                part["part"] = self.content(place);
                events.push(part);
            }
        }
        let item = self.items[place].write(false);
        events.push(json!({
            "type": "response.output_item.done", "response_id": self.id, "output_index": place, "item": item,
        }));
        if self.call.kept {
            events.push(json!({
                "type": "conversation.item.done", "previous_item_id": self.before(place), "item": item,
            }));
        }
    }
}

fn usage(it: &Usage) -> Value {
    json!({
        "total_tokens": it.prompt_tokens.saturating_add(it.generated_tokens),
        "input_tokens": it.prompt_tokens,
        "output_tokens": it.generated_tokens,
        // What is heard and spoken goes through text here.
        "input_token_details": {
            "text_tokens": it.prompt_tokens, "audio_tokens": 0, "image_tokens": 0,
            "cached_tokens": it.cached_tokens,
            "cached_tokens_details": { "text_tokens": it.cached_tokens, "audio_tokens": 0, "image_tokens": 0 },
        },
        "output_token_details": { "text_tokens": it.generated_tokens, "audio_tokens": 0 },
    })
}
