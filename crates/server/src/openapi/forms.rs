//! The forms with files in the document. Their readers take fields one by one, so that they are described by hand.

use serde_json::{Value, json};

/// The form that an operation takes, if it takes one.
pub(super) fn form(id: &str) -> Option<Value> {
    let text = || json!({ "type": "string" });
    let sound = || json!({ "type": "string", "format": "binary", "description": "WAV, MP3, FLAC, OGG, Opus, M4A, WebM …" });
    let picture = || json!({ "type": "string", "format": "binary", "description": "PNG, JPEG, WebP or GIF" });
    let (required, properties): (&[&str], Value) = match id {
        "openaiTranscribe" | "openaiTranslate" => (
            &["file", "model"],
            json!({
                "file": sound(),
                "model": text(),
                "language": text(),
                "prompt": text(),
                "temperature": { "type": "number", "minimum": 0, "maximum": 1 },
                "response_format": { "type": "string", "enum": ["json", "text", "srt", "verbose_json", "vtt"] },
                "timestamp_granularities[]": { "type": "array", "items": { "type": "string", "enum": ["word", "segment"] } },
                "stream": { "type": "boolean" },
            }),
        ),
        "openaiEditImage" => (
            &["image", "prompt", "model"],
            json!({
                "image": { "type": "array", "minItems": 1, "maxItems": 16, "items": picture() },
                "mask": picture(),
                "prompt": text(),
                "model": text(),
                "n": { "type": "integer", "minimum": 1, "maximum": 10 },
                "size": { "type": "string", "description": "1024x1024, 16:9 or auto" },
                "quality": text(),
                "background": { "type": "string", "enum": ["transparent", "opaque", "auto"] },
                "moderation": text(),
                "input_fidelity": text(),
                "output_format": { "type": "string", "enum": ["png", "jpeg", "webp", "gif"] },
                "output_compression": { "type": "integer", "minimum": 0, "maximum": 100 },
                "response_format": { "type": "string", "enum": ["b64_json"] },
                "stream": { "type": "boolean" },
                "partial_images": { "type": "integer", "minimum": 0, "maximum": 3 },
                "negative_prompt": text(),
                "seed": { "type": "integer", "minimum": 0 },
                "steps": { "type": "integer", "minimum": 1, "maximum": 1000 },
                "guidance_scale": { "type": "number", "minimum": 0, "maximum": 100 },
                "strength": { "type": "number", "minimum": 0, "maximum": 1 },
            }),
        ),
        "openaiCreateVideo" => (
            &["prompt"],
            json!({
                "prompt": text(),
                "model": text(),
                "seconds": { "type": "string", "description": "a whole number, 1 to 600" },
                "size": { "type": "string", "description": "width and height, such as 1280x720" },
                "input_reference": { "type": "string", "format": "binary", "description": "the first frame: PNG, JPEG or WebP" },
                "negative_prompt": text(),
                "seed": { "type": "string", "description": "a whole number" },
            }),
        ),
        "openaiAddConsent" => (
            &["name", "language", "recording"],
            json!({ "name": text(), "language": { "type": "string", "description": "a tag such as en-US" }, "recording": sound() }),
        ),
        "openaiAddVoice" => (
            &["name", "consent", "audio_sample"],
            json!({
                "name": text(),
                "consent": { "type": "string", "description": "the id of a recording of consent" },
                "audio_sample": sound(),
                "type": { "type": "string", "enum": ["audio_sample"] },
            }),
        ),
        "elevenlabsAddVoice" => (
            &["name", "files", "consent"],
            json!({
                "name": text(),
                "files": { "type": "array", "minItems": 1, "items": sound() },
                "description": text(),
                "consent": { "type": "string", "enum": ["true"], "description": "the person who speaks has given it" },
                "labels": { "type": "string", "description": "JSON; the label consent stands for the field" },
                "remove_background_noise": { "type": "string", "enum": ["false"] },
            }),
        ),
        _ => return None,
    };
    Some(json!({ "type": "object", "required": required, "properties": properties }))
}
