//! One pull: how far it is, how fast it goes, and what is kept of it across restarts. Running it is [`super`]'s.

use parasol_hub::{Cancel, PullEvent};
use rusqlite::{Connection, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// A model that is, was or will be fetched.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Pull {
    /// Names the pull.
    pub(crate) id: String,
    /// The model.
    pub(crate) model: String,
    /// Where it stands.
    pub(crate) state: PullState,
    /// The file that is being fetched or checked.
    pub(crate) file: Option<String>,
    /// Bytes here so far, those of earlier tries included.
    pub(crate) done: u64,
    /// Bytes in all, where the source says.
    pub(crate) total: Option<u64>,
    /// Bytes a second over the last seconds.
    pub(crate) bytes_per_second: u64,
    /// Why it failed.
    pub(crate) error: Option<String>,
}

/// Where a pull stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PullState {
    /// Bytes are arriving, or are about to.
    Running,
    /// Somebody stopped it, or the server ended; it can go on.
    Paused,
    /// Something went wrong; it can go on.
    Failed,
    /// The model is here.
    Done,
}

/// A pull with what only the server needs to know.
pub(super) struct Job {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) accept_licence: bool,
    pub(super) state: PullState,
    pub(super) error: Option<String>,
    /// Bytes to expect by the catalogue.
    pub(super) expected: Option<u64>,
    /// Counts its runs, so that the end of an earlier one is not taken for that of a later one.
    pub(super) run: u64,
    /// Stops the run.
    pub(super) cancel: Cancel,
    file: Option<String>,
    /// Of each file, bytes here and bytes in all.
    files: BTreeMap<String, (u64, Option<u64>)>,
    /// When how many bytes were here, over the last seconds of this run.
    marks: VecDeque<(Instant, u64)>,
    told: Option<Instant>,
}

/// The time over which the speed is taken.
const SPAN: Duration = Duration::from_secs(3);

/// Progress is told at most this often.
const PACE: Duration = Duration::from_millis(250);

impl Job {
    pub(super) fn new(id: String, model: String, accept_licence: bool, expected: Option<u64>) -> Self {
        Self {
            id,
            model,
            accept_licence,
            state: PullState::Paused,
            error: None,
            expected,
            run: 0,
            cancel: Cancel::new(),
            file: None,
            files: BTreeMap::new(),
            marks: VecDeque::new(),
            told: None,
        }
    }

    /// Makes it run: the number of the run.
    pub(super) fn begin(&mut self) -> u64 {
        self.run = self.run.wrapping_add(1);
        self.cancel = Cancel::new();
        self.state = PullState::Running;
        self.error = None;
        self.file = None;
        self.marks.clear();
        self.run
    }

    /// Stops it at `state`.
    pub(super) fn halt(&mut self, state: PullState, error: Option<String>) {
        self.state = state;
        self.error = error;
        self.file = None;
        self.marks.clear();
    }

    /// Takes in what happened; true when it is time to tell others.
    pub(super) fn hear(&mut self, event: &PullEvent) -> bool {
        let before = self.file.clone();
        match event {
            PullEvent::Downloading { file, done, total } => {
                self.file = Some(file.clone());
                let known = self.files.entry(file.clone()).or_default();
                *known = (*done, total.or(known.1));
                self.mark();
            }
            PullEvent::Verifying { file, .. } => self.file = Some(file.clone()),
            _ => return false,
        }
        if before == self.file && self.told.is_some_and(|at| at.elapsed() < PACE) {
            return false;
        }
        self.told = Some(Instant::now());
        true
    }

    fn mark(&mut self) {
        let (now, done) = (Instant::now(), self.done());
        // A download that begins again is not a negative speed.
        if self.marks.back().is_some_and(|(_, before)| *before > done) {
            self.marks.clear();
        }
        // A few marks in a second are enough, and the newest is always there.
        if self.marks.len() > 1 && self.marks.back().is_some_and(|(at, _)| now.duration_since(*at) < PACE / 2)
        {
            self.marks.pop_back();
        }
        self.marks.push_back((now, done));
        while self.marks.len() > 2 && self.marks.front().is_some_and(|(at, _)| now.duration_since(*at) > SPAN)
        {
            self.marks.pop_front();
        }
    }

    fn speed(&self) -> u64 {
        let (Some((from, before)), Some((_, done))) = (self.marks.front(), self.marks.back()) else {
            return 0;
        };
        // Up to now, so that a source that stalls is seen to.
        let seconds = from.elapsed().as_secs_f64();
        if seconds < 0.05 { 0 } else { (done.saturating_sub(*before) as f64 / seconds) as u64 }
    }

    fn done(&self) -> u64 {
        self.files.values().map(|(done, _)| *done).fold(0, u64::saturating_add)
    }

    /// The pull as others see it.
    pub(super) fn shown(&self) -> Pull {
        let known = self.files.values().map(|(_, total)| *total).sum::<Option<u64>>();
        let total = match (self.expected, known.filter(|total| *total > 0)) {
            (Some(expected), Some(known)) => Some(expected.max(known)),
            (expected, known) => expected.or(known),
        };
        let done = match (self.state, total) {
            (PullState::Done, Some(total)) => total,
            (_, Some(total)) => self.done().min(total),
            (_, None) => self.done(),
        };
        Pull {
            id: self.id.clone(),
            model: self.model.clone(),
            state: self.state,
            file: self.file.clone(),
            done,
            total,
            bytes_per_second: if self.state == PullState::Running { self.speed() } else { 0 },
            error: self.error.clone(),
        }
    }
}

