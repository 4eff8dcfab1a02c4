//! What one node of ChatGPT's export says: to the reader, while working, or to the model unseen. What cannot be taken along, such as
//! pictures, is named where it stood.

use super::super::archive::{End, Role, append, fenced};
use super::super::time::time;
use super::super::tree::shown;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A message as the file has it.
#[derive(Deserialize)]
pub(super) struct Message {
    author: Author,
    create_time: Option<Value>,
    content: Option<Map<String, Value>>,
    status: Option<String>,
    recipient: Option<String>,
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Author {
    role: String,
    name: Option<String>,
}

/// What it says.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) role: Role,
    /// To the reader.
    pub(super) content: String,
    /// While working: thoughts, calls of tools and what they returned.
    pub(super) working: String,
    /// To the model, before everything else.
    pub(super) system: String,
    pub(super) model: Option<String>,
    pub(super) created: Option<Timestamp>,
    pub(super) end: End,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            role: Role::Assistant,
            content: String::new(),
            working: String::new(),
            system: String::new(),
            model: None,
            created: None,
            end: End::Complete,
        }
    }
}

impl Said {
    /// Whether it says nothing in the conversation.
    pub(super) fn is_empty(&self) -> bool {
        self.content.trim().is_empty() && self.working.trim().is_empty() && self.end == End::Complete
    }
}

/// Reads a message.
pub(super) fn read(message: &Message) -> Result<Said, String> {
    let none = Map::new();
    let (content, metadata) =
        (message.content.as_ref().unwrap_or(&none), message.metadata.as_ref().unwrap_or(&none));
    let text = Text::of(content)?;
    let mut said = Said { created: time(message.create_time.as_ref()), ..Said::default() };
    let name = message.author.name.as_deref().unwrap_or("a tool");
    match message.author.role.as_str() {
        _ if text.instructs => said.system = instructions(metadata).unwrap_or(text.all()),
        "system" => said.system = instructions(metadata).unwrap_or(text.all()),
        "user" => {
            said.role = Role::User;
            said.content = text.all();
            append(&mut said.content, &attachments(metadata));
        }
        "assistant" => {
            said.model = metadata.get("model_slug").and_then(Value::as_str).map(str::to_owned);
            said.end = end(message.status.as_deref(), metadata);
            match message.recipient.as_deref().unwrap_or("all") {
                "all" => {
                    said.working = text.thought;
                    said.content = cited(text.words, metadata);
                    append(&mut said.content, &text.missing);
                }
                tool => {
                    said.working = text.thought;
                    append(
                        &mut said.working,
                        &handed(&format!("To {tool}:"), text.code.unwrap_or_default(), &text.raw),
                    );
                    append(&mut said.content, &text.missing);
                }
            }
        }
        "tool" => {
            said.working = text.thought;
            append(&mut said.working, &handed(&format!("From {name}:"), "", &text.raw));
            // A picture that a tool draws is part of the answer.
            said.content = text.missing;
        }
        other => {
            return Err(format!(
                "its author is {}, and only user, assistant, tool and system are known",
                shown(other)
            ));
        }
    }
    Ok(said)
}

/// Something handed to a tool or back.
fn handed(says: &str, language: &str, text: &str) -> String {
    if text.trim().is_empty() { String::new() } else { format!("{says}\n\n{}", fenced(language, text)) }
}

/// The texts of a message.
#[derive(Default)]
struct Text<'a> {
    /// What stands in it, ready to be read.
    words: String,
    /// The same as it was written, without fences about code.
    raw: String,
    /// Thinking.
    thought: String,
    /// Notes of what could not be taken along.
    missing: String,
    /// The language, where it is code.
    code: Option<&'a str>,
    /// It tells the model what to be like.
    instructs: bool,
}

impl<'a> Text<'a> {
    fn of(content: &'a Map<String, Value>) -> Result<Self, String> {
        let kind = match content.get("content_type") {
            None => "text",
            Some(Value::String(kind)) => kind,
            Some(_) => return Err("its content_type is not a string".into()),
        };
        let field = |name: &str| content.get(name).and_then(Value::as_str).unwrap_or("");
        let mut text = Self::default();
        match kind {
            "text" | "multimodal_text" => text.parts(content)?,
            "code" => {
                text.parts(content)?;
                append(&mut text.raw, field("text"));
                let language = field("language");
                text.code = Some(language);
                if !text.raw.is_empty() {
                    text.words = fenced(language, &text.raw);
                }
            }
            "thoughts" => text.thoughts(content)?,
            "reasoning_recap" => {
                text.parts(content)?;
                text.thought = std::mem::take(&mut text.words);
                text.raw.clear();
                append(&mut text.thought, field("content"));
            }
            "user_editable_context" | "model_editable_context" => {
                text.instructs = true;
                for name in ["user_profile", "user_instructions", "model_set_context", "structured_context"] {
                    append(&mut text.words, field(name));
                }
            }
            _ => text.other(kind, content)?,
        }
        Ok(text)
    }

    /// Text, and what stands in for the rest.
    fn all(self) -> String {
        let mut all = self.words;
        append(&mut all, &self.thought);
        append(&mut all, &self.missing);
        all
    }

