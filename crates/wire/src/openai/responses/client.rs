//! Calling a provider that speaks responses: a request of the vocabulary as this protocol has it.

use super::super::tools;
use super::request::short;
use parasol_core::{
    AnswerFormat, ChatRequest, Error, ErrorKind, Message, Reasoning, Result, Role, ToolChoice,
};
use serde_json::{Value, json};

/// A request to `model` that is streamed and stored nowhere.
///
/// # Errors
/// `Unsupported` naming what this protocol cannot ask for.
pub fn chat_request(model: &str, request: &ChatRequest) -> Result<Value> {
    refuse(request)?;
    let mut body = json!({ "model": model, "stream": true, "store": false });
    body["input"] = request.messages.iter().flat_map(write).collect();
    if !request.tools.is_empty() {
        let flat = request.tools.iter().map(|tool| {
            json!({ "type": "function", "name": tool.name, "description": tool.description,
                "parameters": tool.parameters, "strict": false })
        });
        body["tools"] = flat.collect();
        body["tool_choice"] = match &request.tool_choice {
            ToolChoice::Named(name) => json!({ "type": "function", "name": name }),
            choice => tools::write_choice(choice),
        };
    }
    if let Some(parallel) = request.parallel_tool_calls {
        body["parallel_tool_calls"] = parallel.into();
    }
    match &request.format {
        None => {}
        Some(AnswerFormat::JsonObject) => body["text"] = json!({ "format": { "type": "json_object" } }),
        Some(AnswerFormat::JsonSchema { schema }) => {
            body["text"] = json!({ "format": {
                "type": "json_schema", "name": "answer", "schema": schema, "strict": true,
            } });
        }
        Some(AnswerFormat::Regex { .. } | AnswerFormat::Lark { .. }) => {
            return Err(unsupported("answers in the form of an expression or a grammar"));
        }
    }
    if let Some(reasoning) = request.reasoning {
        let effort = if reasoning == Reasoning::Off { "none" } else { "medium" };
        body["reasoning"] = json!({ "effort": effort });
    }
    if let Some(most) = request.max_tokens {
        body["max_output_tokens"] = most.into();
    }
    if let Some(n) = request.logprobs {
        body["include"] = json!(["message.output_text.logprobs"]);
        body["top_logprobs"] = n.into();
    }
    body["temperature"] = short(request.sampling.temperature);
    body["top_p"] = short(request.sampling.top_p.unwrap_or(1.0));
    Ok(body)
}

fn unsupported(what: &str) -> Error {
    let message = format!("{what}: the Responses API cannot ask for that; ask through chat completions");
    Error::new(ErrorKind::Unsupported, message)
}

/// What the protocol has no field for.
fn refuse(request: &ChatRequest) -> Result<()> {
    let sampling = &request.sampling;
    let asked = [
        (!request.stop.is_empty(), "stop"),
        (sampling.seed.is_some(), "seed"),
        (!sampling.logit_bias.is_empty(), "logit_bias"),
        (sampling.presence_penalty != 0.0, "presence_penalty"),
        (sampling.frequency_penalty != 0.0, "frequency_penalty"),
        (sampling.repetition_penalty != 1.0, "repetition_penalty"),
        (sampling.top_k.is_some(), "top_k"),
        (sampling.min_p.is_some(), "min_p"),
        (sampling.typical_p.is_some(), "typical_p"),
        (!request.template_arguments.is_empty(), "template arguments"),
    ];
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, name)) => Err(unsupported(name)),
        None => Ok(()),
    }
}

/// A message as items.
fn write(message: &Message) -> Vec<Value> {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => {
            return vec![json!({
                "type": "function_call_output", "call_id": message.tool_call_id, "output": message.content,
            })];
        }
    };
    let mut items = Vec::new();
    if let Some(thought) = &message.reasoning {
        items.push(json!({ "type": "reasoning", "summary": [],
            "content": [{ "type": "reasoning_text", "text": thought }] }));
    }
    if !message.content.is_empty() || message.tool_calls.is_empty() {
        items.push(json!({ "type": "message", "role": role, "content": message.content }));
    }
    items.extend(message.tool_calls.iter().map(|call| {
        json!({ "type": "function_call", "call_id": call.id, "name": call.name,
            "arguments": call.arguments.to_string() })
    }));
    items
}
