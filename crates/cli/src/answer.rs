//! Following one generation: its events to text, to JSON or to a timing line, with Ctrl-C honoured.

use crate::exit::Outcome;
use crate::interrupt::{Listener, Next};
use crate::output;
use crate::terminal::{self, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parasol_core::{
    Citation, Error, ErrorKind, EventStream, FinishReason, GenerationEvent, Part, Signature, Timings,
    TokenReport, Usage,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A prompt of fewer tokens is read before anybody wonders what is happening.
const PROMPT_WORTH_SHOWING: usize = 256;

/// What a generation came to.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The model that answered.
    pub(crate) model: String,
    /// The text, whole.
    pub(crate) text: String,
    /// What the model thought before it answered.
    pub(crate) reasoning: String,
    /// The seed in use.
    pub(crate) seed: u64,
    /// Why it ended; `None` when Ctrl-C ended it.
    pub(crate) reason: Option<FinishReason>,
    /// Token counts; of an interrupted answer, as far as they are known.
    pub(crate) usage: Usage,
    /// Where the time went.
    pub(crate) timings: Timings,
    /// A provider's seals on it, which go back with it.
    pub(crate) signatures: Vec<Signature>,
    /// Sources that it rests on.
    citations: Vec<Citation>,
    /// Tokens with their log-probabilities, when asked for.
    tokens: Vec<TokenReport>,
}

/// What happens to the events on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// The text goes to stdout as it is made.
    Text,
    /// Each event goes to stdout as a line of JSON.
    Events,
    /// Nothing is printed.
    Nothing,
}

/// Follows `stream` to its end, or to Ctrl-C, which drops it and so stops the work.
///
/// # Errors
/// What the stream fails with, and a closed pipe.
pub(crate) fn follow(
    mut stream: EventStream<GenerationEvent>,
    listener: &Listener,
    show: Show,
) -> Outcome<Answer> {
    let begun = Instant::now();
    let mut answer = Answer::default();
    let mut reading = Reading::new();
    loop {
        let event = match listener.next(&mut stream) {
            Next::Event(event) => event.inspect_err(|_| reading.clear())?,
            Next::Interrupted => {
                reading.clear();
                listener.take();
                answer.estimate(begun.elapsed());
                return Ok(answer);
            }
            Next::End => {
                reading.clear();
                return match answer.reason {
                    Some(_) => Ok(answer),
                    None => {
                        Err(Error::new(ErrorKind::Internal, "the answer broke off without saying why").into())
                    }
                };
            }
        };
        match &event {
            GenerationEvent::Prefill { done, total } => reading.at(*done, *total),
            GenerationEvent::Started { .. } => {}
            _ => reading.clear(),
        }
        match show {
            Show::Text => {
                if let GenerationEvent::Token(token) = &event
                    && !token.text.is_empty()
                {
                    answer.print(token)?;
                }
            }
            Show::Events => output::line(&serde_json::to_string(&event)?)?,
            Show::Nothing => {}
        }
        answer.take(event, begun);
    }
}

impl Answer {
    /// Prints a token's text; what the model thinks is for a person at a terminal only, and stands back there.
    fn print(&self, token: &TokenReport) -> Outcome {
        match token.part {
            Part::Reasoning if !terminal::stdout() => Ok(()),
            Part::Reasoning => output::write(&Style::stdout().dim(&terminal::harmless(&token.text))),
            Part::Answer | Part::Refusal => {
                if terminal::stdout() && self.text.is_empty() && !self.reasoning.is_empty() {
                    output::write("\n\n")?;
                }
                output::write_foreign(&token.text)
            }
        }
    }

    fn take(&mut self, event: GenerationEvent, begun: Instant) {
        match event {
            GenerationEvent::Started { model, prompt_tokens, seed } => {
                self.model = model;
                self.seed = seed;
                self.usage.prompt_tokens = prompt_tokens;
            }
            GenerationEvent::Prefill { .. } | GenerationEvent::ToolCall(_) => {}
            GenerationEvent::Signature(signature) => self.signatures.push(signature),
            GenerationEvent::Citation(citation) => self.citations.push(citation),
            GenerationEvent::Ignored { field, why } => {
                let text = terminal::harmless(&format!("{field} had no effect: {why}")).into_owned();
                output::note(&Style::stderr().dim(&text));
            }
            GenerationEvent::Token(token) => {
                if self.usage.generated_tokens == 0 {
                    self.timings.first_token = begun.elapsed();
                }
                self.usage.generated_tokens += usize::from(token.id.is_some());
                match token.part {
                    Part::Answer | Part::Refusal => self.text.push_str(&token.text),
                    Part::Reasoning => self.reasoning.push_str(&token.text),
                }
                if !token.logprobs.is_empty() {
                    self.tokens.push(token);
                }
            }
            GenerationEvent::Finished { reason, usage, timings, .. } => {
                self.reason = Some(reason);
                self.usage = usage;
                self.timings = timings;
            }
        }
    }

    /// An interrupted stream reports no timings of its own: these are what was seen from here.
    fn estimate(&mut self, elapsed: Duration) {
        if self.usage.generated_tokens == 0 {
            self.timings.first_token = elapsed;
        }
        self.timings.prefill = self.timings.first_token;
        self.timings.decode = elapsed.saturating_sub(self.timings.first_token);
    }

    /// Whether Ctrl-C ended it.
    pub(crate) fn interrupted(&self) -> bool {
        self.reason.is_none()
    }

