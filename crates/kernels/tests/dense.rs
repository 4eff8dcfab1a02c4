//! What encoders are made of, in random shapes and on every instruction set, against the slow reference.

mod random;

use parasol_kernels::{
    Activations, CausalAttention, Compute, DenseAttention, Format, Isa, Matrix, Needs, Prepare, reference,
};
use random::Random;

fn close(got: &[f32], want: &[f32], bound: f32, what: &str) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= bound, "{what}: value {i} is {got}, the reference says {want}");
    }
}

#[test]
fn every_query_sees_every_row() {
    let mut random = Random(5);
    for isa in Isa::available() {
        let compute = Compute::new(isa, 2);
        for (heads, dim, queries, rows) in [
            (1, 1, 1, 1),
            (2, 64, 50, 33),
            (3, 40, 7, 300),
            (1, 96, 49, 31),
            (2, 8, 97, 513),
            (3, 72, 200, 65),
        ] {
            let width = heads * dim;
            let [q, k, v] = [queries, rows, rows].map(|n| random.normals(n * width));
            let scale = 3.0 / (dim as f32).sqrt();
            let mut out = vec![f32::NAN; q.len()];
            compute.dense_attention(DenseAttention { heads, head_dim: dim, scale }, &q, &k, &v, &mut out);
            let want = reference::dense_attention(heads, dim, scale, &q, &k, &v);
            let tiles = matches!(isa, Isa::Amx(_)) && queries > 16;
            close(
                &out,
                &want,
                if tiles { 2e-5 } else { 2e-6 },
                &format!("{heads} × {dim}, {queries} to {rows} on {compute:?}"),
            );
        }
    }
}

#[test]
fn every_query_sees_what_was_before_it() {
    let mut random = Random(6);
    for isa in Isa::available() {
        let compute = Compute::new(isa, 2);
        for (heads, kv_heads, dim, queries, rows, window) in [
            (1, 1, 1, 1, 1, None),
            (2, 2, 64, 1, 700, None),
            (4, 2, 16, 7, 7, None),
            (8, 2, 64, 16, 90, Some(25)),
            (3, 1, 40, 33, 50, Some(1)),
            (2, 1, 24, 5, 260, Some(1000)),
            (1, 1, 20, 40, 41, Some(6)),
        ] {
            let q = random.normals(queries * heads * dim);
            let [k, v] = [0, 1].map(|_| random.normals(rows * kv_heads * dim));
            let scale = 3.0 / (dim as f32).sqrt();
            let mut out = vec![f32::NAN; q.len()];
            let shape = CausalAttention { heads, kv_heads, head_dim: dim, window, scale };
            compute.causal_attention(shape, &q, &k, &v, &mut out);
            let want = reference::causal_attention((heads, kv_heads, dim), window, scale, &q, &k, &v);
            close(&out, &want, 2e-6, &format!("{shape:?}, {queries} of {rows} on {compute:?}"));
        }
        // No query is no work, and scores that would overflow do not.
        let shape = CausalAttention { heads: 1, kv_heads: 1, head_dim: 2, window: None, scale: 1e4 };
        compute.causal_attention(shape, &[], &[1.0; 8], &[1.0; 8], &mut []);
        let mut out = [f32::NAN; 2];
        let (k, v) = ([-1.0, 0.0, 1.0, 0.0, -1.0, 0.0], [9.0, 9.0, 1.0, 2.0, 9.0, 9.0]);
        compute.causal_attention(shape, &[9.0, 0.0], &k, &v, &mut out);
        close(&out, &[1.0, 2.0], 1e-6, "one row has all the weight");
    }
}

#[test]
fn no_query_is_no_work_and_large_scores_do_not_overflow() {
    let compute = Compute::new(Isa::detect(), 2);
    let shape = DenseAttention { heads: 1, head_dim: 4, scale: 1e4 };
    compute.dense_attention(shape, &[], &[1.0; 8], &[1.0; 8], &mut []);
    let mut out = [f32::NAN; 4];
    let (k, v) = ([1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 9.0, 9.0]);
    compute.dense_attention(shape, &[9.0, 0.0, 0.0, 0.0], &k, &v, &mut out);
    close(&out, &[1.0, 2.0, 3.0, 4.0], 1e-6, "one row has all the weight");
    // The same in tiles, where there are many queries.
    let mut out = [f32::NAN; 4 * 40];
    compute.dense_attention(shape, &[9.0, 0.0, 0.0, 0.0].repeat(40), &k, &v, &mut out);
    close(&out, &[1.0, 2.0, 3.0, 4.0].repeat(40), 1e-4, "one row has all the weight of many queries");
}

