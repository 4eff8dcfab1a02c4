//! `POST /v1/completions`.

use super::several::Several;
use super::{head, stream};
use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::{Json, Refused};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use parasol_core::Result as Outcome;
use parasol_wire::openai::completions::{CompletionAnswers, CompletionCall};
use serde_json::Value;

/// Continues texts.
pub(super) async fn create(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    answer(&state, &ctx, body).await.or_else(|e| super::unanswered(&ctx, e))
}

async fn answer(state: &AppState, ctx: &RequestContext, body: Value) -> Outcome<Response> {
    let call = CompletionCall::read(body)?;
    let recommended = state.recommended(ctx, &call.model).await?;
    let mut answers = Several::ask(call.count(), |index| {
        let (state, ctx, model) = (state.clone(), ctx.clone(), call.model.clone());
        let request = call.request(&recommended, index);
        async move { state.complete(&ctx, &model, request).await }
    })
    .await?;
    let mut whole = CompletionAnswers::new(head(ctx, "cmpl", &call.model), &call);
    let mut response = if call.stream {
        stream::response(answers, whole)
    } else {
        while let Some(event) = answers.next().await {
            let (index, event) = event?;
            whole.gather(index, &event);
        }
        axum::Json(whole.finish()?).into_response()
    };
    effect::report(&mut response, &call.noted);
    Ok(response)
}
