//! What a request means in tokens: a conversation through its chat template, a text as it is, or the two sides of a gap
//! between fill-in-the-middle tokens.

mod grammar;
mod history;
mod outside;
mod thinking;

use crate::answer::{AnswerOptions, AnswerStream, CallSyntax, ThinkingMarks, ThinkingStart};
use crate::grammar::{Constraint, GrammarSpec, LazyGrammars};
use crate::template::{ChatTemplate, Conversation, tool_json};
use crate::tokenizer::{Special, Tokenizer};
use outside::Care;
use parasol_core::{ChatRequest, CompleteRequest, Error, ErrorKind, Reasoning, Result, ToolChoice, ToolSpec};
use serde_json::Value as Json;

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

/// The plan of the next message of a conversation, for a model whose context holds so many tokens.
///
/// What a model is held to: a form, or a call where the request demands one, from the first token after any thinking. Where the
/// model decides whether to call, nothing is forced but the call itself, from its opening mark to its end, and only in families
/// whose mark is a single token; a tool whose schema no grammar keeps to leaves even that to the model.
///
/// # Errors
/// `InvalidRequest` with the template's own words when it refuses the conversation, for a form or a demanded tool's schema that no
/// grammar keeps to, for a tool choice without that tool; `Unsupported` for thinking with a model that does not;
/// `ContextOverflow` for a text that is too long whatever it says.
pub fn chat_plan(
    template: &ChatTemplate,
    tokenizer: &Tokenizer,
    grammars: &LazyGrammars,
    request: &ChatRequest,
    context: usize,
) -> Result<Plan> {
    let reading = Reading::new(template, tokenizer, request)?;
    fits(tokenizer, reading.text.len(), context)?;
    let constraint = reading.constraint(tokenizer, grammars, request)?;
    let options = AnswerOptions {
        thinking: reading.thinking,
        calls: (!reading.tools.is_empty()).then(|| (reading.syntax, reading.tools.to_vec())),
        most_calls: (request.parallel_tool_calls == Some(false)).then_some(1),
    };
    let prompt = reading.tokens(tokenizer)?;
    Ok(Plan { prompt, constraint, answer: AnswerStream::new(&request.stop, options)? })
}

/// The plan of a text's continuation, for a model whose context holds so many tokens.
///
/// # Errors
/// As [`complete`]; `InvalidRequest` for a form that no grammar keeps to; `ContextOverflow` as [`chat_plan`].
pub fn complete_plan(
    tokenizer: &Tokenizer,
    grammars: &LazyGrammars,
    request: &CompleteRequest,
    context: usize,
) -> Result<Plan> {
    sides_fit(tokenizer, request, context)?;
    let prompt = complete(tokenizer, request)?;
    let format = request.format.as_ref().map(GrammarSpec::from_format);
    let constraint = format.map(|spec| grammars.get(tokenizer)?.compile(&spec)).transpose()?;
    Ok(Plan { prompt, constraint, answer: AnswerStream::new(&request.stop, AnswerOptions::default())? })
}

/// Texts up to so many bytes are counted exactly, which takes a fraction of a second.
const COUNTED: usize = 1 << 20;

/// Refuses a long text that cannot fit, before any work goes into it: the tokens of ten megabytes can take seconds.
pub(crate) fn fits(tokenizer: &Tokenizer, bytes: usize, context: usize) -> Result<()> {
    match tokenizer.fewest_tokens(bytes) {
        _ if bytes <= COUNTED => Ok(()),
        least if least > context => Err(Error::context_overflow_at_least(least, context)),
        _ => Ok(()),
    }
}

/// How many tokens a conversation is, for a model whose context holds `context`.
///
/// # Errors
/// As [`chat_plan`], but for grammars: what cannot fit is not counted to its end.
pub fn count_chat(
    template: &ChatTemplate,
    tokenizer: &Tokenizer,
    request: &ChatRequest,
    context: usize,
) -> Result<usize> {
    let reading = Reading::new(template, tokenizer, request)?;
    fits(tokenizer, reading.text.len(), context)?;
    Ok(reading.tokens(tokenizer)?.len())
}

/// How many tokens a text is as a prompt, as [`count_chat`].
///
/// # Errors
/// As [`complete`]; `ContextOverflow` as [`chat_plan`].
pub fn count_complete(tokenizer: &Tokenizer, request: &CompleteRequest, context: usize) -> Result<usize> {
    sides_fit(tokenizer, request, context)?;
    Ok(complete(tokenizer, request)?.len())
}

fn sides_fit(tokenizer: &Tokenizer, request: &CompleteRequest, context: usize) -> Result<()> {
    let suffix = request.suffix.as_ref().map_or(0, String::len);
    fits(tokenizer, request.prompt.len().saturating_add(suffix), context)
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
    /// Stands in the text behind characters of the request that are no part of a control token.
    mark: Option<char>,
    syntax: CallSyntax,
    /// Tools on offer: none when the request forbids calls.
    tools: &'r [ToolSpec],
    thinking: Option<(ThinkingMarks, ThinkingStart)>,
}

