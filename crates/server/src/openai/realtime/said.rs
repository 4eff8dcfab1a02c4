//! What a session does with what it hears: sound becomes turns, turns become items, and items get their words.

use super::hearing::Understood;
use super::session::{Due, Talk, Wrong, only_writes, wrong};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parasol_core::{Error, ErrorKind, Result};
use parasol_runtime::talk::{Heard, Said};
use parasol_wire::openai::realtime::{Author, End, Item, Kind, Part, ResponseCall, events};

/// Less sound than this is no message, in seconds.
const LEAST: f64 = 0.1;

impl Talk {
    pub(super) async fn append(&mut self, audio: &str) -> Result<()> {
        let samples = samples(audio)?;
        let heard = self.hearing.push(&self.state, &self.ctx, &self.session, samples).await?;
        for heard in heard {
            match heard {
                Heard::Began { at_ms } => self.began(at_ms).await?,
                Heard::Ended { at_ms, sound } => self.ended(at_ms, &sound).await?,
            }
        }
        Ok(())
    }

    async fn began(&mut self, at_ms: u64) -> Result<()> {
        let item = self.ids.next("item");
        self.out.push(events::speech_started(&item, at_ms));
        if self.session.hearing.turns.is_some_and(|turns| turns.interrupts) {
            // An answer that is due waits until it is clear whether more was said: it may be a cough.
            self.end_answer(&End::Cancelled { spoken_over: true });
        }
        self.hearing.begin(&self.state, &self.ctx, &self.session, item).await
    }

    async fn ended(&mut self, at_ms: u64, sound: &[i16]) -> Result<()> {
        let item = self.item_of_turn();
        self.out.push(events::speech_stopped(&item, at_ms));
        let answered = self.session.hearing.turns.is_some_and(|turns| turns.answered);
        if answered && self.session.talks() {
            let understood = self.due.take().is_some_and(|due| due.understood);
            self.due = Some(Due { call: ResponseCall::of(&self.session), understood });
        }
        self.said(item, sound).await
    }

    fn item_of_turn(&mut self) -> String {
        match self.hearing.open_item() {
            Some(item) => item.to_owned(),
            None => self.ids.next("item"),
        }
    }

    pub(super) async fn commit(&mut self) -> Result<(), Wrong> {
        let seconds = self.hearing.seconds();
        if seconds < LEAST {
            let says = format!(
                "the buffer holds {:.0} ms of sound and a message has at least {:.0} ms: append more first",
                seconds * 1000.0,
                LEAST * 1000.0
            );
            return Err(wrong("input_audio_buffer_commit_empty", says));
        }
        let item = self.item_of_turn();
        let sound = self.hearing.take();
        Ok(self.said(item, &sound).await?)
    }

    /// A sound becomes an item, and is written down.
    async fn said(&mut self, id: String, sound: &[i16]) -> Result<()> {
        // Of what is only written down nothing is kept.
        let kept = self.session.talks();
        let audio = match kept {
            true => STANDARD.encode(sound.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()),
            false => String::new(),
        };
        let part = Part::Audio { audio, transcript: None };
        let item = Item::new(&id, Kind::Message(Author::User, vec![part]));
        let previous = self.book.last();
        let told = [
            events::committed(&id, previous.as_deref()),
            events::item("added", &item, previous.as_deref()),
            events::item("done", &item, previous.as_deref()),
        ];
        if kept {
            self.book.add(None, item).inspect_err(|_| self.hearing.forget(&id))?;
        }
        self.out.extend(told);
        self.write_down(id, 0, sound).await
    }

    async fn write_down(&mut self, id: String, part: usize, sound: &[i16]) -> Result<()> {
        let to = (id.clone(), part);
        let begun = self.hearing.write_down(&self.state, &self.ctx, &self.session, to, sound).await;
        if let Err(error) = begun {
            self.understood(Understood { item: id, part, said: Err(error) });
        }
        Ok(())
    }

