//! What the book holds, added up.

use crate::ledger::{Line, date};
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

    /// What a line is summed up under.
    #[must_use]
    pub fn of(self, line: &Line) -> String {
        match self {
            Self::Day => date(line.at).to_string(),
            Self::Model => line.model.clone(),
            Self::Provider => line.provider.clone(),
            Self::Key => line.client.clone(),
        }
    }
}

/// A sum over lines.
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
    /// Takes a line in.
    pub fn add(&mut self, line: &Line) {
        let count = |n: usize| n as u64;
        self.answers = self.answers.saturating_add(1);
        self.prompt_tokens = self.prompt_tokens.saturating_add(count(line.usage.prompt_tokens));
        self.cached_tokens = self.cached_tokens.saturating_add(count(line.usage.cached_tokens));
        self.generated_tokens = self.generated_tokens.saturating_add(count(line.usage.generated_tokens));
        match line.usage.cost {
            Some(cost) => self.cost = self.cost.plus(cost),
            None => self.unpriced = self.unpriced.saturating_add(1),
        }
    }
}

/// Lines of the book, summed up for each day and each of what they are told apart by.
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
    /// The sums over these lines.
    #[must_use]
    pub fn of<'l>(lines: impl IntoIterator<Item = &'l Line>, by: By) -> Self {
        let mut it = Self::default();
        for line in lines {
            let name = by.of(line);
            it.rows.entry((date(line.at), name.clone())).or_default().add(line);
            it.names.entry(name).or_default().add(line);
            it.total.add(line);
        }
        it
    }
}
