//! The calling direction: a request of the vocabulary as the body of `:generateContent` or `:streamGenerateContent` (which
//! of them, and the model, stand in the path). What the API cannot express is refused by name.

use parasol_core::{
    AnswerFormat, ChatRequest, Error, ErrorKind, Message, Reasoning, Result, Role, Sampling, ToolChoice,
};
use serde_json::{Map, Value, json};

/// The body of a request.
///
/// # Errors
/// `Unsupported`, naming what the API has no parameter for.
pub fn request_body(request: &ChatRequest) -> Result<Value> {
    let mut body = Map::new();
    conversation(&request.messages, &mut body);
    tools(request, &mut body)?;
    let mut config = Map::new();
    sampling(&request.sampling, &mut config)?;
    if let Some(most) = request.max_tokens {
        config.insert("maxOutputTokens".into(), most.into());
    }
    if !request.stop.is_empty() {
        config.insert("stopSequences".into(), json!(request.stop));
    }
    if let Some(alternatives) = request.logprobs {
        config.insert("responseLogprobs".into(), true.into());
        config.insert("logprobs".into(), alternatives.into());
    }
    let thinking = match request.reasoning {
        None => json!({ "includeThoughts": true }),
        Some(Reasoning::Off) => json!({ "thinkingBudget": 0 }),
        // As much as the model finds right, and shown.
        Some(Reasoning::On) => json!({ "includeThoughts": true, "thinkingLevel": "HIGH" }),
    };
    config.insert("thinkingConfig".into(), thinking);
    match &request.format {
        None => {}
        Some(AnswerFormat::JsonObject) => {
            config.insert("responseMimeType".into(), "application/json".into());
        }
        Some(AnswerFormat::JsonSchema { schema }) => {
            config.insert("responseMimeType".into(), "application/json".into());
            config.insert("responseJsonSchema".into(), schema.clone());
        }
        Some(AnswerFormat::Regex { .. }) => return Err(missing("a regular expression as the answer's form")),
        Some(AnswerFormat::Lark { .. }) => return Err(missing("a grammar as the answer's form")),
    }
    if let Some(name) = request.template_arguments.keys().next() {
        return Err(missing(&format!("the template argument {name}")));
    }
    body.insert("generationConfig".into(), config.into());
    Ok(Value::Object(body))
}

fn missing(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("Gemini's API has no parameter for {what}: leave it out"))
}

/// What differs from the defaults is sent or refused; the defaults leave the choice to the provider.
fn sampling(sampling: &Sampling, config: &mut Map<String, Value>) -> Result<()> {
    let open = Sampling::default();
    let numbers = [
        ("temperature", Some(sampling.temperature), Some(open.temperature)),
        ("topP", Some(sampling.top_p.unwrap_or(1.0)), open.top_p),
        ("presencePenalty", Some(sampling.presence_penalty), Some(open.presence_penalty)),
        ("frequencyPenalty", Some(sampling.frequency_penalty), Some(open.frequency_penalty)),
    ];
    for (name, value, default) in numbers {
        if value != default {
            config.insert(name.into(), json!(value));
        }
    }
    if sampling.top_k != open.top_k
        && let Some(k) = sampling.top_k
    {
        config.insert("topK".into(), k.into());
    }
    if let Some(seed) = sampling.seed {
        let Ok(seed) = i32::try_from(seed.cast_signed()) else {
            return Err(missing(&format!("the seed {seed}, which has more than 32 bits")));
        };
        config.insert("seed".into(), seed.into());
    }
    let others = [
        ("min_p", sampling.min_p != open.min_p && sampling.min_p.is_some()),
        ("typical_p", sampling.typical_p.is_some()),
        ("repetition_penalty", sampling.repetition_penalty != open.repetition_penalty),
        ("logit_bias", !sampling.logit_bias.is_empty()),
    ];
    match others.iter().find(|(_, set)| *set) {
        Some((name, _)) => Err(missing(name)),
        None => Ok(()),
    }
}

fn conversation(messages: &[Message], body: &mut Map<String, Value>) {
    let (mut system, mut out) = (Vec::new(), Vec::<(&str, Vec<Value>)>::new());
    for message in messages {
        let (role, parts) = match message.role {
            Role::System => {
                system.push(json!({ "text": message.content }));
                continue;
            }
            Role::User => ("user", vec![json!({ "text": message.content })]),
            Role::Tool => ("user", vec![response(message)]),
            Role::Assistant => ("model", said(message)),
        };
        match out.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(parts),
            _ => out.push((role, parts)),
        }
    }
    if !system.is_empty() {
        body.insert("systemInstruction".into(), json!({ "parts": system }));
    }
    let contents = out.into_iter().map(|(role, parts)| json!({ "role": role, "parts": parts }));
    body.insert("contents".into(), contents.collect());
}

fn said(message: &Message) -> Vec<Value> {
    let thought = message.reasoning.iter().map(|t| json!({ "text": t, "thought": true }));
    let text = Some(&message.content).filter(|c| !c.is_empty()).map(|c| json!({ "text": c }));
    let calls = message
        .tool_calls
        .iter()
        .map(|call| json!({ "functionCall": { "id": call.id, "name": call.name, "args": call.arguments } }));
    thought.chain(text).chain(calls).collect()
}

fn response(message: &Message) -> Value {
    let mut response = json!({ "name": message.name, "response": { "output": message.content } });
    if let Some(id) = &message.tool_call_id {
        response["id"] = id.as_str().into();
    }
    json!({ "functionResponse": response })
}

fn tools(request: &ChatRequest, body: &mut Map<String, Value>) -> Result<()> {
    if request.tools.is_empty() {
        return Ok(());
    }
    if request.parallel_tool_calls == Some(false) {
        return Err(missing("one tool call at a time"));
    }
    let tools = request.tools.iter().map(|tool| {
        json!({
            "name": tool.name,
            "description": tool.description,
            "parametersJsonSchema": tool.parameters,
        })
    });
    body.insert("tools".into(), json!([{ "functionDeclarations": tools.collect::<Vec<_>>() }]));
    let config = match &request.tool_choice {
        ToolChoice::Auto => json!({ "mode": "AUTO" }),
        ToolChoice::None => json!({ "mode": "NONE" }),
        ToolChoice::Required => json!({ "mode": "ANY" }),
        ToolChoice::Named(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
    };
    body.insert("toolConfig".into(), json!({ "functionCallingConfig": config }));
    Ok(())
}
