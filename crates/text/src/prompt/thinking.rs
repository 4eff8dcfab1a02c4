//! Whether a model thinks before it answers, and the template's switch for it.

use crate::answer::ThinkingMarks;
use crate::tokenizer::Tokenizer;
use parasol_core::{Error, ErrorKind, Reasoning, Result};
use serde_json::{Map, Value as Json};

/// Variables by which templates are told to let the model think.
const SWITCHES: [&str; 2] = ["enable_thinking", "thinking"];

/// The marks of a model that thinks: those that its template mentions, or that its vocabulary holds.
pub(super) fn marks(source: &str, tokenizer: &Tokenizer) -> Option<ThinkingMarks> {
    let taught = |marks: &&ThinkingMarks| source.contains(marks.close);
    let held = |marks: &&ThinkingMarks| {
        tokenizer.token_id(marks.open).is_some() && tokenizer.token_id(marks.close).is_some()
    };
    let known = &ThinkingMarks::KNOWN;
    known.iter().find(taught).or_else(|| known.iter().find(held)).copied()
}

/// The template's variables with its switch set as the request asks.
pub(super) fn arguments(
    source: &str,
    marks: Option<ThinkingMarks>,
    asked: Option<Reasoning>,
    given: &Map<String, Json>,
) -> Result<Map<String, Json>> {
    let mut arguments = given.clone();
    let Some(asked) = asked else { return Ok(arguments) };
    let on = asked == Reasoning::On;
    let Some(switch) = SWITCHES.into_iter().find(|name| mentions(source, name)) else {
        // A model that thinks without a switch thinks as it sees fit.
        if on && !marks.is_some_and(|marks| source.contains(marks.close)) {
            let message =
                "this model does not think before it answers: leave reasoning out, or ask a model that does";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        return Ok(arguments);
    };
    if let Some(other) = arguments.insert(switch.to_owned(), Json::Bool(on))
        && other != Json::Bool(on)
    {
        let message =
            format!("reasoning asks for {switch} {on} and the template arguments for {other}: ask once");
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    Ok(arguments)
}

/// Whether a template reads a variable of this name (not a field of something else).
pub(super) fn mentions(source: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '\'' | '"');
    source.match_indices(name).any(|(at, _)| {
        !source[..at].ends_with(part)
            && !source[at + name.len()..].starts_with(|c: char| c == '_' || c.is_alphanumeric())
    })
}
