//! What a request means in tokens: a conversation through its chat template, a text as it is, or the two sides of a gap
//! between fill-in-the-middle tokens.

mod grammar;
mod history;
mod thinking;

use crate::answer::{AnswerOptions, AnswerStream, CallSyntax, ThinkingMarks, ThinkingStart};
use crate::grammar::{Constraint, GrammarSpec, LazyGrammars};
use crate::template::{ChatTemplate, Conversation, tool_json};
use crate::tokenizer::{Special, Tokenizer};
use parasol_core::{ChatRequest, CompleteRequest, Error, ErrorKind, Reasoning, Result, ToolChoice, ToolSpec};
use serde_json::{Map, Value as Json};

/// Longest name of a tool, in bytes.
const LONGEST_NAME: usize = 256;

/// Everything that a request means for its generation.
#[derive(Debug)]
pub struct Plan {
    /// The tokens to compute first.
    pub prompt: Vec<u32>,
    /// What each next token is held to.
    pub constraint: Option<Constraint>,
    /// Turns the tokens that are drawn into events.
    pub answer: AnswerStream,
}

/// The plan of the next message of a conversation.
///
/// What a model is held to: a form, or a call where the request demands one, from the first token after any thinking. Where the
/// model decides whether to call, nothing is forced but the call itself, from its opening mark to its end, and only in families
/// whose mark is a single token; a tool whose schema no grammar keeps to leaves even that to the model.
///
/// # Errors
/// `InvalidRequest` with the template's own words when it refuses the conversation, for a form or a demanded tool's schema that no
/// grammar keeps to, for a tool choice without that tool; `Unsupported` for thinking with a model that does not.
pub fn chat_plan(
    template: &ChatTemplate,
    tokenizer: &Tokenizer,
    grammars: &LazyGrammars,
    request: &ChatRequest,
) -> Result<Plan> {
    let reading = Reading::new(template, tokenizer, request)?;
    let constraint = reading.constraint(tokenizer, grammars, request)?;
    let options = AnswerOptions {
        thinking: reading.thinking,
        calls: (!reading.tools.is_empty()).then(|| (reading.syntax, reading.tools.to_vec())),
        most_calls: (request.parallel_tool_calls == Some(false)).then_some(1),
    };
    let prompt = reading.tokens(tokenizer)?;
    Ok(Plan { prompt, constraint, answer: AnswerStream::new(&request.stop, options)? })
}

/// The plan of a text's continuation.
///
/// # Errors
/// As [`complete`]; `InvalidRequest` for a form that no grammar keeps to.
pub fn complete_plan(
    tokenizer: &Tokenizer,
    grammars: &LazyGrammars,
    request: &CompleteRequest,
) -> Result<Plan> {
    let prompt = complete(tokenizer, request)?;
    let format = request.format.as_ref().map(GrammarSpec::from_format);
    let constraint = format.map(|spec| grammars.get(tokenizer)?.compile(&spec)).transpose()?;
    Ok(Plan { prompt, constraint, answer: AnswerStream::new(&request.stop, AnswerOptions::default())? })
}

/// The tokens of a conversation, ready for the model's answer.
///
/// # Errors
/// As [`chat_plan`], but for grammars.
pub fn chat(template: &ChatTemplate, tokenizer: &Tokenizer, request: &ChatRequest) -> Result<Vec<u32>> {
    Reading::new(template, tokenizer, request)?.tokens(tokenizer)
}

/// Language models read text.
fn check_attachments(request: &ChatRequest) -> Result<()> {
    for (i, message) in request.messages.iter().enumerate() {
        if let Some(attachment) = message.attachments.first() {
            let says = format!(
                "messages.{i}: holds {}, and this model reads text only: send text, or ask a model that takes it",
                attachment.kind.name()
            );
            return Err(Error::new(ErrorKind::InvalidRequest, says));
        }
    }
    Ok(())
}

/// A conversation as the model will read it, and how its answer is to be read.
struct Reading<'r> {
    text: String,
    syntax: CallSyntax,
    /// Tools on offer: none when the request forbids calls.
    tools: &'r [ToolSpec],
    thinking: Option<(ThinkingMarks, ThinkingStart)>,
}

impl<'r> Reading<'r> {
    fn new(template: &ChatTemplate, tokenizer: &Tokenizer, request: &'r ChatRequest) -> Result<Self> {
        let tools = match request.tool_choice {
            ToolChoice::None => &[],
            _ => request.tools.as_slice(),
        };
        check_tools(tools, &request.tool_choice)?;
        check_attachments(request)?;
        let source = &template.source(!tools.is_empty());
        let marks = thinking::marks(source, tokenizer);
        let arguments = thinking::arguments(source, marks, request.reasoning, &request.template_arguments)?;
        let taught = CallSyntax::of_template(source);
        let knows_tools = thinking::mentions(source, "tools");
        let fallback =
            if source.contains("<start_of_turn>") { CallSyntax::Gemma } else { CallSyntax::Hermes };
        let syntax = taught.filter(|_| knows_tools).unwrap_or(fallback);
        let mut text = render(template, request, tools, (knows_tools, syntax), source, &arguments)?;
        let inside = marks.filter(|marks| text.trim_end().ends_with(marks.open));
        if let (Some(marks), Some(Reasoning::Off)) = (inside, request.reasoning) {
            // The template begins the thinking and has no switch: it is ended at once.
            text.push_str(&format!("{}{}\n\n", if text.ends_with('\n') { "" } else { "\n" }, marks.close));
        }
        let start = match inside {
            Some(_) if request.reasoning != Some(Reasoning::Off) => ThinkingStart::Inside,
            _ => ThinkingStart::Before,
        };
        Ok(Self { text, syntax, tools, thinking: marks.map(|marks| (marks, start)) })
    }

