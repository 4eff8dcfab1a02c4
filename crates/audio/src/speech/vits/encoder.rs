//! The text encoder: phonemes to a row each, by attention that also sees how far rows are apart (Shaw et al., 2018), and filters.

use super::parts::{From, at_least_one, run};
use crate::speech::layers::{Norm, size};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Activation, Compute, Conv1d, ConvShape, Finish, Rows};

struct Layer {
    query: Conv1d,
    key: Conv1d,
    value: Conv1d,
    out: Conv1d,
    /// (distances, width): for each distance from −window to window.
    near_keys: Vec<f32>,
    near_values: Vec<f32>,
    width: usize,
    norm1: Norm,
    wide: Conv1d,
    narrow: Conv1d,
    norm2: Norm,
}

/// Phonemes to rows.
pub(super) struct Encoder {
    embedding: Vec<f32>,
    pub(super) symbols: usize,
    channels: usize,
    layers: Vec<Layer>,
    /// Means and logarithms of deviations.
    project: Conv1d,
}

/// What the encoder says of each phoneme, (phonemes, channels) each.
pub(super) struct Encoded {
    pub(super) rows: Vec<f32>,
    /// Means, then logarithms of deviations, in one row.
    pub(super) prior: Vec<f32>,
}

impl Encoder {
    pub(super) fn open(from: &From<'_, '_>) -> Result<Self> {
        let lost = || Error::new(ErrorKind::Unsupported, "the voice's phonemes are not looked up in a table");
        let table = from.graph.reader("input")?.inputs.first().copied().ok_or_else(lost)?;
        let (symbols, channels) = (size(from.graph, table, 0)?, size(from.graph, table, 1)?);
        let scale = (channels as f32).sqrt();
        let stored = from.graph.floats(table, &[symbols, channels])?;
        let attention = |i: usize| format!("enc_p.encoder.attn_layers.{i}.conv_q");
        let count = at_least_one(from.count(attention)?, "enc_p.encoder")?;
        let layers = (0..count).map(|i| Layer::open(from, i, channels)).collect::<Result<_>>()?;
        Ok(Self {
            embedding: stored.iter().map(|x| x * scale).collect(),
            symbols,
            channels,
            layers,
            project: from.conv("enc_p.proj", channels, 2 * channels)?,
        })
    }

    /// Channels of a row.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Ids below [`Encoder::symbols`].
    pub(super) fn run(&self, compute: &Compute, ids: &[usize]) -> Encoded {
        let c = self.channels;
        let mut x: Vec<f32> =
            ids.iter().flat_map(|id| &self.embedding[id * c..(id + 1) * c]).copied().collect();
        for layer in &self.layers {
            let add = Finish { add: Some(Rows::new(&x, c)), ..Finish::default() };
            let attended = layer.attend(compute, &x, c);
            let summed = run(&layer.out, compute, &attended, add);
            layer.norm1.run(compute, &summed, &mut x);
            let hidden = run(&layer.wide, compute, &x, Finish::with(Activation::Relu));
            let add = Finish { add: Some(Rows::new(&x, c)), ..Finish::default() };
            let summed = run(&layer.narrow, compute, &hidden, add);
            layer.norm2.run(compute, &summed, &mut x);
        }
        let prior = run(&self.project, compute, &x, Finish::default());
        Encoded { rows: x, prior }
    }
}

impl Layer {
    fn open(from: &From<'_, '_>, i: usize, channels: usize) -> Result<Self> {
        let name = format!("enc_p.encoder.attn_layers.{i}");
        let conv = |part: &str| from.conv(&format!("{name}.{part}"), channels, channels);
        let near = format!("{name}.emb_rel_k");
        let (distances, width) = (size(from.graph, &near, 1)?, size(from.graph, &near, 2)?);
        if distances % 2 == 0 || !channels.is_multiple_of(width) {
            let message = format!(
                "the voice's {name} has {channels} channels in heads of {width}, {distances} distances"
            );
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let feed = format!("enc_p.encoder.ffn_layers.{i}");
        let wide = from.conv(&format!("{feed}.conv_1"), channels, None)?;
        let narrow = from.conv(&format!("{feed}.conv_2"), wide.shape().outputs, channels)?;
        Ok(Self {
            query: conv("conv_q")?,
            key: conv("conv_k")?,
            value: conv("conv_v")?,
            out: conv("conv_o")?,
            near_keys: from.graph.floats(&near, &[1, distances, width])?,
            near_values: from.graph.floats(&format!("{name}.emb_rel_v"), &[1, distances, width])?,
            width,
            norm1: from.norm(&format!("enc_p.encoder.norm_layers_1.{i}"), channels)?,
            wide,
            narrow,
            norm2: from.norm(&format!("enc_p.encoder.norm_layers_2.{i}"), channels)?,
        })
    }

    fn attend(&self, compute: &Compute, x: &[f32], channels: usize) -> Vec<f32> {
        let plain = |conv: &Conv1d| run(conv, compute, x, Finish::default());
        let (q, k, v) = (plain(&self.query), plain(&self.key), plain(&self.value));
        let (rows, width) = (x.len() / channels, self.width);
        let window = self.near_keys.len() / width / 2;
        let mut out = vec![0.0; x.len()];
        let (mut scores, mut head) = (vec![0.0; rows * rows], vec![0.0; rows * width]);
        for at in (0..channels).step_by(width) {
            // Keys and values take the place of weights.
            let keys = Conv1d::new(compute.isa(), ConvShape::product(width, rows), &[], |row, i, _| {
                k[row * channels + at + i]
            });
            compute.conv1d(&keys, Rows::strided(&q, at, rows, channels), Finish::default(), &mut scores);
            let near = |i: usize, rows: usize| i.saturating_sub(window)..(i + window + 1).min(rows);
            for i in 0..rows {
                let query = &q[i * channels + at..i * channels + at + width];
                for j in near(i, rows) {
                    let key = &self.near_keys[(j + window - i) * width..][..width];
                    scores[i * rows + j] += query.iter().zip(key).map(|(a, b)| a * b).sum::<f32>();
                }
            }
            compute.softmax(&mut scores, rows, (width as f32).sqrt());
            let values = Conv1d::new(compute.isa(), ConvShape::product(rows, width), &[], |i, row, _| {
                v[row * channels + at + i]
            });
            compute.conv1d(&values, Rows::new(&scores, rows), Finish::default(), &mut head);
            for i in 0..rows {
                let sum = &mut head[i * width..(i + 1) * width];
                for j in near(i, rows) {
                    let value = &self.near_values[(j + window - i) * width..][..width];
                    let share = scores[i * rows + j];
                    sum.iter_mut().zip(value).for_each(|(sum, value)| *sum += share * value);
                }
                out[i * channels + at..i * channels + at + width].copy_from_slice(sum);
            }
        }
        out
    }
}
