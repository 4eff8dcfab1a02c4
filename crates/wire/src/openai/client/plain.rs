//! The chunk that nearly all chunks of a stream are: a piece of text and nothing else. It is read without making a tree of it,
//! which is most of what passing an answer on would cost.

use super::decode::token;
use parasol_core::{GenerationEvent, Part};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// A chunk of text. One that holds anything else in any field, known here or not, does not fit, and is read as a tree.
/// Fields that are never read stand here to be checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
pub(super) struct Plain {
    choices: [Choice; 1],
    #[serde(default)]
    usage: (),
    #[serde(default)]
    error: (),
    #[serde(default)]
    id: IgnoredAny,
    #[serde(default)]
    object: IgnoredAny,
    #[serde(default)]
    created: IgnoredAny,
    #[serde(default)]
    model: IgnoredAny,
    #[serde(default)]
    system_fingerprint: IgnoredAny,
    #[serde(default)]
    service_tier: IgnoredAny,
    #[serde(default)]
    obfuscation: IgnoredAny,
    #[serde(default)]
    provider: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Choice {
    delta: Delta,
    #[serde(default)]
    logprobs: (),
    #[serde(default)]
    finish_reason: (),
    #[serde(default)]
    native_finish_reason: (),
    #[serde(default)]
    stop_reason: (),
    #[serde(default)]
    index: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    reasoning: Option<String>,
    #[serde(default)]
    refusal: (),
    #[serde(default)]
    tool_calls: (),
    #[serde(default)]
    function_call: (),
    #[serde(default)]
    role: IgnoredAny,
}

impl Plain {
    /// The chunk, if it is one of text.
    pub(super) fn read(data: &str) -> Option<Self> {
        serde_json::from_str(data).ok()
    }

    /// Its text as events.
    pub(super) fn tell(self, out: &mut Vec<GenerationEvent>) {
        let [Choice { delta, .. }] = self.choices;
        if let Some(thought) = delta.reasoning_content.or(delta.reasoning) {
            token(thought, Part::Reasoning, &Value::Null, out);
        }
        if let Some(text) = delta.content {
            token(text, Part::Answer, &Value::Null, out);
        }
    }
}
