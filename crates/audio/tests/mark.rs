//! The mark of imitated voices, in something like speech: it is found after what happens to sounds, and nowhere else.
#![allow(clippy::unwrap_used)]

use parasol_audio::mark::{Finding, Marker, find};
use parasol_audio::sound::{Resampler, SoundFormat, SoundWriter, from_bytes};
use parasol_core::SoundStream;

const RATE: u32 = 24_000;

/// Numbers from 0 to 1 that only look random (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// A resonance: two poles at a frequency, as wide as `width`, both in Hz.
#[derive(Default)]
struct Resonance(f32, f32);

impl Resonance {
    fn pass(&mut self, x: f32, frequency: f32, width: f32, rate: f32) -> f32 {
        let r = (-std::f32::consts::PI * width / rate).exp();
        let turn = 2.0 * r * (std::f32::consts::TAU * frequency / rate).cos();
        let y = (1.0 - r) * x + turn * self.0 - r * r * self.1;
        (self.0, self.1) = (y, self.0);
        y
    }
}

/// Vowels and hisses of a sixth of a second with pauses between: pulses of a gliding pitch, or noise, through four resonances.
fn speech(seconds: f32, rate: u32, seed: u64) -> Vec<f32> {
    let (mut chance, r) = (Chance(seed), rate as f32);
    let mut out = Vec::new();
    let mut places: [Resonance; 4] = Default::default();
    let mut turn = 0.0f32;
    while out.len() < (seconds * r) as usize {
        let kind = chance.next();
        let length = (r * (0.08 + 0.16 * chance.next())) as usize;
        let at: [f32; 4] = [
            250.0 + 600.0 * chance.next(),
            900.0 + 1_500.0 * chance.next(),
            2_400.0 + 900.0 * chance.next(),
            3_500.0 + 2_000.0 * chance.next(),
        ];
        let (pitch, glide) = (90.0 + 80.0 * chance.next(), 60.0 * chance.next() - 30.0);
        for n in 0..length {
            let along = n as f32 / length as f32;
            turn += (pitch + glide * along) / r;
            let pulse = if turn >= 1.0 {
                turn -= 1.0;
                12.0
            } else {
                0.0
            };
            let noise = chance.next() - 0.5;
            let source = match kind {
                k if k < 0.15 => 0.0,
                k if k < 0.4 => 0.6 * noise,
                _ => pulse + 0.03 * noise,
            };
            let shape = (std::f32::consts::PI * along).sin().sqrt();
            let voice: f32 = places
                .iter_mut()
                .zip(at)
                .zip([1.0, 0.8, 0.6, 0.6])
                .map(|((place, f), much)| much * place.pass(source * shape, f, 60.0 + f / 30.0, r))
                .sum();
            out.push((0.5 * voice).clamp(-0.99, 0.99));
        }
    }
    out.truncate((seconds * r) as usize);
    out
}

fn marked_in(pieces: impl Iterator<Item = usize>, sound: &[f32], rate: u32) -> Vec<f32> {
    let mut marker = Marker::new(rate);
    let (mut out, mut rest) = (Vec::new(), sound);
    for piece in pieces {
        let (now, after) = rest.split_at(piece.min(rest.len()));
        out.extend(marker.push(now));
        rest = after;
    }
    out.extend(marker.push(rest));
    out.extend(marker.finish());
    out
}

fn marked(sound: &[f32], rate: u32) -> Vec<f32> {
    marked_in(std::iter::empty(), sound, rate)
}

fn look(rate: u32, samples: &[f32]) -> Finding {
    find(SoundStream::from_samples(rate, samples.to_vec())).unwrap()
}

fn resampled(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let (mut resampler, mut out) = (Resampler::new(from, to).unwrap(), Vec::new());
    resampler.push(samples, &mut out);
    resampler.finish(&mut out);
    out
}

