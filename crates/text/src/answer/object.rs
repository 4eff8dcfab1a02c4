//! A call written as a JSON object, `{"name": …, "arguments": {…}}`, read as it arrives: the name leaves as soon as the arguments
//! begin, the arguments leave as they are written.

use super::json::{Scan, Scanner};
use super::{Broken, Piece};
use parasol_core::ToolSpec;

/// Keys of the object in which models write the arguments.
const ARGUMENTS: [&str; 2] = ["arguments", "parameters"];
/// Keys that some models add.
const IGNORED: [&str; 2] = ["id", "type"];

#[derive(Debug)]
enum Place {
    Open,
    Key { first: bool },
    KeyText(Scanner, String),
    Colon(Kind),
    Value(Kind, Scanner, String),
    Comma,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Arguments,
    Ignored,
}

/// Reads one call.
#[derive(Debug)]
pub(super) struct CallReader {
    place: Place,
    name: Option<String>,
    /// Arguments that came before the name.
    early: Option<String>,
    /// The call has left; its text can no longer be given back.
    pub(super) started: bool,
    /// The arguments stand alone: the call ends with them.
    bare: bool,
}

impl CallReader {
    /// At the object's brace.
    pub(super) fn new() -> Self {
        Self { place: Place::Open, name: None, early: None, started: false, bare: false }
    }

    /// At the arguments of a call whose name is known.
    pub(super) fn named(name: String) -> Self {
        let place = Place::Value(Kind::Arguments, Scanner::new(), String::new());
        Self { place, name: Some(name), early: None, started: false, bare: true }
    }

    /// Takes the next character; true when the call is complete with it.
    pub(super) fn push(&mut self, c: char, tools: &[ToolSpec], out: &mut Vec<Piece>) -> Result<bool, Broken> {
        let blank = matches!(c, ' ' | '\n' | '\r' | '\t');
        match std::mem::replace(&mut self.place, Place::Comma) {
            Place::Open if c == '{' => self.place = Place::Key { first: true },
            Place::Key { first } => match c {
                '"' => self.place = self.key_text(c)?,
                '}' if first => return Err(Broken),
                _ if blank => self.place = Place::Key { first },
                _ => return Err(Broken),
            },
            Place::KeyText(mut scanner, mut raw) => {
                raw.push(c);
                self.place = match scanner.push(c)? {
                    Scan::Done => Place::Colon(self.kind(&raw)?),
                    _ => Place::KeyText(scanner, raw),
                };
            }
            Place::Colon(kind) => match c {
                ':' => self.place = Place::Value(kind, Scanner::new(), String::new()),
                _ if blank => self.place = Place::Colon(kind),
                _ => return Err(Broken),
            },
            Place::Value(kind, scanner, raw) => return self.value(c, (kind, scanner, raw), tools, out),
            Place::Comma => match c {
                ',' => self.place = Place::Key { first: false },
                '}' => return self.end(out),
                _ if blank => {}
                _ => return Err(Broken),
            },
            Place::Open => return Err(Broken),
        }
        Ok(false)
    }

    fn key_text(&self, c: char) -> Result<Place, Broken> {
        let mut scanner = Scanner::new();
        scanner.push(c)?;
        Ok(Place::KeyText(scanner, c.to_string()))
    }

    fn kind(&self, raw: &str) -> Result<Kind, Broken> {
        let key: String = serde_json::from_str(raw).map_err(|_| Broken)?;
        match key.as_str() {
            "name" if self.name.is_none() => Ok(Kind::Name),
            key if ARGUMENTS.contains(&key) && !self.started && self.early.is_none() => Ok(Kind::Arguments),
            key if IGNORED.contains(&key) => Ok(Kind::Ignored),
            _ => Err(Broken),
        }
    }

    fn value(
        &mut self,
        c: char,
        (kind, mut scanner, mut raw): (Kind, Scanner, String),
        tools: &[ToolSpec],
        out: &mut Vec<Piece>,
    ) -> Result<bool, Broken> {
        let scan = scanner.push(c)?;
        // White space before the arguments is not theirs.
        let leading = raw.is_empty() && c.is_ascii_whitespace();
        if scan != Scan::Before && !leading {
            raw.push(c);
        }
        // An object's text leaves as it comes; other values are looked at when they are whole.
        if kind == Kind::Arguments && self.name.is_some() && raw.starts_with('{') {
            self.arguments(&std::mem::replace(&mut raw, "{".into())[usize::from(self.started)..], out);
        }
        if scan == Scan::More {
            self.place = Place::Value(kind, scanner, raw);
            return Ok(false);
        }
        match kind {
            Kind::Ignored => {}
            Kind::Name => {
                let name: String = serde_json::from_str(&raw).map_err(|_| Broken)?;
                if !tools.iter().any(|tool| tool.name == name) {
                    return Err(Broken);
                }
                self.name = Some(name);
                if let Some(early) = self.early.take() {
                    self.arguments(&early, out);
                }
            }
            Kind::Arguments if self.started => {}
            Kind::Arguments => {
                let text = whole_object(raw)?;
                match self.name {
                    Some(_) => self.arguments(&text, out),
                    None => self.early = Some(text),
                }
            }
        }
        if self.bare {
            return self.end(out);
        }
        self.place = Place::Comma;
        if scan == Scan::Before { self.push(c, tools, out) } else { Ok(false) }
    }

    fn arguments(&mut self, text: &str, out: &mut Vec<Piece>) {
        if !self.started {
            self.started = true;
            out.push(Piece::Start(self.name.clone().unwrap_or_default()));
        }
        if !text.is_empty() {
            out.push(Piece::Arguments(text.to_owned()));
        }
    }

    fn end(&mut self, out: &mut Vec<Piece>) -> Result<bool, Broken> {
        if self.name.is_none() {
            return Err(Broken);
        }
        if !self.started {
            self.arguments("{}", out);
        }
        out.push(Piece::End);
        Ok(true)
    }
}

/// The text of an object: as it is, or out of the string in which some models wrap it. Nothing at all means no arguments.
fn whole_object(raw: String) -> Result<String, Broken> {
    if raw.starts_with('{') {
        return Ok(raw);
    }
    match serde_json::from_str(&raw).map_err(|_| Broken)? {
        serde_json::Value::Null => Ok("{}".into()),
        serde_json::Value::String(text) => match serde_json::from_str(&text) {
            Ok(serde_json::Value::Object(_)) => Ok(text),
            _ => Err(Broken),
        },
        _ => Err(Broken),
    }
}
