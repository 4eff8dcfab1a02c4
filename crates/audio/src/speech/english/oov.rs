//! Words that no dictionary has: a small transformer reads their letters, four places for phonemes each, of which repetitions and
//! blanks are dropped (CTC, Graves et al., 2006).

use crate::speech::layers::{Linear, Norm, Transformer, Work, size};
use crate::speech::onnx::Graph;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Compute, Finish};
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Meta {
    r#in: Vec<char>,
    out: Vec<String>,
    slots: usize,
    maxlen: usize,
}

/// The network and its alphabets.
pub(super) struct Unknown {
    meta: Meta,
    letters: HashMap<char, usize>,
    channels: usize,
    embedding: Vec<f32>,
    positions: Vec<f32>,
    layers: Vec<Transformer>,
    norm: Norm,
    head: Linear,
}

impl Unknown {
    /// From a voice's `oov.onnx` and `oov.json`.
    pub(super) fn new(file: &[u8], json: &[u8], compute: &Compute) -> Result<Self> {
        let meta: Meta = super::parse_json(json, "oov.json")?;
        let graph = &Graph::parse(file)?;
        let (symbols, channels) = (size(graph, "m.emb.weight", 0)?, size(graph, "m.emb.weight", 1)?);
        let outputs = size(graph, "m.head.bias", 0)?;
        if meta.r#in.len() >= symbols
            || meta.slots == 0
            || Some(outputs) != meta.slots.checked_mul(meta.out.len() + 1)
            || meta.maxlen == 0
        {
            let message = "the voice's oov.json and oov.onnx do not belong together";
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let layers = (0..)
            .map(|i| format!("m.layers.{i}"))
            .take_while(|name| graph.has(&format!("{name}.norm1.weight")))
            .map(|name| {
                let inside = size(graph, &format!("{name}.linear1.bias"), 0)?;
                // All networks of this kind have four heads.
                Transformer::open(graph, compute, &name, (channels, inside, 4))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            letters: meta.r#in.iter().enumerate().map(|(i, c)| (*c, i + 1)).collect(),
            channels,
            embedding: graph.floats("m.emb.weight", &[symbols, channels])?,
            positions: graph.floats("m.pos", &[meta.maxlen, channels])?,
            layers,
            norm: Norm::open(graph, "m.norm", channels)?,
            head: Linear::open(graph, compute, "m.head.bias", (channels, outputs))?,
            meta,
        })
    }

    /// Whether it has read words with this letter.
    pub(super) fn knows(&self, letter: char) -> bool {
        self.letters.contains_key(&letter)
    }

    /// The phonemes of a word; `None` when it knows none of its letters. Long ones are read in pieces.
    pub(super) fn say(&self, word: &str, compute: &Compute) -> Option<String> {
        let ids: Vec<usize> = word.chars().filter_map(|c| self.letters.get(&c).copied()).collect();
        // Of equal lengths, so that no piece is a single letter at the end.
        let pieces = ids.len().div_ceil(self.meta.maxlen).max(1);
        let said: String =
            ids.chunks(ids.len().div_ceil(pieces).max(1)).map(|ids| self.piece(ids, compute)).collect();
        (!ids.is_empty()).then_some(said)
    }

    fn piece(&self, ids: &[usize], compute: &Compute) -> String {
        let c = self.channels;
        let mut work = Work::default();
        for (id, position) in ids.iter().zip(self.positions.chunks_exact(c)) {
            // Ids are at most the number of letters, which is less than the rows of the embedding.
            let letter = &self.embedding[id * c..(id + 1) * c];
            work.x.extend(letter.iter().zip(position).map(|(a, b)| a + b));
        }
        self.layers.iter().for_each(|layer| layer.run(compute, &mut work));
        let mut normed = Vec::new();
        let range = self.norm.run(compute, &work.x, &mut normed);
        let mut scores = vec![0.0; ids.len() * self.head.shape().1];
        self.head.run(compute, &normed, range, Finish::default(), &mut scores);
        let (mut said, mut last) = (String::new(), 0);
        for place in scores.chunks_exact(self.meta.out.len() + 1) {
            let best = (1..place.len()).fold(0, |best, i| if place[i] > place[best] { i } else { best });
            if best != last && best != 0 {
                said += &self.meta.out[best - 1];
            }
            last = best;
        }
        said
    }
}
