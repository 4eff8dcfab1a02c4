//! The texts of control tokens as beginnings and ends of other texts: whether a text stops in the middle of one, or goes on
//! where one has begun.

use super::vocabulary::Vocabulary;

/// The control tokens of a vocabulary, ordered by their texts read in both directions.
#[derive(Clone, Default)]
pub(crate) struct Affixes {
    forwards: Vec<u32>,
    backwards: Vec<u32>,
    longest: usize,
}

impl Affixes {
    /// Orders `ids`.
    pub(crate) fn new(vocabulary: &Vocabulary, ids: Vec<u32>) -> Self {
        let text = |id: &u32| vocabulary.text(*id).unwrap_or_default();
        let longest = ids.iter().map(|id| text(id).len()).max().unwrap_or(0);
        let (mut forwards, mut backwards) = (ids.clone(), ids);
        forwards.sort_unstable_by(|a, b| text(a).cmp(text(b)));
        backwards.sort_unstable_by(|a, b| text(a).iter().rev().cmp(text(b).iter().rev()));
        Self { forwards, backwards, longest }
    }

    /// Whether `text` ends with the beginning of a token, but not with all of it.
    pub(crate) fn begin_at_the_end(&self, vocabulary: &Vocabulary, text: &[u8]) -> bool {
        let token = |id: &u32| vocabulary.text(*id).unwrap_or_default();
        let longest = text.len().min(self.longest.saturating_sub(1));
        (1..=longest).filter_map(|len| text.get(text.len() - len..)).any(|tail| {
            let at = self.forwards.partition_point(|id| token(id) <= tail);
            self.forwards.get(at).is_some_and(|id| token(id).starts_with(tail))
        })
    }

    /// Whether `text` begins with the end of a token, but not with all of it.
    pub(crate) fn end_at_the_beginning(&self, vocabulary: &Vocabulary, text: &[u8]) -> bool {
        let token = |id: &u32| vocabulary.text(*id).unwrap_or_default();
        let longest = text.len().min(self.longest.saturating_sub(1));
        (1..=longest).filter_map(|len| text.get(..len)).any(|head| {
            let at = self.backwards.partition_point(|id| token(id).iter().rev().le(head.iter().rev()));
            self.backwards.get(at).is_some_and(|id| token(id).ends_with(head))
        })
    }
}
