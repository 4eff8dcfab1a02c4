//! Finds and reads the fixtures that the reference implementations left.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use safetensors::SafeTensors;
use std::path::PathBuf;

pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
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
