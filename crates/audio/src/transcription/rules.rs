//! Which tokens may come next: marks that are never written, and times that come in pairs and do not go back (OpenAI's
//! `decoding.py`; the paper's section 4.5).

use super::tokens::{Special, Vocabulary};
use parasol_kernels::Compute;

/// The latest time at which the first segment of a window may begin, in steps of 0.02 s.
const LATEST_START: u32 = 50;

/// The rules of one request.
pub(crate) struct Rules {
    special: Special,
    /// Times are written.
    times: bool,
    never: Vec<u32>,
    /// What may not come first: a space, or the end.
    not_first: Vec<u32>,
}

impl Rules {
    pub(crate) fn new(special: &Special, vocabulary: &Vocabulary, times: bool) -> Self {
        let mut never = vocabulary.no_speech_tokens();
        never.extend(special.never());
        never.push(special.no_times);
        let mut not_first = vocabulary.encode(" ");
        not_first.push(special.end);
        Self { special: special.clone(), times, never, not_first }
    }

    /// Takes out of `logits` what may not follow `written`, the tokens behind the prompt.
    pub(crate) fn apply(&self, compute: &Compute, logits: &mut [f32], written: &[u32]) {
        let Special { end, time, .. } = self.special;
        let (end, time) = (end as usize, time as usize);
        self.never.iter().for_each(|token| logits[*token as usize] = f32::NEG_INFINITY);
        if written.is_empty() {
            self.not_first.iter().for_each(|token| logits[*token as usize] = f32::NEG_INFINITY);
        }
        if !self.times {
            logits[time..].fill(f32::NEG_INFINITY);
            return;
        }
        let is_time =
            |back: usize| written.len().checked_sub(back).is_some_and(|at| written[at] >= time as u32);
        if is_time(1) {
            // Times come in pairs: after the second text follows, after the first its twin or the end.
            if written.len() < 2 || is_time(2) {
                logits[time..].fill(f32::NEG_INFINITY);
            } else {
                logits[..end].fill(f32::NEG_INFINITY);
            }
        }
        if let Some(last) = written.iter().rev().find(|token| **token >= time as u32) {
            // A segment may begin where the one before ends, and no segment is empty.
            let begins = is_time(1) && !is_time(2) && written.len() >= 2;
            let first = *last as usize + usize::from(!begins);
            // A time behind the last one there is ends the range.
            let first = first.min(logits.len());
            logits[time..first].fill(f32::NEG_INFINITY);
        }
        if written.is_empty() {
            logits[..time].fill(f32::NEG_INFINITY);
            let latest = time + LATEST_START as usize + 1;
            logits[latest..].fill(f32::NEG_INFINITY);
            return;
        }
        // Where some time is likelier than any text, it is a time.
        let text = compute.largest(&logits[..time]);
        if compute.log_sum_exp(&logits[time..]) > text {
            logits[..time].fill(f32::NEG_INFINITY);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_kernels::Isa;

    fn allowed(written: &[u32], likely: &[u32]) -> Vec<u32> {
        let special = Special::of(51_865);
        let vocabulary = Vocabulary::new((0..=255u8).map(|b| vec![b]).collect()).unwrap();
        let rules = Rules::new(&special, &vocabulary, true);
        let mut logits = vec![0.0; 51_865];
        likely.iter().for_each(|token| logits[*token as usize] = 30.0);
        rules.apply(&Compute::new(Isa::detect(), 1), &mut logits, written);
        (0..).zip(logits).filter(|(_, l)| *l > f32::NEG_INFINITY).map(|(token, _)| token).collect()
    }

    #[test]
    fn times_come_in_pairs_and_do_not_go_back() {
        let (time, end) = (50_364, 50_257);
        // The first token is a time within the first second.
        assert_eq!(allowed(&[], &[]), (time..=time + 50).collect::<Vec<_>>());
        // Then text.
        assert!(allowed(&[time], &[]).iter().all(|token| *token < time));
        // Text is followed by text, or a later time.
        let after = allowed(&[time + 10, 300, 301], &[302]);
        assert!(after.contains(&302) && !after.contains(&(time + 10)) && after.contains(&(time + 11)));
        // A time is followed by its twin, a later one, or the end; two of them by text.
        let after = allowed(&[time, 300, time + 20], &[end]);
        assert_eq!(after.first(), Some(&end));
        assert!(after.contains(&(time + 20)) && !after.contains(&(time + 19)));
        assert!(allowed(&[time, 300, time + 20, time + 20], &[]).iter().all(|token| *token < time));
        // Where times together are likelier than any text, there is no text.
        assert!(allowed(&[time, 300], &[]).iter().all(|token| *token > time));
        assert!(allowed(&[time, 300], &[310]).contains(&310));
        // Marks and brackets are never written.
        let after = allowed(&[time, 300], &[310]);
        assert!([50_258, 50_359, 50_362, 50_363, u32::from(b'(')].iter().all(|token| !after.contains(token)));
    }
}
