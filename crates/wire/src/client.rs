//! Calling a provider, whichever protocol it speaks: a request of the vocabulary as a path and a body, and what comes back
//! as events ([`Reader`]) and errors. What a protocol cannot express is an error that names it where the answer would be another
//! without it, and is reported as ignored where the answer is only chosen differently. Sockets are the remote engine's.

use crate::filming::FilmManner;
use crate::imagining::Drawing;
use crate::{anthropic, bfl, cohere, gemini, openai, speaking, stability};
use parasol_core::{ChatRequest, Effort, Error, ErrorKind, Result, Sampling, SamplingChoice, ToolChoice};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::reader::Reader;

/// A protocol that providers speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// OpenAI's chat completions, and everything that is compatible with them.
    #[default]
    OpenAi,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
    /// Cohere's chat, version 2.
    Cohere,
    /// ElevenLabs' text to speech and speech to text.
    ElevenLabs,
    /// Stability's pictures, version 2.
    Stability,
    /// Black Forest Labs' pictures: jobs that are asked for until they are done.
    Bfl,
    /// Runway's films.
    Runway,
}

/// How a provider's, or a model's, form of a protocol differs from others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manner {
    /// It takes the fields that vLLM, SGLang, llama.cpp and Parasol add to OpenAI's: more filters, template variables,
    /// grammars.
    pub extended: bool,
    /// What it does where a request says nothing; what is equal is not sent. `None` sends everything.
    pub defaults: Option<SamplingChoice>,
    /// The most tokens of an answer, which Anthropic's protocol wants to be told.
    pub max_output: Option<usize>,
    /// The efforts that it can be asked for; `none` among them if it can be asked not to think. `None`: not known.
    pub efforts: Option<Vec<String>>,
    /// How it is told to think, where the protocol has several ways.
    pub thinking: Thinking,
    /// It takes back what it thought as `reasoning_content`.
    pub takes_reasoning: bool,
    /// OpenAI's protocol there has `thinking` as a switch beside the effort (DeepSeek's, and GLM's), and wants what was thought back
    /// with every call of a tool.
    pub thinking_switch: bool,
    /// What OpenAI's protocol calls the limit of the answer there.
    pub limit_field: String,
    /// What it calls the seed; empty where it has none.
    pub seed_field: String,
    /// It knows `stream_options`; others report the usage by themselves.
    pub stream_options: bool,
    /// Where it transcribes, it tells times …
    pub timestamps: bool,
    /// … also where it is told the language …
    pub timed_language: bool,
    /// … of what is asked for in fields of this name …
    pub granularities: String,
    /// … takes `response_format` …
    pub response_format: bool,
    /// … and a text that may have come before.
    pub prompted: bool,
    /// The most characters of a text that it speaks at once.
    pub max_characters: usize,
    /// The most texts that it embeds at once.
    pub max_inputs: usize,
    /// What OpenAI's protocol calls the length of a vector there; empty where it cannot be asked for.
    pub dimensions_field: String,
    /// Where it embeds, it reads what for before the text (Gemini Embedding 2), and not in a field.
    pub purpose_prefix: bool,
    /// It takes temperature, filters and penalties: many models that think take none.
    pub samples: bool,
    /// It can be made to call a tool.
    pub forced_tools: bool,
    /// It counts tokens by the endpoint that OpenAI's responses have for it.
    pub counts: bool,
    /// How it is asked for pictures.
    pub drawing: Drawing,
    /// Where it makes films, how.
    pub films: FilmManner,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            extended: true,
            defaults: None,
            max_output: None,
            efforts: None,
            thinking: Thinking::default(),
            takes_reasoning: true,
            thinking_switch: false,
            // The older name: the servers that imitate the protocol know it, and not all know the newer one.
            limit_field: "max_tokens".into(),
            seed_field: "seed".into(),
            stream_options: true,
            timestamps: true,
            timed_language: true,
            granularities: "timestamp_granularities[]".into(),
            response_format: true,
            prompted: true,
            max_characters: 4096,
            // Mistral's limit; others take more, but answers are to stay of a size.
            max_inputs: 256,
            dimensions_field: "dimensions".into(),
            purpose_prefix: false,
            samples: true,
            forced_tools: true,
            counts: false,
            drawing: Drawing::default(),
            films: FilmManner::default(),
        }
    }
}

