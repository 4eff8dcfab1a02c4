//! The transformers of Pocket TTS: layers with norms before their parts, rotary positions and a memory of keys and values, which
//! grows with what is computed or keeps a window of it. Rows may come in any portions.

use super::weights::{Weights, needs};
use crate::transcription::checkpoint::Tensor;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Activations, CausalAttention, Compute, Prepare, RopeTable};

/// ε of every norm.
const EPSILON: f32 = 1e-5;

/// The sizes of one transformer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    /// Width inside the feed-forward layers.
    pub(super) inside: usize,
    /// Rows that one sees, itself included.
    pub(super) window: Option<usize>,
    /// The longest period of the rotary positions.
    pub(super) period: f64,
    /// Whether what each part adds is scaled channel by channel (Touvron et al., 2021).
    pub(super) scaled: bool,
}

struct Layer {
    norm1: (Vec<f32>, Vec<f32>),
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    norm2: (Vec<f32>, Vec<f32>),
    up: Tensor,
    down: Tensor,
}

/// The layers of one transformer.
pub(super) struct Transformer {
    sizes: Sizes,
    layers: Vec<Layer>,
    frequencies: Vec<f64>,
}

/// Keys and values of the rows so far, (rows, kv_heads, head_dim) in each layer.
#[derive(Clone, Default)]
pub(super) struct Memory {
    pub(super) layers: Vec<(Vec<f32>, Vec<f32>)>,
    /// The position of the next row.
    pub(super) position: usize,
}

/// Room that is kept from call to call.
#[derive(Default)]
pub(super) struct Work {
    input: Activations,
    rope: RopeTable,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    attended: Vec<f32>,
    hidden: Vec<f32>,
}

impl Transformer {
    /// The layers `name.layers.N`.
    ///
    /// # Errors
    /// `Corrupt` when one is missing or has another shape.
    pub(super) fn open(weights: &Weights, name: &str, sizes: Sizes) -> Result<Self> {
        let layers = (0..sizes.layers).map(|n| Layer::open(weights, &format!("{name}.layers.{n}"), sizes));
        let exponent = |pair: usize| -2.0 * pair as f64 / sizes.head_dim as f64;
        let frequencies = (0..sizes.head_dim / 2).map(|pair| sizes.period.powf(exponent(pair)));
        Ok(Self { sizes, layers: layers.collect::<Result<_>>()?, frequencies: frequencies.collect() })
    }

    /// An empty memory.
    pub(super) fn memory(&self) -> Memory {
        Memory { layers: vec![Default::default(); self.sizes.layers], position: 0 }
    }

    /// What the layers make of the rows `x` (rows, width), which follow those in memory.
    pub(super) fn run(&self, compute: &Compute, x: &mut [f32], memory: &mut Memory, work: &mut Work) {
        let Sizes { width, heads, kv_heads, head_dim, window, .. } = self.sizes;
        let rows = x.len() / width;
        if rows == 0 {
            return;
        }
        let positions: Vec<usize> = (memory.position..memory.position + rows).collect();
        work.rope.fill(compute, &self.frequencies, 1.0, &positions);
        memory.position += rows;
        let scale = 1.0 / (head_dim as f32).sqrt();
        let shape = CausalAttention { heads, kv_heads, head_dim, window, scale };
        for (layer, (keys, values)) in self.layers.iter().zip(&mut memory.layers) {
            let norm = Prepare::LayerNorm(&layer.norm1.0, &layer.norm1.1, EPSILON);
            compute.activations(x, width, norm, needs(&layer.query), &mut work.input);
            work.q.resize(rows * heads * head_dim, 0.0);
            work.k.resize(rows * kv_heads * head_dim, 0.0);
            work.v.resize(rows * kv_heads * head_dim, 0.0);
            let [q, k, v] = [&layer.query, &layer.key, &layer.value].map(Tensor::matrix);
            compute.linear(&work.input, [(q, &mut work.q[..]), (k, &mut work.k[..]), (v, &mut work.v[..])]);
            compute.rope(&mut work.q, head_dim, heads, &work.rope, true);
            compute.rope(&mut work.k, head_dim, kv_heads, &work.rope, true);
            keys.extend_from_slice(&work.k);
            values.extend_from_slice(&work.v);
            work.attended.resize(work.q.len(), 0.0);
            compute.causal_attention(shape, &work.q, keys, values, &mut work.attended);
            let needed = needs(&layer.out);
            compute.activations(&work.attended, heads * head_dim, Prepare::Plain, needed, &mut work.input);
            compute.linear_add(&work.input, layer.out.matrix(), x);

            let norm = Prepare::LayerNorm(&layer.norm2.0, &layer.norm2.1, EPSILON);
            compute.activations(x, width, norm, needs(&layer.up), &mut work.input);
            work.hidden.resize(rows * layer.up.rows(), 0.0);
            compute.linear(&work.input, [(layer.up.matrix(), &mut work.hidden[..])]);
            let needed = needs(&layer.down);
            compute.activations(&work.hidden, layer.up.rows(), Prepare::GeluTanh, needed, &mut work.input);
            compute.linear_add(&work.input, layer.down.matrix(), x);
        }
        if let Some(window) = window {
            memory.keep(window, kv_heads * head_dim);
        }
    }