impl<'r> Reading<'r> {
    fn new(template: &ChatTemplate, tokenizer: &Tokenizer, request: &'r ChatRequest) -> Result<Self> {
        let tools = offered(request);
        check_tools(tools, &request.tool_choice)?;
        check_attachments(request)?;
        let source = &template.source(!tools.is_empty());
        let marks = thinking::marks(source, tokenizer);
        let taught = CallSyntax::of_template(source);
        let knows_tools = thinking::mentions(source, "tools");
        let fallback =
            if source.contains("<start_of_turn>") { CallSyntax::Gemma } else { CallSyntax::Hermes };
        let syntax = taught.filter(|_| knows_tools).unwrap_or(fallback);
        let write = Write { template, source, knows_tools, syntax, thinking: marks };
        let (mut text, mark) = write.guarded(tokenizer, request)?;
        let inside = marks.filter(|marks| text.trim_end().ends_with(marks.open));
        if let (Some(marks), Some(Reasoning::Off)) = (inside, request.reasoning) {
            // The template begins the thinking and has no switch: it is ended at once.
            text.push_str(&format!("{}{}\n\n", if text.ends_with('\n') { "" } else { "\n" }, marks.close));
        }
        let start = match inside {
            Some(_) if request.reasoning != Some(Reasoning::Off) => ThinkingStart::Inside,
            _ => ThinkingStart::Before,
        };
        Ok(Self { text, mark, syntax, tools, thinking: marks.map(|marks| (marks, start)) })
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
        let mut tokens = match self.mark {
            None => tokenizer.encode(&self.text, Special::Parse, false)?,
            Some(mark) => tokenizer.encode_marked(&self.text, mark)?,
        };
        // Templates of some files write the first token and others leave it to the tokenizer: once is right.
        if let Some(bos) = tokenizer.special().bos.filter(|_| tokenizer.adds_bos())
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }
}

/// How a conversation is written.
struct Write<'a> {
    template: &'a ChatTemplate,
    source: &'a str,
    knows_tools: bool,
    syntax: CallSyntax,
    thinking: Option<ThinkingMarks>,
}

impl Write<'_> {
    /// The text, and the mark that stands in it where what the request says would make a control token.
    fn guarded(&self, tokenizer: &Tokenizer, request: &ChatRequest) -> Result<(String, Option<char>)> {
        let marked = |care| match outside::marked(request, tokenizer, self.thinking, care)? {
            None => Ok::<_, Error>((self.text(request)?, None)),
            Some(marked) => Ok((marked.unescaped(self.text(&marked.request)?), Some(marked.mark))),
        };
        let (text, mark) = marked(Care::AsItStands)?;
        // Few templates take something out of a text, which may join what stood apart.
        if !self.source.contains("replace") {
            return Ok((text, mark));
        }
        let (careful, by) = marked(Care::Everything)?;
        let control =
            |text: &str, mark: Option<char>| tokenizer.count_control(text, mark.unwrap_or('\u{FDD0}'));
        let joined = by.is_some() && control(&careful, by) < control(&text, mark);
        Ok(if joined { (careful, by) } else { (text, mark) })
    }

    fn text(&self, request: &ChatRequest) -> Result<String> {
        let given = &request.template_arguments;
        let arguments = thinking::arguments(self.source, self.thinking, request.reasoning, given)?;
        let tools = offered(request);
        let shown: Vec<Json> =
            if self.knows_tools { tools.iter().map(tool_json).collect() } else { Vec::new() };
        let messages = match self.knows_tools {
            true => history::native(&request.messages, self.syntax, self.source),
            false => history::described(&request.messages, tools, self.syntax),
        };
        let rendered = |messages: &[Json]| {
            self.template.render(&Conversation {
                messages,
                tools: &shown,
                documents: &[],
                add_generation_prompt: true,
                arguments: Some(&arguments),
            })
        };
        match rendered(&messages) {
            // The tools' description is a system message, which some templates refuse.
            Err(e) if !self.knows_tools && !tools.is_empty() => match history::without_system(messages) {
                Some(messages) => rendered(&messages).map_err(|_| e),
                None => Err(e),
            },
            rendered => rendered,
        }
    }
}

/// The tools on offer: none when the request forbids calls.
fn offered(request: &ChatRequest) -> &[ToolSpec] {
    match request.tool_choice {
        ToolChoice::None => &[],
        _ => request.tools.as_slice(),
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
        if !may_be_object(&tool.parameters) {
            return invalid(format!(
                "the parameters of the tool {:?} describe no object, and arguments are always one: give them the type object",
                tool.name
            ));
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

/// Whether a schema leaves room for an object; where it names no type that is what is meant.
fn may_be_object(schema: &Json) -> bool {
    match schema.get("type") {
        Some(Json::String(name)) => name == "object",
        Some(Json::Array(names)) => names.iter().any(|name| name == "object"),
        _ => true,
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
