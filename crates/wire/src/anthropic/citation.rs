//! Citations as text blocks carry them.
//!
//! Spec: <https://docs.anthropic.com/en/docs/build-with-claude/citations>.

use parasol_core::{Citation, CitedRange, CitedUnit};
use serde_json::{Value, json};

/// The fields of the place in a source, by the citation's type.
const PLACES: [(&str, CitedUnit, &str, &str); 3] = [
    ("char_location", CitedUnit::Characters, "start_char_index", "end_char_index"),
    ("page_location", CitedUnit::Pages, "start_page_number", "end_page_number"),
    ("content_block_location", CitedUnit::Blocks, "start_block_index", "end_block_index"),
];

/// A citation of a provider's.
pub(super) fn read(value: &Value) -> Citation {
    let text = |name: &str| value[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let place = PLACES.iter().find_map(|(_, unit, start, end)| {
        Some(CitedRange { unit: *unit, start: value[*start].as_u64()?, end: value[*end].as_u64()? })
    });
    Citation {
        url: text("url").or_else(|| text("source")),
        title: text("title").or_else(|| text("document_title")),
        quote: text("cited_text"),
        document: value["document_index"].as_u64().and_then(|n| usize::try_from(n).ok()),
        range: place,
    }
}

/// A citation as clients read it.
pub(super) fn write(citation: &Citation) -> Value {
    let quote = citation.quote.as_deref().unwrap_or_default();
    if let Some(url) = &citation.url {
        return json!({
            "type": "web_search_result_location", "url": url, "title": citation.title,
            "cited_text": quote, "encrypted_index": "",
        });
    }
    let range = citation.range.unwrap_or(CitedRange { unit: CitedUnit::Characters, start: 0, end: 0 });
    let place = PLACES.iter().find(|(_, unit, ..)| *unit == range.unit).unwrap_or(&PLACES[0]);
    let mut out = json!({
        "type": place.0, "cited_text": quote, "document_index": citation.document.unwrap_or(0),
        "document_title": citation.title,
    });
    out[place.2] = range.start.into();
    out[place.3] = range.end.into();
    out
}
