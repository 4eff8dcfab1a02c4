//! The prompt: put together from files, an argument and stdin. Everything must be text: a NUL byte or invalid UTF-8 is
//! an error that says where, and never silently repaired.

use crate::output;
use crate::terminal;
use parasol_core::{Error, ErrorKind, Result};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// More text than this fits no model's context; it bounds what a runaway pipe can make us hold.
const LARGEST: u64 = 64 << 20;

/// The parts of a prompt, before they are put together.
#[derive(Debug, Default)]
pub(crate) struct Prompt {
    /// Names and contents of the files.
    pub(crate) files: Vec<(String, String)>,
    /// From the command line.
    pub(crate) argument: Option<String>,
    /// From a pipe or a file on stdin.
    pub(crate) stdin: Option<String>,
}

impl Prompt {
    /// Reads the files, and stdin when nobody types there.
    ///
    /// # Errors
    /// When one of them cannot be read or is no text.
    pub(crate) fn gather(files: &[PathBuf], argument: Option<String>) -> Result<Self> {
        let files = files
            .iter()
            .map(|path| Ok((path.display().to_string(), read_file(path)?)))
            .collect::<Result<Vec<_>>>()?;
        if let Some(text) = &argument {
            check(text.as_bytes(), "the prompt")?;
        }
        let stdin =
            if terminal::stdin() { None } else { read_stdin(argument.is_some() || !files.is_empty())? };
        Ok(Self { files, argument, stdin })
    }

    /// Whether there is nothing to ask.
    pub(crate) fn is_empty(&self) -> bool {
        let blank = |text: &Option<String>| text.as_deref().is_none_or(|t| t.trim().is_empty());
        self.files.is_empty() && blank(&self.argument) && blank(&self.stdin)
    }

    /// The prompt for a conversation: each file under its name in a fence, then the argument, a blank line, and stdin.
    pub(crate) fn for_chat(&self) -> String {
        let files = self.files.iter().map(|(name, text)| fenced(name, text));
        self.join(files.collect(), "\n\n")
    }

    /// The prompt for a completion: the same parts with nothing added but the blank line between argument and stdin.
    pub(crate) fn for_completion(&self) -> String {
        let files: String = self.files.iter().map(|(_, text)| text.as_str()).collect();
        if files.is_empty() { self.join(Vec::new(), "") } else { files + &self.join(Vec::new(), "") }
    }

    fn join(&self, mut parts: Vec<String>, between: &str) -> String {
        let spoken: Vec<&str> =
            [&self.argument, &self.stdin].into_iter().flatten().map(String::as_str).collect();
        if !spoken.is_empty() {
            parts.push(spoken.join("\n\n"));
        }
        parts.join(between)
    }
}

/// A file's text under its name, in a fence longer than any that it holds.
fn fenced(name: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{name}:\n{fence}\n{text}{end}{fence}")
}

/// Reads a file that must be text.
///
/// # Errors
/// When it cannot be read, is larger than [`LARGEST`], or is no text.
pub(crate) fn read_file(path: &Path) -> Result<String> {
    let name = path.display();
    let file = std::fs::File::open(path).map_err(|e| Error::from(e).within(format!("cannot open {name}")))?;
    let bytes = read_bounded(file, &name.to_string())?;
    text(bytes, &name.to_string())
}

