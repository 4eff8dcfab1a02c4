//! The route that takes conversations in: a file of any of the programs that are known, each conversation for itself. What is kept
//! and what is not, and why, is told of every one.

use super::super::access::blocking;
use super::super::events::owner;
use super::super::store;
use super::kept::Kept;
use super::unpack::{self, Sent};
use super::{read, shape};
use crate::AppState;
use crate::context::RequestContext;
use crate::dialect::Dialect;
use crate::json::{self, Refused};
use axum::Json;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use parasol_core::Result;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Semaphore;

/// How much larger than any other request a file may be, and how much longer it may take: exports hold years.
const LARGER: usize = 16;
const LONGER: u32 = 10;

/// Files that are larger than any other request are taken one after another, since each lies in memory as a whole.
static LARGE: Semaphore = Semaphore::const_new(1);

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
    /// The conversation's title, or what stands for it; of a file without conversations in an archive, its name.
    title: String,
    /// What is missing, and why.
    why: String,
}

/// Takes a file in. It goes on when whoever sent it goes away.
pub(super) async fn import(
    State(state): State<AppState>,
    ctx: RequestContext,
    request: Request,
) -> Result<Json<ImportReport>, Refused> {
    let (head, body) = request.into_parts();
    let options = state.options();
    let most = options.max_body.saturating_mul(LARGER);
    let small = body.size_hint().upper().is_some_and(|size| size <= options.max_body as u64);
    let turn = if small { None } else { LARGE.acquire().await.ok() };
    let patience = options.body_timeout.saturating_mul(LONGER);
    let bytes = json::read(&head.headers, body, most, patience, Dialect::Parasol).await?;
    let owner = owner(&ctx).to_owned();
    let taken = blocking(&state, move |s| take(s, &owner, bytes, most)).await;
    drop(turn);
    taken.map(Json).map_err(|e| ctx.refuse(e))
}

fn take(state: &AppState, owner: &str, bytes: Vec<u8>, most: usize) -> Result<ImportReport> {
    let sent = unpack::files(bytes, most)?;
    let mut report = ImportReport::default();
    let files = open(&sent, &mut report)?;
    let all = files.iter().map(|file| file.items.len()).sum();
    let stored = take_all(state, owner, &files, all, &mut report);
    if report.imported > 0 {
        // One for all: a page reads its list anew, and would be sent away for being behind with thousands.
        let told = json!({ "id": "", "change": "imported" });
        state.house().events.publish(Some(owner), "conversation", &told);
    }
    stored.map(|()| report)
}

/// The files with conversations in them; of several, those that have none are told.
fn open<'a>(sent: &'a [Sent], report: &mut ImportReport) -> Result<Vec<shape::File<'a>>> {
    let mut files = Vec::new();
    let mut wrong = None;
    for Sent { name, text } in sent {
        match shape::open(text) {
            Ok(file) => files.push(file),
            Err(error) => {
                report.skipped.push(Skipped { title: name.clone(), why: error.message().to_owned() });
                wrong.get_or_insert(error);
            }
        }
    }
    match wrong {
        Some(error) if files.is_empty() => Err(error),
        _ => Ok(files),
    }
}

fn take_all(
    state: &AppState,
    owner: &str,
    files: &[shape::File<'_>],
    all: usize,
    report: &mut ImportReport,
) -> Result<()> {
    let mut batch = Vec::new();
    let mut messages = 0;
    for item in files.iter().flat_map(|file| &file.items) {
        match read(item) {
            Ok(kept) => {
                messages += kept.messages.len() + 1;
                let partly = format!("imported without {}", kept.without.join(", "));
                if !kept.without.is_empty() {
                    let title = kept.conversation.shown_title().to_owned();
                    report.skipped.push(Skipped { title, why: partly });
                }
                batch.push(kept);
            }
            Err(why) => report.skipped.push(Skipped { title: item.title(), why }),
        }
        if messages >= BATCH {
            store_all(state, owner, &mut batch, report, all)?;
            messages = 0;
        }
    }
    store_all(state, owner, &mut batch, report, all)
}

/// Stores what was read, all of it or nothing.
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
    report.imported = before.saturating_add(batch.len() as u64);
    Ok(())
}
