//! Reading an answer that comes as a whole: within a time, and no longer than such an answer can be.

use crate::backend::{Backend, Verdict};
use crate::failure::{Failure, slow, transport};
use parasol_core::ErrorKind;
use reqwest::Response;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// What is awaited.
pub(crate) struct Whole {
    /// In a word.
    pub(crate) what: &'static str,
    /// More bytes than this it cannot have.
    pub(crate) most: usize,
    /// So long it may take …
    pub(crate) limit: Duration,
    /// … from here on.
    pub(crate) asked: Instant,
}

impl Whole {
    /// The body of a response.
    pub(crate) async fn read(
        &self,
        backend: &Backend,
        name: &str,
        mut response: Response,
    ) -> Result<Vec<u8>, Failure> {
        let left = self.limit.saturating_sub(self.asked.elapsed());
        match timeout(left, body(&mut response, self.most)).await {
            Err(_) => return Err(slow(backend, name, &format!("sent no {}", self.what), self.limit, true)),
            Ok(Err(Some(e))) => return Err(transport(backend, name, &e, true)),
            Ok(Err(None)) => {}
            Ok(Ok(body)) => return Ok(body),
        }
        let message = format!("it sent more than {} bytes, which are no {}", self.most, self.what);
        let error = backend.address.explain(name, ErrorKind::Network, &message);
        Err(Failure { error, verdict: Verdict::Bad, elsewhere: true, again: false })
    }
}

/// A body within a limit; `None` as the error where it is larger.
pub(crate) async fn body(response: &mut Response, most: usize) -> Result<Vec<u8>, Option<reqwest::Error>> {
    let announced = response.content_length().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    if announced > most {
        return Err(None);
    }
    let mut body = Vec::with_capacity(announced.min(1 << 20));
    while let Some(chunk) = response.chunk().await.map_err(Some)? {
        if body.len().saturating_add(chunk.len()) > most {
            return Err(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
