//! Server-sent events: writing them, and reading them from pieces of any size. What the data means is the protocols'.
//! Format: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use parasol_core::{Error, ErrorKind, Result};
use serde::Serialize;

/// More bytes than this in one event are no event of any protocol spoken here.
const LARGEST_EVENT: usize = 16 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// Its type, where the protocol names types.
    pub event: Option<String>,
    /// Its data; may hold several lines.
    pub data: String,
}

impl SseEvent {
    /// An event without a type.
    pub fn data(data: impl Into<String>) -> Self {
        Self { event: None, data: data.into() }
    }

    /// An event whose data is `value` as JSON. The types of this crate all have text keys, so none fails; `null` would stand for one that did.
    pub fn json(value: &impl Serialize) -> Self {
        Self::data(serde_json::to_string(value).unwrap_or_else(|_| "null".into()))
    }

    /// The same event with a type.
    #[must_use]
    pub fn named(mut self, event: impl Into<String>) -> Self {
        self.event = Some(event.into());
        self
    }

    /// The event as it goes over the wire, the empty line at its end included.
    pub fn encode(&self) -> String {
        let mut out = String::with_capacity(self.data.len() + 16);
        if let Some(event) = &self.event {
            out.push_str("event: ");
            // A line break would end the field.
            out.extend(event.chars().filter(|c| !matches!(c, '\r' | '\n')));
            out.push('\n');
        }
        // JSON never holds a bare line break; other text may, and each of its lines is a field of its own.
        for line in self.data.split('\n') {
            out.push_str("data: ");
            out.push_str(line.strip_suffix('\r').unwrap_or(line));
            out.push('\n');
        }
        out.push('\n');
        out
    }
}

/// Writes an event without a type whose data is `value` as JSON behind what is there: [`SseEvent::json`] without the way through a
/// text of its own.
pub fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    out.extend_from_slice(b"data: ");
    let begun = out.len();
    // A vector takes every byte, and the types of this crate all have text keys: as there, `null` would stand for a failure.
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(begun);
        out.extend_from_slice(b"null");
    }
    out.extend_from_slice(b"\n\n");
}

/// Reads events from a stream of bytes cut anywhere.
#[derive(Debug)]
pub struct SseParser {
    /// The most bytes of an event.
    largest: usize,
    line: Vec<u8>,
    event: Option<String>,
    data: Vec<u8>,
    has_data: bool,
    after_return: bool,
    begun: bool,
}

impl Default for SseParser {
    fn default() -> Self {
        Self::with_limit(LARGEST_EVENT)
    }
}

impl SseParser {
    /// A parser at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for events of so many bytes, such as those that carry pictures.
    pub fn with_limit(largest: usize) -> Self {
        Self {
            largest,
            line: Vec::new(),
            event: None,
            data: Vec::new(),
            has_data: false,
            after_return: false,
            begun: false,
        }
    }

    /// The events that are complete with `bytes`.
    ///
    /// # Errors
    /// `Network` for an event that is no UTF-8 or too large: 16 MiB where nothing else was said. What comes damaged from a peer is
    /// no damaged file of ours.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            // `\r`, `\n` and `\r\n` all end a line.
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                rest = after;
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
            if self.line.len().saturating_add(piece.len()).saturating_add(self.data.len()) > self.largest {
                let message = format!("an event of the stream is larger than {} bytes", self.largest);
                return Err(Error::new(ErrorKind::Network, message));
            }
            let Some((ending, after)) = after.split_first() else {
                self.line.extend_from_slice(piece);
                break;
            };
            // A line that came in one piece, as nearly all do, is read where it lies.
            events.extend(if self.line.is_empty() {
                self.end_line(piece)?
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(piece);
                self.end_line(&line)?
            });
            self.after_return = *ending == b'\r';
            rest = after;
        }
        Ok(events)
    }

    /// The event whose closing empty line the stream's end has swallowed, if there is one.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(&mut self) -> Result<Option<SseEvent>> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.end_line(&line)?;
        }
        self.dispatch()
    }

    fn end_line(&mut self, line: &[u8]) -> Result<Option<SseEvent>> {
        // A byte order mark may stand before the first line.
        let line = match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if !self.begun => rest,
            _ => line,
        };
        self.begun = true;
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = match line.iter().position(|b| *b == b':') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.event = Some(utf8(value.to_vec())?),
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            // Comments (an empty field name), ids and retry times mean nothing to an answer that cannot be taken up again.
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Result<Option<SseEvent>> {
        let event = self.event.take();
        if !std::mem::take(&mut self.has_data) {
            return Ok(None);
        }
        Ok(Some(SseEvent { event, data: utf8(std::mem::take(&mut self.data))? }))
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorKind::Network, "the stream holds an event that is no UTF-8"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str, step: usize) -> Vec<SseEvent> {
        let mut parser = SseParser::new();
        let mut events = Vec::new();
        for piece in text.as_bytes().chunks(step) {
            events.extend(parser.push(piece).unwrap());
        }
        events.extend(parser.finish().unwrap());
        events
    }

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        let events = [
            SseEvent::data("{\"a\":\"é\"}"),
            SseEvent::data("two\nlines").named("message_start"),
            SseEvent::data(""),
            SseEvent::data("[DONE]"),
        ];
        let mut text: String = events.iter().map(SseEvent::encode).collect();
        let mut json = Vec::new();
        write_json(&mut json, &serde_json::json!({ "a": "é\n" }));
        assert_eq!(json, SseEvent::json(&serde_json::json!({ "a": "é\n" })).encode().into_bytes());
        text.push_str("data: lines\r\ndata: of another\r\n\r\n");
        let events: Vec<SseEvent> = events.into_iter().chain([SseEvent::data("lines\nof another")]).collect();
        for step in 1..=text.len() {
            assert_eq!(read(&text, step), events, "in pieces of {step}");
        }
    }

    #[test]
    fn every_line_ending_comments_and_a_missing_end_are_understood() {
        let text = "\u{feff}: hello\r\ndata:one\r\n\r\nevent: x\rid: 7\rdata: two\r\rdata: three";
        for step in [1, 3, 100] {
            let events = read(text, step);
            assert_eq!(
                events,
                [SseEvent::data("one"), SseEvent::data("two").named("x"), SseEvent::data("three")]
            );
        }
    }

    #[test]
    fn a_type_cannot_smuggle_lines() {
        assert_eq!(SseEvent::data("x").named("a\ndata: y").encode(), "event: adata: y\ndata: x\n\n");
    }

    #[test]
    fn an_endless_or_broken_event_is_an_error() {
        let mut parser = SseParser::new();
        let piece = vec![b'x'; 1 << 20];
        let error = (0..20).find_map(|_| parser.push(&piece).err()).unwrap();
        assert_eq!(*error.kind(), ErrorKind::Network);
        let error = SseParser::new().push(b"data: \xff\n\n").unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Network);
    }
}
