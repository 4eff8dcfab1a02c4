//! A remote model that embeds: texts out, in as many requests as its provider wants, and their vectors back in order.

use crate::answer::{self, Keep};
use crate::backend::{Backend, Verdict, seconds};
use crate::call::{JSON, ONCE, Rounds, once, post, sent};
use crate::failure::{Failure, refusal};
use crate::model::{Inner, RemoteModel};
use crate::tally::{Reckoned, Tally};
use crate::whole::Whole;
use parasol_core::{Embed, EmbedEvent, EmbedInput, EmbedRequest, EventStream, Money, Result, Timings, Usage};
use parasol_wire::embedding::{self, Vectors};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// Texts of more bytes go into a request of their own: OpenAI takes 300 000 tokens at once, which are at least as many bytes.
const MOST_BYTES: usize = 300_000;
/// No vector is longer than this, written as text …
const LARGEST_VECTOR: usize = 512 << 10;
/// … and no answer has more around its vectors.
const AROUND: usize = 1 << 20;

impl Embed for RemoteModel {
    fn embed(&self, request: EmbedRequest) -> Result<EventStream<EmbedEvent>> {
        self.can("embed")?;
        request.check()?;
        let mut keep = None;
        if let Some(cache) = self.inner.caches.as_ref().map(|caches| &caches.vectors) {
            let digest = cache.digest(self.name(), &request);
            if let Some(events) = cache.get(digest) {
                return Ok(answer::again(events));
            }
            keep = Some(Keep::new(cache, digest));
        }
        let inner = Arc::clone(&self.inner);
        Ok(answer::stream(&self.threads, keep.map(Keep::eye), |events| async move {
            let embedding = Embedding::new(&inner, &request, &events);
            // Without a listener there is nobody to tell.
            if let Err(error) = embedding.run().await {
                drop(events.send(Err(error)).await);
            }
        }))
    }
}

/// Texts that are being embedded.
struct Embedding<'a> {
    inner: &'a Arc<Inner>,
    request: &'a EmbedRequest,
    events: &'a Sender<Result<EmbedEvent>>,
    begun: Instant,
    first: Option<Duration>,
    usage: Usage,
    /// Vectors that were told.
    told: usize,
}

/// `None` when nobody listens any more.
type Heard = Option<()>;

/// Tokens that inputs cannot exceed.
fn most_tokens(inputs: &[EmbedInput]) -> usize {
    inputs.iter().map(EmbedInput::most_tokens).fold(0, usize::saturating_add)
}

/// How many of the first inputs go into one request.
fn batch(inputs: &[EmbedInput], most: usize) -> usize {
    let mut bytes = 0usize;
    let fits = inputs.iter().take(most.max(1)).take_while(|input| {
        bytes = bytes.saturating_add(input.most_tokens());
        bytes <= MOST_BYTES
    });
    fits.count().max(1)
}

impl<'a> Embedding<'a> {
    fn new(inner: &'a Arc<Inner>, request: &'a EmbedRequest, events: &'a Sender<Result<EmbedEvent>>) -> Self {
        let usage = Usage { cost: inner.entry.price.as_ref().map(|_| Money(0)), ..Usage::default() };
        Self { inner, request, events, begun: Instant::now(), first: None, usage, told: 0 }
    }

    async fn run(mut self) -> Result<()> {
        let (inner, mut rest) = (self.inner, self.request.inputs.as_slice());
        let most = inner.entry.price.as_ref().map(|price| price.at_most(most_tokens(rest), 0));
        // Better now than in the middle of it.
        Tally::could_open_for(inner, &self.request.client, most).await?;
        let takes = inner.backends.iter().map(|backend| backend.manner.max_inputs).min().unwrap_or(1);
        let mut place = None;
        while !rest.is_empty() {
            let (inputs, others) = rest.split_at(batch(rest, takes));
            rest = others;
            let mut tally = Tally::open(inner, &self.reckoned(inputs)).await?;
            match &place {
                None => place = Some(inner.rate.enter(&inner.entry.name, tally.likely()).await?),
                Some(_) => inner.rate.turn(&inner.entry.name, tally.likely()).await?,
            }
            if self.part(inputs, &mut tally).await?.is_none() {
                return Ok(());
            }
        }
        let prefill = self.begun.elapsed();
        let timings = Timings { first_token: self.first.unwrap_or(prefill), prefill, ..Timings::default() };
        // Nobody waits for an answer to the last event.
        self.send(EmbedEvent::Finished { usage: self.usage, timings }).await;
        Ok(())
    }

