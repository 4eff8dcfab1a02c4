//! The decoder: tokens of one or several texts to the logits of what comes next, with the sound in view. Weights may be rounded
//! to 8 bits: here reading them is what takes the time.

use super::cache::{Beam, Cross, Pair, TextCache, shape};
use super::checkpoint::{Checkpoint, Config, Part, Side, Tensor};
use super::encoder::{EPSILON, Linear, Loader, Norm, needs};
use parasol_core::Result;
use parasol_kernels::{Activations, Attention, Compute, Format, KvShape, KvSpan, Prepare};
use std::sync::Arc;

struct Layer {
    attn_norm: Norm,
    query: Linear,
    key: Tensor,
    value: Linear,
    out: Linear,
    cross_norm: Norm,
    cross_query: Linear,
    cross_key: Tensor,
    cross_value: Linear,
    cross_out: Linear,
    ffn_norm: Norm,
    up: Linear,
    down: Linear,
}

/// The decoder of one model.
pub(crate) struct Decoder {
    compute: Arc<Compute>,
    config: Config,
    embedding: Tensor,
    /// (text context, width)
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
}

/// Buffers that are kept from step to step.
#[derive(Default)]
pub(crate) struct DecoderWork {
    input: Activations,
    x: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    turned: Vec<f32>,
    attended: Vec<f32>,
    hidden: Vec<f32>,
    /// Queries of the cross-attention of these layers are kept, when asked for.
    pub(super) kept: Option<Vec<(usize, Vec<f32>)>>,
}

impl Decoder {
    /// `format`: what products' weights are rounded to; the products with the sound, once a window, keep theirs.
    pub(crate) fn new(
        checkpoint: &Checkpoint,
        compute: Arc<Compute>,
        format: Option<Format>,
        threads: usize,
    ) -> Result<Self> {
        let (config, weights) = (checkpoint.config.clone(), &checkpoint.weights);
        let (width, side) = (config.width, Side::Decoder);
        let loader = Loader { weights, width };
        let round = |tensor: Tensor| match format {
            Some(format) => tensor.quantized(format, threads),
            None => Ok(tensor),
        };
        let linear = |n, part, rows, cols| -> Result<Linear> {
            let Linear { weight, bias } = loader.linear(side, n, part, rows, cols)?;
            Ok(Linear { weight: round(weight)?, bias })
        };
        let layers = (0..config.decoder_layers).map(|n| {
            Ok(Layer {
                attn_norm: loader.norm(side, n, Part::AttnNorm)?,
                query: linear(n, Part::Query, width, width)?,
                key: round(loader.weight(side, n, Part::Key, width, width)?)?,
                value: linear(n, Part::Value, width, width)?,
                out: linear(n, Part::Out, width, width)?,
                cross_norm: loader.norm(side, n, Part::CrossNorm)?,
                cross_query: linear(n, Part::CrossQuery, width, width)?,
                cross_key: loader.weight(side, n, Part::CrossKey, width, width)?,
                cross_value: loader.linear(side, n, Part::CrossValue, width, width)?,
                cross_out: linear(n, Part::CrossOut, width, width)?,
                ffn_norm: loader.norm(side, n, Part::FfnNorm)?,
                up: linear(n, Part::Up, 4 * width, width)?,
                down: linear(n, Part::Down, width, 4 * width)?,
            })
        });
        let style = weights.style();
        Ok(Self {
            embedding: round(weights.expect(style.embedding(), config.vocabulary, width)?)?,
            positions: weights.expect(style.positions(side), config.text_context, width)?.floats(),
            layers: layers.collect::<Result<_>>()?,
            norm: loader.last_norm(side)?,
            compute,
            config,
        })
    }

    fn shape(&self) -> KvShape {
        shape(self.config.decoder_heads, self.config.width / self.config.decoder_heads)
    }

    /// Room for `beams` texts.
    pub(crate) fn cache(&self, beams: usize) -> TextCache {
        TextCache::new(self.shape(), self.config.decoder_layers, beams, self.config.text_context)
    }

    /// Room for the keys and values of a sound.
    pub(crate) fn cross(&self) -> Cross {
        Cross::new(self.shape(), self.config.decoder_layers, self.config.audio_context)
    }

