//! Fetching models: several at once, each to be paused, taken up again and given up. A pull that fails stays to be tried again, and
//! what a restart of the server interrupts is there afterwards, paused. How bytes come is the hub's.

mod job;
mod routes;

pub(crate) use job::Pull;
pub(super) use routes::routes;
pub(crate) use routes::{NewPull, PullList};

use super::models::view::refuse_path;
use crate::AppState;
use crate::keys::random_hex;
use job::{Job, PullState, Row};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::{Cancel, Licence, PullEvent};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Pulls that run at once: more would only share the same line.
const MOST_RUNNING: usize = 8;

/// Pulls that are remembered; the oldest that are done make room.
const MOST: usize = 200;

/// All pulls, the oldest first.
#[derive(Default)]
pub(super) struct Pulls(Mutex<Vec<Job>>);

impl Pulls {
    /// Takes up what the last run of the server left. Blocks on the database.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn restore(&self, state: &AppState) -> Result<()> {
        let rows = state.storage().run_blocking(Row::all)?;
        let mut restored = Vec::new();
        for row in rows {
            if row.is_done() {
                // The model is listed; that it was fetched once is no news any more.
                state.storage().run_blocking(|db| Row::forget(db, row.id()))?;
                continue;
            }
            let expected = expected(state, row.model());
            restored.push(row.into_job(expected));
        }
        // Before what was begun since the server runs.
        self.lock().splice(0..0, restored);
        Ok(())
    }

    /// All of them.
    fn list(&self) -> Vec<Pull> {
        self.lock().iter().map(Job::shown).collect()
    }

    /// Whether this model is being fetched.
    pub(super) fn is_running(&self, model: &str) -> bool {
        self.lock().iter().any(|job| job.model == model && job.state == PullState::Running)
    }

    /// Fetches a model, or goes on with what was begun. Blocks on the disk.
    ///
    /// # Errors
    /// `NotFound` for a name that nobody knows, `InvalidRequest` for what is none, `Denied` for terms that were not accepted,
    /// `Overloaded` when too many run.
    fn start(&self, state: &AppState, model: &str, accept_licence: bool) -> Result<Pull> {
        refuse_path(model)?;
        let hub = state.models().hub();
        // A pulled file that has changed is repaired by pulling it again.
        match hub.locate_named(model) {
            Err(e) if *e.kind() != ErrorKind::Checksum => return Err(e),
            _ => {}
        }
        let entry = hub.entry(model);
        if let Some(terms) = entry.map(|entry| &entry.licence).filter(|terms| terms.ask && !accept_licence) {
            let place = terms.url.as_deref().map(|url| format!(" ({url})")).unwrap_or_default();
            let says = format!("{model} comes under {}{place}, which must be accepted first", terms.name);
            return Err(Error::new(ErrorKind::Denied, says));
        }
        let model = entry.map_or(model.trim(), |entry| entry.name.as_str());
        let mut jobs = self.lock();
        let at = match jobs.iter().position(|job| job.model == model && job.state != PullState::Done) {
            Some(at) => at,
            None => {
                make_room(&mut jobs)?;
                let id = format!("pull_{}", random_hex::<8>()?);
                jobs.push(Job::new(id, model.to_owned(), accept_licence, expected(state, model)));
                jobs.len().saturating_sub(1)
            }
        };
        if let Some(job) = jobs.get_mut(at) {
            job.accept_licence |= accept_licence;
        }
        run(state, jobs, at)
    }

    /// Goes on with a pull that was paused or failed.
    fn resume(&self, state: &AppState, id: &str) -> Result<Pull> {
        let jobs = self.lock();
        let at = position(&jobs, id)?;
        run(state, jobs, at)
    }

    /// Stops a pull for now.
    fn pause(&self, state: &AppState, id: &str) -> Result<Pull> {
        let mut jobs = self.lock();
        let at = position(&jobs, id)?;
        let Some(job) = jobs.get_mut(at) else { return Err(unknown(id)) };
        match job.state {
            PullState::Running => {
                job.cancel.cancel();
                job.halt(PullState::Paused, None);
            }
            PullState::Paused => return Ok(job.shown()),
            PullState::Failed | PullState::Done => {
                let says = format!("the pull of {} does not run: there is nothing to pause", job.model);
                return Err(Error::new(ErrorKind::InvalidRequest, says));
            }
        }
        let (shown, row) = (job.shown(), Row::of(job));
        drop(jobs);
        state.storage().run_blocking(|db| row.save(db))?;
        super::publish_pull(state, &shown);
        Ok(shown)
    }

    /// Gives a pull up, and removes what it has fetched unless the model is whole.
    fn remove(&self, state: &AppState, id: &str) -> Result<()> {
        let mut jobs = self.lock();
        let at = position(&jobs, id)?;
        let job = jobs.remove(at);
        drop(jobs);
        job.cancel.cancel();
        state.storage().run_blocking(|db| Row::forget(db, id))?;
        // A run that is still ending does this itself.
        if job.state != PullState::Running {
            self.clear(state, &job.model);
        }
        Ok(())
    }

    /// Stops all of them for the end of the server.
    pub(super) fn stop(&self) {
        for job in self.lock().iter() {
            job.cancel.cancel();
        }
    }

    /// Removes what an interrupted pull of this model left, unless somebody is fetching it again.
    fn clear(&self, state: &AppState, model: &str) {
        let wanted = self.lock().iter().any(|job| job.model == model && job.state != PullState::Done);
        let hub = state.models().hub();
        if !wanted && matches!(hub.locate_named(model), Ok(None)) {
            // Nothing may be left, or another process be at it: both are as well.
            let _ = hub.remove(model);
        }
    }

    /// Notes what happened in a run.
    fn hear(&self, state: &AppState, id: &str, run: u64, event: &PullEvent) {
        let mut jobs = self.lock();
        let running = |job: &&mut Job| job.id == id && job.run == run && job.state == PullState::Running;
        let Some(job) = jobs.iter_mut().find(running) else { return };
        let told = job.hear(event).then(|| job.shown());
        drop(jobs);
        if let Some(pull) = told {
            super::publish_pull(state, &pull);
        }
    }

    /// Notes how a run ended.
    fn ended(&self, state: &AppState, id: &str, run: u64, model: &str, result: Result<()>) {
        let mut jobs = self.lock();
        let Some(job) = jobs.iter_mut().find(|job| job.id == id) else {
            drop(jobs);
            if result.is_err() {
                self.clear(state, model);
            }
            return;
        };
        let whole = result.is_ok();
        if job.run != run {
            return;
        }
        match result {
            Ok(()) => job.halt(PullState::Done, None),
            Err(e) if *e.kind() == ErrorKind::Cancelled => job.halt(PullState::Paused, None),
            // Paused while it failed: it is paused.
            Err(_) if job.state != PullState::Running => {}
            Err(e) => job.halt(PullState::Failed, Some(e.message().to_owned())),
        }
        let (shown, row) = (job.shown(), Row::of(job));
        drop(jobs);
        if let Err(error) = state.storage().run_blocking(|db| row.save(db)) {
            tracing::error!(%error, model, "how a pull ended could not be noted");
        }
        tracing::info!(model, state = ?shown.state, error = shown.error, "a pull ended");
        super::publish_pull(state, &shown);
        if whole {
            super::publish_models(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that the catalogue expects.
fn expected(state: &AppState, model: &str) -> Option<u64> {
    state.models().hub().entry(model).map(|entry| entry.download())
}

fn unknown(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no pull {id}"))
}

fn position(jobs: &[Job], id: &str) -> Result<usize> {
    jobs.iter().position(|job| job.id == id).ok_or_else(|| unknown(id))
}

/// Forgets the oldest pull that is done when there are too many.
fn make_room(jobs: &mut Vec<Job>) -> Result<()> {
    if jobs.len() < MOST {
        return Ok(());
    }
    let Some(old) = jobs.iter().position(|job| job.state == PullState::Done) else {
        let says = format!("{MOST} models are waiting to be fetched: finish or remove some first");
        return Err(Error::new(ErrorKind::Overloaded, says));
    };
    jobs.remove(old);
    Ok(())
}

/// Runs the job at `at`, unless it runs or is done.
fn run(state: &AppState, mut jobs: MutexGuard<'_, Vec<Job>>, at: usize) -> Result<Pull> {
    let running = jobs.iter().filter(|job| job.state == PullState::Running).count();
    let Some(job) = jobs.get_mut(at) else { return Err(unknown("")) };
    if matches!(job.state, PullState::Running | PullState::Done) {
        return Ok(job.shown());
    }
    if running >= MOST_RUNNING {
        let says = format!("{MOST_RUNNING} models are being fetched at once: wait for one or pause it");
        return Err(Error::new(ErrorKind::Overloaded, says));
    }
    let number = job.begin();
    let (shown, row) = (job.shown(), Row::of(job));
    let (cancel, licence) = (job.cancel.clone(), job.accept_licence);
    drop(jobs);
    state.storage().run_blocking(|db| row.save(db))?;
    let (own, pull) = (state.clone(), shown.clone());
    let spawned = std::thread::Builder::new()
        .name("parasol-pull".into())
        .spawn(move || fetch(&own, &pull, number, licence, &cancel));
    if let Err(e) = spawned {
        let error = Error::from(e).within("cannot start the thread that fetches");
        state.house().pulls.ended(state, &shown.id, number, &shown.model, Err(error.clone()));
        return Err(error);
    }
    super::publish_pull(state, &shown);
    Ok(shown)
}

fn fetch(state: &AppState, pull: &Pull, run: u64, accept: bool, cancel: &Cancel) {
    let pulls = &state.house().pulls;
    let licence = if accept { Licence::Accept } else { Licence::Refuse };
    let mut on = |event: PullEvent| pulls.hear(state, &pull.id, run, &event);
    let result = state.models().hub().pull(&pull.model, licence, cancel, &mut on).map(drop);
    pulls.ended(state, &pull.id, run, &pull.model, result);
}