/// Makes the table.
fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS studio_pull (id TEXT PRIMARY KEY, model TEXT NOT NULL, accept_licence INTEGER NOT NULL, \
         state TEXT NOT NULL, error TEXT, files TEXT NOT NULL)",
    )
}

/// What is kept of a job.
pub(super) struct Row {
    id: String,
    model: String,
    accept_licence: bool,
    state: PullState,
    error: Option<String>,
    files: BTreeMap<String, (u64, Option<u64>)>,
}

impl Row {
    /// Of this job as it is now.
    pub(super) fn of(job: &Job) -> Self {
        Self {
            id: job.id.clone(),
            model: job.model.clone(),
            accept_licence: job.accept_licence,
            state: job.state,
            error: job.error.clone(),
            files: job.files.clone(),
        }
    }

    /// The model.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// Names the pull.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether the model was there in the end.
    pub(super) fn is_done(&self) -> bool {
        self.state == PullState::Done
    }

    /// The job again. What ran when the server ended is paused.
    pub(super) fn into_job(self, expected: Option<u64>) -> Job {
        let state = if self.state == PullState::Running { PullState::Paused } else { self.state };
        let job = Job::new(self.id, self.model, self.accept_licence, expected);
        Job { state, error: self.error, files: self.files, ..job }
    }

    /// Writes it.
    pub(super) fn save(&self, db: &mut Connection) -> rusqlite::Result<()> {
        prepare(db)?;
        // Words and numbers: writing them as JSON cannot fail.
        let text = |value: serde_json::Result<String>| value.unwrap_or_default();
        db.execute(
            "INSERT INTO studio_pull (id, model, accept_licence, state, error, files) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (id) DO UPDATE SET state = ?4, error = ?5, files = ?6, accept_licence = ?3",
            params![
                self.id,
                self.model,
                self.accept_licence,
                text(serde_json::to_string(&self.state)),
                self.error,
                text(serde_json::to_string(&self.files)),
            ],
        )?;
        Ok(())
    }

    /// All that are kept, the oldest first. One that cannot be understood is left out.
    pub(super) fn all(db: &mut Connection) -> rusqlite::Result<Vec<Self>> {
        prepare(db)?;
        let mut rows = db.prepare(
            "SELECT id, model, accept_licence, state, error, files FROM studio_pull ORDER BY rowid",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            let (state, files): (String, String) = (row.get(3)?, row.get(5)?);
            let state = serde_json::from_str(&state).ok();
            let (id, model, accept_licence, error) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(4)?);
            let files = serde_json::from_str(&files).unwrap_or_default();
            Ok(state.map(|state| Self { id, model, accept_licence, state, error, files }))
        };
        let all: rusqlite::Result<Vec<Option<Self>>> = rows.query_map([], read)?.collect();
        Ok(all?.into_iter().flatten().collect())
    }

    /// Forgets one.
    pub(super) fn forget(db: &mut Connection, id: &str) -> rusqlite::Result<()> {
        prepare(db)?;
        db.execute("DELETE FROM studio_pull WHERE id = ?1", [id])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::storage::Storage;

    fn arrives(file: &str, done: u64, total: u64) -> PullEvent {
        PullEvent::Downloading { file: file.into(), done, total: Some(total) }
    }

    #[test]
    fn files_add_up_and_a_second_run_goes_on_counting() {
        let mut job = Job::new("a".into(), "m".into(), false, None);
        job.begin();
        assert_eq!(job.shown().total, None);
        assert!(job.hear(&arrives("one", 10, 100)));
        assert!(!job.hear(&arrives("one", 100, 100)));
        assert!(job.hear(&arrives("two", 5, 50)));
        let shown = job.shown();
        assert_eq!((shown.done, shown.total, shown.file.as_deref()), (105, Some(150), Some("two")));
        job.halt(PullState::Paused, None);
        assert_eq!((job.shown().done, job.shown().bytes_per_second), (105, 0));
        job.begin();
        job.hear(&arrives("two", 20, 50));
        assert_eq!(job.shown().done, 120);
        job.expected = Some(140);
        job.halt(PullState::Done, None);
        assert_eq!(job.shown().done, 150);
    }

    #[test]
    fn what_ran_is_paused_when_it_is_read_again() {
        let home = tempfile::tempdir().unwrap();
        let storage = Storage::at(home.path());
        let mut job = Job::new("a".into(), "m".into(), true, None);
        job.begin();
        job.hear(&arrives("one", 10, 100));
        let row = Row::of(&job);
        storage.run_blocking(move |db| row.save(db)).unwrap();
        job.halt(PullState::Failed, Some("broke off".into()));
        let (row, other) = (Row::of(&job), Row { id: "b".into(), ..Row::of(&job) });
        assert_eq!(storage.run_blocking(Row::all).unwrap().remove(0).into_job(None).state, PullState::Paused);
        storage.run_blocking(move |db| row.save(db).and_then(|()| other.save(db))).unwrap();
        let kept = storage.run_blocking(Row::all).unwrap();
        assert_eq!(kept.len(), 2);
        let again = kept.into_iter().next().unwrap().into_job(Some(100)).shown();
        assert_eq!((again.done, again.state), (10, PullState::Failed));
        assert_eq!(again.error.as_deref(), Some("broke off"));
        storage.run_blocking(|db| Row::forget(db, "a")).unwrap();
        assert_eq!(storage.run_blocking(Row::all).unwrap().len(), 1);
    }
}
