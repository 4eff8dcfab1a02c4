//! `generationConfig`: sampling, limits, the answer's form, thinking.

use super::request::Reading;
use super::schema;
use crate::fields::Fields;
use parasol_core::{AnswerFormat, Effort, Reasoning, Result, SamplingChoice};
use serde_json::Value;

/// Most answers to one request.
const MOST_CANDIDATES: usize = 8;
/// Most alternatives of a token.
const MOST_LOGPROBS: usize = 20;

/// Takes the whole of it.
pub(super) fn read(mut f: Fields, reading: &mut Reading) -> Result<()> {
    reading.sampling = SamplingChoice {
        temperature: f.number("temperature", 0.0, 2.0)?,
        top_p: f.number("topP", 0.0, 1.0)?,
        top_k: f.count("topK", 0)?,
        presence_penalty: f.number("presencePenalty", -2.0, 2.0)?,
        frequency_penalty: f.number("frequencyPenalty", -2.0, 2.0)?,
        ..SamplingChoice::default()
    };
    let chat = &mut reading.chat;
    // The API's seeds have a sign; which number stands for which draw is nobody's business.
    chat.sampling.seed = f.integer("seed")?.map(i64::cast_unsigned);
    chat.max_tokens = f.count("maxOutputTokens", 1)?;
    chat.stop = f.strings("stopSequences")?.unwrap_or_default();
    if let Some(i) = chat.stop.iter().position(String::is_empty) {
        return Err(f.wrong(&format!("stopSequences.{i}"), "is empty: every text contains it"));
    }
    reading.candidates = f.count("candidateCount", 1)?.unwrap_or(1);
    if reading.candidates > MOST_CANDIDATES {
        let what = format!("is {} and must be at most {MOST_CANDIDATES}", reading.candidates);
        return Err(f.wrong("candidateCount", what));
    }
    logprobs(&mut f, reading)?;
    form(&mut f, reading)?;
    thinking(&mut f, reading)?;
    media(&mut f)?;
    f.note(&["enableEnhancedCivicAnswers"], &mut reading.noted);
    f.finish()
}

fn logprobs(f: &mut Fields, reading: &mut Reading) -> Result<()> {
    let wanted = f.bool("responseLogprobs")?.unwrap_or(false);
    let alternatives = f.count("logprobs", 0)?;
    if alternatives.is_some_and(|n| n > MOST_LOGPROBS) {
        return Err(f.wrong("logprobs", format_args!("must be at most {MOST_LOGPROBS}")));
    }
    if alternatives.is_some() && !wanted {
        return Err(f.wrong("logprobs", "goes with responseLogprobs: true only"));
    }
    reading.chat.logprobs = wanted.then_some(alternatives.unwrap_or(0));
    Ok(())
}

/// The answer's form: a media type, and a schema in one of its spellings.
fn form(f: &mut Fields, reading: &mut Reading) -> Result<()> {
    let kind = f.string("responseMimeType")?.unwrap_or_default();
    let google = f.object("responseSchema")?.map(|s| schema::read(s, &mut reading.noted)).transpose()?;
    let plain = f.take("responseJsonSchema").or_else(|| f.take("_responseJsonSchema"));
    if google.is_some() && plain.is_some() {
        return Err(f.wrong("responseJsonSchema", "excludes responseSchema: send one of them"));
    }
    let schema = google.or(plain);
    if schema.as_ref().is_some_and(|s| !s.is_object()) {
        return Err(f.wrong("responseJsonSchema", "must be an object: a JSON Schema"));
    }
    reading.chat.format = match (kind.as_str(), schema) {
        ("" | "text/plain", None) => None,
        ("application/json", None) => Some(AnswerFormat::JsonObject),
        ("application/json", Some(schema)) => Some(AnswerFormat::JsonSchema { schema }),
        ("text/x.enum", Some(schema)) => Some(AnswerFormat::Regex { pattern: one_of(f, &schema)? }),
        ("text/x.enum", None) => {
            return Err(f.wrong("responseMimeType", "text/x.enum needs a responseSchema"));
        }
        ("" | "text/plain", Some(_)) => {
            let what = "must be application/json when there is a schema";
            return Err(f.wrong("responseMimeType", what));
        }
        (other, _) => {
            let other: String = other.chars().take(80).collect();
            let what = format!("{other:?} is not offered: use text/plain, application/json or text/x.enum");
            return Err(f.wrong("responseMimeType", what));
        }
    };
    Ok(())
}

/// A pattern of the values of an enumeration.
fn one_of(f: &Fields, schema: &Value) -> Result<String> {
    let values = schema.get("enum").and_then(Value::as_array);
    let words: Option<Vec<String>> =
        values.and_then(|list| list.iter().map(|v| v.as_str().map(escape)).collect());
    match words {
        Some(words) if !words.is_empty() => Ok(format!("({})", words.join("|"))),
        _ => Err(f.wrong("responseSchema", "must list strings as enum when the answer is text/x.enum")),
    }
}

/// A text as a pattern that matches it and nothing else.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether the model thinks, and whether its thoughts are shown. How long it may is its own matter.
fn thinking(f: &mut Fields, reading: &mut Reading) -> Result<()> {
    let Some(mut t) = f.object("thinkingConfig")? else { return Ok(()) };
    reading.style.include_thoughts = t.bool("includeThoughts")?.unwrap_or(false);
    if let Some(budget) = t.integer("thinkingBudget")? {
        reading.chat.reasoning = match budget {
            -1 => None,
            0 => Some(Reasoning::Off),
            1.. => {
                reading.chat.thinking_tokens = usize::try_from(budget).ok();
                Some(Reasoning::On)
            }
            _ => return Err(t.wrong("thinkingBudget", format_args!("is {budget} and must be at least -1"))),
        };
    }
    match t.string("thinkingLevel")?.map(|l| l.to_ascii_uppercase()).as_deref() {
        None | Some("THINKING_LEVEL_UNSPECIFIED") => {}
        Some(level) => match Effort::from_name(level) {
            Some(effort) => {
                reading.chat.effort = Some(effort);
                reading.chat.reasoning = Some(Reasoning::On);
            }
            None => {
                let level: String = level.chars().take(40).collect();
                return Err(t.wrong("thinkingLevel", format_args!("{level:?} is not known")));
            }
        },
    }
    t.finish()
}

/// Answers are text.
fn media(f: &mut Fields) -> Result<()> {
    let kinds = f.strings("responseModalities")?.unwrap_or_default();
    if let Some(other) = kinds.iter().find(|k| !k.eq_ignore_ascii_case("text")) {
        let other: String = other.chars().take(40).collect();
        return Err(f.wrong("responseModalities", format_args!("{other:?} is not offered: answers are TEXT")));
    }
    for name in
        ["speechConfig", "imageConfig", "mediaResolution", "audioTimestamp", "audioTranscriptionConfig"]
    {
        f.refuse(name, "answers and prompts are text: leave it out")?;
    }
    for name in ["routingConfig", "modelSelectionConfig"] {
        f.refuse(name, "the model is the one that the path names: leave it out")?;
    }
    Ok(())
}
