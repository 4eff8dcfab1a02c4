//! The conversation of a request: its roles and parts, as messages of the vocabulary.

use super::request::Reading;
use crate::fields::{Fields, Spelling, invalid};
use crate::{media, seal};
use parasol_core::{Attachment, MediaKind, Message, Result, Role, SignedPart, Signer, ToolCall};
use serde_json::{Map, Value};
use std::collections::VecDeque;

/// Takes `systemInstruction` and `contents`.
pub(super) fn read(f: &mut Fields, reading: &mut Reading) -> Result<()> {
    let mut reader = Reader { noted: &mut reading.noted, out: Vec::new(), open: VecDeque::new(), calls: 0 };
    let path = f.at("systemInstruction");
    if let Some(system) = f.take("systemInstruction") {
        reader.system(system, path)?;
    }
    let path = f.at("contents");
    let list = match f.need("contents")? {
        Value::Array(list) => list,
        // A single content where a list belongs, as protobuf's readers take it.
        one @ Value::Object(_) => vec![one],
        _ => return Err(invalid(path, "must be a list of contents")),
    };
    if list.is_empty() {
        return Err(invalid(path, "is empty: at least one content is required"));
    }
    for (i, content) in list.into_iter().enumerate() {
        reader.content(Fields::new(content, format!("{path}.{i}"), Spelling::Protobuf)?)?;
    }
    if reader.out.last().is_some_and(|m| m.role == Role::Assistant) {
        let what = "the last content is the model's, and continuing a begun answer is not offered: end with the user's";
        return Err(invalid(path, what));
    }
    reading.chat.messages = reader.out;
    Ok(())
}

struct Reader<'a> {
    noted: &'a mut Vec<String>,
    out: Vec<Message>,
    /// Calls that no response has answered yet: id and name.
    open: VecDeque<(String, String)>,
    calls: usize,
}

/// What a part holds.
enum Part {
    Text { text: String, thought: bool, seal: Option<String> },
    Call { id: Option<String>, name: String, args: Value, seal: Option<String> },
    Media(Box<Attachment>),
    Response { id: Option<String>, name: String, response: Map<String, Value>, path: String },
}

