//! Attention and rotary embedding of random shapes on every instruction set against the slow references.

use parasol_kernels::half::{f16_to_f32, f32_to_f16};
use parasol_kernels::reference::{Attention as Slow, Pairs, Rope, attention as slow, rope as slow_rope};
use parasol_kernels::{Attention, Compute, Isa, KV_BLOCK, KvFormat, KvShape, KvSpan, RopeTable};

fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0
    };
    // What the cache can hold exactly, so that its rounding does not count as an error.
    (0..n).map(|_| f16_to_f32(f32_to_f16(next() + next()))).collect()
}

/// heads, kv_heads, head_dim, offset, tokens, window, softcap
type Shape = (usize, usize, usize, usize, usize, Option<usize>, Option<f32>);

const SHAPES: [Shape; 10] = [
    (9, 3, 64, 0, 1, None, None),
    (9, 3, 64, 700, 1, None, None),
    (9, 3, 64, 0, 77, None, None),
    (9, 3, 64, 130, 50, None, None),
    (4, 1, 256, 600, 1, Some(512), None),
    (4, 1, 256, 300, 40, Some(100), Some(5.0)),
    (4, 2, 24, 5, 3, Some(4), None),
    (2, 2, 8, 63, 5, None, None),
    (16, 8, 128, 95, 4, None, None),
    (4, 4, 48, 33, 12, Some(1), None),
];

/// A cache whose blocks are handed out in a scattered order. Keys are poisoned: nothing behind the last position may count.
struct Paged {
    keys: Vec<u16>,
    values: Vec<u16>,
    free: Vec<u32>,
}

impl Paged {
    fn new(kv: KvShape, blocks: usize) -> Self {
        // Two of the halves that are no number are none as a float either.
        let poison = if kv.format == KvFormat::Q8 { 0x7f7f } else { 0x7fc0 };
        // 7 and a power of two have no common divisor: every block comes once.
        let all = blocks.next_power_of_two();
        let free = (0..all).map(|i| (i * 7 % all) as u32).collect();
        Self { keys: vec![poison; all * kv.key_block()], values: vec![0; all * kv.value_block()], free }
    }

    fn take(&mut self, positions: usize) -> Vec<u32> {
        self.free.split_off(self.free.len() - positions.div_ceil(KV_BLOCK))
    }
}

/// Two sequences, the second one with a longer past and fewer tokens, in one batch against the reference one by one. Each value
/// is within `tolerance`.
fn check(isa: Isa, seed: u64, shape: Shape, format: KvFormat, tolerance: f32) {
    let (out, want) = both(isa, seed, shape, format, false, 1.0);
    for (at, (got, want)) in out.iter().zip(&want).enumerate() {
        assert!(
            (got - want).abs() < tolerance,
            "{isa:?} {format:?} {shape:?}, value {at}: {got}, the reference says {want}"
        );
    }
}

/// What the kernels and what the reference make of the same numbers. Some dimensions of keys are `outlier` times as large as the
/// others, and those of queries as much smaller.
fn both(
    isa: Isa,
    seed: u64,
    shape: Shape,
    format: KvFormat,
    int8: bool,
    outlier: f32,
) -> (Vec<f32>, Vec<f32>) {
    let (heads, kv_heads, head_dim, offset, tokens, window, softcap) = shape;
    let compute = Compute::new(isa, 2);
    let kv = KvShape { kv_heads, head_dim, format };
    let (width, scale) = (kv_heads * head_dim, 0.3);
    let sequences = [(offset, tokens), (offset + 45, tokens.div_ceil(2))];
    let mut paged = Paged::new(kv, sequences.iter().map(|(o, t)| (o + t).div_ceil(KV_BLOCK)).sum());
    let blocks = sequences.map(|(offset, tokens)| paged.take(offset + tokens));
    let (mut q, mut k, mut v, mut want) = (vec![], vec![], vec![], vec![]);
    for (i, &(offset, tokens)) in sequences.iter().enumerate() {
        let seed = seed + 1000 * i as u64;
        let mut queries = numbers(seed, tokens * heads * head_dim);
        let (mut keys, mut values) =
            (numbers(seed + 100, (offset + tokens) * width), numbers(seed + 200, (offset + tokens) * width));
        if format == KvFormat::F32 {
            // What half precision can't hold.
            keys.iter_mut().chain(&mut values).for_each(|x| *x *= 1.0003);
        }
        queries.iter_mut().skip(6).step_by(16).for_each(|q| *q /= outlier);
        keys.iter_mut().skip(6).step_by(16).for_each(|k| *k *= outlier);
        want.extend(slow(
            &queries,
            &keys,
            &values,
            &Slow { heads, kv_heads, head_dim, offset, window, scale, softcap },
        ));
        let past = [KvSpan { tokens: offset, offset: 0, blocks: &blocks[i] }];
        let at = offset * width;
        compute.store_kv(kv, &keys[..at], &values[..at], &past, &mut paged.keys, &mut paged.values);
        q.extend(queries);
        k.extend_from_slice(&keys[at..]);
        v.extend_from_slice(&values[at..]);
    }
    let spans: Vec<_> = (sequences.iter().zip(&blocks))
        .map(|(&(offset, tokens), blocks)| KvSpan { tokens, offset, blocks })
        .collect();
    compute.store_kv(kv, &k, &v, &spans, &mut paged.keys, &mut paged.values);
    let mut out = vec![f32::NAN; q.len()];
    let rules = Attention { heads, kv, window, scale, softcap, int8 };
    compute.attention(&rules, &q, &spans, &paged.keys, &paged.values, &mut out);
    (out, want)
}

