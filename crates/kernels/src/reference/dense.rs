//! Layer norm, the exact GELU and attention without a cache, as encoders use them.

use super::pointwise::softmax_f64;
use super::product::dot;

/// Layer norm (Ba, Kiros and Hinton, 2016) of each row of `x` (rows × weight.len()): (x − mean) / √(variance + eps) · weight
/// + bias.
///
/// # Panics
/// When `x` is not whole rows, or there are not as many biases as weights.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32) -> Vec<f32> {
    let width = weight.len();
    assert!(width > 0 && x.len().is_multiple_of(width) && bias.len() == width);
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(width) {
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / width as f64;
        let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / width as f64;
        let scale = 1.0 / (variance + f64::from(eps)).sqrt();
        let scaled = row.iter().map(|&x| (f64::from(x) - mean) * scale);
        out.extend(
            scaled.zip(weight.iter().zip(bias)).map(|(x, (&w, &b))| (x * f64::from(w) + f64::from(b)) as f32),
        );
    }
    out
}

/// x · Φ(x) (Hendrycks and Gimpel, 2016). Φ is summed up from its Maclaurin series, or is 0 or 1 where f32 cannot tell.
pub fn gelu(x: f32) -> f32 {
    let z = f64::from(x);
    if z.abs() > 6.0 {
        return if z > 0.0 { x } else { 0.0 };
    }
    // Φ(z) = ½ + φ(z) (z + z³/3 + z⁵/(3·5) + …)
    let (mut term, mut sum, mut n) = (z, z, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        n += 2.0;
        term *= z * z / n;
        sum += term;
    }
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (z * (0.5 + density * sum)) as f32
}

/// softmax(q · kᵀ · scale) · v for each head: `q` (queries, heads, dim), `k` and `v` (rows, heads, dim).
///
/// # Panics
/// When sizes do not agree.
pub fn dense_attention(heads: usize, dim: usize, scale: f32, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
    let width = heads * dim;
    assert!(q.len().is_multiple_of(width) && k.len().is_multiple_of(width) && k.len() == v.len());
    let mut out = Vec::with_capacity(q.len());
    for query in q.chunks_exact(width) {
        for head in 0..heads {
            let own = head * dim..(head + 1) * dim;
            let score = |key: &[f32]| dot(&query[own.clone()], &key[own.clone()]) * f64::from(scale);
            let weights = softmax_f64(&k.chunks_exact(width).map(score).collect::<Vec<_>>());
            for d in own.clone() {
                let values = v.chunks_exact(width).map(|value| f64::from(value[d]));
                out.push(weights.iter().zip(values).map(|(w, v)| w * v).sum::<f64>() as f32);
            }
        }
    }
    out
}

/// The same of rows to themselves and those before: `q` (queries, heads, dim) stand at the last of `k` and `v` (rows, kv_heads, dim),
/// and each sees as many rows as the window has.
///
/// # Panics
/// When sizes do not agree.
pub fn causal_attention(
    (heads, kv_heads, dim): (usize, usize, usize),
    window: Option<usize>,
    scale: f32,
    q: &[f32],
    k: &[f32],
    v: &[f32],
) -> Vec<f32> {
    let (width, kv_width) = (heads * dim, kv_heads * dim);
    let (queries, rows) = (q.len() / width, k.len() / kv_width);
    let mut out = Vec::with_capacity(q.len());
    for (n, query) in q.chunks_exact(width).enumerate() {
        let own = rows - queries + n;
        let seen = (own + 1).saturating_sub(window.unwrap_or(rows))..own + 1;
        for head in 0..heads {
            let at = head * kv_heads / heads * dim;
            let of = |all: &[f32], row: usize| all[row * kv_width + at..][..dim].to_vec();
            let query = &query[head * dim..(head + 1) * dim];
            let scores: Vec<f64> =
                seen.clone().map(|row| dot(query, &of(k, row)) * f64::from(scale)).collect();
            let weights = softmax_f64(&scores);
            for d in 0..dim {
                let values = seen.clone().map(|row| f64::from(of(v, row)[d]));
                out.push(weights.iter().zip(values).map(|(w, v)| w * v).sum::<f64>() as f32);
            }
        }
    }
    out
}
