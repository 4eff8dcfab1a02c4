//! Sound in messages for models that read only: it is written down by the model that listens, and what is said stands in its place.

use crate::AppState;
use crate::context::RequestContext;
use crate::generate::{Place, allow_model, fault, too_long};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_core::Stream;
use parasol_core::{
    Attachment, ChatRequest, Error, ErrorKind, MediaKind, MediaSource, Message, Result, TranscribeRequest,
    TranscriptEvent,
};
use parasol_runtime::sound;
use std::future::poll_fn;
use std::pin::Pin;

/// Sounds of one request, at most.
const MOST: usize = 16;

impl AppState {
    /// Puts what is said in a request's sounds in their places, where `model` is computed here and so reads only.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no sound, lies elsewhere, or is too many; those of the model that listens.
    pub(crate) async fn hear(
        &self,
        ctx: &RequestContext,
        model: &str,
        request: &mut ChatRequest,
    ) -> Result<()> {
        let sounds = request.messages.iter().flat_map(|m| &m.attachments).filter(|a| is_sound(a)).count();
        let elsewhere = self.models().ready(model).is_some_and(|lease| lease.is_elsewhere());
        if sounds == 0 || elsewhere {
            return Ok(());
        }
        if sounds > MOST {
            let says = format!("the request holds {sounds} sounds: at most {MOST} are listened to");
            return Err(Error::new(ErrorKind::InvalidRequest, says));
        }
        let ears = self.models().runtime().default_ears()?;
        allow_model(ctx, &ears)?;
        let place = Place::take(self).inspect_err(|_| self.metrics().limited())?;
        for message in &mut request.messages {
            // From the last one on, so that the places of those before stay.
            while let Some(at) = message.attachments.iter().rposition(is_sound) {
                let attachment = message.attachments.remove(at);
                let patience = self.options().request_timeout;
                let written = tokio::time::timeout(patience, self.written(ctx, &ears, &attachment, &place));
                let text = written.await.unwrap_or_else(|_| Err(too_long(self)))?;
                insert(
                    message,
                    at,
                    attachment.at,
                    &format!("[Sound, as written down by {ears}: \"{text}\"]"),
                );
            }
        }
        Ok(())
    }

    async fn written(
        &self,
        ctx: &RequestContext,
        ears: &str,
        attachment: &Attachment,
        place: &Place,
    ) -> Result<String> {
        let wrong = |says: String| Error::new(ErrorKind::InvalidRequest, format!("inlineData: {says}"));
        let MediaSource::Base64(data) = &attachment.source else {
            return Err(wrong(
                "sound is listened to where its bytes come with the request: send inlineData".into(),
            ));
        };
        let bytes = STANDARD.decode(data).map_err(|e| wrong(format!("is no base64: {e}")))?;
        let kind = attachment.media_type.clone().unwrap_or_default();
        let request = TranscribeRequest { client: ctx.client().to_owned(), ..TranscribeRequest::default() };
        let (models, ears, held) = (self.models().clone(), ears.to_owned(), place.clone());
        let begun = tokio::task::spawn_blocking(move || {
            // Also when nobody waits any more, the work takes its place.
            let _held = held;
            let sound = match raw_rate(&kind) {
                Some(_) if !bytes.len().is_multiple_of(2) => {
                    return Err(wrong(format!("has {} bytes, and its numbers have two each", bytes.len())));
                }
                Some(rate) => samples(&bytes, rate),
                None => sound::from_bytes(bytes).map_err(|e| wrong(e.message().to_owned()))?,
            };
            let lease = models.ears(&ears)?;
            let events = lease.model().transcribe(sound, request)?;
            Ok((lease, events))
        });
        let (_lease, mut events) = begun.await.unwrap_or_else(|_| Err(fault()))?;
        let mut text = String::new();
        while let Some(event) = poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await {
            match event {
                Ok(TranscriptEvent::Segment(segment)) => text.push_str(&segment.text),
                Ok(_) => {}
                Err(error) if *error.kind() == ErrorKind::Corrupt => {
                    return Err(wrong(error.message().to_owned()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(text.trim().to_owned())
    }
}

fn is_sound(attachment: &Attachment) -> bool {
    attachment.kind == MediaKind::Audio
}

/// The rate of plain 16-bit numbers, as `audio/L16;rate=16000` and `audio/pcm;rate=16000` name it.
fn raw_rate(kind: &str) -> Option<u32> {
    let mut parts = kind.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    if !matches!(name.as_str(), "audio/l16" | "audio/pcm") {
        return None;
    }
    let rate = parts.find_map(|part| part.strip_prefix("rate=")?.parse().ok());
    Some(rate.unwrap_or(24_000))
}

fn samples(bytes: &[u8], rate: u32) -> parasol_core::SoundStream {
    let number = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0;
    parasol_core::SoundStream::from_samples(rate, bytes.chunks_exact(2).map(number).collect())
}

/// Puts a text where attachment `index`, which has been taken out, stood; what comes later moves on.
fn insert(message: &mut Message, index: usize, at: usize, text: &str) {
    let mut at = at.min(message.content.len());
    while !message.content.is_char_boundary(at) {
        at += 1;
    }
    let mut put = String::new();
    if at > 0 && !message.content[..at].ends_with('\n') {
        put.push('\n');
    }
    put.push_str(text);
    if at < message.content.len() && !message.content[at..].starts_with('\n') {
        put.push('\n');
    }
    message.content.insert_str(at, &put);
    for later in message.attachments.iter_mut().skip(index) {
        later.at += put.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parasol_core::Role;

    #[test]
    fn what_is_said_stands_where_the_sound_was() {
        let mut message = Message::new(Role::User, "Listen:and answer.");
        insert(&mut message, 0, 7, "[hi]");
        assert_eq!(message.content, "Listen:\n[hi]\nand answer.");
        insert(&mut message, 0, 999, "[end]");
        insert(&mut message, 0, 0, "[begin]");
        assert_eq!(message.content, "[begin]\nListen:\n[hi]\nand answer.\n[end]");
    }

    #[test]
    fn plain_numbers_name_their_rate() {
        assert_eq!(raw_rate("audio/L16;codec=pcm;rate=16000"), Some(16_000));
        assert_eq!(raw_rate("audio/pcm"), Some(24_000));
        assert_eq!(raw_rate("audio/wav"), None);
    }
}
