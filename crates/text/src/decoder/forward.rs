//! Computing tokens: from ids to logits, layer by layer.

use super::layer::{Layer, matrix, needs};
use super::{Decoder, KvPool};
use crate::blueprint::{Activation, LayerAttention, RopePairs};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Activations, Attention, Gate, KvSpan, Prepare, RopeTable};

/// Which positions' logits, or states, to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logits {
    /// None: only fill the cache.
    None,
    /// Those of the last token.
    Last,
    /// Those of every token, (tokens, vocab).
    All,
}

/// Buffers that are kept from call to call.
#[derive(Default)]
pub struct Workspace {
    /// The batch's tokens, span after span.
    tokens: Vec<u32>,
    /// (tokens, hidden): the residual stream.
    x: Vec<f32>,
    /// (tokens, heads × head_dim), then what attention makes of it.
    q: Vec<f32>,
    attended: Vec<f32>,
    /// (tokens, kv_heads × head_dim)
    k: Vec<f32>,
    v: Vec<f32>,
    /// (tokens, ffn)
    gate: Vec<f32>,
    up: Vec<f32>,
    /// (tokens, hidden): what a block adds, where a norm comes before the addition.
    delta: Vec<f32>,
    input: Activations,
    ropes: Vec<RopeTable>,
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Workspace")
    }
}

/// `n` values whose content does not matter.
fn room(buffer: &mut Vec<f32>, n: usize) -> &mut [f32] {
    if buffer.len() < n {
        buffer.resize(n, 0.0);
    }
    &mut buffer[..n]
}

/// Some tokens of one sequence that are computed together with those of others.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// The tokens.
    pub tokens: &'a [u32],
    /// Position of the first: as many positions have been computed.
    pub offset: usize,
    /// The sequence's blocks in the pool, in order of positions. Those that `tokens` fall into belong to it alone.
    pub blocks: &'a [u32],
    /// Which of the tokens' logits to compute.
    pub wanted: Logits,
}

impl Decoder {
    /// Computes the tokens of all spans in one batch of products and stores their keys and values in the pool. `logits`
    /// becomes (positions wanted, vocab), span after span. Work space grows with the number of tokens: callers keep to
    /// some hundreds.
    ///
    /// # Errors
    /// `InvalidRequest` for a token outside the vocabulary; nothing has been computed then.
    ///
    /// # Panics
    /// When a span's blocks do not hold its positions or are not in the pool, or two spans write to one block.
    pub fn forward_batch(
        &self,
        pool: &mut KvPool,
        work: &mut Workspace,
        batch: &[Span<'_>],
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        logits.clear();
        let rows = self.run_layers(pool, work, batch)?;
        if rows > 0 {
            self.head(work, rows, logits);
        }
        Ok(())
    }

    /// The same up to the output head: `states` becomes (positions wanted, hidden), what the last layer leaves behind the final norm.
    ///
    /// # Errors
    /// As [`Decoder::forward_batch`].
    ///
    /// # Panics
    /// As [`Decoder::forward_batch`].
    pub fn states_batch(
        &self,
        pool: &mut KvPool,
        work: &mut Workspace,
        batch: &[Span<'_>],
        states: &mut Vec<f32>,
    ) -> Result<()> {
        let b = &self.blueprint;
        states.clear();
        let rows = self.run_layers(pool, work, batch)?;
        states.extend_from_slice(&work.x[..rows * b.hidden]);
        self.compute.rms_norm(states, &self.output_norm, b.norm_eps);
        Ok(())
    }

    /// Runs the batch through all layers; the positions wanted are then the first rows of the residual stream. Tells how many.
    fn run_layers(&self, pool: &mut KvPool, work: &mut Workspace, batch: &[Span<'_>]) -> Result<usize> {
        let b = &self.blueprint;
        work.tokens.clear();
        batch.iter().for_each(|span| work.tokens.extend_from_slice(span.tokens));
        let tokens = work.tokens.len();
        if tokens == 0 {
            return Ok(0);
        }
        if let Some(token) = work.tokens.iter().find(|&&token| token as usize >= b.vocab) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("token {token} is not in the vocabulary of {} tokens", b.vocab),
            ));
        }
        let x = room(&mut work.x, tokens * b.hidden);
        self.compute.gather(&matrix(&self.embedding), &work.tokens, b.embedding_scale, x);
        let positions: Vec<usize> =
            batch.iter().flat_map(|span| span.offset..span.offset + span.tokens.len()).collect();
        work.ropes.resize_with(b.ropes.len(), RopeTable::default);
        for ((table, rope), frequencies) in work.ropes.iter_mut().zip(&b.ropes).zip(&self.frequencies) {
            table.fill(&self.compute, frequencies, rope.magnitude, &positions);
        }
        let spans: Vec<KvSpan<'_>> = batch
            .iter()
            .map(|span| KvSpan { tokens: span.tokens.len(), offset: span.offset, blocks: span.blocks })
            .collect();
        // Rows of the residual stream that are still needed: the last layer's feed-forward network only sees those
        // whose logits are wanted.
        let mut rows = tokens;
        for (index, (layer, rules)) in self.layers.iter().zip(&b.layers).enumerate() {
            self.attend(work, pool, index, layer, rules, &spans);
            if index + 1 == self.layers.len() {
                rows = work.keep_wanted(batch, b.hidden, b.heads * b.head_dim);
            }
            if rows > 0 {
                self.mix_and_feed(work, layer, rows);
            }
        }
        Ok(rows)
    }

