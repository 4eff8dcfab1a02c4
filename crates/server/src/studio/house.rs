//! What the studio's side of the house keeps while the server runs: sessions, pulls, measurements. Also what happens once a
//! second and at the end.

use super::answers::Answers;
use super::events::Events;
use super::pulls::Pulls;
use super::session::Sessions;
use super::stats::Meter;
use super::store;
use crate::AppState;
use parasol_core::Result;
use parasol_runtime::{Ceilings, LoadedModel, LoadedState};
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Bytes of memory by model, with the time of the file that they were read of.
type Needs = HashMap<String, (Option<SystemTime>, Option<u64>)>;

/// The state of the models, pulls, system and keys routes.
pub(crate) struct House {
    /// When the server began.
    pub(super) started: Instant,
    /// Who is signed in.
    pub(crate) sessions: Sessions,
    /// What is being fetched.
    pub(super) pulls: Pulls,
    /// Tells every page what happens to models and pulls.
    pub(crate) events: Events,
    /// Answers that are being written.
    pub(super) answers: Answers,
    /// What the engines do.
    pub(super) meter: Meter,
    /// What the machine was measured to do.
    pub(super) ceilings: Mutex<Option<Ceilings>>,
    /// Set while it is measured.
    pub(super) measuring: AtomicBool,
    /// Memory that models without a catalogue entry need, by name and time of their file: reading a header takes a while.
    needs: Mutex<Needs>,
}

impl Default for House {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            sessions: Sessions::default(),
            pulls: Pulls::default(),
            events: Events::default(),
            answers: Answers::default(),
            meter: Meter::default(),
            ceilings: Mutex::default(),
            measuring: AtomicBool::new(false),
            needs: Mutex::default(),
        }
    }
}

impl House {
    /// What was found out for this model with a file of this time, or what `find` finds.
    pub(super) fn need(
        &self,
        model: &str,
        modified: Option<SystemTime>,
        find: impl FnOnce() -> Option<u64>,
    ) -> Option<u64> {
        let known = self.needs.lock().unwrap_or_else(PoisonError::into_inner).get(model).copied();
        if let Some((_, need)) = known.filter(|(at, _)| *at == modified) {
            return need;
        }
        let need = find();
        self.needs.lock().unwrap_or_else(PoisonError::into_inner).insert(model.to_owned(), (modified, need));
        need
    }
}

/// How often the engines' counters are read and changes of what is loaded are looked for.
const TICK: Duration = Duration::from_secs(1);

/// How often what was deleted long ago is removed for good.
const PURGE: Duration = Duration::from_secs(3600);

/// Takes up what the last run of the server left. It is over before the first request: what that begins is not left over.
pub(crate) async fn take_up(state: &AppState) {
    if let Err(error) = super::access::blocking(state, restore).await {
        tracing::error!(%error, "what was being fetched or written before could not be read");
    }
}

/// Watches the models until the server ends, and removes what was deleted long ago.
pub(crate) async fn keep(state: AppState) {
    let mut ticks = tokio::time::interval(TICK);
    let mut purges = tokio::time::interval(PURGE);
    let mut before = Vec::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = purges.tick() => {
                if let Err(error) = state.storage().run(|db| store::purge(db)).await {
                    tracing::error!(%error, "deleted conversations could not be removed");
                }
                continue;
            }
        }
        let loaded = state.models().loaded();
        state.house().meter.sample(&loaded);
        let now = outline(&loaded);
        // Also what requests of other protocols loaded, and what went to make room.
        if now != before {
            super::publish_models(&state);
            before = now;
        }
    }
}

fn restore(state: &AppState) -> Result<()> {
    state.house().pulls.restore(state)?;
    state.storage().run_blocking(|db| store::interrupt(db)).map(|_| ())
}

/// Sends those away who listen for events: they would hold up the end of the server.
pub(crate) fn close(state: &AppState) {
    state.house().events.end();
}

/// Stops what is being fetched, which goes on from there when it is asked to, and keeps what there is of unfinished answers.
pub(crate) fn end(state: &AppState) {
    state.house().pulls.stop();
    for message in state.house().answers.interrupt() {
        if let Err(error) = state.storage().run_blocking(|db| store::save(db, &message)) {
            tracing::error!(%error, "an interrupted answer cannot be kept");
        }
    }
}

/// What a change of is worth telling.
fn outline(loaded: &[LoadedModel]) -> Vec<(String, LoadedState, bool)> {
    loaded.iter().map(|model| (model.name.clone(), model.state, model.pinned)).collect()
}
