//! The grammar of a request: thinking that may come first, calls to tools in the model's own syntax, the answer's form.

use crate::answer::{CallSyntax, ThinkingMarks, ThinkingStart};
use crate::grammar::{Body, GrammarSpec};
use crate::tokenizer::{TokenKind, Tokenizer};
use parasol_core::{AnswerFormat, ToolSpec};
use serde_json::{Value as Json, json};

/// Most calls that a grammar lets one answer make, so that a model which repeats itself comes to an end.
pub(super) const MOST_CALLS: usize = 16;

/// What an answer must be.
pub(super) struct Shape<'a> {
    pub(super) tokenizer: &'a Tokenizer,
    /// Thinking that may come first.
    pub(super) thinking: Option<(ThinkingMarks, ThinkingStart)>,
    /// Calls that the answer may be, or must be without a form.
    pub(super) calls: Option<(CallSyntax, &'a [ToolSpec], usize)>,
    pub(super) format: Option<&'a AnswerFormat>,
}

impl Shape<'_> {
    /// The grammar of the whole answer.
    pub(super) fn whole(&self) -> GrammarSpec {
        if let (None, None, Some(format)) = (&self.thinking, &self.calls, self.format) {
            return GrammarSpec::from_format(format);
        }
        let mut lark = String::from("start: thinking body\n");
        lark.push_str(&match self.thinking {
            None => "thinking: \"\"\n".to_owned(),
            Some((marks, start)) => self.thinking(marks, start),
        });
        let mut bodies = Vec::new();
        if let Some((syntax, _, most)) = self.calls {
            bodies.push("calls");
            lark.push_str(&self.calls(syntax, most, true));
        }
        if self.format.is_some() {
            bodies.push("@answer");
        }
        lark.push_str(&format!("body: {}\n", bodies.join(" | ")));
        let spec = self.with_tools(GrammarSpec::new(Body::Lark(lark)));
        match self.format {
            Some(format) => spec.with_part("answer", Body::from_format(format)),
            None => spec,
        }
    }

    /// The grammar of one call after its opening mark, asleep until that comes. `None` where the mark is no single token.
    pub(super) fn asleep(&self) -> Option<GrammarSpec> {
        let (syntax, ..) = self.calls?;
        let mark = match syntax {
            CallSyntax::Hermes => "<tool_call>",
            CallSyntax::Mistral | CallSyntax::MistralNamed => "[TOOL_CALLS]",
            CallSyntax::Xml | CallSyntax::Llama3 | CallSyntax::Gemma => return None,
        };
        let token = self.tokenizer.token_id(mark)?;
        let lark = format!("start: calls\n{}", self.calls(syntax, 1, false));
        Some(self.with_tools(GrammarSpec::new(Body::Lark(lark))).asleep_until(token))
    }

    fn with_tools(&self, spec: GrammarSpec) -> GrammarSpec {
        let tools = self.calls.map_or(&[][..], |(_, tools, _)| tools);
        tools
            .iter()
            .enumerate()
            .fold(spec, |spec, (i, tool)| spec.with_part(format!("tool_{i}"), Body::Schema(parameters(tool))))
    }

    fn thinking(&self, marks: ThinkingMarks, start: ThinkingStart) -> String {
        let until = if self.is_control(marks.close) {
            format!("/(?s:.*)/ {}\n", self.mark(marks.close))
        } else {
            format!("/(?s:.*){}/\n", marks.close.replace('/', "\\/").replace('[', "\\[").replace(']', "\\]"))
        };
        let lazy = if self.is_control(marks.close) { "" } else { "[lazy]" };
        let block = match start {
            ThinkingStart::Inside => "thinking: thoughts GAP\n".to_owned(),
            ThinkingStart::Before => format!("thinking: ({} thoughts GAP)?\n", self.mark(marks.open)),
        };
        format!("{block}thoughts{lazy}: {until}GAP: /\\n{{0,2}}/\n")
    }

    /// `calls`, with its opening mark or without.
    fn calls(&self, syntax: CallSyntax, most: usize, opened: bool) -> String {
        // Each further call behind a separator; the library takes no range that ends at 0.
        let more = |call: &str| match most.saturating_sub(1) {
            0 => String::new(),
            more => format!(" ({call}){{0,{more}}}"),
        };
        let mark = |text| if opened { self.mark(text) } else { String::new() };
        let close = self.mark("</tool_call>");
        let (calls, field) = match syntax {
            // The parser of Qwen3-Coder's tags reads JSON in the same marks too.
            CallSyntax::Hermes | CallSyntax::Xml => {
                let open = mark("<tool_call>");
                let call = format!("{open} \"\\n\" call \"\\n\" {close}");
                (format!("calls: {call}{}\n", more(&format!("\"\\n\" {call}"))), "arguments")
            }
            CallSyntax::Llama3 => ("calls: call\n".to_owned(), "parameters"),
            CallSyntax::Mistral => {
                let open = mark("[TOOL_CALLS]");
                (format!("calls: {open} \"[\" call{} \"]\"\n", more("\", \" call")), "arguments")
            }
            CallSyntax::MistralNamed => {
                let open = mark("[TOOL_CALLS]");
                (format!("calls: ({open} call){{1,{most}}}\n"), "arguments")
            }
            CallSyntax::Gemma => {
                let call = "\"```tool_call\\n\" call \"\\n```\"";
                (format!("calls: {call}{}\n", more(&format!("\"\\n\" {call}"))), "parameters")
            }
        };
        let tools = self.calls.map_or(&[][..], |(_, tools, _)| tools);
        let call = |(i, tool): (usize, &ToolSpec)| {
            let name = Json::from(tool.name.as_str());
            match syntax {
                CallSyntax::MistralNamed => format!("{name} {} @tool_{i}", self.mark("[ARGS]")),
                _ => {
                    let head = Json::from(format!("{{\"name\": {name}, \"{field}\": "));
                    format!("{head} @tool_{i} \"}}\"")
                }
            }
        };
        let alternatives: Vec<String> = tools.iter().enumerate().map(call).collect();
        format!("{calls}call: {}\n", alternatives.join(" | "))
    }

    fn is_control(&self, mark: &str) -> bool {
        let id = self.tokenizer.token_id(mark);
        id.and_then(|id| self.tokenizer.kind(id)) == Some(TokenKind::Control)
    }

    /// A mark in Lark: the token where it is a control token, else its text.
    fn mark(&self, mark: &str) -> String {
        match self.tokenizer.token_id(mark) {
            Some(id) if self.is_control(mark) => format!("<[{id}]>"),
            _ => Json::from(mark).to_string(),
        }
    }
}

/// The schema of a tool's arguments: an object in any case.
fn parameters(tool: &ToolSpec) -> Json {
    match &tool.parameters {
        Json::Object(schema) => {
            let mut schema = schema.clone();
            schema.insert("type".into(), "object".into());
            Json::Object(schema)
        }
        _ => json!({"type": "object"}),
    }
}