impl Manner {
    /// That of a provider that takes nothing but the protocol's own fields.
    #[must_use]
    pub fn standard() -> Self {
        Self { extended: false, ..Self::default() }
    }

    /// What is not sent because it holds anyway.
    pub(crate) fn unsaid(&self) -> Option<Sampling> {
        if !self.samples {
            return Some(SamplingChoice::neutral().sampling());
        }
        self.defaults.map(|defaults| defaults.or(&SamplingChoice::neutral()).sampling())
    }

    /// The effort to ask for, by its name: the nearest to `wanted` that it knows.
    pub(crate) fn effort(&self, wanted: Effort) -> Option<String> {
        let Some(known) = &self.efforts else { return Some(wanted.name().to_owned()) };
        let rank = |effort: Effort| Effort::ALL.iter().position(|e| *e == effort).unwrap_or(0);
        let efforts = known.iter().filter_map(|name| Effort::from_name(name));
        efforts.min_by_key(|e| rank(*e).abs_diff(rank(wanted))).map(|e| e.name().to_owned())
    }

    /// Whether it can be asked not to think; `None` when that is not known.
    pub(crate) fn can_be_quiet(&self) -> Option<bool> {
        self.efforts.as_ref().map(|known| known.iter().any(|name| name == "none"))
    }
}

/// How a model is told to think.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    /// By a number of tokens (Anthropic's `budget_tokens`, Gemini's `thinkingBudget`).
    #[default]
    Budget,
    /// By an effort (Anthropic's `adaptive`, Gemini's `thinkingLevel`).
    Effort,
    /// Not at all: it does not think.
    Never,
}

/// A request as it goes out.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The endpoint below the base URL.
    pub path: String,
    /// The body.
    pub body: Value,
    /// Fields of the request that have no effect there, and why.
    pub ignored: Vec<(String, String)>,
}

