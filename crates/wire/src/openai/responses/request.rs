//! The request of responses.

use super::super::client::short;
use super::super::settings::Settings;
use super::super::{chat, options, tools};
use super::items::{self, Conversation};
use crate::fields::{Fields, Spelling, invalid};
use parasol_core::{ChatRequest, Message, Result, Role, SamplingChoice};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The most alternatives for a token that the protocol allows.
const MOST_LOGPROBS: usize = 20;
/// The most pairs of `metadata`, and the longest name and value, in characters.
const METADATA: (usize, usize, usize) = (16, 64, 512);

/// A response as it was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResponseCall {
    /// The model asked for.
    pub model: String,
    /// Send the answer as it is made.
    pub stream: bool,
    /// Keep the answer, so that it can be read, deleted and continued.
    pub store: bool,
    /// The response that is continued.
    pub previous: Option<String>,
    /// Fields that were accepted though they change nothing.
    pub noted: Vec<String>,
    input: Vec<Value>,
    instructions: Option<String>,
    request: ChatRequest,
    settings: Settings,
    echo: Map<String, Value>,
}

impl ResponseCall {
    /// Reads a request.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn read(body: Value) -> Result<Self> {
        let echo = echo(&body);
        let mut f = Fields::new(body, "", Spelling::Exact)?;
        let mut call = Self { model: f.need_string("model")?, echo, ..Self::default() };
        refuse(&mut f)?;
        call.input = items::list(f.need("input")?)?;
        call.stream = f.bool("stream")?.unwrap_or(false);
        call.store = f.bool("store")?.unwrap_or(true);
        call.previous = f.string("previous_response_id")?;
        call.instructions = f.string("instructions")?.filter(|text| !text.is_empty());
        call.settings = Settings::take(&mut f)?;
        let tools = tools::take(&mut f, true)?;
        call.request = ChatRequest {
            tool_choice: tools::choice(&mut f, &tools)?,
            tools,
            parallel_tool_calls: f.bool("parallel_tool_calls")?,
            max_tokens: f.count("max_output_tokens", 1)?,
            ..ChatRequest::default()
        };
        call.text(&mut f)?;
        call.reasoning(&mut f)?;
        call.logprobs(&mut f)?;
        metadata(&mut f)?;
        if let Some(mut options) = f.object("stream_options")? {
            // Padding against guessing from lengths is for providers across the internet.
            if options.bool("include_obfuscation")? == Some(true) {
                call.noted.push("stream_options.include_obfuscation".into());
            }
            options.finish()?;
        }
        options::take_usual(&mut f)?;
        f.note(options::HARMLESS, &mut call.noted);
        // It counts calls of the provider's own tools, of which there are none.
        f.note(&["max_tool_calls"], &mut call.noted);
        f.finish()?;
        call.check_input()?;
        Ok(call)
    }

    /// Reads what can be read before references and the conversation so far are known, so that mistakes are told early.
    fn check_input(&mut self) -> Result<()> {
        let mut conversation = Conversation::default();
        if self.previous.is_none() && self.references().is_empty() {
            conversation.read(&self.input, "input")?;
        } else {
            // Results may answer calls that are elsewhere: whether they do is seen when all is known.
            let rest: Vec<Value> =
                self.input.iter().filter(|i| i["type"] != "function_call_output").cloned().collect();
            conversation.read(&rest, "input")?;
        }
        Ok(())
    }

    fn text(&mut self, f: &mut Fields) -> Result<()> {
        let Some(mut text) = f.object("text")? else { return Ok(()) };
        self.request.format = text.object("format")?.map(tools::format).transpose()?.flatten();
        let why = "is not honoured: say in the prompt how long the answer should be";
        options::only(&mut text, "verbosity", &["medium".into()], why)?;
        text.finish()
    }

    fn reasoning(&mut self, f: &mut Fields) -> Result<()> {
        let Some(mut reasoning) = f.object("reasoning")? else { return Ok(()) };
        (self.request.reasoning, self.request.effort) = chat::effort(&mut reasoning, "effort")?;
        // What is thought is told in full and never summed up.
        reasoning.note(&["summary", "generate_summary"], &mut self.noted);
        reasoning.finish()
    }

    fn logprobs(&mut self, f: &mut Fields) -> Result<()> {
        let mut wanted = false;
        for (i, name) in f.strings("include")?.unwrap_or_default().into_iter().enumerate() {
            match name.as_str() {
                "message.output_text.logprobs" => wanted = true,
                // Where a provider seals what it thought, the seal is always told.
                "reasoning.encrypted_content" => {}
                // These speak of tools and pictures that cannot occur.
                "file_search_call.results"
                | "web_search_call.results"
                | "web_search_call.action.sources"
                | "message.input_image.image_url"
                | "computer_call_output.output.image_url"
                | "code_interpreter_call.outputs" => self.noted.push(format!("include.{i}")),
                _ => return Err(invalid(format_args!("include.{i}"), "is nothing that can be included")),
            }
        }
        self.request.logprobs = match f.count("top_logprobs", 0)? {
            Some(n) if n > MOST_LOGPROBS => {
                return Err(
                    f.wrong("top_logprobs", format_args!("is {n} and must be at most {MOST_LOGPROBS}"))
                );
            }
            Some(n) if n > 0 || wanted => Some(n),
            _ => wanted.then_some(0),
        };
        Ok(())
    }

    /// The ids of items that the input only refers to.
    pub fn references(&self) -> Vec<&str> {
        self.input.iter().filter_map(items::reference).collect()
    }

    /// Puts the items that were `found` in the places of the references to them.
    ///
    /// # Errors
    /// `InvalidRequest` for one that was not found.
    pub fn resolve(&mut self, found: &BTreeMap<String, Value>) -> Result<()> {
        for (i, item) in self.input.iter_mut().enumerate() {
            let Some(id) = items::reference(item) else { continue };
            let Some(whole) = found.get(id) else {
                let what = format_args!("{id:?} is no item of a stored response of yours: send it in full");
                return Err(invalid(format_args!("input.{i}.id"), what));
            };
            *item = whole.clone();
        }
        Ok(())
    }

    /// The request after the items of `history`; what it leaves open is `recommended` for the model.
    ///
    /// # Errors
    /// `InvalidRequest` when the input answers calls that nobody made.
    pub fn request(&self, history: &[Value], recommended: &SamplingChoice) -> Result<ChatRequest> {
        let mut conversation = Conversation::default();
        conversation.read(history, "previous_response_id")?;
        conversation.read(&self.input, "input")?;
        let mut messages = conversation.messages;
        if let Some(instructions) = &self.instructions {
            // Many templates know one system message only, at the beginning.
            match messages.first_mut() {
                Some(first) if first.role == Role::System => {
                    first.content = format!("{instructions}\n\n{}", first.content);
                }
                _ => messages.insert(0, Message::new(Role::System, instructions)),
            }
        }
        Ok(ChatRequest { messages, sampling: self.settings.sampling(recommended, 0), ..self.request.clone() })
    }

    /// The input as it is kept with the response whose id ends in `key`.
    pub fn items(&self, key: &str) -> Vec<Value> {
        self.input.iter().enumerate().map(|(n, item)| items::kept(item, key, n)).collect()
    }

    /// What the answer repeats of the request, with what was left out filled in from the `request` that is answered.
    pub(super) fn echo(&self, request: &ChatRequest) -> Value {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.into(), value);
        put("model", self.model.clone().into());
        put("instructions", json!(self.instructions));
        put("max_output_tokens", json!(request.max_tokens));
        put("max_tool_calls", Value::Null);
        put("parallel_tool_calls", request.parallel_tool_calls.unwrap_or(true).into());
        put("previous_response_id", json!(self.previous));
        put("store", self.store.into());
        put("temperature", short(request.sampling.temperature));
        put("top_p", short(request.sampling.top_p.unwrap_or(1.0)));
        put("top_logprobs", request.logprobs.unwrap_or(0).into());
        put("truncation", "disabled".into());
        put("service_tier", "default".into());
        put("background", false.into());
        put("text", json!({ "format": { "type": "text" } }));
        put("reasoning", json!({ "effort": null, "summary": null }));
        put("tool_choice", "auto".into());
        put("tools", json!([]));
        put("metadata", json!({}));
        put("user", Value::Null);
        for (name, value) in &self.echo {
            put(name, value.clone());
        }
        Value::Object(object)
    }
}

