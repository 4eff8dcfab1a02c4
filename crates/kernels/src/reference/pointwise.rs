//! What a layer does besides products and attention: RMS norm, softmax, gates, soft caps. f64 inside, f32 outside.

use super::product::dot;

/// RMS norm (Zhang and Sennrich, 2019) of each row of `x` (rows × weight.len()):
/// x / √(mean(x²) + eps) · (weight + offset). Gemma checkpoints store weight − 1, hence `offset`.
///
/// # Panics
/// When `x` is not whole rows.
pub fn rms_norm(x: &[f32], weight: &[f32], offset: f32, eps: f32) -> Vec<f32> {
    let width = weight.len();
    assert!(width > 0 && x.len().is_multiple_of(width), "{} values are not whole rows of {width}", x.len());
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(width) {
        let scale = 1.0 / (dot(row, row) / width as f64 + f64::from(eps)).sqrt();
        out.extend(row.iter().zip(weight).map(|(&x, &w)| {
            let weight = f64::from(w) + f64::from(offset);
            (f64::from(x) * scale * weight) as f32
        }));
    }
    out
}

/// exp(x) / Σ exp(x), shifted by the greatest so that nothing overflows. −∞ gets weight 0 beside anything finite;
/// an empty slice stays empty.
pub fn softmax(x: &[f32]) -> Vec<f32> {
    let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    softmax_f64(&wide).into_iter().map(|p| p as f32).collect()
}

/// [`softmax`] in f64 throughout.
pub(super) fn softmax_f64(x: &[f64]) -> Vec<f64> {
    let greatest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = x.iter().map(|x| (x - greatest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// x · sigmoid(x).
pub fn silu(x: f32) -> f32 {
    let x = f64::from(x);
    (x / (1.0 + (-x).exp())) as f32
}

/// The tanh approximation of GELU: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks and Gimpel, 2016).
pub fn gelu_tanh(x: f32) -> f32 {
    let x = f64::from(x);
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
    (0.5 * x * (1.0 + inner.tanh())) as f32
}

/// The gated feed-forward product: activation(gate) · up, element by element. `activation` is [`silu`] or
/// [`gelu_tanh`].
///
/// # Panics
/// When the two differ in length.
pub fn gated(gate: &[f32], up: &[f32], activation: impl Fn(f32) -> f32) -> Vec<f32> {
    assert_eq!(gate.len(), up.len());
    gate.iter().zip(up).map(|(&g, &u)| activation(g) * u).collect()
}

/// cap · tanh(x / cap): close to x near zero, never beyond ±cap (Gemma 2).
pub fn softcap(x: f64, cap: f32) -> f64 {
    let cap = f64::from(cap);
    cap * (x / cap).tanh()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= 1e-6 * b.abs().max(1e-3), "{a} and {b}");
        }
    }

    #[test]
    fn rms_norm_of_each_row() {
        // Row one has mean square 12.5, row two 0.5 (with eps 0.5: root 1).
        close(&rms_norm(&[3.0, 4.0], &[1.0, 2.0], 0.0, 0.0), &[3.0 / 12.5f32.sqrt(), 8.0 / 12.5f32.sqrt()]);
        close(&rms_norm(&[1.0, 0.0, 0.0, -1.0], &[0.0, 1.0], 1.0, 0.5), &[1.0, 0.0, 0.0, -2.0]);
    }

    #[test]
    fn softmax_survives_large_and_infinite_scores() {
        close(&softmax(&[0.0, 3f32.ln()]), &[0.25, 0.75]);
        close(&softmax(&[1000.0, 1000.0, -1000.0]), &[0.5, 0.5, 0.0]);
        assert_eq!(softmax(&[f32::NEG_INFINITY, 2.0]), [0.0, 1.0]);
        assert!(softmax(&[]).is_empty());
    }

    #[test]
    fn gates_match_values_from_pytorch() {
        // torch.nn.functional.silu and gelu(approximate="tanh") of −3, −1, 0, 0.5, 2.
        let x = [-3.0f32, -1.0, 0.0, 0.5, 2.0];
        close(&x.map(silu), &[-0.142_277_61, -0.268_941_43, 0.0, 0.311_229_65, 1.761_594_2]);
        close(&x.map(gelu_tanh), &[-0.003_637_392, -0.158_808_01, 0.0, 0.345_714, 1.954_597_7]);
        assert_eq!(gated(&[0.0, 2.0], &[7.0, 10.0], |x| x * x), [0.0, 40.0]);
    }

    #[test]
    fn softcap_is_bounded_and_nearly_linear_near_zero() {
        assert!((softcap(0.01, 50.0) - 0.01).abs() < 1e-8);
        assert!((softcap(1e9, 50.0) - 50.0).abs() < 1e-9);
        assert!((softcap(50.0, 50.0) - 50.0 * 1f64.tanh()).abs() < 1e-9);
    }
}
