//! The conversation of a Messages request: its roles and content blocks, as messages of the vocabulary.

use crate::fields::{Fields, Spelling, invalid};
use parasol_core::{Message, Result, Role, ToolCall};
use serde_json::Value;

/// Takes `system` and `messages`.
pub(super) fn read(f: &mut Fields, noted: &mut Vec<String>) -> Result<Vec<Message>> {
    let mut reader = Reader { out: Vec::new(), noted };
    let path = f.at("system");
    if let Some(system) = f.take("system") {
        let text = texts(system, &path)?;
        if !text.is_empty() {
            reader.out.push(Message::new(Role::System, text));
        }
    }
    let Some(list) = f.objects("messages")? else { return Err(f.wrong("messages", "is required")) };
    if list.is_empty() {
        return Err(f.wrong("messages", "is empty: at least one message is required"));
    }
    for message in list {
        reader.message(message)?;
    }
    if reader.out.last().is_some_and(|m| m.role == Role::Assistant) {
        let what = "the last message is the assistant's, and continuing a begun answer (prefill) is not offered: \
                    end with a user message; output_config.format or tool_choice set the form of the answer";
        return Err(f.wrong("messages", what));
    }
    Ok(reader.out)
}

struct Reader<'a> {
    out: Vec<Message>,
    noted: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn message(&mut self, mut m: Fields) -> Result<()> {
        let role = m.need_string("role")?;
        let path = m.at("content");
        let content = m.need("content")?;
        match role.as_str() {
            "user" => self.user(content, &path)?,
            "assistant" => self.assistant(content, &path)?,
            "system" => self.out.push(Message::new(Role::System, texts(content, &path)?)),
            other => {
                return Err(
                    m.wrong("role", format_args!("is {other:?} and must be user, assistant or system"))
                );
            }
        }
        m.finish()
    }

    /// Consecutive turns of one side are one turn.
    fn say(&mut self, role: Role, text: String) {
        match self.out.last_mut() {
            Some(last) if last.role == role && last.tool_calls.is_empty() => join(&mut last.content, &text),
            _ => self.out.push(Message::new(role, text)),
        }
    }

    fn user(&mut self, content: Value, path: &str) -> Result<()> {
        let blocks = match content {
            Value::String(text) => {
                self.say(Role::User, text);
                return Ok(());
            }
            other => blocks(other, path)?,
        };
        for mut block in blocks {
            match block.need_string("type")?.as_str() {
                "text" => {
                    let text = text_block(block)?;
                    self.say(Role::User, text);
                }
                "tool_result" => self.tool_result(block)?,
                other => return Err(refused(&block, other)),
            }
        }
        Ok(())
    }

    fn tool_result(&mut self, mut block: Fields) -> Result<()> {
        let id = block.need_string("tool_use_id")?;
        let call = self.out.iter().flat_map(|m| &m.tool_calls).find(|c| c.id == id);
        let Some(name) = call.map(|c| c.name.clone()) else {
            return Err(
                block.wrong("tool_use_id", format_args!("no tool_use block before it has the id {id:?}"))
            );
        };
        let path = block.at("content");
        let mut content = match block.take("content") {
            Some(content) => texts(content, &path)?,
            None => String::new(),
        };
        if block.bool("is_error")?.unwrap_or(false) {
            // The templates of open models know no failed results: the model learns of it by the text.
            content.insert_str(0, "Error: ");
        }
        block.take("cache_control");
        block.finish()?;
        let mut message = Message::new(Role::Tool, content);
        (message.tool_call_id, message.name) = (Some(id), Some(name));
        self.out.push(message);
        Ok(())
    }

    fn assistant(&mut self, content: Value, path: &str) -> Result<()> {
        let mut message = Message::new(Role::Assistant, "");
        let blocks = match content {
            Value::String(text) => {
                self.say(Role::Assistant, text);
                return Ok(());
            }
            other => blocks(other, path)?,
        };
        for mut block in blocks {
            match block.need_string("type")?.as_str() {
                "text" => join(&mut message.content, &text_block(block)?),
                "thinking" => {
                    let thought = block.need_string("thinking")?;
                    // Nothing is signed here, so there is nothing to check.
                    block.string("signature")?;
                    block.finish()?;
                    if !thought.is_empty() {
                        join(message.reasoning.get_or_insert_default(), &thought);
                    }
                }
                "redacted_thinking" => self.noted.push(block.path().to_owned()),
                "tool_use" => message.tool_calls.push(tool_use(block)?),
                other => return Err(refused(&block, other)),
            }
        }
        match self.out.last_mut() {
            Some(last) if last.role == Role::Assistant && last.tool_calls.is_empty() => {
                join(&mut last.content, &message.content);
                if let Some(thought) = &message.reasoning {
                    join(last.reasoning.get_or_insert_default(), thought);
                }
                last.tool_calls = message.tool_calls;
            }
            _ => self.out.push(message),
        }
        Ok(())
    }
}

/// The text of a string or of a list of text blocks.
fn texts(content: Value, path: &str) -> Result<String> {
    if let Value::String(text) = content {
        return Ok(text);
    }
    let mut out = String::new();
    for mut block in blocks(content, path)? {
        match block.need_string("type")?.as_str() {
            "text" => join(&mut out, &text_block(block)?),
            other => return Err(refused(&block, other)),
        }
    }
    Ok(out)
}

fn blocks(content: Value, path: &str) -> Result<Vec<Fields>> {
    let Value::Array(list) = content else {
        return Err(invalid(path, "must be a string or a list of content blocks"));
    };
    let each = list.into_iter().enumerate();
    each.map(|(i, block)| Fields::new(block, format!("{path}.{i}"), Spelling::Exact)).collect()
}

fn text_block(mut block: Fields) -> Result<String> {
    let text = block.need_string("text")?;
    block.take("cache_control");
    block.refuse("citations", "citations are not offered: leave them out")?;
    block.finish()?;
    Ok(text)
}

fn tool_use(mut block: Fields) -> Result<ToolCall> {
    let call = ToolCall {
        id: block.need_string("id")?,
        name: block.need_string("name")?,
        arguments: block.need("input")?,
    };
    if !call.arguments.is_object() {
        return Err(block.wrong("input", "must be an object"));
    }
    block.take("cache_control");
    if let Some(mut caller) = block.object("caller")? {
        if caller.need_string("type")? != "direct" {
            return Err(caller.wrong("type", "calls by server tools are not offered"));
        }
        caller.finish()?;
    }
    block.finish()?;
    Ok(call)
}

fn refused(block: &Fields, kind: &str) -> parasol_core::Error {
    let kind: String = kind.chars().take(80).collect();
    let why = match kind.as_str() {
        "image" => "this server reads text: send a description instead",
        "document" | "search_result" => "this server reads text: send the document's text in a text block",
        _ => "this server takes text, thinking, tool_use and tool_result blocks",
    };
    block.wrong("type", format_args!("{kind} blocks are not offered: {why}"))
}

/// Blocks of one message are paragraphs of it.
fn join(so_far: &mut String, text: &str) {
    if !so_far.is_empty() && !text.is_empty() {
        so_far.push('\n');
    }
    so_far.push_str(text);
}
