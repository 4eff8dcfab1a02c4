//! Embedding with a decoder: the states behind its last norm, pooled as its file says, of length 1. It runs between the
//! scheduler's steps, a piece at a time, with a cache of its own that lasts as long as its texts.

use super::scheduler::PREFILL;
use super::worker::Worker;
use super::{EngineStats, Shared, TextModel};
use crate::decoder::{Decoder, KvPool, Logits, Span, Workspace};
use crate::info::Pooling;
use crate::prompt;
use crate::tokenizer::{Special, Tokenizer};
use futures_channel::oneshot;
use futures_core::Stream;
use parasol_core::{
    Embed, EmbedEvent, EmbedInput, EmbedRequest, Error, ErrorKind, EventStream, Result, Timings, Usage,
};
use parasol_kernels::{KV_BLOCK, KvFormat};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

impl Embed for TextModel {
    /// Vectors of length 1. Where the file does not say how states become one, the last token's is taken, which has seen the whole
    /// text.
    fn embed(&self, request: EmbedRequest) -> Result<EventStream<EmbedEvent>> {
        request.check()?;
        let pooling = self.info.pooling.unwrap_or(Pooling::Last);
        let unsupported = match pooling {
            Pooling::Rank => Some("judges pairs of texts and embeds none"),
            Pooling::Other => Some(
                "makes a vector of a text in a way that is not known here: mean, first and last token are",
            ),
            Pooling::Mean | Pooling::First | Pooling::Last => None,
        };
        if let Some(why) = unsupported {
            return Err(Error::new(ErrorKind::Unsupported, format!("{} {why}", self.name())));
        }
        let whole = self.info.hidden;
        let dimensions = request.dimensions.unwrap_or(whole);
        if dimensions > whole {
            let message = format!("dimensions: is {dimensions}, and vectors of {} have {whole}", self.name());
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        let mut ready = VecDeque::new();
        if request.purpose.is_some() {
            let why = "the model's file says nothing of purposes: it embeds every text alike";
            ready.push_back(EmbedEvent::Ignored { field: "purpose".into(), why: why.into() });
        }
        ready.push_back(EmbedEvent::Started { model: self.name().to_owned() });
        Ok(EventStream::new(Embedding {
            texts: tokens(&self.shared, &request, self.context)?,
            dimensions,
            pooling,
            format: self.cache_format,
            decoder: Arc::clone(&self.decoder),
            worker: Arc::clone(&self.worker),
            turns: Arc::clone(&self.turns),
            stats: Arc::clone(&self.stats),
            ready,
            index: 0,
            stage: Stage::Idle,
            asked: Instant::now(),
            first: None,
            tokens: 0,
        }))
    }
}

/// The tokens of each input, which all fit.
fn tokens(shared: &Shared, request: &EmbedRequest, context: usize) -> Result<VecDeque<Vec<u32>>> {
    let read = |(at, input): (usize, &EmbedInput)| match input {
        EmbedInput::Text(text) => text_tokens(&shared.tokenizer, text, request.truncate, context)
            .map_err(|e| e.within(format!("input.{at}"))),
        EmbedInput::Tokens(_) => {
            let message = format!(
                "input.{at}: is a list of token ids, which belong to the model of whoever made them: send the text"
            );
            Err(Error::new(ErrorKind::InvalidRequest, message))
        }
    };
    request.inputs.iter().enumerate().map(read).collect()
}

fn text_tokens(tokenizer: &Tokenizer, text: &str, truncate: bool, context: usize) -> Result<Vec<u32>> {
    if !truncate {
        prompt::fits(tokenizer, text.len(), context)?;
    }
    let mut tokens = tokenizer.encode(text, Special::AsText, true)?;
    if tokens.is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            "the text has no tokens: give at least one character",
        ));
    }
    if tokens.len() <= context {
        return Ok(tokens);
    }
    if !truncate {
        return Err(Error::context_overflow(tokens.len(), context));
    }
    tokens.truncate(context);
    // Models that end their texts were taught to say there what they have read.
    if let (true, Some(eos), Some(last)) = (tokenizer.adds_eos(), tokenizer.special().eos, tokens.last_mut())
    {
        *last = eos;
    }
    Ok(tokens)
}

