//! Attention and rotary embedding of random shapes on every instruction set against the slow references.

use parasol_kernels::half::{f16_to_f32, f32_to_f16};
use parasol_kernels::reference::{Attention as Slow, Pairs, Rope, attention as slow, rope as slow_rope};
use parasol_kernels::{Attention, Compute, Isa, KV_BLOCK, KvShape, RopeTable};

fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0
    };
    // What the cache can hold exactly, so that its rounding does not count as an error.
    (0..n).map(|_| f16_to_f32(f32_to_f16(next() + next()))).collect()
}

#[test]
fn attention_agrees_with_the_reference() {
    let shapes = [
        // heads, kv_heads, head_dim, offset, tokens, window, softcap
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
    for isa in Isa::available() {
        let compute = Compute::new(isa, 2);
        for (i, &(heads, kv_heads, head_dim, offset, tokens, window, softcap)) in shapes.iter().enumerate() {
            let kv = KvShape { kv_heads, head_dim };
            let (positions, width) = (offset + tokens, kv_heads * head_dim);
            let q = numbers(i as u64, tokens * heads * head_dim);
            let (k, v) =
                (numbers(100 + i as u64, positions * width), numbers(200 + i as u64, positions * width));
            let blocks = positions.div_ceil(KV_BLOCK);
            // Poisoned with NaN: nothing behind the last position may count.
            let mut keys = vec![0x7e00; blocks * kv.key_block()];
            let mut values = vec![0; blocks * kv.value_block()];
            compute.store_kv(kv, &k[..offset * width], &v[..offset * width], 0, &mut keys, &mut values);
            compute.store_kv(kv, &k[offset * width..], &v[offset * width..], offset, &mut keys, &mut values);
            let scale = 0.3;
            let mut out = vec![f32::NAN; q.len()];
            let rules = Attention { heads, kv, offset, window, scale, softcap };
            compute.attention(&rules, &q, &keys, &values, &mut out);
            let want = slow(&q, &k, &v, &Slow { heads, kv_heads, head_dim, offset, window, scale, softcap });
            for (at, (got, want)) in out.iter().zip(&want).enumerate() {
                assert!(
                    (got - want).abs() < 2e-5,
                    "{isa:?} shape {i}, value {at}: {got}, the reference says {want}"
                );
            }
        }
    }
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
            table.fill(&compute, &frequencies, 1.25, offset, tokens);
            let mut got = numbers(5, tokens * heads * head_dim);
            let mut want = got.clone();
            compute.rope(&mut got, head_dim, heads, &table, adjacent);
            let positions: Vec<usize> = (offset..offset + tokens).collect();
            slow_rope(&mut want, &positions, heads, head_dim, &rope);
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() < 1e-5, "{isa:?}: {got}, the reference says {want}");
            }
        }
    }
}
