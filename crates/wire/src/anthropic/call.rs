//! The calling direction: a request of the vocabulary as the body of `POST /v1/messages`. What the API cannot express is
//! refused or reported by name. Thinking goes back only where the API has signed it: it takes no other.

use super::blocks_out::{assistant, user_blocks};
use crate::client::{Manner, Thinking};
use crate::openai::client::short;
use parasol_core::{
    AnswerFormat, CacheHint, ChatRequest, Effort, Error, ErrorKind, Message, Reasoning, Result, Role,
    SamplingChoice, ToolChoice,
};
use serde_json::{Map, Value, json};

/// The limit that is sent when neither a request nor the model has one, since the API requires it.
const DEFAULT_MAX_TOKENS: usize = 8192;

/// The least thinking that the API grants, in tokens.
const LEAST_BUDGET: usize = 1024;

type Ignored = Vec<(String, String)>;

/// The body of a streamed request to `model`.
///
/// # Errors
/// `Unsupported`, naming what the API has no parameter for.
pub fn request_body(
    model: &str,
    request: &ChatRequest,
    manner: &Manner,
    ignored: &mut Ignored,
) -> Result<Value> {
    let most = request.max_tokens.or(manner.max_output).unwrap_or(DEFAULT_MAX_TOKENS);
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("max_tokens".into(), most.into());
    conversation(&request.messages, &mut body, ignored)?;
    tools(request, &mut body);
    sampling(request, manner, &mut body, ignored)?;
    let mut output = Map::new();
    thinking(request, manner, most, &mut body, &mut output, ignored)?;
    match &request.format {
        None => {}
        Some(AnswerFormat::JsonSchema { schema }) => {
            output.insert("format".into(), json!({ "type": "json_schema", "schema": schema }));
        }
        Some(AnswerFormat::JsonObject) => return Err(missing("format: JSON without a schema")),
        Some(AnswerFormat::Regex { .. }) => {
            return Err(missing("format: a regular expression as the answer's form"));
        }
        Some(AnswerFormat::Lark { .. }) => return Err(missing("format: a grammar as the answer's form")),
    }
    if !output.is_empty() {
        body.insert("output_config".into(), output.into());
    }
    if !request.stop.is_empty() {
        body.insert("stop_sequences".into(), json!(request.stop));
    }
    if request.logprobs.is_some() {
        return Err(missing("logprobs: log-probabilities"));
    }
    if let Some(name) = request.template_arguments.keys().next() {
        return Err(missing(&format!("template_arguments: the template argument {name}")));
    }
    body.insert("stream".into(), true.into());
    Ok(Value::Object(body))
}

/// `field: what`, as complaints begin with the field.
fn missing(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{what}: Anthropic's API has no parameter for it, leave it out"),
    )
}

fn without(field: &str, ignored: &mut Ignored) {
    ignored.push((field.to_owned(), "Anthropic's API has no parameter for it".to_owned()));
}

fn thinking(
    request: &ChatRequest,
    manner: &Manner,
    most: usize,
    body: &mut Map<String, Value>,
    output: &mut Map<String, Value>,
    ignored: &mut Ignored,
) -> Result<()> {
    let wanted = match request.reasoning {
        Some(on) => on == Reasoning::On,
        None => request.effort.is_some() || request.thinking_tokens.is_some(),
    };
    if request.reasoning == Some(Reasoning::Off) && manner.thinking != Thinking::Never {
        if manner.can_be_quiet() == Some(false) {
            let why = "the model always thinks: it is asked to think as little as it can";
            ignored.push(("reasoning".to_owned(), why.to_owned()));
            output.insert("effort".into(), Effort::Low.name().into());
        } else {
            body.insert("thinking".into(), json!({ "type": "disabled" }));
        }
    }
    if !wanted {
        return Ok(());
    }
    match manner.thinking {
        Thinking::Never => {
            let why = "the model does not think".to_owned();
            ignored.push(("reasoning".to_owned(), why));
        }
        Thinking::Effort => {
            // Without the second, newer models think and do not tell what.
            body.insert("thinking".into(), json!({ "type": "adaptive", "display": "summarized" }));
            if let Some(effort) = request.effort {
                // Its scale has no least grade, and its highest has a name of its own.
                let name = match effort {
                    Effort::Minimal => "low",
                    Effort::XHigh => "max",
                    other => other.name(),
                };
                output.insert("effort".into(), name.into());
            }
            if request.thinking_tokens.is_some() {
                without("thinking_tokens", ignored);
            }
        }
        Thinking::Budget if most > LEAST_BUDGET => {
            let share = match request.effort.unwrap_or(Effort::Medium) {
                Effort::Minimal => 0,
                Effort::Low => most / 8,
                Effort::Medium => most / 2,
                Effort::High => most / 4 * 3,
                Effort::XHigh => most,
            };
            let budget = request.thinking_tokens.unwrap_or(share).clamp(LEAST_BUDGET, most.saturating_sub(1));
            if let Some(tokens) = request.thinking_tokens.filter(|tokens| *tokens != budget) {
                let why = format!(
                    "{tokens} are no number of tokens to think with an answer of {most}: at least {LEAST_BUDGET}, and fewer than \
                     those; {budget} were asked for"
                );
                ignored.push(("thinking_tokens".to_owned(), why));
            }
            body.insert("thinking".into(), json!({ "type": "enabled", "budget_tokens": budget }));
        }
        Thinking::Budget => {
            let what = format!(
                "max_tokens: is {most}, and thinking alone takes at least {LEAST_BUDGET} tokens there: raise it"
            );
            return Err(Error::new(ErrorKind::InvalidRequest, what));
        }
    }
    Ok(())
}