    fn constraint(
        &self,
        tokenizer: &Tokenizer,
        grammars: &LazyGrammars,
        request: &ChatRequest,
    ) -> Result<Option<Constraint>> {
        let most = if request.parallel_tool_calls == Some(false) { 1 } else { grammar::MOST_CALLS };
        let (offered, most, demanded) = match &request.tool_choice {
            ToolChoice::Named(name) => {
                let at = self.tools.iter().position(|tool| tool.name == *name).unwrap_or_default();
                (self.tools.get(at..=at).unwrap_or_default(), 1, true)
            }
            ToolChoice::Required => (self.tools, most, true),
            ToolChoice::Auto | ToolChoice::None => (self.tools, most, false),
        };
        let shape = grammar::Shape {
            tokenizer,
            thinking: self.thinking.filter(|_| request.reasoning != Some(Reasoning::Off)),
            calls: (!offered.is_empty()).then_some((self.syntax, offered, most)),
            // A form is for the answer's text, of which a demanded call has none.
            format: request.format.as_ref().filter(|_| !demanded),
        };
        if demanded || shape.format.is_some() {
            return grammars.get(tokenizer)?.compile(&shape.whole()).map(Some);
        }
        let Some(spec) = shape.asleep() else { return Ok(None) };
        // Nothing was promised here: a schema that no grammar keeps to is left to the model.
        match grammars.get(tokenizer)?.compile(&spec) {
            Err(e) if *e.kind() != ErrorKind::InvalidRequest && *e.kind() != ErrorKind::Overloaded => Err(e),
            compiled => Ok(compiled.ok()),
        }
    }

    fn tokens(&self, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        let mut tokens = tokenizer.encode(&self.text, Special::Parse, false)?;
        // Templates of some files write the first token and others leave it to the tokenizer: once is right.
        if let Some(bos) = tokenizer.special().bos.filter(|_| tokenizer.adds_bos())
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }
}

fn render(
    template: &ChatTemplate,
    request: &ChatRequest,
    tools: &[ToolSpec],
    (knows_tools, syntax): (bool, CallSyntax),
    source: &str,
    arguments: &Map<String, Json>,
) -> Result<String> {
    let offered: Vec<Json> = if knows_tools { tools.iter().map(tool_json).collect() } else { Vec::new() };
    let messages = match knows_tools {
        true => history::native(&request.messages, syntax, source),
        false => history::described(&request.messages, tools, syntax),
    };
    let rendered = |messages: &[Json]| {
        template.render(&Conversation {
            messages,
            tools: &offered,
            documents: &[],
            add_generation_prompt: true,
            arguments: Some(arguments),
        })
    };
    match rendered(&messages) {
        // The tools' description is a system message, which some templates refuse.
        Err(e) if !knows_tools && !tools.is_empty() => match history::without_system(messages) {
            Some(messages) => rendered(&messages).map_err(|_| e),
            None => Err(e),
        },
        rendered => rendered,
    }
}

fn check_tools(tools: &[ToolSpec], choice: &ToolChoice) -> Result<()> {
    let invalid = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
    for (i, tool) in tools.iter().enumerate() {
        if tool.name.is_empty() || tool.name.len() > LONGEST_NAME || tool.name.chars().any(char::is_control) {
            return invalid(format!(
                "tool {i} needs a name of 1 to {LONGEST_NAME} bytes without control characters"
            ));
        }
        if tools.iter().take(i).any(|other| other.name == tool.name) {
            return invalid(format!("two tools are called {:?}: names must differ", tool.name));
        }
    }
    match choice {
        ToolChoice::Required if tools.is_empty() => invalid(
            "a tool call is required and no tools are offered: offer one, or leave the choice out".into(),
        ),
        ToolChoice::Named(name) if !tools.iter().any(|tool| tool.name == *name) => {
            invalid(format!("the tool {name:?} is to be called and is not among the {} offered", tools.len()))
        }
        _ => Ok(()),
    }
}

/// The tokens of a text to continue, or of the two sides of a gap to fill.
///
/// # Errors
/// `Unsupported` for a suffix when the model has no fill-in-the-middle tokens.
pub fn complete(tokenizer: &Tokenizer, request: &CompleteRequest) -> Result<Vec<u32>> {
    let Some(suffix) = &request.suffix else {
        return tokenizer.encode(&request.prompt, Special::Parse, true);
    };
    let special = tokenizer.special();
    let (Some(before), Some(after), Some(middle)) =
        (special.fim_prefix, special.fim_suffix, special.fim_middle)
    else {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "this model has no fill-in-the-middle tokens: send the text before the gap alone, without a suffix",
        ));
    };
    let mut tokens: Vec<u32> = special.bos.filter(|_| tokenizer.adds_bos()).into_iter().collect();
    // The sides are texts from outside: what looks like a token in them is not one.
    for (mark, text) in [(before, &request.prompt), (after, suffix)] {
        tokens.push(mark);
        tokens.extend(tokenizer.encode(text, Special::AsText, false)?);
    }
    tokens.push(middle);
    Ok(tokens)
}
