//! Open WebUI's export: a list of conversations, each with a `chat` that holds a tree of messages, or in older files just a list.

use super::archive::{ARCHIVED, Archive, End, Entry, Role, append, append_some, numbered};
use super::bounded::{List, Pairs};
use super::details;
use super::time::time;
use super::tree::{self, Place};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A conversation as the file has it.
#[derive(Deserialize)]
struct Export {
    title: Option<String>,
    chat: Chat,
    created_at: Option<Value>,
    updated_at: Option<Value>,
    pinned: Option<bool>,
    archived: Option<bool>,
    folder_id: Option<Value>,
}

#[derive(Deserialize)]
struct Chat {
    title: Option<String>,
    models: Option<Vec<String>>,
    system: Option<String>,
    params: Option<Map<String, Value>>,
    history: Option<History>,
    messages: Option<List<Message>>,
    timestamp: Option<Value>,
}

#[derive(Deserialize)]
struct History {
    messages: Option<Pairs<Message>>,
    #[serde(rename = "currentId")]
    current: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "parentId")]
    parent: Option<String>,
    #[serde(rename = "childrenIds")]
    children: Option<Vec<String>>,
    role: Option<String>,
    content: Option<Value>,
    reasoning_content: Option<String>,
    timestamp: Option<Value>,
    model: Option<String>,
    done: Option<bool>,
    error: Option<Value>,
    files: Option<Vec<Value>>,
    merged: Option<Value>,
}

/// Their names for parameters that both have.
const PARAMETERS: [(&str, &str); 10] = [
    ("temperature", "temperature"),
    ("top_k", "top_k"),
    ("top_p", "top_p"),
    ("min_p", "min_p"),
    ("repeat_penalty", "repetition_penalty"),
    ("repetition_penalty", "repetition_penalty"),
    ("max_tokens", "max_tokens"),
    ("num_predict", "max_tokens"),
    ("seed", "seed"),
    ("stop", "stop"),
];

/// Reads one conversation.
pub(super) fn parse(text: &str) -> Result<Archive, String> {
    let export: Export = serde_json::from_str(text).map_err(|e| format!("it has the wrong shape: {e}"))?;
    let Chat { title, models, system, params, history, messages, timestamp } = export.chat;
    let mut archive = Archive {
        title: export.title.or(title).unwrap_or_default(),
        folder: match export.archived {
            Some(true) => Some(ARCHIVED.to_owned()),
            _ => numbered(
                "Open WebUI folder",
                export.folder_id.as_ref().and_then(Value::as_str).unwrap_or_default(),
            ),
        },
        pinned: export.pinned == Some(true),
        created: time(export.created_at.as_ref()).or(time(timestamp.as_ref())),
        updated: time(export.updated_at.as_ref()),
        model: models.and_then(|models| models.into_iter().find(|name| !name.trim().is_empty())),
        ..Archive::default()
    };
    append_some(&mut archive.system, &system.unwrap_or_default());
    parameters(&mut archive, params.unwrap_or_default());
    let (pairs, current) = history.map_or((None, None), |it| (it.messages, it.current));
    match pairs.filter(|pairs| !pairs.0.is_empty()) {
        Some(pairs) => tree_of(&mut archive, pairs.0, current.as_deref())?,
        // An older file: each message answers the one before it.
        None => list_of(&mut archive, messages.map_or_else(Vec::new, |list| list.0))?,
    }
    Ok(archive)
}

fn tree_of(
    archive: &mut Archive,
    nodes: Vec<(String, Message)>,
    current: Option<&str>,
) -> Result<(), String> {
    let places: Vec<Place<'_>> = nodes
        .iter()
        .map(|(id, node)| Place {
            id,
            parent: node.parent.as_deref(),
            children: node.children.as_deref().unwrap_or_default(),
        })
        .collect();
    let tree = tree::order(&places)?;
    let mut stands: Vec<Option<usize>> = vec![None; nodes.len()];
    for at in tree.order {
        let Some((id, node)) = nodes.get(at) else { continue };
        let above =
            tree.parents.get(at).copied().flatten().and_then(|parent| stands.get(parent).copied().flatten());
        let taken =
            take(archive, node, above).map_err(|e| format!("the message {}: {e}", tree::shown(id)))?;
        if let Some(slot) = stands.get_mut(at) {
            *slot = taken;
        }
    }
    let current = current.and_then(|id| nodes.iter().position(|(other, _)| other == id));
    let shown = current.and_then(|at| stands.get(at).copied().flatten());
    archive.head = shown.or(archive.messages.len().checked_sub(1));
    Ok(())
}

fn list_of(archive: &mut Archive, list: Vec<Message>) -> Result<(), String> {
    let mut above = None;
    for (at, message) in list.iter().enumerate() {
        above = take(archive, message, above).map_err(|e| format!("message {}: {e}", at + 1))?;
    }
    archive.head = above;
    Ok(())
}

