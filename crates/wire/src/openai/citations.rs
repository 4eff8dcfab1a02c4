//! Sources as this protocol has them: `annotations` of type `url_citation`. What they rest on in documents of the request
//! stands in fields of the same object that other clients pass over.

use parasol_core::{Citation, CitedRange, CitedUnit};
use serde_json::{Value, json};

/// An annotation as clients read it.
pub(crate) fn write(citation: &Citation) -> Value {
    let mut inner = json!({
        "url": citation.url.as_deref().unwrap_or_default(),
        "title": citation.title.as_deref().unwrap_or_default(),
    });
    if let Some(quote) = &citation.quote {
        inner["content"] = quote.as_str().into();
    }
    if let Some(document) = citation.document {
        inner["document_index"] = document.into();
    }
    if let Some(range) = citation.range {
        inner["source_unit"] = json!(range.unit);
        inner["source_start"] = range.start.into();
        inner["source_end"] = range.end.into();
    }
    json!({ "type": "url_citation", "url_citation": inner })
}

/// The annotations of a provider's message or delta.
pub(crate) fn received(part: &Value) -> Vec<Citation> {
    part["annotations"].as_array().into_iter().flatten().filter_map(read).collect()
}

/// One annotation; nested in chat completions, flat in responses.
pub(crate) fn read(annotation: &Value) -> Option<Citation> {
    if annotation["type"] != "url_citation" {
        return None;
    }
    let inner = if annotation["url_citation"].is_object() { &annotation["url_citation"] } else { annotation };
    let text = |name: &str| inner[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let unit = serde_json::from_value::<CitedUnit>(inner["source_unit"].clone()).ok();
    let range = unit.and_then(|unit| {
        let (start, end) = (inner["source_start"].as_u64()?, inner["source_end"].as_u64()?);
        Some(CitedRange { unit, start, end })
    });
    Some(Citation {
        url: text("url"),
        title: text("title"),
        quote: text("content"),
        document: inner["document_index"].as_u64().and_then(|n| usize::try_from(n).ok()),
        range,
    })
}

/// The same as responses have it: without nesting.
pub(crate) fn flat(citation: &Citation) -> Value {
    let mut out = write(citation);
    let mut inner = out["url_citation"].take();
    inner["type"] = "url_citation".into();
    // Where it stands in the answer nobody tells: at its end.
    inner["start_index"] = 0.into();
    inner["end_index"] = 0.into();
    inner
}
