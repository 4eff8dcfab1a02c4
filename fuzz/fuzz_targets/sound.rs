//! Any bytes as a sound file, read to its end at another rate: samples, or refused, never a panic and never a number that is none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parasol_audio::sound::{at_rate, from_bytes};

fuzz_target!(|bytes: &[u8]| {
    let Ok(sound) = from_bytes(bytes.to_vec()) else { return };
    let Ok(sound) = at_rate(sound, 16_000) else { return };
    // A file may say that it lasts for days: the first minutes are enough.
    let mut left = 10_000_000_usize;
    for piece in sound {
        let Ok(piece) = piece else { return };
        assert!(piece.iter().all(|x| x.is_finite()));
        left = left.saturating_sub(piece.len() + 1);
        if left == 0 {
            return;
        }
    }
});
