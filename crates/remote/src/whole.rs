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
        let read = async {
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                body.extend_from_slice(&chunk);
                if body.len() > self.most {
                    break;
                }
            }
            Ok::<_, reqwest::Error>(body)
        };
        let body = match timeout(self.limit.saturating_sub(self.asked.elapsed()), read).await {
            Err(_) => return Err(slow(backend, name, &format!("sent no {}", self.what), self.limit, true)),
            Ok(Err(e)) => return Err(transport(backend, name, &e, true)),
            Ok(Ok(body)) => body,
        };
        if body.len() <= self.most {
            return Ok(body);
        }
        let message = format!("it sent more than {} bytes, which are no {}", self.most, self.what);
        let error = backend.address.explain(name, ErrorKind::Network, &message);
        Err(Failure { error, verdict: Verdict::Bad, elsewhere: true, again: false })
    }
}
