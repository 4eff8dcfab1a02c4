//! What a request means in tokens: a conversation through its chat template, a text as it is, or the two sides of a gap
//! between fill-in-the-middle tokens.

use crate::answer::{AnswerOptions, AnswerStream};
use crate::grammar::{Constraint, GrammarSpec, LazyGrammars};
use crate::template::ChatTemplate;
use crate::tokenizer::{Special, Tokenizer};
use parasol_core::{ChatRequest, CompleteRequest, Error, ErrorKind, Result};

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
/// # Errors
/// `InvalidRequest` with the template's own words when it refuses the conversation, for a form or a tool schema that no grammar
/// keeps to, for a tool choice without that tool; `Unsupported` for thinking with a model that does not.
pub fn chat_plan(
    template: &ChatTemplate,
    tokenizer: &Tokenizer,
    grammars: &LazyGrammars,
    request: &ChatRequest,
) -> Result<Plan> {
    let prompt = chat(template, tokenizer, request)?;
    let format = request.format.as_ref().map(GrammarSpec::from_format);
    let constraint = format.map(|spec| grammars.get(tokenizer)?.compile(&spec)).transpose()?;
    Ok(Plan { prompt, constraint, answer: AnswerStream::new(&request.stop, AnswerOptions::default())? })
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
/// `InvalidRequest` with the template's own words when it refuses the conversation.
pub fn chat(template: &ChatTemplate, tokenizer: &Tokenizer, request: &ChatRequest) -> Result<Vec<u32>> {
    let text = template.render_chat(&request.messages, &request.tools, &request.template_arguments)?;
    let mut tokens = tokenizer.encode(&text, Special::Parse, false)?;
    // Templates of some files write the first token and others leave it to the tokenizer: once is right.
    if let Some(bos) = tokenizer.special().bos.filter(|_| tokenizer.adds_bos())
        && tokens.first() != Some(&bos)
    {
        tokens.insert(0, bos);
    }
    Ok(tokens)
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
