//! What a session does with what it hears: sound becomes turns, turns become items, and items get their words.

use super::hearing::Understood;
use super::session::{Talk, Wrong, only_writes, wrong};
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
                Heard::Began { at_ms } => {
                    let item = self.ids.next("item");
                    self.out.push(events::speech_started(&item, at_ms));
                    if self.session.hearing.turns.is_some_and(|turns| turns.interrupts) {
                        self.wanted = None;
                        self.end_answer(&End::Cancelled { spoken_over: true });
                    }
                    self.hearing.begin(&self.state, &self.ctx, &self.session, item).await?;
                }
                Heard::Ended { at_ms, sound } => {
                    let item = match self.hearing.open_item() {
                        Some(item) => item.to_owned(),
                        None => self.ids.next("item"),
                    };
                    self.out.push(events::speech_stopped(&item, at_ms));
                    self.said(item, &sound).await?;
                    let answered = self.session.hearing.turns.is_some_and(|turns| turns.answered);
                    if answered && self.session.talks() {
                        self.wanted = Some((ResponseCall::of(&self.session), None));
                    }
                }
            }
        }
        Ok(())
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
        let item = match self.hearing.open_item() {
            Some(item) => item.to_owned(),
            None => self.ids.next("item"),
        };
        let sound = self.hearing.take();
        Ok(self.said(item, &sound).await?)
    }

    /// A sound becomes an item, and is written down.
    async fn said(&mut self, id: String, sound: &[i16]) -> Result<()> {
        let bytes: Vec<u8> = sound.iter().flat_map(|x| x.to_le_bytes()).collect();
        let part = Part::Audio { audio: STANDARD.encode(bytes), transcript: None };
        let item = Item::new(&id, Kind::Message(Author::User, vec![part]));
        let previous = self.book.last();
        // Of what is only written down nothing is kept.
        if self.session.talks() {
            self.book.add(None, item.clone())?;
        }
        self.out.push(events::committed(&id, previous.as_deref()));
        self.out.push(events::item("added", &item, previous.as_deref()));
        self.out.push(events::item("done", &item, previous.as_deref()));
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
        self.book.add(previous, item.clone())?;
        let before = self.book.before(&item.id).map(str::to_owned);
        self.out.push(events::item("added", &item, before.as_deref()));
        self.out.push(events::item("done", &item, before.as_deref()));
        match unheard {
            Some((part, sound)) => self.write_down(item.id, part, &sound).await,
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
                // Somebody coughed: there is nothing to answer.
                if text.is_empty() && self.wanted.as_ref().is_some_and(|(call, of)| call.kept && of.is_none())
                {
                    self.wanted = None;
                }
                self.write_down_next(&item);
            }
            Err(error) => {
                // The item stays, and says nothing.
                self.book.heard(&item, part, "");
                self.wanted = None;
                match told {
                    true => self.out.push(events::unheard(&item, part, &error)),
                    false => self.out.push(events::error(&error, None)),
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