    /// Keys and values of what the encoder made of a window, (frames, width).
    pub(crate) fn listen(&self, encoded: &[f32], cross: &mut Cross, work: &mut DecoderWork) {
        let (compute, width) = (&*self.compute, self.config.width);
        let Cross { layers, blocks, frames } = cross;
        assert_eq!(encoded.len(), *frames * width);
        let span = [KvSpan { tokens: *frames, offset: 0, blocks }];
        for (layer, Pair { keys, values }) in self.layers.iter().zip(layers) {
            let weights = [&layer.cross_key, &layer.cross_value.weight];
            compute.activations(encoded, width, Prepare::Plain, needs(weights), &mut work.input);
            work.k.resize(encoded.len(), 0.0);
            work.v.resize(encoded.len(), 0.0);
            compute.linear(
                &work.input,
                [
                    (layer.cross_key.matrix(), &mut work.k[..]),
                    (layer.cross_value.weight.matrix(), &mut work.v[..]),
                ],
            );
            compute.add_bias(&mut work.v, &layer.cross_value.bias);
            compute.store_kv(self.shape(), &work.k, &work.v, &span, keys, values);
        }
    }

    /// The keys of one layer's cross-attention in f32, (frames, width).
    pub(crate) fn cross_keys(&self, layer: usize, encoded: &[f32], work: &mut DecoderWork) -> Vec<f32> {
        let key = &self.layers[layer].cross_key;
        self.compute.activations(encoded, self.config.width, Prepare::Plain, needs([key]), &mut work.input);
        let mut keys = vec![0.0; encoded.len()];
        self.compute.linear(&work.input, [(key.matrix(), &mut keys[..])]);
        keys
    }

    /// Computes the tokens of each text, which follow those that it has. `logits` becomes (wanted, vocabulary), `wanted`
    /// counting the tokens of all texts through.
    ///
    /// # Panics
    /// When a text grows longer than the context, or there is no such token.
    pub(crate) fn forward(
        &self,
        cache: &mut TextCache,
        cross: &Cross,
        batch: &mut [(&mut Beam, &[u32])],
        wanted: &[usize],
        work: &mut DecoderWork,
        logits: &mut Vec<f32>,
    ) {
        let (compute, width) = (&*self.compute, self.config.width);
        let tokens: Vec<u32> = batch.iter().flat_map(|(_, tokens)| tokens.iter().copied()).collect();
        work.x.resize(tokens.len() * width, 0.0);
        compute.gather(&self.embedding.matrix(), &tokens, 1.0, &mut work.x);
        let mut rows = work.x.chunks_exact_mut(width);
        for (beam, tokens) in batch.iter_mut() {
            cache.extend(beam, tokens.len());
            let positions = self.positions.chunks_exact(width).skip(beam.len).take(tokens.len());
            assert_eq!(positions.len(), tokens.len(), "the text outgrows its context");
            for (position, row) in positions.zip(&mut rows) {
                row.iter_mut().zip(position).for_each(|(x, p)| *x += p);
            }
        }
        let spans: Vec<KvSpan<'_>> = batch
            .iter()
            .map(|(beam, tokens)| KvSpan { tokens: tokens.len(), offset: beam.len, blocks: &beam.blocks })
            .collect();
        for (index, layer) in self.layers.iter().enumerate() {
            self.attend_text(layer, &mut cache.layers[index], &spans, work);
            self.attend_sound(index, layer, cross, work);
            let norm = Prepare::LayerNorm(&layer.ffn_norm.0, &layer.ffn_norm.1, EPSILON);
            compute.activations(&work.x, width, norm, needs([&layer.up.weight]), &mut work.input);
            work.hidden.resize(work.x.len() * 4, 0.0);
            compute.linear(&work.input, [(layer.up.weight.matrix(), &mut work.hidden[..])]);
            let gelu = Prepare::BiasGelu(&layer.up.bias);
            compute.activations(&work.hidden, 4 * width, gelu, needs([&layer.down.weight]), &mut work.input);
            compute.linear_add(&work.input, layer.down.weight.matrix(), &mut work.x);
            compute.add_bias(&mut work.x, &layer.down.bias);
        }
        for (beam, tokens) in batch.iter_mut() {
            beam.len += tokens.len();
        }
        self.head(wanted, work, logits);
    }

    /// Logits of some of the rows that were computed last.
    pub(crate) fn head(&self, wanted: &[usize], work: &mut DecoderWork, logits: &mut Vec<f32>) {
        let (compute, width) = (&*self.compute, self.config.width);
        work.q.resize(wanted.len() * width, 0.0);
        for (to, row) in work.q.chunks_exact_mut(width).zip(wanted) {
            to.copy_from_slice(&work.x[row * width..(row + 1) * width]);
        }
        let norm = Prepare::LayerNorm(&self.norm.0, &self.norm.1, EPSILON);
        compute.activations(&work.q, width, norm, needs([&self.embedding]), &mut work.input);
        logits.resize(wanted.len() * self.config.vocabulary, 0.0);
        compute.linear(&work.input, [(self.embedding.matrix(), &mut logits[..])]);
    }

