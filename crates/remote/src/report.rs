//! What the book holds, added up.

use jiff::civil::Date;
use parasol_core::Money;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is summed up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Answers of one day, in UTC.
    Day,
    /// Answers of one model.
    Model,
    /// Answers of one provider.
    Provider,
    /// Answers to one who asks: an API key's id, an address, or `local`.
    Key,
}

impl By {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Self); 4] =
        [("day", Self::Day), ("model", Self::Model), ("provider", Self::Provider), ("key", Self::Key)];
}

/// A sum over answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sum {
    /// Answers.
    pub answers: u64,
    /// Tokens of their prompts.
    pub prompt_tokens: u64,
    /// Of these, from caches.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub generated_tokens: u64,
    /// What they cost, as far as prices are known.
    pub cost: Money,
    /// Answers whose price is not known.
    pub unpriced: u64,
}

impl Sum {
    /// Takes another sum in.
    fn add(&mut self, other: &Self) {
        self.answers = self.answers.saturating_add(other.answers);
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.generated_tokens = self.generated_tokens.saturating_add(other.generated_tokens);
        self.cost = self.cost.plus(other.cost);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
    }
}

/// Answers of the book, summed up for each day and each of what they are told apart by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// By day and name, the oldest day first.
    pub rows: BTreeMap<(Date, String), Sum>,
    /// By name, over all days.
    pub names: BTreeMap<String, Sum>,
    /// Over everything.
    pub total: Sum,
}

impl Report {
    /// What the sums of each day and name come to.
    pub(crate) fn of(sums: impl IntoIterator<Item = (Date, String, Sum)>) -> Self {
        let mut it = Self::default();
        for (day, name, sum) in sums {
            it.names.entry(name.clone()).or_default().add(&sum);
            it.total.add(&sum);
            it.rows.entry((day, name)).or_default().add(&sum);
        }
        it
    }
}
