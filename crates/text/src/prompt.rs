//! What a request means in tokens: a conversation through its chat template, a text as it is, or the two sides of a gap
//! between fill-in-the-middle tokens.

use crate::template::Template;
use crate::tokenizer::{Special, Tokenizer};
use parasol_core::{ChatRequest, CompleteRequest, Error, ErrorKind, Result};

/// The tokens of a conversation, ready for the model's answer.
///
/// # Errors
/// `Unsupported` when the model has no chat template, `InvalidRequest` with the template's own words when it refuses.
pub fn chat(template: Option<&Template>, tokenizer: &Tokenizer, request: &ChatRequest) -> Result<Vec<u32>> {
    let template = template.ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            "this model has no chat template: it continues texts and was not trained to converse; use completion",
        )
    })?;
    let text = template.render(request)?;
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

/// Compiles a checkpoint's chat template, with the tokens that templates write out.
///
/// # Errors
/// `InvalidRequest` or `Corrupt` when the template is malformed.
pub fn compile(text: &str, tokenizer: &Tokenizer) -> Result<Template> {
    let spelled = |id: Option<u32>| {
        let bytes = id.and_then(|id| tokenizer.token_text(id).ok()).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    Template::new(text, &spelled(tokenizer.special().bos), &spelled(tokenizer.special().eos))
}
