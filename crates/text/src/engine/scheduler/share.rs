//! How many tokens each sequence computes in a step: those that generate get theirs first, and what is left goes to prompts
//! in equal parts, so that a long prompt holds up neither another's tokens nor another's short prompt. Half of it is the oldest
//! prompt's, so that many short ones don't hold up a long one for good.

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

/// Divides a step between sequences with (tokens missing, whether it generates), the oldest first.
pub(super) fn divide(sequences: impl Iterator<Item = (usize, bool)>) -> Vec<Share> {
    let sequences: Vec<_> = sequences.collect();
    let generating = |&(missing, decoding): &(usize, bool)| decoding && missing > 0;
    let mut left = if sequences.iter().any(generating) { PREFILL_BESIDE } else { PREFILL };
    let mut shares: Vec<_> =
        sequences.iter().map(|s| Share { tokens: if generating(s) { s.0 } else { 0 } }).collect();
    let mut prompts: Vec<_> = (0..sequences.len()).filter(|&i| !generating(&sequences[i])).collect();
    prompts.retain(|&i| sequences[i].0 > 0);
    if let Some(&oldest) = prompts.first() {
        shares[oldest].tokens = sequences[oldest].0.min(left / 2);
        left -= shares[oldest].tokens;
    }
    // Then the shortest first: what it leaves of its part is the others'.
    let rest = |shares: &[Share], i: usize| sequences[i].0 - shares[i].tokens;
    prompts.retain(|&i| rest(&shares, i) > 0);
    prompts.sort_by_key(|&i| rest(&shares, i));
    let mut others = prompts.len();
    for index in prompts {
        let part = (left / others).max(LEAST).min(left).min(rest(&shares, index));
        shares[index].tokens += part;
        left -= part;
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
        assert_eq!(many[1], LEAST);
    }

    #[test]
    fn many_short_prompts_do_not_hold_up_the_oldest_for_good() {
        let mut sequences = vec![(4000, false), (1, true)];
        sequences.extend([(30, false); 30]);
        let shared = tokens(&sequences);
        assert_eq!((shared[0], shared[1]), (PREFILL_BESIDE / 2, 1));
        assert_eq!(shared[2..].iter().sum::<usize>(), PREFILL_BESIDE / 2);
    }
}
