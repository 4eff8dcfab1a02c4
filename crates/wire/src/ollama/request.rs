//! `POST /api/generate` and `/api/chat`: the requests.

pub use super::options::KeepAlive;
use super::options::{self, Options};
use crate::fields::{Fields, Spelling};
use crate::openai::read_tools;
use parasol_core::{
    ChatRequest, CompleteRequest, Error, ErrorKind, Message, Reasoning, Result, Role, SamplingChoice,
    ToolCall,
};
use serde_json::Value;

/// A request as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The model asked for.
    pub model: String,
    /// Send the answer as it is made.
    pub stream: bool,
    /// How long the model is to stay loaded.
    pub keep_alive: Option<KeepAlive>,
    /// What is asked.
    pub ask: Ask,
    /// Fields that were accepted though they change nothing.
    pub noted: Vec<String>,
    options: Options,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Nothing to answer: the model is loaded, or unloaded when it is not to be kept.
    Load,
    /// The next message of a conversation.
    Chat(Box<ChatRequest>),
    /// The continuation of a text as it is.
    Complete(Box<CompleteRequest>),
}

impl Call {
    /// Reads a request to `/api/generate`.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn generate(body: Value) -> Result<Self> {
        let mut f = options::body(body)?;
        let mut call = Self::start(&mut f)?;
        let prompt = f.string("prompt")?.unwrap_or_default();
        let suffix = f.string("suffix")?.filter(|s| !s.is_empty());
        let system = f.string("system")?.filter(|s| !s.is_empty());
        let raw = f.bool("raw")?.unwrap_or(false);
        let format = options::format(&mut f)?;
        let reasoning = options::think(&mut f)?;
        let logprobs = logprobs(&mut f)?;
        if f.string("template")?.is_some_and(|t| !t.is_empty()) {
            return Err(
                f.wrong("template", "is not supported: send raw with the prompt as the model reads it")
            );
        }
        f.refuse("context", "is not supported: send the conversation to /api/chat")?;
        f.refuse("images", "are not supported: no model here sees images")?;
        f.finish()?;
        let (max_tokens, stop) = (call.options.max_tokens, call.options.stop.clone());
        call.ask = if prompt.is_empty() && suffix.is_none() {
            Ask::Load
        } else if raw || suffix.is_some() {
            if system.is_some() || reasoning == Some(Reasoning::On) {
                let what = "system: and think need the model's template, which raw and suffix leave out";
                return Err(Error::new(ErrorKind::InvalidRequest, what));
            }
            let request =
                CompleteRequest { prompt, suffix, max_tokens, stop, logprobs, format, ..Default::default() };
            Ask::Complete(Box::new(request))
        } else {
            let system = system.map(|text| Message::new(Role::System, text));
            let messages = system.into_iter().chain([Message::new(Role::User, prompt)]).collect();
            let request =
                ChatRequest { messages, max_tokens, stop, logprobs, format, reasoning, ..Default::default() };
            Ask::Chat(Box::new(request))
        };
        Ok(call)
    }

    /// Reads a request to `/api/chat`.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn chat(body: Value) -> Result<Self> {
        let mut f = options::body(body)?;
        let mut call = Self::start(&mut f)?;
        let mut messages = Vec::new();
        for message in f.objects("messages")?.into_iter().flatten() {
            let at = messages.len();
            messages.push(read_message(message, at)?);
        }
        let request = ChatRequest {
            messages,
            tools: read_tools(&mut f)?,
            format: options::format(&mut f)?,
            reasoning: options::think(&mut f)?,
            logprobs: logprobs(&mut f)?,
            max_tokens: call.options.max_tokens,
            stop: call.options.stop.clone(),
            ..ChatRequest::default()
        };
        f.finish()?;
        call.ask = if request.messages.is_empty() { Ask::Load } else { Ask::Chat(Box::new(request)) };
        Ok(call)
    }

    fn start(f: &mut Fields) -> Result<Self> {
        let mut noted = Vec::new();
        Ok(Self {
            model: options::model(f)?,
            stream: f.bool("stream")?.unwrap_or(true),
            keep_alive: options::keep_alive(f)?,
            options: Options::take(f, &mut noted)?,
            ask: Ask::Load,
            noted,
        })
    }

    /// The chat or completion with its sampling: what the request leaves open is `recommended` for the model, whose context
    /// holds `context` tokens.
    ///
    /// # Errors
    /// `InvalidRequest` when `num_ctx` asks for a larger context.
    pub fn ask(&self, recommended: &SamplingChoice, context: Option<usize>) -> Result<Ask> {
        Options::fits(self.options.context, context)?;
        let mut ask = self.ask.clone();
        match &mut ask {
            Ask::Load => {}
            Ask::Chat(request) => request.sampling = self.options.sampling(recommended),
            Ask::Complete(request) => request.sampling = self.options.sampling(recommended),
        }
        Ok(ask)
    }
}

fn logprobs(f: &mut Fields) -> Result<Option<usize>> {
    let wanted = f.bool("logprobs")?.unwrap_or(false);
    match f.count("top_logprobs", 0)? {
        Some(n) if n > 20 => Err(f.wrong("top_logprobs", format_args!("is {n} and must be at most 20"))),
        Some(n) if n > 0 && !wanted => Err(f.wrong("top_logprobs", "needs logprobs to be true")),
        top => Ok(wanted.then(|| top.unwrap_or(0))),
    }
}

