//! The conversation of a request: its roles and parts, as messages of the vocabulary.

use super::request::Reading;
use crate::fields::{Fields, Spelling, invalid};
use parasol_core::{Message, Result, Role, ToolCall};
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
    Text { text: String, thought: bool },
    Call { id: Option<String>, name: String, args: Value },
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
        for part in parts {
            let path = part.path().to_owned();
            match (self.part(part)?, assistant) {
                (Part::Text { text, .. }, false) => self.user(text),
                (Part::Response { id, name, response, path }, false) => {
                    self.respond(id, name, response, &path)?
                }
                (Part::Text { text, thought: true }, true) => {
                    join(said.reasoning.get_or_insert_default(), &text);
                }
                (Part::Text { text, thought: false }, true) => join(&mut said.content, &text),
                (Part::Call { id, name, args }, true) => said.tool_calls.push(self.call(id, name, args)),
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

    /// Consecutive contents of one side are one turn.
    fn user(&mut self, text: String) {
        match self.out.last_mut() {
            Some(last) if last.role == Role::User => join(&mut last.content, &text),
            _ => self.out.push(Message::new(Role::User, text)),
        }
    }

    fn assistant(&mut self, said: Message) {
        match self.out.last_mut() {
            Some(last) if last.role == Role::Assistant => {
                join(&mut last.content, &said.content);
                if let Some(thought) = &said.reasoning {
                    join(last.reasoning.get_or_insert_default(), thought);
                }
                last.tool_calls.extend(said.tool_calls);
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
        // Nothing is signed here, so there is nothing to check.
        part.string("thoughtSignature")?;
        part.note(&["partMetadata"], self.noted);
        for name in ["inlineData", "fileData", "videoMetadata", "mediaResolution"] {
            part.refuse(name, "this server reads text: send a description or the document's text instead")?;
        }
        for name in ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"] {
            part.refuse(name, "tools that run on Google's servers are not offered")?;
        }
        let path = part.path().to_owned();
        let text = part.string("text")?.map(|text| Part::Text { text, thought });
        let call = part.object("functionCall")?.map(call).transpose()?;
        let response = part.object("functionResponse")?.map(response).transpose()?;
        part.finish()?;
        let mut held = text.into_iter().chain(call).chain(response);
        match (held.next(), held.next()) {
            (Some(part), None) => Ok(part),
            (None, _) => Err(invalid(path, "is empty: it takes text, functionCall or functionResponse")),
            _ => Err(invalid(path, "holds more than one of text, functionCall and functionResponse")),
        }
    }
}

fn call(mut f: Fields) -> Result<Part> {
    let id = f.string("id")?.filter(|id| !id.is_empty());
    let name = f.need_string("name")?;
    let args = f.take("args").unwrap_or_else(|| Value::Object(Map::new()));
    if !args.is_object() {
        return Err(f.wrong("args", "must be an object"));
    }
    f.refuse("partialArgs", "arguments come whole: leave it out")?;
    f.bool("willContinue")?;
    f.finish()?;
    Ok(Part::Call { id, name, args })
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
