//! `chat`, from a pipe and at a terminal.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, fails, works};

#[test]
fn from_a_pipe_there_are_answers_and_nothing_else() {
    let home = Home::new();
    let toy = home.toy();
    let done = home.run_with(&["chat", &toy, "-n", "6", "--temperature", "0"], b"hello\n\n/model\nbye\n");
    let lines = works(&done);
    assert!(lines.contains("\ntoy\n") && !lines.contains("> ") && !lines.contains('\x1b'), "{done:?}");
    assert_eq!(done.err, "");
    // The first answer is what `run` says to the same words.
    let run = home.run(&["run", &toy, "hello", "-n", "6", "--temperature", "0"]);
    assert!(lines.starts_with(works(&run)), "{done:?} {run:?}");
}

#[test]
fn saved_talk_goes_on() {
    let home = Home::new();
    let toy = home.toy();
    let file = home.path("talk.json");
    let name = file.to_str().unwrap();
    let script =
        format!("/system be brief\none \\\ntwo\n/save {name}\n/clear\n/load {name}\n/system\n/stats\n");
    let done = home.run_with(&["chat", &toy, "-n", "6"], script.as_bytes());
    assert!(works(&done).contains("be brief\n") && done.out.contains(" of 8 192 tokens"), "{done:?}");
    let talk: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let said: Vec<_> =
        talk["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(said, ["system", "user", "assistant"]);
    assert_eq!(talk["messages"][1]["content"], "one \ntwo");
    // The file knows its model.
    works(&home.run_with(&["chat", "--load", name, "-n", "3"], b"/retry\nand now?\n"));
}

#[test]
fn a_script_stops_at_its_first_failure() {
    let home = Home::new();
    let toy = home.toy();
    fails(&home.run_with(&["chat", &toy], b"/nonsense\nhello\n"), 2, &["/nonsense", "/help"]);
    fails(&home.run_with(&["chat", &toy], b"/load nowhere.json\n"), 3, &["nowhere.json"]);
    fails(&home.run_with(&["chat", &toy], b"/model nosuchmodel\n"), 3, &["nosuchmodel"]);
    fails(&home.run_with(&["chat", &toy], b"/retry\n"), 2, &["nothing to answer"]);
    fails(&home.run_with(&["chat", &toy], b"a\0b\n"), 2, &["NUL"]);
    fails(&home.run_with(&["chat", &toy], b"\xff\n"), 2, &["UTF-8"]);
    fails(
        &home.run_with(&["chat", &toy, "--context", "16"], "many words ".repeat(50).as_bytes()),
        6,
        &["16"],
    );
    std::fs::write(home.path("bad.json"), "{}").unwrap();
    fails(&home.run(&["chat", &toy, "--load", home.path("bad.json").to_str().unwrap()]), 5, &["bad.json"]);
}

#[test]
fn a_base_model_cannot_chat() {
    let home = Home::new();
    fails(&home.run_with(&["chat", &home.toy_base()], b"hello\n"), 10, &["--raw"]);
}

#[cfg(unix)]
mod terminal {
    use super::common::{ENDLESS, Home, signal};
    use rexpect::session::{PtySession, spawn_command};
    use std::time::Duration;

    fn chat(home: &Home, more: &[&str]) -> PtySession {
        let mut command = home.parasol(&[&["chat", "-m", &home.toy()], more].concat());
        // The session puts its own terminal in place of the null device.
        command.env("TERM", "xterm").env_remove("NO_COLOR").stdin(std::process::Stdio::inherit());
        let mut session = spawn_command(command, Some(20_000)).unwrap();
        session.exp_string("/help lists the commands").unwrap();
        session
    }

    fn leaves_with(session: &mut PtySession, code: i32) {
        use rexpect::process::WaitStatus;
        session.exp_eof().unwrap();
        match session.process().wait() {
            Ok(WaitStatus::Exited(_, found)) => assert_eq!(found, code),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn help_history_and_several_lines() {
        let home = Home::new();
        let mut session = chat(&home, &["-n", "4"]);
        session.send_line("/help").unwrap();
        session.exp_string("/retry").unwrap();
        session.exp_string("Ctrl-D leaves").unwrap();
        session.send_line("/nonsense").unwrap();
        session.exp_string("there is no /nonsense").unwrap();
        session.send_line("/system one \\").unwrap();
        session.send_line("two").unwrap();
        session.exp_string("instructions set").unwrap();
        session.send_control('d').unwrap();
        leaves_with(&mut session, 0);
        let history = std::fs::read_to_string(home.path("store/chat_history")).unwrap();
        assert!(history.contains("/help") && history.contains("two"), "{history}");
    }

    #[test]
    fn what_is_pasted_keeps_its_backslashes() {
        let home = Home::new();
        let mut session = chat(&home, &["-n", "4"]);
        // A line that is typed and goes on, then a command of three lines from the clipboard, as terminals hand it over.
        session.send("/system do \\\r\x1b[200~docker run \\\n  -it \\\n  image\x1b[201~\r").unwrap();
        session.flush().unwrap();
        session.exp_string("instructions set").unwrap();
        let file = home.path("talk.json");
        session.send_line(&format!("/save {}", file.display())).unwrap();
        session.exp_string("saved to").unwrap();
        session.send_control('d').unwrap();
        leaves_with(&mut session, 0);
        let talk: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(talk["messages"][0]["content"], "do \ndocker run \\\n  -it \\\n  image");
    }

    #[test]
    fn lines_typed_ahead_are_all_answered() {
        let home = Home::new();
        let mut session = chat(&home, &["-n", "4"]);
        // In one piece, as a terminal without bracketed paste sends several lines.
        session.send("/help\r/system one\r/nonsense\r/system\r").unwrap();
        session.flush().unwrap();
        for told in ["/retry", "instructions set", "there is no /nonsense", "one"] {
            session.exp_string(told).unwrap();
        }
        session.send_control('d').unwrap();
        leaves_with(&mut session, 0);
    }

    #[test]
    fn ctrl_c_stops_the_answer_and_not_the_program() {
        let home = Home::new();
        let mut session = chat(&home, &ENDLESS);
        // At the prompt it only reminds of the way out.
        session.send_control('c').unwrap();
        session.exp_string("/quit leaves").unwrap();
        session.send_line("hello").unwrap();
        // The echo of the line, and then something of the answer: it is being made.
        session.exp_string("hello").unwrap();
        session.exp_regex("\n[^\n]*[a-z]").unwrap();
        session.send_control('c').unwrap();
        session.exp_string("(stopped)").unwrap();
        session.send_line("/stats").unwrap();
        session.exp_string("of 8 192 tokens").unwrap();
        session.send_line("/quit").unwrap();
        leaves_with(&mut session, 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_terminal_is_restored_when_the_program_is_ended_at_the_prompt() {
        let home = Home::new();
        // `parasol` only lends its settings: the shell in the same terminal outlives the chat and looks at it.
        let lender = home.parasol(&[]);
        let mut shell = std::process::Command::new("sh");
        let script = "echo pid $$.; stty -g; \"$0\" chat -m \"$1\"; echo status $?; stty -g; echo done";
        shell.args(["-c", script]);
        shell.args([env!("CARGO_BIN_EXE_parasol"), &home.toy()]).env("TERM", "xterm");
        shell.envs(lender.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut session = spawn_command(shell, Some(20_000)).unwrap();
        let shell = session.exp_regex("pid [0-9]+\\.").unwrap().1;
        let shell = shell.trim_start_matches("pid ").trim_end_matches('.');
        let before = session.exp_string("/help lists the commands").unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        signal(children.trim().parse().unwrap(), "TERM");
        session.exp_string("status 143").unwrap();
        let after = session.exp_string("done").unwrap();
        let settings =
            |text: &str| text.split_whitespace().find(|w| w.matches(':').count() > 10).map(str::to_owned);
        assert!(settings(&after).is_some());
        assert_eq!(settings(&before), settings(&after));
    }
}
