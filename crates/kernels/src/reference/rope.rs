//! Rotary position embedding (Su et al., 2021): pairs of values of a head are turned by position × frequency.

/// How the values of a head are paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// (0, 1), (2, 3) …: Llama's own layout.
    Adjacent,
    /// (0, r/2), (1, r/2 + 1) …: the layout of GPT-NeoX and Hugging Face.
    Halves,
}

/// One rotary embedding.
#[derive(Debug, Clone, Copy)]
pub struct Rope<'a> {
    /// Base θ: pair `i` turns by θ^(−2i / rotated) radians a position.
    pub base: f32,
    /// Each pair's frequency is divided by its factor; empty means 1 everywhere, else one per pair.
    pub factors: &'a [f32],
    /// Multiplies the rotated values (YaRN's attention factor).
    pub magnitude: f32,
    /// Which values form a pair.
    pub pairs: Pairs,
    /// The first so many values of a head are rotated, the others kept.
    pub rotated: usize,
}

/// Rotates `x` (tokens × heads × head_dim) in place; token `t` stands at `positions[t]`.
///
/// # Panics
/// When the shapes do not fit: `x` not whole tokens, `rotated` odd or beyond the head, factors of another count.
pub fn rope(x: &mut [f32], positions: &[usize], heads: usize, head_dim: usize, rope: &Rope<'_>) {
    let pairs = rope.rotated / 2;
    assert_eq!(x.len(), positions.len() * heads * head_dim);
    assert!(rope.rotated.is_multiple_of(2) && rope.rotated <= head_dim);
    assert!(rope.factors.is_empty() || rope.factors.len() == pairs);
    for (token, &position) in x.chunks_exact_mut(heads * head_dim).zip(positions) {
        for head in token.chunks_exact_mut(head_dim) {
            for pair in 0..pairs {
                let frequency = f64::from(rope.base).powf(-2.0 * pair as f64 / rope.rotated as f64);
                let factor = rope.factors.get(pair).map_or(1.0, |&f| f64::from(f));
                let (sin, cos) = (position as f64 * frequency / factor).sin_cos();
                let (i, j) = match rope.pairs {
                    Pairs::Adjacent => (2 * pair, 2 * pair + 1),
                    Pairs::Halves => (pair, pair + pairs),
                };
                let (a, b) = (f64::from(head[i]), f64::from(head[j]));
                let magnitude = f64::from(rope.magnitude);
                head[i] = ((a * cos - b * sin) * magnitude) as f32;
                head[j] = ((a * sin + b * cos) * magnitude) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(pairs: Pairs, rotated: usize) -> Rope<'static> {
        Rope { base: 10_000.0, factors: &[], magnitude: 1.0, pairs, rotated }
    }

    #[test]
    fn the_two_layouts_turn_the_same_pairs_by_the_same_angles() {
        // Pair 0 turns by the position, pair 1 by position / 100 (θ = 10 000, rotated = 4).
        let (one, two) = ((2f32.cos(), 2f32.sin()), (0.02f32.cos(), 0.02f32.sin()));
        let mut adjacent = [1.0, 0.0, 0.0, 3.0];
        rope(&mut adjacent, &[2], 1, 4, &plain(Pairs::Adjacent, 4));
        let mut halves = [1.0, 0.0, 0.0, 3.0];
        rope(&mut halves, &[2], 1, 4, &plain(Pairs::Halves, 4));
        let expected_adjacent = [one.0, one.1, -3.0 * two.1, 3.0 * two.0];
        let expected_halves = [one.0, -3.0 * two.1, one.1, 3.0 * two.0];
        for i in 0..4 {
            assert!((adjacent[i] - expected_adjacent[i]).abs() < 1e-6, "{adjacent:?}");
            assert!((halves[i] - expected_halves[i]).abs() < 1e-6, "{halves:?}");
        }
    }

    #[test]
    fn position_zero_and_what_is_not_rotated_stay() {
        let start: Vec<f32> = (0..16).map(|i| i as f32 - 3.0).collect();
        let mut x = start.clone();
        // (2 tokens, 2 heads, 4)
        rope(&mut x, &[0, 5], 2, 4, &plain(Pairs::Halves, 2));
        assert_eq!(x[..8], start[..8]);
        for head in [8, 12] {
            assert_ne!(x[head..head + 2], start[head..head + 2]);
            assert_eq!(x[head + 2..head + 4], start[head + 2..head + 4]);
        }
    }

    #[test]
    fn frequencies_follow_the_rotated_width_and_not_the_head() {
        let mut x = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        rope(&mut x, &[50], 1, 8, &plain(Pairs::Adjacent, 4));
        assert!((x[2] - 0.5f32.cos()).abs() < 1e-6 && (x[3] - 0.5f32.sin()).abs() < 1e-6, "{x:?}");
    }

    #[test]
    fn a_factor_slows_its_pair_and_magnitude_scales() {
        let mut slowed = [1.0, 0.0, 1.0, 0.0];
        let scaled = Rope { factors: &[4.0, 1.0], magnitude: 2.0, ..plain(Pairs::Adjacent, 4) };
        rope(&mut slowed, &[4], 1, 4, &scaled);
        assert!((slowed[0] - 2.0 * 1f32.cos()).abs() < 1e-6 && (slowed[1] - 2.0 * 1f32.sin()).abs() < 1e-6);
        assert!((slowed[2] - 2.0 * 0.04f32.cos()).abs() < 1e-6);
    }
}