#[test]
fn attention_agrees_with_the_reference() {
    for isa in Isa::available() {
        for (i, &shape) in SHAPES.iter().enumerate() {
            check(isa, i as u64, shape, KvFormat::F16, 2e-5);
        }
    }
}

#[test]
fn a_cache_in_full_precision_adds_no_rounding() {
    for isa in Isa::available() {
        for (i, &shape) in SHAPES.iter().enumerate() {
            check(isa, i as u64, shape, KvFormat::F32, 2e-5);
        }
    }
}

#[test]
fn an_8_bit_cache_stays_near_the_reference() {
    for isa in Isa::available() {
        for (i, &shape) in SHAPES.iter().enumerate().filter(|(_, shape)| shape.2 % 32 == 0) {
            // Values reach 2 in 127 steps, and errors of keys move the weights of values.
            check(isa, i as u64, shape, KvFormat::Q8, 0.05);
        }
    }
}

/// Enough queries for 8 bits, in at least one of the two sequences.
const MANY: [Shape; 13] = [
    (9, 3, 64, 0, 77, None, None),
    (9, 3, 64, 130, 50, None, None),
    (9, 3, 64, 700, 20, None, None),
    (4, 1, 256, 300, 40, Some(100), Some(5.0)),
    (4, 1, 256, 600, 70, Some(64), None),
    (16, 8, 128, 95, 90, None, None),
    (16, 8, 128, 0, 65, Some(33), None),
    (4, 4, 48, 33, 60, Some(1), None),
    (2, 2, 8, 63, 41, None, None),
    (4, 2, 24, 5, 32, Some(4), None),
    (3, 1, 22, 31, 100, None, Some(2.0)),
    (6, 1, 80, 64, 64, None, None),
    // More than is rounded at a time.
    (8, 8, 256, 950, 32, None, None),
];

/// The error of each head's row of values, relative to the length of what the reference says: the mean and the largest.
fn errors(got: &[f32], want: &[f32], head_dim: usize) -> (f32, f32) {
    let length = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>().sqrt();
    let errors: Vec<f32> = (got.chunks_exact(head_dim).zip(want.chunks_exact(head_dim)))
        .map(|(got, want)| {
            length(&mut got.iter().zip(want).map(|(g, w)| g - w)) / length(&mut want.iter().copied())
        })
        .collect();
    assert!(errors.iter().all(|e| e.is_finite()), "not numbers");
    (errors.iter().sum::<f32>() / errors.len() as f32, errors.iter().copied().fold(0.0, f32::max))
}

/// Bounds of [`errors`]: bytes round more than bfloat16 does.
fn bounds(isa: Isa) -> (f32, f32) {
    if matches!(isa, Isa::Amx(_)) { (0.01, 0.03) } else { (0.03, 0.08) }
}

#[test]
fn many_queries_in_8_bits_stay_near_the_reference() {
    for isa in Isa::available() {
        for (i, &shape) in MANY.iter().enumerate() {
            for format in [KvFormat::F16, KvFormat::Q8] {
                if format == KvFormat::Q8 && shape.2 % 32 != 0 {
                    continue;
                }
                let (got, want) = both(isa, i as u64, shape, format, true, 1.0);
                let ((mean, most), (mean_bound, bound)) = (errors(&got, &want, shape.2), bounds(isa));
                // Where the cache itself has eight bits, its rounding comes first.
                let exact = format == KvFormat::F16;
                let (mean_bound, bound) = if exact { (mean_bound, bound) } else { (0.03, 0.08) };
                assert!(
                    mean < mean_bound && most < bound,
                    "{isa:?} {format:?} {shape:?}: {mean}, at most {most}"
                );
            }
        }
    }
}