    /// Attention to the text before.
    fn attend_text(&self, layer: &Layer, pair: &mut Pair, spans: &[KvSpan<'_>], work: &mut DecoderWork) {
        let (compute, width) = (&*self.compute, self.config.width);
        let norm = Prepare::LayerNorm(&layer.attn_norm.0, &layer.attn_norm.1, EPSILON);
        let weights = [&layer.query.weight, &layer.key, &layer.value.weight];
        compute.activations(&work.x, width, norm, needs(weights), &mut work.input);
        for buffer in [&mut work.q, &mut work.k, &mut work.v, &mut work.attended] {
            buffer.resize(work.x.len(), 0.0);
        }
        compute.linear(
            &work.input,
            [
                (layer.query.weight.matrix(), &mut work.q[..]),
                (layer.key.matrix(), &mut work.k[..]),
                (layer.value.weight.matrix(), &mut work.v[..]),
            ],
        );
        compute.add_bias(&mut work.q, &layer.query.bias);
        compute.add_bias(&mut work.v, &layer.value.bias);
        let kv = self.shape();
        compute.store_kv(kv, &work.k, &work.v, spans, &mut pair.keys, &mut pair.values);
        let rules = self.rules(self.config.decoder_heads);
        compute.attention(&rules, &work.q, spans, &pair.keys, &pair.values, &mut work.attended);
        compute.activations(
            &work.attended,
            width,
            Prepare::Plain,
            needs([&layer.out.weight]),
            &mut work.input,
        );
        compute.linear_add(&work.input, layer.out.weight.matrix(), &mut work.x);
        compute.add_bias(&mut work.x, &layer.out.bias);
    }

    /// Attention to the sound. All rows see all frames: they are given as so many query heads of one position behind the last
    /// frame, so that keys and values are read once for all of them.
    fn attend_sound(&self, index: usize, layer: &Layer, cross: &Cross, work: &mut DecoderWork) {
        let (compute, width) = (&*self.compute, self.config.width);
        let rows = work.x.len() / width;
        let norm = Prepare::LayerNorm(&layer.cross_norm.0, &layer.cross_norm.1, EPSILON);
        compute.activations(&work.x, width, norm, needs([&layer.cross_query.weight]), &mut work.input);
        compute.linear(&work.input, [(layer.cross_query.weight.matrix(), &mut work.q[..])]);
        compute.add_bias(&mut work.q, &layer.cross_query.bias);
        if let Some((_, kept)) = work.kept.iter_mut().flatten().find(|(layer, _)| *layer == index) {
            kept.clone_from(&work.q);
        }
        work.turned.resize(work.x.len(), 0.0);
        self.turn(rows, &work.q, &mut work.turned, false);
        let Pair { keys, values } = &cross.layers[index];
        let span = [KvSpan { tokens: 1, offset: cross.frames - 1, blocks: &cross.blocks }];
        let rules = self.rules(self.config.decoder_heads * rows);
        compute.attention(&rules, &work.turned, &span, keys, values, &mut work.attended);
        self.turn(rows, &work.attended, &mut work.q, true);
        compute.activations(
            &work.q,
            width,
            Prepare::Plain,
            needs([&layer.cross_out.weight]),
            &mut work.input,
        );
        compute.linear_add(&work.input, layer.cross_out.weight.matrix(), &mut work.x);
        compute.add_bias(&mut work.x, &layer.cross_out.bias);
    }

    /// (rows, heads, dim) to (heads, rows, dim), or `back`.
    fn turn(&self, rows: usize, from: &[f32], to: &mut [f32], back: bool) {
        let heads = self.config.decoder_heads;
        let dim = self.config.width / heads;
        for row in 0..rows {
            for head in 0..heads {
                let (plain, turned) = ((row * heads + head) * dim, (head * rows + row) * dim);
                let (at, place) = if back { (turned, plain) } else { (plain, turned) };
                to[place..place + dim].copy_from_slice(&from[at..at + dim]);
            }
        }
    }

    fn rules(&self, heads: usize) -> Attention {
        let kv = self.shape();
        Attention {
            heads,
            kv,
            window: None,
            scale: 1.0 / (kv.head_dim as f32).sqrt(),
            softcap: None,
            int8: false,
        }
    }
}
