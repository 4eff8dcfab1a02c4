//! ChatGPT's `conversations.json`: a list of conversations, each a `mapping` of nodes. What a node says is [`said`]'s; here nodes
//! become messages: a turn that was written in several nodes (thinking, calls of tools, their results, the answer) is one.

mod said;

use super::archive::{ARCHIVED, Archive, End, Entry, Role, append, append_some, numbered};
use super::bounded::Pairs;
use super::time::time;
use super::tree::{self, Place};
use said::{Message, Said, read};
use serde::Deserialize;
use serde_json::Value;

/// A conversation as the file has it.
#[derive(Deserialize)]
struct Chat {
    title: Option<String>,
    create_time: Option<Value>,
    update_time: Option<Value>,
    mapping: Pairs<Node>,
    current_node: Option<String>,
    default_model_slug: Option<String>,
    /// What it was had with: a GPT, or a project, whose ids begin otherwise.
    gizmo_id: Option<Value>,
    conversation_template_id: Option<Value>,
    is_archived: Option<bool>,
    is_starred: Option<bool>,
    pinned_time: Option<Value>,
}

#[derive(Deserialize)]
struct Node {
    parent: Option<String>,
    children: Option<Vec<String>>,
    message: Option<Message>,
}

/// Reads one conversation.
pub(super) fn parse(text: &str) -> Result<Archive, String> {
    let chat: Chat = serde_json::from_str(text).map_err(|e| format!("it has the wrong shape: {e}"))?;
    let nodes = &chat.mapping.0;
    let places: Vec<Place<'_>> = nodes
        .iter()
        .map(|(id, node)| Place {
            id,
            parent: node.parent.as_deref(),
            children: node.children.as_deref().unwrap_or_default(),
        })
        .collect();
    let tree = tree::order(&places)?;
    let mut turns = Turns::new(nodes.len());
    for at in tree.order {
        let Some((id, node)) = nodes.get(at) else { continue };
        let parent = tree.parents.get(at).copied().flatten();
        let alone = tree.children.get(at) == Some(&1);
        let said = match &node.message {
            Some(message) => read(message).map_err(|e| format!("the message {}: {e}", tree::shown(id)))?,
            None => Said::default(),
        };
        turns.take(at, parent, alone, said);
    }
    let current = chat.current_node.as_deref();
    let current = current.and_then(|id| nodes.iter().position(|(other, _)| other == id));
    let head = current.and_then(|at| turns.stands_for(at)).or(turns.messages.len().checked_sub(1));
    Ok(Archive {
        title: chat.title.unwrap_or_default(),
        folder: match chat.is_archived {
            Some(true) => Some(ARCHIVED.to_owned()),
            _ => project(chat.gizmo_id.as_ref()).or(project(chat.conversation_template_id.as_ref())),
        },
        pinned: chat.is_starred == Some(true) || time(chat.pinned_time.as_ref()).is_some(),
        created: time(chat.create_time.as_ref()),
        updated: time(chat.update_time.as_ref()),
        model: chat.default_model_slug,
        system: turns.system,
        head,
        messages: turns.messages,
        ..Archive::default()
    })
}

/// The folder of a project: the file has its number, and not its name.
fn project(id: Option<&Value>) -> Option<String> {
    let number = id?.as_str()?.strip_prefix("g-p-")?;
    numbered("ChatGPT project", number)
}

/// Messages as they are put together, parents before children.
struct Turns {
    messages: Vec<Entry>,
    system: Option<String>,
    /// For each node, the message that it is part of or hangs below, and whether what follows it may still be part of that.
    nodes: Vec<(Option<usize>, bool)>,
}

impl Turns {
    fn new(nodes: usize) -> Self {
        Self { messages: Vec::new(), system: None, nodes: vec![(None, false); nodes] }
    }

    fn stands_for(&self, node: usize) -> Option<usize> {
        self.nodes.get(node).and_then(|(message, _)| *message)
    }

    /// Takes the node at `at`, whose parent was taken before; `alone` says that just one node follows it.
    fn take(&mut self, at: usize, parent: Option<usize>, alone: bool, said: Said) {
        let (above, open) =
            parent.and_then(|parent| self.nodes.get(parent)).copied().unwrap_or((None, false));
        append_some(&mut self.system, &said.system);
        let stands = if said.is_empty() {
            // Followed by one node only, it does not end the turn that it stands in.
            (above, open && alone)
        } else {
            let message = above.filter(|_| open && said.role == Role::Assistant);
            let message = message.and_then(|message| Some((message, self.messages.get_mut(message)?)));
            match message.filter(|(_, entry)| entry.role == Role::Assistant) {
                Some((message, entry)) => {
                    said.join(entry);
                    (Some(message), alone)
                }
                None => {
                    self.messages.push(said.into_entry(above));
                    (self.messages.len().checked_sub(1), alone)
                }
            }
        };
        if let Some(slot) = self.nodes.get_mut(at) {
            *slot = stands;
        }
    }
}

impl Said {
    fn into_entry(self, parent: Option<usize>) -> Entry {
        Entry {
            parent,
            role: self.role,
            content: self.content,
            reasoning: Some(self.working).filter(|text| !text.is_empty()),
            model: self.model,
            created: self.created,
            end: self.end,
        }
    }

    /// Goes on with a message of the same turn.
    fn join(self, entry: &mut Entry) {
        append(&mut entry.content, &self.content);
        append_some(&mut entry.reasoning, &self.working);
        entry.model = self.model.or(entry.model.take());
        entry.created = entry.created.or(self.created);
        if self.end != End::Complete {
            entry.end = self.end;
        }
    }
}

#[cfg(test)]
mod tests;