    pub(super) async fn create(&mut self, previous: Option<&str>, mut item: Item) -> Result<()> {
        if !self.session.talks() {
            return Err(only_writes());
        }
        if item.kind == Kind::Reference {
            let says = "item.type: an item_reference stands only in the input of a response";
            return Err(Error::new(ErrorKind::InvalidRequest, says));
        }
        if item.id.is_empty() {
            item.id = self.ids.next("item");
        }
        if let Kind::Call { call_id, .. } = &mut item.kind
            && call_id.is_empty()
        {
            *call_id = self.ids.next("call");
        }
        let unheard = match item.unheard() {
            Some((part, audio)) => Some((part, samples(audio)?)),
            None => None,
        };
        let id = item.id.clone();
        self.book.add(previous, item)?;
        let (item, before) = (self.book.get(&id)?, self.book.before(&id));
        self.out.push(events::item("added", item, before));
        self.out.push(events::item("done", item, before));
        match unheard {
            Some((part, sound)) => self.write_down(id, part, &sound).await,
            None => Ok(()),
        }
    }

    pub(super) fn understood(&mut self, understood: Understood) {
        let Understood { item, part, said } = understood;
        let told = self.session.hearing.told;
        match said {
            Ok(Said::Delta(delta)) if told => {
                self.out.push(events::heard_delta(&item, part, &delta));
            }
            Ok(Said::Delta(_)) => {}
            Ok(Said::Whole { text, seconds, .. }) => {
                self.book.heard(&item, part, &text);
                if told {
                    self.out.push(events::heard(&item, part, &text, seconds));
                }
                // Where somebody has only coughed there is nothing to answer.
                if let Some(due) = self.due.as_mut().filter(|_| !text.is_empty()) {
                    due.understood = true;
                }
                self.write_down_next(&item);
            }
            Err(error) => {
                // The item stays, and says nothing.
                self.book.heard(&item, part, "");
                match told {
                    true => self.out.push(events::unheard(&item, part, &error)),
                    false => self.out.push(events::error(&error, None)),
                }
                // One with an input of its own does not answer what was said.
                if let Some((_, of)) = self.wanted.take_if(|(call, _)| call.input.is_none()) {
                    let says = format!(
                        "no response: what it was to answer was not written down: {}",
                        error.message()
                    );
                    self.out.push(events::error(&Error::new(error.kind().clone(), says), of.as_deref()));
                }
            }
        }
    }

    /// An item may have several sounds.
    fn write_down_next(&mut self, id: &str) {
        let next = self.book.get(id).ok().and_then(Item::unheard).map(|(part, _)| part);
        if let Some(part) = next {
            let says =
                format!("content.{part}: a message has one sound here: send each as an item of its own");
            self.understood(Understood {
                item: id.to_owned(),
                part,
                said: Err(Error::new(ErrorKind::InvalidRequest, says)),
            });
        }
    }
}

