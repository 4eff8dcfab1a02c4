//! Numbers for random shapes and values.
#![allow(dead_code)] // Each file of tests uses some of it.

/// xorshift64*: the same numbers everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }
    pub(crate) fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.next() as f32 / u32::MAX as f32 - 0.5).sum()
    }
    pub(crate) fn normals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.normal()).collect()
    }
}
