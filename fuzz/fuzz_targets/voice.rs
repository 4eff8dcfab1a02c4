//! Any bytes as the ONNX file of a voice, or as changes of a small voice: refused, or it speaks; never a panic.
#![no_main]

#[path = "../../crates/audio/tests/common/small_voice.rs"]
mod small_voice;

use libfuzzer_sys::fuzz_target;
use parasol_audio::speech::Speaker;
use parasol_core::Speak;
use parasol_kernels::{Compute, Isa};
use small_voice::{ALPHABET, Filter, SmallVoice};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// Numbers of one tensor that the target writes.
const LARGEST: usize = 1 << 18;

static COMPUTE: LazyLock<Arc<Compute>> = LazyLock::new(|| Arc::new(Compute::new(Isa::detect(), 1)));

/// The folder of this process's voice, with its alphabet.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("parasol-fuzz-voice-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the voice");
    std::fs::write(folder.join("small.onnx.json"), ALPHABET).expect("room for the alphabet");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let file = match bytes {
        [0, changes @ ..] => changed(changes).file(),
        bytes => bytes.to_vec(),
    };
    std::fs::write(FOLDER.join("small.onnx"), file).expect("room for the voice");
    if let Ok(speaker) = Speaker::open(&FOLDER, "small", Arc::clone(&COMPUTE)) {
        let _ = speaker.quiet_sound("aa", 1.0);
        // The last of its speakers, where there are several.
        let last = speaker.voices().pop().map(|voice| voice.name).unwrap_or_default();
        let _ = speaker.quiet_sound_by(&last, "aa", 1.0);
    }
});

/// The small voice after changes of four bytes each: which part, what of it, and two bytes of what it becomes.
fn changed(changes: &[u8]) -> SmallVoice {
    let mut voice = SmallVoice::default();
    for &[part, what, low, high] in changes.as_chunks::<4>().0 {
        let value = u16::from_le_bytes([low, high]);
        // Small numbers are met more often than large ones.
        let size = usize::from(value >> (value & 15));
        if part == u8::MAX {
            voice.speakers = Some([usize::from(low), usize::from(high)]);
            continue;
        }
        let (filters, tables) = (voice.filters.len(), voice.tables.len());
        let part = usize::from(part) % (filters + tables);
        if part >= filters {
            let dims = &mut voice.tables[part - filters].1;
            let axis = usize::from(what) % dims.len();
            resize(dims, axis, size);
            continue;
        }
        let filter = &mut voice.filters[part];
        match what % 8 {
            axis @ 0..3 => resize(&mut filter.dims, usize::from(axis), size),
            3 => filter.has_bias = low & 1 == 0,
            4 => filter.padded_before = low & 1 == 0,
            5 if low & 1 == 0 => drop(voice.filters.remove(part)),
            // What speakers change is found by its name.
            5 => {
                let name = ["dp.cond", "dec.cond", "flow.flows.0.enc.cond_layer"][usize::from(high) % 3].to_owned();
                let more = Filter { name, ..voice.filters[part].clone() };
                voice.filters.push(more);
            }
            6 => {
                let number = i64::from(value.cast_signed() >> (value & 15));
                let setting = usize::from(what >> 3) % filter.settings.len();
                filter.settings[setting].1.fill(number);
            }
            _ => voice.filters[part].weights_of = Some(voice.filters[size % filters].name.clone()),
        }
        if voice.filters.is_empty() {
            break;
        }
    }
    voice
}

/// Another size along an axis, of which the file has to hold everything: more is for the hostile tests, which only say so.
fn resize(dims: &mut [usize], axis: usize, size: usize) {
    dims[axis] = 1;
    let others: usize = dims.iter().product();
    dims[axis] = size.min(512).min(LARGEST / others.max(1));
}
