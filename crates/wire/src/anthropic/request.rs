//! `POST /v1/messages` as it arrives: what its parameters mean in the vocabulary. Messages and tools have files of their own.
//!
//! Spec: <https://docs.anthropic.com/en/api/messages>.

use super::{messages, tools};
use crate::fields::{Fields, Spelling};
use parasol_core::{AnswerFormat, ChatRequest, Effort, Reasoning, Result, SamplingChoice};
use serde_json::Value;

/// A request for a message.
#[derive(Debug, Clone, PartialEq)]
pub struct MessagesRequest {
    /// The model asked for.
    pub model: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// How the answer is written.
    pub style: Style,
    /// Fields that were accepted though they change nothing, by their paths: to be reported.
    pub without_effect: Vec<String>,
    sampling: SamplingChoice,
    chat: ChatRequest,
}

/// What the writer of an answer has to know of the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// The most tokens asked for, which tells a full context from a met limit.
    pub max_tokens: Option<usize>,
    /// Leave out what thinking blocks say.
    pub omit_thinking: bool,
}

impl MessagesRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// `InvalidRequest` that names the field, when one is missing, wrong, or not honoured.
    pub fn parse(body: Value) -> Result<Self> {
        read(body, true)
    }

    /// Reads the body of `POST /v1/messages/count_tokens`: the same, without a limit on the answer.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_count(body: Value) -> Result<Self> {
        read(body, false)
    }

    /// The request in the vocabulary; what it leaves open is sampled as is recommended for the model.
    #[must_use]
    pub fn into_chat(self, recommended: &SamplingChoice) -> ChatRequest {
        ChatRequest { sampling: self.sampling.or(recommended).sampling(), ..self.chat }
    }
}

fn read(body: Value, answers: bool) -> Result<MessagesRequest> {
    let mut f = Fields::new(body, "", Spelling::Exact)?;
    let mut noted = Vec::new();
    let model = f.need_string("model")?;
    if model.is_empty() {
        return Err(f.wrong("model", "is empty: name a model of GET /v1/models"));
    }
    let mut chat = ChatRequest { messages: messages::read(&mut f, &mut noted)?, ..ChatRequest::default() };
    tools::read(&mut f, &mut chat, &mut noted)?;
    let mut style = Style::default();
    if answers {
        let most = f.count("max_tokens", 1)?;
        style.max_tokens = Some(most.ok_or_else(|| f.wrong("max_tokens", "is required"))?);
        chat.max_tokens = style.max_tokens;
    }
    thinking(&mut f, &mut chat, &mut style)?;
    output(&mut f, &mut chat)?;
    chat.stop = f.strings("stop_sequences")?.unwrap_or_default();
    if let Some(i) = chat.stop.iter().position(String::is_empty) {
        return Err(f.wrong(&format!("stop_sequences.{i}"), "is empty: every text contains it"));
    }
    let sampling = SamplingChoice {
        temperature: f.number("temperature", 0.0, 2.0)?,
        top_p: f.number("top_p", 0.0, 1.0)?,
        top_k: f.count("top_k", 0)?,
        ..SamplingChoice::default()
    };
    let stream = f.bool("stream")?.unwrap_or(false);
    rest(&mut f, &mut noted)?;
    f.finish()?;
    Ok(MessagesRequest { model, stream, style, without_effect: noted, sampling, chat })
}

/// `thinking`: whether the model thinks first, and how long it may.
fn thinking(f: &mut Fields, chat: &mut ChatRequest, style: &mut Style) -> Result<()> {
    let Some(mut t) = f.object("thinking")? else { return Ok(()) };
    let kind = t.need_string("type")?;
    match kind.as_str() {
        "enabled" => {
            chat.reasoning = Some(Reasoning::On);
            chat.thinking_tokens = t.count("budget_tokens", 1)?;
            if chat.thinking_tokens.is_none() {
                return Err(t.wrong("budget_tokens", "is required when thinking is enabled"));
            }
        }
        "disabled" => chat.reasoning = Some(Reasoning::Off),
        // The model's own template decides.
        "adaptive" => chat.reasoning = None,
        other => {
            let what = format!("{other:?} is not offered: use enabled, disabled or adaptive");
            return Err(t.wrong("type", what));
        }
    }
    match t.string("display")?.as_deref() {
        None | Some("summarized") => {}
        Some("omitted") => style.omit_thinking = true,
        Some(other) => {
            return Err(t.wrong("display", format_args!("is {other:?} and must be summarized or omitted")));
        }
    }
    t.finish()
}

/// `output_config` and its older name `output_format`: the schema that the answer keeps, and how hard the model tries.
fn output(f: &mut Fields, chat: &mut ChatRequest) -> Result<()> {
    let mut format = f.object("output_format")?;
    if let Some(mut config) = f.object("output_config")? {
        chat.effort = match config.string("effort")?.as_deref() {
            None => None,
            // Its highest grade has a name of its own.
            Some("max") => Some(Effort::XHigh),
            Some(name) => match Effort::from_name(name) {
                Some(effort) => Some(effort),
                None => return Err(config.wrong("effort", "must be low, medium, high, xhigh or max")),
            },
        };
        format = config.object("format")?.or(format);
        config.finish()?;
    }
    let Some(mut format) = format else { return Ok(()) };
    match format.need_string("type")?.as_str() {
        "json_schema" => {
            let schema = format.need("schema")?;
            if !schema.is_object() {
                return Err(format.wrong("schema", "must be an object: a JSON Schema"));
            }
            chat.format = Some(AnswerFormat::JsonSchema { schema });
        }
        other => return Err(format.wrong("type", format_args!("is {other:?} and must be json_schema"))),
    }
    format.finish()
}

/// What is accepted without effect, and what is refused with a reason.
fn rest(f: &mut Fields, noted: &mut Vec<String>) -> Result<()> {
    if let Some(mut metadata) = f.object("metadata")? {
        if metadata.string("user_id")?.is_some() {
            noted.push(metadata.at("user_id"));
        }
        metadata.finish()?;
    }
    // A prompt's beginning is reused by itself; marking it is neither needed nor wrong.
    f.object("cache_control")?;
    match f.string("service_tier")?.as_deref() {
        None | Some("auto" | "standard_only") => {}
        Some(tier) => {
            return Err(f.wrong("service_tier", format_args!("{tier:?} is not offered: leave it out")));
        }
    }
    match f.string("speed")?.as_deref() {
        None | Some("standard") => {}
        Some(speed) => return Err(f.wrong("speed", format_args!("{speed:?} is not offered: leave it out"))),
    }
    context_management(f)?;
    f.note(&["diagnostics", "user_profile_id"], noted);
    f.refuse("container", "no containers are offered: leave it out")?;
    f.refuse("mcp_servers", "this server calls no MCP servers: let the client call them and pass tools")?;
    f.refuse("inference_geo", "the model runs where this server runs: leave it out")
}

/// Only what asks for nothing to be removed: the conversation is used as it was sent.
fn context_management(f: &mut Fields) -> Result<()> {
    let Some(mut management) = f.object("context_management")? else { return Ok(()) };
    for mut edit in management.objects("edits")?.unwrap_or_default() {
        let kind = edit.need_string("type")?;
        let keeps = edit.take("keep");
        if kind != "clear_thinking_20251015" || keeps != Some(Value::String("all".into())) {
            let what = format!(
                "{kind} is not offered: the conversation is used as it was sent, so shorten it before"
            );
            return Err(edit.wrong("type", what));
        }
        edit.finish()?;
    }
    management.finish()
}
