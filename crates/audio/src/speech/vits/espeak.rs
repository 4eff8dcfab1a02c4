//! Phonemes by eSpeak NG. Its licence (GPL-3) keeps it from being part of this program, so the installed program is asked: text goes in
//! over a pipe, phonemes come back.

use parasol_core::{Error, ErrorKind, Result};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than this no clause takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than this comes back for no clause.
const LONGEST: u64 = 1 << 20;

/// The phonemes of a sentence in IPA, with its punctuation.
pub(super) fn phonemes(voice: &str, sentence: &str) -> Result<String> {
    let mut said = String::new();
    for (clause, mark) in clauses(sentence) {
        let phonemes = ask(voice, clause)?;
        if phonemes.is_empty() {
            continue;
        }
        said += &phonemes;
        if let Some(mark) = mark {
            said.push(mark);
        }
        said.push(' ');
    }
    Ok(said.trim_end().to_owned())
}

/// Clauses, each with the mark that ends it: the program says no marks itself.
fn clauses(sentence: &str) -> Vec<(&str, Option<char>)> {
    let (mut out, mut from) = (Vec::new(), 0);
    for (at, c) in sentence.char_indices() {
        let behind = &sentence[at + c.len_utf8()..];
        let pause = matches!(c, ',' | ';' | ':' | '.' | '!' | '?')
            && !behind.starts_with(|c: char| c.is_alphanumeric());
        if pause {
            out.push((&sentence[from..at], Some(c)));
            from = at + c.len_utf8();
        }
    }
    out.push((&sentence[from..], None));
    out.retain(|(clause, _)| clause.contains(char::is_alphanumeric));
    out
}

fn failed(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unsupported, format!("espeak-ng, which reads words for this voice, {what}"))
}

fn ask(voice: &str, clause: &str) -> Result<String> {
    let mut child = Command::new("espeak-ng")
        .args(["-q", "--ipa", "--stdin", "-b", "1", "-v", voice])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => failed(
                "is not installed: install it (apt install espeak-ng, brew install espeak-ng), or use the voice hibari, which needs nothing",
            ),
            _ => failed(format_args!("cannot be started: {e}")),
        })?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    // A line break would begin another clause.
    let text = clause.replace(['\n', '\r'], " ") + "\n";
    let writer = std::thread::spawn(move || input.map(|mut input| input.write_all(text.as_bytes())));
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        output.map(|output| output.take(LONGEST).read_to_string(&mut said).map(|_| said))
    });
    let begun = Instant::now();
    while !reader.is_finished() {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(format_args!("did not answer within {} s", PATIENCE.as_secs())));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    let status = child.wait().map_err(|e| failed(format_args!("ended badly: {e}")))?;
    // Its own end has closed the pipe: what was not written any more is told by the status.
    drop(writer.join());
    let said = reader.join().ok().flatten();
    match (status.success(), said) {
        (true, Some(Ok(said))) => Ok(without_flags(&said).split_whitespace().collect::<Vec<_>>().join(" ")),
        (true, _) => Err(failed("answered with what is no text")),
        (false, _) => Err(failed(format_args!("refused the voice {voice:?} or the text ({status})"))),
    }
}

/// Phonemes without the marks that surround words of another language, such as `(en)` and `(de)`: they are not spoken.
fn without_flags(said: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(said.len()), said);
    while let Some((before, flag)) = rest.split_once('(') {
        out += before;
        match flag.split_once(')') {
            Some((_, behind)) => rest = behind,
            None => return out,
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_other_languages_are_left_out() {
        assert_eq!(without_flags("mɪt (en)sˈɒftweə(de) ʊnt"), "mɪt sˈɒftweə ʊnt");
        assert_eq!(without_flags("plain"), "plain");
        assert_eq!(without_flags("a(b"), "a");
    }

    #[test]
    fn clauses_keep_their_marks() {
        assert_eq!(
            clauses("Well, it's 3.5 here. Yes?"),
            [("Well", Some(',')), (" it's 3.5 here", Some('.')), (" Yes", Some('?'))]
        );
        assert_eq!(clauses("no end"), [("no end", None)]);
        assert!(clauses("...").is_empty());
    }
}
