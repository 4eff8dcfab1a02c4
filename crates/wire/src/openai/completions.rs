//! `POST /v1/completions`: the request and its answers.

use super::encode::{Head, finish_reason, sum, unfinished, usage};
use super::logprobs::Columns;
use super::settings::{self, MOST_ANSWERS, Settings};
use super::{chat, options, tools};
use crate::fields::{Fields, Spelling, string};
use parasol_core::{CompleteRequest, GenerationEvent, Result, SamplingChoice, Usage};
use serde_json::{Value, json};

/// The protocol's own limit where a request names none.
const DEFAULT_TOKENS: usize = 16;

/// The most alternatives for a token that the protocol allows.
const MOST_LOGPROBS: usize = 5;

/// A completion as it was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompletionCall {
    /// The model asked for.
    pub model: String,
    /// Send the answer as it is made.
    pub stream: bool,
    /// End the stream with a chunk that holds the usage.
    pub include_usage: bool,
    /// The prompts; each gets `n` answers.
    pub prompts: Vec<String>,
    /// How many answers to each prompt.
    pub n: usize,
    /// The request; its prompt is in `prompts`, its sampling in `settings`.
    pub request: CompleteRequest,
    /// How tokens are chosen.
    pub settings: Settings,
    /// Fields that were accepted though they change nothing.
    pub noted: Vec<String>,
}

impl CompletionCall {
    /// Reads a request.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn read(body: Value) -> Result<Self> {
        let mut f = Fields::new(body, "", Spelling::Exact)?;
        let mut call =
            Self { model: f.need_string("model")?, n: settings::answers(&mut f)?, ..Self::default() };
        call.prompts = prompts(&mut f)?;
        if call.count() > MOST_ANSWERS {
            let n = call.count();
            return Err(f.wrong(
                "prompt",
                format_args!("asks for {n} answers with n; at most {MOST_ANSWERS} are given"),
            ));
        }
        call.stream = f.bool("stream")?.unwrap_or(false);
        call.include_usage = chat::stream_options(&mut f)?;
        call.settings = Settings::take(&mut f)?;
        let form = f.object("response_format")?.map(tools::format).transpose()?.flatten();
        let logprobs = f.count("logprobs", 0)?;
        if let Some(n) = logprobs.filter(|n| *n > MOST_LOGPROBS) {
            return Err(f.wrong("logprobs", format_args!("is {n} and must be at most {MOST_LOGPROBS}")));
        }
        let echo = f.bool("echo")?.unwrap_or(false);
        if echo && logprobs.is_some() {
            return Err(f.wrong("echo", "with logprobs is not supported: a prompt's tokens have none here"));
        }
        call.request = CompleteRequest {
            suffix: f.string("suffix")?.filter(|s| !s.is_empty()),
            max_tokens: Some(f.count("max_tokens", 0)?.unwrap_or(DEFAULT_TOKENS)),
            stop: settings::stop(&mut f)?,
            logprobs,
            echo,
            format: settings::one(form.into_iter().chain(settings::guided(&mut f)?))?,
            ..CompleteRequest::default()
        };
        options::only(
            &mut f,
            "best_of",
            &[1.into()],
            "is not supported: ask for n answers and choose among them",
        )?;
        f.note(options::HARMLESS, &mut call.noted);
        f.finish()?;
        Ok(call)
    }

    /// Answers in all.
    pub fn count(&self) -> usize {
        self.prompts.len().saturating_mul(self.n)
    }

    /// The request for the answer of `index` (from 0 below [`Self::count`]): the answers to the first prompt come first.
    pub fn request(&self, recommended: &SamplingChoice, index: usize) -> CompleteRequest {
        let prompt = self.prompts.get(index / self.n.max(1)).cloned().unwrap_or_default();
        let sampling = self.settings.sampling(recommended, index % self.n.max(1));
        CompleteRequest { prompt, sampling, ..self.request.clone() }
    }
}

fn prompts(f: &mut Fields) -> Result<Vec<String>> {
    match f.need("prompt")? {
        Value::String(text) => Ok(vec![text]),
        Value::Array(list) if list.is_empty() => Err(f.wrong("prompt", "must hold at least one text")),
        Value::Array(list) if matches!(list.first(), Some(Value::Number(_) | Value::Array(_))) => {
            Err(f.wrong("prompt", "holds token ids, which are not taken here: send text"))
        }
        Value::Array(list) => {
            list.into_iter().enumerate().map(|(i, v)| string(v, &format!("prompt.{i}"))).collect()
        }
        _ => Err(f.wrong("prompt", "must be a string or a list of strings")),
    }
}

/// One answer as far as it came.
#[derive(Debug, Clone, Default)]
struct Text {
    text: String,
    chars: usize,
    columns: Columns,
    end: Option<(&'static str, Usage)>,
}

/// Turns the events of one or several completions into chunks or one object.
#[derive(Debug)]
pub struct CompletionAnswers {
    head: Head,
    per_prompt: usize,
    include_usage: bool,
    answers: Vec<Text>,
}

impl CompletionAnswers {
    /// Waits for the answers to `call`.
    pub fn new(head: Head, call: &CompletionCall) -> Self {
        let answers = vec![Text::default(); call.count()];
        Self { head, per_prompt: call.n.max(1), include_usage: call.include_usage, answers }
    }

