//! The way of one answer from tokens to events.

use crate::tokenizer::{TextStream, TokenKind, Tokenizer};
use parasol_core::{GenerationEvent, Part, Result, TokenLogprob, TokenReport};

/// What an answer can hold besides text.
#[derive(Debug, Clone, Default)]
pub struct AnswerOptions {}

/// What one token made certain.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// Exactly one `Token` with the token's id, which may have an empty text, and whatever else became certain with it.
    pub events: Vec<GenerationEvent>,
    /// The stop string that was met: the answer ends here.
    pub stopped: Option<String>,
    /// The answer is complete by the request's own terms (one call was allowed, and it is there): end it as at a stop.
    pub done: bool,
}

/// What was left when the answer ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ending {
    /// `Token`s without an id, and the last pieces of calls.
    pub events: Vec<GenerationEvent>,
    /// The stop string that was met in what was held back.
    pub stopped: Option<String>,
    /// Complete calls to tools in the whole answer.
    pub calls: usize,
    /// Tokens spent on thinking.
    pub reasoning_tokens: usize,
}

/// Turns the tokens of one answer into events.
#[derive(Debug)]
pub struct AnswerStream {
    text: TextStream,
    stops: Vec<String>,
}

impl AnswerStream {
    /// A stream that ends at any of `stops`.
    ///
    /// # Errors
    /// `InvalidRequest` for an empty stop string.
    pub fn new(stops: &[String], _options: AnswerOptions) -> Result<Self> {
        Ok(Self { text: TextStream::new(stops)?, stops: stops.to_vec() })
    }

    /// Takes the next token; `logprobs` go out with its event.
    ///
    /// # Errors
    /// `InvalidRequest` for an id outside the vocabulary.
    pub fn push(&mut self, tokenizer: &Tokenizer, token: u32, logprobs: Vec<TokenLogprob>) -> Result<Step> {
        let bytes = match tokenizer.kind(token) {
            Some(TokenKind::Control) => Vec::new(),
            _ => tokenizer.token_bytes(token)?.into_owned(),
        };
        let step = self.text.push(&bytes);
        let report = TokenReport { id: Some(token), text: step.text, part: Part::Answer, logprobs };
        let stopped = step.stopped.then(|| self.stops.first().cloned()).flatten();
        Ok(Step { events: vec![GenerationEvent::Token(report)], stopped, done: false })
    }

    /// The answer is over: what was held back.
    ///
    /// # Errors
    /// None so far; parsers may refuse in time.
    pub fn finish(&mut self) -> Result<Ending> {
        let rest = self.text.finish();
        let stopped = rest.stopped.then(|| self.stops.first().cloned()).flatten();
        let report = TokenReport { id: None, text: rest.text, part: Part::Answer, logprobs: Vec::new() };
        let events = if report.text.is_empty() { Vec::new() } else { vec![GenerationEvent::Token(report)] };
        Ok(Ending { events, stopped, calls: 0, reasoning_tokens: 0 })
    }
}
