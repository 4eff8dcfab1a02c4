//! A remote model that makes pictures: asked by one request or by several, answered in one piece, by events, or by a job.

use crate::alarm::Alarm;
use crate::answer;
use crate::backend::{Backend, Verdict, seconds};
use crate::call::{ONCE, Rounds, once, post, sent};
use crate::failure::{Failure, refusal, slow, transport};
use crate::fetch;
use crate::job::Following;
use crate::model::{Inner, RemoteModel};
use crate::reading::{Gone, Stop};
use crate::tally::Tally;
use crate::whole::body;
use parasol_core::{
    Error, ErrorKind, EventStream, Imagine, ImagineEvent, ImagineRequest, ImagineTimings, ImagineUsage,
    Imagined, Money, Result, Usage,
};
use parasol_wire::imagining::{
    self, Answer, Drawn, Event, Events, Job, JobState, Made, Outgoing, Part, Received, Source,
};
use reqwest::Response;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// More bytes than this are no answer with ten pictures.
const LARGEST_ANSWER: usize = 256 << 20;

impl Imagine for RemoteModel {
    fn imagine(&self, request: ImagineRequest) -> Result<EventStream<ImagineEvent>> {
        self.can("imagine")?;
        request.check()?;
        let inner = Arc::clone(&self.inner);
        Ok(answer::stream(&self.threads, None, |events| async move {
            // Without a listener there is nobody to tell.
            if let Err(error) = Imagining::new(&inner, &request, &events).run().await {
                drop(events.send(Err(error)).await);
            }
        }))
    }
}

/// Pictures that are being made.
struct Imagining<'a> {
    inner: &'a Arc<Inner>,
    request: &'a ImagineRequest,
    events: &'a Sender<Result<ImagineEvent>>,
    begun: Instant,
    first: Option<Duration>,
    /// Whether it was told that pictures come.
    started: bool,
    /// Fields that were told to be without effect.
    ignored: Vec<String>,
    usage: ImagineUsage,
    /// Whether a part came whose price nobody knows.
    unpriced: bool,
}

/// A part of the pictures that a backend was asked for.
struct Asking<'a> {
    backend: &'a Backend,
    asked: Instant,
    count: usize,
    ignored: Vec<(String, String)>,
    answer: Answer,
}

impl<'a> Imagining<'a> {
    fn new(
        inner: &'a Arc<Inner>,
        request: &'a ImagineRequest,
        events: &'a Sender<Result<ImagineEvent>>,
    ) -> Self {
        let (first, usage) = (None, ImagineUsage::default());
        let (started, ignored, unpriced) = (false, Vec::new(), false);
        Self { inner, request, events, begun: Instant::now(), first, started, ignored, usage, unpriced }
    }

    /// The most that so many pictures cost, where that is known.
    fn most(&self, count: usize) -> Option<Money> {
        self.inner.entry.price.as_ref()?.pictures(self.request, count)
    }

    /// Makes all, or tells why they could not be made.
    async fn run(mut self) -> Result<()> {
        let (inner, count) = (self.inner, self.request.count);
        let most = self.most(count);
        let mut tally = Tally::open_for(inner, &self.request.client, most, most).await?;
        let _place = inner.rate.enter(&inner.entry.name, 0).await?;
        while self.usage.images < count {
            if self.usage.images > 0 {
                inner.rate.turn(&inner.entry.name, 0).await?;
            }
            if self.part(&mut tally).await?.is_none() {
                return Ok(());
            }
        }
        let usage = ImagineUsage { cost: self.usage.cost.filter(|_| !self.unpriced), ..self.usage };
        tally.finished(Usage {
            prompt_tokens: usage.input_tokens(),
            generated_tokens: usage.output_tokens,
            cost: usage.cost,
            ..Usage::default()
        });
        tally.settled().await;
        let total = self.begun.elapsed();
        let timings = ImagineTimings { first_image: self.first.unwrap_or(total), total };
        // Nobody waits for an answer to the last event.
        let _ = self.events.send(Ok(ImagineEvent::Finished { usage, timings })).await;
        Ok(())
    }

