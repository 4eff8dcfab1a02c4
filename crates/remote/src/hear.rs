//! A remote model that listens: a whole sound out, its transcript back.

use crate::answer;
use crate::backend::{Backend, Verdict, seconds};
use crate::call::{ONCE, Rounds, once, post, sent};
use crate::failure::{Failure, refusal, slow, transport};
use crate::model::{Inner, RemoteModel};
use crate::tally::Tally;
use parasol_core::{Error, ErrorKind, EventStream, Result, TranscribeRequest, TranscriptEvent, Usage};
use parasol_wire::openai::hearing;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Sender;

/// More bytes than this OpenAI and Groq do not take.
pub const LARGEST_SOUND: usize = 25_000_000;
/// More bytes than this are no transcript of so long a sound.
const LARGEST_ANSWER: usize = 16 << 20;

/// A sound, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// A WAV file.
    pub wav: Vec<u8>,
    /// How long it lasts.
    pub seconds: f64,
}

impl RemoteModel {
    /// Has a sound written down.
    ///
    /// # Errors
    /// `Unsupported` when it does not listen; `InvalidRequest` when the sound is larger than providers take.
    pub fn transcribe(
        &self,
        sound: Recording,
        request: TranscribeRequest,
    ) -> Result<EventStream<TranscriptEvent>> {
        self.can("transcribe")?;
        if sound.wav.len() > LARGEST_SOUND {
            let message = format!(
                "the sound is {:.0} minutes long, {} bytes as it would be sent, and providers take {LARGEST_SOUND}: cut it, or have \
                 it transcribed here",
                sound.seconds / 60.0,
                sound.wav.len()
            );
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        let inner = Arc::clone(&self.inner);
        Ok(answer::stream(&self.threads, None, |events| async move {
            run(&inner, &sound, &request, events).await
        }))
    }
}

async fn run(
    inner: &Arc<Inner>,
    sound: &Recording,
    request: &TranscribeRequest,
    events: Sender<Result<TranscriptEvent>>,
) {
    match transcript(inner, sound, request).await {
        Ok(told) => {
            for event in told {
                if events.send(Ok(event)).await.is_err() {
                    return;
                }
            }
        }
        // Without a listener there is nobody to tell.
        Err(error) => drop(events.send(Err(error)).await),
    }
}

async fn transcript(
    inner: &Arc<Inner>,
    sound: &Recording,
    request: &TranscribeRequest,
) -> Result<Vec<TranscriptEvent>> {
    let price = inner.entry.price.as_ref();
    let cost = price.and_then(|price| price.sound(sound.seconds));
    let mut tally = Tally::open_for(inner, &request.client, cost, cost).await?;
    let _place = inner.rate.enter(&inner.entry.name, 0).await?;
    let once = once();
    let mut rounds = Rounds::new(inner);
    loop {
        let errand = rounds.next().await?;
        tally.asked(cost);
        match attempt(inner, &errand.backend, sound, request, &once).await {
            Ok(mut told) => {
                errand.end(Verdict::Good, None);
                if let Some(TranscriptEvent::Finished { usage, .. }) = told.last_mut() {
                    usage.cost = cost;
                }
                tally.finished(Usage { cost, ..Usage::default() });
                return Ok(told);
            }
            Err(failure) => {
                tally.failed();
                rounds.failed(errand, failure)?;
            }
        }
    }
}

async fn attempt(
    inner: &Inner,
    backend: &Backend,
    sound: &Recording,
    request: &TranscribeRequest,
    once: &str,
) -> Result<Vec<TranscriptEvent>, Failure> {
    let name = inner.entry.name.as_str();
    let begun = Instant::now();
    let form = hearing::form(&backend.model, request, &sound.wav, backend.manner.timestamps, once)
        .map_err(Failure::unwritable)?;
    let post = post(inner, backend, form.path, &form.content_type, form.body).header(ONCE, once);
    let limit = seconds(inner.entry.limits.first_token);
    let asked = Instant::now();
    let mut response = sent(inner, backend, post).await?;
    if !response.status().is_success() {
        return Err(refusal(backend, name, response).await);
    }
    let read = async {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_ANSWER {
                break;
            }
        }
        Ok::<_, reqwest::Error>(body)
    };
    let body = match tokio::time::timeout(limit.saturating_sub(asked.elapsed()), read).await {
        Err(_) => return Err(slow(backend, name, "sent no transcript", limit, true)),
        Ok(Err(e)) => return Err(transport(backend, name, &e, true)),
        Ok(Ok(body)) => body,
    };
    let mut told = hearing::read(name, sound.seconds, &body).map_err(|e| Failure {
        error: backend.address.explain(name, e.kind().clone(), e.message()),
        verdict: Verdict::Bad,
        elsewhere: true,
        again: false,
    })?;
    if let Some(TranscriptEvent::Finished { timings, .. }) = told.last_mut() {
        // What of it was listening, and what writing, nobody tells.
        (timings.first_segment, timings.decode) = (begun.elapsed(), begun.elapsed());
    }
    Ok(told)
}