    fn reckoned(&self, inputs: &[EmbedInput]) -> Reckoned<'a> {
        Reckoned {
            client: &self.request.client,
            most_output: Some(0),
            most_prompt: most_tokens(inputs),
            counted: false,
        }
    }

    /// Has some of the texts embedded, and paid for.
    async fn part(&mut self, inputs: &[EmbedInput], tally: &mut Tally) -> Result<Heard> {
        let once = once();
        let mut rounds = Rounds::new(self.inner);
        let (read, ignored) = loop {
            let errand = rounds.next().await?;
            tally.asked(None);
            match attempt(self.inner, &errand.backend, inputs, self.request, &once).await {
                Ok(read) => {
                    errand.end(Verdict::Good, None);
                    break read;
                }
                Err(failure) => {
                    tally.failed();
                    rounds.failed(errand, failure)?;
                }
            }
        };
        let price = self.inner.entry.price.as_ref();
        let prompt_tokens = read.tokens.unwrap_or(tally.likely());
        let mut usage = Usage { prompt_tokens, ..Usage::default() };
        // Who is paid knows best what is charged.
        usage.cost = read.cost.or_else(|| price.map(|price| price.cost(&usage)));
        if read.tokens.is_some() || read.cost.is_some() {
            tally.finished(usage);
        }
        tally.settled().await;
        let all = &mut self.usage;
        all.prompt_tokens = all.prompt_tokens.saturating_add(prompt_tokens);
        all.cost = usage.cost.map(|cost| all.cost.unwrap_or_default().plus(cost));
        Ok(self.tell(read, ignored).await)
    }

    async fn tell(&mut self, read: Vectors, ignored: Vec<(String, String)>) -> Heard {
        if self.told == 0 {
            self.first = Some(self.begun.elapsed());
            for (field, why) in ignored {
                self.send(EmbedEvent::Ignored { field, why }).await?;
            }
            self.send(EmbedEvent::Started { model: self.inner.entry.name.clone() }).await?;
        }
        for vector in read.vectors {
            self.send(EmbedEvent::Embedded { index: self.told, vector }).await?;
            self.told = self.told.saturating_add(1);
        }
        Some(())
    }

    async fn send(&self, event: EmbedEvent) -> Heard {
        self.events.send(Ok(event)).await.ok()
    }
}

/// Vectors, and what had no effect.
type Read = (Vectors, Vec<(String, String)>);

async fn attempt(
    inner: &Inner,
    backend: &Backend,
    inputs: &[EmbedInput],
    request: &EmbedRequest,
    once: &str,
) -> Result<Read, Failure> {
    let (name, protocol) = (inner.entry.name.as_str(), backend.protocol);
    let written = embedding::request(protocol, &backend.model, inputs, request, &backend.manner)
        .map_err(Failure::unwritable)?;
    let post = post(inner, backend, &written.path, JSON, written.body.to_string()).header(ONCE, once);
    let asked = Instant::now();
    let response = sent(inner, backend, post).await?;
    if !response.status().is_success() {
        return Err(refusal(backend, name, response).await);
    }
    let most = LARGEST_VECTOR.saturating_mul(inputs.len()).saturating_add(AROUND);
    let body = Whole { what: "vectors", most, limit: seconds(inner.entry.limits.first_token), asked };
    let body = body.read(backend, name, response).await?;
    let read = embedding::read(protocol, inputs.len(), &body).map_err(|e| Failure {
        error: backend.address.explain(name, e.kind().clone(), e.message()),
        verdict: Verdict::Bad,
        elsewhere: true,
        again: false,
    })?;
    Ok((read, written.ignored))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_hold_as_much_as_providers_take() {
        let of = |length: usize| EmbedInput::Text("x".repeat(length));
        let ten: Vec<_> = (0..10).map(|_| of(100_000)).collect();
        assert_eq!(batch(&ten, 256), 3);
        assert_eq!(batch(&ten, 2), 2);
        assert_eq!(batch(&ten, 0), 1);
        assert_eq!(batch(&[of(MOST_BYTES + 1), of(1)], 9), 1, "what is too long is told by its provider");
        assert_eq!(batch(&[of(1), of(MOST_BYTES)], 9), 1);
        assert_eq!(most_tokens(&[of(3), EmbedInput::Tokens(vec![1, 2])]), 5);
    }
}