/// What is repeated word for word.
fn echo(body: &Value) -> Map<String, Value> {
    let mut echo = Map::new();
    for name in ["tools", "tool_choice", "metadata", "user", "text"] {
        if let Some(value) = body.get(name).filter(|v| !v.is_null()) {
            echo.insert(name.into(), value.clone());
        }
    }
    if let Some(text) = echo.get_mut("text").filter(|text| text["format"].is_null()) {
        *text = json!({ "format": { "type": "text" } });
    }
    if let Some(reasoning) = body.get("reasoning").filter(|v| v.is_object()) {
        echo.insert("reasoning".into(), json!({ "effort": reasoning["effort"], "summary": null }));
    }
    echo
}

fn metadata(f: &mut Fields) -> Result<()> {
    let (most, name, text) = METADATA;
    let Some(pairs) = f.object("metadata")? else { return Ok(()) };
    let pairs = pairs.into_rest();
    let long = |s: &str, most: usize| s.chars().nth(most).is_some();
    if pairs.len() > most {
        let what = format_args!("has {} pairs and may have {most}", pairs.len());
        return Err(invalid("metadata", what));
    }
    match pairs.iter().find(|(k, v)| long(k, name) || v.as_str().is_none_or(|v| long(v, text))) {
        Some(_) => Err(invalid(
            "metadata",
            format_args!("must have names of at most {name} characters and strings of at most {text}"),
        )),
        None => Ok(()),
    }
}

/// What is refused with a word on what to do instead.
fn refuse(f: &mut Fields) -> Result<()> {
    let why = "answers are made while their client waits: leave it out, and stream";
    options::only(f, "background", &[false.into()], why)?;
    let why = "nothing is left out of a conversation in silence: shorten it, or start the server with more --context";
    options::only(f, "truncation", &["disabled".into()], why)?;
    f.refuse("conversation", "conversations are not kept here: use previous_response_id")?;
    f.refuse("prompt", "prompts are not kept here: send the text as instructions and input")?;
    f.refuse("moderation", "nothing is moderated here")?;
    f.refuse("context_management", "conversations are not compacted here")?;
    f.refuse("stop", "is none of this protocol's: use /v1/chat/completions")
}
