//! Finds calls to tools in an answer's text, in whatever pieces it comes. What turns out not to be a call goes out as text.

use super::object::CallReader;
use super::syntax::CallSyntax;
use super::xml::FunctionReader;
use super::{Broken, Piece, python};
use parasol_core::ToolSpec;

/// Most text that is held back while it may still be a call, in bytes.
const MOST_HELD: usize = 16 << 10;
/// Before the arguments, in Mistral's later syntax, and before an id that may stand in front of them.
const ARGS: &str = "[ARGS]";
const CALL_ID: &str = "[CALL_ID]";

#[derive(Debug)]
enum State {
    /// Outside a call.
    Text,
    /// After the opening mark.
    Head,
    /// In a list of calls.
    Items,
    Object(Box<CallReader>),
    /// A function written in tags.
    Function(FunctionReader),
    /// The tool's name, in front of `[ARGS]`.
    Name(String),
    /// Calls as Python writes them, up to the end of their fence.
    Python(String),
    /// After a call, where its closing mark is due.
    Tail(String),
    /// All the calls that were allowed are there.
    Over,
}

/// Splits one answer.
#[derive(Debug)]
pub(super) struct Calls {
    syntax: CallSyntax,
    tools: Vec<ToolSpec>,
    most: usize,
    state: State,
    /// Calls that are complete.
    complete: usize,
    /// White space (and separators) since the beginning or since the last call; `None` after other text.
    filler: Option<String>,
    /// What may be the beginning of an opening mark.
    held: String,
    /// Text since the opening mark that can still be given back.
    raw: String,
    /// How much of `raw` must go out as text before the rest is looked at again.
    mark: usize,
    list: bool,
}

impl Calls {
    pub(super) fn new(syntax: CallSyntax, tools: Vec<ToolSpec>, most: usize) -> Self {
        Self {
            syntax,
            tools,
            most,
            state: State::Text,
            complete: 0,
            filler: Some(String::new()),
            held: String::new(),
            raw: String::new(),
            mark: 0,
            list: false,
        }
    }

    pub(super) fn syntax(&self) -> CallSyntax {
        self.syntax
    }

    /// Calls that are complete.
    pub(super) fn complete(&self) -> usize {
        self.complete
    }

    /// Whether all the calls that were allowed are there.
    pub(super) fn over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Takes more text.
    pub(super) fn push(&mut self, text: &str, out: &mut Vec<Piece>) {
        // Characters to read, the next one last: what is given back is read again.
        let mut input: Vec<char> = text.chars().rev().collect();
        while let Some(c) = input.pop() {
            self.step(c, &mut input, out);
        }
    }

    fn step(&mut self, c: char, input: &mut Vec<char>, out: &mut Vec<Piece>) {
        if !matches!(self.state, State::Text | State::Tail(_) | State::Over) && self.raw.len() >= MOST_HELD {
            input.push(c);
            return self.give_back(input, out);
        }
        match std::mem::replace(&mut self.state, State::Text) {
            State::Text => self.text(c, input, out),
            State::Head => self.head(c, input, out),
            State::Items => self.item(c, input, out),
            State::Object(reader) => self.object(reader, c, input, out),
            State::Function(reader) => self.function(reader, c, input, out),
            State::Name(name) => self.name(name, c, input, out),
            State::Python(mut code) => {
                self.raw.push(c);
                code.push(c);
                match code.strip_suffix("```") {
                    Some(code) => match python::calls(code, &self.tools) {
                        Ok(calls) => self.whole(calls, out),
                        Err(Broken) => self.give_back(input, out),
                    },
                    None => self.state = State::Python(code),
                }
            }
            State::Tail(held) => self.tail(held, c, input),
            State::Over => self.state = State::Over,
        }
    }

    fn text(&mut self, c: char, input: &mut Vec<char>, out: &mut Vec<Piece>) {
        if self.held.is_empty()
            && let Some(filler) = &mut self.filler
        {
            if self.syntax.fills(c) && (self.complete > 0 || c.is_whitespace()) {
                return filler.push(c);
            }
            if c == '{' && self.syntax.bare() {
                let raw = std::mem::take(filler) + "{";
                self.begin(raw.len(), raw);
                let reader = Box::new(CallReader::new());
                return self.object_first(reader, c, input, out);
            }
        }
        self.held.push(c);
        if self.syntax.opens().contains(&self.held.as_str()) {
            let raw = self.filler.take().unwrap_or_default() + &std::mem::take(&mut self.held);
            self.begin(raw.len(), raw);
            self.state = State::Head;
            return;
        }
        while !self.held.is_empty() && !self.syntax.opens().iter().any(|open| open.starts_with(&self.held)) {
            let filler = self.filler.take().unwrap_or_default();
            let first = self.held.remove(0);
            emit(out, &(filler + first.encode_utf8(&mut [0; 4])));
        }
    }

    fn begin(&mut self, mark: usize, raw: String) {
        self.mark = mark;
        self.raw = raw;
        self.list = false;
    }

    fn head(&mut self, c: char, input: &mut Vec<char>, out: &mut Vec<Piece>) {
        use CallSyntax::{Gemma, Hermes, Mistral, MistralNamed, Xml};
        if c == '{' {
            self.raw.push(c);
            return self.object_first(Box::new(CallReader::new()), c, input, out);
        }
        self.state = match (c, self.syntax) {
            (c, _) if c.is_whitespace() => State::Head,
            ('[', Hermes | Mistral | MistralNamed) => State::Items,
            ('<', Xml | Hermes) => State::Function(FunctionReader::new()),
            (c, Mistral | MistralNamed) if is_name(c) => State::Name(c.to_string()),
            (c, Gemma) => State::Python(c.to_string()),
            _ => {
                input.push(c);
                return self.give_back(input, out);
            }
        };
        self.list = matches!(self.state, State::Items);
        self.raw.push(c);
    }

