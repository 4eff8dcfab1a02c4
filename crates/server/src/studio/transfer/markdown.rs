//! A conversation as Markdown, for reading: the branch that is shown. What else there is, it says.

use super::super::store::{Conversation, Message, MessageRole as Role, MessageState as State};
use super::archive::fenced;
use std::collections::HashMap;

/// Writes the branch that ends with the conversation's head.
pub(super) fn write(conversation: &Conversation, messages: &[Message]) -> String {
    let path = path(conversation, messages);
    let mut text = format!("# {}\n\n", one_line(conversation.shown_title()));
    let model =
        conversation.model.as_deref().map_or_else(String::new, |model| format!(", with {}", one_line(model)));
    text.push_str(&format!("Begun {}{model}.\n", conversation.created));
    if let Some(system) = conversation.system.as_deref().filter(|system| !system.trim().is_empty()) {
        text.push_str(&format!("\n{}\n", quoted("System prompt", system)));
    }
    for message in &path {
        said(&mut text, message);
    }
    let others = messages.len().saturating_sub(path.len());
    if others > 0 {
        let (noun, verb) = if others == 1 { ("message", "stands") } else { ("messages", "stand") };
        text.push_str(&format!(
            "\n---\n\n*{others} more {noun} of this conversation {verb} on other branches; the export as JSON holds them too.*\n"
        ));
    }
    text
}

/// The messages from the first to the head; to the newest, where there is no head.
fn path<'a>(conversation: &Conversation, messages: &'a [Message]) -> Vec<&'a Message> {
    let known: HashMap<&str, &Message> =
        messages.iter().map(|message| (message.id.as_str(), message)).collect();
    let head = conversation.head.as_deref().and_then(|id| known.get(id)).copied();
    let mut at = head.or(messages.last());
    let mut path = Vec::new();
    // No way up is longer than all messages.
    while let Some(message) = at.filter(|_| path.len() < messages.len()) {
        path.push(message);
        at = message.parent.as_deref().and_then(|id| known.get(id)).copied();
    }
    path.reverse();
    path
}

fn said(text: &mut String, message: &Message) {
    let who = match message.role {
        Role::User => "You".to_owned(),
        Role::Assistant => message.model.as_deref().map_or_else(|| "Assistant".to_owned(), one_line),
    };
    text.push_str(&format!("\n## {who}\n"));
    if let Some(reasoning) = message.reasoning.as_deref().filter(|reasoning| !reasoning.trim().is_empty()) {
        text.push_str(&format!("\n{}\n", quoted("Thinking", reasoning)));
    }
    if !message.content.trim().is_empty() {
        text.push_str(&format!("\n{}\n", closed(message.content.trim_end())));
    }
    for call in &message.tool_calls {
        text.push_str(&format!("\nCalls {}:\n\n{}\n", one_line(&call.name), fenced("json", &call.arguments)));
    }
    let ended = match message.state {
        State::Complete => return,
        State::Running => "Still being written.".to_owned(),
        State::Stopped => "Stopped.".to_owned(),
        State::Interrupted => "Interrupted.".to_owned(),
        State::Failed => {
            format!("Failed: {}", one_line(message.error.as_deref().unwrap_or("no reason is known")))
        }
    };
    text.push_str(&format!("\n*{ended}*\n"));
}

/// Text as a quotation under a heading of its own.
fn quoted(heading: &str, text: &str) -> String {
    let text = closed(text.trim_end());
    let lines = text.lines().map(|line| format!("> {line}").trim_end().to_owned());
    format!("> **{heading}**\n>\n{}", lines.collect::<Vec<_>>().join("\n"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text, with its last block of code closed: one that broke off would swallow all that follows.
fn closed(text: &str) -> String {
    let mut open: Option<&str> = None;
    for line in text.lines() {
        let line = line.trim_start_matches(' ');
        let mark = ["`", "~"].iter().find_map(|mark| {
            let rest = line.trim_start_matches(mark);
            line.get(..line.len() - rest.len()).filter(|fence| fence.len() >= 3).map(|fence| (fence, rest))
        });
        match (open, mark) {
            (None, Some((fence, info))) if !(fence.starts_with('`') && info.contains('`')) => {
                open = Some(fence)
            }
            (Some(begun), Some((fence, info))) if fence.starts_with(begun) && info.trim().is_empty() => {
                open = None
            }
            _ => {}
        }
    }
    open.map_or_else(|| text.to_owned(), |fence| format!("{text}\n{fence}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_broke_off_is_closed_and_no_other() {
        for text in ["a", "```\nx\n```", "~~~\n```\n~~~", "`inline`", "```` x ````", "```\n```js\n```"] {
            assert_eq!(closed(text), text);
        }
        assert_eq!(closed("a\n````js\nx\n```"), "a\n````js\nx\n```\n````");
        assert_eq!(closed("~~~"), "~~~\n~~~");
    }

    #[test]
    fn every_line_of_a_quotation_is_quoted() {
        assert_eq!(quoted("H", "a\n\nb\n"), "> **H**\n>\n> a\n>\n> b");
    }
}
