//! All routes together. What happens before and after them is the door's.

use crate::AppState;
use axum::Router;

/// The router of the whole server.
pub(crate) fn router(state: AppState) -> Router {
    Router::new()
        .merge(crate::openai::routes())
        .merge(crate::anthropic::routes())
        .merge(crate::gemini::routes())
        .merge(crate::ollama::routes())
        .merge(crate::admin::routes())
        .merge(crate::pages::routes())
        .merge(crate::studio::routes())
        .merge(crate::openapi::routes())
        .with_state(state)
}
