//! What reads phonemes: PL-BERT (Li et al., 2023), an ALBERT whose one layer is run twelve times, and the filters of the text encoder.

use super::parts::{Filter, From, Lstm, Matrix, Table};
use crate::speech::layers::{Norm, Part, attend};
use parasol_core::Result;
use parasol_kernels::{Compute, Function};

const BERT: &str = "/encoder/bert/encoder/albert_layer_groups.0/albert_layers.0";
const BERT_NAME: &str = "encoder.bert.encoder.albert_layer_groups.0.albert_layers.0";

/// Channels of what is told of a phoneme.
pub(super) const TEXT: usize = 512;
/// Those of PL-BERT's tables, its layer, and inside that.
const EMBEDDING: usize = 128;
const WIDTH: usize = 768;
const INSIDE: usize = 2048;

/// Heads of attention; rounds of the one layer.
const HEADS: usize = 12;
const ROUNDS: usize = 12;

/// What ALBERT's norms add to a variance.
const EPS: f32 = 1e-12;

/// PL-BERT and the product behind it.
pub(super) struct Bert {
    words: Table,
    places: Table,
    kinds: Table,
    norm: Norm,
    enter: Matrix,
    query: Matrix,
    key: Matrix,
    value: Matrix,
    dense: Matrix,
    norm1: Norm,
    wide: Matrix,
    /// The bias that stands before the activation.
    wide_bias: Vec<f32>,
    narrow: Matrix,
    norm2: Norm,
    leave: Matrix,
}

impl Bert {
    pub(super) fn open(from: &From<'_, '_>) -> Result<Self> {
        let graph = from.graph;
        let table = |name: &str| from.table(&format!("encoder.bert.embeddings.{name}.weight"), EMBEDDING);
        let matrix = |place: &str, bias: Option<&str>, sizes: (usize, usize)| {
            from.matrix(&format!("{place}/MatMul_output_0_output_quantized"), bias, sizes)
        };
        let inner = |part: &str, inputs: usize| {
            let bias = format!("{BERT_NAME}.{}.bias", part.replace('/', "."));
            matrix(&format!("{BERT}/{part}"), Some(&bias), (inputs, WIDTH))
        };
        let words = table("word_embeddings")?;
        let enter = matrix(
            "/encoder/bert/encoder/embedding_hidden_mapping_in",
            Some("encoder.bert.encoder.embedding_hidden_mapping_in.bias"),
            (EMBEDDING, WIDTH),
        )?;
        let wide = matrix(&format!("{BERT}/ffn"), None, (WIDTH, INSIDE))?;
        let norm = |name: &str, width: usize| Norm::open(graph, name, width).map(|norm| norm.with_eps(EPS));
        Ok(Self {
            norm: norm("encoder.bert.embeddings.LayerNorm", EMBEDDING)?,
            places: table("position_embeddings")?,
            kinds: table("token_type_embeddings")?,
            words,
            query: inner("attention/query", WIDTH)?,
            key: inner("attention/key", WIDTH)?,
            value: inner("attention/value", WIDTH)?,
            dense: inner("attention/dense", WIDTH)?,
            norm1: norm(&format!("{BERT_NAME}.attention.LayerNorm"), WIDTH)?,
            wide_bias: graph.floats(&format!("{BERT_NAME}.ffn.bias"), &[INSIDE])?,
            wide,
            narrow: inner("ffn_output", INSIDE)?,
            norm2: norm(&format!("{BERT_NAME}.full_layer_layer_norm"), WIDTH)?,
            leave: matrix("/encoder/bert_encoder", Some("encoder.bert_encoder.bias"), (WIDTH, TEXT))?,
            enter,
        })
    }