/// What differs from the provider's own choice is sent, or reported where there is no parameter.
fn sampling(
    request: &ChatRequest,
    manner: &Manner,
    body: &mut Map<String, Value>,
    ignored: &mut Ignored,
) -> Result<()> {
    // Without word of the provider, what its API does where a request says nothing: the neutral choice.
    let open = manner.unsaid().unwrap_or_else(|| SamplingChoice::neutral().sampling());
    let asked = &request.sampling;
    if asked.temperature != open.temperature {
        body.insert("temperature".into(), short(asked.temperature));
    }
    if asked.top_p != open.top_p {
        body.insert("top_p".into(), short(asked.top_p.unwrap_or(1.0)));
    }
    if asked.top_k != open.top_k
        && let Some(k) = asked.top_k
    {
        body.insert("top_k".into(), k.into());
    }
    let others = [
        ("min_p", asked.min_p != open.min_p && asked.min_p.is_some()),
        ("typical_p", asked.typical_p.is_some()),
        ("repetition_penalty", asked.repetition_penalty != 1.0),
        ("presence_penalty", asked.presence_penalty != 0.0),
        ("frequency_penalty", asked.frequency_penalty != 0.0),
        ("seed", asked.seed.is_some()),
    ];
    others.iter().filter(|(_, set)| *set).for_each(|(name, _)| without(name, ignored));
    if !asked.logit_bias.is_empty() {
        return Err(missing("logit_bias: the bias of tokens"));
    }
    Ok(())
}

fn conversation(messages: &[Message], body: &mut Map<String, Value>, ignored: &mut Ignored) -> Result<()> {
    let first = messages.iter().take_while(|m| m.role == Role::System).count();
    let (system, turns) = messages.split_at(first);
    if !system.is_empty() {
        body.insert("system".into(), system_value(system)?);
    }
    let mut out: Vec<(&str, Vec<Value>)> = Vec::new();
    for (i, message) in turns.iter().enumerate() {
        let path = format!("messages.{}", i.saturating_add(first));
        let (role, mut blocks) = match message.role {
            Role::System => ("system", user_blocks(message, &path)?),
            Role::User => ("user", user_blocks(message, &path)?),
            Role::Tool => ("user", vec![result(message, &path)?]),
            Role::Assistant => ("assistant", assistant(message, &path, ignored)?),
        };
        mark(&mut blocks, message.cache);
        match out.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(blocks),
            _ => out.push((role, blocks)),
        }
    }
    let turns = out.into_iter().map(|(role, content)| json!({ "role": role, "content": content }));
    body.insert("messages".into(), turns.collect());
    Ok(())
}

/// Instructions are a text; in blocks where one is marked.
fn system_value(system: &[Message]) -> Result<Value> {
    if system.iter().all(|m| m.cache.is_none() && m.attachments.is_empty()) {
        let text: Vec<&str> = system.iter().map(|m| m.content.as_str()).collect();
        return Ok(text.join("\n").into());
    }
    let mut all = Vec::new();
    for (i, message) in system.iter().enumerate() {
        let mut blocks = user_blocks(message, &format!("messages.{i}"))?;
        mark(&mut blocks, message.cache);
        all.extend(blocks);
    }
    Ok(all.into())
}

fn result(message: &Message, path: &str) -> Result<Value> {
    let id = message.tool_call_id.as_deref().unwrap_or_default();
    let content = match message.attachments.is_empty() {
        true => message.content.clone().into(),
        false => Value::Array(user_blocks(message, path)?),
    };
    Ok(json!({ "type": "tool_result", "tool_use_id": id, "content": content }))
}

/// Puts the mark on the last block.
fn mark(blocks: &mut [Value], hint: Option<CacheHint>) {
    if let (Some(hint), Some(last)) = (hint, blocks.last_mut()) {
        last["cache_control"] = control(hint);
    }
}

fn control(hint: CacheHint) -> Value {
    match hint {
        CacheHint::Minutes => json!({ "type": "ephemeral" }),
        CacheHint::Hour => json!({ "type": "ephemeral", "ttl": "1h" }),
    }
}

fn tools(request: &ChatRequest, body: &mut Map<String, Value>) {
    if request.tools.is_empty() {
        return;
    }
    let tool = |tool: &parasol_core::ToolSpec| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters });
    let mut tools: Vec<Value> = request.tools.iter().map(tool).collect();
    mark(&mut tools, request.tools_cache);
    body.insert("tools".into(), tools.into());
    let mut choice = match &request.tool_choice {
        ToolChoice::Auto => json!({ "type": "auto" }),
        ToolChoice::None => json!({ "type": "none" }),
        ToolChoice::Required => json!({ "type": "any" }),
        ToolChoice::Named(name) => json!({ "type": "tool", "name": name }),
    };
    if request.parallel_tool_calls == Some(false) && request.tool_choice != ToolChoice::None {
        choice["disable_parallel_tool_use"] = true.into();
    }
    body.insert("tool_choice".into(), choice);
}
