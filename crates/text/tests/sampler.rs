//! The sampler against a slow and obvious one, its errors, and that a seed repeats.

#![allow(clippy::unwrap_used, missing_docs)]

use parasol_core::{ErrorKind, Sampling};
use parasol_kernels::Isa;
use parasol_text::sampler::Sampler;

/// Every filter off.
fn bare() -> Sampling {
    Sampling { temperature: 1.0, top_k: None, top_p: None, min_p: None, seed: Some(1), ..Sampling::default() }
}

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    fn unit(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 31) as f32
    }
}

/// The distribution that the settings describe, by sorting and plain f64 arithmetic: (token, probability), and whether
/// rounding could decide differently at a cut.
fn obvious(logits: &[f32], history: &[u32], generated: usize, s: &Sampling) -> (Vec<(u32, f64)>, bool) {
    let mut x: Vec<f64> = logits.iter().map(|&l| f64::from(l)).collect();
    let window = |tokens: &[u32]| tokens[tokens.len().saturating_sub(s.penalty_window)..].to_vec();
    let (seen, own) = (window(history), window(&history[history.len() - generated..]));
    for (id, l) in x.iter_mut().enumerate() {
        if seen.contains(&(id as u32)) {
            *l = if *l > 0.0 {
                *l / f64::from(s.repetition_penalty)
            } else {
                *l * f64::from(s.repetition_penalty)
            };
        }
        let count = own.iter().filter(|&&t| t as usize == id).count();
        if count > 0 {
            *l -= f64::from(s.presence_penalty) + f64::from(s.frequency_penalty) * count as f64;
        }
        *l += f64::from(s.logit_bias.get(&(id as u32)).copied().unwrap_or(0.0));
    }
    let mut kept: Vec<(u32, f64)> = (0..).zip(x).filter(|(_, l)| *l > f64::NEG_INFINITY).collect();
    kept.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    kept.truncate(s.top_k.unwrap_or(usize::MAX));
    let mut close = false;
    let probabilities = |kept: &[(u32, f64)]| {
        let total: f64 = kept.iter().map(|(_, l)| (l - kept[0].1).exp()).sum();
        kept.iter().map(|(_, l)| (l - kept[0].1).exp() / total).collect::<Vec<f64>>()
    };
    let mut cut = |kept: &mut Vec<(u32, f64)>, p: Vec<f64>, mass: f64| {
        let (mut sum, mut count) = (0.0, 0);
        for p in p {
            count += 1;
            sum += p;
            close |= (sum - mass).abs() < 1e-5;
            if sum >= mass {
                break;
            }
        }
        kept.truncate(count);
    };
    if let Some(mass) = s.typical_p.filter(|p| *p < 1.0) {
        let p = probabilities(&kept);
        let entropy: f64 = p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        let mut order: Vec<usize> = (0..kept.len()).collect();
        order.sort_by(|&a, &b| {
            (-p[a].ln() - entropy).abs().total_cmp(&(-p[b].ln() - entropy).abs()).then(a.cmp(&b))
        });
        let mut all: Vec<(u32, f64)> = order.iter().map(|&i| kept[i]).collect();
        cut(&mut all, order.iter().map(|&i| p[i]).collect(), f64::from(mass));
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        kept = all;
    }
    if let Some(mass) = s.top_p.filter(|p| *p < 1.0) {
        let p = probabilities(&kept);
        cut(&mut kept, p, f64::from(mass));
    }
    if let Some(share) = s.min_p {
        let best = kept[0].1;
        close |= kept.iter().any(|(_, l)| ((l - best).exp() - f64::from(share)).abs() < 1e-6);
        kept.retain(|(_, l)| (l - best).exp() >= f64::from(share));
    }
    let t = f64::from(s.temperature);
    let total: f64 = kept.iter().map(|(_, l)| ((l - kept[0].1) / t).exp()).sum();
    let best = kept[0].1;
    (kept.into_iter().map(|(id, l)| (id, ((l - best) / t).exp() / total)).collect(), close)
}

