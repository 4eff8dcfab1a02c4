//! Lists of conversations: pinned ones first, then what was last touched, page by page, or those in which words are found.

use super::kinds::Conversation;
use super::rows::{COLUMNS, conversation_of};
use super::schema::prepare;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use schemars::JsonSchema;
use serde::Serialize;

/// Characters that a snippet shows before its first hit, and in all.
const BEFORE: usize = 30;
const LENGTH: usize = 120;

/// What is looked for.
#[derive(Debug, Default)]
pub(in crate::studio) struct Wanted {
    pub(in crate::studio) words: Vec<String>,
    pub(in crate::studio) folder: Option<String>,
    /// The last of the page before: whether it is pinned, when it was touched, its id.
    pub(in crate::studio) after: Option<(bool, String, String)>,
    pub(in crate::studio) limit: usize,
}

/// A conversation that was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FoundConversation {
    #[serde(flatten)]
    pub(in crate::studio) conversation: Conversation,
    /// Words around a hit, with U+0001 and U+0002 about what was searched.
    pub(in crate::studio) snippet: Option<String>,
}

/// A folder, and how many conversations are in it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Folder {
    name: String,
    count: u64,
}

/// Conversations, and whether there are more.
pub(in crate::studio) type Found = (Vec<FoundConversation>, bool);

/// A page of the list.
pub(in crate::studio) struct Page {
    pub(in crate::studio) found: Found,
    pub(in crate::studio) folders: Vec<Folder>,
}

/// The conversations that are wanted.
pub(in crate::studio) fn list(db: &Connection, owner: &str, wanted: &Wanted) -> rusqlite::Result<Page> {
    prepare(db)?;
    let mut values = vec![Value::Text(owner.to_owned())];
    let mut ask = format!("SELECT {COLUMNS} FROM conversation c WHERE c.owner = ? AND c.deleted IS NULL");
    if !wanted.words.is_empty() {
        let (holds, found) = holding(&wanted.words);
        ask.push_str(&format!(
            " AND (c.seq IN (SELECT rowid / 2 FROM words WHERE rowid % 2 = 1 AND {holds}) OR c.id IN \
             (SELECT m.conversation FROM words CROSS JOIN message m ON m.seq = words.rowid / 2 \
             WHERE words.rowid % 2 = 0 AND {holds}))"
        ));
        values.extend(found.iter().cloned());
        values.extend(found);
    }
    if let Some(folder) = &wanted.folder {
        ask.push_str(" AND c.folder = ?");
        values.push(Value::Text(folder.clone()));
    }
    if let Some((pinned, updated, id)) = &wanted.after {
        ask.push_str(" AND (c.pinned, c.updated, c.id) < (?, ?, ?)");
        values.extend([
            Value::Integer(i64::from(*pinned)),
            Value::Text(updated.clone()),
            Value::Text(id.clone()),
        ]);
    }
    ask.push_str(" ORDER BY c.pinned DESC, c.updated DESC, c.id DESC LIMIT ?");
    values.push(Value::Integer(i64::try_from(wanted.limit.saturating_add(1)).unwrap_or(i64::MAX)));
    let mut found = db
        .prepare_cached(&ask)?
        .query_map(params_from_iter(values), conversation_of)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let more = found.len() > wanted.limit;
    found.truncate(wanted.limit);
    let found = found.into_iter().map(|conversation| {
        let snippet = hit(db, &conversation.id, &wanted.words)?;
        Ok(FoundConversation { conversation, snippet })
    });
    let found = found.collect::<rusqlite::Result<_>>()?;
    Ok(Page { found: (found, more), folders: folders(db, owner)? })
}

fn folders(db: &Connection, owner: &str) -> rusqlite::Result<Vec<Folder>> {
    let ask = "SELECT folder, count(*) FROM conversation WHERE owner = ? AND deleted IS NULL AND folder IS NOT NULL \
               GROUP BY folder ORDER BY folder";
    let folder = |row: &rusqlite::Row<'_>| {
        Ok(Folder { name: row.get(0)?, count: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0) })
    };
    db.prepare_cached(ask)?.query_map([owner], folder)?.collect()
}

