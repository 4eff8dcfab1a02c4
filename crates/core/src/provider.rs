//! What only models behind other addresses bring along: seals on what they thought, sources that they cite, marks for their
//! caches, and the price of an answer. Local engines make none of it and need none of it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A provider's seal on a part of an assistant message. The provider wants it back, unchanged, with that part; nobody else
/// can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Who made it.
    pub by: Signer,
    /// What it belongs to.
    pub part: SignedPart,
    /// The seal.
    pub data: String,
}

/// Whose seal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    /// Anthropic's Messages API: `signature` and `redacted_thinking`.
    Anthropic,
    /// Google's Gemini API: `thoughtSignature`.
    Google,
    /// OpenAI's Responses API: `encrypted_content`.
    OpenAi,
}

impl Signer {
    /// Its name on the wire, where a dialect carries the seal of another.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::OpenAi => "openai",
        }
    }

    /// The signer of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Anthropic, Self::Google, Self::OpenAi].into_iter().find(|signer| signer.name() == name)
    }
}

/// The part of a message that a seal belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignedPart {
    /// What was thought: a block of it, word for word.
    Thought(String),
    /// Thinking that the provider does not show.
    Hidden,
    /// The call of this index.
    Call(usize),
    /// The answer's text.
    Answer,
}

/// A source that an answer, or a passage of one, rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Citation {
    /// Its address, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The words of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Which of the request's documents it is, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<usize>,
    /// Where in the source, in the unit that the provider counts in: characters of text, pages, or blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<CitedRange>,
}

/// A place in a source: from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CitedRange {
    /// What is counted.
    pub unit: CitedUnit,
    /// The first of it.
    pub start: u64,
    /// The first that is no longer of it.
    pub end: u64,
}

/// What a place in a source is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CitedUnit {
    /// Characters of a text, from 0.
    Characters,
    /// Pages of a document, from 1.
    Pages,
    /// Blocks of content, from 0.
    Blocks,
}

/// A mark that the prompt up to here will be used again, so that its provider may keep it computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheHint {
    /// For some minutes.
    Minutes,
    /// For an hour.
    Hour,
}

/// How hard a model thinks, where it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// As little as it can.
    Minimal,
    /// Little.
    Low,
    /// As usual.
    Medium,
    /// Much.
    High,
    /// As much as it can.
    XHigh,
}

impl Effort {
    /// All, from the least up.
    pub const ALL: [Self; 5] = [Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
        }
    }

    /// The effort of this name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.name().eq_ignore_ascii_case(name))
    }
}

/// An amount of money, in billionths of a US dollar: a token costs less than any smaller unit shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub u64);

impl Money {
    /// Dollars; what is negative or no number is nothing.
    #[must_use]
    pub fn dollars(amount: f64) -> Self {
        // The cast saturates, and takes NaN for 0.
        Self((amount * 1e9).round() as u64)
    }

    /// The amount in dollars.
    #[must_use]
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// `$0.001234`: as many digits as an answer's price needs, and two at least.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.6}", self.as_dollars());
        let short = text.trim_end_matches('0');
        let digits = short.rsplit('.').next().map_or(0, str::len);
        if digits >= 2 { write!(f, "${short}") } else { write!(f, "${:.2}", self.as_dollars()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_counted_to_the_billionth_and_shown_short() {
        assert_eq!(Money::dollars(0.000_000_15).0, 150);
        assert_eq!(Money::dollars(f64::NAN), Money(0));
        assert_eq!(Money::dollars(-1.0), Money(0));
        for (amount, shown) in [(0.0, "$0.00"), (1.5, "$1.50"), (0.001_234, "$0.001234"), (12.0, "$12.00")] {
            assert_eq!(Money::dollars(amount).to_string(), shown);
        }
        assert_eq!(Money(u64::MAX).plus(Money(1)), Money(u64::MAX));
    }

    #[test]
    fn efforts_and_signers_are_found_by_their_names() {
        for effort in Effort::ALL {
            assert_eq!(Effort::from_name(&effort.name().to_uppercase()), Some(effort));
        }
        assert_eq!(Signer::from_name("google"), Some(Signer::Google));
        assert_eq!(Signer::from_name("nobody"), None);
    }
}
