//! The tools of a Messages request, and which of them may or must be called.

use super::blocks;
use crate::fields::Fields;
use parasol_core::{CacheHint, ChatRequest, Result, ToolChoice, ToolSpec};
use std::collections::HashSet;

/// Takes `tools` and `tool_choice`.
pub(super) fn read(f: &mut Fields, chat: &mut ChatRequest, noted: &mut Vec<String>) -> Result<()> {
    let mut names = HashSet::new();
    for tool in f.objects("tools")?.unwrap_or_default() {
        let path = tool.path().to_owned();
        let (tool, hint) = spec(tool, noted)?;
        chat.tools_cache = hint.or(chat.tools_cache);
        if !names.insert(tool.name.clone()) {
            return Err(crate::fields::invalid(path, format_args!("two tools are named {}", tool.name)));
        }
        chat.tools.push(tool);
    }
    let Some(mut choice) = f.object("tool_choice")? else { return Ok(()) };
    let kind = choice.need_string("type")?;
    chat.tool_choice = match kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => {
            let name = choice.need_string("name")?;
            if !names.contains(&name) {
                return Err(choice.wrong("name", format_args!("no tool of the request is named {name:?}")));
            }
            ToolChoice::Named(name)
        }
        other => {
            return Err(
                choice.wrong("type", format_args!("is {other:?} and must be auto, any, tool or none"))
            );
        }
    };
    if chat.tools.is_empty() && chat.tool_choice == ToolChoice::Required {
        return Err(choice.wrong("type", "any asks for a tool call, and the request has no tools"));
    }
    if choice.bool("disable_parallel_tool_use")? == Some(true) {
        chat.parallel_tool_calls = Some(false);
    }
    choice.finish()
}

fn spec(mut tool: Fields, noted: &mut Vec<String>) -> Result<(ToolSpec, Option<CacheHint>)> {
    match tool.string("type")?.as_deref() {
        None | Some("custom") => {}
        Some(kind) => {
            let kind: String = kind.chars().take(80).collect();
            let what = format!(
                "{kind} is one of Anthropic's own tools, which are not offered: \
                                describe a tool of yours with name, description and input_schema"
            );
            return Err(tool.wrong("type", what));
        }
    }
    let name = tool.need_string("name")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
        return Err(tool.wrong("name", "must be 1 to 128 letters, digits, _ or -"));
    }
    let parameters = tool.need("input_schema")?;
    if !parameters.is_object() {
        return Err(tool.wrong("input_schema", "must be an object: a JSON Schema"));
    }
    let description = tool.string("description")?.unwrap_or_default();
    let hint = blocks::cache_hint(&mut tool)?;
    // Arguments are streamed as they are written, asked for or not.
    tool.bool("eager_input_streaming")?;
    // Calls follow the schema by grammar, asked for or not.
    tool.bool("strict")?;
    if tool.bool("defer_loading")? == Some(true) {
        return Err(tool.wrong("defer_loading", "tools are always loaded: leave it out"));
    }
    tool.note(&["input_examples"], noted);
    if tool.strings("allowed_callers")?.is_some_and(|who| who.iter().any(|w| w != "direct")) {
        return Err(tool.wrong("allowed_callers", "only direct calls are offered"));
    }
    tool.finish()?;
    Ok((ToolSpec { name, description, parameters }, hint))
}
