//! `parasol jobs`: the films that providers are making, and what became of them.

use super::film::{Left, check_output, follow};
use crate::args::{JobsArgs, JobsCommand};
use crate::exit::{Outcome, Stop};
use crate::models;
use crate::output;
use crate::sink::Sink;
use crate::terminal::{Style, harmless};
use parasol_core::Error;
use parasol_runtime::{FilmJob, JobState, Runtime, ledger};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;

/// Bytes that are written at once.
const PIECE: usize = 256 << 10;

/// Runs the command.
///
/// # Errors
/// When there is no such job, its provider cannot be asked, or its film cannot be written; Ctrl-C.
pub(crate) fn jobs(runtime: &Runtime, args: &JobsArgs) -> Outcome {
    match &args.command {
        None => list(runtime, args.json),
        Some(JobsCommand::Wait { name, output, stats }) => wait(runtime, name, output.as_deref(), *stats),
        Some(JobsCommand::Cancel { name }) => cancel(runtime, name),
    }
}

fn list(runtime: &Runtime, as_json: bool) -> Outcome {
    let films = runtime.far().films();
    films.sweep()?;
    let all = films.all()?;
    if as_json {
        let all: Vec<Value> = all.iter().map(describe).collect();
        return output::json(&json!({ "jobs": all }));
    }
    if all.is_empty() {
        return output::line("no film is being made, and none waits to be taken");
    }
    let style = Style::stdout();
    let mut rows = vec![["NAME", "STATE", "MODEL", "FILM", "ASKED FOR", "COST"].map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|job| row(job, style)));
    output::write(&output::table(&rows, &[5], style))?;
    for job in &all {
        let why = job.failure.as_ref().map(|failure| &failure.message).or(job.note.as_ref());
        if let Some(why) = why {
            output::note(&harmless(&format!("{}: {why}", job.id)));
        }
    }
    Ok(())
}

fn row(job: &FilmJob, style: Style) -> Vec<String> {
    let state = match job.state {
        JobState::InProgress => format!("{} {} %", job.state.name(), job.progress),
        JobState::Completed => style.good(job.state.name()),
        JobState::Failed | JobState::Cancelled => style.warn(job.state.name()),
        _ => job.state.name().to_owned(),
    };
    vec![
        style.bold(&job.id),
        state,
        harmless(&job.model).into_owned(),
        format!("{} s of {}", job.seconds, job.size),
        job.created.strftime("%F %H:%M:%SZ").to_string(),
        job.cost.map(|cost| cost.to_string()).unwrap_or_default(),
    ]
}

fn describe(job: &FilmJob) -> Value {
    json!({
        "name": job.id, "state": job.state, "model": job.model, "provider": job.provider, "client": job.client,
        "prompt": job.prompt, "seconds": job.seconds, "size": job.size, "progress": job.progress,
        "created": job.created.to_string(), "ended": job.ended.map(|at| at.to_string()),
        "expires": job.expires.map(|at| at.to_string()), "cost_usd": job.cost.map(|cost| cost.as_dollars()),
        "failure": job.failure, "note": job.note, "media_type": job.media_type, "bytes": job.bytes,
    })
}

fn wait(runtime: &Runtime, name: &str, path: Option<&Path>, stats: bool) -> Outcome {
    check_output(path)?;
    let job = runtime.film_job(name)?;
    let mut sink = Sink::open(path)?;
    match job.state {
        // Nobody has to be asked.
        JobState::Completed => copy(runtime, &job, &mut sink)?,
        _ => {
            let model = runtime.filmer(&job.model)?;
            match follow(model.wait_for_film(&job)?, &mut sink, stats) {
                Ok(_) => {}
                Err(Left::Failed(stop)) => return Err(stop),
                Err(Left::Stopped(job)) => {
                    output::note(&format!(
                        "{job} goes on: `parasol jobs wait {job}` or `parasol jobs cancel {job}`"
                    ));
                    return Err(Stop::Interrupted);
                }
            }
        }
    }
    sink.end(|_| Ok(()))?;
    // What a client of the server asked for is its to take.
    if job.client == ledger::NOBODY {
        runtime.far().films().forget(&job.id)?;
    }
    Ok(())
}

fn copy(runtime: &Runtime, job: &FilmJob, sink: &mut Sink) -> Outcome {
    let mut file = runtime.far().films().open(job)?;
    let cannot = |e: std::io::Error| Error::from(e).within(format!("cannot read the film of {}", job.id));
    let mut bytes = vec![0; PIECE];
    loop {
        let read = file.read(&mut bytes).map_err(cannot)?;
        match bytes.get(..read) {
            Some(piece) if read > 0 => sink.write(piece)?,
            _ => return Ok(()),
        }
    }
}

fn cancel(runtime: &Runtime, name: &str) -> Outcome {
    let job = runtime.film_job(name)?;
    if job.state.is_over() {
        let message = format!("{} is {}: there is nothing to end", job.id, job.state.name());
        return Err(Stop::wrong(message));
    }
    let model = runtime.filmer(&job.model)?;
    let over = {
        let _spinner = models::spinner("ending the job");
        model.cancel_film_now(&job.id)?
    };
    let why = over.failure.map(|failure| format!(": {}", failure.message)).unwrap_or_default();
    output::line(&harmless(&format!("{} is {}{why}", over.id, over.state.name())))
}
