//! `POST /v1/chat/completions`: the request.

use super::settings::{self, Settings};
use super::{message, options, tools};
use crate::fields::{Fields, Spelling, invalid};
use parasol_core::{ChatRequest, Effort, Reasoning, Result, SamplingChoice};
use serde_json::Value;

/// The most alternatives for a token that the protocol allows.
const MOST_LOGPROBS: usize = 20;

/// A chat completion as it was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatCall {
    /// The model asked for.
    pub model: String,
    /// Send the answer as it is made.
    pub stream: bool,
    /// End the stream with a chunk that holds the usage.
    pub include_usage: bool,
    /// How many answers.
    pub n: usize,
    /// The request; its sampling is in `settings`.
    pub request: ChatRequest,
    /// How tokens are chosen.
    pub settings: Settings,
    /// Fields that were accepted though they change nothing.
    pub noted: Vec<String>,
}

impl ChatCall {
    /// Reads a request.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn read(body: Value) -> Result<Self> {
        let mut f = Fields::new(body, "", Spelling::Exact)?;
        let mut call =
            Self { model: f.need_string("model")?, n: settings::answers(&mut f)?, ..Self::default() };
        let Some(messages) = f.list("messages")? else { return Err(f.wrong("messages", "is required")) };
        if messages.is_empty() {
            return Err(f.wrong("messages", "must hold at least one message"));
        }
        call.stream = f.bool("stream")?.unwrap_or(false);
        call.include_usage = stream_options(&mut f)?;
        call.settings = Settings::take(&mut f)?;
        let tools = tools::take(&mut f, false)?;
        let (reasoning, effort) = effort(&mut f, "reasoning_effort")?;
        let form = f.object("response_format")?.map(tools::format).transpose()?.flatten();
        call.request = ChatRequest {
            messages: message::read_all(messages)?,
            tool_choice: tools::choice(&mut f, &tools)?,
            tools,
            parallel_tool_calls: f.bool("parallel_tool_calls")?,
            format: settings::one(form.into_iter().chain(settings::guided(&mut f)?))?,
            reasoning,
            effort,
            template_arguments: f.object("chat_template_kwargs")?.map(Fields::into_rest).unwrap_or_default(),
            max_tokens: max_tokens(&mut f)?,
            stop: settings::stop(&mut f)?,
            logprobs: logprobs(&mut f)?,
            ..ChatRequest::default()
        };
        refuse(&mut f)?;
        options::take_usual(&mut f)?;
        f.note(options::HARMLESS, &mut call.noted);
        f.finish()?;
        Ok(call)
    }

    /// The request for the answer of `index` (from 0 below `n`); what it leaves open is `recommended` for the model.
    pub fn request(&self, recommended: &SamplingChoice, index: usize) -> ChatRequest {
        ChatRequest { sampling: self.settings.sampling(recommended, index), ..self.request.clone() }
    }
}

/// What is refused with a word on what to do instead.
fn refuse(f: &mut Fields) -> Result<()> {
    options::only(f, "store", &[false.into()], "chat completions are not stored here: use /v1/responses")?;
    f.refuse("functions", "is the older way to offer functions: use tools")?;
    f.refuse("function_call", "is the older way to choose a function: use tool_choice")?;
    f.refuse("audio", "audio is not answered here")?;
    f.refuse("prediction", "predicted outputs are not used here")?;
    f.refuse("web_search_options", "nothing is searched for here")
}

/// `stream_options.include_usage`.
pub(crate) fn stream_options(f: &mut Fields) -> Result<bool> {
    let Some(mut options) = f.object("stream_options")? else { return Ok(false) };
    let usage = options.bool("include_usage")?.unwrap_or(false);
    // Padding against guessing from lengths is for providers across the internet.
    options.bool("include_obfuscation")?;
    options.finish()?;
    Ok(usage)
}

/// `max_completion_tokens`, or `max_tokens` as it was called before; both only when they agree.
fn max_tokens(f: &mut Fields) -> Result<Option<usize>> {
    match (f.count("max_completion_tokens", 1)?, f.count("max_tokens", 1)?) {
        (Some(new), Some(old)) if new != old => Err(invalid(
            "max_tokens",
            format_args!("is {old} and max_completion_tokens is {new}: give one of them"),
        )),
        (new, old) => Ok(new.or(old)),
    }
}

/// `reasoning_effort`, or how else the field is called: whether a model that can think does, and how hard.
pub(crate) fn effort(f: &mut Fields, name: &str) -> Result<(Option<Reasoning>, Option<Effort>)> {
    Ok(match f.string(name)?.as_deref() {
        None => (None, None),
        Some("none") => (Some(Reasoning::Off), None),
        Some(word) => match Effort::from_name(word) {
            Some(effort) => (Some(Reasoning::On), Some(effort)),
            None => return Err(f.wrong(name, "must be none, minimal, low, medium, high or xhigh")),
        },
    })
}

