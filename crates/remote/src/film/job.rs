//! What is written down of a job: enough to go on with it after the end of the process that began it, and no key.

use crate::call::random;
use crate::ledger::NOBODY;
use jiff::Timestamp;
use parasol_core::{Error, ErrorKind, FilmRequest, FilmSize, Money};
use parasol_wire::filming::Shot;
use serde::{Deserialize, Serialize};

/// How a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Its provider is being asked, or was when the process ended that asked.
    Asking,
    /// Its provider has taken it.
    Queued,
    /// It is worked on.
    InProgress,
    /// Its film is here.
    Completed,
    /// There will be no film.
    Failed,
    /// It was ended.
    Cancelled,
}

impl JobState {
    /// Whether nothing more will come of it.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Asking => "being asked for",
            Self::Queued => "queued",
            Self::InProgress => "in progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why there is no film.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    /// A word for it: the provider's, or `timeout`, `cancelled`, `unknown`, `gone`.
    pub code: String,
    /// What it means.
    pub message: String,
}

/// A job, as it is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilmJob {
    /// What it is called here: `video_` and 32 hexadecimal digits.
    pub id: String,
    /// How it does.
    pub state: JobState,
    /// The model, by its name here.
    pub model: String,
    /// Whose it is.
    pub provider: String,
    /// The address that has it.
    #[serde(default)]
    pub address: String,
    /// What it is called there.
    #[serde(default)]
    pub remote: Option<String>,
    /// Who asked: an API key's id, an address, or `local`.
    pub client: String,
    /// What is to be seen.
    pub prompt: String,
    /// How long the film is, in seconds.
    pub seconds: u32,
    /// Its width and height.
    pub size: FilmSize,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it was over.
    #[serde(default)]
    pub ended: Option<Timestamp>,
    /// When its film is removed.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// Per cent that are done.
    #[serde(default)]
    pub progress: u8,
    /// Whether its provider has worked on it, which may have to be paid for.
    #[serde(default)]
    pub worked_on: bool,
    /// Why there is no film.
    #[serde(default)]
    pub failure: Option<JobFailure>,
    /// What it cost, where that is known and due.
    #[serde(default)]
    pub cost: Option<Money>,
    /// What the film is, such as `video/mp4` …
    #[serde(default)]
    pub media_type: Option<String>,
    /// … and how many bytes it has.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// The job whose film it is made of.
    #[serde(default)]
    pub remixed_from: Option<String>,
    /// What keeps it from being looked at or ended now.
    #[serde(default)]
    pub note: Option<String>,
}

/// What stands before the digits of a job's name.
const BEFORE: &str = "video_";

impl FilmJob {
    /// One that is about to be asked for.
    pub(crate) fn new(request: &FilmRequest, shot: Shot, model: &str, provider: &str) -> Self {
        let client = if request.client.is_empty() { NOBODY } else { &request.client };
        Self {
            id: format!("{BEFORE}{:016x}{:016x}", random(), random()),
            state: JobState::Asking,
            model: model.to_owned(),
            provider: provider.to_owned(),
            address: String::new(),
            remote: None,
            client: client.to_owned(),
            prompt: request.prompt.clone(),
            seconds: shot.seconds,
            size: shot.size,
            created: Timestamp::now(),
            ended: None,
            expires: None,
            progress: 0,
            worked_on: false,
            failure: None,
            cost: None,
            media_type: None,
            bytes: None,
            remixed_from: None,
            note: None,
        }
    }

    /// It ends without a film.
    pub(crate) fn end(&mut self, state: JobState, code: &str, message: impl Into<String>) {
        self.state = state;
        self.ended = Some(Timestamp::now());
        self.failure = Some(JobFailure { code: code.to_owned(), message: message.into() });
        self.note = None;
    }

    /// Why there is no film, as an error, where there is none.
    #[must_use]
    pub fn error(&self, model: &str) -> Option<Error> {
        let failure = self.failure.as_ref()?;
        let refused = ["moderation", "SAFETY", "filtered", "policy"];
        let kind = match failure.code.as_str() {
            "timeout" => ErrorKind::Timeout,
            "cancelled" => ErrorKind::Cancelled,
            code if refused.iter().any(|word| code.contains(word)) => ErrorKind::InvalidRequest,
            _ => ErrorKind::Network,
        };
        let message = format!("{model} made no film of {}: {} ({})", self.id, failure.message, failure.code);
        Some(Error::new(kind, message))
    }
}

/// Whether a text can be the name of a job: what cannot leads to no file.
pub(crate) fn is_name(text: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.strip_prefix(BEFORE).is_some_and(|digits| digits.len() == 32 && digits.bytes().all(digit))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_what_is_given_out_and_nothing_else() {
        let shot = Shot { seconds: 4, size: "1280x720".parse().unwrap() };
        let job = FilmJob::new(&FilmRequest::default(), shot, "m", "p");
        assert!(is_name(&job.id) && job.client == "local");
        let upper = job.id.to_uppercase();
        let long = format!("{}0", job.id);
        for wrong in ["", "video_", "../video_0", &upper, &long, "video_0123456789abcdef0123456789abcde/"] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_earlier_versions_wrote_can_be_read() {
        let least = r#"{"id":"video_00000000000000000000000000000000","state":"queued","model":"m","provider":"p","client":"local",
            "prompt":"x","seconds":4,"size":"1280x720","created":"2026-11-27T20:00:00Z"}"#;
        let job: FilmJob = serde_json::from_str(least).unwrap();
        assert!(!job.state.is_over() && job.error("m").is_none());
    }
}
