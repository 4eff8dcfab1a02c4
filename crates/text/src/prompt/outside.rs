//! What a request says stays text: characters of it that would make a control token in the prompt are marked before the template
//! sees them, so that only what the template itself writes steers the model. The tokenizer knows which characters those are and
//! reads the marks again.

use crate::answer::ThinkingMarks;
use crate::tokenizer::Tokenizer;
use parasol_core::{ChatRequest, Error, ErrorKind, Message, Result, Role};
use serde_json::{Map, Value as Json};

/// How much is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// What is a control token as it stands, or may become one beside another text.
    AsItStands,
    /// All with which one begins: for templates that take texts apart and put them together in another way.
    Everything,
}

/// A request with marks in it.
pub(super) struct Marked {
    pub(super) request: ChatRequest,
    pub(super) mark: char,
}

impl Marked {
    /// The text that a template made of it. Some write JSON in ASCII, and with it the mark as `\uXXXX`, which the request does
    /// not hold either.
    pub(super) fn unescaped(&self, text: String) -> String {
        let escape = escaped(self.mark);
        if text.contains(&escape) { text.replace(&escape, self.mark.encode_utf8(&mut [0; 4])) } else { text }
    }
}

/// The request with its marks; `None` for nearly every one, which needs none. The thinking marks of the model stay what they are in
/// its own messages.
///
/// # Errors
/// `InvalidRequest` for a request that holds every character that may serve as a mark.
pub(super) fn marked(
    request: &ChatRequest,
    tokenizer: &Tokenizer,
    thinking: Option<ThinkingMarks>,
    care: Care,
) -> Result<Option<Marked>> {
    // Looking does not need to know the mark, and most requests are only looked at.
    let mut look = Marker { tokenizer, thinking, care, mark: None, found: false };
    look.request(&mut request.clone());
    if !look.found {
        return Ok(None);
    }
    let mark = unused(request)?;
    let mut request = request.clone();
    Marker { mark: Some(mark), ..look }.request(&mut request);
    Ok(Some(Marked { request, mark }))
}

/// A character that the request does not hold: one that no text should, or else one without a meaning of its own.
fn unused(request: &ChatRequest) -> Result<char> {
    let all = serde_json::to_string(request)
        .map_err(|e| Error::new(ErrorKind::Internal, format!("the request cannot be written: {e}")))?;
    let mut candidates = ('\u{FDD0}'..='\u{FDEF}').chain('\u{10_0000}'..='\u{10_FFFD}');
    candidates.find(|c| !all.contains(*c) && !all.contains(&escaped(*c))).ok_or_else(|| {
        let message =
            "the messages hold every private character that there is: leave one of U+FDD0 to U+FDEF out";
        Error::new(ErrorKind::InvalidRequest, message)
    })
}

/// A character as JSON in ASCII writes it.
fn escaped(c: char) -> String {
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

struct Marker<'t> {
    tokenizer: &'t Tokenizer,
    thinking: Option<ThinkingMarks>,
    care: Care,
    /// What is written; `None` only looks.
    mark: Option<char>,
    found: bool,
}

impl Marker<'_> {
    fn request(&mut self, request: &mut ChatRequest) {
        request.messages.iter_mut().for_each(|message| self.message(message));
        for tool in &mut request.tools {
            self.text(&mut tool.name, &[]);
            self.text(&mut tool.description, &[]);
            self.json(&mut tool.parameters);
        }
        request.template_arguments.values_mut().for_each(|value| self.json(value));
    }

    fn message(&mut self, message: &mut Message) {
        let own =
            self.thinking.filter(|_| message.role == Role::Assistant).map(|marks| [marks.open, marks.close]);
        self.text(&mut message.content, own.as_ref().map_or(&[], |marks| marks));
        for text in
            [&mut message.reasoning, &mut message.tool_call_id, &mut message.name].into_iter().flatten()
        {
            self.text(text, &[]);
        }
        for call in &mut message.tool_calls {
            self.text(&mut call.id, &[]);
            self.text(&mut call.name, &[]);
            self.json(&mut call.arguments);
        }
    }

    fn json(&mut self, value: &mut Json) {
        match value {
            Json::String(text) => self.text(text, &[]),
            Json::Array(items) => items.iter_mut().for_each(|item| self.json(item)),
            Json::Object(fields) => {
                fields.values_mut().for_each(|value| self.json(value));
                // Names that a template looks for hold no control tokens, and others keep their order.
                if fields.keys().any(|name| !self.places(name, &[]).is_empty()) {
                    let renamed: Map<String, Json> = std::mem::take(fields)
                        .into_iter()
                        .map(|(mut name, value)| {
                            self.text(&mut name, &[]);
                            (name, value)
                        })
                        .collect();
                    *fields = renamed;
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn text(&mut self, text: &mut String, spared: &[&str]) {
        let places = self.places(text, spared);
        self.found |= !places.is_empty();
        let Some(mark) = self.mark.filter(|_| !places.is_empty()) else { return };
        let mut out = String::with_capacity(text.len() + places.len() * mark.len_utf8());
        let mut from = 0;
        for place in places {
            out.push_str(text.get(from..place).unwrap_or_default());
            out.push(mark);
            from = place;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        *text = out;
    }

    /// Where marks belong, but for those inside of `spared`.
    fn places(&self, text: &str, spared: &[&str]) -> Vec<usize> {
        let mut places = match self.care {
            Care::AsItStands => self.tokenizer.exposed(text),
            Care::Everything => self.tokenizer.all_exposed(text),
        };
        for own in spared {
            for (at, own) in text.match_indices(own) {
                places.retain(|place| *place <= at || *place > at + own.len());
            }
        }
        places
    }
}
