//! The description from which the one decoder is built. A family fills it from GGUF metadata or a `config.json`;
//! nothing else in the engine knows family names.

use parasol_core::Result;

/// How rotary position embedding pairs the values of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopePairs {
    /// Pairs (0,1), (2,3) …: the original Llama layout, which GGUF files of Llama-like models use.
    Adjacent,
    /// Pairs (0, d/2), (1, d/2+1) …: GPT-NeoX layout, which Hugging Face checkpoints and most families use.
    Halves,
}

/// Rotary position embedding of one kind of layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Base frequency θ.
    pub base: f32,
    /// Each of the `rotated / 2` inverse frequencies is divided by its factor (linear scaling, Llama-3 scaling and
    /// long-context factors all come down to this); empty means 1 everywhere.
    pub factors: Vec<f32>,
    /// Multiplies cos and sin (YaRN's attention factor); 1 for most.
    pub magnitude: f32,
    /// How values are paired.
    pub pairs: RopePairs,
    /// Values of each head that are rotated (`head_dim` for most).
    pub rotated: usize,
}

/// The gate's activation in the feed-forward network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(x)
    Silu,
    /// The tanh approximation of GELU.
    GeluTanh,
}

/// What one layer attends to.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerAttention {
    /// `Some(w)`: a position sees itself and the w − 1 before it. `None`: all before it.
    pub window: Option<usize>,
    /// Index into [`Blueprint::ropes`]; `None` for a layer without position embedding.
    pub rope: Option<usize>,
}

/// Everything that the decoder must know about a model besides its tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    /// Architecture as the file names it (`llama`, `gemma3`, `qwen3` …).
    pub architecture: String,
    /// Vocabulary size: rows of the embedding.
    pub vocab: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; divides `heads`.
    pub kv_heads: usize,
    /// Values of a head.
    pub head_dim: usize,
    /// Width of the feed-forward network.
    pub ffn: usize,
    /// Longest context that the model was trained for, in tokens.
    pub context: usize,
    /// ε of every RMS norm.
    pub norm_eps: f32,
    /// Added to norm weights as stored: 1 for Gemma checkpoints (whose GGUF files already contain it), else 0.
    pub norm_offset: f32,
    /// Multiplies token embeddings (Gemma: √hidden), else 1.
    pub embedding_scale: f32,
    /// Multiplies q·k (usually 1/√head_dim).
    pub attention_scale: f32,
    /// tanh soft cap on attention scores.
    pub attention_softcap: Option<f32>,
    /// tanh soft cap on the final logits.
    pub logit_softcap: Option<f32>,
    /// Gate activation.
    pub activation: Activation,
    /// RMS norm over each head's query and key.
    pub qk_norm: bool,
    /// Norms after attention and after the feed-forward network, before each residual addition (Gemma).
    pub post_norms: bool,
    /// The output head shares the embedding matrix.
    pub tied_output: bool,
    /// Distinct rotary embeddings in use.
    pub ropes: Vec<Rope>,
    /// One entry per layer.
    pub layers: Vec<LayerAttention>,
}

impl Blueprint {
    /// Refuses shapes that no tensor can have, so that the decoder may rely on them: zero or absurd sizes, heads that
    /// do not divide, odd rotary widths. Dimensions are bounded so that products of any two fit comfortably in `usize`.
    pub fn check(&self) -> Result<()> {
        let bad = |what: &str, n: usize, way_out: &str| {
            Err(parasol_core::Error::new(
                parasol_core::ErrorKind::Corrupt,
                format!("{} model: {what} is {n}; {way_out}", self.architecture),
            ))
        };
        for (what, n, most) in [
            ("vocabulary size", self.vocab, 1 << 24),
            ("hidden size", self.hidden, 1 << 20),
            ("head count", self.heads, 1 << 12),
            ("key/value head count", self.kv_heads, 1 << 12),
            ("head size", self.head_dim, 1 << 12),
            ("feed-forward size", self.ffn, 1 << 22),
            ("layer count", self.layers.len(), 1 << 12),
            ("context length", self.context, 1 << 30),
        ] {
            if n == 0 || n > most {
                return bad(what, n, &format!("it must be between 1 and {most}"));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return bad("head count", self.heads, "it must be a multiple of the key/value head count");
        }
        for rope in &self.ropes {
            if !rope.rotated.is_multiple_of(2) || rope.rotated > self.head_dim || rope.rotated == 0 {
                return bad("rotary width", rope.rotated, "it must be even and within the head size");
            }
            if !rope.factors.is_empty() && rope.factors.len() != rope.rotated / 2 {
                return bad("rotary factor count", rope.factors.len(), "it must be half the rotary width");
            }
        }
        if let Some(layer) = self.layers.iter().find(|l| l.rope.is_some_and(|r| r >= self.ropes.len())) {
            return bad("rotary index", layer.rope.unwrap_or(0), "no such rotary embedding is described");
        }
        Ok(())
    }
}
