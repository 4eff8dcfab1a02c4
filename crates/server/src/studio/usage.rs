//! What answers of providers took and cost, for the page that shows it: the same sums as `parasol usage` prints.

use super::access::{blocking, is_admin};
use super::conversations::asked_for;
use crate::AppState;
use crate::context::RequestContext;
use crate::json::Refused;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use parasol_core::{Error, ErrorKind, Money, Result};
use parasol_runtime::{By, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Days that are shown unless another number is asked for, and at most.
const DAYS: u16 = 30;
const MOST_DAYS: u16 = 366;

/// What answers of providers took and cost.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct UsageReport {
    /// The first day, in UTC.
    from: String,
    /// The last one: today.
    to: String,
    /// What the rows are told apart by: `day`, `model`, `provider` or `key`.
    by: &'static str,
    /// For each day and name with answers; the oldest day first.
    rows: Vec<UsageRow>,
    /// Over all of them.
    total: Spent,
    budget: BudgetState,
}

/// Answers of one day that belong together.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct UsageRow {
    /// The day, in UTC.
    day: String,
    /// What they have in common: a model, a provider, who asked (an API key's id, an address, or `local`), or the day.
    name: String,
    /// The same for people, where that is something else: an API key's name.
    title: Option<String>,
    #[serde(flatten)]
    spent: Spent,
}

/// A sum over answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Spent {
    answers: u64,
    prompt_tokens: u64,
    /// Of these, what a provider had cached.
    cached_tokens: u64,
    generated_tokens: u64,
    /// In US dollars, as far as prices are known.
    cost_usd: f64,
    /// Answers whose price is not known.
    unpriced_answers: u64,
}

/// What may be spent in a day, and what is spent of it today.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct BudgetState {
    /// What all together may spend in a day, in US dollars; null is no limit.
    day_usd: Option<f64>,
    /// What is spent today.
    today_usd: f64,
    /// Those who have a budget of their own.
    keys: Vec<KeyBudget>,
}

/// What one who asks may spend in a day.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct KeyBudget {
    /// An API key's id, an address, or `local`.
    name: String,
    /// The API key's name.
    title: Option<String>,
    /// In US dollars.
    day_usd: f64,
    today_usd: f64,
}

/// What stands after the `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    days: Option<u16>,
    by: Option<String>,
}

/// The route of the report.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/api/parasol/usage", get(usage))
}

/// Administrators see what all spent, everybody else what is their own.
async fn usage(
    State(state): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    query: std::result::Result<Query<Asked>, QueryRejection>,
) -> std::result::Result<Json<UsageReport>, Refused> {
    let wanted = asked_for(query).and_then(|asked| wanted(&asked)).map_err(|e| ctx.refuse(e))?;
    let only = (!is_admin(&state, &ctx, &headers)).then(|| ctx.client().to_owned());
    let report = blocking(&state, move |state| report(state, wanted, only.as_deref())).await;
    report.map(Json).map_err(|e| ctx.refuse(e))
}

/// How many days, and what they are told apart by.
fn wanted(asked: &Asked) -> Result<(u16, &'static str, By)> {
    let invalid = |says: String| Err(Error::new(ErrorKind::InvalidRequest, says));
    let days = asked.days.unwrap_or(DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        return invalid(format!("days is {days} and must be between 1 and {MOST_DAYS}"));
    }
    let by = asked.by.as_deref().unwrap_or("model");
    match By::ALL.into_iter().find(|(name, _)| *name == by) {
        Some((name, by)) => Ok((days, name, by)),
        None => invalid(format!("by is {by:?} and must be day, model, provider or key")),
    }
}

fn report(
    state: &AppState,
    (days, name, by): (u16, &'static str, By),
    only: Option<&str>,
) -> Result<UsageReport> {
    let ledger = state.models().runtime().far().ledger();
    // Today is the last of the days.
    let (from, report) = ledger.report(days, by, only)?;
    let titles = titles(state);
    let rows = report.rows.iter().map(|((day, name), sum)| UsageRow {
        day: day.to_string(),
        title: if by == By::Key { titles.get(name).cloned() } else { None },
        name: name.clone(),
        spent: spent(sum),
    });
    Ok(UsageReport {
        from: from.to_string(),
        to: parasol_runtime::date(jiff::Timestamp::now()).to_string(),
        by: name,
        rows: rows.collect(),
        total: spent(&report.total),
        budget: budget(state, &titles, only)?,
    })
}

fn budget(state: &AppState, titles: &BTreeMap<String, String>, only: Option<&str>) -> Result<BudgetState> {
    let ledger = state.models().runtime().far().ledger();
    let (budget, today) = (ledger.budget(), ledger.spent_today()?);
    let of = |name: &str| today.get(name).copied().unwrap_or_default();
    let mut names: BTreeSet<&str> = budget.keys.keys().map(String::as_str).collect();
    if budget.key_day.is_some() {
        names.extend(today.keys().map(String::as_str));
        names.extend(only);
    }
    let keys = names.into_iter().filter(|name| only.is_none_or(|own| own == *name));
    let keys = keys.filter_map(|name| {
        Some(KeyBudget {
            name: name.to_owned(),
            title: titles.get(name).cloned(),
            day_usd: budget.of(name)?,
            today_usd: of(name).as_dollars(),
        })
    });
    let all = match only {
        Some(own) => of(own),
        None => today.values().fold(Money(0), |sum, one| sum.plus(*one)),
    };
    Ok(BudgetState {
        day_usd: budget.day.filter(|_| only.is_none()),
        today_usd: all.as_dollars(),
        keys: keys.collect(),
    })
}

/// API keys' names by their ids.
fn titles(state: &AppState) -> BTreeMap<String, String> {
    state.keys().all().iter().map(|key| (key.id.clone(), key.name.clone())).collect()
}

fn spent(sum: &Sum) -> Spent {
    Spent {
        answers: sum.answers,
        prompt_tokens: sum.prompt_tokens,
        cached_tokens: sum.cached_tokens,
        generated_tokens: sum.generated_tokens,
        cost_usd: sum.cost.as_dollars(),
        unpriced_answers: sum.unpriced,
    }
}
