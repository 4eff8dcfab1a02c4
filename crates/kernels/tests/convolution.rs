//! Convolutions, layer norms and products of bytes of random shapes, on every instruction set, against the slow reference.

mod random;

use parasol_kernels::{
    Activation, Bend, ByteMatrix, Compute, Conv1d, ConvShape, Depthwise, Enter, Exactness, Finish, Function,
    Isa, LayerNorm, Modulation, Quantisation, Range, Rows, reference,
};
use random::Random;

fn close(got: &[f32], want: &[f32], bound: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let size = want.iter().fold(1e-6f32, |a, b| a.max(b.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= bound * size, "{what}: value {i} is {got}, the reference says {want}");
    }
}

fn every(f: impl Fn(&Compute)) {
    for isa in Isa::available() {
        for threads in [1, 2] {
            f(&Compute::new(isa, threads));
        }
    }
}

#[test]
fn convolutions_of_any_shape() {
    every(|compute| {
        let mut random = Random(7);
        for case in 0..60 {
            let (inputs, outputs) =
                (1 + random.below(70), 1 + random.below(if case % 3 == 0 { 3 } else { 90 }));
            let (taps, dilation) = (1 + random.below(7), 1 + random.below(4));
            let mut shape = ConvShape::centred(inputs, outputs, taps, dilation);
            shape.before = random.below(taps * dilation + 1);
            let rows = random.below(70);
            let (x, w) = (random.normals(rows * inputs), random.normals(inputs * outputs * taps));
            let bias = if case % 2 == 0 { random.normals(outputs) } else { Vec::new() };
            let weight = |o: usize, i: usize, t: usize| w[(o * inputs + i) * taps + t];
            let conv = Conv1d::new(compute.isa(), shape, &bias, weight);
            let want = reference::conv1d(shape, &bias, weight, &x);
            let mut out = vec![f32::NAN; rows * outputs];
            compute.conv1d(&conv, Rows::new(&x, inputs), Finish::default(), &mut out);
            close(&out, &want, 1e-5, &format!("{shape:?}, {rows} rows on {compute:?}"));

            // The same with everything that may stand around it.
            let leak: Vec<f32> = x.iter().map(|x| if *x < 0.0 { x * 0.1 } else { *x }).collect();
            let (scale, add) = (random.normals(outputs), random.normals(rows * outputs));
            let want: Vec<f32> = reference::conv1d(shape, &bias, weight, &leak)
                .iter()
                .enumerate()
                .map(|(i, x)| x.max(0.0) * scale[i % outputs] + add[i])
                .collect();
            let finish = Finish {
                activation: Activation::Relu,
                scale: Some(&scale),
                add: Some(Rows::new(&add, outputs)),
            };
            let mut out = vec![f32::NAN; rows * outputs];
            compute.conv1d_from(&conv, Rows::new(&x, inputs), 0, Enter::Leaky(0.1), finish, &mut out);
            close(&out, &want, 1e-5, &format!("finished {shape:?}, {rows} rows on {compute:?}"));

            let elu: Vec<f32> = x.iter().map(|x| if *x < 0.0 { x.exp_m1() } else { *x }).collect();
            let want = reference::conv1d(shape, &bias, weight, &elu);
            let mut out = vec![f32::NAN; rows * outputs];
            compute.conv1d_from(&conv, Rows::new(&x, inputs), 0, Enter::Elu, Finish::default(), &mut out);
            close(&out, &want, 1e-5, &format!("of units {shape:?}, {rows} rows on {compute:?}"));
        }
    });
}

/// Stretches of filters that need not be exact to the last digit.
#[test]
fn stretches_of_near_filters() {
    every(|compute| {
        let mut random = Random(13);
        for _ in 0..60 {
            let (inputs, outputs) = (1 + random.below(90), 1 + random.below(90));
            let (taps, dilation) = (1 + random.below(7), 1 + random.below(12));
            let shape = ConvShape::centred(inputs, outputs, taps, dilation);
            let rows = 1 + random.below(120);
            let (x, w) = (random.normals(rows * inputs), random.normals(inputs * outputs * taps));
            let weight = |o: usize, i: usize, t: usize| w[(o * inputs + i) * taps + t];
            let (bias, add) = (random.normals(outputs), random.normals(rows * outputs));
            let leak: Vec<f32> = x.iter().map(|x| if *x < 0.0 { x * 0.1 } else { *x }).collect();
            let want = reference::conv1d(shape, &bias, weight, &leak);
            let want: Vec<f32> = want.iter().zip(&add).map(|(x, y)| x + y).collect();
            let conv = Conv1d::exact(compute.isa(), Exactness::Near, shape, &bias, weight);
            let from = random.below(rows);
            let count = random.below(rows - from + 1);
            let mut out = vec![f32::NAN; count * outputs];
            let add = Rows::strided(&add, from * outputs, count, outputs);
            let finish = Finish { add: Some(add), ..Finish::default() };
            compute.conv1d_from(&conv, Rows::new(&x, inputs), from, Enter::Leaky(0.1), finish, &mut out);
            let what = format!("{shape:?}, {count} rows from {from} of {rows} on {compute:?}");
            close(&out, &want[from * outputs..(from + count) * outputs], 3e-5, &what);
        }
    });
}

