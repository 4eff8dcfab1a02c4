//! Reading sound: every kind of file gives the same tone, and what is no sound gives a clear error.

#![allow(clippy::unwrap_used)]

use parasol_audio::sound::{at_rate, from_bytes, open, read, wav};
use parasol_core::{Error, ErrorKind, SoundStream};
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sound")).join(name)
}

fn samples(sound: SoundStream) -> Vec<f32> {
    at_rate(sound, 16_000).unwrap().flat_map(|piece| piece.unwrap()).collect()
}

/// How much of a tone of `hertz` is in the middle of `samples`: its amplitude.
fn amplitude(samples: &[f32], hertz: f64) -> f64 {
    let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, x) in middle.iter().enumerate() {
        let angle = 2.0 * std::f64::consts::PI * hertz * n as f64 / 16_000.0;
        sine += angle.sin() * f64::from(*x);
        cosine += angle.cos() * f64::from(*x);
    }
    2.0 * (sine * sine + cosine * cosine).sqrt() / middle.len() as f64
}

const FILES: [&str; 10] = [
    "tone.wav",
    "tone-f32.wav",
    "tone.flac",
    "tone.mp3",
    "tone.ogg",
    "tone.opus",
    "tone.webm",
    "tone.m4a",
    "tone-alac.m4a",
    "tone.aiff",
];

#[test]
fn every_kind_of_file_holds_the_same_tone() {
    for name in FILES {
        let sound = samples(open(&fixture(name)).unwrap_or_else(|e| panic!("{name}: {e}")));
        let seconds = sound.len() as f64 / 16_000.0;
        assert!((0.45..0.62).contains(&seconds), "{name} lasts {seconds} s");
        let tone = amplitude(&sound, 440.0);
        // ffmpeg halves the power of one channel when it makes two of it.
        assert!((0.33..0.37).contains(&tone) || name.contains("f32"), "{name} has the amplitude {tone}");
        assert!(amplitude(&sound, 1000.0) < 0.02, "{name} has other tones");
        // The same from memory, and from a pipe where the format allows it.
        let bytes = std::fs::read(fixture(name)).unwrap();
        assert_eq!(samples(from_bytes(bytes.clone()).unwrap()), sound, "{name}");
        if !name.ends_with("m4a") {
            let piped =
                read(std::io::Cursor::new(bytes)).unwrap_or_else(|e| panic!("{name} from a pipe: {e}"));
            assert_eq!(samples(piped), sound, "{name} from a pipe");
        }
    }
}

fn refused(bytes: Vec<u8>) -> Error {
    match from_bytes(bytes) {
        Err(error) => error,
        Ok(sound) => sound.filter_map(Result::err).next().expect("it is refused"),
    }
}

