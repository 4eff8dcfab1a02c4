//! `GET /v1/models` for clients that send `anthropic-version`.

use crate::AppState;
use crate::context::RequestContext;
use crate::json::Refused;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use parasol_core::{Error, ErrorKind};
use parasol_runtime::ModelCard;
use parasol_wire::anthropic::{Model, Page};
use std::time::{SystemTime, UNIX_EPOCH};

/// A page of the models that can be asked for.
pub(super) async fn list(
    State(state): State<AppState>,
    ctx: RequestContext,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Refused> {
    let invalid = |e: String| ctx.refuse(Error::new(ErrorKind::InvalidRequest, e));
    let Query(query) = query.map_err(|e| invalid(e.body_text()))?;
    let query = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let page = Page::parse(query).map_err(|e| ctx.refuse(e))?;
    let models: Vec<Model> = crate::effect::chat_cards(&state, &ctx).await?.iter().map(model).collect();
    let list = page.of(&models).map_err(|e| ctx.refuse(e))?;
    Ok(super::answer(StatusCode::OK, &list))
}

/// One model.
pub(super) async fn one(
    State(state): State<AppState>,
    ctx: RequestContext,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let Path(id) = id.map_err(|e| ctx.refuse(Error::new(ErrorKind::InvalidRequest, e.body_text())))?;
    let card = crate::effect::card(&state, &ctx, id).await?;
    Ok(super::answer(StatusCode::OK, &model(&card).object()))
}

fn model(card: &ModelCard) -> Model {
    Model {
        id: card.name.clone(),
        display_name: card.title.clone().unwrap_or_else(|| card.name.clone()),
        created_at: rfc3339(card.modified.unwrap_or(UNIX_EPOCH)),
        context: card.context,
    }
}

/// A moment as RFC 3339 writes it, to the second; before 1970 the epoch stands.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The Gregorian date of a day counted from 1970-01-01, with years that begin in March so that leap days come last.
fn date(days: u64) -> (u64, u64, u64) {
    let day = days.saturating_add(719_468);
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era.saturating_mul(400) + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn moments_are_written_as_dates() {
        let at = |seconds| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_767_225_599), "2025-12-31T23:59:59Z");
    }
}
