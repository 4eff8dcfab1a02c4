//! The functions of a request, and which of them may or must be called.

use super::request::Reading;
use super::schema;
use crate::fields::{Fields, invalid};
use parasol_core::{Result, ToolChoice, ToolSpec};
use serde_json::{Value, json};

/// Takes `tools` and `toolConfig`.
pub(super) fn read(f: &mut Fields, reading: &mut Reading) -> Result<()> {
    for mut tool in f.objects("tools")?.unwrap_or_default() {
        for declaration in tool.objects("functionDeclarations")?.unwrap_or_default() {
            let path = declaration.path().to_owned();
            let spec = function(declaration, &mut reading.noted)?;
            if reading.chat.tools.iter().any(|t| t.name == spec.name) {
                return Err(invalid(path, format_args!("two functions are named {}", spec.name)));
            }
            reading.chat.tools.push(spec);
        }
        if let Some(name) = tool.left().next() {
            let name: String = name.chars().take(80).collect();
            let what =
                "is not offered: tools that run on Google's servers are not here, declare functions instead";
            return Err(tool.wrong(&name, what));
        }
    }
    let Some(mut config) = f.object("toolConfig")? else { return Ok(()) };
    if let Some(calling) = config.object("functionCallingConfig")? {
        choose(calling, reading)?;
    }
    config.note(&["retrievalConfig"], &mut reading.noted);
    if config.bool("includeServerSideToolInvocations")? == Some(true) {
        return Err(config.wrong("includeServerSideToolInvocations", "no tools run on the server"));
    }
    config.finish()
}

fn function(mut f: Fields, noted: &mut Vec<String>) -> Result<ToolSpec> {
    let name = f.need_string("name")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
        return Err(f.wrong("name", "must be 1 to 128 letters, digits, _, -, . or :"));
    }
    let description = f.string("description")?.unwrap_or_default();
    let parameters = match (f.object("parameters")?, f.take("parametersJsonSchema")) {
        (None, None) => json!({ "type": "object", "properties": {} }),
        (Some(parameters), None) => schema::read(parameters, noted)?,
        (None, Some(schema @ Value::Object(_))) => schema,
        (None, Some(_)) => return Err(f.wrong("parametersJsonSchema", "must be an object: a JSON Schema")),
        (Some(_), Some(_)) => {
            return Err(f.wrong("parametersJsonSchema", "excludes parameters: send one of them"));
        }
    };
    f.note(&["response", "responseJsonSchema"], noted);
    match f.string("behavior")?.as_deref() {
        None | Some("UNSPECIFIED" | "BLOCKING") => {}
        Some(other) => return Err(f.wrong("behavior", format_args!("{other:?} is not offered"))),
    }
    f.finish()?;
    Ok(ToolSpec { name, description, parameters })
}

fn choose(mut f: Fields, reading: &mut Reading) -> Result<()> {
    let mode = f.string("mode")?.unwrap_or_default().to_ascii_uppercase();
    let allowed = f.strings("allowedFunctionNames")?.unwrap_or_default();
    let tools = &mut reading.chat.tools;
    for (i, name) in allowed.iter().enumerate() {
        if !tools.iter().any(|t| t.name == *name) {
            let field = format!("allowedFunctionNames.{i}");
            return Err(f.wrong(&field, format_args!("no function of the request is named {name:?}")));
        }
    }
    if !allowed.is_empty() && !matches!(mode.as_str(), "ANY" | "VALIDATED") {
        return Err(f.wrong("allowedFunctionNames", "goes with the modes ANY and VALIDATED only"));
    }
    if !allowed.is_empty() {
        tools.retain(|t| allowed.contains(&t.name));
    }
    reading.chat.tool_choice = match mode.as_str() {
        // Calls follow their schema in every mode, which is what VALIDATED asks for.
        "" | "AUTO" | "VALIDATED" | "MODE_UNSPECIFIED" => ToolChoice::Auto,
        "NONE" => ToolChoice::None,
        "ANY" => match tools.as_slice() {
            [] => {
                return Err(f.wrong("mode", "ANY asks for a function call, and the request has no functions"));
            }
            [one] if !allowed.is_empty() => ToolChoice::Named(one.name.clone()),
            _ => ToolChoice::Required,
        },
        other => {
            let other: String = other.chars().take(40).collect();
            let what = format!("is {other:?} and must be AUTO, ANY, NONE or VALIDATED");
            return Err(f.wrong("mode", what));
        }
    };
    f.finish()
}
