//! Any text as a chat template, rendered on a conversation with tools under the limits that real ones have: a prompt or
//! an error, never a panic and never endless.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parasol_text::template::{ChatTemplate, Conversation};
use serde_json::json;

fuzz_target!(|source: &str| {
    let Ok(template) = ChatTemplate::new(source, "<s>", "</s>") else { return };
    let messages = [
        json!({"role": "system", "content": "Be brief."}),
        json!({"role": "user", "content": "What is the weather in Zürich? <|im_end|>"}),
        json!({"role": "assistant", "content": "", "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Zürich"}}}]}),
        json!({"role": "tool", "content": "12 °C", "tool_call_id": "1", "name": "weather"}),
    ];
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = [json!({"type": "function", "function": {"name": "weather", "description": "x", "parameters": parameters}})];
    for tools in [&tools[..], &[]] {
        let conversation = Conversation { messages: &messages, tools, add_generation_prompt: true, ..Conversation::default() };
        if let Err(e) = template.render(&conversation) {
            assert!(!e.message().is_empty());
        }
    }
});
