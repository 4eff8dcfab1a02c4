//! Any bytes as a safetensors file and as a `config.json`: checked, or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parasol_text::families::{self, Config};
use parasol_text::weights::{Naming, Weights};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entries) = parasol_text::safetensors::parse(bytes) {
        for entry in entries {
            let size = entry.format.row_bytes(entry.cols).map(|row| row * entry.rows);
            assert_eq!(Some(bytes[entry.range.clone()].len()), size);
        }
    }
    if let Ok(config) = Config::parse(bytes) {
        let weights = Weights::new(Naming::HuggingFace, Default::default());
        if let Ok(blueprint) = families::from_config(&config, &weights) {
            blueprint.check().expect("a blueprint was let through unchecked");
        }
    }
});
