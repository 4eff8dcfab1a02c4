//! Counting the tokens of a prompt where a provider publishes an endpoint for it.

use crate::backend::seconds;
use crate::call::{JSON, post};
use crate::failure::{innermost, small_body};
use crate::model::Inner;
use parasol_core::{ChatRequest, Error, ErrorKind, Result};
use parasol_wire::client;
use tokio::time::timeout;

/// The tokens of a prompt; `None` where no address of the model can count.
pub(crate) async fn tokens(inner: &Inner, request: &ChatRequest) -> Result<Option<usize>> {
    let name = inner.entry.name.as_str();
    for backend in &inner.backends {
        let asked = client::count(backend.protocol, &backend.model, request, &backend.manner)?;
        let Some(asked) = asked else { continue };
        let post = post(inner, backend, &asked.path, JSON, asked.body.to_string());
        let explain = |kind, message: &str| backend.address.explain(name, kind, message);
        let limit = seconds(inner.entry.limits.idle);
        let mut response = match timeout(limit, post.send()).await {
            Err(_) => return Err(explain(ErrorKind::Timeout, "it did not count the tokens in time")),
            Ok(Err(e)) => return Err(explain(ErrorKind::Network, &innermost(&e))),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        let body = small_body(&mut response).await;
        if !status.is_success() {
            let told = client::error(backend.protocol, status.as_u16(), &body, None);
            return Err(explain(told.kind().clone(), told.message()));
        }
        let body = serde_json::from_slice(&body)
            .map_err(|e| explain(ErrorKind::Network, &format!("its count of tokens is no JSON: {e}")))?;
        return client::counted(backend.protocol, &body)
            .map(Some)
            .map_err(|e: Error| explain(e.kind().clone(), e.message()));
    }
    Ok(None)
}
