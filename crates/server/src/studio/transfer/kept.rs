//! From what another program's file says to what is stored: new ids, times for what has none, and a title that fits. Nothing that
//! is not in the file is invented beyond that.

use super::super::store::{
    Conversation, LONGEST_TITLE, Message, MessageRole, MessageState, Parameters, written,
};
use super::archive::{Archive, End, Entry, Role};
use crate::keys::random_hex;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A conversation that can be stored.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) conversation: Conversation,
    /// A parent stands before its children.
    pub(super) messages: Vec<Message>,
    /// What of it could not be kept, in words that follow "imported without".
    pub(super) without: Vec<String>,
}

/// Makes a conversation that can be stored of one that was read.
pub(super) fn keep(archive: Archive) -> Result<Kept, String> {
    if archive.messages.is_empty() {
        return Err("it has no messages".to_owned());
    }
    let now = Timestamp::now();
    let mut without = archive.without;
    let first =
        archive.messages.iter().find(|entry| entry.role == Role::User).map(|entry| entry.content.as_str());
    let title = title(&archive.title, first.unwrap_or_default(), &mut without);
    let created = archive.created.unwrap_or(now).min(now);
    let times = times(&archive.messages, created, now);
    let newest = times.iter().copied().max().unwrap_or(created);
    let ids = archive.messages.iter().map(|_| new_id()).collect::<Result<Vec<_>, _>>()?;
    let parameters = parameters(archive.parameters, &mut without);
    let id_of = |at: Option<usize>| at.and_then(|at| ids.get(at)).cloned();
    let conversation = Conversation {
        id: new_id()?,
        title,
        folder: archive.folder,
        pinned: archive.pinned,
        created: written(created),
        updated: written(archive.updated.unwrap_or(newest).min(now).max(created)),
        model: archive.model,
        system: archive.system,
        parameters,
        head: id_of(archive.head),
    };
    let messages = archive.messages.into_iter().zip(&ids).zip(times);
    let messages =
        messages.map(|((entry, id), at)| message(id.clone(), id_of(entry.parent), entry, at)).collect();
    Ok(Kept { conversation, messages, without })
}

/// Those parameters that there are here and that a sampler can do.
fn parameters(told: Map<String, Value>, without: &mut Vec<String>) -> Parameters {
    let mut kept = Map::new();
    for (name, value) in told {
        let one = Map::from_iter([(name.clone(), value.clone())]);
        let fits = serde_json::from_value::<Parameters>(one.into()).is_ok_and(|it| it.check().is_ok());
        if fits {
            kept.insert(name, value);
        } else {
            without.push(format!("its {name}, which is nothing that can be done here"));
        }
    }
    // Each of them was read already.
    serde_json::from_value(kept.into()).unwrap_or_default()
}

/// An id that nothing else has.
pub(super) fn new_id() -> Result<String, String> {
    random_hex::<16>().map_err(|e| e.message().to_owned())
}

/// When each was written: what the file says, else when its parent was. Siblings keep their order, which is told by their times.
fn times(messages: &[Entry], began: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let mut times: Vec<Timestamp> = Vec::with_capacity(messages.len());
    let mut latest: HashMap<Option<usize>, Timestamp> = HashMap::new();
    for entry in messages {
        let parents = || entry.parent.and_then(|parent| times.get(parent)).copied();
        let mut at = entry.created.or_else(parents).unwrap_or(began).min(now);
        if let Some(before) = latest.get(&entry.parent).filter(|before| **before >= at) {
            at = Timestamp::from_millisecond(before.as_millisecond().saturating_add(1)).unwrap_or(*before);
        }
        latest.insert(entry.parent, at);
        times.push(at);
    }
    times
}

/// The title of the file, or the beginning of what was said first; not longer than a title is.
fn title(told: &str, first: &str, without: &mut Vec<String>) -> String {
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = line(told);
    if told.is_empty() {
        let first = line(first.trim_start().lines().next().unwrap_or_default());
        let cut: String = first.chars().take(60).collect();
        return if cut.is_empty() { "Untitled".to_owned() } else { cut };
    }
    let length = told.chars().count();
    if length <= LONGEST_TITLE {
        return told;
    }
    without.push(format!("the end of its title, which has {length} characters and may have {LONGEST_TITLE}"));
    told.chars().take(LONGEST_TITLE).collect()
}

fn message(id: String, parent: Option<String>, entry: Entry, at: Timestamp) -> Message {
    let finish = |reason: &str| Some(reason.to_owned());
    let (state, finish_reason, error) = match entry.end {
        End::Complete if entry.role == Role::User => (MessageState::Complete, None, None),
        End::Complete => (MessageState::Complete, finish("stop"), None),
        End::Length => (MessageState::Complete, finish("length"), None),
        End::Stopped => (MessageState::Stopped, None, None),
        End::Interrupted => (MessageState::Interrupted, None, None),
        End::Failed(says) => (MessageState::Failed, None, Some(says)),
    };
    Message {
        id,
        parent,
        role: match entry.role {
            Role::User => MessageRole::User,
            Role::Assistant => MessageRole::Assistant,
        },
        content: entry.content,
        reasoning: entry.reasoning,
        tool_calls: Vec::new(),
        model: entry.model,
        created: written(at),
        state,
        error,
        finish_reason,
        usage: None,
        timings: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(parent: Option<usize>, role: Role, created: Option<i64>) -> Entry {
        let created = created.map(|at| Timestamp::from_millisecond(at).unwrap());
        Entry { parent, role, content: "x".into(), reasoning: None, model: None, created, end: End::Complete }
    }

    #[test]
    fn siblings_keep_their_order_whatever_their_times_say() {
        let a = Role::Assistant;
        let messages = vec![
            entry(None, Role::User, Some(1000)),
            entry(Some(0), a, Some(2000)),
            entry(Some(0), a, Some(2000)),
            entry(Some(0), a, Some(1500)),
            entry(Some(1), Role::User, None),
            entry(None, Role::User, Some(i64::MAX / 100_000)),
        ];
        let kept =
            keep(Archive { created: Timestamp::from_millisecond(500).ok(), messages, ..Archive::default() })
                .unwrap();
        let times: Vec<&str> = kept.messages.iter().map(|m| m.created.as_str()).collect();
        let at = |ms| written(Timestamp::from_millisecond(ms).unwrap());
        assert_eq!(times[..5], [at(1000), at(2000), at(2001), at(2002), at(2000)]);
        assert!(times[5] <= written(Timestamp::now()).as_str(), "nothing is written in the future");
        assert_eq!(kept.conversation.created, "1970-01-01T00:00:00.500Z");
        assert_eq!(kept.messages[4].parent.as_deref(), Some(kept.messages[1].id.as_str()));
    }

    #[test]
    fn a_title_is_found_or_cut_and_that_is_told() {
        let titled = |title: &str| {
            let messages = vec![entry(None, Role::User, None)];
            keep(Archive { title: title.into(), messages, ..Archive::default() }).unwrap()
        };
        assert_eq!(titled(" a\nb ").conversation.title, "a b");
        assert_eq!(titled("").conversation.title, "x");
        let long = titled(&"é".repeat(300));
        assert_eq!(long.conversation.title.chars().count(), LONGEST_TITLE);
        assert!(long.without[0].contains("300"), "{:?}", long.without);
    }
}