#[test]
fn rows_are_normed_biased_and_activated() {
    let mut random = Random(9);
    for isa in Isa::available() {
        let compute = Compute::new(isa, 2);
        for cols in [1, 5, 16, 31, 384, 1000] {
            let rows = 1 + random.below(9);
            let (weight, bias) = (random.normals(cols), random.normals(cols));
            // Far from zero: a variance from squares alone would be lost.
            let x: Vec<f32> = random.normals(rows * cols).iter().map(|x| x + 40.0).collect();
            let what = format!("{rows} × {cols} on {compute:?}");
            let mut got = x.clone();
            compute.layer_norm(&mut got, &weight, &bias, 1e-5);
            close(&got, &reference::layer_norm(&x, &weight, &bias, 1e-5), 1e-3, &what);
            let x: Vec<f32> = random.normals(rows * cols).iter().map(|x| x * 3.0).collect();
            let mut got = x.clone();
            compute.add_bias(&mut got, &bias);
            let biased: Vec<f32> = x.iter().enumerate().map(|(i, x)| x + bias[i % cols]).collect();
            close(&got, &biased, 0.0, &what);
            compute.gelu(&mut got);
            let want: Vec<f32> = biased.iter().map(|&x| reference::gelu(x)).collect();
            close(&got, &want, 2e-6, &what);
            assert_eq!(compute.largest(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max), "{what}");
            let sum: f64 = x.iter().map(|&x| f64::from(x).exp()).sum();
            close(
                &[compute.log_sum_exp(&x)],
                &[sum.ln() as f32],
                2e-6 * sum.ln().abs().max(1.0) as f32,
                &what,
            );
        }
        let mut far = [-1e30, -200.0, -20.0, -13.5, -12.5, -12.0, 12.0, 13.0, 1e30];
        compute.gelu(&mut far);
        assert!(far.iter().all(|x| !x.is_subnormal()), "{far:?} on {compute:?}");
        assert!(far[..6].iter().all(|x| x.abs() < 1e-30) && far[6..] == [12.0, 13.0, 1e30], "{far:?}");
        assert_eq!((compute.largest(&[]), compute.log_sum_exp(&[])), (f32::NEG_INFINITY, f32::NEG_INFINITY));
        assert_eq!(compute.log_sum_exp(&[f32::NEG_INFINITY, 2.0]), 2.0);
    }
}

#[test]
fn inputs_of_products_are_normed_and_activated() {
    let mut random = Random(4);
    for isa in Isa::available() {
        let compute = Compute::new(isa, 2);
        for (tokens, cols) in [(1, 32), (7, 96)] {
            let (x, weight, bias) =
                (random.normals(tokens * cols), random.normals(cols), random.normals(cols));
            let unit: Vec<u8> = (0..cols * cols)
                .flat_map(|i| if i % cols == i / cols { 1f32 } else { 0.0 }.to_le_bytes())
                .collect();
            let matrix = Matrix::new(Format::F32, cols, cols, &unit).unwrap();
            let biased: Vec<f32> =
                x.iter().enumerate().map(|(i, x)| reference::gelu(x + bias[i % cols])).collect();
            let by_tanh: Vec<f32> = x.iter().map(|x| reference::gelu_tanh(*x)).collect();
            for (prepare, want) in [
                (Prepare::LayerNorm(&weight, &bias, 1e-5), reference::layer_norm(&x, &weight, &bias, 1e-5)),
                (Prepare::BiasGelu(&bias), biased),
                (Prepare::GeluTanh, by_tanh),
            ] {
                let (mut input, mut out) = (Activations::new(), vec![f32::NAN; tokens * cols]);
                compute.activations(&x, cols, prepare, Needs::of([Format::F32]), &mut input);
                compute.linear(&input, [(matrix, &mut out)]);
                close(&out, &want, 1e-5, &format!("{tokens} × {cols} on {compute:?}"));
            }
        }
    }
}