fn read_message(mut f: Fields, at: usize) -> Result<Message> {
    let role = match f.need_string("role")?.as_str() {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => return Err(f.wrong("role", "must be system, user, assistant or tool")),
    };
    let mut message = Message::new(role, f.string("content")?.unwrap_or_default());
    message.reasoning = f.string("thinking")?.filter(|t| !t.is_empty());
    f.refuse("images", "are not supported: no model here sees images")?;
    message.name = match f.string("tool_name")? {
        None => f.string("name")?,
        some => some,
    };
    message.tool_call_id = f.string("tool_call_id")?;
    for (i, mut call) in f.objects("tool_calls")?.into_iter().flatten().enumerate() {
        let given = call.string("id")?;
        call.take("type");
        let Some(mut function) = call.object("function")? else {
            return Err(call.wrong("function", "is required"));
        };
        function.take("index");
        let name = function.need_string("name")?;
        let arguments = match function.object("arguments")? {
            Some(arguments) => Value::Object(arguments.into_rest()),
            None => Value::Object(serde_json::Map::new()),
        };
        function.finish()?;
        call.finish()?;
        // The protocol has no ids: places in the conversation serve as well.
        let id = given.unwrap_or_else(|| format!("call_{at}_{i}"));
        message.tool_calls.push(ToolCall { id, name, arguments });
    }
    f.finish()?;
    Ok(message)
}

/// What `/api/pull`, `/api/show` and `/api/delete` ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The model.
    pub model: String,
    /// Report progress as it is made.
    pub stream: bool,
}

impl Named {
    /// Reads a request that names a model.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn read(body: Value) -> Result<Self> {
        let mut f = Fields::new(body, "", Spelling::Exact)?;
        let named = Self { model: options::model(&mut f)?, stream: f.bool("stream")?.unwrap_or(true) };
        // Everything that can be shown is shown anyway.
        f.bool("verbose")?;
        if f.bool("insecure")? == Some(true) {
            return Err(f.wrong(
                "insecure",
                "is not supported: models are only fetched over connections that are checked",
            ));
        }
        for field in ["username", "password", "system", "template", "options"] {
            f.refuse(field, "is not supported here: leave it out")?;
        }
        f.finish()?;
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::AnswerFormat;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn chat_and_its_options_arrive() {
        let call = Call::chat(json!({
            "model": "m", "stream": false, "think": false, "format": "json", "keep_alive": "5m",
            "options": { "temperature": 0, "seed": 3, "num_predict": 4, "stop": ["x"], "repeat_last_n": -1,
                "num_ctx": 64, "num_thread": 2 },
            "messages": [{ "role": "user", "content": "hi" },
                { "role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                    { "function": { "name": "f", "arguments": { "x": 1 } } }] },
                { "role": "tool", "tool_name": "f", "content": "2" }],
            "tools": [{ "type": "function", "function": { "name": "f", "parameters": {} } }],
        }))
        .unwrap();
        assert!(!call.stream);
        assert_eq!(call.keep_alive, Some(KeepAlive::For(Duration::from_secs(300))));
        assert_eq!(call.noted, ["options.num_thread"]);
        let Ask::Chat(chat) = call.ask(&SamplingChoice::default(), Some(64)).unwrap() else { panic!() };
        assert_eq!((chat.sampling.temperature, chat.sampling.seed), (0.0, Some(3)));
        assert_eq!(chat.sampling.penalty_window, usize::MAX);
        assert_eq!((chat.max_tokens, &chat.stop), (Some(4), &vec!["x".to_owned()]));
        assert_eq!(chat.format, Some(AnswerFormat::JsonObject));
        assert_eq!(chat.messages[1].tool_calls[0].arguments, json!({ "x": 1 }));
        assert_eq!(chat.messages[2].name.as_deref(), Some("f"));
        let error = call.ask(&SamplingChoice::default(), Some(63)).unwrap_err();
        assert!(error.message().contains("64") && error.message().contains("63"), "{error}");
    }

    #[test]
    fn generate_is_a_chat_a_text_or_a_load() {
        let ask = |extra: Value| {
            let mut body = json!({ "model": "m", "prompt": "p" });
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            Call::generate(body).map(|call| call.ask)
        };
        assert!(matches!(ask(json!({ "system": "s" })).unwrap(), Ask::Chat(c) if c.messages.len() == 2));
        assert!(matches!(ask(json!({ "raw": true })).unwrap(), Ask::Complete(c) if c.prompt == "p"));
        assert!(matches!(ask(json!({ "suffix": "s" })).unwrap(), Ask::Complete(c) if c.suffix.is_some()));
        assert_eq!(ask(json!({ "prompt": "" })).unwrap(), Ask::Load);
        for (extra, part) in [
            (json!({ "template": "t" }), "template"),
            (json!({ "context": [1, 2] }), "context"),
            (json!({ "images": ["x"] }), "images"),
            (json!({ "options": { "mirostat": 2 } }), "options.mirostat"),
            (json!({ "options": { "magic": 2 } }), "options.magic"),
            (json!({ "raw": true, "system": "s" }), "system"),
            (json!({ "keep_alive": "soon" }), "keep_alive"),
            (json!({ "keep_alive": 1e300 }), "keep_alive"),
            (json!({ "model": "" }), "model"),
        ] {
            let error = ask(extra).unwrap_err();
            assert!(error.message().starts_with(part), "{error}");
        }
        assert!(Named::read(json!({ "name": "m", "insecure": true })).is_err());
    }
}
