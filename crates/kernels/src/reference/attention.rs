//! Scaled dot-product attention (Vaswani et al., 2017) over cached keys and values, causal, with grouped heads.

use super::pointwise::{softcap, softmax_f64};
use super::product::dot;

/// Shapes and rules of one attention.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Query heads; query head `h` reads key/value head `h / (heads / kv_heads)`.
    pub heads: usize,
    /// Key/value heads; divides `heads`.
    pub kv_heads: usize,
    /// Values of a head.
    pub head_dim: usize,
    /// Position of the first query; query `t` stands at `offset + t`.
    pub offset: usize,
    /// `Some(w)`: a query sees itself and the w − 1 positions before it. `None`: all before it.
    pub window: Option<usize>,
    /// Multiplies q·k (usually 1/√head_dim).
    pub scale: f32,
    /// tanh soft cap on the scaled scores.
    pub softcap: Option<f32>,
}

/// `q` (tokens × heads × head_dim) over `k` and `v` (positions × kv_heads × head_dim). Returns
/// (tokens × heads × head_dim). Positions after a query's own are never read for it, so `k` and `v` may hold more.
///
/// # Panics
/// When the shapes do not fit, or fewer positions are given than the last query needs.
pub fn attention(q: &[f32], k: &[f32], v: &[f32], a: &Attention) -> Vec<f32> {
    let (q_width, kv_width) = (a.heads * a.head_dim, a.kv_heads * a.head_dim);
    assert!(a.heads.is_multiple_of(a.kv_heads) && q.len().is_multiple_of(q_width));
    assert!(k.len() == v.len() && k.len().is_multiple_of(kv_width));
    let tokens = q.len() / q_width;
    assert!(a.offset + tokens <= k.len() / kv_width, "fewer positions than the last query needs");

    let mut out = Vec::with_capacity(q.len());
    for token in 0..tokens {
        let end = a.offset + token + 1;
        let start = a.window.map_or(0, |w| end.saturating_sub(w));
        for head in 0..a.heads {
            let kv_head = head / (a.heads / a.kv_heads);
            let key_at = |position: usize| position * kv_width + kv_head * a.head_dim;
            let query = &q[token * q_width + head * a.head_dim..][..a.head_dim];
            let scores: Vec<f64> = (start..end)
                .map(|position| {
                    let score = dot(query, &k[key_at(position)..][..a.head_dim]) * f64::from(a.scale);
                    a.softcap.map_or(score, |cap| softcap(score, cap))
                })
                .collect();
            let shares = softmax_f64(&scores); // (end − start)
            out.extend((0..a.head_dim).map(|d| {
                let read = |position: usize| f64::from(v[key_at(position) + d]);
                shares.iter().zip(start..end).map(|(share, position)| share * read(position)).sum::<f64>()
                    as f32
            }));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_head() -> Attention {
        Attention { heads: 1, kv_heads: 1, head_dim: 1, offset: 0, window: None, scale: 1.0, softcap: None }
    }

    /// Keys of zero share attention equally, so the output is the mean of the values that are seen.
    fn means(offset: usize, tokens: usize, window: Option<usize>) -> Vec<f32> {
        let v = [1.0, 2.0, 4.0, 8.0, 16.0];
        attention(&vec![1.0; tokens], &[0.0; 5], &v, &Attention { offset, window, ..one_head() })
    }

    fn close(got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-5), "{got:?} and {want:?}");
    }

    #[test]
    fn a_query_sees_itself_and_what_came_before() {
        close(&means(0, 3, None), &[1.0, 1.5, 7.0 / 3.0]);
        close(&means(3, 2, None), &[15.0 / 4.0, 31.0 / 5.0]);
    }

    #[test]
    fn a_window_counts_the_query_itself() {
        close(&means(2, 3, Some(2)), &[3.0, 6.0, 12.0]);
        close(&means(0, 2, Some(1)), &[1.0, 2.0]);
        close(&means(0, 2, Some(9)), &[1.0, 1.5]);
    }

    #[test]
    fn scores_are_scaled_then_capped() {
        // Scores 0 and 4 · scale; capped at 1: tanh(2).
        let run = |scale, softcap| {
            let a = Attention { offset: 1, scale, softcap, ..one_head() };
            attention(&[2.0], &[0.0, 2.0], &[0.0, 1.0], &a)
        };
        let logistic = |x: f32| 1.0 / (1.0 + (-x).exp());
        close(&run(0.5, None), &[logistic(2.0)]);
        close(&run(0.5, Some(1.0)), &[logistic(2f32.tanh())]);
    }

    #[test]
    fn neighbouring_query_heads_share_a_key_value_head() {
        // (1 token, 4 heads, 1) over (1 position, 2 kv heads, 1)
        let a = Attention { heads: 4, kv_heads: 2, ..one_head() };
        assert_eq!(attention(&[1.0; 4], &[0.0; 2], &[3.0, 7.0], &a), [3.0, 3.0, 7.0, 7.0]);
        // (1 token, 2 heads, 2): head 1's query matches position 0's key, head 0's position 1's.
        let a = Attention { heads: 2, kv_heads: 1, head_dim: 2, offset: 1, scale: 100.0, ..one_head() };
        let out = attention(&[0.0, 1.0, 1.0, 0.0], &[1.0, 0.0, 0.0, 1.0], &[1.0, 2.0, 3.0, 4.0], &a);
        close(&out, &[3.0, 4.0, 1.0, 2.0]);
    }
}