fn through(format: SoundFormat, samples: &[f32], rate: u32) -> Finding {
    let mut writer = SoundWriter::new(format, rate).unwrap();
    let mut bytes = writer.push(samples).unwrap();
    bytes.extend(writer.finish().unwrap());
    find(from_bytes(bytes).unwrap()).unwrap()
}

#[test]
fn it_is_as_long_as_the_sound_the_same_in_any_pieces_and_soft() {
    let plain = speech(3.0, RATE, 1);
    let whole = marked(&plain, RATE);
    assert_eq!(whole.len(), plain.len());
    assert_eq!(whole, marked_in([0, 1, 7, 383, 384, 385, 5_000].into_iter(), &plain, RATE));
    let power = |sound: &[f32]| sound.iter().map(|x| f64::from(x * x)).sum::<f64>();
    let change: Vec<f32> = plain.iter().zip(&whole).map(|(a, b)| b - a).collect();
    let below = 10.0 * (power(&plain) / power(&change)).log10();
    assert!((18.0..30.0).contains(&below), "the mark is {below:.1} dB below the sound");
    // What was held back never amounts to more than a frame.
    let mut marker = Marker::new(RATE);
    let given = marker.push(&plain[..10_000]).len();
    assert!((10_000 - 768..10_000).contains(&given), "{given}");
    for length in [0, 1, 383, 384, 385, 769] {
        assert_eq!(marked(&plain[..length], RATE).len(), length);
    }
    assert!(marked(&[0.0; 10_000], RATE).iter().all(|x| *x == 0.0));
    assert!(marked(&[1.0; 10_000], RATE).iter().all(|x| x.abs() <= 1.0));
}

#[test]
fn it_is_found_after_what_happens_to_sounds() {
    let plain = speech(8.0, RATE, 2);
    let sound = marked(&plain, RATE);
    let strong = |finding: Finding, what: &str| {
        assert!(finding.marked && finding.chance < -8.0, "{what}: {finding:?}");
    };
    strong(look(RATE, &sound), "nothing");
    strong(look(16_000, &resampled(&sound, RATE, 16_000)), "16 kHz");
    strong(look(48_000, &resampled(&sound, RATE, 48_000)), "48 kHz");
    for gain in [0.01, 0.5, -1.0] {
        strong(look(RATE, &sound.iter().map(|x| gain * x).collect::<Vec<_>>()), "a gain");
    }
    // Somewhere in the middle of a cell, and of a sample of the lower rate.
    strong(look(RATE, &sound[50_123..50_123 + 4 * RATE as usize]), "cut to 4 s");
    strong(through(SoundFormat::Flac, &sound, RATE), "FLAC");
    strong(through(SoundFormat::Opus, &sound, RATE), "Opus");
    // Between two long pieces without one, where it is told to be.
    let other = speech(20.0, RATE, 3);
    let found = look(RATE, &[&other[..], &sound, &other].concat());
    assert!(found.marked && found.from > 14.0 && found.to < 34.0, "{found:?}");
    for rate in [8_000, 16_000, 22_050, 44_100] {
        let plain = speech(8.0, rate, 4);
        strong(look(rate, &marked(&plain, rate)), "made at another rate");
        assert!(!look(rate, &plain).marked);
    }
}

#[test]
fn it_is_not_found_where_it_is_not() {
    for seed in 0..20 {
        let found = look(RATE, &speech(12.0, RATE, 100 + seed));
        assert!(!found.marked && found.chance > -4.0, "{seed}: {found:?}");
    }
    let mut chance = Chance(9);
    let noise: Vec<f32> = (0..200_000).map(|_| chance.next() - 0.5).collect();
    let tone: Vec<f32> = (0..200_000).map(|n| (n as f32 * 0.3).sin()).collect();
    for sound in [noise, tone, vec![0.0; 200_000], vec![0.5; 200_000], vec![0.1; 100], Vec::new()] {
        let found = look(16_000, &sound);
        assert!(!found.marked && found.chance <= 0.0 && found.chance > -4.0, "{found:?}");
        assert!(found.to <= found.seconds, "{found:?}");
    }
}