impl Reader<'_> {
    fn system(&mut self, system: Value, path: String) -> Result<()> {
        if let Value::String(text) = system {
            self.out.push(Message::new(Role::System, text));
            return Ok(());
        }
        let mut content = Fields::new(system, path, Spelling::Protobuf)?;
        // Whoever the role names, it is the application that speaks.
        content.string("role")?;
        let mut out = String::new();
        for part in content.objects("parts")?.unwrap_or_default() {
            let path = part.path().to_owned();
            match self.part(part)? {
                Part::Text { text, .. } => join(&mut out, &text),
                _ => return Err(invalid(path, "a system instruction is text")),
            }
        }
        content.finish()?;
        if !out.is_empty() {
            self.out.push(Message::new(Role::System, out));
        }
        Ok(())
    }

    fn content(&mut self, mut content: Fields) -> Result<()> {
        let role = content.string("role")?;
        let Some(parts) = content.objects("parts")? else {
            return Err(content.wrong("parts", "is required"));
        };
        if parts.is_empty() {
            return Err(content.wrong("parts", "is empty: at least one part is required"));
        }
        let assistant = match role.as_deref() {
            Some("model") => true,
            None | Some("" | "user" | "function" | "tool") => false,
            Some(other) => {
                let what = format!("is {other:?} and must be user or model");
                return Err(content.wrong("role", what));
            }
        };
        let mut said = Message::new(Role::Assistant, "");
        // What was thought since the last seal.
        let mut unsealed = String::new();
        for part in parts {
            let path = part.path().to_owned();
            match (self.part(part)?, assistant) {
                (Part::Text { text, .. }, false) => media::append(self.users(), &text),
                (Part::Media(attachment), false) => media::attach(self.users(), *attachment),
                (Part::Media(attachment), true) => media::attach(&mut said, *attachment),
                (Part::Response { id, name, response, path }, false) => {
                    self.respond(id, name, response, &path)?
                }
                // The model's parts are pieces of one text, as they were streamed.
                (Part::Text { text, thought: true, seal }, true) => {
                    unsealed.push_str(&text);
                    if !text.is_empty() {
                        said.reasoning.get_or_insert_default().push_str(&text);
                    }
                    if let Some(data) = seal {
                        let part = SignedPart::Thought(std::mem::take(&mut unsealed));
                        said.signatures.push(seal::read(data, Signer::Google, part));
                    }
                }
                (Part::Text { text, thought: false, seal }, true) => {
                    said.content.push_str(&text);
                    let sealed = seal.map(|data| seal::read(data, Signer::Google, SignedPart::Answer));
                    said.signatures.extend(sealed);
                }
                (Part::Call { id, name, args, seal }, true) => {
                    let index = said.tool_calls.len();
                    let sealed = seal.map(|data| seal::read(data, Signer::Google, SignedPart::Call(index)));
                    said.signatures.extend(sealed);
                    said.tool_calls.push(self.call(id, name, args));
                }
                (Part::Call { .. }, false) => return Err(invalid(path, "only the model calls functions")),
                (Part::Response { .. }, true) => {
                    return Err(invalid(path, "function responses belong into a content of the role user"));
                }
            }
        }
        content.finish()?;
        if assistant {
            self.assistant(said);
        }
        Ok(())
    }

    /// The user's turn that is last, or a new one: consecutive contents of one side are one turn.
    fn users(&mut self) -> &mut Message {
        if !self.out.last().is_some_and(|last| last.role == Role::User) {
            self.out.push(Message::new(Role::User, ""));
        }
        // There is one: it was pushed if there was none.
        let last = self.out.len().saturating_sub(1);
        &mut self.out[last]
    }

    fn assistant(&mut self, said: Message) {
        match self.out.last_mut() {
            Some(last) if last.role == Role::Assistant => {
                let calls = last.tool_calls.len();
                media::append(last, &said.content);
                if let Some(thought) = &said.reasoning {
                    join(last.reasoning.get_or_insert_default(), thought);
                }
                last.tool_calls.extend(said.tool_calls);
                last.signatures.extend(said.signatures.into_iter().map(|mut signature| {
                    if let SignedPart::Call(index) = &mut signature.part {
                        *index = index.saturating_add(calls);
                    }
                    signature
                }));
            }
            _ => self.out.push(said),
        }
    }

    /// Calls may have no id: they are numbered then, and answered by name in order.
    fn call(&mut self, id: Option<String>, name: String, arguments: Value) -> ToolCall {
        self.calls += 1;
        let id = id.unwrap_or_else(|| format!("call_{}", self.calls));
        self.open.push_back((id.clone(), name.clone()));
        ToolCall { id, name, arguments }
    }

    fn respond(
        &mut self,
        id: Option<String>,
        name: String,
        response: Map<String, Value>,
        path: &str,
    ) -> Result<()> {
        let asked = |(open, named): &(String, String)| match &id {
            Some(id) => open == id,
            None => *named == name,
        };
        let found = self.open.iter().position(asked).and_then(|i| self.open.remove(i));
        let Some((id, _)) = found else {
            let which = id.as_deref().unwrap_or(&name);
            return Err(invalid(path, format_args!("no open functionCall before it is {which:?}")));
        };
        let mut message = Message::new(Role::Tool, outcome(response));
        (message.tool_call_id, message.name) = (Some(id), Some(name));
        self.out.push(message);
        Ok(())
    }

    fn part(&mut self, mut part: Fields) -> Result<Part> {
        let thought = part.bool("thought")?.unwrap_or(false);
        let seal = part.string("thoughtSignature")?.filter(|data| !data.is_empty());
        part.note(&["partMetadata", "mediaResolution"], self.noted);
        part.refuse("videoMetadata", "films are taken whole: leave it out")?;
        for name in ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"] {
            part.refuse(name, "tools that run on Google's servers are not offered")?;
        }
        let path = part.path().to_owned();
        let text = part.string("text")?.map(|text| Part::Text { text, thought, seal: seal.clone() });
        let call = part.object("functionCall")?.map(|f| call(f, seal)).transpose()?;
        let inline = part.object("inlineData")?.map(inline).transpose()?;
        let file = part.object("fileData")?.map(file).transpose()?;
        let response = part.object("functionResponse")?.map(response).transpose()?;
        part.finish()?;
        let mut held = text.into_iter().chain(call).chain(response).chain(inline).chain(file);
        match (held.next(), held.next()) {
            (Some(part), None) => Ok(part),
            (None, _) => Err(invalid(
                path,
                "is empty: it takes text, inlineData, fileData, functionCall or functionResponse",
            )),
            _ => Err(invalid(
                path,
                "holds more than one of text, inlineData, fileData, functionCall and functionResponse",
            )),
        }
    }
}