/// Takes a message below `above`; what then stands for it.
fn take(archive: &mut Archive, message: &Message, above: Option<usize>) -> Result<Option<usize>, String> {
    let mut content = text_of(message.content.as_ref())?;
    let role = match message.role.as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => {
            append_some(&mut archive.system, &content);
            return Ok(above);
        }
        // What a message that was taken back leaves behind.
        None if content.is_empty() => return Ok(above),
        None => return Err("it has no role".into()),
        Some(other) => {
            return Err(format!(
                "its role is {}, and only user, assistant and system are known",
                tree::shown(other)
            ));
        }
    };
    let mut reasoning = None;
    append_some(&mut reasoning, message.reasoning_content.as_deref().unwrap_or_default());
    if role == Role::Assistant {
        let (said, working) = details::split(&content);
        content = said;
        append_some(&mut reasoning, &working.unwrap_or_default());
    }
    if let Some(merged) = message.merged.as_ref().and_then(|it| it.get("content")).and_then(Value::as_str) {
        append(&mut content, merged);
    }
    append(&mut content, &files(message.files.as_deref().unwrap_or_default()));
    archive.messages.push(Entry {
        parent: above,
        role,
        content,
        reasoning,
        model: message.model.clone(),
        created: time(message.timestamp.as_ref()),
        end: end(message, role),
    });
    Ok(archive.messages.len().checked_sub(1))
}

fn end(message: &Message, role: Role) -> End {
    let told = message.error.as_ref().filter(|error| !matches!(error, Value::Null | Value::Bool(false)));
    if let Some(error) = told {
        let nested = error.get("content").or(error.get("message")).unwrap_or(error);
        let says = nested.as_str().map_or_else(|| nested.to_string(), str::to_owned);
        return End::Failed(says);
    }
    if role == Role::Assistant && message.done == Some(false) { End::Interrupted } else { End::Complete }
}

/// Text as a string or in parts.
fn text_of(content: Option<&Value>) -> Result<String, String> {
    let parts = match content {
        None | Some(Value::Null) => return Ok(String::new()),
        Some(Value::String(text)) => return Ok(text.clone()),
        Some(Value::Array(parts)) => parts.as_slice(),
        Some(part @ Value::Object(_)) => std::slice::from_ref(part),
        Some(_) => return Err("its content is neither text nor parts of text".into()),
    };
    let mut text = String::new();
    for part in parts {
        let kind = part.get("type").or(part.get("content_type")).and_then(Value::as_str).unwrap_or("part");
        match part.as_str().or(part.get("text").and_then(Value::as_str)) {
            Some(words) => append(&mut text, words),
            None => append(&mut text, &format!("[{} – no text, and not taken along]", tree::shown(kind))),
        }
    }
    Ok(text)
}

/// The files of a message, by name: their contents are not in the export, or are no text.
fn files(files: &[Value]) -> String {
    let mut text = String::new();
    for file in files {
        let field = |name: &str| file.get(name).and_then(Value::as_str);
        // The address of a picture may be the picture itself.
        let address = field("url").filter(|url| !url.starts_with("data:"));
        let name = field("name").or(address).or(field("id")).unwrap_or("without a name");
        let what = if field("type") == Some("image") { "picture" } else { "file" };
        append(&mut text, &format!("[{what}, not taken along: {name}]"));
    }
    text
}

