//! Fetching a film from where its provider says that it lies: from the provider itself with its key, from elsewhere without, over https
//! and from public addresses alone; to the disk piece by piece, and no more than a film can be.

use super::store::{Films, private};
use super::{aside, proof};
use crate::backend::{Backend, Verdict, seconds};
use crate::failure::{Failure, refusal, slow, transport};
use crate::guard::refused;
use crate::model::Inner;
use parasol_core::{Error, ErrorKind};
use parasol_wire::filming::Place;
use reqwest::header::LOCATION;
use reqwest::{Response, Url};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use tokio::time::timeout;

/// A film of a minute has less, and a disk may have no more.
const LARGEST: u64 = 2 << 30;
/// Bytes that are written at once.
const BATCH: usize = 1 << 20;
/// Redirects that are followed.
const MOST_HOPS: usize = 5;

/// Why a film is not here.
pub(super) enum Trouble {
    /// It could not be fetched now.
    Failed(Failure),
    /// It is nowhere from where it may be fetched.
    Refused(String),
    /// What came is no film.
    NoFilm(String),
    /// It could not be written.
    Disk(Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Fetches a film into the store: what it is and how many bytes it has.
pub(super) async fn fetch(
    inner: &Inner,
    backend: &Backend,
    films: &Arc<Films>,
    id: &str,
    place: &Place,
) -> Result<(&'static str, u64), Trouble> {
    let response = found(inner, backend, place).await?;
    let told = response.content_length().filter(|length| *length > LARGEST);
    if let Some(length) = told {
        return Err(Trouble::NoFilm(format!("its film has {length} bytes, and {LARGEST} are taken at most")));
    }
    let kept = kept(inner, backend, films, id, response).await;
    if kept.is_err() {
        // It is begun anew, or nobody wants it.
        let _ = std::fs::remove_file(films.part(id));
    }
    kept
}

/// Keeps what comes, if it is a film.
async fn kept(
    inner: &Inner,
    backend: &Backend,
    films: &Films,
    id: &str,
    response: Response,
) -> Result<(&'static str, u64), Trouble> {
    let mut file = written(inner, backend, films, id, response).await?;
    let (part, film) = (films.part(id), films.film(id));
    let checked = aside(move || -> std::io::Result<Result<(&'static str, u64), String>> {
        file.sync_all()?;
        let length = file.metadata()?.len();
        let kind = match proof::film(&mut file)? {
            Ok(kind) => kind,
            Err(why) => return Ok(Err(why)),
        };
        std::fs::rename(&part, &film)?;
        Ok(Ok((kind, length)))
    });
    checked.await.map_err(Trouble::Disk)?.map_err(unwritable)?.map_err(Trouble::NoFilm)
}

fn unwritable(error: std::io::Error) -> Trouble {
    Trouble::Disk(Error::from(error).within("cannot write the film"))
}

/// The answer that holds the film, behind as many redirects as may be followed.
async fn found(inner: &Inner, backend: &Backend, place: &Place) -> Result<Response, Trouble> {
    let name = inner.entry.name.as_str();
    let text = match place {
        Place::Below(path) => backend.address.endpoint(path),
        Place::At(text) => text.clone(),
    };
    // What an address holds behind its path may be a key to the film: it is not repeated.
    let mut url =
        Url::parse(&text).map_err(|e| Trouble::Refused(format!("the address of its film is none ({e})")))?;
    let first = seconds(inner.entry.limits.first_token);
    for _ in 0..=MOST_HOPS {
        let request = if backend.address.is_home_of(&url) {
            let request = inner.client(backend).get(url.clone());
            backend.address.headers().fold(request, |request, (name, value)| request.header(name, value))
        } else {
            if let Some(why) = refused(&url) {
                return Err(Trouble::Refused(format!(
                    "the address of its film {why}: nothing is fetched from there"
                )));
            }
            inner.outside().map_err(Trouble::Disk)?.get(url.clone())
        };
        let response = match timeout(first, request.send()).await {
            Err(_) => return Err(slow(backend, name, "sent nothing of the film", first, false).into()),
            Ok(Err(e)) => return Err(transport(backend, name, &e, true).into()),
            Ok(Ok(response)) => response,
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let next = response.headers().get(LOCATION).and_then(|to| url.join(to.to_str().ok()?).ok());
        match next.filter(|_| response.status().is_redirection()) {
            Some(next) => url = next,
            None => return Err(refusal(backend, name, response).await.into()),
        }
    }
    Err(Trouble::Refused(format!("the address of its film leads on more than {MOST_HOPS} times")))
}

/// Writes what comes into a file of its owner's alone.
async fn written(
    inner: &Inner,
    backend: &Backend,
    films: &Films,
    id: &str,
    mut response: Response,
) -> Result<File, Trouble> {
    let name = inner.entry.name.as_str();
    let idle = seconds(inner.entry.limits.idle);
    let part = films.part(id);
    let opened = aside(move || private().read(true).truncate(true).open(&part)).await;
    let mut file = opened.map_err(Trouble::Disk)?.map_err(unwritable)?;
    let (mut batch, mut all) = (Vec::with_capacity(BATCH), 0u64);
    loop {
        let chunk = match timeout(idle, response.chunk()).await {
            Err(_) => return Err(slow(backend, name, "stopped in the middle of the film", idle, true).into()),
            Ok(Err(e)) => return Err(transport(backend, name, &e, true).into()),
            Ok(Ok(chunk)) => chunk,
        };
        let ended = chunk.is_none();
        if let Some(bytes) = chunk {
            all = all.saturating_add(bytes.len() as u64);
            if all > LARGEST {
                let message = format!("its film has more than {LARGEST} bytes, which are taken at most");
                return Err(Trouble::NoFilm(message));
            }
            batch.extend_from_slice(&bytes);
        }
        if batch.len() >= BATCH || (ended && !batch.is_empty()) {
            let full = std::mem::take(&mut batch);
            let (done, back) = aside(move || (file.write_all(&full), file)).await.map_err(Trouble::Disk)?;
            done.map_err(unwritable)?;
            file = back;
            if films.is_to_end(id) {
                return Err(Trouble::Refused("its film is not wanted any more".to_owned()));
            }
        }
        if ended {
            return Ok(file);
        }
    }
}

impl Trouble {
    /// The same as an error to be told, and whether it may pass.
    pub(super) fn told(self, inner: &Inner, backend: &Backend) -> (Error, bool) {
        let explain = |why: &str| backend.address.explain(&inner.entry.name, ErrorKind::Network, why);
        match self {
            Self::Failed(failure) => {
                backend.judge(
                    failure.verdict,
                    (failure.verdict != Verdict::Good).then(|| failure.error.message().to_owned()),
                );
                (failure.error, true)
            }
            Self::Refused(why) => (explain(&why), false),
            Self::NoFilm(why) => (explain(&why), false),
            Self::Disk(error) => (error, true),
        }
    }
}
