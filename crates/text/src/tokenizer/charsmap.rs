//! SentencePiece's compiled normalisation rules (`precompiled_charsmap`): a double-array trie of byte strings and the
//! strings that replace them (Kanda 2018, "Space- and Time-Efficient String Dictionaries").

use super::utf8::lenient_char;
use parasol_core::{Error, ErrorKind, Result};

/// The rules; empty ones leave valid text as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct CharsMap {
    /// Nodes, bit-packed: bits 0–7 the label, bit 8 whether a rule ends here, bit 9 whether the base is shifted, bits
    /// 10–30 the base, bit 31 set in nodes that hold a value.
    nodes: Vec<u32>,
    /// Zero-terminated replacements.
    replacements: Vec<u8>,
}

impl CharsMap {
    /// Reads the blob: a 32-bit length, that many bytes of nodes, then the replacements.
    ///
    /// # Errors
    /// `Corrupt` when the lengths do not fit.
    pub(crate) fn new(blob: &[u8]) -> Result<Self> {
        if blob.is_empty() {
            return Ok(Self::default());
        }
        let corrupt = || {
            Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the tokenizer's precompiled_charsmap ({} bytes) is damaged: its lengths do not fit",
                    blob.len()
                ),
            )
        };
        let (length, rest) = blob.split_first_chunk::<4>().ok_or_else(corrupt)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (nodes, replacements) = rest.split_at_checked(length).ok_or_else(corrupt)?;
        let nodes = nodes.as_chunks::<4>().0.iter().map(|node| u32::from_le_bytes(*node)).collect();
        if replacements.last().is_some_and(|&last| last != 0) {
            return Err(corrupt());
        }
        Ok(Self { nodes, replacements: replacements.to_vec() })
    }

    /// The text with every rule applied, longest match first from left to right; broken bytes become U+FFFD.
    pub(crate) fn apply(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + text.len() / 8);
        let mut at = 0;
        while at < text.len() {
            if let Some((length, replacement)) = self.longest(&text[at..]) {
                out.extend_from_slice(replacement);
                at += length;
            } else if let Some((_, length)) = lenient_char(text, at) {
                out.extend_from_slice(&text[at..at + length]);
                at += length;
            } else {
                out.extend_from_slice("\u{FFFD}".as_bytes());
                at += 1;
            }
        }
        out
    }

    /// The longest rule that `text` begins with: its length and what replaces it.
    fn longest(&self, text: &[u8]) -> Option<(usize, &[u8])> {
        let mut found = None;
        let mut index = base(*self.nodes.first()?);
        for (depth, &byte) in text.iter().enumerate() {
            index ^= u32::from(byte);
            let Some(&node) = self.nodes.get(index as usize) else { break };
            if byte == 0 || node & (1 << 31 | 0xFF) != u32::from(byte) {
                break;
            }
            index ^= base(node);
            if node >> 8 & 1 == 1 {
                let Some(&value) = self.nodes.get(index as usize) else { break };
                found = Some((depth + 1, value & !(1 << 31)));
            }
        }
        let (length, offset) = found?;
        let tail = self.replacements.get(offset as usize..)?;
        let end = tail.iter().position(|&b| b == 0)?;
        Some((length, &tail[..end]))
    }
}

/// The node's base: where its children begin, before the label is mixed in.
fn base(node: u32) -> u32 {
    node >> 10 << (node >> 6 & 8)
}