/// Random settings over random logits: what is drawn lies in the obvious set, and often enough to show its shape.
#[test]
fn draws_follow_the_obvious_distribution() {
    let mut n = Numbers(3);
    let mut compared = 0;
    for round in 0..600 {
        let size = 2 + (n.next() % if round % 10 == 0 { 5000 } else { 60 }) as usize;
        let spread = 0.3 + 6.0 * n.unit();
        let coarse = n.next().is_multiple_of(3); // ties
        let mut logits: Vec<f32> = (0..size)
            .map(|_| {
                let x = (n.unit() + n.unit() + n.unit() - 1.5) * spread;
                if coarse { x.round() } else { x }
            })
            .collect();
        let maybe = |x: f32, n: &mut Numbers| n.next().is_multiple_of(2).then_some(x);
        let s = Sampling {
            temperature: 0.2 + 2.0 * n.unit(),
            top_k: n.next().is_multiple_of(2).then_some(1 + (n.next() % 50) as usize),
            top_p: {
                let p = 0.05 + 0.95 * n.unit();
                maybe(p, &mut n)
            },
            min_p: {
                let p = 0.3 * n.unit();
                maybe(p, &mut n)
            },
            typical_p: {
                let p = 0.1 + 0.9 * n.unit();
                if coarse { None } else { maybe(p, &mut n) }
            },
            repetition_penalty: 0.7 + n.unit(),
            logit_bias: [((n.next() as usize % size) as u32, 3.0 * n.unit() - 1.5)].into(),
            penalty_window: (n.next() % 20) as usize,
            seed: Some(n.next()),
            ..bare()
        };
        let history: Vec<u32> = (0..n.next() % 30).map(|_| (n.next() as usize % size) as u32).collect();
        let (expected, close) = obvious(&logits, &history, 0, &s);
        if close {
            continue; // a cut that rounding decides
        }
        compared += 1;
        let before = logits.clone();
        let mut sampler = Sampler::new(&s, size, Isa::detect()).unwrap();
        let draws = if size < 40 { 3000 } else { 50 };
        let mut counts = vec![0u32; size];
        for _ in 0..draws {
            counts[sampler.sample(&mut logits, &history).unwrap() as usize] += 1;
        }
        assert_eq!(logits, before, "logits must come back unchanged");
        for (id, &count) in counts.iter().enumerate() {
            let p = expected.iter().find(|(e, _)| *e as usize == id).map_or(0.0, |(_, p)| *p);
            let deviation = (p * (1.0 - p) * f64::from(draws)).sqrt();
            assert!(p > 0.0 || count == 0, "round {round}: token {id} is filtered out: {s:?}");
            let off = (f64::from(count) - p * f64::from(draws)).abs();
            assert!(
                off <= 6.0 * deviation + 3.0,
                "round {round}: token {id} drawn {count} of {draws}, p = {p}: {s:?}"
            );
        }
    }
    assert!(compared > 400, "only {compared} rounds were compared");
}

#[test]
fn penalties_of_generated_tokens_spare_the_prompt() {
    let s = Sampling { temperature: 0.0, presence_penalty: 0.5, frequency_penalty: 1.0, ..bare() };
    let mut sampler = Sampler::new(&s, 3, Isa::detect()).unwrap();
    let mut logits = [2.0, 1.9, 0.0];
    let mut history = vec![0, 0, 0];
    let mut tokens = Vec::new();
    for _ in 0..4 {
        let token = sampler.sample(&mut logits, &history).unwrap();
        history.push(token);
        tokens.push(token);
    }
    // 2.0 → 0.5 after one; 1.9 → 0.4 after one; then 0.5 → −0.5, and 0.4 is left.
    assert_eq!(tokens, [0, 1, 0, 1]);
}

#[test]
fn greedy_takes_the_first_of_the_best() {
    let mut logits = vec![0.0; 1000];
    (logits[17], logits[900]) = (3.0, 3.0);
    assert_eq!(
        Sampler::new(&Sampling::greedy(), 1000, Isa::detect()).unwrap().sample(&mut logits, &[]).unwrap(),
        17
    );
}

#[test]
fn extreme_settings_still_choose_sensibly() {
    let mut logits = vec![1.0, 5.0, 3.0, f32::NEG_INFINITY];
    let mut first =
        |s: Sampling| Sampler::new(&s, 4, Isa::detect()).unwrap().sample(&mut logits, &[2, 2, 0]).unwrap();
    for temperature in [f32::MIN_POSITIVE, 1e-40, f32::from_bits(1)] {
        assert_eq!(first(Sampling { temperature, ..bare() }), 1, "{temperature:e}");
        assert_eq!(first(Sampling { temperature, ..Sampling::default() }), 1, "{temperature:e}");
    }
    for top_k in [None, Some(3)] {
        assert_eq!(first(Sampling { top_p: Some(0.0), top_k, temperature: 2.0, ..bare() }), 1);
        assert_ne!(first(Sampling { typical_p: Some(0.0), top_k, ..bare() }), 3);
    }
    // Divided by next to nothing a logit grows beyond all numbers: it stays the largest, and others are still chosen from.
    let huge = Sampling { repetition_penalty: 1e-38, temperature: 0.0, ..bare() };
    assert_ne!(first(huge), 1);
    assert_ne!(first(Sampling { temperature: f32::MAX, ..bare() }), 3);
}

