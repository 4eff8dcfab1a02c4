//! Sources as `groundingMetadata` has them.
//!
//! Spec: <https://ai.google.dev/api/generate-content#GroundingMetadata>.

use parasol_core::Citation;
use serde_json::{Value, json};

/// The sources of a candidate.
pub(super) fn received(candidate: &Value) -> Vec<Citation> {
    let list = |pointer: &str| candidate.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value, name: &str| value[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let chunk = |chunk: &Value| {
        let inner = if chunk["web"].is_object() { &chunk["web"] } else { &chunk["retrievedContext"] };
        Citation {
            url: text(inner, "uri"),
            title: text(inner, "title"),
            quote: text(inner, "text"),
            ..Citation::default()
        }
    };
    let source = |source: &Value| Citation {
        url: text(source, "uri"),
        title: text(source, "title"),
        ..Citation::default()
    };
    let grounded = list("/groundingMetadata/groundingChunks").map(chunk);
    // What was recited stands in one of two spellings.
    let recited =
        list("/citationMetadata/citationSources").chain(list("/citationMetadata/citations")).map(source);
    grounded.chain(recited).collect()
}

/// Puts sources into a candidate.
pub(super) fn write<'c>(citations: impl IntoIterator<Item = &'c Citation>, candidate: &mut Value) {
    let chunk = |citation: &Citation| {
        let mut inner = json!({});
        for (name, value) in [("uri", &citation.url), ("title", &citation.title), ("text", &citation.quote)] {
            if let Some(value) = value {
                inner[name] = value.as_str().into();
            }
        }
        // A quoted document is a context of the request's, the rest is of the web.
        let kind = if citation.quote.is_some() { "retrievedContext" } else { "web" };
        json!({ kind: inner })
    };
    let chunks: Vec<Value> = citations.into_iter().map(chunk).collect();
    if !chunks.is_empty() {
        candidate["groundingMetadata"] = json!({ "groundingChunks": chunks });
    }
}
