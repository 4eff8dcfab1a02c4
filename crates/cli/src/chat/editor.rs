//! Where the lines of a chat come from: a line editor with history at a terminal, or plain lines from a pipe.

use super::command::{COMMANDS, is_fenced, is_open, joined};
use crate::exit::{Outcome, Stop};
use crate::interrupt::Listener;
use crate::output;
use crate::terminal::{self, Style};
use parasol_core::{Error, ErrorKind};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Editor, Helper};
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;

/// Lines kept in the history file.
const REMEMBERED: usize = 1000;
/// One line from a pipe is not longer than this.
const LONGEST_LINE: u64 = 64 << 20;

/// A source of complete inputs.
#[derive(Debug)]
pub(crate) enum Input {
    /// A person at a terminal.
    Typed(Box<Typed>),
    /// A pipe or a file.
    Piped,
}

/// The line editor.
pub(crate) struct Typed {
    editor: Editor<Slash, FileHistory>,
    history: Option<PathBuf>,
}

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Typed({:?})", self.history)
    }
}

impl Input {
    /// The source that suits stdin. `history` is the file that keeps typed lines, if any.
    ///
    /// # Errors
    /// When the terminal refuses to be used.
    pub(crate) fn open(history: Option<PathBuf>) -> Outcome<Self> {
        if !terminal::stdin() {
            return Ok(Self::Piped);
        }
        terminal::remember();
        let config = Config::builder().max_history_size(REMEMBERED).map_err(cannot_edit)?;
        let config = config.history_ignore_space(true).build();
        let mut editor = Editor::with_config(config).map_err(cannot_edit)?;
        editor.set_helper(Some(Slash { style: Style::stdout(), ended: RefCell::default() }));
        if let Some(path) = &history {
            // No history yet, or one that cannot be read: there is nothing to recall, and the chat goes on.
            let _ = editor.load_history(path);
        }
        Ok(Self::Typed(Box::new(Typed { editor, history })))
    }

    /// Whether a person types.
    pub(crate) fn is_typed(&self) -> bool {
        matches!(self, Self::Typed(_))
    }

    /// The next complete input; `None` at the end.
    ///
    /// # Errors
    /// When stdin cannot be read or is no text.
    pub(crate) fn next(&mut self, listener: &Listener) -> Outcome<Option<String>> {
        match self {
            Self::Typed(typed) => typed.next(listener),
            Self::Piped => next_piped(),
        }
    }

    /// Keeps the history on disk; tells once when it cannot.
    pub(crate) fn close(self) {
        let Self::Typed(mut typed) = self else { return };
        let Some(path) = typed.history.take() else { return };
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(e) = folder.map_err(ReadlineError::Io).and_then(|()| typed.editor.save_history(&path)) {
            output::note(&format!("the history was not kept: cannot write {}: {e}", path.display()));
        }
    }
}

impl Typed {
    fn next(&mut self, listener: &Listener) -> Outcome<Option<String>> {
        loop {
            match self.editor.readline("> ") {
                Ok(line) => {
                    let ended = self.editor.helper().map(|slash| slash.ended.take()).unwrap_or_default();
                    let text = joined(&line, |line| ended.iter().any(|typed| typed == line));
                    // Recalled, a line is as whole as pasted text. A repeat of the last one is not kept; that is no error.
                    let kept = if is_fenced(&line) { &line } else { &text };
                    let _ = self.editor.add_history_entry(kept.as_str());
                    return Ok(Some(text));
                }
                Err(ReadlineError::Eof) => return Ok(None),
                Err(ReadlineError::Interrupted) => {
                    listener.take();
                    output::note("Ctrl-D or /quit leaves");
                }
                // A signal from elsewhere, such as a resized window: the line starts over.
                Err(ReadlineError::Signal(_)) => {}
                Err(e) => return Err(cannot_edit(e)),
            }
        }
    }
}

fn cannot_edit(e: ReadlineError) -> Stop {
    Stop::Failed(Error::new(ErrorKind::Io, format!("cannot read from the terminal: {e}")))
}

fn next_piped() -> Outcome<Option<String>> {
    let mut input = String::new();
    loop {
        let Some(line) = piped_line()? else {
            let rest = Some(input).filter(|i| !i.is_empty());
            return Ok(rest.map(|i| joined(i.trim_end_matches('\n'), |_| true)));
        };
        input.push_str(&line);
        if !is_open(&input) {
            return Ok(Some(joined(&input, |_| true)));
        }
        input.push('\n');
    }
}

fn piped_line() -> Outcome<Option<String>> {
    let cannot = |e: io::Error| Stop::Failed(Error::from(e).within("cannot read stdin"));
    let mut bytes = Vec::new();
    io::stdin().lock().take(LONGEST_LINE).read_until(b'\n', &mut bytes).map_err(cannot)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut line = crate::input::text(bytes, "a line on stdin")?;
    if line.ends_with('\n') {
        line.pop();
    }
    if line.ends_with('\r') {
        line.pop();
    }
    Ok(Some(line))
}

/// What the editor knows of slash commands and multi-line input.
struct Slash {
    style: Style,
    /// Lines that were ended with a backslash and Enter: in pasted text, which comes whole, a backslash is a backslash.
    ended: RefCell<Vec<String>>,
}

impl Validator for Slash {
    fn validate(&self, ctx: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let input = ctx.input();
        if !is_open(input) {
            return Ok(ValidationResult::Valid(None));
        }
        self.ended.borrow_mut().extend(input.lines().next_back().map(str::to_owned));
        Ok(ValidationResult::Incomplete)
    }
}

impl Completer for Slash {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..pos).unwrap_or(line);
        let matching = COMMANDS.iter().filter(|(name, ..)| typed.starts_with('/') && name.starts_with(typed));
        Ok((
            0,
            matching
                .map(|(name, argument, _)| format!("{name}{}", if argument.is_empty() { "" } else { " " }))
                .collect(),
        ))
    }
}

impl Highlighter for Slash {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(self.style.name(prompt))
    }
}

impl Hinter for Slash {
    type Hint = String;
}

impl Helper for Slash {}
