//! Which voice a name means.

use crate::AppState;
use crate::context::RequestContext;
use crate::generate::{allow_model, fault};
use parasol_core::{Error, ErrorKind, Result, Speak, SpeakRequest};
use parasol_runtime::{Models, VoiceLease};
use std::sync::Arc;

/// Voices that an error names.
const SHOWN: usize = 12;

/// A loaded model, and what it is to speak with: its default voice, another of its own, or one that was added.
pub(super) type Chosen = (VoiceLease, SpeakRequest);

/// The voice of this name: one of the default model's, one that was added, a model, or `MODEL/VOICE`; `None` is the default model's
/// default.
///
/// # Errors
/// `Denied` for a model that the key may not use; `NotFound` and those of loading.
pub(super) async fn voice(state: &AppState, ctx: &RequestContext, name: Option<&str>) -> Result<Chosen> {
    let (models, ctx, name) = (state.models().clone(), ctx.clone(), name.map(str::to_owned));
    let find = move || find(&models, &ctx, name.as_deref());
    tokio::task::spawn_blocking(find).await.unwrap_or_else(|_| Err(fault()))
}

fn find(models: &Arc<Models>, ctx: &RequestContext, name: Option<&str>) -> Result<Chosen> {
    let load = |model: &str| {
        allow_model(ctx, model)?;
        models.speaker(model)
    };
    let default = models.runtime().default_voice()?;
    let Some(name) = name.filter(|name| *name != default) else {
        return Ok((load(&default)?, SpeakRequest::default()));
    };
    let own = |lease: &VoiceLease, model: &str, voice: &str| -> Result<Option<SpeakRequest>> {
        let mut request = SpeakRequest { voice: Some(voice.to_owned()), ..SpeakRequest::default() };
        let known = lease.voice(voice);
        if let Some(known) = known {
            return Ok(Some(SpeakRequest { voice: Some(known.name), ..request }));
        }
        models.runtime().imitate(&ctx.owner(), model, lease, &mut request)?;
        Ok(request.reference.is_some().then_some(request))
    };
    // A name that means a model goes before a voice of another's.
    let mut denied = None;
    if let Some(lease) = there(load(name), &mut denied)? {
        return Ok((lease, SpeakRequest::default()));
    }
    if let Some((model, voice)) = name.rsplit_once('/')
        && let Some(lease) = there(load(model), &mut denied)?
    {
        return match own(&lease, model, voice)? {
            Some(request) => Ok((lease, request)),
            None => Err(unknown(voice, &lease, "this model")),
        };
    }
    let default = models.runtime().voice_model(&ctx.owner(), Some(name))?;
    let lease = match load(&default) {
        Ok(lease) => lease,
        Err(error) => return Err(denied.unwrap_or(error)),
    };
    match own(&lease, &default, name)? {
        Some(request) => Ok((lease, request)),
        None => Err(denied.unwrap_or_else(|| unknown(name, &lease, "the default model"))),
    }
}

/// The model, or nothing where the name may still mean a voice: there is none of it, or the key may not use one; the first such
/// refusal is kept in `denied`.
fn there(found: Result<VoiceLease>, denied: &mut Option<Error>) -> Result<Option<VoiceLease>> {
    match found {
        Ok(lease) => Ok(Some(lease)),
        Err(error) if *error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if *error.kind() == ErrorKind::Denied => {
            denied.get_or_insert(error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// That `whose` model has no voice of this name, with some that it has.
fn unknown(name: &str, lease: &VoiceLease, whose: &str) -> Error {
    let shown: String = name.chars().take(80).collect();
    let all = lease.voices();
    let voices: Vec<&str> = all.iter().take(SHOWN).map(|voice| voice.name.as_str()).collect();
    let more = match all.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "voice: {shown:?} is no voice: {}{more} are those of {whose}; MODEL and MODEL/VOICE name others",
        voices.join(", ")
    );
    Error::new(ErrorKind::InvalidRequest, message)
}
