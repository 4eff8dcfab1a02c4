//! What a request means in tokens: a conversation through its chat template, a text as it is, or the two sides of a gap
//! between fill-in-the-middle tokens.

use crate::template::ChatTemplate;
use crate::tokenizer::{Special, Tokenizer};
use parasol_core::{ChatRequest, CompleteRequest, Error, ErrorKind, Result};

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
