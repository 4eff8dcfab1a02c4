//! The calling direction: a request of the vocabulary as the body of `POST /v1/messages`. What the API cannot express is
//! refused by name. An assistant message's reasoning is left out: the API takes back only thinking that it has signed
//! itself, and the vocabulary carries no signatures.

use parasol_core::{
    AnswerFormat, ChatRequest, Error, ErrorKind, Message, Reasoning, Result, Role, Sampling, ToolChoice,
};
use serde_json::{Map, Value, json};

/// The limit that is sent when a request has none, since the API requires one.
pub const DEFAULT_MAX_TOKENS: usize = 8192;

/// The least thinking that the API grants, in tokens.
const LEAST_BUDGET: usize = 1024;

/// The body of a request to `model`.
///
/// # Errors
/// `Unsupported`, naming what the API has no parameter for.
pub fn request_body(model: &str, request: &ChatRequest, stream: bool) -> Result<Value> {
    let most = request.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("max_tokens".into(), most.into());
    conversation(&request.messages, &mut body);
    tools(request, &mut body);
    sampling(&request.sampling, &mut body)?;
    match request.reasoning {
        None => {}
        Some(Reasoning::Off) => {
            body.insert("thinking".into(), json!({ "type": "disabled" }));
        }
        Some(Reasoning::On) if most > LEAST_BUDGET => {
            let budget = LEAST_BUDGET.max(most / 2);
            body.insert("thinking".into(), json!({ "type": "enabled", "budget_tokens": budget }));
        }
        Some(Reasoning::On) => {
            let what =
                format!("thinking takes at least {LEAST_BUDGET} tokens and max_tokens is {most}: raise it");
            return Err(Error::new(ErrorKind::InvalidRequest, what));
        }
    }
    match &request.format {
        None => {}
        Some(AnswerFormat::JsonSchema { schema }) => {
            let format = json!({ "type": "json_schema", "schema": schema });
            body.insert("output_config".into(), json!({ "format": format }));
        }
        Some(AnswerFormat::JsonObject) => return Err(missing("JSON without a schema")),
        Some(AnswerFormat::Regex { .. }) => return Err(missing("a regular expression as the answer's form")),
        Some(AnswerFormat::Lark { .. }) => return Err(missing("a grammar as the answer's form")),
    }
    if !request.stop.is_empty() {
        body.insert("stop_sequences".into(), json!(request.stop));
    }
    if request.logprobs.is_some() {
        return Err(missing("log-probabilities"));
    }
    if let Some(name) = request.template_arguments.keys().next() {
        return Err(missing(&format!("the template argument {name}")));
    }
    if stream {
        body.insert("stream".into(), true.into());
    }
    Ok(Value::Object(body))
}

fn missing(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("Anthropic's API has no parameter for {what}: leave it out"))
}

/// What differs from the defaults is sent or refused; the defaults leave the choice to the provider.
fn sampling(sampling: &Sampling, body: &mut Map<String, Value>) -> Result<()> {
    let open = Sampling::default();
    if sampling.temperature != open.temperature {
        body.insert("temperature".into(), sampling.temperature.into());
    }
    if sampling.top_p != open.top_p {
        body.insert("top_p".into(), sampling.top_p.unwrap_or(1.0).into());
    }
    if sampling.top_k != open.top_k
        && let Some(k) = sampling.top_k
    {
        body.insert("top_k".into(), k.into());
    }
    let others = [
        ("min_p", sampling.min_p != open.min_p && sampling.min_p.is_some()),
        ("typical_p", sampling.typical_p.is_some()),
        ("repetition_penalty", sampling.repetition_penalty != open.repetition_penalty),
        ("presence_penalty", sampling.presence_penalty != open.presence_penalty),
        ("frequency_penalty", sampling.frequency_penalty != open.frequency_penalty),
        ("logit_bias", !sampling.logit_bias.is_empty()),
        ("seed", sampling.seed.is_some()),
    ];
    match others.iter().find(|(_, set)| *set) {
        Some((name, _)) => Err(missing(name)),
        None => Ok(()),
    }
}

fn conversation(messages: &[Message], body: &mut Map<String, Value>) {
    let first = messages.iter().take_while(|m| m.role == Role::System).count();
    let (system, turns) = messages.split_at(first);
    if !system.is_empty() {
        let text: Vec<&str> = system.iter().map(|m| m.content.as_str()).collect();
        body.insert("system".into(), text.join("\n").into());
    }
    let mut out: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in turns {
        let (role, blocks) = turn(message);
        match out.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(blocks),
            _ => out.push((role, blocks)),
        }
    }
    let turns = out.into_iter().map(|(role, content)| json!({ "role": role, "content": content }));
    body.insert("messages".into(), turns.collect());
}

fn turn(message: &Message) -> (&'static str, Vec<Value>) {
    let text = |text: &str| json!({ "type": "text", "text": text });
    match message.role {
        Role::System => ("system", vec![text(&message.content)]),
        Role::User => ("user", vec![text(&message.content)]),
        Role::Tool => {
            let id = message.tool_call_id.as_deref().unwrap_or_default();
            ("user", vec![json!({ "type": "tool_result", "tool_use_id": id, "content": message.content })])
        }
        Role::Assistant => {
            let said = Some(&message.content).filter(|c| !c.is_empty()).map(|c| text(c));
            let calls = message.tool_calls.iter().map(|call| {
                json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments })
            });
            ("assistant", said.into_iter().chain(calls).collect())
        }
    }
}

fn tools(request: &ChatRequest, body: &mut Map<String, Value>) {
    if request.tools.is_empty() {
        return;
    }
    let tools = request.tools.iter().map(
        |tool| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters }),
    );
    body.insert("tools".into(), tools.collect());
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
