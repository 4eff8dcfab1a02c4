//! Picking candidates out of many logits without sorting them: the k best, all above a threshold, and the smallest set of
//! a given mass.

use parasol_kernels::Isa;

/// A token that may be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Token id.
    pub id: u32,
    /// Its logit.
    pub logit: f32,
    /// Its weight; what it means is up to the step at hand.
    pub weight: f32,
}

impl Candidate {
    fn new(id: usize, logit: f32) -> Self {
        Self { id: id as u32, logit, weight: 0.0 }
    }
}

/// Highest logit first; of equals the lower id. Logits are numbers by now; adding 0 makes −0 the equal of 0.
pub(crate) fn by_logit(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    (b.logit + 0.0).total_cmp(&(a.logit + 0.0)).then(a.id.cmp(&b.id))
}

/// The `k` highest logits in any order; of equals the lower ids. −∞ is never among them.
pub(crate) fn top(isa: Isa, values: &[f32], k: usize, out: &mut Vec<Candidate>) {
    out.clear();
    let k = k.min(values.len());
    if k == 0 {
        return;
    }
    let room = (2 * k).max(64);
    let mut bound = f32::NEG_INFINITY;
    isa.above(values, bound, |id, logit| {
        out.push(Candidate::new(id, logit));
        if out.len() >= room {
            out.select_nth_unstable_by(k - 1, by_logit);
            out.truncate(k);
            // Later ids lose against equals, so from here on only higher logits matter.
            bound = out.last().map_or(bound, |last| last.logit);
        }
        bound
    });
    if out.len() > k {
        out.select_nth_unstable_by(k - 1, by_logit);
        out.truncate(k);
    }
}

/// All logits of at least `least`, in order of id.
pub(crate) fn at_least(isa: Isa, values: &[f32], least: f32, out: &mut Vec<Candidate>) {
    out.clear();
    let bound = least.next_down();
    isa.above(values, bound, |id, logit| {
        out.push(Candidate::new(id, logit));
        bound
    });
}

/// Keeps the first candidates in the order of `compare` until their weights reach `mass`: at least one, and no more than
/// needed. Quickselect by weight (linear time); the order of those kept is unspecified but the same on every run.
pub(crate) fn nucleus(
    candidates: &mut Vec<Candidate>,
    mass: f64,
    compare: impl Fn(&Candidate, &Candidate) -> std::cmp::Ordering,
) {
    let (mut low, mut high, mut need) = (0, candidates.len(), mass);
    while high - low > 1 {
        // Below `low` all are kept, from `high` on all are dropped; cut the part between in half.
        let middle = (high - low) / 2;
        let part = &mut candidates[low..high];
        part.select_nth_unstable_by(middle, &compare);
        let upper: f64 = part[..middle].iter().map(|c| f64::from(c.weight)).sum();
        if upper >= need {
            high = low + middle;
        } else {
            need -= upper;
            low += middle;
        }
    }
    candidates.truncate(high.max(1));
}
