//! The exponential function over many logits, in plain arithmetic that the compiler turns into vector instructions and
//! that rounds alike on every machine.

/// Values added up in 32 bits before their sum goes to 64.
pub(crate) const CHUNK: usize = 1024;

/// eˣ for x ≤ 0, to about one part in 10⁷; below −87 it is 0.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // eˣ = 2ⁿ · eʳ with n the nearest integer to x / ln 2 and |r| ≤ ln 2 / 2 (Cody and Waite's two-step reduction).
    const TO_INTEGER: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer
    let kept = if x > -87.0 { x } else { -87.0 };
    let shifted = kept * std::f32::consts::LOG2_E + TO_INTEGER;
    let n = shifted - TO_INTEGER;
    let r = (kept - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let series = 0.5
        + r * (0.166_666_65
            + r * (0.041_665_795 + r * (0.008_333_452 + r * (0.001_398_2 + r * 0.000_198_756_9))));
    let value = 1.0 + r + r * r * series;
    // The low bits of `shifted` hold n: moved into the exponent field they multiply by 2ⁿ.
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x > -87.0 { value * power } else { 0.0 }
}

/// Σ exp((x − max) · scale).
pub(crate) fn sum(values: &[f32], max: f32, scale: f32) -> f64 {
    values.chunks(CHUNK).map(|chunk| f64::from(chunk_sum(chunk, max, scale))).sum()
}

/// The same for one chunk, in 16 interleaved sums.
pub(crate) fn chunk_sum(values: &[f32], max: f32, scale: f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (blocks, rest) = values.as_chunks::<16>();
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += exp((x - max) * scale);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += exp((x - max) * scale);
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_the_library() {
        for i in 0..870_000 {
            let x = -(i as f32) * 1e-4;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours - exact).abs() <= exact * 4e-7, "exp({x}) = {ours}, not {exact}");
        }
        assert_eq!((exp(0.0), exp(-88.0), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
        let values: Vec<f32> = (0..5000).map(|i| -(i as f32) / 300.0).collect();
        let exact: f64 = values.iter().map(|&x| f64::from(x - 1.0).exp()).sum();
        assert!((sum(&values, 1.0, 1.0) / exact - 1.0).abs() < 1e-6);
    }
}
