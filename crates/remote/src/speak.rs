//! A remote model that speaks: a text out, piece by piece where it is longer than its provider takes at once, and its sound back as
//! it is made.

use crate::alarm::Alarm;
use crate::answer;
use crate::backend::{Backend, Verdict, seconds};
use crate::call::{JSON, ONCE, Rounds, once, post, sent};
use crate::entry::RemoteVoice;
use crate::failure::{Failure, refusal, slow, transport};
use crate::model::{Inner, RemoteModel};
use crate::reading::{Gone, Stop};
use crate::tally::Tally;
use parasol_core::{
    Error, ErrorKind, EventStream, Money, Result, Speak, SpeakRequest, SpeechEvent, SpeechTimings,
    SpeechUsage, Usage, Voice,
};
use parasol_wire::client::Protocol;
use parasol_wire::sound::SoundReader;
use parasol_wire::speaking::{self, pieces};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// Seconds that a character takes as a rule …
const USUAL: f64 = 1.0 / 15.0;
/// … and at most where they are paid for and a budget is kept: a digit is a word. So much is promised, and no more is taken.
const SLOWEST: f64 = 0.5;
/// More sound than this for a text of so many characters is not that text.
const BEYOND: f64 = 3.0;
/// Pauses around it, or around each piece of it.
const AROUND: f64 = 30.0;

impl Speak for RemoteModel {
    fn speak(&self, mut request: SpeakRequest) -> Result<EventStream<SpeechEvent>> {
        self.can("speak")?;
        speaking::check(&request)?;
        let inner = Arc::clone(&self.inner);
        let voice = chosen(&inner.entry.voices, request.voice.take());
        let name = voice.as_ref().map(|voice| voice.name.clone()).unwrap_or_default();
        request.voice = voice.map(|voice| voice.id.unwrap_or(voice.name));
        Ok(answer::stream(&self.threads, None, |events| async move {
            let speech = Speech::new(&inner, &request, &name, &events);
            // Without a listener there is nobody to tell.
            if let Err(error) = speech.run().await {
                drop(events.send(Err(error)).await);
            }
        }))
    }

    /// Those that are listed; a provider may know more.
    fn voices(&self) -> Vec<Voice> {
        let voice = |it: &RemoteVoice| Voice {
            name: it.name.clone(),
            language: it.language.clone(),
            description: it.description.clone(),
        };
        self.inner.entry.voices.iter().map(voice).collect()
    }
}

/// The voice that is meant: one that is listed, by its name or its provider's for it, or whatever the provider may know.
fn chosen(all: &[RemoteVoice], wanted: Option<String>) -> Option<RemoteVoice> {
    let Some(wanted) = wanted else { return all.first().cloned() };
    let is = |voice: &&RemoteVoice| {
        voice.name.eq_ignore_ascii_case(&wanted) || voice.id.as_deref() == Some(wanted.as_str())
    };
    all.iter().find(is).cloned().or(Some(RemoteVoice { name: wanted, ..RemoteVoice::default() }))
}

/// A text that is being spoken.
struct Speech<'a> {
    inner: &'a Arc<Inner>,
    request: &'a SpeakRequest,
    voice: &'a str,
    events: &'a Sender<Result<SpeechEvent>>,
    begun: Instant,
    first: Option<Duration>,
    rate: Option<u32>,
    samples: usize,
}

/// A part of the text, by its place in it.
struct Piece<'t> {
    text: &'t str,
    /// Bytes of the text up to its end …
    end: usize,
    /// … and characters.
    asked: usize,
}

impl<'a> Speech<'a> {
    fn new(
        inner: &'a Arc<Inner>,
        request: &'a SpeakRequest,
        voice: &'a str,
        events: &'a Sender<Result<SpeechEvent>>,
    ) -> Self {
        Self { inner, request, voice, events, begun: Instant::now(), first: None, rate: None, samples: 0 }
    }

    /// What so many characters cost that make so many seconds, where that is known.
    fn cost(&self, characters: usize, seconds: f64) -> Option<Money> {
        self.inner.entry.price.as_ref()?.speech(characters, seconds)
    }

    /// Seconds that a text makes in so many pieces if each of its characters takes `each`.
    fn seconds(&self, characters: usize, pieces: usize, each: f64) -> f64 {
        (AROUND * pieces as f64 + each * characters as f64) / f64::from(self.request.speed)
    }

    /// Seconds that a text usually makes.
    fn usual(&self, characters: usize) -> f64 {
        self.seconds(characters, 0, USUAL)
    }