#[test]
fn a_seed_repeats_and_stays() {
    let logits: Vec<f32> = (0..50).map(|i| (i * 7 % 11) as f32 / 3.0).collect();
    let run = |seed| {
        let s = Sampling { seed, ..Sampling::default() };
        let mut sampler = Sampler::new(&s, 50, Isa::detect()).unwrap();
        (0..12).map(|_| sampler.sample(&mut logits.clone(), &[]).unwrap()).collect::<Vec<u32>>()
    };
    assert_eq!(run(Some(42)), run(Some(42)));
    assert_ne!(run(Some(42)), run(Some(43)));
    assert_ne!(run(None), run(None));
    let fresh = Sampler::new(&Sampling { seed: None, ..bare() }, 50, Isa::detect()).unwrap().seed();
    assert_eq!(run(Some(fresh)), run(Some(fresh)));
    // The same on every machine and in every later version.
    assert_eq!(run(Some(42)), PINNED);
}

const PINNED: [u32; 12] = [34, 17, 32, 42, 23, 36, 6, 36, 14, 7, 36, 45];

#[test]
fn log_probabilities_are_the_models_own() {
    let logits: Vec<f32> = (0..1000).map(|i| ((i * 37) % 101) as f32 / 9.0).collect();
    let total: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
    let s = Sampling { top_k: Some(1), logit_bias: [(5, 100.0)].into(), ..bare() };
    let mut sampler = Sampler::new(&s, 1000, Isa::detect()).unwrap();
    let token = sampler.sample(&mut logits.clone(), &[]).unwrap();
    assert_eq!(token, 5);
    let reported = sampler.log_probabilities(&logits, token, 7).unwrap();
    assert_eq!((reported.len(), reported[0].id), (8, 5));
    for entry in &reported {
        let exact = f64::from(logits[entry.id as usize]) - total.ln();
        assert!((f64::from(entry.logprob) - exact).abs() < 1e-4, "{entry:?} {exact}");
    }
    let mut order: Vec<u32> = (0..1000).collect();
    order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
    assert_eq!(reported[1..].iter().map(|e| e.id).collect::<Vec<_>>(), order[..7]);
    assert!(sampler.log_probabilities(&logits, token, 1001).unwrap_err().message().contains("1001"));
}

#[test]
fn broken_logits_are_errors() {
    for filters in [bare(), Sampling::default(), Sampling::greedy(), Sampling { top_p: Some(0.5), ..bare() }]
    {
        let mut sampler = Sampler::new(&filters, 40, Isa::detect()).unwrap();
        for bad in [f32::NAN, f32::INFINITY] {
            for place in [0, 20, 39] {
                let mut logits = vec![0.5; 40];
                logits[place] = bad;
                assert_eq!(*sampler.sample(&mut logits, &[]).unwrap_err().kind(), ErrorKind::Internal);
            }
        }
        let mut none = vec![f32::NEG_INFINITY; 40];
        assert!(sampler.sample(&mut none, &[]).unwrap_err().message().contains("−∞"));
        none[33] = -4.0;
        assert_eq!(sampler.sample(&mut none, &[33, 7, 99_999]).unwrap(), 33);
        assert!(sampler.sample(&mut [0.0; 39], &[]).is_err());
    }
}

#[test]
fn settings_out_of_range_name_themselves() {
    let refused = |s: Sampling, name: &str, value: &str| {
        let e = Sampler::new(&s, 100, Isa::detect()).unwrap_err();
        assert_eq!(*e.kind(), ErrorKind::InvalidRequest);
        assert!(e.message().contains(name) && e.message().contains(value), "{e}");
    };
    refused(Sampling { temperature: -0.5, ..bare() }, "temperature", "-0.5");
    refused(Sampling { temperature: f32::NAN, ..bare() }, "temperature", "NaN");
    refused(Sampling { top_k: Some(0), ..bare() }, "top_k", "0");
    refused(Sampling { top_p: Some(-0.5), ..bare() }, "top_p", "-0.5");
    refused(Sampling { top_p: Some(1.5), ..bare() }, "top_p", "1.5");
    refused(Sampling { typical_p: Some(f32::NAN), ..bare() }, "typical_p", "NaN");
    refused(Sampling { min_p: Some(-0.1), ..bare() }, "min_p", "-0.1");
    refused(Sampling { repetition_penalty: 0.0, ..bare() }, "repetition_penalty", "0");
    refused(Sampling { presence_penalty: f32::INFINITY, ..bare() }, "presence_penalty", "inf");
    refused(Sampling { frequency_penalty: f32::NAN, ..bare() }, "frequency_penalty", "NaN");
    refused(Sampling { logit_bias: [(100, 1.0)].into(), ..bare() }, "logit_bias", "100");
    refused(Sampling { logit_bias: [(7, f32::NAN)].into(), ..bare() }, "token 7", "NaN");
}
