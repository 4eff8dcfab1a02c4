//! Guesses at the next tokens from the sequence's own past (prompt-lookup decoding, Saxena 2023): where the last tokens have
//! stood before, what followed them then may follow again. A guess is computed together with the token that is due and kept as
//! far as the sampler draws the same; the answer's distribution is the model's own.
//!
//! Worth it where a step of a few tokens takes less than twice the time of one: with few sequences.

/// Sequences that generate, up to which guesses are computed. With more the products are busy without them.
pub(super) const FEW: usize = 2;

/// Tokens guessed at once: with the one that is due four, which the products for few tokens take in one pass.
const MOST: usize = 3;

/// Tokens that must have stood before.
const MATCH: usize = 3;

/// Steps without guesses after one that was all wrong, at most.
const LONGEST_PAUSE: u32 = 64;

/// One sequence's luck with guesses.
#[derive(Debug, Default)]
pub(super) struct Drafting {
    pause: u32,
    next_pause: u32,
}

impl Drafting {
    /// What may follow `known`, at most `room` tokens.
    pub(super) fn propose(&mut self, known: &[u32], room: usize) -> Vec<u32> {
        if self.pause > 0 {
            self.pause -= 1;
            return Vec::new();
        }
        let Some(split) = known.len().checked_sub(MATCH) else { return Vec::new() };
        let (before, last) = known.split_at(split);
        // The latest place is the likeliest. It may overlap the end, as in a run of the same few tokens.
        let place = (1..=before.len()).rev().map(|end| end - 1).find(|&at| &known[at..at + MATCH] == last);
        let Some(place) = place else { return Vec::new() };
        known[place + MATCH..].iter().copied().take(MOST.min(room)).collect()
    }

    /// Takes note of how many of the guessed tokens were right.
    pub(super) fn learn(&mut self, guessed: usize, right: usize) {
        match (guessed, right) {
            (0, _) => {}
            (_, 0) => {
                self.next_pause = (self.next_pause * 2 + 1).min(LONGEST_PAUSE);
                self.pause = self.next_pause;
            }
            _ => self.next_pause = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_before_is_guessed() {
        let mut drafting = Drafting::default();
        assert_eq!(drafting.propose(&[1, 2, 3, 4, 5, 6, 1, 2, 3], 8), [4, 5, 6]);
        assert_eq!(drafting.propose(&[1, 2, 3, 4, 5, 6, 1, 2, 3], 1), [4]);
        assert_eq!(drafting.propose(&[7, 7, 7, 7], 8), [7]);
        assert!(drafting.propose(&[1, 2, 3, 4], 8).is_empty());
        assert!(drafting.propose(&[1, 2], 8).is_empty());
    }

    #[test]
    fn wrong_guesses_are_made_less_and_less() {
        let (mut drafting, known) = (Drafting::default(), [1, 2, 3, 4, 1, 2, 3]);
        let mut made = 0;
        for _ in 0..200 {
            let guess = drafting.propose(&known, 8);
            made += usize::from(!guess.is_empty());
            drafting.learn(guess.len(), 0);
        }
        assert!(made < 12, "{made}");
    }
}
