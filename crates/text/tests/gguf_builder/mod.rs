//! Writes small GGUF files byte by byte, right ones and wrong ones, for the tests of the reader.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

/// A GGUF file under construction.
#[derive(Clone)]
pub struct Builder {
    pub version: u32,
    pub alignment: usize,
    pub values: Vec<Vec<u8>>,
    pub tensors: Vec<Vec<u8>>,
    pub data: Vec<u8>,
}

impl Default for Builder {
    fn default() -> Self {
        Self { version: 3, alignment: 32, values: Vec::new(), tensors: Vec::new(), data: Vec::new() }
    }
}

pub fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

impl Builder {
    pub fn raw_value(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.values.push([&string(key)[..], &kind.to_le_bytes(), value].concat());
        self
    }

    pub fn u32(self, key: &str, value: u32) -> Self {
        self.raw_value(key, 4, &value.to_le_bytes())
    }

    pub fn u16(self, key: &str, value: u16) -> Self {
        self.raw_value(key, 2, &value.to_le_bytes())
    }

    pub fn f32(self, key: &str, value: f32) -> Self {
        self.raw_value(key, 6, &value.to_le_bytes())
    }

    pub fn bool(self, key: &str, value: bool) -> Self {
        self.raw_value(key, 7, &[value.into()])
    }

    pub fn str(self, key: &str, value: &str) -> Self {
        self.raw_value(key, 8, &string(value))
    }

    pub fn array(self, key: &str, of: u32, items: &[Vec<u8>]) -> Self {
        let head = [&of.to_le_bytes()[..], &(items.len() as u64).to_le_bytes()].concat();
        self.raw_value(key, 9, &[head, items.concat()].concat())
    }

    pub fn strings(self, key: &str, items: &[&str]) -> Self {
        self.array(key, 8, &items.iter().map(string).collect::<Vec<_>>())
    }

    pub fn i32s(self, key: &str, items: &[i32]) -> Self {
        self.array(key, 5, &items.iter().map(|x| x.to_le_bytes().to_vec()).collect::<Vec<_>>())
    }

    pub fn f32s(self, key: &str, items: &[f32]) -> Self {
        self.array(key, 6, &items.iter().map(|x| x.to_le_bytes().to_vec()).collect::<Vec<_>>())
    }

    /// A table entry as given, without data.
    pub fn raw_tensor(mut self, name: &str, dimensions: &[u64], kind: u32, offset: u64) -> Self {
        let mut entry = [&string(name)[..], &(dimensions.len() as u32).to_le_bytes()].concat();
        dimensions.iter().for_each(|d| entry.extend(d.to_le_bytes()));
        entry.extend(kind.to_le_bytes());
        entry.extend(offset.to_le_bytes());
        self.tensors.push(entry);
        self
    }

    /// A tensor with its bytes, placed after those before it. Dimensions are fastest first, as the file has them.
    pub fn tensor(mut self, name: &str, dimensions: &[u64], kind: u32, bytes: &[u8]) -> Self {
        self.data.resize(self.data.len().next_multiple_of(self.alignment), 0);
        let offset = self.data.len() as u64;
        self.data.extend(bytes);
        self.raw_tensor(name, dimensions, kind, offset)
    }

    pub fn f32_tensor(self, name: &str, dimensions: &[u64], values: &[f32]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensor(name, dimensions, 0, &bytes)
    }

    /// Bytes in the data section, for tensors placed by hand.
    pub fn data(mut self, bytes: usize) -> Self {
        self.data.resize(bytes, 0);
        self
    }

    pub fn build(&self) -> Vec<u8> {
        self.build_with_counts(self.tensors.len() as u64, self.values.len() as u64)
    }

    pub fn build_with_counts(&self, tensors: u64, values: u64) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(tensors.to_le_bytes());
        out.extend(values.to_le_bytes());
        self.values.iter().chain(&self.tensors).for_each(|entry| out.extend(entry));
        out.resize(out.len().next_multiple_of(self.alignment), 0);
        out.extend(&self.data);
        out
    }
}