    /// Values of a row of keys.
    pub(super) fn key_width(&self) -> usize {
        self.sizes.kv_heads * self.sizes.head_dim
    }
}

impl Memory {
    /// Forgets all but the last `window` rows, now and then.
    fn keep(&mut self, window: usize, width: usize) {
        for (keys, values) in &mut self.layers {
            if keys.len() / width > 2 * window {
                let gone = keys.len() - window * width;
                keys.drain(..gone);
                values.drain(..gone);
            }
        }
    }

    /// Forgets what came after the first `rows` rows, of a memory that has kept them all.
    pub(super) fn rewind(&mut self, rows: usize, width: usize) {
        for (keys, values) in &mut self.layers {
            keys.truncate(rows * width);
            values.truncate(rows * width);
        }
        self.position = rows;
    }
}

impl Layer {
    fn open(weights: &Weights, name: &str, sizes: Sizes) -> Result<Self> {
        let Sizes { width, heads, kv_heads, head_dim, inside, scaled, .. } = sizes;
        let (queries, keys) = (heads * head_dim, kv_heads * head_dim);
        let projection = format!("{name}.self_attn.in_proj.weight");
        let all = weights.matrix(&projection, queries + 2 * keys, width)?;
        let part = |from: usize, rows: usize| {
            let missing = || Error::new(ErrorKind::Corrupt, format!("`{projection}` is no three matrices"));
            all.part(from..from + rows).ok_or_else(missing)
        };
        // What is scaled row by row may as well have its scale in the weights.
        let scaled_by = |scale: &str, product: &str, inputs: usize| {
            let product = format!("{name}.{product}.weight");
            if !scaled {
                return weights.matrix(&product, width, inputs);
            }
            let scale = weights.vector(&format!("{name}.{scale}.scale"), width)?;
            let mut values = weights.floats(&product, width, inputs)?;
            for (row, scale) in values.chunks_exact_mut(inputs).zip(&scale) {
                row.iter_mut().for_each(|x| *x *= scale);
            }
            Ok(Tensor::of_floats(width, inputs, &values))
        };
        Ok(Self {
            norm1: weights.norm(&format!("{name}.norm1"), width)?,
            query: part(0, queries)?,
            key: part(queries, keys)?,
            value: part(queries + keys, keys)?,
            out: scaled_by("layer_scale_1", "self_attn.out_proj", queries)?,
            norm2: weights.norm(&format!("{name}.norm2"), width)?,
            up: weights.matrix(&format!("{name}.linear1.weight"), inside, width)?,
            down: scaled_by("layer_scale_2", "linear2", inside)?,
        })
    }
}
