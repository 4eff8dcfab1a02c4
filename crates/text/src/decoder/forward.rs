//! Computing tokens: from ids to logits, layer by layer.

use super::layer::{Layer, matrix, needs};
use super::{Decoder, KvCache};
use crate::blueprint::{Activation, LayerAttention, RopePairs};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Activations, Attention, Gate, Prepare, RopeTable};

/// Which positions' logits to compute.
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
pub(super) struct Workspace {
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

impl Decoder {
    /// Computes `tokens` at positions `cache.len() ..` and appends them to the cache. `logits` becomes (positions
    /// wanted, vocab). Work space grows with the number of tokens: callers keep to chunks of some hundreds.
    ///
    /// # Errors
    /// `ContextOverflow` when the cache has no room for them; `InvalidRequest` for a token outside the vocabulary.
    pub fn forward(
        &self,
        cache: &mut KvCache,
        tokens: &[u32],
        wanted: Logits,
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        let b = &self.blueprint;
        logits.clear();
        if tokens.is_empty() {
            return Ok(());
        }
        let end = cache.len + tokens.len();
        if end > cache.capacity() {
            return Err(Error::context_overflow(end, cache.capacity()));
        }
        if let Some(token) = tokens.iter().find(|&&token| token as usize >= b.vocab) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("token {token} is not in the vocabulary of {} tokens", b.vocab),
            ));
        }
        let mut work = std::mem::take(&mut cache.work);
        let x = room(&mut work.x, tokens.len() * b.hidden);
        self.compute.gather(&matrix(&self.embedding), tokens, b.embedding_scale, x);
        work.ropes.resize_with(b.ropes.len(), RopeTable::default);
        for ((table, rope), frequencies) in work.ropes.iter_mut().zip(&b.ropes).zip(&self.frequencies) {
            table.fill(&self.compute, frequencies, rope.magnitude, cache.len, tokens.len());
        }
        // Rows of the residual stream that are still needed: the last layer's feed-forward network only sees those
        // whose logits are wanted.
        let mut rows = tokens.len();
        for (index, (layer, rules)) in self.layers.iter().zip(&b.layers).enumerate() {
            let last = index + 1 == self.layers.len();
            self.attend(&mut work, cache, index, layer, rules, tokens.len());
            match wanted {
                Logits::None if last => rows = 0,
                Logits::Last if last => {
                    rows = work.keep_last_row(tokens.len(), b.hidden, b.heads * b.head_dim)
                }
                _ => {}
            }
            if rows > 0 {
                self.mix_and_feed(&mut work, layer, rows);
            }
        }
        if rows > 0 {
            self.head(&mut work, rows, logits);
        }
        cache.work = work;
        cache.len = end;
        Ok(())
    }

    /// Queries, keys and values of `rows` tokens; `work.attended` becomes what each head gathers.
    fn attend(
        &self,
        work: &mut Workspace,
        cache: &mut KvCache,
        index: usize,
        layer: &Layer,
        rules: &LayerAttention,
        rows: usize,
    ) {
        let (b, compute) = (&self.blueprint, &*self.compute);
        let kv = self.kv_shape();
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
        let (key_cache, value_cache) = &mut cache.layers[index];
        compute.store_kv(kv, k, v, cache.len, key_cache, value_cache);
        let attention = Attention {
            heads: b.heads,
            kv,
            offset: cache.len,
            window: rules.window,
            scale: b.attention_scale,
            softcap: b.attention_softcap,
        };
        let attended = room(&mut work.attended, rows * queries);
        compute.attention(&attention, q, key_cache, value_cache, attended);
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
    /// Moves the last of `rows` rows to the front of the residual stream and of what attention gathered.
    fn keep_last_row(&mut self, rows: usize, hidden: usize, queries: usize) -> usize {
        self.x.copy_within((rows - 1) * hidden..rows * hidden, 0);
        self.attended.copy_within((rows - 1) * queries..rows * queries, 0);
        1
    }
}
