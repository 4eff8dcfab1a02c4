//! A conversation and the file that keeps it.

use crate::beside::Beside;
use parasol_core::{Error, ErrorKind, Message, Result, Role};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// What has been said, and by which model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conversation {
    /// The model that it was had with.
    #[serde(default)]
    pub(crate) model: String,
    /// The messages; the instructions, if any, come first.
    pub(crate) messages: Vec<Message>,
}

impl Conversation {
    /// The instructions.
    pub(crate) fn system(&self) -> Option<&str> {
        self.messages.first().filter(|m| m.role == Role::System).map(|m| m.content.as_str())
    }

    /// Sets the instructions; empty text removes them.
    pub(crate) fn set_system(&mut self, text: &str) {
        if self.system().is_some() {
            self.messages.remove(0);
        }
        if !text.is_empty() {
            self.messages.insert(0, Message::new(Role::System, text));
        }
    }

    /// Forgets everything but the instructions.
    pub(crate) fn clear(&mut self) {
        self.messages.retain(|m| m.role == Role::System);
    }

    /// Takes back the last answer, so that the message before it can be answered again; `false` when nobody has said
    /// anything yet.
    pub(crate) fn unanswer(&mut self) -> bool {
        let Some(last) = self.messages.iter().rposition(|m| m.role == Role::User) else { return false };
        self.messages.truncate(last + 1);
        true
    }

    /// Writes it to `path` as JSON. The file is complete or not there: it is written beside and then moved into place.
    ///
    /// # Errors
    /// When it cannot be written; the message names the path.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let cannot = |e: std::io::Error| Error::from(e).within(format!("cannot write {}", path.display()));
        let text =
            serde_json::to_string_pretty(self).map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
        let write = || -> std::io::Result<()> {
            let mut beside = Beside::create(path)?;
            let file = beside.file();
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            beside.keep()
        };
        write().map_err(cannot)
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// When it cannot be read, or is no conversation.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = crate::input::read_file(path)?;
        serde_json::from_str(&text).map_err(|e| {
            let message = format!("{} is no saved conversation: {e}", path.display());
            Error::new(ErrorKind::Corrupt, message)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn talk() -> Conversation {
        let messages = vec![Message::new(Role::User, "hi"), Message::new(Role::Assistant, "hello 👋")];
        Conversation { model: "m".into(), messages }
    }

    #[test]
    fn instructions_come_first_and_once() {
        let mut talk = talk();
        talk.set_system("be brief");
        talk.set_system("be kind");
        assert_eq!((talk.system(), talk.messages.len()), (Some("be kind"), 3));
        talk.clear();
        assert_eq!(talk.messages.len(), 1);
        talk.set_system("");
        assert!(talk.messages.is_empty());
    }

    #[test]
    fn an_answer_can_be_taken_back() {
        let mut talk = talk();
        assert!(talk.unanswer());
        assert_eq!(talk.messages.len(), 1);
        assert!(!Conversation::default().unanswer());
    }

    #[test]
    fn saved_and_loaded_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.json");
        talk().save(&path).unwrap();
        assert_eq!(Conversation::load(&path).unwrap(), talk());
        std::fs::write(&path, "{\"messages\": 3}").unwrap();
        assert_eq!(Conversation::load(&path).unwrap_err().kind(), &ErrorKind::Corrupt);
        let nowhere = folder.path().join("none/talk.json");
        assert!(talk().save(&nowhere).unwrap_err().message().contains("talk.json"));
    }
}