/// The condition that a text of `words` holds all these words, and its values. The index knows three characters and more; shorter
/// words are looked for in every text.
fn holding(words: &[String]) -> (String, Vec<Value>) {
    let (long, short): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.chars().count() >= 3);
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    if !long.is_empty() {
        let phrases: Vec<String> =
            long.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
        conditions.push("words MATCH ?".to_owned());
        values.push(Value::Text(phrases.join(" ")));
    }
    for word in short {
        conditions.push("words.text LIKE ? ESCAPE '\\'".to_owned());
        let plain = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        values.push(Value::Text(format!("%{plain}%")));
    }
    (conditions.join(" AND "), values)
}

/// What stands around the newest hit in a conversation's messages.
fn hit(db: &Connection, conversation: &str, words: &[String]) -> rusqlite::Result<Option<String>> {
    if words.is_empty() {
        return Ok(None);
    }
    let (holds, mut values) = holding(words);
    let ask = format!(
        "SELECT words.text FROM message m CROSS JOIN words ON words.rowid = m.seq * 2 WHERE {holds} AND m.conversation = ? \
         ORDER BY m.seq DESC LIMIT 1"
    );
    values.push(Value::Text(conversation.to_owned()));
    let text = db.prepare_cached(&ask)?.query_row(params_from_iter(values), |row| row.get::<_, String>(0));
    Ok(text.optional()?.map(|text| snippet(&text, words)))
}

/// The text around the first hit, with marks about every hit.
fn snippet(text: &str, words: &[String]) -> String {
    let flat: Vec<char> = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    let fold = |c: char| c.to_lowercase().next().unwrap_or(c);
    let folded: Vec<char> = flat.iter().copied().map(fold).collect();
    let words: Vec<Vec<char>> = words.iter().map(|word| word.chars().map(fold).collect()).collect();
    let hit_at = |at: usize| {
        let rest = folded.get(at..).unwrap_or_default();
        words.iter().filter(|word| rest.starts_with(word)).map(Vec::len).max()
    };
    let first = (0..folded.len()).find(|at| hit_at(*at).is_some()).unwrap_or(0);
    let (start, end) = (first.saturating_sub(BEFORE), flat.len().min(first.saturating_sub(BEFORE) + LENGTH));
    let mut out = String::new();
    if start > 0 {
        out.push('…');
    }
    let mut marked = 0;
    for (at, c) in flat.iter().enumerate().take(end).skip(start) {
        if let Some(length) = hit_at(at) {
            if marked <= at {
                out.push('\u{1}');
            }
            marked = marked.max(at + length);
        }
        // Marks of the text's own would be taken for ours.
        out.push(if *c < ' ' { ' ' } else { *c });
        if marked == at + 1 && hit_at(at + 1).is_none() {
            out.push('\u{2}');
        }
    }
    if marked > end {
        out.push('\u{2}');
    }
    if end < flat.len() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_marked_once_each() {
        let of = |text: &str, words: &[&str]| {
            snippet(text, &words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of("the Rain in Spain", &["rain", "ain"]), "the \u{1}Rain\u{2} in Sp\u{1}ain\u{2}");
        assert_eq!(of("aaaa", &["aa"]), "\u{1}aaaa\u{2}");
        assert_eq!(of("ab\u{1}c\u{2}", &["b"]), "a\u{1}b\u{2} c ");
        let long = of(&format!("{} needle {}", "x ".repeat(100), "y ".repeat(100)), &["needle"]);
        assert!(long.starts_with('…') && long.ends_with('…') && long.contains("\u{1}needle\u{2}"), "{long}");
        let cut = of(&format!("a{}", "b".repeat(300)), &[&"b".repeat(200)]);
        assert_eq!(cut.matches('\u{2}').count(), 1);
    }
}
