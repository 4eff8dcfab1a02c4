//! Tools, which of them are called, and the form of an answer: from a request and to one.

use crate::fields::{Fields, Spelling};
use parasol_core::{AnswerFormat, Error, ErrorKind, Result, ToolChoice, ToolSpec};
use serde_json::{Value, json};

/// Takes `tools` in the nested shape of chat completions or, where `flat`, in that of responses.
pub(crate) fn take(f: &mut Fields, flat: bool) -> Result<Vec<ToolSpec>> {
    let list = f.objects("tools")?.unwrap_or_default();
    list.into_iter().map(|tool| read(tool, flat)).collect()
}

fn read(mut f: Fields, flat: bool) -> Result<ToolSpec> {
    if f.need_string("type")? != "function" {
        return Err(f.wrong("type", "only tools of type function can be offered here"));
    }
    if flat {
        return spec(f);
    }
    let Some(function) = f.object("function")? else { return Err(f.wrong("function", "is required")) };
    f.finish()?;
    spec(function)
}

fn spec(mut f: Fields) -> Result<ToolSpec> {
    let name = f.need_string("name")?;
    if name.is_empty() || name.len() > 128 {
        return Err(f.wrong("name", "must have 1 to 128 bytes"));
    }
    let description = f.string("description")?.unwrap_or_default();
    let parameters = match f.take("parameters") {
        None => json!({ "type": "object", "properties": {} }),
        Some(schema @ Value::Object(_)) => schema,
        Some(_) => return Err(f.wrong("parameters", "must be a JSON Schema object")),
    };
    // Calls that are forced are always held to their schema; a model that calls by itself is held to nothing stricter.
    f.bool("strict")?;
    f.finish()?;
    Ok(ToolSpec { name, description, parameters })
}

/// Takes `tool_choice`; a named function stands in `function` in chat completions, and at the top in responses.
pub(crate) fn choice(f: &mut Fields, tools: &[ToolSpec]) -> Result<ToolChoice> {
    let choice = match f.take("tool_choice") {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" | "any" => ToolChoice::Required,
            _ => return Err(f.wrong("tool_choice", "must be auto, none, required or a function")),
        },
        Some(object) => {
            let mut choice = Fields::new(object, f.at("tool_choice"), Spelling::Exact)?;
            if choice.need_string("type")? != "function" {
                return Err(choice.wrong("type", "must be function"));
            }
            let name = match choice.object("function")? {
                Some(mut function) => {
                    let name = function.need_string("name")?;
                    function.finish()?;
                    name
                }
                None => choice.need_string("name")?,
            };
            choice.finish()?;
            ToolChoice::Named(name)
        }
    };
    match &choice {
        ToolChoice::Required if tools.is_empty() => {
            Err(f.wrong("tool_choice", "asks for a call, and the request offers no tools"))
        }
        ToolChoice::Named(name) if !tools.iter().any(|t| t.name == *name) => {
            Err(f.wrong("tool_choice", format_args!("names {name:?}, which is not among the tools")))
        }
        _ => Ok(choice),
    }
}

/// Reads a `response_format`, or the `format` of responses, where the schema is not nested.
pub(crate) fn format(mut f: Fields) -> Result<Option<AnswerFormat>> {
    let format = match f.need_string("type")?.as_str() {
        "text" => None,
        "json_object" => {
            // llama.cpp takes a schema here.
            match f.take("schema") {
                None => Some(AnswerFormat::JsonObject),
                Some(schema) => Some(AnswerFormat::JsonSchema { schema }),
            }
        }
        "json_schema" => {
            let schema = match f.object("json_schema")? {
                Some(mut nested) => {
                    let schema = schema(&mut nested)?;
                    nested.finish()?;
                    schema
                }
                None => schema(&mut f)?,
            };
            Some(AnswerFormat::JsonSchema { schema })
        }
        _ => return Err(f.wrong("type", "must be text, json_object or json_schema")),
    };
    f.finish()?;
    Ok(format)
}

fn schema(f: &mut Fields) -> Result<Value> {
    let schema = match f.need("schema")? {
        schema @ (Value::Object(_) | Value::Bool(_)) => schema,
        _ => return Err(f.wrong("schema", "must be a JSON Schema")),
    };
    // For people and for the provider's cache; answers are held to the schema with or without `strict`.
    for harmless in ["name", "description"] {
        f.string(harmless)?;
    }
    f.bool("strict")?;
    Ok(schema)
}

/// A tool as a provider reads it.
pub(crate) fn write(tool: &ToolSpec) -> Value {
    json!({ "type": "function", "function": {
        "name": tool.name, "description": tool.description, "parameters": tool.parameters,
    } })
}

/// A choice as a provider reads it.
pub(crate) fn write_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({ "type": "function", "function": { "name": name } }),
    }
}

/// The field and value by which a provider is held to a form; `extended` ones also know expressions and grammars.
///
/// # Errors
/// `Unsupported` for a form that the plain protocol cannot ask for.
pub(crate) fn write_format(format: &AnswerFormat, extended: bool) -> Result<(&'static str, Value)> {
    Ok(match format {
        AnswerFormat::JsonObject => ("response_format", json!({ "type": "json_object" })),
        AnswerFormat::JsonSchema { schema } => (
            "response_format",
            json!({
                "type": "json_schema", "json_schema": { "name": "answer", "schema": schema, "strict": true },
            }),
        ),
        AnswerFormat::Regex { pattern } if extended => ("guided_regex", json!(pattern)),
        AnswerFormat::Lark { grammar } if extended => ("guided_grammar", json!(grammar)),
        AnswerFormat::Regex { .. } | AnswerFormat::Lark { .. } => {
            let message = "the provider of this model is held to JSON only: ask for a JSON schema instead";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    })
}

/// Reports a mark for a cache on the tools, which the protocol has none for.
pub(crate) fn unmarked(request: &parasol_core::ChatRequest, ignored: &mut Vec<(String, String)>) {
    if request.tools_cache.is_some() {
        let why = "the provider finds common beginnings by itself".to_owned();
        ignored.push(("tools_cache".to_owned(), why));
    }
}