    /// Makes the next of them, as many as a backend makes at once; `None` when nobody waits any more.
    async fn part(&mut self, tally: &mut Tally) -> Result<Option<()>> {
        let once = once();
        let mut rounds = Rounds::new(self.inner);
        loop {
            let errand = rounds.next().await?;
            match self.attempt(&errand.backend, &once, tally).await {
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

    async fn attempt(&mut self, backend: &Backend, once: &str, tally: &mut Tally) -> Result<(), Stop> {
        let (inner, name) = (self.inner, self.inner.entry.name.as_str());
        let (index, manner) = (self.usage.images, &backend.manner);
        let count = manner.at_once(self.request, self.request.count.saturating_sub(index));
        let part = Part { request: self.request, index, count };
        let written = imagining::request(backend.protocol, &backend.model, part, manner, once)
            .map_err(Failure::unwritable)?;
        let Outgoing { path, content_type, body, accept, answer, ignored } = written;
        let post = post(inner, backend, &path, &content_type, body).header(ONCE, once).header(ACCEPT, accept);
        tally.asked(self.so_far(self.most(count)));
        let asking = Asking { backend, asked: Instant::now(), count, ignored, answer };
        let mut response = sent(inner, backend, post).await?;
        if response.status().is_redirection() {
            let message = format!(
                "it answered with status {} where a picture was due: is the address right?",
                response.status().as_u16()
            );
            let error = backend.address.explain(name, ErrorKind::Network, &message);
            return Err(Failure { error, verdict: Verdict::Bad, elsewhere: true, again: false }.into());
        }
        if !response.status().is_success() {
            return Err(refusal(backend, name, response).await.into());
        }
        match asking.answer {
            Answer::Events if kind(&response).starts_with("text/event-stream") => {
                self.follow(&asking, response, tally).await
            }
            // Who was asked for events and knows none answers in one piece.
            Answer::Events | Answer::Whole => self.whole(&asking, response, tally).await,
            Answer::Job => {
                let body = self.body(&asking, &mut response).await?;
                self.job(&asking, &body, tally).await
            }
        }
    }

    /// What all cost with so much more.
    fn so_far(&self, more: Option<Money>) -> Option<Money> {
        match self.usage.cost {
            Some(cost) => Some(more.map_or(cost, |more| more.plus(cost))),
            None => more,
        }
    }

    /// The body of an answer, in the time that is left for it.
    async fn body(&self, asking: &Asking<'_>, response: &mut Response) -> Result<Vec<u8>, Failure> {
        let (backend, name) = (asking.backend, self.inner.entry.name.as_str());
        let limit = seconds(self.inner.entry.limits.first_token);
        let left = limit.saturating_sub(asking.asked.elapsed());
        match tokio::time::timeout(left, body(response, LARGEST_ANSWER)).await {
            Err(_) => Err(slow(backend, name, "sent no picture", limit, true)),
            Ok(Err(Some(e))) => Err(transport(backend, name, &e, true)),
            Ok(Err(None)) => {
                let message = format!("its answer is larger than {LARGEST_ANSWER} bytes");
                Err(fetch::late(backend, name, ErrorKind::Network, &message))
            }
            Ok(Ok(body)) => Ok(body),
        }
    }

    /// Reads an answer in one piece.
    async fn whole(
        &mut self,
        asking: &Asking<'_>,
        mut response: Response,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let backend = asking.backend;
        let body = self.body(asking, &mut response).await?;
        let read = {
            let headers = response.headers();
            let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
            let received = Received { kind: &kind(&response), header: &header, body: &body };
            imagining::read(backend.protocol, &received)
        };
        let read = read.map_err(|e| self.unread(backend, &e))?;
        self.drawn(asking, read, tally).await
    }

    /// What is wrong with an answer: the request, if the provider withheld the picture, else who answered.
    fn unread(&self, backend: &Backend, error: &Error) -> Failure {
        let wrong = *error.kind() == ErrorKind::InvalidRequest;
        let verdict = if wrong { Verdict::Good } else { Verdict::Bad };
        let error = backend.address.explain(&self.inner.entry.name, error.kind().clone(), error.message());
        Failure { error, verdict, elsewhere: !wrong && !self.started, again: false }
    }

    /// What is wrong with a stream: until its first event another may be asked, or the same one again where it was only busy.
    fn broken(&self, backend: &Backend, error: &Error, fresh: bool) -> Failure {
        let failure = self.unread(backend, error);
        let busy = matches!(error.kind(), ErrorKind::RateLimited { .. });
        let elsewhere = failure.elsewhere && fresh;
        Failure { elsewhere, again: elsewhere && busy, ..failure }
    }

    /// Tells the pictures of an answer.
    async fn drawn(&mut self, asking: &Asking<'_>, mut drawn: Drawn, tally: &mut Tally) -> Result<(), Stop> {
        let came = drawn.pictures.len();
        if came > asking.count {
            tracing::warn!(
                model = self.inner.entry.name,
                came,
                asked = asking.count,
                "more pictures came than were asked for"
            );
            drawn.pictures.truncate(asking.count);
        }
        let limit = seconds(self.inner.entry.limits.first_token);
        let due = tokio::time::Instant::now() + limit.saturating_sub(asking.asked.elapsed());
        let cost = self.cost(&drawn.usage, drawn.pictures.len());
        // It is made, and due whatever becomes of it.
        tally.piece();
        tally.so_far(self.so_far(cost));
        let alone = asking.count == 1;
        for made in drawn.pictures {
            self.image(asking, made, alone, due).await?;
        }
        self.count(ImagineUsage { cost, ..drawn.usage });
        Ok(())
    }

    /// What pictures cost: as their provider tells, by their tokens, or by the list.
    fn cost(&self, usage: &ImagineUsage, count: usize) -> Option<Money> {
        let price = self.inner.entry.price.as_ref();
        usage.cost.or_else(|| price?.drawn(usage)).or_else(|| self.most(count))
    }

    fn count(&mut self, more: ImagineUsage) {
        self.unpriced |= more.cost.is_none();
        // Pictures are counted as they are told.
        self.usage = self.usage.plus(ImagineUsage { images: 0, ..more });
    }

    /// Tells a picture, fetched first where it lies elsewhere.
    async fn image(
        &mut self,
        asking: &Asking<'_>,
        made: Made,
        alone: bool,
        due: tokio::time::Instant,
    ) -> Result<(), Stop> {
        let picture = match made.source {
            Source::Here(picture) => picture,
            Source::Address(url) => fetch::picture(self.inner, asking.backend, &url, due).await?,
        };
        self.begin(asking).await?;
        let index = self.usage.images;
        let wanted = self.request.seed.filter(|_| alone).map(|seed| seed.wrapping_add(index as u64));
        let seed = made.seed.or(wanted);
        let image = Imagined { index, picture, seed, revised_prompt: made.revised_prompt };
        self.first.get_or_insert(self.begun.elapsed());
        self.usage.images += 1;
        self.send(ImagineEvent::Image(image)).await?;
        Ok(())
    }

    /// Tells that pictures come, once, and what of the request has no effect.
    async fn begin(&mut self, asking: &Asking<'_>) -> Result<(), Gone> {
        for (field, why) in &asking.ignored {
            if !self.ignored.contains(field) {
                self.ignored.push(field.clone());
                tracing::info!(model = self.inner.entry.name, field, why, "without effect");
                self.send(ImagineEvent::Ignored { field: field.clone(), why: why.clone() }).await?;
            }
        }
        if !std::mem::replace(&mut self.started, true) {
            let (model, total) = (self.inner.entry.name.clone(), self.request.count);
            self.send(ImagineEvent::Started { model, total }).await?;
        }
        Ok(())
    }

    async fn send(&self, event: ImagineEvent) -> Result<(), Gone> {
        self.events.send(Ok(event)).await.map_err(|_| Gone)
    }

    /// Follows the events of one picture.
    async fn follow(
        &mut self,
        asking: &Asking<'_>,
        mut response: Response,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let (backend, name) = (asking.backend, self.inner.entry.name.as_str());
        let limits = &self.inner.entry.limits;
        let (first, idle) = (seconds(limits.first_token), seconds(limits.idle));
        let (mut alarm, mut events, mut fresh) = (Alarm::new(first), Events::default(), true);
        loop {
            let (limit, what) = match fresh {
                true => (first.saturating_sub(asking.asked.elapsed()), "sent no part of the picture"),
                // A preview comes when a third of the way is done.
                false => (idle.max(first / 2), "stopped in the middle of the picture"),
            };
            let chunk = match alarm.within(limit, response.chunk()).await {
                None => return Err(slow(backend, name, what, limit, fresh).into()),
                Some(Err(e)) => return Err(transport(backend, name, &e, fresh).into()),
                Some(Ok(chunk)) => chunk,
            };
            let ended = chunk.is_none();
            let read = match &chunk {
                Some(bytes) => events.push(bytes),
                None => events.finish(),
            };
            for event in read.map_err(|e| self.broken(backend, &e, fresh))? {
                fresh = false;
                match event {
                    Event::Preview(number, picture) => {
                        self.begin(asking).await?;
                        tally.piece();
                        let index = self.usage.images;
                        self.send(ImagineEvent::Preview { index, number, picture }).await?;
                    }
                    Event::Done(made, usage) => {
                        return self.drawn(asking, Drawn { pictures: vec![made], usage }, tally).await;
                    }
                }
            }
            // What was complete before it broke has been told.
            if let Some(e) = events.take_error() {
                return Err(self.broken(backend, &e, fresh).into());
            }
            if ended {
                // Its end was said to be one, and it held no picture.
                let error = Error::new(ErrorKind::Network, "the stream ended before the picture was done");
                return Err(self.unread(backend, &error).into());
            }
        }
    }

    /// Follows a job to its picture.
    async fn job(&mut self, asking: &Asking<'_>, body: &[u8], tally: &mut Tally) -> Result<(), Stop> {
        let backend = asking.backend;
        let job = Job::read(body).map_err(|e| self.unread(backend, &e))?;
        let told = job.cost;
        let limit = seconds(self.inner.entry.limits.first_token);
        let due = tokio::time::Instant::now() + limit.saturating_sub(asking.asked.elapsed());
        // It is begun, and is paid for whoever waits for it.
        tally.so_far(self.so_far(told.or_else(|| self.most(1))));
        let inner = Arc::clone(self.inner);
        let mut following = Following::new(&inner, backend, job, due);
        let mut done = 0;
        loop {
            let state = following.next().await.inspect_err(|failure| {
                // Nobody waits for it any more, and it may be done all the same.
                if *failure.error.kind() == ErrorKind::Timeout {
                    tally.piece();
                }
            });
            match state? {
                JobState::Pending(part) => {
                    let now = part.map_or(0, |part| (part * 100.0) as usize);
                    if now > done {
                        done = now;
                        self.begin(asking).await?;
                        let index = self.usage.images;
                        self.send(ImagineEvent::Step { index, done, total: 100 }).await?;
                    }
                }
                JobState::Ready { sample, seed, cost } => {
                    let made = Made { source: Source::Address(sample), seed, revised_prompt: None };
                    let usage = ImagineUsage { cost: cost.or(told), ..ImagineUsage::default() };
                    return self.drawn(asking, Drawn { pictures: vec![made], usage }, tally).await;
                }
            }
        }
    }
}

/// What an answer says that it is.
fn kind(response: &Response) -> String {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}
