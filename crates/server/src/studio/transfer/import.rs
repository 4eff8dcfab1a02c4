//! The route that takes conversations in: a file of any of the programs that are known, each conversation for itself. What is kept
//! and what is not, and why, is told of every one.

use super::super::access::blocking;
use super::super::conversations::publish;
use super::super::events::owner;
use super::super::store;
use super::kept::Kept;
use super::{read, shape};
use crate::AppState;
use crate::context::RequestContext;
use crate::json::{Json as Body, Refused};
use axum::Json;
use axum::extract::State;
use parasol_core::Result;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

/// Messages that are stored in one go: enough to be quick, few enough to let answers that are being written have their turn.
const BATCH: usize = 500;

/// What became of a file.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ImportReport {
    /// How many conversations are there now that were not before.
    imported: u64,
    /// What was left out: whole conversations, or a part of one that was imported.
    skipped: Vec<Skipped>,
}

/// Something that was left out.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Skipped {
    /// The conversation's title, or what stands for it.
    title: String,
    /// What is missing, and why.
    why: String,
}

/// Takes a file in. It goes on when whoever sent it goes away.
pub(super) async fn import(
    State(state): State<AppState>,
    ctx: RequestContext,
    Body(file): Body<Box<RawValue>>,
) -> Result<Json<ImportReport>, Refused> {
    let owner = owner(&ctx).to_owned();
    let taken = blocking(&state, move |s| take(s, &owner, file.get())).await;
    taken.map(Json).map_err(|e| ctx.refuse(e))
}

fn take(state: &AppState, owner: &str, text: &str) -> Result<ImportReport> {
    let file = shape::open(text)?;
    let mut report = ImportReport::default();
    let mut batch = Vec::new();
    let mut messages = 0;
    for item in &file.items {
        match read(item) {
            Ok(kept) => {
                messages += kept.messages.len() + 1;
                let partly = format!("imported without {}", kept.without.join(", "));
                if !kept.without.is_empty() {
                    report.skipped.push(Skipped { title: kept.conversation.title.clone(), why: partly });
                }
                batch.push(kept);
            }
            Err(why) => report.skipped.push(Skipped { title: item.title(), why }),
        }
        if messages >= BATCH {
            store_all(state, owner, &mut batch, &mut report, file.items.len())?;
            messages = 0;
        }
    }
    store_all(state, owner, &mut batch, &mut report, file.items.len())?;
    Ok(report)
}

/// Stores what was read, all of it or nothing, and tells the owner's pages.
fn store_all(
    state: &AppState,
    owner: &str,
    batch: &mut Vec<Kept>,
    report: &mut ImportReport,
    all: usize,
) -> Result<()> {
    let batch = std::mem::take(batch);
    let stored = state.storage().run_blocking(|db| {
        let work = db.transaction()?;
        for kept in &batch {
            store::insert(&work, owner, &kept.conversation, &kept.messages)?;
        }
        work.commit()
    });
    let before = report.imported;
    stored
        .map_err(|e| e.within(format!("{before} of the file's {all} conversations were imported, then")))?;
    for kept in &batch {
        publish(state, owner, &kept.conversation.id, "created");
        report.imported += 1;
    }
    Ok(())
}
