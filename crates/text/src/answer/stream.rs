//! The way of one answer from tokens to events, through the stages beside this file.

use super::Piece;
use super::calls::Calls;
use super::syntax::CallSyntax;
use super::thinking::{Thinking, ThinkingMarks, ThinkingStart};
use crate::tokenizer::{TextStream, TokenKind, Tokenizer};
use parasol_core::{
    GenerationEvent, Part, Result, TokenLogprob, TokenReport, ToolCallDelta, ToolCallStart, ToolSpec,
};
use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher, RandomState};

/// What an answer can hold besides text.
#[derive(Debug, Clone, Default)]
pub struct AnswerOptions {
    /// The marks around what the model thinks, and where the answer begins; `None` when it does not think.
    pub thinking: Option<(ThinkingMarks, ThinkingStart)>,
    /// How calls are written, and the tools that may be called; `None` when none were offered.
    pub calls: Option<(CallSyntax, Vec<ToolSpec>)>,
    /// At most this many calls; the answer is done with the last one.
    pub most_calls: Option<usize>,
}

/// What one token made certain.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// Exactly one `Token` with the token's id, which may have an empty text, and whatever else became certain with it.
    pub events: Vec<GenerationEvent>,
    /// The stop string that was met: the answer ends here.
    pub stopped: Option<String>,
    /// The answer is complete by the request's own terms (as many calls as were allowed are there): end it as at a stop.
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
    /// Tokens spent on thinking, its marks included.
    pub reasoning_tokens: usize,
}

/// Turns the tokens of one answer into events. Text that may yet be part of a mark, a call or a stop string is held back.
#[derive(Debug)]
pub struct AnswerStream {
    characters: TextStream,
    thinking: Option<Thinking>,
    calls: Option<Calls>,
    stops: Stops,
    /// Calls that have begun.
    begun: usize,
    reasoning_tokens: usize,
}

/// What comes out of the stages, before the token's own event is made of it.
enum Out {
    Text(Part, String),
    Call(ToolCallDelta),
}

impl AnswerStream {
    /// A stream that ends at any of `stops`.
    ///
    /// # Errors
    /// `InvalidRequest` for an empty stop string.
    pub fn new(stops: &[String], options: AnswerOptions) -> Result<Self> {
        let most = options.most_calls.unwrap_or(usize::MAX);
        Ok(Self {
            characters: TextStream::new::<&str>(&[])?,
            thinking: options.thinking.map(|(marks, start)| Thinking::new(marks, start)),
            calls: options.calls.map(|(syntax, tools)| Calls::new(syntax, tools, most)),
            stops: Stops::new(stops)?,
            begun: 0,
            reasoning_tokens: 0,
        })
    }

    /// Takes the next token; `logprobs` go out with its event.
    ///
    /// # Errors
    /// `InvalidRequest` for an id outside the vocabulary.
    pub fn push(&mut self, tokenizer: &Tokenizer, token: u32, logprobs: Vec<TokenLogprob>) -> Result<Step> {
        let thought = self.thinks();
        let text = self.characters.push(&self.shown_bytes(tokenizer, token)?).text;
        let mut outs = Vec::new();
        self.text(&text, &mut outs);
        let part = if self.thinks() { Part::Reasoning } else { Part::Answer };
        self.reasoning_tokens += usize::from(thought || self.thinks());
        let mut own = Some((token, logprobs));
        let mut events = Vec::with_capacity(outs.len() + 1);
        for out in outs {
            events.push(match out {
                Out::Call(delta) => GenerationEvent::ToolCall(delta),
                Out::Text(part, text) => match own.take() {
                    Some((id, logprobs)) => {
                        GenerationEvent::Token(TokenReport { id: Some(id), text, part, logprobs })
                    }
                    None => unowned(part, text),
                },
            });
        }
        // A token that made no text certain is reported all the same, before what it did to a call.
        if let Some((id, logprobs)) = own {
            let report = TokenReport { id: Some(id), text: String::new(), part, logprobs };
            events.insert(0, GenerationEvent::Token(report));
        }
        let done = self.calls.as_ref().is_some_and(Calls::over);
        Ok(Step { events, stopped: self.stops.met.clone(), done })
    }

    /// The answer is over: what was held back.
    ///
    /// # Errors
    /// None today; the stages may come to refuse what is left.
    pub fn finish(&mut self) -> Result<Ending> {
        let mut outs = Vec::new();
        let rest = self.characters.finish().text;
        self.text(&rest, &mut outs);
        match self.thinking.as_mut().and_then(Thinking::finish) {
            Some((Part::Reasoning, text)) => outs.push(Out::Text(Part::Reasoning, text)),
            Some((Part::Answer | Part::Refusal, text)) => self.answer(&text, &mut outs),
            None => {}
        }
        if let Some(calls) = &mut self.calls {
            let mut pieces = Vec::new();
            calls.finish(&mut pieces);
            self.pieces(pieces, &mut outs);
        }
        let last = self.stops.finish();
        push_text(&mut outs, Part::Answer, last);
        let events = outs.into_iter().map(|out| match out {
            Out::Text(part, text) => unowned(part, text),
            Out::Call(delta) => GenerationEvent::ToolCall(delta),
        });
        Ok(Ending {
            events: events.collect(),
            stopped: self.stops.met.clone(),
            calls: self.calls.as_ref().map_or(0, Calls::complete),
            reasoning_tokens: self.reasoning_tokens,
        })
    }

