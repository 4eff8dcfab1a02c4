//! Answers that are pictures.

use super::stream::Form;
use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::speak::wrong_model;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parasol_core::Result as Outcome;
use parasol_wire::gemini::pictures::{PictureCall, response};
use serde_json::Value;

/// Makes the pictures of a request. A stream holds them in one response, when they are done.
pub(super) async fn imagine(
    state: &AppState,
    ctx: &RequestContext,
    model: &str,
    body: Value,
    stream: Option<Form>,
) -> Outcome<Response> {
    let call = PictureCall::read(body)?;
    let painted = state.imagine(ctx, model, call.request).await.map_err(wrong_model("responseModalities"))?;
    let told = [call.without_effect.as_slice(), painted.ignored()].concat();
    let (pictures, usage) = painted.whole().await?;
    let whole = response(ctx.id(), model, &pictures, &usage);
    let mut response = match stream {
        Some(form) => {
            let mut begun = false;
            let text = form.frame(&mut begun, &whole) + form.close(begun);
            ([(header::CONTENT_TYPE, form.media_type()), (header::CACHE_CONTROL, "no-cache")], text)
                .into_response()
        }
        None => super::answer(StatusCode::OK, &whole),
    };
    effect::report(&mut response, &told);
    Ok(response)
}
