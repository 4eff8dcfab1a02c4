//! ONNX files: weights by name, and which node reads what. The graph is not run; a network of ours takes its weights and the
//! few numbers that only the graph knows.

pub(crate) mod wire;

use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::MappedFile;
use parasol_kernels::half::f16_to_f32;
use std::collections::BTreeMap;
use std::path::Path;
use wire::{Field, Value, fields};

/// A file larger than this (1 GB) is no voice.
const LARGEST: usize = 1 << 30;
/// The format's number for half floats.
const HALF: i64 = 10;
/// Dimensions that a tensor has at most.
const LARGEST_RANK: usize = 8;

/// What a file holds, borrowed from its bytes.
pub(crate) struct Graph<'a> {
    tensors: BTreeMap<&'a str, Tensor<'a>>,
    nodes: Vec<Node<'a>>,
    /// Which node makes a value.
    makers: BTreeMap<&'a str, usize>,
}

/// A constant.
#[derive(Clone, Copy)]
pub(crate) struct Tensor<'a> {
    name: &'a str,
    dims: [usize; LARGEST_RANK],
    rank: usize,
    kind: i64,
    raw: &'a [u8],
    /// Integers of few bits, which may also be written as packed numbers.
    packed: &'a [u8],
}

/// One operation.
pub(crate) struct Node<'a> {
    pub(crate) operation: &'a str,
    pub(crate) inputs: Vec<&'a str>,
    pub(crate) outputs: Vec<&'a str>,
    pub(crate) attributes: Vec<Attribute<'a>>,
}

/// A setting of a node; of its value the kind that it has.
#[derive(Default)]
pub(crate) struct Attribute<'a> {
    pub(crate) name: &'a str,
    pub(crate) ints: Vec<i64>,
    tensor: Option<Tensor<'a>>,
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the ONNX file is damaged or of another kind: {what}"))
}

/// The bytes of a voice's file, for [`Graph::parse`].
///
/// # Errors
/// When it cannot be read; `Unsupported` when it is larger than any voice.
pub(crate) fn map(file: &Path) -> Result<MappedFile> {
    let bytes = MappedFile::open(file)?;
    if bytes.len() > LARGEST {
        let message = format!("{} is larger than 1 GB: it is no voice", file.display());
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(bytes)
}

impl<'a> Graph<'a> {
    /// Reads the file's structure; no weight is copied.
    ///
    /// # Errors
    /// `Corrupt` when it is no ONNX file, or cut short.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut graph = Self { tensors: BTreeMap::new(), nodes: Vec::new(), makers: BTreeMap::new() };
        let mut found = false;
        for field in fields(bytes) {
            if let Field { number: 7, value: Value::Bytes(graph_bytes) } = field? {
                found = true;
                graph.read(graph_bytes)?;
            }
        }
        if !found {
            return Err(damaged("it holds no graph"));
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            for output in &node.outputs {
                graph.makers.insert(output, index);
            }
        }
        Ok(graph)
    }

    fn read(&mut self, bytes: &'a [u8]) -> Result<()> {
        for field in fields(bytes) {
            match field? {
                Field { number: 1, value: Value::Bytes(node) } => {
                    let mut node = Node::parse(node)?;
                    // A constant is a tensor like any other.
                    if let ("Constant", [name], Some(tensor)) =
                        (node.operation, &node.outputs[..], node.attributes.iter().find_map(|a| a.tensor))
                    {
                        self.tensors.insert(name, Tensor { name, ..tensor });
                    } else {
                        node.attributes.retain(|a| a.tensor.is_none());
                        self.nodes.push(node);
                    }
                }
                Field { number: 5, value: Value::Bytes(tensor) } => {
                    let tensor = Tensor::parse(tensor)?;
                    self.tensors.insert(tensor.name, tensor);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The constant of this name.
    ///
    /// # Errors
    /// `Corrupt`, naming it, when there is none.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor<'a>> {
        self.tensors.get(name).copied().ok_or_else(|| damaged(format!("it has no weights called {name:?}")))
    }

    /// The floats of this name, which must have these dimensions.
    pub(crate) fn floats(&self, name: &str, dims: &[usize]) -> Result<Vec<f32>> {
        self.tensor(name)?.shaped(dims)?.floats()
    }

    /// Whether there is a constant of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The node that makes a value.
    pub(crate) fn maker(&self, value: &str) -> Option<&Node<'a>> {
        self.nodes.get(*self.makers.get(value)?)
    }

    /// All operations, in the order in which they run.
    pub(crate) fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// The first node that reads a value.
    pub(crate) fn reader(&self, value: &str) -> Result<&Node<'a>> {
        let reads = |node: &&Node<'a>| node.inputs.contains(&value);
        self.nodes.iter().find(reads).ok_or_else(|| damaged(format!("nothing reads {value:?}")))
    }
}

impl<'a> Node<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut node =
            Self { operation: "", inputs: Vec::new(), outputs: Vec::new(), attributes: Vec::new() };
        for field in fields(bytes) {
            match field? {
                Field { number: 1, value: Value::Bytes(b) } => node.inputs.push(text(b)?),
                Field { number: 2, value: Value::Bytes(b) } => node.outputs.push(text(b)?),
                Field { number: 4, value: Value::Bytes(b) } => node.operation = text(b)?,
                Field { number: 5, value: Value::Bytes(b) } => node.attributes.push(Attribute::parse(b)?),
                _ => {}
            }
        }
        Ok(node)
    }

    /// The integers of an attribute; none when it is not there.
    pub(crate) fn ints(&self, name: &str) -> &[i64] {
        self.attributes.iter().find(|a| a.name == name).map_or(&[], |a| &a.ints)
    }
}

