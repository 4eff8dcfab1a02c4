//! What the Anthropic and Gemini dialects share in the server: telling which fields had no effect, and the cards of models.

use crate::AppState;
use crate::context::RequestContext;
use crate::generate::allow_model;
use crate::json::Refused;
use axum::http::HeaderValue;
use axum::response::Response;
use parasol_core::{Error, ErrorKind, Result as Outcome};
use parasol_runtime::{ModelCard, Models};
use std::sync::Arc;

/// Where a response names the request's fields that were accepted though they change nothing.
const HEADER: &str = "x-parasol-without-effect";
/// Most fields that are named; the rest is counted.
const MOST: usize = 16;

/// Names the fields that had no effect.
pub(crate) fn report(response: &mut Response, fields: &[String]) {
    if fields.is_empty() {
        return;
    }
    let told = response.headers().get(HEADER).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let mut names = fields.get(..MOST).unwrap_or(fields).join(", ");
    if let Some(more) = fields.len().checked_sub(MOST).filter(|n| *n > 0) {
        names.push_str(&format!(", and {more} more"));
    }
    if let Some(told) = told {
        names = format!("{told}, {names}");
    }
    if let Ok(value) = HeaderValue::from_str(&names) {
        response.headers_mut().insert(HEADER, value);
    }
}

/// The cards of the models that can chat and that the request's key may use.
pub(crate) async fn chat_cards(state: &AppState, ctx: &RequestContext) -> Result<Vec<ModelCard>, Refused> {
    cards(state, ctx, &["chat"]).await
}

/// The cards of the models that write text, in a chat or by continuing one, and that the request's key may use.
pub(crate) async fn text_cards(state: &AppState, ctx: &RequestContext) -> Result<Vec<ModelCard>, Refused> {
    cards(state, ctx, &["chat", "complete"]).await
}

async fn cards(state: &AppState, ctx: &RequestContext, any_of: &[&str]) -> Result<Vec<ModelCard>, Refused> {
    let mut cards = ask(state, |models| models.cards()).await.map_err(|e| ctx.refuse(e))?;
    let allowed = |name: &str| ctx.key().is_none_or(|key| key.allows_model(name));
    cards
        .retain(|card| card.capabilities.iter().any(|c| any_of.contains(&c.as_str())) && allowed(&card.name));
    Ok(cards)
}

/// The card of one model that the request's key may use.
pub(crate) async fn card(state: &AppState, ctx: &RequestContext, name: String) -> Result<ModelCard, Refused> {
    allow_model(ctx, &name).map_err(|e| ctx.refuse(e))?;
    ask(state, move |models| models.card(&name)).await.map_err(|e| ctx.refuse(e))
}

/// Reads what lies on the disk, off the threads that serve connections.
async fn ask<T: Send + 'static>(
    state: &AppState,
    work: impl FnOnce(&Models) -> Outcome<T> + Send + 'static,
) -> Outcome<T> {
    let models: Arc<Models> = state.models().clone();
    let done = tokio::task::spawn_blocking(move || work(&models)).await;
    done.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Internal, "reading the models failed: a fault of Parasol's own"))
    })
}