fn logprobs(f: &mut Fields) -> Result<Option<usize>> {
    let wanted = f.bool("logprobs")?.unwrap_or(false);
    match f.count("top_logprobs", 0)? {
        Some(n) if n > MOST_LOGPROBS => {
            Err(f.wrong("top_logprobs", format_args!("is {n} and must be at most {MOST_LOGPROBS}")))
        }
        Some(n) if n > 0 && !wanted => Err(f.wrong("top_logprobs", "needs logprobs to be true")),
        top => Ok(wanted.then(|| top.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::{AnswerFormat, Role, ToolChoice};
    use serde_json::json;

    fn with(extra: Value) -> Result<ChatCall> {
        let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
        let object = body.as_object_mut().unwrap();
        object.extend(extra.as_object().unwrap().clone());
        ChatCall::read(body)
    }

    #[test]
    fn every_field_arrives() {
        let call = with(json!({
            "messages": [
                { "role": "developer", "content": "be brief" },
                { "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
                { "role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                    { "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{\"x\":1}" } }] },
                { "role": "tool", "tool_call_id": "c1", "content": "2" }],
            "tools": [{ "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } }],
            "tool_choice": { "type": "function", "function": { "name": "f" } }, "parallel_tool_calls": false,
            "stream": true, "stream_options": { "include_usage": true }, "n": 2, "seed": -1, "temperature": 0,
            "top_k": -1, "repeat_penalty": 1.1, "logit_bias": { "5": -100 }, "stop": "x", "logprobs": true,
            "top_logprobs": 3, "max_completion_tokens": 9, "reasoning_effort": "none", "user": "u",
        }))
        .unwrap();
        assert!(call.stream && call.include_usage && call.n == 2);
        assert_eq!(call.noted, ["user"]);
        let request = call.request(&SamplingChoice::default(), 1);
        assert_eq!(request.messages[0].role, Role::System);
        assert_eq!(request.messages[1].content, "ab");
        assert_eq!(request.messages[2].tool_calls[0].arguments, json!({ "x": 1 }));
        assert_eq!(request.messages[3].name.as_deref(), Some("f"));
        assert_eq!(request.tool_choice, ToolChoice::Named("f".into()));
        assert_eq!(request.sampling.seed, Some(0), "the second answer's seed is one higher");
        assert_eq!((request.sampling.top_k, request.sampling.temperature), (None, 0.0));
        assert_eq!((request.logprobs, request.max_tokens), (Some(3), Some(9)));
        assert_eq!(request.reasoning, Some(Reasoning::Off));
    }

    #[test]
    fn forms_of_the_answer_are_read_and_exclude_each_other() {
        let schema = json!({ "type": "object" });
        let nested = json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": schema } });
        let expected = Some(AnswerFormat::JsonSchema { schema: schema.clone() });
        assert_eq!(with(json!({ "response_format": nested })).unwrap().request.format, expected);
        assert_eq!(with(json!({ "guided_json": schema })).unwrap().request.format, expected);
        assert!(with(json!({ "response_format": nested, "guided_regex": "a" })).is_err());
    }

    #[test]
    fn what_is_not_honoured_is_refused_by_name() {
        let cases = [
            (json!({ "magic": 1 }), "magic"),
            (json!({ "store": true }), "store"),
            (json!({ "n": 0 }), "n"),
            (json!({ "n": 1e9 }), "n"),
            (json!({ "temperature": "hot" }), "temperature"),
            (json!({ "temperature": -1 }), "temperature"),
            (json!({ "max_tokens": -5 }), "max_tokens"),
            (json!({ "max_tokens": 1, "max_completion_tokens": 2 }), "max_tokens"),
            (json!({ "tool_choice": "required" }), "tool_choice"),
            (json!({ "top_logprobs": 2 }), "top_logprobs"),
            (json!({ "logit_bias": { "x": 1 } }), "logit_bias"),
            (json!({ "messages": [] }), "messages"),
            (json!({ "messages": [{ "role": "user" }] }), "messages.0.content"),
            (json!({ "messages": [{ "role": "robot", "content": "" }] }), "messages.0.role"),
            (
                json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url" }] }] }),
                "messages.0.content.0.image_url",
            ),
        ];
        for (extra, field) in cases {
            let error = with(extra).unwrap_err();
            assert_eq!(super::super::error::body(&error)["error"]["param"], field, "{error}");
        }
    }
}