/// Bytes in base64.
fn inline(mut f: Fields) -> Result<Part> {
    let media_type = f.need_string("mimeType")?;
    let (data, path) = (f.need_string("data")?, f.at("data"));
    let name = f.string("displayName")?;
    f.finish()?;
    let attachment = media::of_base64(MediaKind::of(&media_type), &media_type, standard(data), &path)?;
    Ok(Part::Media(Box::new(Attachment { name, ..attachment })))
}

/// Base64 in the standard alphabet: protobuf's JSON mapping takes the one for addresses, too, which Google's own clients write, and
/// either without its padding.
fn standard(data: String) -> String {
    let mut data = match data.contains(['-', '_']) {
        true => data.replace('-', "+").replace('_', "/"),
        false => data,
    };
    while !data.is_empty() && !data.len().is_multiple_of(4) && data.len() % 4 != 1 {
        data.push('=');
    }
    data
}

/// Bytes at an address.
fn file(mut f: Fields) -> Result<Part> {
    let media_type = f.string("mimeType")?;
    let (uri, path) = (f.need_string("fileUri")?, f.at("fileUri"));
    let name = f.string("displayName")?;
    f.finish()?;
    let kind = media_type.as_deref().map_or(MediaKind::Document, MediaKind::of);
    let attachment = media::of_url(kind, uri, &path)?;
    Ok(Part::Media(Box::new(Attachment {
        name,
        media_type: media_type.or(attachment.media_type.clone()),
        ..attachment
    })))
}

fn call(mut f: Fields, seal: Option<String>) -> Result<Part> {
    let id = f.string("id")?.filter(|id| !id.is_empty());
    let name = f.need_string("name")?;
    let args = f.take("args").unwrap_or_else(|| Value::Object(Map::new()));
    if !args.is_object() {
        return Err(f.wrong("args", "must be an object"));
    }
    f.refuse("partialArgs", "arguments come whole: leave it out")?;
    f.bool("willContinue")?;
    f.finish()?;
    Ok(Part::Call { id, name, args, seal })
}

fn response(mut f: Fields) -> Result<Part> {
    let path = f.path().to_owned();
    let id = f.string("id")?.filter(|id| !id.is_empty());
    let name = f.need_string("name")?;
    let Value::Object(response) = f.need("response")? else {
        return Err(f.wrong("response", "must be an object"));
    };
    f.refuse("parts", "this server reads text: put the result into response")?;
    if f.bool("willContinue")? == Some(true) {
        return Err(f.wrong("willContinue", "a function answers once"));
    }
    f.refuse("scheduling", "functions that do not block are not offered")?;
    f.finish()?;
    Ok(Part::Response { id, name, response, path })
}

/// What the model reads of a function's response: the value of a lone `output` or `result`, else all of it as JSON.
fn outcome(response: Map<String, Value>) -> String {
    let lone = match response.iter().next() {
        Some((name, value)) if response.len() == 1 && (name == "output" || name == "result") => Some(value),
        _ => None,
    };
    match lone {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => Value::Object(response).to_string(),
    }
}

fn join(so_far: &mut String, text: &str) {
    if !so_far.is_empty() && !text.is_empty() {
        so_far.push('\n');
    }
    so_far.push_str(text);
}
