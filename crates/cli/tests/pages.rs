//! Help, completions, manual pages and docs/cli.md: all from the one declaration.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, fails, works};
use std::path::Path;
use std::process::{Command, Stdio};

const COMMANDS: [&str; 25] = [
    "run",
    "chat",
    "transcribe",
    "listen",
    "speak",
    "embed",
    "imagine",
    "film",
    "jobs",
    "voices",
    "pull",
    "list",
    "show",
    "rm",
    "serve",
    "ps",
    "stop",
    "providers",
    "usage",
    "keys",
    "config",
    "bench",
    "doctor",
    "completions",
    "man",
];

#[test]
fn help_names_every_command_and_exit_code() {
    let home = Home::new();
    let done = home.run(&["--help"]);
    let help = works(&done);
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
        let own = home.run(&[command, "--help"]);
        assert!(works(&own).contains(&format!("Usage: parasol {command}")), "{command}");
    }
    for code in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "130"] {
        assert!(help.contains(&format!("\n{code:>5}  ")), "{code}");
    }
    assert_eq!(works(&home.run(&["--version"])), format!("parasol {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let home = Home::new();
    for args in [
        &["nonsense"][..],
        &["run", "--nonsense"],
        &["run", "--temperature", "-1", "x"],
        &["run", "--temperature", "nan", "x"],
        &["run", "--top-p", "1.5", "x"],
        &["run", "--logit-bias", "x=1", "x"],
        &["run", "--max-tokens", "0", "x"],
        &["run", "--threads", "0", "x"],
        &["run", "--seed", "-1", "x"],
        &["run", "--raw", "--system", "s", "x"],
        &["run", "--json=xml", "x"],
        &["run", "-m", "smollm2", "one", "two"],
        &["pull"],
        &["rm"],
        &["completions", "cobol"],
    ] {
        fails(&home.run(args), 2, &[]);
    }
    assert_eq!(home.run(&[]).code, Some(2));
    fails(&home.run(&["man", "nonsense"]), 2, &["there is no command nonsense", "run, chat"]);
    fails(&home.run(&["run", "hello", "--top-k", "-1"]), 2, &["'-1'", "--top-k"]);
    fails(&home.run(&["run", "hello", "--temperature", "-1"]), 2, &["--temperature", "0 or more"]);
}

#[test]
fn every_shell_gets_completions_that_it_can_read() {
    let home = Home::new();
    for (shell, program) in
        [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish"), ("powershell", ""), ("elvish", "")]
    {
        let done = home.run(&["completions", shell]);
        let script = works(&done);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} lacks {command}");
        }
        let path = home.path(shell);
        std::fs::write(&path, script).unwrap();
        // Where the shell is installed, it checks the syntax.
        if !program.is_empty()
            && let Ok(check) = Command::new(program).arg("-n").arg(&path).stderr(Stdio::piped()).output()
        {
            assert!(check.status.success(), "{shell}: {}", String::from_utf8_lossy(&check.stderr));
        }
    }
}

#[test]
fn manual_pages_are_roff() {
    let home = Home::new();
    let done = home.run(&["man"]);
    let page = works(&done);
    assert!(
        page.contains(".TH parasol 1") && page.contains(".SH SYNOPSIS") && page.contains("Exit codes"),
        "{page}"
    );
    for command in COMMANDS {
        let done = home.run(&["man", command]);
        assert!(works(&done).contains(&format!(".TH parasol-{command} 1")), "{command}");
    }
}

/// The reference part of docs/cli.md, made from the help of every command.
fn reference(home: &Home) -> String {
    let mut text = String::new();
    for command in [""].iter().chain(&COMMANDS) {
        let args: Vec<&str> = [*command, "--help"].into_iter().filter(|a| !a.is_empty()).collect();
        let help = home.run(&args);
        let name = format!("parasol {command}");
        let help: Vec<&str> = works(&help).lines().map(str::trim_end).collect();
        text.push_str(&format!("\n## {}\n\n```text\n{}\n```\n", name.trim_end(), help.join("\n").trim_end()));
    }
    text
}

/// `PARASOL_BLESS=1 cargo test --release -p parasol-cli docs_are_in_step` writes the reference anew.
#[test]
fn docs_are_in_step() {
    const MARK: &str =
        "<!-- From here on: the help of every command, written by crates/cli/tests/pages.rs. -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let docs = std::fs::read_to_string(&path).unwrap();
    let (head, written) = docs.split_once(MARK).unwrap();
    let wanted = reference(&Home::new());
    if std::env::var_os("PARASOL_BLESS").is_some() {
        std::fs::write(&path, format!("{head}{MARK}{wanted}")).unwrap();
        return;
    }
    assert!(written == wanted, "docs/cli.md is out of step: see the comment at this test");
}
