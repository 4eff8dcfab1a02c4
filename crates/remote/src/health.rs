//! Looking at backends from time to time, so that one that is down is known before somebody waits for it, and one that is
//! back is used again.

use crate::backend::{Backend, Verdict, seconds};
use crate::failure::innermost;
use crate::model::Inner;
use serde_json::Value;
use std::sync::Weak;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// A look takes no longer than this.
const LIMIT: Duration = Duration::from_secs(5);
/// A list of models is no longer than this.
const LARGEST: usize = 4 << 20;

/// Looks at all backends of a model until it is gone.
pub(crate) async fn watch(model: Weak<Inner>) {
    loop {
        let Some(inner) = model.upgrade() else { return };
        let interval = seconds(inner.entry.limits.health_interval);
        if interval.is_zero() {
            return;
        }
        for backend in &inner.backends {
            look(&inner, backend).await;
        }
        drop(inner);
        sleep(interval).await;
    }
}

async fn look(inner: &Inner, backend: &Backend) {
    let mut request = inner.client(backend).get(backend.address.endpoint("models"));
    for (name, value) in backend.address.headers() {
        request = request.header(name, value);
    }
    let answer = async {
        let mut response = request.send().await?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                break;
            }
        }
        Ok::<_, reqwest::Error>((status, body))
    };
    let name = inner.entry.name.as_str();
    let explain = |what: &str| {
        let error = backend.address.explain(name, parasol_core::ErrorKind::Network, what);
        Some(error.message().to_owned())
    };
    match timeout(LIMIT, answer).await {
        Err(_) => backend.judge(Verdict::Bad, explain("it does not list its models in time")),
        Ok(Err(e)) if e.is_connect() => {
            backend.judge(Verdict::Unreachable, explain(&format!("it cannot be reached: {}", innermost(&e))));
        }
        Ok(Err(e)) => backend.judge(Verdict::Bad, explain(&innermost(&e))),
        Ok(Ok((status, _))) if matches!(status.as_u16(), 401 | 403) => {
            backend.judge(Verdict::Bad, explain("it refuses the key, or wants one"));
        }
        Ok(Ok((status, _))) if status.is_server_error() => {
            backend.judge(Verdict::Bad, explain(&format!("it lists its models with status {status}")));
        }
        Ok(Ok((status, body))) => {
            let listed = status.is_success().then(|| serde_json::from_slice::<Value>(&body).ok()).flatten();
            let (found, note) = listed.map_or((None, None), |list| find(&list, &backend.model));
            if let Some(context) = found {
                inner.learn_context(context);
            }
            backend.seen(note);
        }
    }
}

/// The context of the model in a list, where it tells one, and what is odd about the list.
fn find(list: &Value, model: &str) -> (Option<usize>, Option<String>) {
    let all: Vec<&Value> = list.get("data").and_then(Value::as_array).into_iter().flatten().collect();
    let id = |entry: &&&Value| entry.get("id").and_then(Value::as_str) == Some(model);
    match all.iter().find(id) {
        Some(entry) => {
            // vLLM and SGLang say the first, others the second.
            let told = ["max_model_len", "context_length"].iter().find_map(|k| entry.get(*k)?.as_u64());
            (told.and_then(|n| usize::try_from(n).ok()), None)
        }
        None if all.is_empty() => (None, None),
        // Some servers answer for any name, so this alone is no fault.
        None => (None, Some(format!("it does not list a model {model:?}"))),
    }
}
