//! The terminal: whether there is one, colours, and putting it back as it was. Plain text everywhere else.

use std::borrow::Cow;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::OnceLock;

/// Whether a person reads stdout.
pub(crate) fn stdout() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person reads stderr.
pub(crate) fn stderr() -> bool {
    io::stderr().is_terminal()
}

/// Whether a person types on stdin.
pub(crate) fn stdin() -> bool {
    io::stdin().is_terminal()
}

/// Puts a question on stderr and waits for the answer: whether it is yes.
pub(crate) fn agrees(question: &str) -> bool {
    let mut err = io::stderr().lock();
    // Who cannot read the question will not agree to it.
    let _ = write!(err, "{} [y/N] ", Style::stderr().bold(question));
    let _ = err.flush();
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Whether colours are wanted at all: not with NO_COLOR (no-color.org) and not on a dumb terminal.
pub(crate) fn colours() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    !no_color && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// Colours for one output stream; without a terminal they leave text as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    on: bool,
}

impl Style {
    /// For text on stdout.
    pub(crate) fn stdout() -> Self {
        Self { on: stdout() && colours() }
    }

    /// For text on stderr.
    pub(crate) fn stderr() -> Self {
        Self { on: stderr() && colours() }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// What matters.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What can be overlooked.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// What is well.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What deserves a look.
    pub(crate) fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// What is wrong.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Names and prompts.
    pub(crate) fn name(self, text: &str) -> String {
        self.paint("36", text)
    }
}

/// Text from a model or a file, made harmless for a terminal: control characters, which could move the cursor, rename
/// the window or worse, appear as pictures. Line breaks and tabs stay.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let dangerous = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(dangerous) {
        return Cow::Borrowed(text);
    }
    let picture = |c: char| match c {
        '\u{7f}' => '\u{2421}',
        c if dangerous(c) => char::from_u32(0x2400 + u32::from(c)).filter(|_| c < ' ').unwrap_or('\u{fffd}'),
        c => c,
    };
    Cow::Owned(text.chars().map(picture).collect())
}

#[cfg(unix)]
static SAVED: OnceLock<rustix::termios::Termios> = OnceLock::new();
#[cfg(not(unix))]
static SAVED: OnceLock<()> = OnceLock::new();

/// Remembers the terminal's settings before something changes them.
pub(crate) fn remember() {
    #[cfg(unix)]
    if let Ok(settings) = rustix::termios::tcgetattr(io::stdin()) {
        let _ = SAVED.set(settings);
    }
    #[cfg(not(unix))]
    let _ = SAVED.set(());
}

/// Puts the terminal back as [`remember`] found it, if it did.
pub(crate) fn restore() {
    #[cfg(unix)]
    if let Some(settings) = SAVED.get() {
        let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, settings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_pictures() {
        assert_eq!(harmless("a\x1b[2Jb\u{7f}\u{9b}c"), "a\u{241b}[2Jb\u{2421}\u{fffd}c");
        assert!(matches!(harmless("two\nlines\tand é 👍"), Cow::Borrowed(_)));
    }
}