/// A WAV file with these fields; floats of 32 bits, or 16-bit numbers.
fn wave(rate: u32, channels: u16, float: bool, length: u32, data: &[u8]) -> Vec<u8> {
    let width: u16 = if float { 4 } else { 2 };
    let mut file = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0".to_vec();
    file.extend(if float { 3u16 } else { 1 }.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend(rate.wrapping_mul(u32::from(channels * width)).to_le_bytes());
    file.extend((channels * width).to_le_bytes());
    file.extend((width * 8).to_le_bytes());
    file.extend(b"data");
    file.extend(length.to_le_bytes());
    file.extend(data);
    file
}

#[test]
fn what_is_no_sound_is_a_clear_error() {
    let nan: Vec<u8> = [0.1, f32::NAN].iter().cycle().take(4000).flat_map(|x| x.to_le_bytes()).collect();
    let loud: Vec<u8> = std::iter::repeat_n(1e30f32, 4000).flat_map(f32::to_le_bytes).collect();
    for (what, bytes, says) in [
        ("nothing", Vec::new(), "empty"),
        ("text", b"this is a text and no sound, whatever its name says".repeat(9), "no sound"),
        ("zeros", vec![0; 5000], "no sound"),
        ("a header alone", wave(16_000, 1, false, 0, &[]), "no sound"),
        ("0 Hz", wave(0, 1, false, 8000, &[0; 8000]), ""),
        ("4 GHz", wave(u32::MAX, 1, false, 8000, &[0; 8000]), ""),
        ("no channels", wave(16_000, 0, false, 8000, &[0; 8000]), "has 0 channels"),
        ("96 channels", wave(16_000, 96, false, 19_200, &[0; 19_200]), "has 96 channels"),
        ("27 channels", wave(16_000, 27, false, 5400, &[0; 5400]), "has 27 channels"),
        ("NaN", wave(16_000, 1, true, 16_000, &nan), "sample 1 of the sound is NaN"),
        ("1e30", wave(16_000, 1, true, 16_000, &loud), "sample 0"),
    ] {
        let error = refused(bytes);
        let expected = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported);
        assert!(expected && error.message().contains(says), "{what}: {error}");
    }
    let folder = open(&fixture("")).unwrap_err();
    assert_eq!(*folder.kind(), ErrorKind::InvalidRequest, "{folder}");
    assert_eq!(*open(&fixture("nope.wav")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_header_that_lies_about_its_length_is_read_as_far_as_it_goes() {
    let data: Vec<u8> = (0..8000i16).flat_map(i16::to_le_bytes).collect();
    for length in [16_000, 1 << 30, u32::MAX] {
        let sound = samples(from_bytes(wave(16_000, 1, false, length, &data)).unwrap());
        assert!((7_900..=8_000).contains(&sound.len()), "{length}: {}", sound.len());
    }
    // What is longer than it says ends where it says.
    assert_eq!(samples(from_bytes(wave(16_000, 1, false, 8_000, &data)).unwrap()).len(), 4_000);
}

#[test]
fn lengths_that_a_program_never_came_to_write_are_found_out() {
    let data: Vec<u8> = (0..8000i16).map(|n| n + 300).flat_map(i16::to_le_bytes).collect();
    let whole = samples(from_bytes(wave(16_000, 1, false, 16_000, &data)).unwrap());
    assert_eq!(whole.len(), 8_000);
    // The length of all, 0 or less than the header or more than there is, and of the samples.
    for all in [0, 4, 36, 16_036, 1 << 30, u32::MAX] {
        for length in [0, 16_000, 1 << 30, u32::MAX] {
            let mut file = wave(16_000, 1, false, length, &data);
            file[4..8].copy_from_slice(&u32::to_le_bytes(all));
            let pipe = samples(read(std::io::Cursor::new(file.clone())).unwrap());
            let file = from_bytes(file).unwrap();
            let seconds = file.seconds();
            assert_eq!((samples(file), pipe), (whole.clone(), whole.clone()), "{all}, {length}");
            // A length that is too long would be a progress that never ends.
            assert!(seconds.is_none_or(|seconds| seconds == 0.5), "{all}, {length}: {seconds:?}");
        }
    }
    // Chunks before, and one behind samples that are none.
    let mut file = wave(16_000, 1, false, 0, b"LIST\x04\0\0\0INFO");
    assert!(refused(file.clone()).message().contains("empty"));
    file.truncate(36);
    file.extend(b"junk\x05\0\0\0INFOx\0data\0\0\0\0");
    file.extend(&data);
    assert_eq!(samples(from_bytes(file).unwrap()), whole);
    // Silence is no end.
    let quiet = [vec![0; 3_200], data].concat();
    let found = samples(from_bytes(wave(16_000, 1, false, 0, &quiet)).unwrap());
    assert_eq!(found, [vec![0.0; 1_600], whole].concat());
}

#[test]
fn up_to_26_channels_are_mixed_down() {
    for channels in [2, 6, 9, 26] {
        // One channel of full loudness, the others silent.
        let frame =
            |n: u16| (0..channels).flat_map(move |c| (if c == 0 { n as i16 } else { 0 }).to_le_bytes());
        let data: Vec<u8> = (0..4000).flat_map(frame).collect();
        let sound = samples(from_bytes(wave(16_000, channels, false, data.len() as u32, &data)).unwrap());
        assert!((3_900..=4_000).contains(&sound.len()), "{channels} channels: {}", sound.len());
        let want = 2000.0 / 32768.0 / f32::from(channels);
        assert!((sound[2000] - want).abs() < 1e-4, "{channels} channels: {} and not {want}", sound[2000]);
    }
}

#[test]
fn files_cut_anywhere_end_or_are_refused() {
    for name in FILES {
        let whole = std::fs::read(fixture(name)).unwrap();
        for cut in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            if let Ok(sound) = from_bytes(whole[..cut].to_vec()) {
                assert!(sound.take_while(Result::is_ok).flatten().map(|p| p.len()).sum::<usize>() < 100_000);
            }
        }
        // Flipped bits.
        for at in (0..whole.len()).step_by(whole.len() / 60 + 1) {
            let mut bent = whole.clone();
            bent[at] ^= 0x55;
            if let Ok(sound) = from_bytes(bent) {
                assert!(
                    sound.take(100_000).take_while(Result::is_ok).flatten().map(|p| p.len()).sum::<usize>()
                        < 1 << 24
                );
            }
        }
    }
}

#[test]
fn what_is_written_is_read_again() {
    let tone: Vec<f32> = (0..3000).map(|n| (n as f32 * 0.2).sin() * 0.8).collect();
    let sound = from_bytes(wav::encode(24_000, &tone)).unwrap();
    assert_eq!(sound.rate(), 24_000);
    let back: Vec<f32> = sound.flat_map(|piece| piece.unwrap()).collect();
    assert!(tone.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-4) && tone.len() == back.len());
}
