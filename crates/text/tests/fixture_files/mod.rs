//! Finds and reads the fixtures that the reference implementations left.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use parasol_hub::{Cancel, Hub, Licence};
use safetensors::SafeTensors;
use std::path::PathBuf;

pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

/// A published model's file, pulled if it has to be and its licence lets it. One that is neither on this machine nor within reach is
/// named aloud; `PARASOL_TEST_GEMMA3_270M=file.gguf` names one that lies elsewhere.
pub fn published(name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(format!("PARASOL_TEST_{}", name.to_uppercase().replace('-', "_"))) {
        return Some(path.into());
    }
    let hub = Hub::open().unwrap();
    let located = match hub.locate(name).unwrap() {
        Some(located) => Ok(located),
        None => hub.pull(name, Licence::Refuse, &Cancel::new(), &mut |_| {}),
    };
    match located {
        Ok(located) => Some(located.model.path().to_owned()),
        Err(e) => {
            eprintln!("SKIPPED: {name} is not on this machine ({e}); `parasol pull {name}` fetches it");
            None
        }
    }
}

/// A safetensors file of numbers.
pub struct Numbers(Vec<u8>);

impl Numbers {
    pub fn read(name: &str) -> Self {
        Self(std::fs::read(fixtures().join(name)).unwrap())
    }

    fn bytes(&self, tensor: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(tensor).unwrap().data().to_vec()
    }

    pub fn u8(&self, tensor: &str) -> Vec<u8> {
        self.bytes(tensor)
    }

    pub fn f32(&self, tensor: &str) -> Vec<f32> {
        self.bytes(tensor).as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    pub fn f16(&self, tensor: &str) -> Vec<f32> {
        let halves = self.bytes(tensor);
        halves
            .as_chunks()
            .0
            .iter()
            .map(|b| parasol_kernels::half::f16_to_f32(u16::from_le_bytes(*b)))
            .collect()
    }

    pub fn i32(&self, tensor: &str) -> Vec<u32> {
        self.bytes(tensor).as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as u32).collect()
    }

    pub fn i64(&self, tensor: &str) -> Vec<u32> {
        self.bytes(tensor).as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as u32).collect()
    }

    pub fn metadata(&self, key: &str) -> String {
        let (_, header) = SafeTensors::read_metadata(&self.0).unwrap();
        header.metadata().as_ref().unwrap()[key].clone()
    }
}