/// A chat with `model` as `protocol` has it, streamed.
///
/// # Errors
/// `Unsupported` or `InvalidRequest`, naming what the protocol, or the model, cannot express.
pub fn chat(protocol: Protocol, model: &str, request: &ChatRequest, manner: &Manner) -> Result<Written> {
    let mut ignored = Vec::new();
    let forced = matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
    if forced && !manner.forced_tools && !request.tools.is_empty() {
        let message = "tool_choice: the model cannot be made to call a tool: leave the choice to it";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let unsampled = unsampled(request, manner, &mut ignored);
    let request = unsampled.as_ref().unwrap_or(request);
    let (path, body) = match protocol {
        Protocol::OpenAi => (
            "chat/completions".to_owned(),
            openai::client::chat_request(model, request, manner, &mut ignored)?,
        ),
        Protocol::Responses => {
            ("responses".to_owned(), openai::responses::chat_request(model, request, manner, &mut ignored)?)
        }
        Protocol::Anthropic => {
            ("messages".to_owned(), anthropic::request_body(model, request, manner, &mut ignored)?)
        }
        Protocol::Gemini => {
            let body = gemini::request_body(request, manner, &mut ignored)?;
            (format!("{}:streamGenerateContent?alt=sse", gemini_name(model)?), body)
        }
        Protocol::Cohere => ("chat".to_owned(), cohere::request_body(model, request, manner, &mut ignored)?),
        Protocol::ElevenLabs => {
            let message = "the provider's protocol has sound only: ask for speech or a transcript";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Protocol::Stability | Protocol::Bfl => {
            let message = "the provider's protocol has pictures only: ask for one (`parasol imagine`)";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Protocol::Runway => {
            let message = "the provider's protocol has films only: ask for a film";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    };
    Ok(Written { path, body, ignored })
}

/// The request without what a model that takes no sampling would refuse, where it asks for some: what is left out is told.
fn unsampled(
    request: &ChatRequest,
    manner: &Manner,
    ignored: &mut Vec<(String, String)>,
) -> Option<ChatRequest> {
    let (asked, open) = (&request.sampling, SamplingChoice::neutral().sampling());
    let without = Sampling { seed: asked.seed, logit_bias: asked.logit_bias.clone(), ..open };
    let penalties = |it: &Sampling| (it.repetition_penalty, it.presence_penalty, it.frequency_penalty);
    let differs = [
        ("temperature", asked.temperature != without.temperature),
        ("top_p", asked.top_p != without.top_p),
        ("top_k", asked.top_k != without.top_k),
        ("min_p", asked.min_p != without.min_p),
        ("typical_p", asked.typical_p != without.typical_p),
        ("penalties", penalties(asked) != penalties(&without)),
    ];
    if manner.samples || !differs.iter().any(|(_, differs)| *differs) {
        return None;
    }
    for (name, _) in differs.iter().filter(|(_, differs)| *differs) {
        ignored.push(((*name).to_owned(), "the model draws its tokens in its own way".to_owned()));
    }
    Some(ChatRequest { sampling: without, ..request.clone() })
}

/// What OpenAI's endpoint for counting takes of a request to responses.
const COUNTED: [&str; 7] =
    ["model", "input", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"];

/// The request that counts a chat's tokens; `None` where the protocol has none.
///
/// # Errors
/// As [`chat`].
pub fn count(
    protocol: Protocol,
    model: &str,
    request: &ChatRequest,
    manner: &Manner,
) -> Result<Option<Written>> {
    match protocol {
        // The endpoint belongs to responses, and counts a conversation alike however it is had.
        Protocol::OpenAi | Protocol::Responses if manner.counts => {
            // Where an answer stops, and how it is drawn, makes no prompt longer, and responses cannot say all of it.
            let sampling = SamplingChoice::neutral().sampling();
            let request = ChatRequest { stop: Vec::new(), sampling, ..request.clone() };
            let mut written = chat(Protocol::Responses, model, &request, manner)?;
            written.path = "responses/input_tokens".into();
            if let Some(body) = written.body.as_object_mut() {
                body.retain(|field, _| COUNTED.contains(&field.as_str()));
            }
            Ok(Some(written))
        }
        Protocol::OpenAi
        | Protocol::Responses
        | Protocol::Cohere
        | Protocol::ElevenLabs
        | Protocol::Stability
        | Protocol::Bfl
        | Protocol::Runway => Ok(None),
        Protocol::Anthropic => {
            let mut written = chat(protocol, model, request, manner)?;
            written.path = "messages/count_tokens".into();
            for field in ["max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences"] {
                written.body.as_object_mut().map(|body| body.shift_remove(field));
            }
            Ok(Some(written))
        }
        Protocol::Gemini => {
            let mut written = chat(protocol, model, request, manner)?;
            let name = gemini_name(model)?;
            written.body["model"] = Value::from(name.as_str());
            written.body = serde_json::json!({ "generateContentRequest": written.body });
            written.path = format!("{name}:countTokens");
            Ok(Some(written))
        }
    }
}

/// The tokens that a provider counted.
///
/// # Errors
/// `Network` when the answer holds no count.
pub fn counted(protocol: Protocol, body: &Value) -> Result<usize> {
    let field = if protocol == Protocol::Gemini { "totalTokens" } else { "input_tokens" };
    let count = body.get(field).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    count.ok_or_else(|| Error::new(ErrorKind::Network, format!("the provider's count holds no {field}")))
}

/// How many an answer tells; what is no count is none.
pub(crate) fn told_count(value: &Value) -> usize {
    value.as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
}

/// Whether a name can stand in a path, where nothing else may come of it.
pub(crate) fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

/// The model's name within the path.
pub(crate) fn gemini_name(model: &str) -> Result<String> {
    let name = model.strip_prefix("models/").unwrap_or(model);
    if !is_plain(name) {
        let message =
            format!("model: {model:?} is no model's name of Gemini's API: letters, digits, -, _ and .");
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    Ok(format!("models/{name}"))
}

/// What a provider's refusal means: its status, body, and `retry-after` in seconds.
#[must_use]
pub fn error(protocol: Protocol, status: u16, body: &[u8], retry_after: Option<u64>) -> Error {
    let parsed = || serde_json::from_slice::<Value>(body).unwrap_or_default();
    match protocol {
        Protocol::OpenAi | Protocol::Responses | Protocol::Cohere | Protocol::Runway => {
            openai::client::error(status, body, retry_after)
        }
        Protocol::Anthropic => anthropic::error_from(status, &parsed(), retry_after),
        Protocol::Gemini => gemini::error_from(status, &parsed(), retry_after),
        Protocol::ElevenLabs => speaking::elevenlabs_error(status, body, retry_after),
        Protocol::Stability => stability::error(status, body, retry_after),
        Protocol::Bfl => bfl::error(status, body, retry_after),
    }
}