    /// Says the text, or tells why it could not be said.
    async fn run(mut self) -> Result<()> {
        let (inner, text) = (self.inner, self.request.text.as_str());
        let all = text.chars().count();
        let known = inner.backends.iter().map(|backend| backend.manner.max_characters).min();
        let parts = pieces(text, known.unwrap_or(usize::MAX));
        let most = self.cost(all, self.seconds(all, parts.len(), SLOWEST));
        let likely = self.cost(all, self.usual(all));
        let mut tally = Tally::open_for(inner, &self.request.client, most, likely).await?;
        let _place = inner.rate.enter(&inner.entry.name, 0).await?;
        let mut asked = 0usize;
        for (number, part) in parts.into_iter().enumerate() {
            if number > 0 {
                inner.rate.turn(&inner.entry.name, 0).await?;
            }
            // Pieces lie within the text.
            let end = (part.as_ptr() as usize - text.as_ptr() as usize) + part.len();
            asked = asked.saturating_add(part.chars().count());
            if self.piece(&Piece { text: part, end, asked }, &mut tally).await?.is_none() {
                return Ok(());
            }
        }
        let audio = self.heard();
        let cost = self.cost(all, audio);
        tally.finished(Usage { cost, ..Usage::default() });
        tally.settled().await;
        let usage = SpeechUsage {
            characters: all,
            audio: Duration::try_from_secs_f64(audio).unwrap_or_default(),
            cost,
            ..SpeechUsage::default()
        };
        let total = self.begun.elapsed();
        let timings = SpeechTimings { first_audio: self.first.unwrap_or(total), total };
        // Nobody waits for an answer to the last event.
        let _ = self.events.send(Ok(SpeechEvent::Finished { usage, timings })).await;
        Ok(())
    }

    /// The most seconds of sound that are taken for a piece, and whether that is because no more were promised: sound is paid for
    /// where characters are not.
    fn most(&self, piece: &Piece<'_>, tally: &Tally) -> (f64, bool) {
        let paid = self.inner.entry.price.as_ref().is_some_and(|price| price.characters.is_none());
        let promised = paid && tally.is_promised();
        let each = if promised { SLOWEST } else { BEYOND };
        (self.seconds(piece.text.chars().count(), 1, each), promised)
    }

    /// Seconds of sound that came.
    fn heard(&self) -> f64 {
        self.samples as f64 / f64::from(self.rate.unwrap_or(1))
    }

    /// What is due if it ends with this piece: for what came, or what usually comes.
    fn so_far(&self, piece: &Piece<'_>) -> Option<Money> {
        self.cost(piece.asked, self.usual(piece.asked).max(self.heard()))
    }

    /// Says a piece; `None` when nobody listens any more. Until its first sound another address may say it, or the same one again.
    async fn piece(&mut self, piece: &Piece<'_>, tally: &mut Tally) -> Result<Option<()>> {
        let inner = self.inner;
        let once = once();
        let mut rounds = Rounds::new(inner);
        loop {
            let errand = rounds.next().await?;
            tally.asked(self.so_far(piece));
            match self.attempt(&errand.backend, piece, &once, tally).await {
                Ok(()) => {
                    errand.end(Verdict::Good, None);
                    return Ok(Some(()));
                }
                Err(Stop::Gone) => return Ok(None),
                Err(Stop::Failed(failure)) => {
                    tally.failed();
                    rounds.failed(errand, failure)?;
                }
            }
        }
    }

    async fn attempt(
        &mut self,
        backend: &Backend,
        piece: &Piece<'_>,
        once: &str,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let (inner, name) = (self.inner, self.inner.entry.name.as_str());
        let manner = &backend.manner;
        let written = speaking::request(backend.protocol, &backend.model, piece.text, self.request, manner)
            .map_err(Failure::unwritable)?;
        let post = post(inner, backend, &written.path, JSON, written.body.to_string()).header(ONCE, once);
        let asked = Instant::now();
        let response = sent(inner, backend, post).await?;
        if !response.status().is_success() {
            return Err(refusal(backend, name, response).await.into());
        }
        sounds(backend, name, &response)?;
        self.listen(backend, piece, response, asked, tally).await
    }

