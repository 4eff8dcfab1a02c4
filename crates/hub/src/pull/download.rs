//! A file over HTTP: taken up where an earlier pull or a broken connection left it, or begun again when it has changed.

use super::http::{Answer, Head, PATIENCE};
use super::partial::{Partial, ResumePoint, resume_point};
use super::{Puller, Want, ensure_space};
use crate::event::PullEvent;
use crate::files::human_bytes;
use crate::source::Source;
use crate::store::FileRecord;
use parasol_core::{Error, ErrorKind, Result};
use std::path::Path;
use std::time::Duration;

/// Attempts in all, whatever they bring.
const MOST_ATTEMPTS: u32 = 1000;

/// Where a download stands.
#[derive(Default)]
struct State {
    /// The server's mark of the version that the partial file belongs to.
    etag: Option<String>,
    /// The server has answered with the file at least once.
    connected: bool,
    /// Attempts in a row without news.
    idle: u32,
    /// The most bytes that were ever here.
    best: u64,
    /// The last answer was that the server is busy: how long to wait.
    busy: Option<Duration>,
}

impl Puller<'_> {
    /// Downloads a file of one remote source.
    pub(super) fn download(&mut self, folder: &Path, want: &Want, source: &Source) -> Result<FileRecord> {
        let (mut partial, mut state) = self.begin(folder, want, source)?;
        let resumed = partial.len() > 0;
        self.complete(folder, want, source, &mut partial, &mut state)?;
        match partial.finish(&source.to_string()) {
            // What was left by an earlier pull may have been another version: the whole file is worth one more try.
            Err(e) if resumed && *e.kind() == ErrorKind::Checksum => {
                self.again(want, &e);
                let mut partial = Partial::create(folder, &want.expected)?;
                self.complete(folder, want, source, &mut partial, &mut State::default())?;
                partial.finish(&source.to_string())
            }
            result => result,
        }
    }

    /// Appends a remote part to a file that is made of several. Such a file is not resumed.
    pub(super) fn append(&mut self, want: &Want, source: &Source, partial: &mut Partial<'_>) -> Result<()> {
        let request = self.request(source);
        let (head, mut answer) = self.client.get(&request, self.cancel)?;
        if head.status != 200 {
            return Err(refusal(head.status, source, self.settings.hf_token.is_some()));
        }
        let before = partial.len();
        self.receive(want, want.expected.size, &mut answer, partial)?;
        cut_short(head.total, partial.len().saturating_sub(before), source)
    }

    /// The partial file of an earlier pull from the same address, or a new one.
    fn begin<'w>(
        &mut self,
        folder: &'w Path,
        want: &'w Want,
        source: &Source,
    ) -> Result<(Partial<'w>, State)> {
        let url = self.request(source).url;
        let point = resume_point(folder, &want.expected.name).filter(|point| point.url == url);
        if let Some(point) = point {
            let total = want.expected.size;
            let mut progress = |done| {
                let file = want.expected.name.clone();
                (self.on)(PullEvent::Verifying { file, done, total: total.unwrap_or(done) });
                self.cancel.check()
            };
            let partial = Partial::resume(folder, &want.expected, &mut progress)?;
            if let Some(partial) =
                partial.filter(|p| p.len() > 0 && total.is_none_or(|total| p.len() <= total))
            {
                let best = partial.len();
                return Ok((partial, State { etag: point.etag, best, ..State::default() }));
            }
        }
        Ok((Partial::create(folder, &want.expected)?, State::default()))
    }

    /// Asks until the file is whole.
    fn complete(
        &mut self,
        folder: &Path,
        want: &Want,
        source: &Source,
        partial: &mut Partial<'_>,
        state: &mut State,
    ) -> Result<()> {
        for _ in 0..MOST_ATTEMPTS {
            let error = match self.attempt(folder, want, source, partial, state) {
                Ok(true) => return Ok(()),
                Ok(false) => continue,
                Err(e) => e,
            };
            state.idle = if partial.len() > state.best { 0 } else { state.idle + 1 };
            state.best = state.best.max(partial.len());
            // A host that was never reached will not be there a second later; a connection that broke may be.
            if *error.kind() != ErrorKind::Network || !state.connected {
                return Err(error);
            }
            let busy = state.busy.take();
            if state.idle >= PATIENCE {
                match busy {
                    Some(_) => return Err(error),
                    None => break,
                }
            }
            self.again(want, &error);
            self.cancel.sleep(busy.unwrap_or(Duration::from_millis(200 << state.idle)))?;
        }
        Err(Error::new(
            ErrorKind::Network,
            format!(
                "the download of {} from {source} keeps breaking off at {}: what is here is kept, pull again to go on",
                want.expected.name,
                human_bytes(partial.len())
            ),
        ))
    }

    /// One request: true when the file is whole, false when to ask again from the start.
    fn attempt(
        &mut self,
        folder: &Path,
        want: &Want,
        source: &Source,
        partial: &mut Partial<'_>,
        state: &mut State,
    ) -> Result<bool> {
        let from = partial.len();
        if from > 0 && want.expected.size == Some(from) {
            return Ok(true);
        }
        let mut request = self.request(source);
        request.from = from;
        // A weak mark may not be used for ranges (RFC 9110, section 13.1.5); the checksum then has the last word.
        request.if_range = state.etag.clone().filter(|etag| !etag.starts_with("W/"));
        let (head, mut answer) = self.client.get(&request, self.cancel)?;
        let another = head.etag.is_some() && state.etag.is_some() && head.etag != state.etag;
        match head.status {
            200 => {
                if from > 0 {
                    self.say_restart(want, another);
                    partial.restart()?;
                }
            }
            206 if from > 0 && head.start == from && !another => {}
            206 | 416 if from > 0 => {
                self.say_restart(want, another);
                partial.restart()?;
                *state = State { connected: true, ..State::default() };
                return Ok(false);
            }
            status => {
                state.busy = head.wait(state.idle);
                state.connected |= state.busy.is_some();
                return Err(refusal(status, source, self.settings.hf_token.is_some()));
            }
        }
        state.connected = true;
        self.check_head(folder, want, source, &head, partial.len())?;
        state.etag = head.etag.clone();
        // Going on later needs something that tells whether the halves belong together.
        if head.etag.is_some() || want.expected.sha256.is_some() {
            partial.keep_for(&ResumePoint { url: request.url, etag: head.etag.clone() })?;
        }
        self.receive(want, want.expected.size.or(head.total), &mut answer, partial)?;
        cut_short(head.total, partial.len(), source)?;
        Ok(true)
    }

    fn again(&mut self, want: &Want, error: &Error) {
        let reason = format!("{error}; trying again");
        (self.on)(PullEvent::Retrying { file: want.expected.name.clone(), reason });
    }

    fn say_restart(&mut self, want: &Want, another: bool) {
        let why = if another {
            "the file has changed at its source"
        } else {
            "the server cannot go on in the middle"
        };
        let reason = format!("{why}: starting again");
        (self.on)(PullEvent::Retrying { file: want.expected.name.clone(), reason });
    }

    /// Refuses a file of another size than the catalogue's, and one that does not fit the disk.
    fn check_head(&self, folder: &Path, want: &Want, source: &Source, head: &Head, have: u64) -> Result<()> {
        match (head.total, want.expected.size) {
            (Some(total), Some(size)) if total != size => Err(Error::new(
                ErrorKind::Checksum,
                format!("{} should have {size} bytes and {source} has {total}", want.expected.name),
            )),
            (Some(total), None) => ensure_space(folder, total.saturating_sub(have), &want.expected.name),
            _ => Ok(()),
        }
    }

    /// Writes what arrives.
    fn receive(
        &mut self,
        want: &Want,
        total: Option<u64>,
        answer: &mut Answer,
        partial: &mut Partial<'_>,
    ) -> Result<()> {
        while let Some(data) = answer.data()? {
            partial.write(&data)?;
            let done = partial.len();
            (self.on)(PullEvent::Downloading { file: want.expected.name.clone(), done, total });
        }
        Ok(())
    }
}

