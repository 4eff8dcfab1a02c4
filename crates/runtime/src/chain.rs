//! A chain of models: each stands in for the one before it when that cannot begin an answer. After the first piece of an
//! answer nothing starts over.

use futures_channel::oneshot;
use futures_core::Stream;
use parasol_core::{
    Chat, ChatRequest, Error, ErrorKind, EventStream, GenerationEvent, Result, Sampling, SamplingChoice,
};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Opens a model by its name: its chat, and the sampling that is recommended for it. May take its time.
pub type OpenChat = Arc<dyn Fn(&str) -> Result<(Arc<dyn Chat>, SamplingChoice)> + Send + Sync>;

/// Models in the order in which they are asked.
#[derive(Clone)]
pub struct ChainModel {
    name: String,
    models: Vec<String>,
    open: OpenChat,
    recommended: SamplingChoice,
}

impl std::fmt::Debug for ChainModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChainModel({}: {})", self.name, self.models.join(" → "))
    }
}

impl ChainModel {
    /// A chain of this name.
    pub fn new(name: impl Into<String>, models: Vec<String>, open: OpenChat) -> Self {
        // Neutral, so that what nobody chose can be told from what somebody did.
        let recommended = SamplingChoice::neutral();
        Self { name: name.into(), models, open, recommended }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sampling that requests are filled up with; where nobody chose another, each model gets its own.
    pub fn recommended(&self) -> &SamplingChoice {
        &self.recommended
    }
}

/// Why a chain does not embed.
pub(crate) fn no_vectors(chain: &ChainModel) -> Error {
    let message = format!(
        "{} is a chain of models, and the vectors of different models cannot be compared: name one of them",
        chain.name()
    );
    Error::new(ErrorKind::Unsupported, message)
}

/// The request with a model's own sampling where nobody chose another.
fn adapted(mut request: ChatRequest, neutral: &SamplingChoice, own: &SamplingChoice) -> ChatRequest {
    let asked = request.sampling.clone();
    let plain = Sampling { seed: asked.seed, logit_bias: asked.logit_bias.clone(), ..neutral.sampling() };
    if asked == plain {
        request.sampling = Sampling { seed: asked.seed, logit_bias: asked.logit_bias, ..own.sampling() };
    }
    request
}

impl Chat for ChainModel {
    fn chat(&self, request: ChatRequest) -> Result<EventStream<GenerationEvent>> {
        let mut falling = Falling {
            chain: self.clone(),
            left: self.models.clone().into(),
            request,
            state: State::Ended,
            held: VecDeque::new(),
            failures: Vec::new(),
        };
        falling.next_model()?;
        Ok(EventStream::new(falling))
    }

    fn count_tokens(&self, request: &ChatRequest) -> Result<usize> {
        let Some(first) = self.models.first() else { return Err(self.empty()) };
        (self.open)(first)?.0.count_tokens(request)
    }
}

impl ChainModel {
    fn empty(&self) -> Error {
        let message = format!("the chain {} names no models: list some in remote.toml", self.name);
        Error::new(ErrorKind::InvalidRequest, message)
    }
}

/// An answer that may still fall to the next model.
struct Falling {
    chain: ChainModel,
    left: VecDeque<String>,
    request: ChatRequest,
    state: State,
    /// What came before the first piece of the answer.
    held: VecDeque<GenerationEvent>,
    failures: Vec<Error>,
}

enum State {
    /// A thread opens a model and asks it.
    Opening(oneshot::Receiver<Result<EventStream<GenerationEvent>>>),
    /// A model answers; nothing has been told yet.
    Waiting(EventStream<GenerationEvent>),
    /// What is told cannot be taken back.
    Answering(EventStream<GenerationEvent>),
    Ended,
}

impl Falling {
    /// Has the next model opened and asked.
    fn next_model(&mut self) -> Result<()> {
        let Some(name) = self.left.pop_front() else {
            self.state = State::Ended;
            return Err(self.failures.pop().unwrap_or_else(|| self.chain.empty()));
        };
        let (sender, receiver) = oneshot::channel();
        let (chain, request) = (self.chain.clone(), self.request.clone());
        let work = move || {
            let asked = (chain.open)(&name).and_then(|(chat, own)| {
                chat.chat(adapted(request, &chain.recommended, &own)).map_err(|e| e.within(&name))
            });
            // Whoever waited may have gone; then the answer is dropped, which cancels it.
            let _ = sender.send(asked);
        };
        std::thread::Builder::new()
            .name("parasol-chain".into())
            .spawn(work)
            .map_err(|e| Error::from(e).within("cannot start a thread for a chain of models"))?;
        self.state = State::Opening(receiver);
        Ok(())
    }