    /// Passes the sound on as it comes.
    async fn listen(
        &mut self,
        backend: &Backend,
        piece: &Piece<'_>,
        mut response: Response,
        asked: Instant,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let (limits, name) = (&self.inner.entry.limits, self.inner.entry.name.as_str());
        let mut reader = SoundReader::new(backend.protocol);
        let (first, idle) = (seconds(limits.first_token), seconds(limits.idle));
        let mut alarm = Alarm::new(first);
        let (most, promised) = self.most(piece, tally);
        let mut heard = 0usize;
        loop {
            let fresh = heard == 0;
            let (limit, what) = match fresh {
                true => (first.saturating_sub(asked.elapsed()), "sent no sound"),
                false => (idle, "stopped in the middle of the sound"),
            };
            let broken = |error: &Error| {
                let error = backend.address.explain(name, error.kind().clone(), error.message());
                Failure { error, verdict: Verdict::Bad, elsewhere: fresh, again: fresh }
            };
            let chunk = match alarm.within(limit, response.chunk()).await {
                None => return Err(slow(backend, name, what, limit, fresh).into()),
                Some(Err(e)) => return Err(transport(backend, name, &e, fresh).into()),
                Some(Ok(chunk)) => chunk,
            };
            let Some(bytes) = chunk else {
                reader.finish().map_err(|e| broken(&e))?;
                if fresh {
                    let silent = Error::new(ErrorKind::Network, "it sent a sound without a single sample");
                    return Err(broken(&silent).into());
                }
                return Ok(());
            };
            let samples = reader.push(&bytes).map_err(|e| broken(&e))?;
            let Some(rate) = reader.rate().filter(|_| !samples.is_empty()) else { continue };
            if let Some(before) = self.rate.filter(|before| *before != rate) {
                let message = format!("its sound has {rate} Hz now and had {before} before");
                return Err(broken(&Error::new(ErrorKind::Network, message)).into());
            }
            heard = heard.saturating_add(samples.len());
            if heard as f64 / f64::from(rate) > most {
                let much = |why: &str| {
                    Error::new(ErrorKind::Network, format!("it has sent {most:.0} s of sound, {why}"))
                };
                if !promised {
                    return Err(broken(&much("which is more than the text could be")).into());
                }
                // So much was made, whoever hears it, and nobody is to be paid for the rest.
                tally.piece();
                let earlier = (self.samples + samples.len()).saturating_sub(heard) as f64 / f64::from(rate);
                tally.so_far(self.cost(piece.asked, earlier + most));
                let failure = broken(&much("which is all that the budget has promised to the text"));
                return Err(
                    Failure { verdict: Verdict::Good, elsewhere: false, again: false, ..failure }.into()
                );
            }
            self.samples = self.samples.saturating_add(samples.len());
            self.begin(rate).await?;
            tally.piece();
            tally.so_far(self.so_far(piece));
            self.tell(samples, heard, rate, piece).await?;
        }
    }

    /// Tells that sound begins, once.
    async fn begin(&mut self, rate: u32) -> Result<(), Gone> {
        if self.rate.replace(rate).is_some() {
            return Ok(());
        }
        self.first = Some(self.begun.elapsed());
        let started = SpeechEvent::Started {
            model: self.inner.entry.name.clone(),
            voice: self.voice.to_owned(),
            rate,
            total: self.request.text.len(),
            seed: self.request.seed.unwrap_or(0),
        };
        self.events.send(Ok(started)).await.map_err(|_| Gone)
    }

    async fn tell(
        &mut self,
        mut samples: Vec<f32>,
        heard: usize,
        rate: u32,
        piece: &Piece<'_>,
    ) -> Result<(), Gone> {
        let volume = self.request.volume;
        if volume != 1.0 {
            samples.iter_mut().for_each(|sample| *sample = (*sample * volume).clamp(-1.0, 1.0));
        }
        // How far into the text a sound is nobody tells: as far as one usually would be.
        let far = heard as f64 / f64::from(rate) * f64::from(self.request.speed) / USUAL;
        let length = piece.text.len();
        let done = (piece.end - length).saturating_add((far as usize).min(length));
        self.events.send(Ok(SpeechEvent::Audio { samples, done })).await.map_err(|_| Gone)
    }
}

/// Whether what comes says of itself that it is no sound, or one of a form that was not asked for.
fn sounds(backend: &Backend, name: &str, response: &Response) -> Result<(), Failure> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.trim_start().to_ascii_lowercase();
    let other = [
        "text/",
        "application/json",
        "application/xml",
        "image/",
        "video/",
        "audio/mp",
        "audio/ogg",
        "audio/flac",
    ];
    // What ElevenLabs' reference calls its stream of bytes.
    let named_so = backend.protocol == Protocol::ElevenLabs && kind.starts_with("text/event-stream");
    if named_so || !other.iter().any(|other| kind.starts_with(other)) {
        return Ok(());
    }
    let message = format!(
        "it answered with status {} and {:?} where a sound was due: is the address right?",
        response.status().as_u16(),
        kind.chars().take(100).collect::<String>()
    );
    let error = backend.address.explain(name, ErrorKind::Network, &message);
    Err(Failure { error, verdict: Verdict::Bad, elsewhere: true, again: false })
}