/// The numbers of a sound in base64.
fn samples(audio: &str) -> Result<Vec<i16>> {
    let wrong = |says: String| Error::new(ErrorKind::InvalidRequest, format!("audio: {says}"));
    let bytes = STANDARD.decode(audio).map_err(|e| wrong(format!("is no base64: {e}")))?;
    if !bytes.len().is_multiple_of(2) {
        return Err(wrong(format!("has {} bytes, and its numbers have two each", bytes.len())));
    }
    Ok(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::context::RequestContext;
    use crate::dialect::Dialect;
    use crate::{AppState, ServerOptions};
    use parasol_runtime::{Models, ModelsOptions, Runtime};
    use parasol_wire::openai::realtime::{Ids, Session};
    use serde_json::json;

    /// A session over an empty store, which cannot write anything down by itself; and its folder.
    fn talk() -> (Talk, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let runtime = Runtime::new(parasol_hub::Settings::at(home.path())).unwrap();
        let models = Models::new(runtime, ModelsOptions::default()).unwrap();
        let state = AppState::new(models, ServerOptions::at(home.path())).unwrap();
        let ctx = RequestContext::new("r".into(), Dialect::OpenAi, None, None);
        let session = Session::new(Some("nobody".into()), ("no-ears".into(), "no-voice".into()));
        (Talk::new(state, ctx, session, Ids::new("s")), home)
    }

    /// A turn that has ended and is being written down.
    fn turn(talk: &mut Talk, id: &str) {
        let part = Part::Audio { audio: String::new(), transcript: None };
        talk.book.add(None, Item::new(id, Kind::Message(Author::User, vec![part]))).unwrap();
        let understood = talk.due.take().is_some_and(|due| due.understood);
        talk.due = Some(Due { call: ResponseCall::of(&talk.session), understood });
    }

    fn hears(talk: &mut Talk, id: &str, text: &str) {
        let said = Ok(Said::Whole { text: text.into(), seconds: 1.0, language: None });
        talk.understood(Understood { item: id.into(), part: 0, said });
    }

    fn fails(talk: &mut Talk, id: &str) {
        let said = Err(Error::new(ErrorKind::Overloaded, "too much"));
        talk.understood(Understood { item: id.into(), part: 0, said });
    }

    /// How many responses have begun by now.
    fn begun(talk: &mut Talk) -> usize {
        talk.go_on();
        talk.out.iter().filter(|event| event["type"] == "response.created").count()
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn a_turn_that_is_refused_at_once_is_not_answered() {
        let (mut talk, _home) = talk();
        wait(talk.ended(0, &[0; 4800])).unwrap();
        assert!(talk.out.iter().any(|event| event["type"] == "error"), "{:?}", talk.out);
        assert_eq!(begun(&mut talk), 0, "{:?}", talk.out);
    }

    #[test]
    fn a_cough_takes_no_answer_away_and_gets_none() {
        for cough_first in [false, true] {
            let (mut talk, _home) = talk();
            turn(&mut talk, "a");
            turn(&mut talk, "cough");
            let order = if cough_first { ["cough", "a"] } else { ["a", "cough"] };
            for id in order {
                hears(&mut talk, id, if id == "a" { "Hello." } else { "" });
            }
            assert_eq!(begun(&mut talk), 1, "the cough first: {cough_first}");
        }
        let (mut talk, _home) = talk();
        turn(&mut talk, "cough");
        hears(&mut talk, "cough", "");
        assert_eq!(begun(&mut talk), 0);
        // One turn that fails takes the other's answer away no more than a cough.
        turn(&mut talk, "a");
        turn(&mut talk, "b");
        hears(&mut talk, "a", "Hello.");
        fails(&mut talk, "b");
        assert_eq!(begun(&mut talk), 1);
    }

    #[test]
    fn a_response_that_was_asked_for_begins_or_says_why_not() {
        let (mut talk, _home) = talk();
        talk.respond(None, Some("mine")).map_err(|_| ()).unwrap();
        // Whoever begins to speak takes it away no more than a turn that ends.
        let _ = wait(talk.began(0));
        turn(&mut talk, "a");
        hears(&mut talk, "a", "Hello.");
        assert_eq!(begun(&mut talk), 1, "{:?}", talk.out);
        assert!(talk.due.is_none(), "the turn is answered by it");
        talk.end_answer(&End::Cancelled { spoken_over: false });
        talk.out.clear();
        talk.respond(None, Some("mine")).map_err(|_| ()).unwrap();
        fails(&mut talk, "a");
        let told = |talk: &Talk| talk.out.iter().any(|event| event["error"]["event_id"] == "mine");
        assert!(told(&talk), "{:?}", talk.out);
        assert_eq!(begun(&mut talk), 0);
        // What has an input of its own does not answer what was said.
        talk.out.clear();
        let content = json!([{ "type": "input_text", "text": "Hi" }]);
        let beside = json!({ "conversation": "none", "input": [{ "type": "message", "role": "user", "content": content }] });
        talk.respond(Some(beside), Some("mine")).map_err(|_| ()).unwrap();
        turn(&mut talk, "b");
        fails(&mut talk, "b");
        assert_eq!(begun(&mut talk), 1);
        assert!(!told(&talk) && talk.due.is_some(), "{:?}", talk.out);
    }
}
