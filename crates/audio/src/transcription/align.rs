//! When each word is said: some heads of the cross-attention look at the sound of the token that comes next. Their weights
//! over all tokens of a window are evened out and the cheapest monotonous path through them is sought by dynamic time
//! warping (Sakoe & Chiba 1978; OpenAI's `timing.py`).

use super::checkpoint::Tensor;
use super::encoder::needs;
use super::search::Attempt;
use super::window::STEP;
use parasol_kernels::{Activations, Compute, Prepare};

/// Frames of the median filter.
const MEDIAN: usize = 7;
/// Rows of logits that are computed at once.
const ROWS: usize = 16;

/// When a token begins, and how likely it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TokenTime {
    /// Seconds from the window's beginning.
    pub(super) start: f64,
    pub(super) probability: f32,
}

/// The times of `text` tokens, and behind them the end of the last. `prompt` is what comes before them; `encoded` the window,
/// (frames, width), of which `used` frames hold sound.
pub(super) fn align(
    attempt: &mut Attempt<'_>,
    prompt: &[u32],
    text: &[u32],
    encoded: &[f32],
    used: usize,
    heads: &[(usize, usize)],
    shape: (usize, usize),
) -> Vec<TokenTime> {
    let (all_heads, dim) = shape;
    let width = all_heads * dim;
    let mut tokens = prompt.to_vec();
    tokens.push(attempt.special.no_times);
    let first = tokens.len() - 1;
    tokens.extend_from_slice(text);
    tokens.push(attempt.special.end);
    let mut layers: Vec<usize> = heads.iter().map(|(layer, _)| *layer).collect();
    layers.dedup();
    attempt.work.kept = Some(layers.iter().map(|layer| (*layer, Vec::new())).collect());
    let mut beam = super::cache::Beam::default();
    let mut logits = Vec::new();
    attempt.decoder.forward(
        attempt.cache,
        attempt.cross,
        &mut [(&mut beam, &tokens)],
        &[],
        attempt.work,
        &mut logits,
    );
    attempt.cache.release(beam);
    let kept = attempt.work.kept.take().unwrap_or_default();
    let probabilities = probabilities(attempt, first, text);
    let rows = tokens.len();
    let mut matrix = vec![0.0; rows * used];
    for (layer, queries) in &kept {
        let keys = attempt.decoder.cross_keys(*layer, encoded, attempt.work);
        for (_, head) in heads.iter().filter(|(l, _)| l == layer) {
            let own = |x: &[f32], n: usize| -> Vec<f32> {
                x.chunks_exact(width)
                    .take(n)
                    .flat_map(|row| row[head * dim..(head + 1) * dim].iter().copied())
                    .collect()
            };
            add_head(attempt.compute, &own(queries, rows), &own(&keys, used), dim, &mut matrix);
        }
    }
    // The row of a token is that of the one before it, which looks for it.
    let rows = first..first + text.len() + 1;
    let costs: Vec<f32> = matrix[rows.start * used..rows.end * used].iter().map(|weight| -weight).collect();
    let starts = warp(&costs, rows.len(), used);
    let probabilities = probabilities.into_iter().chain([1.0]);
    starts
        .into_iter()
        .zip(probabilities)
        .map(|(frame, probability)| TokenTime { start: frame as f64 * STEP, probability })
        .collect()
}

/// The probability of each text token among all text tokens.
fn probabilities(attempt: &mut Attempt<'_>, first: usize, text: &[u32]) -> Vec<f32> {
    let end = attempt.special.end as usize;
    let wanted: Vec<usize> = (first..first + text.len()).collect();
    let (mut probabilities, mut logits) = (Vec::new(), Vec::new());
    for (rows, tokens) in wanted.chunks(ROWS).zip(text.chunks(ROWS)) {
        attempt.decoder.head(rows, attempt.work, &mut logits);
        let vocabulary = logits.len() / rows.len();
        for (row, token) in logits.chunks_exact(vocabulary).zip(tokens) {
            let total = attempt.compute.log_sum_exp(&row[..end]);
            probabilities.push((row[*token as usize] - total).exp());
        }
    }
    probabilities
}

