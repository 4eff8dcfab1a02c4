//! What a line of a chat means: something to say, or a slash command.

/// A line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// Nothing.
    Blank,
    /// Said to the model.
    Say(String),
    /// `/help`
    Help,
    /// `/system [TEXT]`: set the instructions, or show them.
    System(Option<String>),
    /// `/save FILE`
    Save(String),
    /// `/load FILE`
    Load(String),
    /// `/model [NAME]`: change the model, or show it.
    Model(Option<String>),
    /// `/stats`
    Stats,
    /// `/clear`
    Clear,
    /// `/retry`
    Retry,
    /// `/quit`
    Quit,
    /// A slash command that is not understood, and why.
    Mistake(String),
}

/// Names, arguments and meanings: the source of `/help` and of completion.
pub(crate) const COMMANDS: &[(&str, &str, &str)] = &[
    ("/help", "", "show this"),
    ("/system", "[TEXT]", "set the instructions for the model, or show them"),
    ("/model", "[MODEL]", "go on with another model, or show which one it is"),
    ("/retry", "", "answer the last message again"),
    ("/clear", "", "forget the conversation, keep the instructions"),
    ("/save", "FILE", "write the conversation to a file"),
    ("/load", "FILE", "go on with a conversation that was saved"),
    ("/stats", "", "show tokens, times and how full the context is"),
    ("/quit", "", "leave (also Ctrl-D)"),
];

/// Understands a complete input. A text that should begin with a slash is written with two.
pub(crate) fn parse(input: &str) -> Line {
    let trimmed = input.trim();
    if trimmed.is_empty() {
        return Line::Blank;
    }
    if let Some(text) = trimmed.strip_prefix("//") {
        return Line::Say(format!("/{text}"));
    }
    if !trimmed.starts_with('/') {
        return Line::Say(input.trim_end_matches(['\n', '\r']).to_owned());
    }
    let (name, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
    let argument = Some(rest.trim().to_owned()).filter(|a| !a.is_empty());
    let needs = |make: fn(String) -> Line| match argument.clone() {
        Some(argument) => make(argument),
        None => Line::Mistake(format!("{name} needs the name of a file, as in {name} talk.json")),
    };
    let plain = |line: Line| match &argument {
        None => line,
        Some(extra) => Line::Mistake(format!("{name} takes nothing after it, not \"{extra}\"")),
    };
    match name {
        "/help" | "/?" => plain(Line::Help),
        "/system" => Line::System(argument),
        "/model" => Line::Model(argument),
        "/save" => needs(Line::Save),
        "/load" => needs(Line::Load),
        "/stats" => plain(Line::Stats),
        "/clear" => plain(Line::Clear),
        "/retry" => plain(Line::Retry),
        "/quit" | "/exit" | "/bye" => plain(Line::Quit),
        other => Line::Mistake(format!(
            "there is no {other}: /help lists the commands (// starts a message with a slash)"
        )),
    }
}

/// What `/help` prints.
pub(crate) fn help() -> String {
    let wide = COMMANDS.iter().map(|(name, argument, _)| name.len() + argument.len() + 1).max().unwrap_or(0);
    let mut text = String::new();
    for (name, argument, meaning) in COMMANDS {
        let left = format!("{name} {argument}");
        text.push_str(&format!("  {left:wide$}  {meaning}\n"));
    }
    text.push_str("\nMore than one line: end a line with \\, or put the text between \"\"\" and \"\"\".\n");
    text.push_str("Ctrl-C stops an answer. Ctrl-D leaves.");
    text
}

/// Whether `input` waits for more: a trailing backslash, or a `"""` block that is still open.
pub(crate) fn is_open(input: &str) -> bool {
    let trimmed = input.trim();
    match trimmed.strip_prefix(FENCE) {
        Some(rest) => !rest.ends_with(FENCE),
        None => input.ends_with('\\'),
    }
}

/// Whether `input` is a `"""` block.
pub(crate) fn is_fenced(input: &str) -> bool {
    input.trim().starts_with(FENCE)
}

const FENCE: &str = "\"\"\"";

/// The text of a complete input of one or more lines, without the marks that joined them. `ended` tells of a line with a
/// backslash at its end whether that is such a mark; it may be text that was pasted.
pub(crate) fn joined(input: &str, ended: impl Fn(&str) -> bool) -> String {
    if let Some(rest) = input.trim().strip_prefix(FENCE) {
        return rest.strip_suffix(FENCE).unwrap_or(rest).trim_matches('\n').to_owned();
    }
    let mut lines: Vec<&str> = input.split('\n').collect();
    // The last one is followed by nothing that it could be joined to.
    let last = lines.pop();
    let joined =
        lines.into_iter().map(|line| line.strip_suffix('\\').filter(|_| ended(line)).unwrap_or(line));
    joined.chain(last).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        assert_eq!(parse("hello"), Line::Say("hello".into()));
        assert_eq!(parse("  "), Line::Blank);
        assert_eq!(parse("/system  be brief "), Line::System(Some("be brief".into())));
        assert_eq!(parse("/model"), Line::Model(None));
        assert_eq!(parse("/bye"), Line::Quit);
        assert_eq!(parse("//etc is a folder"), Line::Say("/etc is a folder".into()));
        assert!(matches!(parse("/save"), Line::Mistake(_)));
        assert!(matches!(parse("/retry now"), Line::Mistake(_)));
        assert!(matches!(parse("/nonsense"), Line::Mistake(why) if why.contains("/nonsense")));
    }

    #[test]
    fn several_lines_make_one_input() {
        let all = |_: &str| true;
        assert!(is_open("one \\") && !is_open("one \\\ntwo"));
        assert_eq!(joined("one \\\ntwo", all), "one \ntwo");
        // Of what was pasted, nothing is taken away.
        assert_eq!(joined("run \\\n-it \\\nx", |_| false), "run \\\n-it \\\nx");
        assert_eq!(joined("see \\\nrun \\\nx\\", |line| line == "see \\"), "see \nrun \\\nx\\");
        assert!(is_open("\"\"\"") && is_open("\"\"\"one\ntwo") && !is_open("\"\"\"one\n\"\"\""));
        assert_eq!(joined("\"\"\"\none\n\ntwo\n\"\"\"", all), "one\n\ntwo");
        assert!(!is_open("\"\"\"one\"\"\""));
        assert_eq!(joined("\"\"\"one\"\"\"", all), "one");
    }

    #[test]
    fn help_names_every_command() {
        assert!(COMMANDS.iter().all(|(name, ..)| help().contains(name)));
        let understood = |name: &str| !matches!(parse(&format!("{name} x")), Line::Mistake(why) if why.contains("there is no"));
        assert!(COMMANDS.iter().all(|(name, ..)| understood(name)));
    }
}
