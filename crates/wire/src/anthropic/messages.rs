//! The conversation of a Messages request: its roles and content blocks, as messages of the vocabulary.

use super::UNSIGNED;
use super::blocks::{self, blocks, refused};
use crate::fields::Fields;
use crate::{media, seal};
use parasol_core::{CacheHint, MediaKind, Message, Result, Role, SignedPart, Signer};
use serde_json::Value;

/// Takes `system` and `messages`.
pub(super) fn read(f: &mut Fields, noted: &mut Vec<String>) -> Result<Vec<Message>> {
    let mut reader = Reader { out: Vec::new(), noted };
    let path = f.at("system");
    if let Some(system) = f.take("system") {
        let message = reader.written(Role::System, system, &path)?;
        if !message.content.is_empty() {
            reader.out.push(message);
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
            "system" => {
                let message = self.written(Role::System, content, &path)?;
                self.out.push(message);
            }
            other => {
                return Err(
                    m.wrong("role", format_args!("is {other:?} and must be user, assistant or system"))
                );
            }
        }
        m.finish()
    }

    /// A message of nothing but text.
    fn written(&mut self, role: Role, content: Value, path: &str) -> Result<Message> {
        let mut message = Message::new(role, "");
        if let Value::String(text) = content {
            message.content = text;
            return Ok(message);
        }
        for mut block in blocks(content, path)? {
            match block.need_string("type")?.as_str() {
                "text" => {
                    let (text, hint) = blocks::text(block, self.noted)?;
                    media::append(&mut message, &text);
                    mark(&mut message, hint);
                }
                other => return Err(refused(&block, other)),
            }
        }
        Ok(message)
    }

    /// The user's turn that is last, or a new one: consecutive turns of one side are one turn.
    fn users(&mut self) -> &mut Message {
        if !self.out.last().is_some_and(|last| last.role == Role::User) {
            self.out.push(Message::new(Role::User, ""));
        }
        // There is one: it was pushed if there was none.
        let last = self.out.len().saturating_sub(1);
        &mut self.out[last]
    }

    fn user(&mut self, content: Value, path: &str) -> Result<()> {
        let blocks = match content {
            Value::String(text) => {
                media::append(self.users(), &text);
                return Ok(());
            }
            other => blocks(other, path)?,
        };
        for mut block in blocks {
            match block.need_string("type")?.as_str() {
                "text" => {
                    let (text, hint) = blocks::text(block, self.noted)?;
                    media::append(self.users(), &text);
                    mark(self.users(), hint);
                }
                "tool_result" => self.tool_result(block)?,
                kind @ ("image" | "document") => {
                    let (attachment, hint) = blocks::attachment(block, media_kind(kind))?;
                    media::attach(self.users(), attachment);
                    mark(self.users(), hint);
                }
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
        let content = block.take("content");
        let mut message = Message::new(Role::Tool, "");
        if block.bool("is_error")?.unwrap_or(false) {
            // The templates of open models know no failed results: the model learns of it by the text.
            message.content.push_str("Error: ");
        }
        match content {
            None => {}
            Some(Value::String(text)) => message.content.push_str(&text),
            Some(list) => self.result(&mut message, list, &path)?,
        }
        mark(&mut message, blocks::cache_hint(&mut block)?);
        block.finish()?;
        (message.tool_call_id, message.name) = (Some(id), Some(name));
        self.out.push(message);
        Ok(())
    }

    /// The blocks of a tool's result.
    fn result(&mut self, message: &mut Message, list: Value, path: &str) -> Result<()> {
        for (i, mut block) in blocks(list, path)?.into_iter().enumerate() {
            match block.need_string("type")?.as_str() {
                "text" => {
                    let (text, hint) = blocks::text(block, self.noted)?;
                    // The first stands right behind the word that it failed.
                    if i == 0 {
                        message.content.push_str(&text)
                    } else {
                        media::append(message, &text)
                    }
                    mark(message, hint);
                }
                kind @ ("image" | "document") => {
                    let (attachment, hint) = blocks::attachment(block, media_kind(kind))?;
                    media::attach(message, attachment);
                    mark(message, hint);
                }
                other => return Err(refused(&block, other)),
            }
        }
        Ok(())
    }

    fn assistant(&mut self, content: Value, path: &str) -> Result<()> {
        let mut message = Message::new(Role::Assistant, "");
        match content {
            Value::String(text) => message.content = text,
            other => {
                for block in blocks(other, path)? {
                    self.said(&mut message, block)?;
                }
            }
        }
        match self.out.last_mut() {
            Some(last) if last.role == Role::Assistant && last.tool_calls.is_empty() => {
                media::append(last, &message.content);
                if let Some(thought) = &message.reasoning {
                    join(last.reasoning.get_or_insert_default(), thought);
                }
                last.tool_calls = message.tool_calls;
                last.signatures.extend(message.signatures);
                mark(last, message.cache);
            }
            _ => self.out.push(message),
        }
        Ok(())
    }

    fn said(&mut self, message: &mut Message, mut block: Fields) -> Result<()> {
        match block.need_string("type")?.as_str() {
            "text" => {
                let (text, hint) = blocks::text(block, self.noted)?;
                media::append(message, &text);
                mark(message, hint);
            }
            "thinking" => {
                let thought = block.need_string("thinking")?;
                let signature = block.string("signature")?.filter(|s| !s.is_empty() && s != UNSIGNED);
                block.finish()?;
                if let Some(data) = signature {
                    let part = SignedPart::Thought(thought.clone());
                    message.signatures.push(seal::read(data, Signer::Anthropic, part));
                }
                if !thought.is_empty() {
                    join(message.reasoning.get_or_insert_default(), &thought);
                }
            }
            "redacted_thinking" => {
                let seal = seal::read(block.need_string("data")?, Signer::Anthropic, SignedPart::Hidden);
                block.finish()?;
                message.signatures.push(seal);
            }
            "tool_use" => {
                let (call, hint) = blocks::tool_use(block)?;
                message.tool_calls.push(call);
                mark(message, hint);
            }
            other => return Err(refused(&block, other)),
        }
        Ok(())
    }
}

fn media_kind(block: &str) -> MediaKind {
    if block == "image" { MediaKind::Image } else { MediaKind::Document }
}

fn mark(message: &mut Message, hint: Option<CacheHint>) {
    message.cache = hint.or(message.cache);
}

/// Blocks of one message are paragraphs of it.
fn join(so_far: &mut String, text: &str) {
    if !so_far.is_empty() && !text.is_empty() {
        so_far.push('\n');
    }
    so_far.push_str(text);
}
