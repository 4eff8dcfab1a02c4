//! One conversation and its messages: reading, writing, deleting, and the branch that ends with a message.

use super::kinds::{Conversation, Message, MessageRole, MessageState, Parameters};
use super::schema::prepare;
use super::{now, written};
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long what was deleted can be had back.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The columns that [`conversation_of`] reads.
pub(super) const COLUMNS: &str =
    "c.id, c.title, c.folder, c.pinned, c.created, c.updated, c.model, c.system, c.parameters, c.head";

const MESSAGE: &str = "m.id, m.parent, m.role, m.content, m.reasoning, m.tool_calls, m.model, m.created, m.state, \
                       m.error, m.finish_reason, m.usage, m.timings";

/// A stored JSON text.
fn json<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    serde_json::from_str(&text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, e.into()))
}

/// A word of an enumeration.
fn word<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let word = serde_json::Value::String(row.get(at)?);
    serde_json::from_value(word)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, e.into()))
}

fn maybe<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<T>> {
    match row.get_ref(at)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => json(row, at).map(Some),
    }
}

/// A value as JSON text.
pub(super) fn text(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

/// A value that may not be there, as JSON text.
fn some_text(value: Option<&impl Serialize>) -> rusqlite::Result<Option<String>> {
    value.map(text).transpose()
}

/// The word of an enumeration.
fn word_of(value: &impl Serialize) -> rusqlite::Result<String> {
    Ok(text(value)?.trim_matches('"').to_owned())
}

/// A conversation of [`COLUMNS`].
pub(super) fn conversation_of(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    Ok(Conversation {
        id: row.get(0)?,
        title: row.get(1)?,
        folder: row.get(2)?,
        pinned: row.get(3)?,
        created: row.get(4)?,
        updated: row.get(5)?,
        model: row.get(6)?,
        system: row.get(7)?,
        parameters: json::<Parameters>(row, 8)?,
        head: row.get(9)?,
    })
}

fn message_of(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get(0)?,
        parent: row.get(1)?,
        role: word(row, 2)?,
        content: row.get(3)?,
        reasoning: row.get(4)?,
        tool_calls: json(row, 5)?,
        model: row.get(6)?,
        created: row.get(7)?,
        state: word(row, 8)?,
        error: row.get(9)?,
        finish_reason: row.get(10)?,
        usage: maybe(row, 11)?,
        timings: maybe(row, 12)?,
    })
}

/// An owner's conversation that is not deleted.
pub(in crate::studio) fn conversation(
    db: &Connection,
    owner: &str,
    id: &str,
) -> rusqlite::Result<Option<Conversation>> {
    prepare(db)?;
    let ask = format!(
        "SELECT {COLUMNS} FROM conversation c WHERE c.id = ?1 AND c.owner = ?2 AND c.deleted IS NULL"
    );
    db.prepare_cached(&ask)?.query_row([id, owner], conversation_of).optional()
}

/// An owner's conversation with all its messages, a parent before its children.
pub(in crate::studio) fn read(
    db: &Connection,
    owner: &str,
    id: &str,
) -> rusqlite::Result<Option<(Conversation, Vec<Message>)>> {
    let Some(found) = conversation(db, owner, id)? else { return Ok(None) };
    let ask = format!("SELECT {MESSAGE} FROM message m WHERE m.conversation = ?1 ORDER BY m.seq");
    let messages = db.prepare_cached(&ask)?.query_map([id], message_of)?.collect::<rusqlite::Result<_>>()?;
    Ok(Some((found, messages)))
}

/// The ids of an owner's conversations, the oldest first.
pub(in crate::studio) fn ids(db: &Connection, owner: &str) -> rusqlite::Result<Vec<String>> {
    prepare(db)?;
    let ask = "SELECT id FROM conversation WHERE owner = ?1 AND deleted IS NULL ORDER BY seq";
    db.prepare_cached(ask)?.query_map([owner], |row| row.get(0))?.collect()
}

/// Stores a conversation with its messages; a parent stands before its children.
pub(in crate::studio) fn insert(
    db: &Connection,
    owner: &str,
    it: &Conversation,
    messages: &[Message],
) -> rusqlite::Result<()> {
    prepare(db)?;
    db.prepare_cached(
        "INSERT INTO conversation (id, owner, title, folder, pinned, created, updated, model, system, parameters, head) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        it.id,
        owner,
        it.title,
        it.folder,
        it.pinned,
        it.created,
        it.updated,
        it.model,
        it.system,
        text(&it.parameters)?,
        it.head
    ])?;
    messages.iter().try_for_each(|message| insert_message(db, &it.id, message))
}

fn insert_message(db: &Connection, conversation: &str, it: &Message) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO message (id, conversation, parent, role, content, reasoning, tool_calls, model, created, state, \
         error, finish_reason, usage, timings) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        it.id,
        conversation,
        it.parent,
        word_of(&it.role)?,
        it.content,
        it.reasoning,
        text(&it.tool_calls)?,
        it.model,
        it.created,
        word_of(&it.state)?,
        it.error,
        it.finish_reason,
        some_text(it.usage.as_ref())?,
        some_text(it.timings.as_ref())?
    ])?;
    Ok(())
}