#[test]
fn products_read_rows_with_gaps() {
    every(|compute| {
        let mut random = Random(3);
        let (rows, inputs, outputs, stride) = (37, 20, 45, 61);
        let (all, w) = (random.normals(rows * stride), random.normals(inputs * outputs));
        let shape = ConvShape::product(inputs, outputs);
        let weight = |o: usize, i: usize, _: usize| w[i * outputs + o];
        let x: Vec<f32> =
            (0..rows).flat_map(|r| all[r * stride + 7..r * stride + 7 + inputs].to_vec()).collect();
        let conv = Conv1d::new(compute.isa(), shape, &[], weight);
        let mut out = vec![f32::NAN; rows * outputs];
        compute.conv1d(&conv, Rows::strided(&all, 7, rows, stride), Finish::default(), &mut out);
        close(&out, &reference::conv1d(shape, &[], weight, &x), 1e-5, "with gaps");
    });
}

#[test]
#[should_panic(expected = "rows of")]
fn rows_outside_are_refused() {
    let compute = Compute::new(Isa::detect(), 1);
    let conv = Conv1d::new(compute.isa(), ConvShape::product(4, 1), &[], |_, _, _| 1.0);
    compute.conv1d(&conv, Rows::strided(&[0.0; 30], 0, 4, 9), Finish::default(), &mut [0.0; 4]);
}

#[test]
fn norms_with_and_without_a_filter() {
    every(|compute| {
        let mut random = Random(11);
        for _ in 0..40 {
            let (rows, channels) = (random.below(80), 1 + random.below(100));
            let (taps, dilation) = (1 + 2 * random.below(4), 1 + random.below(5));
            let x = random.normals(rows * channels);
            let (weight, bias) = (random.normals(channels), random.normals(channels));
            let norm = LayerNorm { weight: &weight, bias: &bias, eps: 1e-5 };
            let (w, b) = (random.normals(taps * channels), random.normals(channels));
            let filter = Depthwise { weights: &w, bias: &b, taps, dilation };
            for filter in [None, Some(filter)] {
                let filtered = filter.map_or(x.clone(), |filter| reference::depthwise(&x, filter));
                let want = reference::layer_norm(&filtered, &weight, &bias, norm.eps);
                let mut out = vec![f32::NAN; x.len()];
                let range = compute.filtered_norm(filter, norm, &x, &mut out);
                close(&out, &want, 2e-4, &format!("{rows} × {channels}, {taps} taps on {compute:?}"));
                let ends = (out.iter().fold(0f32, |a, b| a.min(*b)), out.iter().fold(0f32, |a, b| a.max(*b)));
                assert_eq!((range.low, range.high), ends);
            }
        }
    });
}

