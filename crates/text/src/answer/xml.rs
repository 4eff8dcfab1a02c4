//! A call written in tags, `<function=name><parameter=key>value</parameter></function>`: each parameter leaves when it is whole.
//! Values are text; the tool's schema says which of them are JSON.

use super::{Broken, Piece};
use parasol_core::ToolSpec;
use serde_json::Value as Json;

const FUNCTION: &str = "<function=";
const END: &str = "</function>";
const PARAMETER: &str = "<parameter=";
const PARAMETER_END: &str = "</parameter>";

/// Reads one call. The first `<` has been read already.
#[derive(Debug)]
pub(super) struct FunctionReader {
    text: String,
    name: Option<String>,
    parameters: usize,
    pub(super) started: bool,
}

impl FunctionReader {
    pub(super) fn new() -> Self {
        Self { text: "<".into(), name: None, parameters: 0, started: false }
    }

    /// Takes the next character; true when the call is complete with it.
    pub(super) fn push(&mut self, c: char, tools: &[ToolSpec], out: &mut Vec<Piece>) -> Result<bool, Broken> {
        self.text.push(c);
        let Some(name) = self.name.clone() else {
            let begun = self.text.len().min(FUNCTION.len());
            if !self.text.is_char_boundary(begun) || self.text[..begun] != FUNCTION[..begun] {
                return Err(Broken);
            }
            if c == '>' {
                let name = self.text[FUNCTION.len()..self.text.len() - 1].trim().to_owned();
                if !tools.iter().any(|tool| tool.name == name) {
                    return Err(Broken);
                }
                self.text.clear();
                self.started = true;
                out.extend([Piece::Start(name.clone()), Piece::Arguments("{".into())]);
                self.name = Some(name);
            }
            return Ok(false);
        };
        if c != '>' {
            return Ok(false);
        }
        let text = self.text.trim_start();
        if text == END {
            out.extend([Piece::Arguments("}".into()), Piece::End]);
            return Ok(true);
        }
        let Some((key, value)) = text
            .strip_prefix(PARAMETER)
            .and_then(|text| text.strip_suffix(PARAMETER_END))
            .and_then(|text| text.split_once('>'))
        else {
            // A value may hold anything; between parameters only tags may stand.
            return if text.starts_with(PARAMETER) { Ok(false) } else { Err(Broken) };
        };
        let value = value.strip_prefix('\n').unwrap_or(value);
        let value = value.strip_suffix('\n').unwrap_or(value);
        let schema = tools.iter().find(|tool| tool.name == name).map(|tool| &tool.parameters);
        let value = typed(value, schema.and_then(|schema| schema.get("properties")?.get(key)));
        let comma = if self.parameters > 0 { ", " } else { "" };
        out.push(Piece::Arguments(format!("{comma}{}: {value}", Json::from(key))));
        self.parameters += 1;
        self.text.clear();
        Ok(false)
    }
}

/// Whether the schema says that the value is text.
pub(crate) fn is_text(schema: Option<&Json>) -> bool {
    schema.is_some_and(|schema| schema.get("type") == Some(&Json::from("string")))
}

/// The value as JSON: text where the schema says so or where it is nothing else.
fn typed(value: &str, schema: Option<&Json>) -> Json {
    if is_text(schema) {
        return Json::from(value);
    }
    serde_json::from_str(value.trim()).unwrap_or_else(|_| Json::from(value))
}