/// Stdin to its end, without the last line break; `None` when there is nothing. With a prompt already at hand, tells
/// the person after a moment that more is awaited: a program may have left its end of the pipe open.
fn read_stdin(have_prompt: bool) -> Result<Option<String>> {
    let (send, receive) = channel();
    let reader = move || {
        // Nobody receives only when the program is ending.
        let _ = send.send(read_bounded(io::stdin().lock(), "stdin"));
    };
    std::thread::Builder::new()
        .name("stdin".into())
        .spawn(reader)
        .map_err(|e| Error::from(e).within("cannot start a thread to read stdin"))?;
    let first = if have_prompt {
        receive.recv_timeout(Duration::from_secs(3))
    } else {
        Err(RecvTimeoutError::Timeout)
    };
    let bytes = match first {
        Ok(result) => result?,
        Err(_) => {
            if have_prompt {
                output::note("waiting for the rest of the prompt on stdin (add </dev/null if there is none)");
            }
            receive
                .recv()
                .map_err(|_| Error::new(ErrorKind::Internal, "the thread that reads stdin has ended"))??
        }
    };
    let mut text = text(bytes, "stdin")?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(Some(text).filter(|t| !t.is_empty()))
}

/// The text of an argument, or of stdin where there is none. `what` it is called, and how it is written is shown by `example`.
///
/// # Errors
/// When it is no text, or nobody but a person at the terminal could write one.
pub(crate) fn given(argument: Option<&str>, what: &str, example: &str) -> Result<String> {
    if let Some(text) = argument {
        check(text.as_bytes(), &format!("the {what}"))?;
        return Ok(text.to_owned());
    }
    if terminal::stdin() {
        let message =
            format!("there is no {what}: write one after the command, as in {example}, or pipe it in");
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    Ok(Prompt::gather(&[], None)?.stdin.unwrap_or_default())
}

/// The bytes of a file that is sent along: one more than `most` of one that is larger, so that it can be told.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|e| Error::from(e).within(format!("cannot read {}", path.display())))?;
    Ok(bytes)
}

fn read_bounded(from: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let cannot = |e: io::Error| Error::from(e).within(format!("cannot read {name}"));
    from.take(LARGEST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST {
        let message =
            format!("{name} is longer than {}: no model reads a prompt of that size", output::bytes(LARGEST));
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    Ok(bytes)
}

pub(crate) fn text(bytes: Vec<u8>, name: &str) -> Result<String> {
    check(&bytes, name)?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let message = format!("{name} is not UTF-8 text: the byte at offset {at} belongs to no character. Convert it, for example with iconv");
        Error::new(ErrorKind::InvalidRequest, message)
    })
}

pub(crate) fn check(bytes: &[u8], name: &str) -> Result<()> {
    match bytes.iter().position(|&b| b == 0) {
        None => Ok(()),
        Some(at) => {
            let message = format!("{name} is not text: there is a NUL byte at offset {at}");
            Err(Error::new(ErrorKind::InvalidRequest, message))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn argument_blank_line_stdin() {
        let prompt = Prompt { argument: some("Sum up"), stdin: some("one\ntwo"), ..Prompt::default() };
        assert_eq!(prompt.for_chat(), "Sum up\n\none\ntwo");
        assert_eq!(prompt.for_completion(), "Sum up\n\none\ntwo");
    }

    #[test]
    fn files_stand_in_front_and_cannot_leave_their_fence() {
        let files = vec![("a.md".to_owned(), "x\n````\ny".to_owned())];
        let prompt = Prompt { files, argument: some("Why?"), stdin: None };
        assert_eq!(prompt.for_chat(), "a.md:\n`````\nx\n````\ny\n`````\n\nWhy?");
        assert_eq!(prompt.for_completion(), "x\n````\nyWhy?");
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_place() {
        let nul = text(b"ab\0c".to_vec(), "stdin").unwrap_err();
        assert!(nul.message().contains("NUL byte at offset 2"), "{nul}");
        let broken = text(b"ab\xffc".to_vec(), "notes.txt").unwrap_err();
        assert!(broken.message().contains("notes.txt") && broken.message().contains("offset 2"), "{broken}");
    }

    #[test]
    fn blank_prompts_are_empty() {
        assert!(Prompt { argument: some("  "), stdin: some("\n"), ..Prompt::default() }.is_empty());
        assert!(!Prompt { stdin: some("x"), ..Prompt::default() }.is_empty());
    }
}
