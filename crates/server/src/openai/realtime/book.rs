//! The items of a session's conversation, in order and within bounds.

use parasol_core::{Error, ErrorKind, Result};
use parasol_wire::openai::realtime::{Item, Kind, Part};

/// The most items …
const MOST_ITEMS: usize = 2_048;
/// … and bytes of them, sound included: of the oldest items the sound goes first.
const MOST_BYTES: usize = 32 << 20;

/// Where the sound of an answer has come to: a byte of its text, and samples.
pub(super) type Mark = (usize, u64);

/// A conversation.
#[derive(Default)]
pub(super) struct Book {
    entries: Vec<Entry>,
    bytes: usize,
}

struct Entry {
    item: Item,
    marks: Vec<Mark>,
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

impl Book {
    /// The items in order.
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.entries.iter().map(|entry| &entry.item)
    }

    /// The id of the last item.
    pub(super) fn last(&self) -> Option<String> {
        self.entries.last().map(|entry| entry.item.id.clone())
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.item.id == id)
    }

    fn find(&self, id: &str) -> Result<usize> {
        let shown: String = id.chars().take(80).collect();
        self.place(id).ok_or_else(|| wrong(format!("item_id: {shown:?} is no item of this conversation")))
    }

    /// The item of this id.
    ///
    /// # Errors
    /// `InvalidRequest` when there is none.
    pub(super) fn get(&self, id: &str) -> Result<&Item> {
        self.find(id).map(|place| &self.entries[place].item)
    }

    /// Whether an item has this id.
    pub(super) fn holds(&self, id: &str) -> bool {
        self.place(id).is_some()
    }

    /// The id of the item before the one of this id.
    pub(super) fn before(&self, id: &str) -> Option<&str> {
        let place = self.place(id)?.checked_sub(1)?;
        self.entries.get(place).map(|entry| entry.item.id.as_str())
    }

    /// Adds an item behind `previous`: at the beginning for `root`, at the end for `None`.
    ///
    /// # Errors
    /// `InvalidRequest` for an unknown item before it, an id that is taken, a result without its call, and what is too much.
    pub(super) fn add(&mut self, previous: Option<&str>, item: Item) -> Result<()> {
        let place = match previous {
            None => self.entries.len(),
            Some("root") => 0,
            Some(id) => {
                self.find(id).map_err(|e| wrong(e.message().replacen("item_id", "previous_item_id", 1)))? + 1
            }
        };
        if self.place(&item.id).is_some() {
            return Err(wrong(format!("item.id: {:?} is there already: choose another", item.id)));
        }
        if let Kind::Output { call_id, .. } = &item.kind {
            let calls = |item: &Item| matches!(&item.kind, Kind::Call { call_id: id, .. } if id == call_id);
            if !self.items().any(calls) {
                return Err(wrong(format!("item.call_id: {call_id:?} is no call of this conversation")));
            }
        }
        self.has_place()?;
        self.bytes += item.bytes();
        self.entries.insert(place, Entry { item, marks: Vec::new() });
        self.shed();
        if self.bytes > MOST_BYTES {
            let bytes = self.entries.remove(place).item.bytes();
            self.bytes -= bytes;
            return Err(wrong(format!(
                "the conversation would have more than {MOST_BYTES} bytes, which is the most: delete items or send less"
            )));
        }
        Ok(())
    }

    fn has_place(&self) -> Result<()> {
        if self.entries.len() >= MOST_ITEMS {
            return Err(wrong(format!(
                "the conversation has {MOST_ITEMS} items, which is the most: delete some"
            )));
        }
        Ok(())
    }

    /// Whether an answer may still be given.
    ///
    /// # Errors
    /// `InvalidRequest` when the conversation is full.
    pub(super) fn has_room(&self) -> Result<()> {
        self.has_place()?;
        if self.bytes >= MOST_BYTES {
            return Err(wrong(format!(
                "the conversation has {MOST_BYTES} bytes, which is the most: delete items"
            )));
        }
        Ok(())
    }

    /// The oldest sound goes where there is too much: its words stay.
    fn shed(&mut self) {
        for entry in &mut self.entries {
            if self.bytes <= MOST_BYTES {
                return;
            }
            let Kind::Message(_, parts) = &mut entry.item.kind else { continue };
            for part in parts {
                if let Part::Audio { audio, transcript: Some(_) } = part {
                    self.bytes -= audio.len();
                    *audio = String::new();
                }
            }
        }
    }

    /// Puts an item in the place of the one with its id, or at the end. Answers come so: they are bounded by their model's context,
    /// and begun only where there [is room](Self::has_room).
    pub(super) fn put(&mut self, item: &Item) {
        match self.place(&item.id) {
            Some(place) => {
                let entry = &mut self.entries[place];
                self.bytes = self.bytes.saturating_sub(entry.item.bytes()) + item.bytes();
                entry.item = item.clone();
            }
            None => {
                self.bytes += item.bytes();
                self.entries.push(Entry { item: item.clone(), marks: Vec::new() });
            }
        }
        self.shed();
    }

    /// Where the sound of an answer came to.
    pub(super) fn mark(&mut self, id: &str, marks: Vec<Mark>) {
        if let Some(place) = self.place(id) {
            self.entries[place].marks = marks;
        }
    }

    /// Fills in what is said in an item; nothing happens when it is gone.
    pub(super) fn heard(&mut self, id: &str, part: usize, text: &str) {
        if let Some(place) = self.place(id) {
            let item = &mut self.entries[place].item;
            self.bytes = self.bytes.saturating_sub(item.bytes());
            item.heard(part, text);
            self.bytes += item.bytes();
            self.shed();
        }
    }

    /// Takes an item out.
    ///
    /// # Errors
    /// `InvalidRequest` when there is none.
    pub(super) fn delete(&mut self, id: &str) -> Result<()> {
        let place = self.find(id)?;
        let bytes = self.entries.remove(place).item.bytes();
        self.bytes = self.bytes.saturating_sub(bytes);
        Ok(())
    }

    /// Cuts an answer where whoever listened has stopped to: the text that they have not heard goes.
    ///
    /// # Errors
    /// `InvalidRequest` for what was not spoken, and for more than was.
    pub(super) fn truncate(&mut self, id: &str, part: usize, end_ms: u64, rate: u32) -> Result<()> {
        let place = self.find(id)?;
        let entry = &mut self.entries[place];
        let Some(last) = entry.marks.last().map(|(_, samples)| *samples).filter(|_| part == 0) else {
            return Err(wrong(
                "item_id: this item, or this part of it, was not spoken: there is no sound to cut".into(),
            ));
        };
        let (samples, most) =
            (end_ms.saturating_mul(rate.into()) / 1000, last.saturating_mul(1000) / u64::from(rate));
        if samples > last.saturating_add(u64::from(rate) / 100) {
            return Err(wrong(format!("audio_end_ms: is {end_ms} and the sound has {most} ms")));
        }
        let Kind::Message(_, parts) = &mut entry.item.kind else { return Ok(()) };
        if let Some(Part::Audio { transcript: Some(text), .. }) = parts.first_mut() {
            let length = text.len();
            let kept = kept(&entry.marks, samples, text);
            text.truncate(kept);
            self.bytes = self.bytes.saturating_sub(length - kept);
        }
        entry.marks.retain(|(_, until)| *until <= samples);
        Ok(())
    }
}