#[test]
fn large_dimensions_of_keys_do_not_drown_the_others() {
    for isa in Isa::available() {
        for (i, &shape) in MANY.iter().enumerate().filter(|(_, shape)| shape.2 % 16 == 0 && shape.3 < 1000) {
            let (got, want) = both(isa, i as u64, shape, KvFormat::F16, true, 32.0);
            let ((mean, most), (mean_bound, bound)) = (errors(&got, &want, shape.2), bounds(isa));
            assert!(mean < mean_bound && most < bound, "{isa:?} {shape:?}: {mean}, at most {most}");
        }
    }
}

/// Scores that grow along the positions by far more than the headroom of tiles' weights: keys are powers of two, and queries and keys
/// bfloat16, so that a score is exact and a weight that is relative to a score long surpassed would show.
#[test]
fn later_positions_may_outweigh_all_before() {
    let (heads, kv_heads, head_dim, tokens, scale) = (6, 2, 64, 330, 0.125);
    let width = kv_heads * head_dim;
    let kv = KvShape { kv_heads, head_dim, format: KvFormat::F16 };
    let q: Vec<f32> = numbers(1, tokens * heads * head_dim).iter().map(|x| x.signum() * 0.5).collect();
    let keys: Vec<f32> = (numbers(2, tokens * width).iter().enumerate())
        .map(|(i, x)| x.signum() * (i / width / 32).min(6).checked_sub(1).map_or(0.5, |p| (1 << p) as f32))
        .collect();
    let values = numbers(3, tokens * width);
    let rules = Slow { heads, kv_heads, head_dim, offset: 0, window: None, scale, softcap: None };
    let want = slow(&q, &keys, &values, &rules);
    for isa in Isa::available().into_iter().filter(|isa| matches!(isa, Isa::Amx(_))) {
        let compute = Compute::new(isa, 2);
        let mut paged = Paged::new(kv, tokens.div_ceil(KV_BLOCK));
        let blocks = paged.take(tokens);
        let span = [KvSpan { tokens, offset: 0, blocks: &blocks }];
        compute.store_kv(kv, &keys, &values, &span, &mut paged.keys, &mut paged.values);
        let mut out = vec![f32::NAN; q.len()];
        let rules = Attention { heads, kv, window: None, scale, softcap: None, int8: true };
        compute.attention(&rules, &q, &span, &paged.keys, &paged.values, &mut out);
        let (mean, most) = errors(&out, &want, head_dim);
        assert!(mean < 0.01 && most < 0.03, "{isa:?}: {mean}, at most {most}");
    }
}

#[test]
#[should_panic(expected = "same positions")]
fn two_sequences_cannot_write_to_one_block() {
    let compute = Compute::new(Isa::Portable(parasol_kernels::isa::Portable), 1);
    let kv = KvShape { kv_heads: 1, head_dim: 32, format: KvFormat::F16 };
    let (mut keys, mut values) = (vec![0; kv.key_block()], vec![0; kv.value_block()]);
    let span = KvSpan { tokens: 1, offset: 3, blocks: &[0] };
    compute.store_kv(kv, &[0.0; 64], &[0.0; 64], &[span, span], &mut keys, &mut values);
}

#[test]
fn rope_agrees_with_the_reference() {
    for isa in Isa::available() {
        let compute = Compute::new(isa, 2);
        for (pairs, adjacent, rotated) in
            [(Pairs::Adjacent, true, 64), (Pairs::Halves, false, 64), (Pairs::Halves, false, 22)]
        {
            let (heads, head_dim, offset, tokens) = (3, 64, 1000, 21);
            let factors: Vec<f32> = (0..rotated / 2).map(|i| 1.0 + i as f32 / 7.0).collect();
            let rope = Rope { base: 10_000.0, factors: &factors, magnitude: 1.25, pairs, rotated };
            let frequencies: Vec<f64> = (0..rotated / 2)
                .map(|i| 10_000f64.powf(-2.0 * i as f64 / rotated as f64) / f64::from(factors[i]))
                .collect();
            let mut table = RopeTable::default();
            let positions: Vec<usize> = (offset..offset + tokens).collect();
            table.fill(&compute, &frequencies, 1.25, &positions);
            let mut got = numbers(5, tokens * heads * head_dim);
            let mut want = got.clone();
            compute.rope(&mut got, head_dim, heads, &table, adjacent);
            slow_rope(&mut want, &positions, heads, head_dim, &rope);
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() < 1e-5, "{isa:?}: {got}, the reference says {want}");
            }
        }
    }
}