#[test]
fn channels_are_normed_over_time_and_bent() {
    every(|compute| {
        let mut random = Random(17);
        for case in 0..20 {
            let (rows, channels) = (1 + random.below(3000), 1 + random.below(70));
            let x: Vec<f32> = random.normals(rows * channels).iter().map(|x| x * 3.0 + 1.0).collect();
            let (scale, shift) = (random.normals(channels), random.normals(channels));
            let alpha: Vec<f32> = random.normals(channels).iter().map(|a| a.abs() + 0.1).collect();
            let inverse: Vec<f32> = alpha.iter().map(|a| 1.0 / a).collect();
            let (mean, variance) = compute.moments(&x, channels);
            let deviation: Vec<f32> = variance.iter().map(|v| (v + 1e-5).sqrt()).collect();
            let bend = if case % 2 == 0 { Bend::Leaky(0.2) } else { Bend::Snake(&alpha, &inverse) };
            let by = Modulation { mean: &mean, deviation: &deviation, scale: &scale, shift: &shift, bend };
            let moments: Vec<(f64, f64)> = (0..channels)
                .map(|c| {
                    let column = || x.iter().skip(c).step_by(channels).map(|x| f64::from(*x));
                    let mean = column().sum::<f64>() / rows as f64;
                    (mean, column().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64)
                })
                .collect();
            let want: Vec<f32> = (0..x.len())
                .map(|i| {
                    let c = i % channels;
                    let (mean, variance) = moments[c];
                    let y = (f64::from(x[i]) - mean) / (variance + 1e-5).sqrt() * f64::from(scale[c])
                        + f64::from(shift[c]);
                    let a = f64::from(alpha[c]);
                    let bent = if case % 2 == 0 { y.max(0.2 * y) } else { y + (a * y).sin().powi(2) / a };
                    bent as f32
                })
                .collect();
            let mut out = vec![f32::NAN; x.len()];
            let range = compute.modulate(by, &x, &mut out);
            close(&out, &want, 1e-5, &format!("{rows} × {channels}, case {case} on {compute:?}"));
            let ends = (out.iter().fold(0f32, |a, b| a.min(*b)), out.iter().fold(0f32, |a, b| a.max(*b)));
            assert_eq!((range.low, range.high), ends);
            assert_eq!(compute.range(&out), range);
        }
    });
}

#[test]
fn filters_of_bytes_are_exact() {
    every(|compute| {
        let mut random = Random(23);
        for _ in 0..60 {
            let (inputs, outputs) = (1 + random.below(150), 1 + random.below(90));
            let (taps, dilation) = (1 + random.below(7), 1 + random.below(12));
            let shape = ConvShape::centred(inputs, outputs, taps, dilation);
            let rows = 1 + random.below(300);
            let x = random.normals(rows * inputs);
            let w: Vec<i8> = (0..inputs * outputs * taps).map(|_| random.next() as i8).collect();
            let weight = |o: usize, i: usize, t: usize| w[(o * inputs + i) * taps + t];
            let scales: Vec<f32> = random.normals(outputs).iter().map(|x| x.abs() * 0.01 + 1e-3).collect();
            let (bias, add) = (random.normals(outputs), random.normals(rows * outputs));
            let range = Range { low: -0.8 * random.normal().abs(), high: 0.9 };
            let by = Quantisation::from(range);
            let zero = f32::from(by.zero);
            let entered: Vec<f32> = x
                .iter()
                .map(|x| ((x / by.scale).round_ties_even() + zero).clamp(0.0, 255.0) - zero)
                .collect();
            let steps: Vec<f32> =
                bias.iter().zip(&scales).map(|(b, s)| (b / (by.scale * s)).floor()).collect();
            let want: Vec<f32> =
                reference::conv1d(shape, &steps, |o, i, t| f32::from(weight(o, i, t)), &entered)
                    .iter()
                    .enumerate()
                    .map(|(i, sum)| sum * (by.scale * scales[i % outputs]) + add[i])
                    .collect();
            let matrix = ByteMatrix::filter(compute.isa(), shape, &scales, weight).with_whole_bias(&bias);
            let finish = Finish { add: Some(Rows::new(&add, outputs)), ..Finish::default() };
            let mut out = vec![f32::NAN; rows * outputs];
            compute.byte_product(&matrix, Rows::new(&x, inputs), range, finish, &mut out);
            assert_eq!(out, want, "{shape:?}, {rows} rows on {compute:?}");
        }
    });
}

#[test]
fn products_of_bytes_are_exact() {
    every(|compute| {
        let mut random = Random(5);
        for case in 0..40 {
            let (rows, inputs, outputs) = (random.below(60), 1 + random.below(300), 1 + random.below(100));
            let x = random.normals(rows * inputs);
            let weights: Vec<u8> = (0..inputs * outputs).map(|_| random.next() as u8).collect();
            let zero = if case == 0 { 255 } else { random.next() as u8 };
            // Narrower than the values, so that some meet both ends.
            let range = Range { low: -0.8 * random.normal().abs(), high: 0.9 };
            let want = reference::byte_product(&x, Quantisation::from(range), &weights, outputs, 0.01, zero);
            let matrix = ByteMatrix::new(compute.isa(), &weights, outputs, 0.01, zero, &[]);
            let mut out = vec![f32::NAN; rows * outputs];
            let came =
                compute.byte_product(&matrix, Rows::new(&x, inputs), range, Finish::default(), &mut out);
            assert_eq!(out, want, "{rows} × {inputs} × {outputs} on {compute:?}");
            let ends = (out.iter().fold(0f32, |a, b| a.min(*b)), out.iter().fold(0f32, |a, b| a.max(*b)));
            assert_eq!((came.low, came.high), ends);
        }
    });
}