/// Bytes of the text that have been said after so many samples: whole sentences, and of the one that was being said whole words.
fn kept(marks: &[Mark], samples: u64, text: &str) -> usize {
    let (mut from, mut begun) = (0, 0);
    for (i, &(until, end)) in marks.iter().enumerate() {
        // Several pieces of sound may belong to one sentence.
        if marks.get(i + 1).is_some_and(|(next, _)| *next == until) {
            continue;
        }
        let until = until.min(text.len());
        if samples < end {
            let share = (samples.saturating_sub(begun)) as f64 / (end.saturating_sub(begun)).max(1) as f64;
            let mut at = from + ((until.saturating_sub(from)) as f64 * share) as usize;
            while at > from && !between_words(text, at) {
                at -= 1;
            }
            return at;
        }
        (from, begun) = (until, end);
    }
    // What is left was heard to the end of the sound.
    if text.is_char_boundary(from) { from } else { 0 }
}

fn between_words(text: &str, at: usize) -> bool {
    let (before, after) = (text.get(..at), text.get(at..));
    before.is_some_and(|t| t.ends_with(char::is_whitespace))
        || after.is_some_and(|t| t.starts_with(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_wire::openai::realtime::Author;

    fn text(id: &str, text: &str) -> Item {
        Item::new(id, Kind::Message(Author::User, vec![Part::Text(text.into())]))
    }

    fn order(book: &Book) -> Vec<&str> {
        book.items().map(|item| item.id.as_str()).collect()
    }

    #[test]
    fn items_have_their_order_and_their_bounds() {
        let mut book = Book::default();
        book.add(None, text("b", "x")).unwrap();
        book.add(Some("root"), text("a", "x")).unwrap();
        book.add(Some("a"), text("ab", "x")).unwrap();
        assert_eq!((order(&book), book.before("b")), (vec!["a", "ab", "b"], Some("ab")));
        assert!(book.add(Some("no"), text("c", "x")).unwrap_err().message().starts_with("previous_item_id"));
        assert!(book.add(None, text("a", "x")).unwrap_err().message().contains("already"));
        let output = Kind::Output { call_id: "c".into(), output: "1".into() };
        assert!(book.add(None, Item::new("o", output)).unwrap_err().message().contains("no call"));
        assert!(book.add(None, text("big", &"x".repeat(MOST_BYTES))).unwrap_err().message().contains("most"));
        assert_eq!(order(&book), ["a", "ab", "b"]);
        book.delete("ab").unwrap();
        assert!(book.delete("ab").is_err() && book.get("ab").is_err());
        assert_eq!(book.bytes, 2);
    }

    #[test]
    fn the_oldest_sound_goes_first_and_its_words_stay() {
        let mut book = Book::default();
        let sound = |id: &str| {
            let audio = "A".repeat(MOST_BYTES / 2);
            Item::new(
                id,
                Kind::Message(Author::User, vec![Part::Audio { audio, transcript: Some("hi".into()) }]),
            )
        };
        ["a", "b", "c"].into_iter().for_each(|id| book.add(None, sound(id)).unwrap());
        let kept: Vec<bool> = book.items().map(|item| item.bytes() > 2).collect();
        assert_eq!(kept, [false, false, true]);
        assert!(book.bytes <= MOST_BYTES);
    }

    #[test]
    fn answers_are_within_the_bounds_too() {
        let mut book = Book::default();
        let sound = Part::Audio { audio: "A".repeat(MOST_BYTES - 10), transcript: Some("hi".into()) };
        book.add(None, Item::new("a", Kind::Message(Author::User, vec![sound]))).unwrap();
        book.has_room().unwrap();
        book.put(&text("answer", &"x".repeat(100)));
        assert_eq!(book.bytes, 102, "the sound goes for an answer as for others");
        book.put(&text("answer", &"x".repeat(MOST_BYTES)));
        assert!(book.has_room().unwrap_err().message().contains("bytes"));
        let mut book = Book::default();
        (0..MOST_ITEMS).for_each(|i| book.add(None, text(&i.to_string(), "x")).unwrap());
        assert!(book.has_room().unwrap_err().message().contains("2048 items"));
    }

    #[test]
    fn what_was_not_heard_of_an_answer_goes() {
        let says = "One two three. Four five six seven.";
        let answer = || {
            let part = Part::Audio { audio: String::new(), transcript: Some(says.into()) };
            let mut book = Book::default();
            book.put(&Item::new("a", Kind::Message(Author::Assistant, vec![part])));
            book.mark("a", vec![(14, 500), (14, 1000), (says.len(), 2000)]);
            book
        };
        for (ms, left) in [
            (0, ""),
            (500, "One two"),
            (1000, "One two three."),
            (1500, "One two three. Four five"),
            (2000, says),
        ] {
            let mut book = answer();
            book.truncate("a", 0, ms, 1000).unwrap();
            let Kind::Message(_, parts) = &book.get("a").unwrap().kind else { panic!() };
            assert_eq!(parts[0].says(), left, "{ms} ms");
        }
        let mut book = answer();
        assert!(book.truncate("a", 0, 5000, 1000).unwrap_err().message().contains("2000 ms"));
        assert!(book.truncate("a", 1, 5, 1000).is_err() && book.truncate("x", 0, 5, 1000).is_err());
        book.add(None, text("b", "x")).unwrap();
        assert!(book.truncate("b", 0, 0, 1000).unwrap_err().message().contains("not spoken"));
    }
}