/// Adds a message to a conversation, which ends with it from then on if `head` says so. The first thing that is said titles a
/// conversation without a title.
pub(in crate::studio) fn add_message(
    db: &Connection,
    conversation: &str,
    it: &Message,
    head: bool,
) -> rusqlite::Result<()> {
    insert_message(db, conversation, it)?;
    let title = (it.role == MessageRole::User).then(|| titled(&it.content));
    db.execute(
        "UPDATE conversation SET updated = :now, head = CASE WHEN :head THEN :id ELSE head END, \
         title = CASE WHEN title = '' THEN coalesce(:title, '') ELSE title END WHERE id = :conversation",
        named_params! { ":now": now(), ":head": head, ":id": it.id, ":title": title, ":conversation": conversation },
    )?;
    Ok(())
}

/// The first line of what is said, cut at a word.
fn titled(content: &str) -> String {
    const LONGEST: usize = 60;
    let line = content.trim_start().lines().next().unwrap_or_default();
    let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= LONGEST {
        return words;
    }
    let cut: String = words.chars().take(LONGEST - 1).collect();
    let end = cut.rfind(' ').filter(|at| *at > LONGEST / 2).unwrap_or(cut.len());
    format!("{}…", cut.get(..end).unwrap_or(&cut).trim_end())
}

/// Replaces what can be changed of a conversation.
pub(in crate::studio) fn update(db: &Connection, it: &Conversation) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE conversation SET title = ?2, folder = ?3, pinned = ?4, model = ?5, system = ?6, parameters = ?7, \
         head = ?8 WHERE id = ?1",
        params![it.id, it.title, it.folder, it.pinned, it.model, it.system, text(&it.parameters)?, it.head],
    )?;
    Ok(())
}

/// Whether `message` is one of the conversation's.
pub(in crate::studio) fn head(db: &Connection, conversation: &str, message: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM message WHERE id = ?1 AND conversation = ?2")?
        .exists([message, conversation])
}

/// Takes a conversation out of sight. Whether there was one.
pub(in crate::studio) fn delete(db: &Connection, owner: &str, id: &str) -> rusqlite::Result<bool> {
    prepare(db)?;
    let change = "UPDATE conversation SET deleted = ?3 WHERE id = ?1 AND owner = ?2 AND deleted IS NULL";
    Ok(db.execute(change, [id, owner, &now()])? > 0)
}

/// Brings a deleted conversation back, if it is still there.
pub(in crate::studio) fn restore(
    db: &Connection,
    owner: &str,
    id: &str,
) -> rusqlite::Result<Option<Conversation>> {
    purge(db)?;
    db.execute("UPDATE conversation SET deleted = NULL WHERE id = ?1 AND owner = ?2", [id, owner])?;
    conversation(db, owner, id)
}

/// Removes for good what was deleted long enough ago. How many conversations that were.
pub(in crate::studio) fn purge(db: &Connection) -> rusqlite::Result<usize> {
    prepare(db)?;
    let oldest = Timestamp::now().checked_sub(KEPT).map_or_else(|_| String::new(), written);
    db.execute("DELETE FROM conversation WHERE deleted IS NOT NULL AND deleted < ?1", [oldest])
}

