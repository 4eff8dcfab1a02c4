//! A model in use. It stays loaded for as long as its lease, a capability from it, or a stream of one of these lives.

use super::loaded::{Ears, Speaking, Text};
use crate::chain::{ChainModel, no_vectors};
use crate::far_ears::FarEars;
use futures_core::Stream;
use parasol_audio::transcription::{TurnSettings, Turns};
use parasol_core::{
    Chat, ChatRequest, Complete, CompleteRequest, Embed, EmbedEvent, EmbedRequest, Error, ErrorKind,
    EventStream, GenerationEvent, Result, SamplingChoice, SoundStream, Speak, SpeakRequest, SpeechEvent,
    Transcribe, TranscribeRequest, TranscriptEvent, Voice,
};
use parasol_remote::RemoteModel;
use parasol_text::engine::EngineStats;
use parasol_text::info::ModelInfo;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A model in use. Clones share it.
#[derive(Clone)]
pub struct Lease(Kind);

#[derive(Clone)]
enum Kind {
    Local(Arc<Text>),
    Remote(Arc<RemoteModel>),
    Chain(Arc<ChainModel>),
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lease({})", self.name())
    }
}

impl Lease {
    pub(super) fn local(text: Text) -> Self {
        Self(Kind::Local(Arc::new(text)))
    }

    pub(super) fn remote(model: Arc<RemoteModel>) -> Self {
        Self(Kind::Remote(model))
    }

    pub(super) fn chain(chain: ChainModel) -> Self {
        Self(Kind::Chain(Arc::new(chain)))
    }

    /// The name that finds the model again.
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::Local(text) => text.held().key(),
            Kind::Remote(model) => model.name(),
            Kind::Chain(chain) => chain.name(),
        }
    }

    /// Whether others compute it, so that asking it takes this machine no time.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.0, Kind::Remote(_))
    }

    /// Tokens that its context holds; `None` where a remote model does not tell.
    pub fn context(&self) -> Option<usize> {
        match &self.0 {
            Kind::Local(text) => Some(text.model().context()),
            Kind::Remote(model) => model.context(),
            Kind::Chain(_) => None,
        }
    }

    /// The sampling that is recommended for it. What a request asks for goes first.
    pub fn recommended(&self) -> &SamplingChoice {
        match &self.0 {
            Kind::Local(text) => text.model().recommended(),
            Kind::Remote(model) => model.recommended(),
            Kind::Chain(chain) => chain.recommended(),
        }
    }

    /// What a local model's file says about itself.
    pub fn info(&self) -> Option<&ModelInfo> {
        match &self.0 {
            Kind::Local(text) => Some(text.model().info()),
            Kind::Remote(_) | Kind::Chain(_) => None,
        }
    }

    /// Its chat.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub fn chat(&self) -> Result<Arc<dyn Chat>> {
        let inner = match &self.0 {
            Kind::Local(text) => text.model().chat(),
            Kind::Remote(model) => model.chat()?,
            Kind::Chain(chain) => Arc::clone(chain) as _,
        };
        Ok(Arc::new(Kept { inner, lease: self.clone() }))
    }

    /// Its completion.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub fn complete(&self) -> Result<Arc<dyn Complete>> {
        let inner = match &self.0 {
            Kind::Local(text) => text.model().complete(),
            Kind::Remote(model) => model.complete()?,
            Kind::Chain(chain) => {
                let message = format!("{} is a chain of models, which chats only", chain.name());
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        Ok(Arc::new(Kept { inner, lease: self.clone() }))
    }

    /// Its embedding.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub fn embed(&self) -> Result<Arc<dyn Embed>> {
        let inner = match &self.0 {
            Kind::Local(text) => text.model().embed(),
            Kind::Remote(model) => model.embedder()?,
            Kind::Chain(chain) => return Err(no_vectors(chain)),
        };
        Ok(Arc::new(Kept { inner, lease: self.clone() }))
    }

    /// What its engine counts; `None` for a remote model.
    pub fn stats(&self) -> Option<EngineStats> {
        match &self.0 {
            Kind::Local(text) => Some(text.model().stats()),
            Kind::Remote(_) | Kind::Chain(_) => None,
        }
    }

    /// For how long the model stays loaded once nobody uses it; zero unloads it then, `None` keeps it until its room is
    /// needed. Means nothing to a remote model.
    pub fn keep_alive(&self, idle: Option<Duration>) {
        if let Kind::Local(text) = &self.0 {
            text.held().keep_alive(idle);
        }
    }
}

/// A speech model in use; a loaded one stays loaded for as long as this lives.
pub struct EarsLease(Listening);

enum Listening {
    Local(Ears),
    Far(FarEars),
}

impl std::fmt::Debug for EarsLease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Listening::Local(ears) => write!(f, "EarsLease({})", ears.held().key()),
            Listening::Far(ears) => write!(f, "EarsLease({})", ears.name()),
        }
    }
}

impl EarsLease {
    pub(super) fn local(ears: Ears) -> Self {
        Self(Listening::Local(ears))
    }

