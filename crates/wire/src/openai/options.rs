//! Fields that ask for nothing which could be honoured or missed, and fields whose only value that holds here is the usual one.

use crate::fields::Fields;
use parasol_core::Result;
use serde_json::Value;

/// Accepted without effect: names for the caller's own books and for caches that work by themselves here.
pub(crate) const HARMLESS: &[&str] =
    &["user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_retention", "cache_prompt"];

/// Takes `name` when it says one of `usual`, which is what happens anyway; refuses it otherwise.
pub(crate) fn only(f: &mut Fields, name: &str, usual: &[Value], why: &str) -> Result<()> {
    match f.take(name) {
        Some(value) if !usual.contains(&value) => Err(f.wrong(name, why)),
        _ => Ok(()),
    }
}

/// `service_tier`, `verbosity`, `modalities` and kin, which have one honest value here.
pub(crate) fn take_usual(f: &mut Fields) -> Result<()> {
    only(f, "service_tier", &["auto".into(), "default".into()], "there is one tier here: leave it out")?;
    only(
        f,
        "verbosity",
        &["medium".into()],
        "is not honoured: say in the prompt how long the answer should be",
    )?;
    only(f, "modalities", &[Value::from(vec!["text"])], "only text is answered here")
}