impl<'a> Attribute<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut attribute = Self::default();
        for field in fields(bytes) {
            match field? {
                Field { number: 1, value: Value::Bytes(b) } => attribute.name = text(b)?,
                Field { number: 3 | 8, value: Value::Int(i) } => attribute.ints.push(i),
                Field { number: 8, value: Value::Bytes(b) } => attribute.ints.extend(wire::packed(b)?),
                Field { number: 5, value: Value::Bytes(b) } => attribute.tensor = Some(Tensor::parse(b)?),
                _ => {}
            }
        }
        Ok(attribute)
    }
}

impl<'a> Tensor<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut tensor = Self { name: "", dims: [0; LARGEST_RANK], rank: 0, kind: 0, raw: &[], packed: &[] };
        for field in fields(bytes) {
            match field? {
                Field { number: 1, value: Value::Int(dim) } => tensor.push(dim)?,
                Field { number: 1, value: Value::Bytes(dims) } => {
                    wire::packed(dims)?.into_iter().try_for_each(|dim| tensor.push(dim))?;
                }
                Field { number: 2, value: Value::Int(kind) } => tensor.kind = kind,
                // Packed floats lie as raw data does.
                Field { number: 4 | 9, value: Value::Bytes(raw) } => tensor.raw = raw,
                Field { number: 5, value: Value::Bytes(packed) } => tensor.packed = packed,
                Field { number: 8, value: Value::Bytes(name) } => tensor.name = text(name)?,
                Field { number: 13, .. } => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        "the ONNX file keeps its weights in another file: export it as one file",
                    ));
                }
                _ => {}
            }
        }
        Ok(tensor)
    }

    fn push(&mut self, dim: i64) -> Result<()> {
        let (at, dim) = (self.rank, usize::try_from(dim));
        match (self.dims.get_mut(at), dim) {
            (Some(place), Ok(dim)) => *place = dim,
            _ => return Err(damaged(format!("dimension {at} of {:?}", self.name))),
        }
        self.rank += 1;
        Ok(())
    }

    /// Its dimensions.
    pub(crate) fn dims(&self) -> &[usize] {
        self.dims.get(..self.rank).unwrap_or_default()
    }

    /// The same, if it has these dimensions.
    pub(crate) fn shaped(self, dims: &[usize]) -> Result<Self> {
        match self.dims() == dims {
            true => Ok(self),
            false => {
                Err(damaged(format!("the weights {:?} are {:?} and not {dims:?}", self.name, self.dims())))
            }
        }
    }

    fn values<const N: usize>(&self, kind: &[i64]) -> Result<impl Iterator<Item = [u8; N]> + 'a> {
        let count = self.dims().iter().try_fold(1usize, |n, dim| n.checked_mul(*dim));
        let bytes = count.and_then(|n| n.checked_mul(N));
        if !kind.contains(&self.kind) || bytes != Some(self.raw.len()) {
            return Err(damaged(format!(
                "the weights {:?} have {} bytes of type {}, which {:?} values do not",
                self.name,
                self.raw.len(),
                self.kind,
                self.dims()
            )));
        }
        Ok(self.raw.as_chunks::<N>().0.iter().copied())
    }

    /// Its values as floats, also where the file has half ones.
    pub(crate) fn floats(&self) -> Result<Vec<f32>> {
        if self.kind == HALF {
            let half = |b| f16_to_f32(u16::from_le_bytes(b));
            return Ok(self.values(&[HALF])?.map(half).collect());
        }
        Ok(self.values(&[1])?.map(f32::from_le_bytes).collect())
    }

    /// Its signed or unsigned bytes as unsigned ones; signed ones 128 higher.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let offset = if self.kind == 3 { 128 } else { 0 };
        if self.packed.is_empty() {
            return Ok(self.values::<1>(&[2, 3])?.map(|[b]| b.wrapping_add(offset)).collect());
        }
        let numbers = wire::packed(self.packed)?;
        let count = self.dims().iter().try_fold(1usize, |n, dim| n.checked_mul(*dim));
        let byte = |n: i64| match self.kind {
            2 => u8::try_from(n).ok(),
            3 => i8::try_from(n).ok().map(|n| (n as u8).wrapping_add(offset)),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = numbers.into_iter().map(byte).collect();
        bytes
            .filter(|bytes| Some(bytes.len()) == count)
            .ok_or_else(|| damaged(format!("the weights {:?} are no bytes of {:?}", self.name, self.dims())))
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| damaged("a name is no text"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
    }

    fn model() -> Vec<u8> {
        let floats = [1.0f32.to_le_bytes(), 2.0f32.to_le_bytes()].concat();
        let tensor = [&[1 << 3, 2, 2 << 3, 1][..], &message(8, b"w"), &message(9, &floats)].concat();
        let attribute = [message(1, b"pads"), vec![8 << 3, 3, 8 << 3, 4]].concat();
        let node = [
            message(1, b"x"),
            message(1, b"w"),
            message(2, b"y"),
            message(4, b"Conv"),
            message(5, &attribute),
        ]
        .concat();
        message(7, &[message(1, &node), message(5, &tensor)].concat())
    }

    #[test]
    fn weights_and_nodes_are_found_by_name() {
        let model = model();
        let graph = Graph::parse(&model).unwrap();
        assert_eq!(graph.floats("w", &[2]).unwrap(), [1.0, 2.0]);
        assert!(graph.floats("w", &[3]).unwrap_err().message().contains("[2] and not [3]"));
        assert!(graph.floats("v", &[3]).unwrap_err().message().contains("\"v\""));
        let node = graph.reader("w").unwrap();
        assert_eq!((node.operation, node.ints("pads")), ("Conv", &[3, 4][..]));
        assert_eq!(graph.maker("y").unwrap().inputs, ["x", "w"]);
        assert!(graph.tensor("w").unwrap().bytes().is_err());
        // −1 and 3 as signed bytes that are written as packed numbers.
        let negative = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 3];
        let tensor = [&[1 << 3, 2, 2 << 3, 3][..], &message(8, b"b"), &message(5, &negative)].concat();
        let model = message(7, &message(5, &tensor));
        assert_eq!(Graph::parse(&model).unwrap().tensor("b").unwrap().bytes().unwrap(), [127, 131]);
    }

    #[test]
    fn half_floats_are_floats() {
        let halves = [0x3C00u16.to_le_bytes(), 0xC100u16.to_le_bytes()].concat();
        let tensor = [&[1 << 3, 2, 2 << 3, 10][..], &message(8, b"h"), &message(9, &halves)].concat();
        let model = message(7, &message(5, &tensor));
        assert_eq!(Graph::parse(&model).unwrap().floats("h", &[2]).unwrap(), [1.0, -2.5]);
        let short = [&[1 << 3, 3, 2 << 3, 10][..], &message(8, b"h"), &message(9, &halves)].concat();
        let model = message(7, &message(5, &short));
        assert!(Graph::parse(&model).unwrap().floats("h", &[3]).is_err());
    }

    #[test]
    fn a_file_cut_anywhere_or_flipped_is_an_error_or_another_file_and_never_a_panic() {
        let model = model();
        for end in 0..model.len() {
            let cut = Graph::parse(&model[..end]).and_then(|graph| graph.floats("w", &[2]));
            assert!(cut.is_err(), "cut at {end}");
        }
        for at in 0..model.len() {
            for bit in 0..8 {
                let mut model = model.clone();
                model[at] ^= 1 << bit;
                let _ = Graph::parse(&model).and_then(|graph| graph.floats("w", &[2]));
            }
        }
    }
}