/// The owner of a message and its conversation, unless that is deleted.
pub(in crate::studio) fn owner_of(db: &Connection, id: &str) -> rusqlite::Result<Option<(String, String)>> {
    prepare(db)?;
    let ask = "SELECT c.owner, c.id FROM message m JOIN conversation c ON c.id = m.conversation \
               WHERE m.id = ?1 AND c.deleted IS NULL";
    db.prepare_cached(ask)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// A message.
pub(in crate::studio) fn message(db: &Connection, id: &str) -> rusqlite::Result<Option<Message>> {
    let ask = format!("SELECT {MESSAGE} FROM message m WHERE m.id = ?1");
    db.prepare_cached(&ask)?.query_row([id], message_of).optional()
}

/// The branch that ends with a message of the conversation, from its beginning; empty when there is no such message.
pub(in crate::studio) fn path(
    db: &Connection,
    conversation: &str,
    last: &str,
) -> rusqlite::Result<Vec<Message>> {
    let mut path = Vec::new();
    let mut next = Some(last.to_owned());
    let ask = format!("SELECT {MESSAGE} FROM message m WHERE m.id = ?1 AND m.conversation = ?2");
    let mut ask = db.prepare_cached(&ask)?;
    while let Some(id) = next.take() {
        let Some(message) = ask.query_row([&id, conversation], message_of).optional()? else { break };
        next.clone_from(&message.parent);
        path.push(message);
    }
    path.reverse();
    Ok(path)
}

/// Replaces what an answer has become, unless it has ended: a save that was under way when it was stopped may come after its end.
pub(in crate::studio) fn save(db: &Connection, it: &Message) -> rusqlite::Result<()> {
    let changed = db
        .prepare_cached(
        "UPDATE message SET content = ?2, reasoning = ?3, tool_calls = ?4, state = ?5, error = ?6, finish_reason = ?7, \
         usage = ?8, timings = ?9 WHERE id = ?1 AND state = 'running'",
    )?
    .execute(params![
        it.id,
        it.content,
        it.reasoning,
        text(&it.tool_calls)?,
        word_of(&it.state)?,
        it.error,
        it.finish_reason,
        some_text(it.usage.as_ref())?,
        some_text(it.timings.as_ref())?
    ])?;
    if changed > 0 && it.state != MessageState::Running {
        db.execute(
            "UPDATE conversation SET updated = ?2 WHERE id = (SELECT conversation FROM message WHERE id = ?1)",
            params![it.id, now()],
        )?;
    }
    Ok(())
}

/// Marks what was being written when the last server ended; to be called before this one answers.
pub(in crate::studio) fn interrupt(db: &Connection) -> rusqlite::Result<usize> {
    prepare(db)?;
    db.execute("UPDATE message SET state = 'interrupted' WHERE state = 'running'", [])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn conversation_called(id: &str) -> Conversation {
        Conversation {
            id: id.into(),
            title: "t".into(),
            folder: None,
            pinned: false,
            created: now(),
            updated: now(),
            model: None,
            system: None,
            parameters: Parameters::default(),
            head: None,
        }
    }

    #[test]
    fn an_older_save_does_not_undo_the_end() {
        let db = Connection::open_in_memory().unwrap();
        let it = conversation_called("c");
        let asked = Message::new(MessageRole::Assistant, None, "so far".into()).unwrap();
        let running = Message { state: MessageState::Running, ..asked };
        insert(&db, "o", &it, std::slice::from_ref(&running)).unwrap();
        let stopped =
            Message { state: MessageState::Stopped, content: "so far and more".into(), ..running.clone() };
        save(&db, &stopped).unwrap();
        save(&db, &running).unwrap();
        assert_eq!(message(&db, &running.id).unwrap(), Some(stopped));
    }

    #[test]
    fn what_was_deleted_is_kept_for_24_hours_and_then_gone_with_all_that_it_said() {
        let db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "foreign_keys", true).unwrap();
        let ago =
            |minutes: i64| written(Timestamp::now().checked_sub(SignedDuration::from_mins(minutes)).unwrap());
        for (id, deleted) in [
            ("young", Some(24 * 60 - 1)),
            ("old", Some(24 * 60 + 1)),
            ("older", Some(90_000)),
            ("there", None),
        ] {
            let said = Message::new(MessageRole::User, None, format!("words of {id}")).unwrap();
            insert(&db, "o", &conversation_called(id), &[said]).unwrap();
            db.execute("UPDATE conversation SET deleted = ?2 WHERE id = ?1", params![id, deleted.map(ago)])
                .unwrap();
        }
        assert!(restore(&db, "o", "old").unwrap().is_none(), "too late");
        assert_eq!(purge(&db).unwrap(), 0, "restoring has purged");
        let count = |ask: &str| db.query_row(ask, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM conversation"), 2);
        assert_eq!(count("SELECT count(*) FROM message"), 2);
        assert_eq!(count("SELECT count(*) FROM words WHERE text LIKE '%older%'"), 0);
        assert_eq!(restore(&db, "o", "young").unwrap().unwrap().id, "young");
        assert_eq!(read(&db, "o", "young").unwrap().unwrap().1[0].content, "words of young");
    }

    #[test]
    fn a_title_that_somebody_gave_stays_whatever_it_says() {
        let db = Connection::open_in_memory().unwrap();
        let told = |id: &str| {
            let it = conversation(&db, "o", id).unwrap().unwrap();
            serde_json::to_value(it).unwrap()["title"].clone()
        };
        for (id, title) in [("given", "New conversation"), ("none", "")] {
            insert(&db, "o", &Conversation { title: title.into(), ..conversation_called(id) }, &[]).unwrap();
            assert_eq!(told(id), "New conversation");
            let said = Message::new(MessageRole::User, None, "Rain".into()).unwrap();
            add_message(&db, id, &said, true).unwrap();
        }
        assert_eq!((told("given"), told("none")), ("New conversation".into(), "Rain".into()));
        let it = conversation(&db, "o", "none").unwrap().unwrap();
        update(&db, &Conversation { title: "New conversation".into(), ..it }).unwrap();
        add_message(&db, "none", &Message::new(MessageRole::User, None, "Snow".into()).unwrap(), true)
            .unwrap();
        assert_eq!(told("none"), "New conversation");
    }

    #[test]
    fn a_title_is_the_first_line_cut_at_a_word() {
        assert_eq!(titled("\n  Hello   there \nmore"), "Hello there");
        let long = titled(&"word ".repeat(40));
        assert!(long.ends_with("word…") && long.chars().count() <= 60, "{long}");
        assert_eq!(titled(&"語".repeat(100)).chars().count(), 60);
    }
}
