//! `parasol voices`: keep voices to be imitated, with the consent of who speaks, and look for the mark in sounds.

use crate::args::{VoicesArgs, VoicesCommand};
use crate::commands::transcribe;
use crate::exit::{Outcome, Stop};
use crate::interrupt::Listener;
use crate::models;
use crate::output;
use crate::terminal::{self, Style, harmless};
use parasol_core::{Error, ErrorKind, SoundStream};
use parasol_runtime::kept::{MOST_BYTES, NOTICE, NewVoice, WORDS};
use parasol_runtime::mark::{Finding, find};
use parasol_runtime::{KeptVoice, Owner, Runtime};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Runs the command.
///
/// # Errors
/// When consent is missing, a recording is none, a name is taken or unknown, a file cannot be read or written; Ctrl-C.
pub(crate) fn voices(runtime: &Runtime, args: &VoicesArgs) -> Outcome {
    match &args.command {
        None => list(runtime, args.json),
        Some(VoicesCommand::List { json }) => list(runtime, *json),
        Some(VoicesCommand::Add { name, files, consent, transcript, description, json }) => {
            let way = agreed(*consent)?;
            let new = NewVoice {
                name: name.clone(),
                owner: Owner::House,
                files: files.iter().map(|file| read(file)).collect::<Outcome<_>>()?,
                transcript: transcript.clone(),
                description: description.clone().unwrap_or_default(),
                way: way.to_owned(),
                recorded: None,
            };
            added(runtime, runtime.kept_voices().add(new)?, *json)
        }
        Some(VoicesCommand::Rm { names }) => names.iter().try_for_each(|name| {
            let gone = runtime.kept_voices().remove_any(name)?;
            output::line(&harmless(&format!("{} and its recording are removed", gone.name)))
        }),
        Some(VoicesCommand::Check { files, json }) => check(files, *json),
    }
}

/// How consent was stated.
fn agreed(flag: bool) -> Outcome<&'static str> {
    if flag {
        return Ok("--consent");
    }
    let denied = |message: &str| Err(Stop::Failed(Error::new(ErrorKind::Denied, message)));
    // Also when nothing else is to be said.
    let say = |line: &str| drop(writeln!(std::io::stderr(), "{line}"));
    say(&format!("{NOTICE}\n"));
    if !(terminal::stdin() && terminal::stderr()) {
        return denied(
            "a voice is added with the consent of who speaks only: --consent states that you have it",
        );
    }
    say(WORDS);
    match terminal::agrees("Do you state this?") {
        true => Ok("terminal"),
        false => denied("without that statement no voice is added"),
    }
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = MOST_BYTES as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|e| Error::from(e).within(format!("cannot read {}", path.display())))?;
    Ok(bytes)
}

fn added(runtime: &Runtime, voice: KeptVoice, as_json: bool) -> Outcome {
    if as_json {
        return output::json(&voice);
    }
    output::line(&harmless(&format!("{} is kept: {:.1} s", voice.name, voice.seconds)))?;
    let able: Vec<_> = runtime.imitators().collect();
    match able.first() {
        Some(model) => output::note(&harmless(&format!(
            "speak with it: parasol speak \"Hello there\" --model {model} --voice {:?} -o hello.wav",
            voice.name
        ))),
        None => output::note("no model of the catalogue imitates voices yet"),
    }
    Ok(())
}

fn list(runtime: &Runtime, as_json: bool) -> Outcome {
    let all = runtime.kept_voices().all()?;
    if as_json {
        return output::json(&json!({ "voices": all }));
    }
    if all.is_empty() {
        output::note("no voice is kept: parasol voices add NAME FILE keeps one");
        return Ok(());
    }
    let mut rows =
        vec![["NAME", "ID", "LENGTH", "ADDED", "BELONGS TO", "CONSENT"].map(str::to_owned).to_vec()];
    for voice in all {
        let owner = match voice.owner {
            Owner::House => "this machine".to_owned(),
            Owner::Key(id) => id,
        };
        rows.push(vec![
            voice.name,
            voice.id,
            format!("{:.1} s", voice.seconds),
            day(voice.created),
            owner,
            voice.consent.way,
        ]);
    }
    output::write_foreign(&output::table(&rows, &[2], Style::stdout()))
}

/// The day of a second since 1970, in UTC.
fn day(second: u64) -> String {
    let at = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    at.map_or(String::new(), |at| at.strftime("%Y-%m-%d").to_string())
}

fn check(files: &[PathBuf], as_json: bool) -> Outcome {
    let listener = Listener::new();
    let mut found = Vec::new();
    for path in files {
        let name = path.display().to_string();
        let sound = transcribe::open(path, "voices check")?;
        let spinner = models::spinner(&format!("listening to {name}"));
        let flag = listener.flag();
        let interrupted = move || flag.load(std::sync::atomic::Ordering::Relaxed);
        let rate = sound.rate();
        let length = sound.seconds();
        // Ends the sound early when Ctrl-C was pressed.
        let pieces = sound.map_while(move |piece| (!interrupted()).then_some(piece));
        let finding = find(SoundStream::new(rate, length, pieces)).map_err(|e| e.within(&name))?;
        drop(spinner);
        if listener.take() {
            return Err(Stop::Interrupted);
        }
        if as_json {
            found.push(as_value(&name, &finding));
        } else {
            output::line(&harmless(&format!("{name}: {}", told(&finding))))?;
        }
    }
    if as_json { output::json(&json!({ "files": found })) } else { Ok(()) }
}

fn as_value(name: &str, finding: &Finding) -> serde_json::Value {
    json!({
        "file": name,
        "marked": finding.marked,
        "chance_log10": finding.chance,
        "clearest": { "from": finding.from, "to": finding.to },
        "seconds": finding.seconds,
    })
}

fn told(finding: &Finding) -> String {
    if finding.marked {
        return format!(
            "marked, clearest from {:.1} to {:.1} s (an unmarked sound looks so once in 10^{:.0} cases)",
            finding.from, finding.to, -finding.chance
        );
    }
    let short =
        if finding.seconds < 3.0 { "; it is short, and a mark needs 3 s or more to be seen" } else { "" };
    format!("no mark found in {:.1} s{short}", finding.seconds)
}