    fn parts(&mut self, content: &Map<String, Value>) -> Result<(), String> {
        let parts = match content.get("parts") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Array(parts)) => parts,
            Some(_) => return Err("its parts are not a list".into()),
        };
        for part in parts {
            match part {
                Value::Null => {}
                Value::String(words) => {
                    append(&mut self.words, words);
                    append(&mut self.raw, words);
                }
                Value::Object(part) => match part.get("text").and_then(Value::as_str) {
                    Some(words) => {
                        append(&mut self.words, words);
                        append(&mut self.raw, words);
                    }
                    None => append(&mut self.missing, &missing(part)),
                },
                _ => return Err("one of its parts is neither text nor an object".into()),
            }
        }
        Ok(())
    }

    fn thoughts(&mut self, content: &Map<String, Value>) -> Result<(), String> {
        let thoughts = match content.get("thoughts") {
            None | Some(Value::Null) => {
                return self.parts(content).map(|()| self.thought = std::mem::take(&mut self.words));
            }
            Some(Value::Array(thoughts)) => thoughts,
            Some(_) => return Err("its thoughts are not a list".into()),
        };
        for thought in thoughts {
            let field = |name: &str| thought.get(name).and_then(Value::as_str).unwrap_or("").trim();
            let (summary, content) = (field("summary"), field("content"));
            if !summary.is_empty() {
                append(&mut self.thought, &format!("**{summary}**"));
            }
            append(&mut self.thought, content);
            if content.is_empty() {
                let chunks = thought.get("chunks").and_then(Value::as_array).into_iter().flatten();
                append(&mut self.thought, &chunks.filter_map(Value::as_str).collect::<Vec<_>>().join("\n"));
            }
        }
        Ok(())
    }

    /// A kind of content that is not known, or is known and has no form of its own: every text that it is known to carry.
    fn other(&mut self, kind: &str, content: &Map<String, Value>) -> Result<(), String> {
        self.parts(content)?;
        for name in [
            "title",
            "url",
            "domain",
            "name",
            "summary",
            "result",
            "text",
            "content",
            "snippet",
            "user_profile",
        ] {
            append(&mut self.raw, content.get(name).and_then(Value::as_str).unwrap_or(""));
        }
        if self.raw.is_empty() && self.missing.is_empty() {
            self.missing = format!("[{} – not part of the text and not taken along]", shown(kind));
        }
        self.words.clone_from(&self.raw);
        Ok(())
    }
}

/// What is told of a part that is no text.
fn missing(part: &Map<String, Value>) -> String {
    let kind = part.get("content_type").and_then(Value::as_str).unwrap_or("part");
    let what = match kind {
        "image_asset_pointer" => "picture",
        kind if kind.contains("video") => "recording",
        kind if kind.contains("audio") => "sound",
        kind => kind,
    };
    let nested = part.get("audio_asset_pointer").and_then(|it| it.get("asset_pointer"));
    let pointer =
        part.get("asset_pointer").or(nested).and_then(Value::as_str).unwrap_or("without an address");
    let number = |name: &str| part.get(name).and_then(Value::as_u64);
    let size = match (number("width"), number("height")) {
        (Some(width), Some(height)) => format!(", {width} × {height}"),
        _ => String::new(),
    };
    format!("[{what} that the export only names: {pointer}{size}]")
}

/// The files that came with a question; pictures among them stand in its parts already.
fn attachments(metadata: &Map<String, Value>) -> String {
    let mut text = String::new();
    for file in metadata.get("attachments").and_then(Value::as_array).into_iter().flatten() {
        let field = |name: &str| file.get(name).and_then(Value::as_str);
        let kind = field("mime_type").or(field("mimeType")).unwrap_or("");
        if !kind.starts_with("image/") {
            let name = field("name").or(field("id")).unwrap_or("without a name");
            append(&mut text, &format!("[file that the export only names: {name}]"));
        }
    }
    text
}

/// What the person told the model of themselves, without the words that ChatGPT puts about it.
fn instructions(metadata: &Map<String, Value>) -> Option<String> {
    let data = metadata.get("user_context_message_data")?;
    let mut text = String::new();
    for name in ["about_user_message", "about_model_message"] {
        append(&mut text, data.get(name).and_then(Value::as_str).unwrap_or(""));
    }
    Some(text).filter(|text| !text.is_empty())
}

/// How an answer ended.
fn end(status: Option<&str>, metadata: &Map<String, Value>) -> End {
    let details = metadata.get("finish_details").and_then(|it| it.get("type")).and_then(Value::as_str);
    match (details, status) {
        (Some("max_tokens"), _) => End::Length,
        (Some("interrupted"), _) => End::Stopped,
        (_, Some("in_progress" | "finished_partial_completion")) => End::Interrupted,
        _ => End::Complete,
    }
}

/// The text with its marks of sources, which stand between U+E200 and U+E201, as links where the file says what they mean.
fn cited(text: String, metadata: &Map<String, Value>) -> String {
    if !text.contains('\u{e200}') {
        return text;
    }
    let references = metadata.get("content_references").and_then(Value::as_array);
    let named: HashMap<&str, &str> = references
        .into_iter()
        .flatten()
        .filter_map(|it| {
            let field = |name: &str| it.get(name).and_then(Value::as_str);
            Some((field("matched_text")?, field("alt")?))
        })
        .collect();
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, mark)) = rest.find('\u{e200}').map(|at| rest.split_at(at)) {
        out.push_str(before);
        let Some(end) = mark.find('\u{e201}') else {
            rest = mark;
            break;
        };
        let (mark, after) = mark.split_at(end + '\u{e201}'.len_utf8());
        out.push_str(named.get(mark).copied().unwrap_or(""));
        rest = after;
    }
    out.push_str(rest);
    out
}