/// Adds the weights of one head, (tokens, frames): softmax over frames, evened out over tokens, median over frames.
fn add_head(compute: &Compute, queries: &[f32], keys: &[f32], dim: usize, matrix: &mut [f32]) {
    let (tokens, frames) = (queries.len() / dim, keys.len() / dim);
    let keys = Tensor::of_floats(frames, dim, keys);
    let mut input = Activations::new();
    compute.activations(queries, dim, Prepare::Plain, needs([&keys]), &mut input);
    let mut weights = vec![0.0; tokens * frames];
    compute.linear(&input, [(keys.matrix(), &mut weights[..])]);
    let scale = 1.0 / (dim as f32).sqrt();
    for row in weights.chunks_exact_mut(frames) {
        row.iter_mut().for_each(|x| *x *= scale);
        let total = compute.log_sum_exp(row);
        row.iter_mut().for_each(|x| *x = (*x - total).exp());
    }
    for frame in 0..frames {
        let column = || weights.iter().skip(frame).step_by(frames).map(|x| f64::from(*x));
        let mean = column().sum::<f64>() / tokens as f64;
        let deviation =
            (column().map(|x| (x - mean) * (x - mean)).sum::<f64>() / tokens as f64).sqrt().max(1e-12);
        for row in 0..tokens {
            let x = &mut weights[row * frames + frame];
            *x = ((f64::from(*x) - mean) / deviation) as f32;
        }
    }
    for (row, sums) in weights.chunks_exact(frames).zip(matrix.chunks_exact_mut(frames)) {
        for (frame, sum) in sums.iter_mut().enumerate() {
            *sum += median(row, frame);
        }
    }
}

/// The median around a frame, mirrored at the ends.
fn median(row: &[f32], at: usize) -> f32 {
    let last = row.len() as isize - 1;
    let half = MEDIAN as isize / 2;
    if last < half {
        return row[at];
    }
    let mut near = [0.0; MEDIAN];
    for (place, offset) in near.iter_mut().zip(-half..=half) {
        let at = (at as isize + offset).abs();
        *place = row[if at > last { 2 * last - at } else { at } as usize];
    }
    near.sort_by(f32::total_cmp);
    near[MEDIAN / 2]
}

/// The first frame of each row on the cheapest path from the first row and frame to the last.
fn warp(costs: &[f32], rows: usize, frames: usize) -> Vec<usize> {
    // (rows + 1, frames + 1), with a border that no path crosses.
    let wide = frames + 1;
    let mut total = vec![f32::INFINITY; (rows + 1) * wide];
    let mut step = vec![0u8; (rows + 1) * wide];
    total[0] = 0.0;
    for row in 1..=rows {
        for frame in 1..=frames {
            let at = row * wide + frame;
            let (both, down, along) = (total[at - wide - 1], total[at - wide], total[at - 1]);
            let (cost, way) = if both < down && both < along {
                (both, 0)
            } else if down < both && down < along {
                (down, 1)
            } else {
                (along, 2)
            };
            total[at] = cost + costs[(row - 1) * frames + frame - 1];
            step[at] = way;
        }
    }
    let mut starts = vec![0; rows];
    let (mut row, mut frame) = (rows, frames);
    while row > 0 && frame > 0 {
        starts[row - 1] = frame - 1;
        match step[row * wide + frame] {
            0 => (row, frame) = (row - 1, frame - 1),
            1 => row -= 1,
            _ => frame -= 1,
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_follows_what_is_cheap() {
        // Three rows over six frames, two frames each. A step down costs nothing more than one along, so a path goes down as
        // soon as it may: at the last frame of the row before.
        let costs: Vec<f32> = (0..18).map(|i| if i / 6 == i % 6 / 2 { -1.0 } else { 0.0 }).collect();
        assert_eq!(warp(&costs, 3, 6), [0, 1, 3]);
        assert_eq!(warp(&[0.0; 3], 3, 1), [0, 0, 0]);
    }

    #[test]
    fn a_flicker_does_not_pass_the_median() {
        let row = [0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 5.0, 5.0, 5.0, 5.0];
        assert_eq!(median(&row, 3), 0.0);
        assert_eq!(median(&row, 10), 5.0);
        assert_eq!(median(&[1.0, 2.0], 1), 2.0);
    }
}