#[test]
fn functions_of_every_value() {
    every(|compute| {
        let x: Vec<f32> = (-3000..3000).map(|i| i as f32 * 0.0041).collect();
        let check = |function, f: &dyn Fn(f64) -> f64, bound: f64| {
            let mut y = x.clone();
            compute.apply(function, &mut y);
            for (x, y) in x.iter().zip(&y) {
                let want = f(f64::from(*x));
                assert!(
                    (f64::from(*y) - want).abs() <= bound * want.abs().max(1.0),
                    "{function:?} of {x} is {y}"
                );
            }
        };
        check(Function::Exp, &f64::exp, 1e-6);
        check(Function::Tanh, &f64::tanh, 1e-6);
        check(Function::Sigmoid, &|x| 1.0 / (1.0 + (-x).exp()), 1e-6);
        let (width, mut gates) = (12, vec![f32::NAN; 3000]);
        compute.gates(&x, width, &mut gates);
        for (i, gate) in gates.iter().enumerate() {
            let at = i / width * 2 * width + i % width;
            let (a, b) = (f64::from(x[at]), f64::from(x[at + width]));
            assert!((f64::from(*gate) - a.tanh() / (1.0 + (-b).exp())).abs() < 1e-6, "gate {i} is {gate}");
        }
        let wide: Vec<f32> = x.iter().map(|x| x * 160.0).collect();
        let (mut sin, mut cos) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
        compute.sin_cos(&wide, &mut sin, &mut cos);
        for ((x, sin), cos) in wide.iter().zip(sin).zip(cos) {
            let (s, c) = f64::from(*x).sin_cos();
            assert!(
                (f64::from(sin) - s).abs() < 1e-6 && (f64::from(cos) - c).abs() < 1e-6,
                "{x}: {sin}, {cos}"
            );
        }
        let mut rows: Vec<f32> = (0..3 * 37).map(|i| (i * 31 % 17) as f32 - 8.0).collect();
        let halves: Vec<f32> = rows.iter().map(|x| x * 0.5).collect();
        let want: Vec<f32> = halves.chunks(37).flat_map(reference::softmax).collect();
        compute.softmax(&mut rows, 37, 2.0);
        close(&rows, &want, 1e-6, "softmax");
    });
}

#[test]
fn gelu_follows_a_faithful_erf() {
    every(|compute| {
        let x: Vec<f32> =
            (-3000..3000).map(|i| i as f32 * 0.004_1).chain([0.0, -0.0, 1e-30, 300.0, -300.0]).collect();
        let one = Conv1d::new(compute.isa(), ConvShape::product(1, 3), &[], |_, _, _| 1.0);
        let mut out = vec![f32::NAN; 3 * x.len()];
        compute.conv1d(&one, Rows::new(&x, 1), Finish::with(Activation::Gelu), &mut out);
        for (x, y) in x.iter().zip(out.chunks(3)) {
            let want = reference::gelu(*x);
            assert!(y.iter().all(|y| (y - want).abs() <= 1.2e-7 * x.abs().max(1e-30)), "{x}: {y:?}, {want}");
        }
    });
}

/// Sums are divided in the same way whatever the length of a vector, so that what networks round to bytes is the same everywhere.
#[test]
fn norms_and_softmax_have_the_same_digits_with_every_vector_length() {
    let mut random = Random(23);
    let (rows, channels) = (50, 192);
    let x = random.normals(rows * channels);
    let (weight, bias, w) =
        (random.normals(channels), random.normals(channels), random.normals(7 * channels));
    let norm = LayerNorm { weight: &weight, bias: &bias, eps: 1e-5 };
    let filter = Depthwise { weights: &w, bias: &bias, taps: 7, dilation: 4 };
    let mut seen: Option<[Vec<f32>; 2]> = None;
    // Without the instruction for it, a product and a sum are two roundings.
    for isa in Isa::available().into_iter().filter(|isa| !matches!(isa, Isa::Portable(_))) {
        let compute = Compute::new(isa, 1);
        let (mut normed, mut shares) = (vec![f32::NAN; x.len()], x.clone());
        compute.filtered_norm(Some(filter), norm, &x, &mut normed);
        compute.softmax(&mut shares, 150, 0.125);
        let got = [normed, shares];
        assert_eq!(*seen.get_or_insert_with(|| got.clone()), got, "{}", isa.name());
    }
}