    /// Phonemes that have a row; how many it reads at once.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.words.rows, self.places.rows)
    }

    /// (phonemes, channels), for ids and a number of them within [`Bert::sizes`].
    pub(super) fn run(&self, compute: &Compute, ids: &[usize]) -> Vec<f32> {
        let mut x = Vec::with_capacity(ids.len() * self.words.width);
        for (place, id) in ids.iter().enumerate() {
            let parts = self.words.row(*id).iter().zip(self.kinds.row(0)).zip(self.places.row(place));
            x.extend(parts.map(|((word, kind), place)| word + kind + place));
        }
        let normed = |norm: &Norm, x: &[f32]| {
            let mut out = Vec::new();
            norm.run(compute, x, &mut out);
            out
        };
        let mut x = self.enter.run(compute, &normed(&self.norm, &x));
        for _ in 0..ROUNDS {
            let mut y = self.dense.run(compute, &self.attend(compute, &x));
            compute.add(&mut y, &x);
            let y = normed(&self.norm1, &y);
            let mut hidden = self.wide.run(compute, &y);
            gelu(compute, &mut hidden, &self.wide_bias);
            let mut z = self.narrow.run(compute, &hidden);
            compute.add(&mut z, &y);
            x = self.norm2.run_after_sum(&z);
        }
        self.leave.run(compute, &x)
    }

    fn attend(&self, compute: &Compute, x: &[f32]) -> Vec<f32> {
        let [mut q, mut k, v] = [&self.query, &self.key, &self.value].map(|matrix| matrix.run(compute, x));
        let channels = self.query.outputs();
        // Both sides of the scores have their share of what these are divided by.
        let share = (1.0 / ((channels / HEADS) as f32).sqrt()).sqrt();
        q.iter_mut().chain(&mut k).for_each(|x| *x *= share);
        let mut out = vec![0.0; q.len()];
        let parts = [&q, &k, &v].map(|values| Part { values, from: 0, stride: channels });
        attend(compute, parts, (channels, HEADS), 1.0, &mut out);
        out
    }
}

/// ½x(1 + tanh(√(2/π)(x + 0.044715x³))) of x and a bias.
fn gelu(compute: &Compute, x: &mut [f32], bias: &[f32]) {
    for row in x.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
    }
    let mut tanh: Vec<f32> = x.iter().map(|x| x * (0.035_677_407 * x * x + 0.797_884_6)).collect();
    compute.apply(Function::Tanh, &mut tanh);
    x.iter_mut().zip(tanh).for_each(|(x, tanh)| *x *= 0.5 * tanh + 0.5);
}

/// Phonemes to what their sound is made of.
pub(super) struct TextEncoder {
    table: Table,
    layers: Vec<(Filter, Norm)>,
    lstm: Lstm,
}

impl TextEncoder {
    pub(super) fn open(from: &From<'_, '_>) -> Result<Self> {
        let table = from.table("encoder.text_encoder.embedding.weight", TEXT)?;
        let mut layers = Vec::new();
        for i in 0..3 {
            let (place, name) =
                (format!("/encoder/text_encoder/cnn.{i}/cnn.{i}.0"), format!("encoder.text_encoder.cnn.{i}"));
            let filter = from.conv(&place, Some(&format!("{name}.0.bias")), (TEXT, TEXT))?;
            let norm = Norm::of(from.graph, &format!("{name}.1.gamma"), &format!("{name}.1.beta"), TEXT)?;
            layers.push((filter, norm));
        }
        Ok(Self {
            table,
            layers,
            lstm: from.lstm("/encoder/text_encoder/lstm/LSTM_output_0", (TEXT, TEXT / 2))?,
        })
    }

    /// Phonemes that have a row.
    pub(super) fn symbols(&self) -> usize {
        self.table.rows
    }

    /// (phonemes, channels), for ids below [`TextEncoder::symbols`].
    pub(super) fn run(&self, compute: &Compute, ids: &[usize]) -> Vec<f32> {
        let mut x: Vec<f32> = ids.iter().flat_map(|id| self.table.row(*id)).copied().collect();
        for (filter, norm) in &self.layers {
            let y = filter.run(compute, &x, compute.range(&x), None);
            norm.run(compute, &y, &mut x);
            x.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.2 * *x } else { *x });
        }
        self.lstm.run(compute, &x)
    }
}
