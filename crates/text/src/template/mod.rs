//! Chat templates: a conversation in, the prompt that the model was trained on out. Templates are Jinja programs that come
//! with a model; they run in `minijinja` with what `transformers` gives them, on a budget. Tokens are left to the tokenizer.

mod functions;
mod json;
mod methods;
mod source;

use functions::Raised;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind as JinjaKind, Value};
use parasol_core::{Error, ErrorKind, Message, Result, ToolSpec};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::error::Error as _;

/// Steps that a rendering may take: instructions, and 64 bytes of data for one. A conversation of a thousand messages
/// takes some hundred thousand; this many end within a second.
const FUEL: u64 = 4_000_000;
/// Longest template that is compiled, in bytes.
const LONGEST_SOURCE: usize = 1 << 20;
/// Longest prompt that is rendered, in bytes.
const LONGEST_PROMPT: usize = 64 << 20;

/// What a template renders.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conversation<'a> {
    /// Messages as OpenAI's API writes them: objects with `role` and `content`.
    pub messages: &'a [Json],
    /// Tools as OpenAI's API writes them; empty means none.
    pub tools: &'a [Json],
    /// Documents to answer from, for templates that know them; empty means none.
    pub documents: &'a [Json],
    /// Whether the prompt ends where the model's answer begins.
    pub add_generation_prompt: bool,
    /// Extra variables (for example `enable_thinking`). They cannot replace the ones above.
    pub arguments: Option<&'a Map<String, Json>>,
}

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Name of the template to take when tools are offered, if there is a separate one.
    with_tools: Option<&'static str>,
    bos: String,
    eos: String,
}

const DEFAULT: &str = "chat";
const TOOL_USE: &str = "chat with tools";

impl ChatTemplate {
    /// Compiles a template. `bos` and `eos` are the texts of the tokens that begin and end a text (empty if there are none).
    ///
    /// # Errors
    /// `Corrupt` when it is no Jinja template, naming the line.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self> {
        let mut environment = environment()?;
        compile(&mut environment, DEFAULT, source)?;
        Ok(Self { environment, with_tools: None, bos: bos.to_owned(), eos: eos.to_owned() })
    }

    /// The same, with a second template for requests that offer tools (some models ship two).
    ///
    /// # Errors
    /// As [`ChatTemplate::new`].
    pub fn with_tool_template(mut self, source: &str) -> Result<Self> {
        compile(&mut self.environment, TOOL_USE, source)?;
        self.with_tools = Some(TOOL_USE);
        Ok(self)
    }

    /// Fixes what `strftime_now` sees to a local time such as `2026-07-05T15:04:05`, so that prompts repeat.
    ///
    /// # Errors
    /// `InvalidRequest` when `time` is no such time.
    pub fn at(mut self, time: &str) -> Result<Self> {
        functions::fix_clock(&mut self.environment, time)?;
        Ok(self)
    }

    /// The error for a chat with a model that has no template.
    pub fn missing(model: &str) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "{model} has no chat template: it is a base model, which continues text but was not taught to converse. \
                 Use completion, or an instruction-tuned (`-it`, `-instruct`) model"
            ),
        )
    }

    /// The program that renders a conversation, with or without tools on offer: what it mentions is what the model knows.
    pub(crate) fn source(&self, tools: bool) -> String {
        let name = self.with_tools.filter(|_| tools).unwrap_or(DEFAULT);
        self.environment
            .get_template(name)
            .map_or_else(|_| String::new(), |template| template.source().to_owned())
    }

    /// Renders a conversation.
    ///
    /// # Errors
    /// `InvalidRequest` with the template's own words when it refuses the conversation; `Corrupt` when it does not end
    /// within its budget.
    pub fn render(&self, conversation: &Conversation<'_>) -> Result<String> {
        let list =
            |items: &[Json]| if items.is_empty() { Value::from(()) } else { Value::from(Serde(items)) };
        let mut variables: BTreeMap<&str, Value> = BTreeMap::new();
        for (name, value) in conversation.arguments.into_iter().flatten() {
            variables.insert(name, Value::from(Serde(value)));
        }
        let messages: Vec<Json> = conversation.messages.iter().map(without_nulls).collect();
        variables.insert("messages", Value::from(Serde(messages)));
        variables.insert("tools", list(conversation.tools));
        variables.insert("documents", list(conversation.documents));
        variables.insert("add_generation_prompt", conversation.add_generation_prompt.into());
        variables.insert("bos_token", self.bos.as_str().into());
        variables.insert("eos_token", self.eos.as_str().into());
        let name = self.with_tools.filter(|_| !conversation.tools.is_empty()).unwrap_or(DEFAULT);
        let template = self.environment.get_template(name).map_err(|e| failed(&e))?;
        let mut prompt = Bounded(Vec::new());
        template.render_captured_to(Value::from_pairs(variables), &mut prompt).map_err(|e| failed(&e))?;
        String::from_utf8(prompt.0)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("the rendered prompt is no text: {e}")))
    }

    /// Renders the vocabulary's messages and tools, ending where the answer begins.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`].
    pub fn render_chat(
        &self,
        messages: &[Message],
        tools: &[ToolSpec],
        arguments: &Map<String, Json>,
    ) -> Result<String> {
        let messages: Vec<Json> = messages.iter().map(message_json).collect();
        let tools: Vec<Json> = tools.iter().map(tool_json).collect();
        self.render(&Conversation {
            messages: &messages,
            tools: &tools,
            documents: &[],
            add_generation_prompt: true,
            arguments: Some(arguments),
        })
    }
}