    /// Tells that the context and not `max_tokens` or the model ended the answer, so that nothing is cut silently.
    pub(crate) fn tell_if_context_is_full(
        &self,
        context: Option<usize>,
        max_tokens: Option<usize>,
        way_out: &str,
    ) {
        let Some(context) = context else { return };
        if self.filled_context(max_tokens) {
            let context = output::grouped(context as u64);
            let text = format!("stopped: the context of {context} tokens is full; {way_out}");
            output::note(&Style::stderr().dim(&text));
        }
    }

    fn filled_context(&self, max_tokens: Option<usize>) -> bool {
        let asked = max_tokens.is_some_and(|most| self.usage.generated_tokens >= most);
        self.reason == Some(FinishReason::Length) && !asked
    }

    /// Prompt tokens computed per second; those from the cache do not count.
    pub(crate) fn prompt_speed(&self) -> f64 {
        rate(self.usage.prompt_tokens.saturating_sub(self.usage.cached_tokens), self.timings.prefill)
    }

    /// Tokens generated per second after the first.
    pub(crate) fn generation_speed(&self) -> f64 {
        rate(self.usage.generated_tokens.saturating_sub(1), self.timings.decode)
    }

    /// The line that `--stats` prints.
    pub(crate) fn stats(&self) -> String {
        let Usage { prompt_tokens, cached_tokens, generated_tokens, cost, .. } = self.usage;
        let cost = cost.map(|cost| format!(" · {cost}")).unwrap_or_default();
        format!(
            "first token {} · prompt {prompt_tokens} tokens, {cached_tokens} cached, {:.1} tok/s · answer \
             {generated_tokens} tokens, {:.1} tok/s · seed {}{cost}",
            output::duration(self.timings.first_token),
            self.prompt_speed(),
            self.generation_speed(),
            self.seed
        )
    }

    /// The object that `--json` prints. Times are in seconds.
    pub(crate) fn json(&self) -> Value {
        let mut object = json!({
            "model": self.model,
            "text": self.text,
            "finish_reason": self.reason,
            "seed": self.seed,
            "usage": self.usage,
            "timings": {
                "first_token_seconds": self.timings.first_token.as_secs_f64(),
                "prompt_seconds": self.timings.prefill.as_secs_f64(),
                "generate_seconds": self.timings.decode.as_secs_f64(),
                "prompt_tokens_per_second": self.prompt_speed(),
                "generate_tokens_per_second": self.generation_speed(),
            },
        });
        if let Some(fields) = object.as_object_mut() {
            if !self.reasoning.is_empty() {
                fields.insert("reasoning".into(), json!(self.reasoning));
            }
            if let Some(cost) = self.usage.cost {
                fields.insert("cost_usd".into(), json!(cost.as_dollars()));
            }
            if !self.citations.is_empty() {
                fields.insert("citations".into(), json!(self.citations));
            }
            if !self.tokens.is_empty() {
                fields.insert("tokens".into(), json!(self.tokens));
            }
        }
        object
    }
}

fn rate(tokens: usize, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { tokens as f64 / seconds } else { 0.0 }
}

/// The bar that shows how far a long prompt has been read; on a terminal only.
struct Reading(Option<ProgressBar>);

impl Reading {
    fn new() -> Self {
        Self(None)
    }

    fn at(&mut self, done: usize, total: usize) {
        if total < PROMPT_WORTH_SHOWING || output::quiet() || !terminal::stderr() || !terminal::stdout() {
            return;
        }
        let bar = self.0.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            // The template is a constant that indicatif parses; if it ever refuses it, its own default serves.
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} reading the prompt, {pos} of {len} tokens")
            {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(done as u64);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    struct Script(VecDeque<GenerationEvent>);

    impl futures_core::Stream for Script {
        type Item = parasol_core::Result<GenerationEvent>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    fn token(id: u32, text: &str) -> GenerationEvent {
        GenerationEvent::Token(TokenReport {
            id: Some(id),
            text: text.into(),
            part: Part::Answer,
            logprobs: Vec::new(),
        })
    }

    fn finished() -> GenerationEvent {
        let usage = Usage { prompt_tokens: 30, cached_tokens: 10, generated_tokens: 5, ..Usage::default() };
        let second = Duration::from_secs(1);
        let timings = Timings { first_token: second, prefill: second, decode: second * 2 };
        GenerationEvent::Finished { reason: FinishReason::Stop, stop: None, usage, timings }
    }

    fn play(events: Vec<GenerationEvent>) -> Outcome<Answer> {
        follow(EventStream::new(Script(events.into())), &Listener::new(), Show::Nothing)
    }

    #[test]
    fn text_counts_and_speeds() {
        let started = GenerationEvent::Started { model: "m".into(), prompt_tokens: 30, seed: 7 };
        let answer = play(vec![started, token(1, "a"), token(2, ""), token(3, "é"), finished()]).unwrap();
        assert_eq!((answer.text.as_str(), answer.seed, answer.interrupted()), ("aé", 7, false));
        // 20 tokens were computed in a second; 4 followed the first in two.
        assert_eq!((answer.prompt_speed(), answer.generation_speed()), (20.0, 2.0));
        let json = answer.json();
        assert_eq!(json["finish_reason"], "stop");
        assert_eq!(json["usage"]["generated_tokens"], 5);
        assert!(json.get("tokens").is_none());
    }

    #[test]
    fn thinking_is_no_text() {
        let thought = GenerationEvent::Token(TokenReport {
            id: Some(1),
            text: "hm".into(),
            part: Part::Reasoning,
            logprobs: Vec::new(),
        });
        let json = play(vec![thought, token(2, "a"), finished()]).unwrap().json();
        assert_eq!((&json["text"], &json["reasoning"]), (&json!("a"), &json!("hm")));
    }

    #[test]
    fn a_stream_that_ends_without_a_reason_is_an_error() {
        assert!(play(vec![token(1, "a")]).is_err());
    }
}