    /// Takes the next event of the answer of `index` in, for [`Self::finish`].
    pub fn gather(&mut self, index: usize, event: &GenerationEvent) {
        let Some(answer) = self.answers.get_mut(index) else { return };
        match event {
            GenerationEvent::Token(token) => {
                answer.columns.push(token, answer.chars);
                answer.chars = answer.chars.saturating_add(token.text.chars().count());
                answer.text.push_str(&token.text);
            }
            GenerationEvent::Finished { reason, usage, .. } => {
                answer.end = Some((finish_reason(*reason), *usage))
            }
            _ => {}
        }
    }

    /// The chunks of the next event of the answer of `index`.
    pub fn push(&mut self, index: usize, event: &GenerationEvent) -> Vec<Value> {
        let Some(answer) = self.answers.get_mut(index) else { return Vec::new() };
        let (text, logprobs, reason) = match event {
            GenerationEvent::Token(token) if !token.text.is_empty() || !token.logprobs.is_empty() => {
                let mut columns = Columns::default();
                columns.push(token, answer.chars);
                answer.chars = answer.chars.saturating_add(token.text.chars().count());
                (token.text.as_str(), columns.value(), None)
            }
            GenerationEvent::Finished { reason, usage, .. } => {
                let reason = finish_reason(*reason);
                answer.end = Some((reason, *usage));
                ("", Value::Null, Some(reason))
            }
            _ => return Vec::new(),
        };
        let choice = json!({ "text": text, "index": index, "logprobs": logprobs, "finish_reason": reason });
        let mut chunk = self.head.object("text_completion", vec![choice]);
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        vec![chunk]
    }

    /// The chunks after the last answer: the usage, when it was asked for.
    pub fn end(&self) -> Vec<Value> {
        if !self.include_usage {
            return Vec::new();
        }
        let mut chunk = self.head.object("text_completion", Vec::new());
        chunk["usage"] = usage(&self.usage());
        vec![chunk]
    }

    fn usage(&self) -> Usage {
        let ended = self.answers.iter().enumerate();
        sum(ended.filter_map(|(i, a)| a.end.map(|(_, usage)| (i / self.per_prompt, usage))))
    }

    /// The whole as one object.
    ///
    /// # Errors
    /// `Internal` when an answer has not ended.
    pub fn finish(self) -> Result<Value> {
        let mut choices = Vec::with_capacity(self.answers.len());
        for (index, answer) in self.answers.iter().enumerate() {
            let (reason, _) = answer.end.ok_or_else(unfinished)?;
            choices.push(json!({
                "text": answer.text, "index": index, "logprobs": answer.columns.value(), "finish_reason": reason,
            }));
        }
        let mut object = self.head.object("text_completion", choices);
        object["usage"] = usage(&self.usage());
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::{FinishReason, Timings, TokenReport};

    #[test]
    fn prompts_and_answers_are_numbered_prompt_by_prompt() {
        let body = json!({ "model": "m", "prompt": ["a", "b"], "n": 2, "seed": 7, "suffix": "z" });
        let call = CompletionCall::read(body).unwrap();
        let asked: Vec<_> = (0..call.count())
            .map(|i| call.request(&SamplingChoice::default(), i))
            .map(|r| (r.prompt, r.sampling.seed, r.max_tokens, r.suffix))
            .collect();
        let one = |p: &str, seed| (p.to_owned(), Some(seed), Some(DEFAULT_TOKENS), Some("z".to_owned()));
        assert_eq!(asked, [one("a", 7), one("a", 8), one("b", 7), one("b", 8)]);
        let mut answers = CompletionAnswers::new(Head::default(), &call);
        let usage = Usage { prompt_tokens: 3, generated_tokens: 1, ..Usage::default() };
        for i in 0..4 {
            let text = format!("t{i}");
            answers.gather(
                i,
                &GenerationEvent::Token(TokenReport {
                    id: None,
                    text,
                    part: Default::default(),
                    logprobs: vec![],
                }),
            );
            let timings = Timings::default();
            answers.gather(
                i,
                &GenerationEvent::Finished { reason: FinishReason::Stop, stop: None, usage, timings },
            );
        }
        let object = answers.finish().unwrap();
        assert_eq!(object["choices"][3]["text"], "t3");
        assert_eq!(object["usage"]["prompt_tokens"], 6);
        assert_eq!(object["usage"]["completion_tokens"], 4);
    }

    #[test]
    fn what_is_not_honoured_is_refused_by_name() {
        for (extra, field) in [
            (json!({ "best_of": 3 }), "best_of"),
            (json!({ "prompt": [1, 2] }), "prompt"),
            (json!({ "prompt": [] }), "prompt"),
            (json!({ "prompt": ["a"], "n": 33 }), "n"),
            (json!({ "echo": true, "logprobs": 1 }), "echo"),
            (json!({ "logprobs": 6 }), "logprobs"),
            (json!({ "messages": [] }), "messages"),
        ] {
            let mut body = json!({ "model": "m", "prompt": "x" });
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let error = CompletionCall::read(body).unwrap_err();
            assert_eq!(super::super::error::body(&error)["error"]["param"], field, "{error}");
        }
    }
}