/// Texts that are being embedded. The work is asked for as its events are read; dropped, it goes no further than the piece that is
/// being computed.
struct Embedding {
    /// What is still to be begun.
    texts: VecDeque<Vec<u32>>,
    dimensions: usize,
    pooling: Pooling,
    /// How keys and values are kept.
    format: KvFormat,
    decoder: Arc<Decoder>,
    worker: Arc<Worker>,
    turns: Arc<Turns>,
    stats: Arc<Mutex<EngineStats>>,
    ready: VecDeque<EmbedEvent>,
    /// The number of the next text.
    index: usize,
    stage: Stage,
    asked: Instant,
    first: Option<Duration>,
    tokens: usize,
}

enum Stage {
    /// Nothing is asked for, and there may be texts left.
    Idle,
    /// For its turn.
    Waiting(oneshot::Receiver<Turn>),
    /// A piece is being computed.
    Computing(oneshot::Receiver<Result<Desk>>),
    Over,
}

impl Embedding {
    /// The next texts that fit into one piece together, or the next one alone.
    fn desk(&mut self, turn: Turn) -> Result<Desk> {
        let (mut texts, mut sum) = (Vec::new(), 0);
        while let Some(text) = self.texts.front() {
            sum += text.len();
            if sum > PREFILL && !texts.is_empty() {
                break;
            }
            texts.extend(self.texts.pop_front());
        }
        Desk::new(&self.decoder, self.format, texts, turn)
    }

    /// Has the next piece of the texts on a desk computed.
    fn compute(&mut self, mut desk: Desk) -> Result<()> {
        let (decoder, pooling) = (Arc::clone(&self.decoder), self.pooling);
        // Where others wait for their next token, pieces are small, as those of prompts are then.
        let others = self.stats.lock().unwrap_or_else(PoisonError::into_inner).running > 0;
        let room = if others { PREFILL / 4 } else { PREFILL };
        let result = self.worker.ask(move || {
            desk.advance(&decoder, pooling, room)?;
            Ok(desk)
        })?;
        self.stage = Stage::Computing(result);
        Ok(())
    }

    /// Tells the vectors of texts that are done.
    fn tell(&mut self, desk: Desk) {
        let asked = self.asked;
        self.first.get_or_insert_with(|| asked.elapsed());
        for lane in desk.lanes {
            self.tokens += lane.tokens.len();
            let vector = unit(&lane.pooled, self.dimensions);
            self.ready.push_back(EmbedEvent::Embedded { index: self.index, vector });
            self.index += 1;
        }
        if self.texts.is_empty() {
            let usage = Usage { prompt_tokens: self.tokens, ..Usage::default() };
            let timings = Timings {
                first_token: self.first.unwrap_or_default(),
                prefill: asked.elapsed(),
                decode: Duration::ZERO,
            };
            self.ready.push_back(EmbedEvent::Finished { usage, timings });
        }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<EmbedEvent>>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            match &mut self.stage {
                Stage::Over => return Poll::Ready(None),
                Stage::Idle if self.texts.is_empty() => self.stage = Stage::Over,
                Stage::Idle => self.stage = Stage::Waiting(Turns::ask(&self.turns)),
                Stage::Waiting(turn) => {
                    let turn = ready!(Pin::new(turn).poll(cx)).map_err(|_| stopped())?;
                    let desk = self.desk(turn)?;
                    self.compute(desk)?;
                }
                Stage::Computing(result) => {
                    let desk = ready!(Pin::new(result).poll(cx)).unwrap_or_else(|_| Err(stopped()))?;
                    match desk.is_done() {
                        true => {
                            self.stage = Stage::Idle;
                            self.tell(desk);
                        }
                        false => self.compute(desk)?,
                    }
                }
            }
        }
    }
}

impl Stream for Embedding {
    type Item = Result<EmbedEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.step(cx);
        if matches!(next, Poll::Ready(Some(Err(_)))) {
            self.stage = Stage::Over;
        }
        next
    }
}

fn stopped() -> Error {
    let message = "the engine failed while it embedded a text; ask again, or load the model again";
    Error::new(ErrorKind::Internal, message)
}

/// The beginning of a vector, of length 1.
fn unit(pooled: &[f64], dimensions: usize) -> Vec<f32> {
    let begin = pooled.get(..dimensions).unwrap_or(pooled);
    let length = begin.iter().map(|x| x * x).sum::<f64>().sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    begin.iter().map(|x| (x * scale) as f32).collect()
}

/// Texts that are computed together, with their keys and values.
struct Desk {
    pool: KvPool,
    work: Workspace,
    states: Vec<f32>,
    lanes: Vec<Lane>,
    /// The next is there when this one has gone, wherever it goes. Behind all else, so that its memory goes first.
    _turn: Turn,
}