/// Fails when fewer bytes came than were announced.
fn cut_short(total: Option<u64>, len: u64, source: &Source) -> Result<()> {
    match total {
        Some(total) if len < total => Err(Error::new(
            ErrorKind::Network,
            format!("the connection broke off: {source} sent {len} of {total} bytes"),
        )),
        _ => Ok(()),
    }
}

/// What a status other than success means.
pub(crate) fn refusal(status: u16, source: &Source, token: bool) -> Error {
    let (kind, what) = match (status, source) {
        (401 | 403, Source::Hf { repo, .. }) => {
            let way_out = if token {
                "a token is set (HF_TOKEN is set, or you are logged in): does its account have access, have its terms been accepted on the repository's page?"
            } else {
                "accept its terms on the repository's page if it is gated, and set HF_TOKEN"
            };
            (
                ErrorKind::Denied,
                format!("{repo} is gated, private or does not exist (status {status}): {way_out}"),
            )
        }
        (401 | 403, other) => (ErrorKind::Denied, format!("access to {other} is refused (status {status})")),
        (404 | 410, other) => (ErrorKind::NotFound, format!("{other} does not exist (status {status})")),
        (429, other) => {
            let hint = match (other, token) {
                (Source::Hf { .. }, false) => ", or set HF_TOKEN, which the hub allows more",
                _ => "",
            };
            (
                ErrorKind::Network,
                format!("the server of {other} takes no more requests for now (status 429): try later{hint}"),
            )
        }
        (500..=599, other) => (
            ErrorKind::Network,
            format!("the server of {other} is overloaded or broken (status {status}): try later"),
        ),
        (_, other) => (ErrorKind::Network, format!("the server of {other} answers with status {status}")),
    };
    Error::new(kind, what)
}
