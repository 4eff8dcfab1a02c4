//! One file of a toy voice of Pocket TTS changed or replaced: refused, or it speaks; never a panic.
//!
//! The first byte says which toy, the second which file and how: its bytes, the header of a safetensors file whose data stays, or
//! changes of single bytes where they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parasol_audio::speech::Speaker;
use parasol_kernels::{Compute, Isa};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// The toys and their files.
const TOYS: [(&str, [&str; 4]); 2] = [
    ("plain", ["config.yaml", "tokenizer.json", "model.safetensors", "embeddings/alba.safetensors"]),
    ("small", ["config.yaml", "tokenizer.model", "model.safetensors", "embeddings/alba.safetensors"]),
];

static COMPUTE: LazyLock<Arc<Compute>> = LazyLock::new(|| Arc::new(Compute::new(Isa::detect(), 1)));

/// A toy of this process, and what its files are made of.
struct Toy {
    folder: PathBuf,
    files: Vec<(PathBuf, Vec<u8>)>,
}

static VOICES: LazyLock<Vec<Toy>> = LazyLock::new(|| {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pocket");
    let toy = |(name, files): &(&str, [&str; 4])| {
        let folder = std::env::temp_dir().join(format!("parasol-fuzz-pocket-{}-{name}", std::process::id()));
        std::fs::create_dir_all(folder.join("embeddings")).expect("a folder for the voice");
        let files = files.iter().map(|file| {
            let bytes = std::fs::read(fixtures.join(name).join(file)).expect("the toys of the fixtures");
            std::fs::write(folder.join(file), &bytes).expect("room for the voice");
            (folder.join(file), bytes)
        });
        Toy { files: files.collect(), folder }
    };
    TOYS.iter().map(toy).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let [toy, what, rest @ ..] = bytes else { return };
    let toy = &VOICES[usize::from(*toy) % VOICES.len()];
    let (path, own) = &toy.files[usize::from(*what) % 4];
    let changed = match what / 4 % 3 {
        0 => rest.to_vec(),
        1 => with_header(own, rest),
        _ => with_changes(own, rest),
    };
    std::fs::write(path, changed).expect("room for the file");
    if let Ok(speaker) = Speaker::open(&toy.folder, "toy", Arc::clone(&COMPUTE)) {
        let _ = speaker.phonemes("It rained, for 3 days.");
        let _ = speaker.quiet_sound("It rained.", 1.0);
    }
    std::fs::write(path, own).expect("room for the file");
});

/// A safetensors file with another header; one of another kind with another beginning.
fn with_header(own: &[u8], header: &[u8]) -> Vec<u8> {
    let length = own.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length));
    let data = usize::try_from(length).ok().and_then(|length| own.get(length.checked_add(8)?..));
    [&(header.len() as u64).to_le_bytes()[..], header, data.unwrap_or(own)].concat()
}

/// Four bytes each: a place, of which headers are met more often than data, and what is there.
fn with_changes(own: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = own.to_vec();
    for [low, middle, high, value] in changes.as_chunks::<4>().0 {
        let place = usize::from(*low) | usize::from(*middle) << 8 | usize::from(high & 127) << 16;
        let within = if high & 128 == 0 { bytes.len().min(1 << 14) } else { bytes.len() };
        bytes[place % within] = *value;
    }
    bytes
}