    /// A model failed before its answer began.
    fn fall(&mut self, error: Error) -> Result<()> {
        // What is wrong with the request is wrong with every model.
        if *error.kind() == ErrorKind::InvalidRequest {
            self.state = State::Ended;
            return Err(error);
        }
        tracing::warn!(
            chain = self.chain.name,
            error = error.message(),
            left = self.left.len(),
            "falling back"
        );
        self.held.clear();
        self.failures.push(error);
        self.next_model()
    }
}

impl Stream for Falling {
    type Item = Result<GenerationEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let failed = match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Answering(events) => {
                    return match this.held.pop_front() {
                        Some(event) => Poll::Ready(Some(Ok(event))),
                        None => Pin::new(events).poll_next(cx),
                    };
                }
                State::Opening(receiver) => match Pin::new(receiver).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(Ok(events))) => {
                        this.state = State::Waiting(events);
                        continue;
                    }
                    Poll::Ready(Ok(Err(error))) => error,
                    Poll::Ready(Err(_)) => Error::new(ErrorKind::Internal, "the thread of a chain failed"),
                },
                State::Waiting(events) => match Pin::new(events).poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(event))) => {
                        let begins = matches!(
                            event,
                            GenerationEvent::Token(_)
                                | GenerationEvent::ToolCall(_)
                                | GenerationEvent::Finished { .. }
                        );
                        this.held.push_back(event);
                        if begins
                            && let State::Waiting(events) = std::mem::replace(&mut this.state, State::Ended)
                        {
                            this.state = State::Answering(events);
                        }
                        continue;
                    }
                    Poll::Ready(Some(Err(error))) => error,
                    Poll::Ready(None) => Error::new(ErrorKind::Internal, "a model ended without an answer"),
                },
            };
            if let Err(error) = this.fall(failed) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::{FinishReason, Part, Timings, TokenReport, Usage};
    use std::sync::Mutex;
    use std::task::Waker;

    struct Script(ErrorKind, &'static str);
    struct Items(VecDeque<Result<GenerationEvent>>);

    impl Stream for Items {
        type Item = Result<GenerationEvent>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    impl Chat for Script {
        fn chat(&self, _: ChatRequest) -> Result<EventStream<GenerationEvent>> {
            let started = GenerationEvent::Started { model: self.1.into(), prompt_tokens: 1, seed: 0 };
            let token = GenerationEvent::Token(TokenReport {
                id: None,
                text: self.1.into(),
                part: Part::Answer,
                logprobs: Vec::new(),
            });
            let end = GenerationEvent::Finished {
                reason: FinishReason::Stop,
                stop: None,
                usage: Usage::default(),
                timings: Timings::default(),
            };
            let failure = Err(Error::new(self.0.clone(), format!("{} failed", self.1)));
            let items = match self.1 {
                "good" => vec![Ok(started), Ok(token), Ok(end)],
                "late" => vec![Ok(started), Ok(token), failure],
                "early" => vec![Ok(started), failure],
                _ => return Err(Error::new(self.0.clone(), format!("{} failed", self.1))),
            };
            Ok(EventStream::new(Items(items.into())))
        }

        fn count_tokens(&self, _: &ChatRequest) -> Result<usize> {
            Ok(7)
        }
    }

    fn play(names: &[&'static str], kind: ErrorKind) -> (String, Option<Error>, Vec<String>) {
        let opened = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&opened);
        let open: OpenChat = Arc::new(move |name: &str| {
            seen.lock().unwrap().push(name.to_owned());
            let name = ["good", "late", "early", "never"].into_iter().find(|n| *n == name).unwrap();
            Ok((Arc::new(Script(kind.clone(), name)) as Arc<dyn Chat>, SamplingChoice::default()))
        });
        let chain = ChainModel::new("c", names.iter().map(|&n| n.to_owned()).collect(), open);
        let mut stream = chain.chat(ChatRequest::default()).unwrap();
        let (mut text, mut error) = (String::new(), None);
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut stream).poll_next(&mut cx) {
                Poll::Pending => std::thread::sleep(std::time::Duration::from_millis(1)),
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(GenerationEvent::Token(token)))) => text.push_str(&token.text),
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(e))) => error = Some(e),
            }
        }
        let opened = opened.lock().unwrap().clone();
        (text, error, opened)
    }

    #[test]
    fn the_next_model_stands_in_before_the_answer_begins_and_not_after() {
        let (text, error, opened) = play(&["never", "early", "good", "late"], ErrorKind::Network);
        assert_eq!((text.as_str(), opened.len()), ("good", 3));
        assert!(error.is_none());
        let (text, error, opened) = play(&["late", "good"], ErrorKind::Network);
        assert_eq!((text.as_str(), opened.len()), ("late", 1));
        assert!(error.unwrap().message().contains("late failed"));
        let (_, error, opened) = play(&["never", "early"], ErrorKind::Denied);
        assert_eq!((opened.len(), error.unwrap().kind().clone()), (2, ErrorKind::Denied));
        let (_, error, opened) = play(&["early", "good"], ErrorKind::InvalidRequest);
        assert_eq!((opened.len(), error.unwrap().kind().clone()), (1, ErrorKind::InvalidRequest));
    }

    #[test]
    fn sampling_that_nobody_chose_is_each_models_own() {
        let chain =
            ChainModel::new("c", Vec::new(), Arc::new(|_: &str| Err(Error::new(ErrorKind::NotFound, "x"))));
        let own = SamplingChoice { temperature: Some(0.2), ..SamplingChoice::default() };
        let mut request = ChatRequest { sampling: chain.recommended().sampling(), ..ChatRequest::default() };
        request.sampling.seed = Some(5);
        let got = adapted(request.clone(), chain.recommended(), &own).sampling;
        assert_eq!((got.temperature, got.seed), (0.2, Some(5)));
        request.sampling.temperature = 0.7;
        assert_eq!(adapted(request, chain.recommended(), &own).sampling.temperature, 0.7);
        assert!(chain.chat(ChatRequest::default()).unwrap_err().message().contains("names no models"));
    }
}
