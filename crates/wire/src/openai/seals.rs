//! Seals of providers in this protocol, which has none of its own: those on thinking stand in `thinking_blocks`, as LiteLLM
//! has them, those on calls and answers in `extra_content`, as Google's endpoint that is compatible with OpenAI's has them.

use crate::fields::Fields;
use crate::seal;
use parasol_core::{Result, Signature, SignedPart, Signer};
use serde_json::{Value, json};

/// The seal of a tool call that a client sends back.
pub(crate) fn of_call(call: &mut Fields, index: usize) -> Result<Option<Signature>> {
    Ok(extra(call)?.map(|data| seal::read(data, Signer::Google, SignedPart::Call(index))))
}

/// `extra_content.google.thought_signature`.
fn extra(f: &mut Fields) -> Result<Option<String>> {
    let Some(mut extra) = f.object("extra_content")? else { return Ok(None) };
    let Some(mut google) = extra.object("google")? else { return Ok(None) };
    google.take("thought");
    google.string("thought_signature")
}

/// The other seals of a message that a client sends back.
pub(crate) fn of_thoughts(message: &mut Fields) -> Result<Vec<Signature>> {
    let mut out = Vec::new();
    for mut block in message.objects("thinking_blocks")?.unwrap_or_default() {
        match block.need_string("type")?.as_str() {
            "thinking" => {
                let thought = block.string("thinking")?.unwrap_or_default();
                if let Some(data) = block.string("signature")?.filter(|data| !data.is_empty()) {
                    out.push(seal::read(data, Signer::Anthropic, SignedPart::Thought(thought)));
                }
            }
            "redacted_thinking" => {
                out.push(seal::read(block.need_string("data")?, Signer::Anthropic, SignedPart::Hidden));
            }
            _ => return Err(block.wrong("type", "must be thinking or redacted_thinking")),
        }
        block.take("cache_control");
        block.finish()?;
    }
    out.extend(extra(message)?.map(|data| seal::read(data, Signer::Google, SignedPart::Answer)));
    Ok(out)
}

/// Writes seals into a message whose calls have been written.
pub(crate) fn write(signatures: &[Signature], message: &mut Value) {
    let mut blocks = Vec::new();
    for signature in signatures {
        match &signature.part {
            SignedPart::Thought(_) | SignedPart::Hidden => blocks.push(block(signature)),
            SignedPart::Call(index) => {
                if let Some(call) = message["tool_calls"].get_mut(*index) {
                    call["extra_content"] = extra_content(signature);
                }
            }
            SignedPart::Answer => message["extra_content"] = extra_content(signature),
        }
    }
    if !blocks.is_empty() {
        message["thinking_blocks"] = blocks.into();
    }
}

/// A seal on thinking.
fn block(signature: &Signature) -> Value {
    let data = seal::written(signature, Signer::Anthropic);
    match &signature.part {
        SignedPart::Thought(thought) => json!({ "type": "thinking", "thinking": thought, "signature": data }),
        _ => json!({ "type": "redacted_thinking", "data": data }),
    }
}

fn extra_content(signature: &Signature) -> Value {
    json!({ "google": { "thought_signature": seal::written(signature, Signer::Google) } })
}

/// The delta of a stream that brings a seal.
pub(crate) fn delta(signature: &Signature) -> Value {
    match &signature.part {
        SignedPart::Call(index) => {
            let function = json!({ "arguments": "" });
            json!({ "tool_calls": [{ "index": index, "function": function, "extra_content": extra_content(signature) }] })
        }
        SignedPart::Answer => json!({ "extra_content": extra_content(signature) }),
        _ => json!({ "thinking_blocks": [block(signature)] }),
    }
}

/// The seals that a message or a delta of a provider's brings.
pub(crate) fn received(part: &Value) -> Vec<Signature> {
    let mut out = Vec::new();
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    for block in part["thinking_blocks"].as_array().into_iter().flatten() {
        if let Some(data) = text(&block["signature"]) {
            let thought = block["thinking"].as_str().unwrap_or_default().to_owned();
            out.push(seal::read(data, Signer::Anthropic, SignedPart::Thought(thought)));
        } else if let Some(data) = text(&block["data"]) {
            out.push(seal::read(data, Signer::Anthropic, SignedPart::Hidden));
        }
    }
    for (at, call) in part["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let index = call["index"].as_u64().and_then(|i| usize::try_from(i).ok()).unwrap_or(at);
        let data = text(&call["extra_content"]["google"]["thought_signature"]);
        out.extend(data.map(|data| seal::read(data, Signer::Google, SignedPart::Call(index))));
    }
    let data = text(&part["extra_content"]["google"]["thought_signature"]);
    out.extend(data.map(|data| seal::read(data, Signer::Google, SignedPart::Answer)));
    out
}