/// A message as templates expect it.
pub(crate) fn message_json(message: &Message) -> Json {
    let mut object = Map::new();
    object.insert("role".into(), json!(message.role));
    object.insert("content".into(), json!(message.content));
    if !message.tool_calls.is_empty() {
        let call = |c: &parasol_core::ToolCall| json!({"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}});
        object.insert("tool_calls".into(), message.tool_calls.iter().map(call).collect());
    }
    let texts = [
        ("reasoning_content", &message.reasoning),
        ("tool_call_id", &message.tool_call_id),
        ("name", &message.name),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            object.insert(key.into(), json!(value));
        }
    }
    Json::Object(object)
}

/// The message without fields that are null: some clients send `"content": null`, and templates know only missing fields.
fn without_nulls(message: &Json) -> Json {
    match message {
        Json::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        other => other.clone(),
    }
}

/// A tool as templates expect it.
pub(crate) fn tool_json(tool: &ToolSpec) -> Json {
    let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
    json!({"type": "function", "function": function})
}

/// An environment set up as `transformers` sets up Jinja for chat templates.
fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment
        .set_syntax(syntax.map_err(|e| Error::new(ErrorKind::Internal, format!("template syntax: {e}")))?);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(methods::call);
    functions::install(&mut environment);
    Ok(environment)
}

fn compile(environment: &mut Environment<'static>, name: &'static str, text: &str) -> Result<()> {
    if text.len() > LONGEST_SOURCE {
        let message =
            format!("the chat template is {} bytes long; at most {LONGEST_SOURCE} are compiled", text.len());
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    let text = source::without_generation_tags(text);
    environment.add_template_owned(name, text).map_err(|e| {
        Error::new(ErrorKind::Corrupt, format!("the chat template does not compile: {}", described(&e)))
    })
}

/// What an error of the template means for the caller.
fn failed(error: &minijinja::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = cause {
        if let Some(Raised(message)) = e.downcast_ref() {
            return Error::new(
                ErrorKind::InvalidRequest,
                format!("the model's chat template refuses this conversation: {message}"),
            );
        }
        if e.downcast_ref::<minijinja::Error>().is_some_and(|e| e.kind() == JinjaKind::OutOfFuel) {
            let message = format!(
                "the model's chat template did not end within {FUEL} steps: it loops, or the conversation is too long for it"
            );
            return Error::new(ErrorKind::Corrupt, message);
        }
        cause = e.source();
    }
    Error::new(
        ErrorKind::InvalidRequest,
        format!("the model's chat template fails on this conversation: {}", described(error)),
    )
}

fn described(error: &minijinja::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text += &format!(": {e}");
        cause = e.source();
    }
    text
}

/// Takes a prompt up to [`LONGEST_PROMPT`].
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_PROMPT {
            return Err(std::io::Error::other(format!("the prompt grows past {LONGEST_PROMPT} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
