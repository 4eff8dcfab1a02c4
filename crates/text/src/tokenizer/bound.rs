//! How many tokens a text of a tokenizer.json needs at least, without looking at it. Only where nothing of a text can vanish: a
//! tokenizer that drops white space or has a token for whatever it does not know has no such bound.

use serde_json::Value;
use tokenizers::{ModelWrapper, Tokenizer};

/// Composition (NFC) makes a text at most three times shorter (nine bytes of Hangul letters become three).
const COMPOSED: usize = 4;

/// The most bytes of text that one token can stand for, if there is a limit; `longest` is the longest token as written.
pub(crate) fn bytes_of_a_token(tokenizer: &Tokenizer, longest: usize) -> Option<usize> {
    let whole = match tokenizer.get_model() {
        ModelWrapper::BPE(bpe) => bpe.byte_fallback || bpe.unk_token.is_none(),
        _ => false,
    };
    let strips = tokenizer.get_added_tokens_decoder().values().any(|token| token.lstrip || token.rstrip);
    if !whole || strips {
        return None;
    }
    let shorter = normalised(&serde_json::to_value(tokenizer.get_normalizer()).ok()?)?;
    keeps_all(&serde_json::to_value(tokenizer.get_pre_tokenizer()).ok()?)
        .then(|| longest.max(1).saturating_mul(shorter))
}

/// By how much a normaliser can shorten a text, if that is known.
fn normalised(normalizer: &Value) -> Option<usize> {
    if normalizer.is_null() {
        return Some(1);
    }
    match normalizer["type"].as_str()? {
        "NFC" => Some(COMPOSED),
        "Prepend" => Some(1),
        "Replace" => {
            let pattern = normalizer["pattern"]["String"].as_str()?;
            (normalizer["content"].as_str()?.len() >= pattern.len()).then_some(1)
        }
        "Sequence" => {
            let all = normalizer["normalizers"].as_array()?;
            all.iter().try_fold(1usize, |product, one| Some(product.saturating_mul(normalised(one)?)))
        }
        _ => None,
    }
}

/// Whether a pre-tokenizer passes everything on.
fn keeps_all(pre_tokenizer: &Value) -> bool {
    match pre_tokenizer["type"].as_str() {
        None => pre_tokenizer.is_null(),
        Some("ByteLevel" | "Digits" | "Metaspace") => true,
        Some("Split") => pre_tokenizer["behavior"] != "Removed",
        Some("Sequence") => {
            pre_tokenizer["pretokenizers"].as_array().is_some_and(|all| all.iter().all(keeps_all))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn bound(change: &dyn Fn(&mut Value)) -> Option<usize> {
        let mut file = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            "post_processor": null, "decoder": null,
            "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"], "unk_token": null},
        });
        change(&mut file);
        bytes_of_a_token(&Tokenizer::from_bytes(file.to_string()).unwrap(), 2)
    }

    #[test]
    fn only_what_loses_nothing_has_a_bound() {
        assert_eq!(bound(&|_| ()), Some(2));
        assert_eq!(bound(&|file| file["normalizer"] = json!({"type": "NFC"})), Some(8));
        let space = json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"});
        assert_eq!(bound(&|file| file["normalizer"] = space.clone()), Some(2));
        let both = json!({"type": "Sequence", "normalizers": [{"type": "NFC"}, space]});
        assert_eq!(bound(&|file| file["normalizer"] = both.clone()), Some(8));
        let drops: [(&str, Value); 5] = [
            ("normalizer", json!({"type": "Strip", "strip_left": true, "strip_right": true})),
            ("normalizer", json!({"type": "Replace", "pattern": {"String": "  "}, "content": " "})),
            ("normalizer", json!({"type": "Replace", "pattern": {"Regex": " +"}, "content": "\u{2581}"})),
            ("pre_tokenizer", json!({"type": "Whitespace"})),
            (
                "pre_tokenizer",
                json!({"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": false}),
            ),
        ];
        for (key, value) in drops {
            assert_eq!(bound(&|file| file[key] = value.clone()), None, "{value}");
        }
        assert_eq!(bound(&|file| file["model"]["unk_token"] = json!("a")), None);
        let mask = json!([{"id": 3, "content": "<m>", "single_word": false, "lstrip": true, "rstrip": false, "normalized": false, "special": true}]);
        assert_eq!(bound(&|file| file["added_tokens"] = mask.clone()), None);
    }
}