/// A text on the desk.
struct Lane {
    tokens: Vec<u32>,
    /// Its blocks in the pool.
    blocks: Vec<u32>,
    /// Tokens that are computed.
    done: usize,
    /// What has come of its states: their sum, or the one that counts.
    pooled: Vec<f64>,
}

impl Desk {
    fn new(decoder: &Decoder, format: KvFormat, texts: Vec<Vec<u32>>, turn: Turn) -> Result<Self> {
        let (mut blocks, mut lanes) = (0u32, Vec::with_capacity(texts.len()));
        for tokens in texts {
            // A context is far below u32::MAX blocks: Blueprint::check.
            let end = blocks.saturating_add(tokens.len().div_ceil(KV_BLOCK) as u32);
            lanes.push(Lane { tokens, blocks: (blocks..end).collect(), done: 0, pooled: Vec::new() });
            blocks = end;
        }
        let pool = decoder.new_pool(blocks as usize, format)?;
        Ok(Self { pool, work: Workspace::default(), states: Vec::new(), lanes, _turn: turn })
    }

    fn is_done(&self) -> bool {
        self.lanes.iter().all(|lane| lane.done == lane.tokens.len())
    }

    /// Computes the next tokens of all texts, at most `room` of them.
    fn advance(&mut self, decoder: &Decoder, pooling: Pooling, mut room: usize) -> Result<()> {
        let shares: Vec<usize> = (self.lanes.iter())
            .map(|lane| {
                let share = room.min(lane.tokens.len() - lane.done);
                room -= share;
                share
            })
            .collect();
        let spans: Vec<Span<'_>> = (self.lanes.iter().zip(&shares).filter(|(_, share)| **share > 0))
            .map(|(lane, share)| Span {
                tokens: &lane.tokens[lane.done..lane.done + share],
                offset: lane.done,
                blocks: &lane.blocks,
                wanted: lane.wanted(*share, pooling),
            })
            .collect();
        decoder.states_batch(&mut self.pool, &mut self.work, &spans, &mut self.states)?;
        let mut rows = self.states.chunks_exact(decoder.blueprint().hidden);
        for (lane, share) in self.lanes.iter_mut().zip(shares).filter(|(_, share)| *share > 0) {
            let count = match lane.wanted(share, pooling) {
                Logits::None => 0,
                Logits::Last => 1,
                Logits::All => share,
            };
            for (number, row) in rows.by_ref().take(count).enumerate() {
                if pooling == Pooling::Mean || number == 0 {
                    lane.add(row);
                }
            }
            lane.done += share;
        }
        Ok(())
    }
}

impl Lane {
    /// The states that are needed of its next tokens.
    fn wanted(&self, share: usize, pooling: Pooling) -> Logits {
        match pooling {
            Pooling::Mean => Logits::All,
            Pooling::First if self.done == 0 => Logits::All,
            Pooling::Last if self.done + share == self.tokens.len() => Logits::Last,
            _ => Logits::None,
        }
    }

    fn add(&mut self, row: &[f32]) {
        self.pooled.resize(row.len(), 0.0);
        for (sum, value) in self.pooled.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
}

/// Requests take turns with their texts, desk by desk in the order of asking, so that there is never more than one desk of a model.
#[derive(Default)]
pub(super) struct Turns(Mutex<Line>);

#[derive(Default)]
struct Line {
    taken: bool,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

impl Turns {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn, as soon as all who asked before have had theirs.
    fn ask(turns: &Arc<Self>) -> oneshot::Receiver<Turn> {
        let (sender, turn) = oneshot::channel();
        let taken = {
            let mut line = turns.line();
            line.waiting.push_back(sender);
            std::mem::replace(&mut line.taken, true)
        };
        if !taken {
            Self::pass(turns);
        }
        turn
    }

    /// Gives the turn to whoever has waited longest and still does; where nobody does it is free.
    fn pass(turns: &Arc<Self>) {
        let next = {
            let mut line = turns.line();
            let next = std::iter::from_fn(|| line.waiting.pop_front()).find(|next| !next.is_canceled());
            line.taken = next.is_some();
            next
        };
        if let Some(next) = next {
            // Whoever goes at this moment drops it, and so passes it on.
            let _ = next.send(Turn(Arc::clone(turns)));
        }
    }
}

/// The turn, until it is dropped.
struct Turn(Arc<Turns>);

impl Drop for Turn {
    fn drop(&mut self) {
        Turns::pass(&self.0);
    }
}