    fn item(&mut self, c: char, input: &mut Vec<char>, out: &mut Vec<Piece>) {
        match c {
            '{' => {
                self.raw.push(c);
                self.object_first(Box::new(CallReader::new()), c, input, out);
            }
            ']' if self.raw.is_empty() => self.state = State::Tail(String::new()),
            c if c.is_whitespace() || c == ',' && self.raw.is_empty() => {
                if !self.raw.is_empty() {
                    self.raw.push(c);
                }
                self.state = State::Items;
            }
            c => {
                input.push(c);
                self.give_back(input, out);
            }
        }
    }

    fn object_first(
        &mut self,
        mut reader: Box<CallReader>,
        c: char,
        input: &mut Vec<char>,
        out: &mut Vec<Piece>,
    ) {
        match reader.push(c, &self.tools, out) {
            Ok(_) => self.state = State::Object(reader),
            Err(Broken) => self.give_back(input, out),
        }
    }

    fn object(&mut self, mut reader: Box<CallReader>, c: char, input: &mut Vec<char>, out: &mut Vec<Piece>) {
        let read = reader.push(c, &self.tools, out);
        self.follow(read, reader.started, State::Object(reader), c, input, out);
    }

    fn function(&mut self, mut reader: FunctionReader, c: char, input: &mut Vec<char>, out: &mut Vec<Piece>) {
        let read = reader.push(c, &self.tools, out);
        self.follow(read, reader.started, State::Function(reader), c, input, out);
    }

    /// Goes on after a reader took `c`: `next` unless the call is complete or was none. What was read can be given back until
    /// the call has started.
    fn follow(
        &mut self,
        read: Result<bool, Broken>,
        started: bool,
        next: State,
        c: char,
        input: &mut Vec<char>,
        out: &mut Vec<Piece>,
    ) {
        match read {
            Ok(true) => self.completed(),
            Ok(false) => {
                if started {
                    self.raw.clear();
                } else {
                    self.raw.push(c);
                }
                self.state = next;
            }
            Err(Broken) => {
                input.push(c);
                self.give_back(input, out);
            }
        }
    }

    fn name(&mut self, mut name: String, c: char, input: &mut Vec<char>, out: &mut Vec<Piece>) {
        self.raw.push(c);
        name.push(c);
        let head = if c == '{' { name.strip_suffix('{') } else { name.strip_suffix(ARGS) };
        let Some(head) = head else {
            self.state = State::Name(name);
            return;
        };
        let tool = head.split(CALL_ID).next().unwrap_or_default().trim();
        if !self.tools.iter().any(|known| known.name == tool) {
            return self.give_back(input, out);
        }
        let reader = Box::new(CallReader::named(tool.to_owned()));
        if c == '{' {
            return self.object_first(reader, c, input, out);
        }
        self.state = State::Object(reader);
    }

    /// Calls that were read at once.
    fn whole(&mut self, calls: Vec<(String, String)>, out: &mut Vec<Piece>) {
        for (name, arguments) in calls {
            if self.complete < self.most {
                out.extend([Piece::Start(name), Piece::Arguments(arguments), Piece::End]);
                self.completed();
            }
        }
        if !self.over() {
            self.state = State::Text;
        }
    }

    fn completed(&mut self) {
        self.complete += 1;
        self.raw.clear();
        self.filler = Some(String::new());
        self.state = match self.list {
            _ if self.complete >= self.most => State::Over,
            true => State::Items,
            false => State::Tail(String::new()),
        };
    }

    /// The closing mark after a call, which models sometimes forget.
    fn tail(&mut self, mut held: String, c: char, input: &mut Vec<char>) {
        if held.is_empty() && c.is_whitespace() {
            self.state = State::Tail(held);
            return;
        }
        held.push(c);
        match self.syntax.close() {
            Some(close) if close == held => {}
            Some(close) if close.starts_with(&held) => self.state = State::Tail(held),
            _ => input.extend(held.chars().rev()),
        }
    }

    /// What was read is no call: its mark goes out as text, and what follows is looked at again.
    fn give_back(&mut self, input: &mut Vec<char>, out: &mut Vec<Piece>) {
        self.state = State::Text;
        self.list = false;
        self.filler = None;
        let raw = std::mem::take(&mut self.raw);
        let mark = std::mem::take(&mut self.mark).min(raw.len());
        let (first, rest) = raw.split_at_checked(mark).unwrap_or((&raw, ""));
        emit(out, first);
        input.extend(rest.chars().rev());
    }

    /// The answer is over: what was held back.
    pub(super) fn finish(&mut self, out: &mut Vec<Piece>) {
        if let State::Python(code) = std::mem::replace(&mut self.state, State::Text)
            && let Ok(calls) = python::calls(&code, &self.tools)
        {
            return self.whole(calls, out);
        }
        let filler = self.filler.take().filter(|_| self.complete == 0).unwrap_or_default();
        emit(out, &(filler + &std::mem::take(&mut self.raw) + &std::mem::take(&mut self.held)));
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn emit(out: &mut Vec<Piece>, text: &str) {
    if text.is_empty() {
        return;
    }
    match out.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        _ => out.push(Piece::Text(text.to_owned())),
    }
}