    pub(super) fn far(ears: FarEars) -> Self {
        Self(Listening::Far(ears))
    }

    /// What listens.
    pub fn model(&self) -> &dyn Transcribe {
        match &self.0 {
            Listening::Local(ears) => &**ears.model(),
            Listening::Far(ears) => ears,
        }
    }
}

impl EarsLease {
    /// Whether others compute it, for whom every attempt costs.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.0, Listening::Far(_))
    }

    /// Finds turns of speech in a sound as it comes; `None` where the model computes elsewhere or has no detector beside it.
    pub fn turns(&self, settings: TurnSettings) -> Option<Turns> {
        match &self.0 {
            Listening::Local(ears) => ears.model().turns(settings),
            Listening::Far(_) => None,
        }
    }
}

impl Transcribe for EarsLease {
    fn transcribe(
        &self,
        sound: SoundStream,
        request: TranscribeRequest,
    ) -> Result<EventStream<TranscriptEvent>> {
        self.model().transcribe(sound, request)
    }
}

/// A capability, or a stream of its events, with the lease that it needs. The lease goes last.
struct Kept<T> {
    inner: T,
    lease: Lease,
}

impl Chat for Kept<Arc<dyn Chat>> {
    fn chat(&self, request: ChatRequest) -> Result<EventStream<GenerationEvent>> {
        let ignored = match &self.lease.0 {
            Kind::Local(_) => unheard(&request),
            Kind::Remote(_) | Kind::Chain(_) => VecDeque::new(),
        };
        let events = kept(self.inner.chat(request)?, &self.lease);
        Ok(if ignored.is_empty() { events } else { EventStream::new(After { ignored, events }) })
    }

    fn count_tokens(&self, request: &ChatRequest) -> Result<usize> {
        self.inner.count_tokens(request)
    }
}

impl Complete for Kept<Arc<dyn Complete>> {
    fn complete(&self, request: CompleteRequest) -> Result<EventStream<GenerationEvent>> {
        Ok(kept(self.inner.complete(request)?, &self.lease))
    }

    fn count_tokens(&self, request: &CompleteRequest) -> Result<usize> {
        self.inner.count_tokens(request)
    }
}

impl Embed for Kept<Arc<dyn Embed>> {
    fn embed(&self, request: EmbedRequest) -> Result<EventStream<EmbedEvent>> {
        Ok(kept(self.inner.embed(request)?, &self.lease))
    }
}

/// What a request asks for that only providers can do.
fn unheard(request: &ChatRequest) -> VecDeque<GenerationEvent> {
    let asked =
        [("effort", request.effort.is_some()), ("thinking_tokens", request.thinking_tokens.is_some())];
    let why = "how much a model on this machine thinks is its own affair";
    let event = |field: &str| GenerationEvent::Ignored { field: field.to_owned(), why: why.to_owned() };
    asked.iter().filter(|(_, asked)| *asked).map(|(field, _)| event(field)).collect()
}

/// An answer after what is to be told before it.
struct After {
    ignored: VecDeque<GenerationEvent>,
    events: EventStream<GenerationEvent>,
}

impl Stream for After {
    type Item = Result<GenerationEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.ignored.pop_front() {
            Some(event) => Poll::Ready(Some(Ok(event))),
            None => Pin::new(&mut self.events).poll_next(cx),
        }
    }
}

fn kept<E: Send + 'static>(inner: EventStream<E>, lease: &Lease) -> EventStream<E> {
    EventStream::new(Kept { inner, lease: lease.clone() })
}

impl<E> Stream for Kept<EventStream<E>> {
    type Item = Result<E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.inner).poll_next(cx)
    }
}

/// A voice in use; a loaded one stays loaded for as long as this lives.
pub struct VoiceLease(Voiced);

enum Voiced {
    Local(Speaking),
    Far(Arc<RemoteModel>),
}

impl std::fmt::Debug for VoiceLease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Voiced::Local(voice) => write!(f, "VoiceLease({})", voice.held().key()),
            Voiced::Far(model) => write!(f, "VoiceLease({})", model.name()),
        }
    }
}

impl VoiceLease {
    pub(super) fn local(voice: Speaking) -> Self {
        Self(Voiced::Local(voice))
    }

    pub(super) fn far(model: Arc<RemoteModel>) -> Self {
        Self(Voiced::Far(model))
    }

    /// What speaks.
    pub fn speaker(&self) -> &dyn Speak {
        match &self.0 {
            Voiced::Local(voice) => voice.model(),
            Voiced::Far(model) => &**model,
        }
    }
}

impl Speak for VoiceLease {
    fn speak(&self, request: SpeakRequest) -> Result<EventStream<SpeechEvent>> {
        self.speaker().speak(request)
    }

    fn voices(&self) -> Vec<Voice> {
        self.speaker().voices()
    }

    fn voice(&self, name: &str) -> Option<Voice> {
        self.speaker().voice(name)
    }

    fn imitates(&self) -> bool {
        self.speaker().imitates()
    }
}