/// Settings of the conversation under our names. Unset ones are null or empty.
fn parameters(archive: &mut Archive, params: Map<String, Value>) {
    for (name, value) in params {
        let unset = value.is_null()
            || value.as_str().is_some_and(str::is_empty)
            || value.as_array().is_some_and(Vec::is_empty);
        if unset {
            continue;
        }
        let ours = PARAMETERS.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
        match (ours, &value) {
            _ if name == "system" && value.is_string() => {
                append_some(&mut archive.system, value.as_str().unwrap_or_default());
            }
            (Some(ours), Value::Number(_)) if ours != "stop" => {
                archive.parameters.insert(ours.to_owned(), value);
            }
            (Some("stop"), Value::Array(all)) if all.iter().all(Value::is_string) => {
                archive.parameters.insert("stop".to_owned(), value);
            }
            // As it is typed: words with commas between them.
            (Some("stop"), Value::String(text)) => {
                let words = text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(Value::from);
                archive.parameters.insert("stop".to_owned(), Value::Array(words.collect()));
            }
            _ => archive.without.push(format!("its setting {}", tree::shown(&name))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn message(parent: Option<&str>, children: &[&str], role: &str, content: &str) -> Value {
        json!({ "parentId": parent, "childrenIds": children, "role": role, "content": content, "timestamp": 1_700_000_000 })
    }

    fn export(chat: Value) -> Result<Archive, String> {
        parse(&json!({ "id": "x", "title": "T", "chat": chat, "created_at": 1_700_000_000, "updated_at": 1_700_000_100 }).to_string())
    }

    #[test]
    fn several_models_on_a_question_are_branches_in_their_order() {
        let messages = json!({
            "a2": message(Some("q"), &[], "assistant", "From B."),
            "q": message(None, &["a1", "a2"], "user", "Hi?"),
            "a1": message(Some("q"), &[], "assistant", "<details type=\"reasoning\" done=\"true\">\n<summary>x</summary>\n> Hm.\n</details>\nFrom A."),
        });
        let archive =
            export(json!({ "models": ["", "m"], "history": { "messages": messages, "currentId": "a1" } }))
                .unwrap();
        let said: Vec<_> = archive.messages.iter().map(|m| (m.parent, m.content.as_str())).collect();
        assert_eq!(said, [(None, "Hi?"), (Some(0), "From A."), (Some(0), "From B.")]);
        assert_eq!(archive.messages[1].reasoning.as_deref(), Some("Hm."));
        assert_eq!(
            (archive.head, archive.model.as_deref(), archive.title.as_str()),
            (Some(1), Some("m"), "T")
        );
        assert_eq!(archive.updated.unwrap().as_millisecond(), 1_700_000_100_000);
    }

    #[test]
    fn an_older_file_is_a_list() {
        let list = json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hi" }, { "role": "assistant", "content": "Hello.", "done": false }]);
        for history in [json!(null), json!({ "messages": {}, "currentId": null })] {
            let archive = export(json!({ "messages": list, "history": history })).unwrap();
            assert_eq!(archive.system.as_deref(), Some("Be brief."));
            assert_eq!(
                (archive.messages.len(), archive.messages[1].parent, archive.head),
                (2, Some(0), Some(1))
            );
            assert_eq!(archive.messages[1].end, End::Interrupted);
        }
    }

    #[test]
    fn settings_are_kept_by_our_names_and_others_are_told() {
        let params = json!({ "temperature": 0.5, "repeat_penalty": 1.1, "num_predict": 9, "stop": "END, STOP", "system": "Be kind.",
                             "top_k": null, "top_p": "", "seed": "x", "mirostat": 2 });
        let archive =
            export(json!({ "params": params, "messages": [{ "role": "user", "content": "Hi" }] })).unwrap();
        assert_eq!(
            Value::Object(archive.parameters),
            json!({ "temperature": 0.5, "repetition_penalty": 1.1, "max_tokens": 9, "stop": ["END", "STOP"] })
        );
        assert_eq!(archive.without, ["its setting \"seed\"", "its setting \"mirostat\""]);
        assert_eq!(archive.system.as_deref(), Some("Be kind."));
    }

    #[test]
    fn errors_files_and_parts_are_kept_or_named() {
        let list = json!([
            { "role": "user", "content": [{ "type": "text", "text": "See:" }, { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } }],
              "files": [{ "type": "image", "url": "data:image/png;base64,AAAA" }, { "type": "file", "name": "a.pdf" }] },
            { "role": "assistant", "content": "", "error": { "content": "out of memory" } },
        ]);
        let archive = export(json!({ "messages": list })).unwrap();
        assert_eq!(
            archive.messages[0].content,
            "See:\n\n[\"image_url\" – no text, and not taken along]\n\n[picture, not taken along: without a name]\n\n[file, not taken along: a.pdf]"
        );
        assert_eq!(archive.messages[1].end, End::Failed("out of memory".into()));
    }

    #[test]
    fn a_message_taken_back_leaves_its_answers_to_its_parent() {
        let messages = json!({ "q": message(None, &["x"], "user", "Hi"), "x": { "parentId": "q" }, "a": message(Some("x"), &[], "assistant", "Hello.") });
        let archive = export(json!({ "history": { "messages": messages, "currentId": "gone" } })).unwrap();
        assert_eq!((archive.messages.len(), archive.messages[1].parent, archive.head), (2, Some(0), Some(1)));
    }

    #[test]
    fn wrong_shapes_are_refused_with_the_place() {
        let says = |chat: Value, part: &str| {
            let why = export(chat).unwrap_err();
            assert!(why.contains(part), "{why}");
        };
        let one = |message: Value| json!({ "history": { "messages": { "m": message } } });
        says(json!([]), "wrong shape");
        says(one(json!({ "role": "wizard", "content": "x" })), "\"wizard\"");
        says(one(json!({ "content": "x" })), "no role");
        says(one(json!({ "role": "user", "content": 5 })), "\"m\": its content");
        says(one(json!({ "role": "user", "content": "x", "parentId": "y" })), "not in the file");
        says(one(json!({ "role": "user", "content": "x", "parentId": "m" })), "circle");
        says(one(json!({ "role": "user", "content": "x", "childrenIds": 7 })), "wrong shape");
        assert!(parse("{").is_err());
    }
}