    /// Whether what comes next is thought, not answered.
    pub fn thinks(&self) -> bool {
        self.thinking.as_ref().is_some_and(Thinking::inside)
    }

    /// The bytes of a token. Control tokens are no text, but for those that are marks of what is looked for.
    fn shown_bytes<'t>(&self, tokenizer: &'t Tokenizer, token: u32) -> Result<Cow<'t, [u8]>> {
        let bytes = tokenizer.token_bytes(token)?;
        let is_mark = |mark: &str| mark.as_bytes() == &*bytes;
        let marks = || {
            let thinking = self.thinking.iter().map(Thinking::marks).flat_map(|m| [m.open, m.close]);
            thinking.chain(self.calls.iter().flat_map(|calls| calls.syntax().marks()))
        };
        match tokenizer.kind(token) {
            Some(TokenKind::Control) if !marks().any(is_mark) => Ok(Cow::Borrowed(&[])),
            _ => Ok(bytes),
        }
    }

    fn text(&mut self, text: &str, outs: &mut Vec<Out>) {
        let Some(thinking) = &mut self.thinking else { return self.answer(text, outs) };
        for (part, text) in thinking.push(text) {
            match part {
                Part::Reasoning => push_text(outs, part, text),
                Part::Answer | Part::Refusal => self.answer(&text, outs),
            }
        }
    }

    fn answer(&mut self, text: &str, outs: &mut Vec<Out>) {
        let mut pieces = Vec::new();
        match &mut self.calls {
            Some(calls) => calls.push(text, &mut pieces),
            None => pieces.push(Piece::Text(text.to_owned())),
        }
        self.pieces(pieces, outs);
    }

    fn pieces(&mut self, pieces: Vec<Piece>, outs: &mut Vec<Out>) {
        for piece in pieces {
            // Nothing follows a stop string.
            if self.stops.met.is_some() {
                return;
            }
            let (start, arguments) = match piece {
                Piece::Text(text) => {
                    let text = self.stops.push(&text);
                    push_text(outs, Part::Answer, text);
                    continue;
                }
                Piece::Start(name) => {
                    let before = self.stops.restart();
                    push_text(outs, Part::Answer, before);
                    self.begun += 1;
                    (Some(ToolCallStart { id: fresh_id(), name }), String::new())
                }
                Piece::Arguments(text) => (None, text),
                Piece::End => continue,
            };
            match outs.last_mut() {
                Some(Out::Call(last)) if start.is_none() && last.index + 1 == self.begun => {
                    last.arguments.push_str(&arguments);
                }
                _ => outs.push(Out::Call(ToolCallDelta { index: self.begun - 1, start, arguments })),
            }
        }
    }
}

/// Stop strings in the answer's text, and which one was met.
#[derive(Debug)]
struct Stops {
    strings: Vec<String>,
    stream: TextStream,
    fresh: TextStream,
    /// Text that went in and has not come out.
    waiting: String,
    met: Option<String>,
}

impl Stops {
    fn new(strings: &[String]) -> Result<Self> {
        let stream = TextStream::new(strings)?;
        let fresh = stream.clone();
        Ok(Self { strings: strings.to_vec(), stream, fresh, waiting: String::new(), met: None })
    }

    fn push(&mut self, text: &str) -> String {
        self.waiting.push_str(text);
        let step = self.stream.push(text.as_bytes());
        // What comes out is always the beginning of what waits.
        self.waiting.drain(..step.text.len().min(self.waiting.len()));
        if step.stopped && self.met.is_none() {
            // Of several that begin here, the shortest was complete first.
            let met = self.strings.iter().filter(|stop| self.waiting.starts_with(stop.as_str()));
            self.met = met.min_by_key(|stop| stop.len()).cloned();
        }
        step.text
    }

    fn finish(&mut self) -> String {
        self.waiting.clear();
        let rest = self.stream.finish();
        if rest.stopped { String::new() } else { rest.text }
    }

    /// What was held back, before a call: a stop string does not reach across it.
    fn restart(&mut self) -> String {
        let rest = self.finish();
        self.stream = self.fresh.clone();
        rest
    }
}

fn push_text(outs: &mut Vec<Out>, part: Part, text: String) {
    if text.is_empty() {
        return;
    }
    match outs.last_mut() {
        Some(Out::Text(last, before)) if *last == part => before.push_str(&text),
        _ => outs.push(Out::Text(part, text)),
    }
}

fn unowned(part: Part, text: String) -> GenerationEvent {
    GenerationEvent::Token(TokenReport { id: None, text, part, logprobs: Vec::new() })
}

/// An id for a call, unlike any other.
fn fresh_id() -> String {
    // The standard library keys its hash maps with the system's entropy.
    let random = || RandomState::new().build_hasher().finish();
    format!("call_{:016x}{:08x}", random(), random() as u32)
}

#[cfg(test)]
mod tests;
