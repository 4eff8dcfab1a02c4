//! Calls as Python writes them, `name(key="value", other=[1, True])`: one or several, in a list or in `print`. They are read when
//! they are whole. Only literals are values, and only named arguments: there is nothing to run here.

use super::Broken;
use super::json::Scanner;
use super::object::CallReader;
use super::{Piece, json::Scan};
use parasol_core::ToolSpec;
use serde_json::{Map, Value as Json};

/// Deepest nesting of lists and dictionaries.
const DEEPEST: usize = 64;

/// The calls of a text, as tool names and the JSON text of their arguments. JSON that begins with a list is read too.
pub(super) fn calls(code: &str, tools: &[ToolSpec]) -> Result<Vec<(String, String)>, Broken> {
    if let Ok(calls) = listed(code, tools) {
        return Ok(calls);
    }
    let mut reader = Reader { rest: code.trim(), tools };
    let mut calls = Vec::new();
    let list = reader.eat("[");
    while !(reader.rest.is_empty() || list && reader.rest.starts_with(']')) {
        calls.push(reader.call()?);
        while reader.eat(",") || reader.eat(";") {}
    }
    if list && !reader.eat("]") || !reader.rest.is_empty() || calls.is_empty() {
        return Err(Broken);
    }
    Ok(calls)
}

/// `[{"name": …, "parameters": {…}}, …]`.
fn listed(code: &str, tools: &[ToolSpec]) -> Result<Vec<(String, String)>, Broken> {
    let items: Vec<Json> = serde_json::from_str(code).map_err(|_| Broken)?;
    if items.is_empty() {
        return Err(Broken);
    }
    let mut calls = Vec::new();
    for item in items {
        let (mut reader, mut pieces) = (CallReader::new(), Vec::new());
        for c in item.to_string().chars() {
            reader.push(c, tools, &mut pieces)?;
        }
        let (mut name, mut arguments) = (String::new(), String::new());
        for piece in pieces {
            match piece {
                Piece::Start(tool) => name = tool,
                Piece::Arguments(text) => arguments.push_str(&text),
                Piece::Text(_) | Piece::End => {}
            }
        }
        calls.push((name, arguments));
    }
    Ok(calls)
}

struct Reader<'a> {
    rest: &'a str,
    tools: &'a [ToolSpec],
}

impl<'a> Reader<'a> {
    /// Takes `text` and the white space after it, if it comes next.
    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), Broken> {
        if self.eat(text) { Ok(()) } else { Err(Broken) }
    }

    fn word(&mut self) -> Result<&'a str, Broken> {
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        if word.is_empty() { Err(Broken) } else { Ok(word) }
    }

    fn call(&mut self) -> Result<(String, String), Broken> {
        let name = self.word()?;
        let known = |name: &str| self.tools.iter().any(|tool| tool.name == name);
        if name == "print" && !known("print") {
            self.expect("(")?;
            let call = self.call()?;
            self.expect(")")?;
            return Ok(call);
        }
        if !known(name) {
            return Err(Broken);
        }
        self.expect("(")?;
        let mut arguments = Map::new();
        while !self.eat(")") {
            let key = self.word()?.to_owned();
            self.expect("=")?;
            let value = self.value(0)?;
            if arguments.insert(key, value).is_some() || !self.eat(",") && !self.rest.starts_with(')') {
                return Err(Broken);
            }
        }
        Ok((name.to_owned(), Json::Object(arguments).to_string()))
    }

    fn value(&mut self, depth: usize) -> Result<Json, Broken> {
        if depth > DEEPEST {
            return Err(Broken);
        }
        match self.rest.chars().next().ok_or(Broken)? {
            quote @ ('"' | '\'') => self.text(quote).map(Json::from),
            '[' => self.list(depth, "[", "]"),
            '(' => self.list(depth, "(", ")"),
            '{' => {
                self.expect("{")?;
                let mut fields = Map::new();
                while !self.eat("}") {
                    let Json::String(key) = self.value(depth + 1)? else { return Err(Broken) };
                    self.expect(":")?;
                    fields.insert(key, self.value(depth + 1)?);
                    if !self.eat(",") && !self.rest.starts_with('}') {
                        return Err(Broken);
                    }
                }
                Ok(Json::Object(fields))
            }
            c if c == '-' || c.is_ascii_digit() => self.number(),
            _ => match self.word()? {
                "True" | "true" => Ok(Json::Bool(true)),
                "False" | "false" => Ok(Json::Bool(false)),
                "None" | "null" => Ok(Json::Null),
                _ => Err(Broken),
            },
        }
    }

    fn list(&mut self, depth: usize, open: &str, close: &str) -> Result<Json, Broken> {
        self.expect(open)?;
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(self.value(depth + 1)?);
            if !self.eat(",") && !self.rest.starts_with(close) {
                return Err(Broken);
            }
        }
        Ok(Json::Array(items))
    }

    fn number(&mut self) -> Result<Json, Broken> {
        let mut scanner = Scanner::new();
        let mut end = self.rest.len();
        for (at, c) in self.rest.char_indices() {
            if scanner.push(c)? == Scan::Before {
                end = at;
                break;
            }
        }
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        serde_json::from_str(number).map_err(|_| Broken)
    }

    fn text(&mut self, quote: char) -> Result<String, Broken> {
        let mut out = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next().ok_or(Broken)?.1 {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    c @ ('\\' | '\'' | '"') => out.push(c),
                    _ => return Err(Broken),
                },
                '\n' => return Err(Broken),
                c if c == quote => {
                    self.rest = self.rest[at + 1..].trim_start();
                    return Ok(out);
                }
                c => out.push(c),
            }
        }
        Err(Broken)
    }
}