    /// Queries, keys and values of the spans' tokens; `work.attended` becomes what each head gathers.
    fn attend(
        &self,
        work: &mut Workspace,
        pool: &mut KvPool,
        index: usize,
        layer: &Layer,
        rules: &LayerAttention,
        spans: &[KvSpan<'_>],
    ) {
        let (b, compute) = (&self.blueprint, &*self.compute);
        let (kv, rows) = (pool.shape(), work.tokens.len());
        let (queries, keys) = (b.heads * b.head_dim, b.kv_heads * b.head_dim);
        let norm = Prepare::RmsNorm(&layer.attn_norm, b.norm_eps);
        let x = &work.x[..rows * b.hidden];
        compute.activations(x, b.hidden, norm, needs([&layer.q, &layer.k, &layer.v]), &mut work.input);
        let q = room(&mut work.q, rows * queries);
        let (k, v) = (room(&mut work.k, rows * keys), room(&mut work.v, rows * keys));
        compute.linear(
            &work.input,
            [(matrix(&layer.q), &mut *q), (matrix(&layer.k), &mut *k), (matrix(&layer.v), &mut *v)],
        );
        if let Some((q_norm, k_norm)) = &layer.qk_norm {
            compute.rms_norm(q, q_norm, b.norm_eps);
            compute.rms_norm(k, k_norm, b.norm_eps);
        }
        if let Some(rope) = rules.rope {
            let adjacent = b.ropes[rope].pairs == RopePairs::Adjacent;
            compute.rope(q, b.head_dim, b.heads, &work.ropes[rope], adjacent);
            compute.rope(k, b.head_dim, b.kv_heads, &work.ropes[rope], adjacent);
        }
        let (key_cache, value_cache) = pool.layer(index);
        compute.store_kv(kv, k, v, spans, key_cache, value_cache);
        let attention = Attention {
            heads: b.heads,
            kv,
            window: rules.window,
            scale: b.attention_scale,
            softcap: b.attention_softcap,
            int8: layer.is_quantised(),
        };
        let attended = room(&mut work.attended, rows * queries);
        compute.attention(&attention, q, spans, key_cache, value_cache, attended);
    }

    /// Adds the attention's output and then the feed-forward network's to the first `rows` rows of the residual stream.
    fn mix_and_feed(&self, work: &mut Workspace, layer: &Layer, rows: usize) {
        let (b, compute) = (&self.blueprint, &*self.compute);
        let queries = b.heads * b.head_dim;
        let x = &mut work.x[..rows * b.hidden];
        let add =
            |input: &Activations, tensor, norm: Option<&Vec<f32>>, delta: &mut Vec<f32>, x: &mut [f32]| {
                let Some(norm) = norm else { return compute.linear_add(input, matrix(tensor), x) };
                let delta = room(delta, rows * b.hidden);
                compute.linear(input, [(matrix(tensor), &mut *delta)]);
                compute.rms_norm(delta, norm, b.norm_eps);
                compute.add(x, delta);
            };

        let attended = &work.attended[..rows * queries];
        compute.activations(attended, queries, Prepare::Plain, needs([&layer.attn_output]), &mut work.input);
        let post = layer.post_norms.as_ref();
        add(&work.input, &layer.attn_output, post.map(|p| &p.0), &mut work.delta, x);

        let norm = Prepare::RmsNorm(&layer.ffn_norm, b.norm_eps);
        compute.activations(x, b.hidden, norm, needs([&layer.gate, &layer.up]), &mut work.input);
        let (gate, up) = (room(&mut work.gate, rows * b.ffn), room(&mut work.up, rows * b.ffn));
        compute.linear(&work.input, [(matrix(&layer.gate), &mut *gate), (matrix(&layer.up), &mut *up)]);
        let activation = match b.activation {
            Activation::Silu => Gate::Silu,
            Activation::GeluTanh => Gate::GeluTanh,
        };
        compute.activations(
            gate,
            b.ffn,
            Prepare::Gated(activation, up),
            needs([&layer.down]),
            &mut work.input,
        );
        add(&work.input, &layer.down, post.map(|p| &p.1), &mut work.delta, x);
    }

    /// The final norm and the output head.
    fn head(&self, work: &mut Workspace, rows: usize, logits: &mut Vec<f32>) {
        let b = &self.blueprint;
        let output = self.output.as_ref().unwrap_or(&self.embedding);
        let norm = Prepare::RmsNorm(&self.output_norm, b.norm_eps);
        let x = &work.x[..rows * b.hidden];
        self.compute.activations(x, b.hidden, norm, needs([output]), &mut work.input);
        logits.resize(rows * b.vocab, 0.0);
        self.compute.linear(&work.input, [(matrix(output), &mut logits[..])]);
        if let Some(cap) = b.logit_softcap {
            logits.iter_mut().for_each(|logit| *logit = (*logit / cap).tanh() * cap);
        }
    }
}

impl Workspace {
    /// Moves the rows whose logits are wanted to the front of the residual stream and of what attention gathered; returns
    /// how many they are.
    fn keep_wanted(&mut self, batch: &[Span<'_>], hidden: usize, queries: usize) -> usize {
        let (mut kept, mut row) = (0, 0);
        for span in batch {
            let end = row + span.tokens.len();
            let first = match span.wanted {
                Logits::None => end,
                Logits::Last => end.saturating_sub(1).max(row),
                Logits::All => row,
            };
            self.x.copy_within(first * hidden..end * hidden, kept * hidden);
            self.attended.copy_within(first * queries..end * queries, kept * queries);
            kept += end - first;
            row = end;
        }
        kept
    }
}
