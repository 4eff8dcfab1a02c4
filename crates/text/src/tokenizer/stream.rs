//! Turning tokens back into text while they are generated: only whole characters leave, and nothing that may turn out to
//! be the beginning of a stop string.

use parasol_core::{Error, ErrorKind, Result};

/// What became certain with a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamedText {
    /// Text to show.
    pub text: String,
    /// A stop string was met: the text ends before it, and nothing follows.
    pub stopped: bool,
}

/// Collects the bytes of generated tokens. One belongs to one generation.
#[derive(Debug, Clone, Default)]
pub struct TextStream {
    /// Bytes of a character that is not complete.
    partial: Vec<u8>,
    /// Text that may be the beginning of a stop string.
    held: String,
    /// Bytes of `held` and of what is being added, up to where stop strings were looked for.
    searched: usize,
    stops: Vec<StopString>,
    stopped: bool,
}

impl TextStream {
    /// A stream that ends at any of `stops`.
    ///
    /// # Errors
    /// `InvalidRequest` for an empty stop string.
    pub fn new<S: AsRef<str>>(stops: &[S]) -> Result<Self> {
        if let Some(place) = stops.iter().position(|stop| stop.as_ref().is_empty()) {
            let message = format!("stop string {} of {} is empty: leave it out", place + 1, stops.len());
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        let stops = stops.iter().map(|stop| StopString::new(stop.as_ref())).collect();
        Ok(Self { stops, ..Self::default() })
    }

    /// Takes the bytes of the next token. After a stop string everything is ignored.
    pub fn push(&mut self, bytes: &[u8]) -> StreamedText {
        self.partial.extend_from_slice(bytes);
        let partial = std::mem::take(&mut self.partial);
        let mut whole = String::with_capacity(partial.len());
        let mut chunks = partial.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            whole.push_str(chunk.valid());
            match chunk.invalid() {
                [] => {}
                // Only the last bytes can still become a character.
                rest if chunks.peek().is_none() && may_become_char(rest) => self.partial = rest.to_vec(),
                _ => whole.push(char::REPLACEMENT_CHARACTER),
            }
        }
        self.release(&whole)
    }

    /// The generation is over: what was held back. An incomplete character becomes U+FFFD.
    pub fn finish(&mut self) -> StreamedText {
        let rest = if self.partial.is_empty() { "" } else { "\u{FFFD}" };
        self.partial.clear();
        let mut last = self.release(rest);
        if !last.stopped {
            last.text.push_str(&std::mem::take(&mut self.held));
        }
        last
    }

    fn release(&mut self, whole: &str) -> StreamedText {
        if self.stopped {
            return StreamedText { text: String::new(), stopped: true };
        }
        for &byte in whole.as_bytes() {
            self.searched += 1;
            // Of several that end here the longest began first.
            if let Some(length) = self.stops.iter_mut().filter_map(|stop| stop.advance(byte)).max() {
                self.stopped = true;
                self.held.push_str(whole);
                self.held.truncate(self.searched.saturating_sub(length));
                return StreamedText { text: std::mem::take(&mut self.held), stopped: true };
            }
        }
        self.held.push_str(whole);
        let kept = self.stops.iter().map(|stop| stop.matched).max().unwrap_or(0);
        // What matches the beginning of a stop string begins where a character begins, as the stop string does.
        let text = self.held.drain(..self.held.len().saturating_sub(kept)).collect();
        self.searched = self.held.len();
        StreamedText { text, stopped: false }
    }
}

/// Whether these invalid bytes are the beginning of a character.
fn may_become_char(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_none())
}

/// A stop string and how much of it the text's end matches (Knuth, Morris and Pratt 1977).
#[derive(Debug, Clone)]
struct StopString {
    bytes: Vec<u8>,
    /// For each length the longest shorter one that is both its beginning and its end.
    fallback: Vec<usize>,
    matched: usize,
}

impl StopString {
    fn new(text: &str) -> Self {
        let bytes = text.as_bytes().to_vec();
        let mut fallback = vec![0; bytes.len()];
        let mut length = 0;
        for at in 1..bytes.len() {
            while length > 0 && bytes[length] != bytes[at] {
                length = fallback[length - 1];
            }
            length += usize::from(bytes[length] == bytes[at]);
            fallback[at] = length;
        }
        Self { bytes, fallback, matched: 0 }
    }

    /// Takes the next byte of the text; its own length when it is complete.
    fn advance(&mut self, byte: u8) -> Option<usize> {
        while self.matched > 0 && self.bytes[self.matched] != byte {
            self.matched = self.fallback[self.matched - 1];
        }
        self.matched += usize::from(self.bytes[self.matched] == byte);
        (self.matched == self.bytes.len()).then_some(self.matched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(stops: &[&str], pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let mut stream = TextStream::new(stops).unwrap_or_default();
        let mut out = Vec::new();
        for piece in pieces {
            let step = stream.push(piece);
            out.push(step.text);
            if step.stopped {
                return (out, true);
            }
        }
        let last = stream.finish();
        out.push(last.text);
        (out, last.stopped)
    }

    #[test]
    fn characters_leave_whole() {
        let smile = "😀".as_bytes();
        let pieces: Vec<&[u8]> = smile.chunks(1).collect();
        assert_eq!(stream(&[], &pieces).0, ["", "", "", "😀", ""]);
        assert_eq!(stream(&[], &[b"a\xf0\x9f", b"b"]).0, ["a", "\u{FFFD}b", ""]);
        assert_eq!(stream(&[], &[b"a\xff", b"b\xe4\xbd"]).0, ["a\u{FFFD}", "b", "\u{FFFD}"]);
    }

    #[test]
    fn stop_strings_are_never_shown() {
        assert_eq!(
            stream(&["END"], &[b"a E", b"N", b"D z"]),
            (vec!["a ".into(), String::new(), String::new()], true)
        );
        assert_eq!(
            stream(&["END"], &[b"EN", b"E", b"ND"]),
            (vec![String::new(), "EN".into(), String::new()], true)
        );
        assert_eq!(stream(&["END"], &[b"a EN"]), (vec!["a ".into(), "EN".into()], false));
        assert_eq!(stream(&["xb", "axb"], &[b"--axb"]), (vec!["--".into()], true));
        assert_eq!(stream(&["aab"], &[b"aa", b"ab"]), (vec![String::new(), "a".into()], true));
        assert_eq!(stream(&["。"], &["好".as_bytes(), b"\xe3\x80", b"\x82"]).0, ["好", "", ""]);
        assert!(TextStream::new(&[""]).is_err());
    }
}
