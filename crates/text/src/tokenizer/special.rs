//! Tokens with a job: begin and end of text, end of turn, fill-in-the-middle. Where a file does not name them they are
//! found by their well-known texts, as llama.cpp finds them.

use super::source::SpecialIds;
use super::vocabulary::{TokenKind, Vocabulary};

/// Texts by which an end-of-turn token is known, first match first.
const END_OF_TURN: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
];
const END_OF_MESSAGE: &[&str] = &["<|eom_id|>"];
const FIM_PREFIX: &[&str] = &[
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<PRE>",
    "▁<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
];
const FIM_SUFFIX: &[&str] = &[
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<SUF>",
    "▁<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
];
const FIM_MIDDLE: &[&str] = &[
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
    "<MID>",
    "▁<MID>",
    "<|code_middle|>",
    "<|middle|>",
];
const FIM_PAD: &[&str] = &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"];
const FIM_REPO: &[&str] =
    &["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<repo_name>"];
const FIM_SEP: &[&str] = &["<|file_sep|>", "<file_sep>"];

/// Texts that end a generation wherever they occur.
const END_OF_GENERATION: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
];
/// Parts of gpt-oss's message format: they belong to the text that a reader of its channels needs.
const HARMONY_TEXT: &[&str] = &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/// Drops ids outside the vocabulary (a warning-free file would not have them) and finds the missing ones by name.
/// Tokens found by name become control tokens whatever the file calls them.
pub(crate) fn resolve(named: SpecialIds, vocabulary: &mut Vocabulary) -> SpecialIds {
    let count = vocabulary.len() as u64;
    let inside = |id: Option<u32>| id.filter(|&id| u64::from(id) < count);
    let mut find = |id: Option<u32>, names: &[&str]| {
        inside(id).or_else(|| {
            let id = names.iter().find_map(|name| vocabulary.id(name.as_bytes()))?;
            vocabulary.set_kind(id, TokenKind::Control);
            Some(id)
        })
    };
    SpecialIds {
        bos: inside(named.bos),
        eos: inside(named.eos),
        unk: inside(named.unk),
        sep: inside(named.sep),
        pad: inside(named.pad),
        eot: find(named.eot, END_OF_TURN),
        eom: find(named.eom, END_OF_MESSAGE),
        fim_prefix: find(named.fim_prefix, FIM_PREFIX),
        fim_suffix: find(named.fim_suffix, FIM_SUFFIX),
        fim_middle: find(named.fim_middle, FIM_MIDDLE),
        fim_pad: find(named.fim_pad, FIM_PAD),
        fim_repo: find(named.fim_repo, FIM_REPO),
        fim_sep: find(named.fim_sep, FIM_SEP),
    }
}

/// All tokens that end a generation, in ascending order.
pub(crate) fn end_of_generation(special: &SpecialIds, vocabulary: &mut Vocabulary) -> Vec<u32> {
    let mut ends: Vec<u32> =
        END_OF_GENERATION.iter().filter_map(|name| vocabulary.id(name.as_bytes())).collect();
    // `</s>` ends Llama 2 and its kin; where it is an ordinary token (Gemma's HTML tags) it is text.
    ends.extend(vocabulary.id(b"</s>").filter(|&id| vocabulary.kind(id) == Some(TokenKind::Control)));
    for &id in &ends {
        vocabulary.set_kind(id, TokenKind::Control);
    }
    for name in HARMONY_TEXT {
        if let Some(id) = vocabulary.id(name.as_bytes()) {
            vocabulary.set_kind(id, TokenKind::UserDefined);
        }
    }
    ends.extend(
        [special.eos, special.eot, special.eom, special.fim_pad, special.fim_repo, special.fim_sep]
            .iter()
            .flatten(),
    );
    let has = |name: &str| vocabulary.id(name.as_bytes()).is_some_and(|id| ends.contains(&id));
    // gpt-oss and Solar write `<|end|>` after every message, the thinking included: there it ends a message, no answer.
    let message_end =
        (has("<|return|>") && has("<|call|>")) || (has("<|flush|>") && (has("<|call|>") || has("<|calls|>")));
    if message_end && let Some(end) = vocabulary.id(b"<|end|>") {
        ends.retain(|&id| id != end);
        vocabulary.set_kind(end, TokenKind::UserDefined);
    }
    ends.sort_unstable();
    ends.dedup();
    ends
}
