//! How many tokens each sequence computes in a step: those that generate get theirs first, and what is left goes to prompts
//! in equal parts, so that a long prompt holds up neither another's tokens nor another's short prompt.

/// Prompt tokens of a step in which nobody generates: as many as the products need to run at full speed.
pub(in super::super) const PREFILL: usize = 512;

/// Prompt tokens of a step in which somebody waits for the next token.
const PREFILL_BESIDE: usize = 128;

/// Fewer prompt tokens than this at once waste the products.
const LEAST: usize = 32;

/// One sequence's part in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Tokens that it computes.
    pub(super) tokens: usize,
}

/// Divides a step between sequences with (tokens missing, whether it generates).
pub(super) fn divide(sequences: impl Iterator<Item = (usize, bool)>) -> Vec<Share> {
    let sequences: Vec<_> = sequences.collect();
    let generating = |&(missing, decoding): &(usize, bool)| decoding && missing > 0;
    let mut left = if sequences.iter().any(generating) { PREFILL_BESIDE } else { PREFILL };
    let mut shares: Vec<_> =
        sequences.iter().map(|s| Share { tokens: if generating(s) { s.0 } else { 0 } }).collect();
    // The shortest first: what it leaves of its part is the others'.
    let mut prompts: Vec<_> = (0..sequences.len()).filter(|&i| !generating(&sequences[i])).collect();
    prompts.retain(|&i| sequences[i].0 > 0);
    prompts.sort_by_key(|&i| sequences[i].0);
    let mut others = prompts.len();
    for index in prompts {
        let part = (left / others).max(LEAST).min(left);
        shares[index].tokens = sequences[index].0.min(part);
        left -= shares[index].tokens;
        others -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(sequences: &[(usize, bool)]) -> Vec<usize> {
        divide(sequences.iter().copied()).iter().map(|share| share.tokens).collect()
    }

    #[test]
    fn a_lone_prompt_gets_the_step() {
        assert_eq!(tokens(&[(4000, false)]), [PREFILL]);
        assert_eq!(tokens(&[(7, false)]), [7]);
    }

    #[test]
    fn who_generates_is_served_first_and_a_prompt_beside_it_is_cut_smaller() {
        assert_eq!(tokens(&[(4000, false), (1, true), (0, true)]), [PREFILL_BESIDE, 1, 0]);
    }

    #[test]
    fn a_short_prompt_does_not_wait_for_a_long_one() {
        assert_eq!(tokens(&[(4000, false), (20, false)]), [PREFILL - 20, 20]);
        let many = tokens(&[(100, false); 30]);
        assert_eq!(many.iter().sum::<usize>(), PREFILL);
        assert_eq!(many[0], LEAST);
    }
}
