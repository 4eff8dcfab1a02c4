//! Which name a checkpoint gives to the tensor of each role. The decoder asks by role; no tensor is ever renamed.
//! What a tensor must look like is the decoder's business.

use crate::blueprint::Blueprint;
use crate::weights::Naming;
use std::collections::HashSet;

/// The names of one checkpoint: a column of the table below.
///
/// | role | GGUF | Hugging Face | Hugging Face with post-norms (Gemma) |
/// |---|---|---|---|
/// | `attn_norm` | `attn_norm` | `input_layernorm` | `input_layernorm` |
/// | `post_attention_norm` | `post_attention_norm` | – | `post_attention_layernorm` |
/// | `ffn_norm` | `ffn_norm` | `post_attention_layernorm` | `pre_feedforward_layernorm` |
/// | `post_ffw_norm` | `post_ffw_norm` | – | `post_feedforward_layernorm` |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    naming: Naming,
    post_norms: bool,
}

impl Names {
    /// Names in the style `naming` of a model with or without [post-norms](crate::blueprint::Blueprint::post_norms).
    pub const fn new(naming: Naming, post_norms: bool) -> Self {
        Self { naming, post_norms }
    }

    fn top(self, gguf: &str, hugging_face: &str) -> String {
        match self.naming {
            Naming::Gguf => format!("{gguf}.weight"),
            Naming::HuggingFace => format!("{hugging_face}.weight"),
        }
    }

    fn layer(self, layer: usize, gguf: &str, hugging_face: &str) -> String {
        match self.naming {
            Naming::Gguf => format!("blk.{layer}.{gguf}.weight"),
            Naming::HuggingFace => format!("model.layers.{layer}.{hugging_face}.weight"),
        }
    }

    /// Token embeddings, (vocab, hidden).
    pub fn token_embd(self) -> String {
        self.top("token_embd", "model.embed_tokens")
    }

    /// The norm before the output head, (hidden).
    pub fn output_norm(self) -> String {
        self.top("output_norm", "model.norm")
    }

    /// The output head, (vocab, hidden); absent where it is tied to the embedding.
    pub fn output(self) -> String {
        self.top("output", "lm_head")
    }

    /// The norm before attention, (hidden).
    pub fn attn_norm(self, layer: usize) -> String {
        self.layer(layer, "attn_norm", "input_layernorm")
    }

    /// Query projection, (heads · head_dim, hidden).
    pub fn attn_q(self, layer: usize) -> String {
        self.layer(layer, "attn_q", "self_attn.q_proj")
    }

    /// Key projection, (kv_heads · head_dim, hidden).
    pub fn attn_k(self, layer: usize) -> String {
        self.layer(layer, "attn_k", "self_attn.k_proj")
    }

    /// Value projection, (kv_heads · head_dim, hidden).
    pub fn attn_v(self, layer: usize) -> String {
        self.layer(layer, "attn_v", "self_attn.v_proj")
    }

    /// The projection of attention's result, (hidden, heads · head_dim).
    pub fn attn_output(self, layer: usize) -> String {
        self.layer(layer, "attn_output", "self_attn.o_proj")
    }

    /// The norm over each head's query, (head_dim).
    pub fn attn_q_norm(self, layer: usize) -> String {
        self.layer(layer, "attn_q_norm", "self_attn.q_norm")
    }

    /// The norm over each head's key, (head_dim).
    pub fn attn_k_norm(self, layer: usize) -> String {
        self.layer(layer, "attn_k_norm", "self_attn.k_norm")
    }

    /// The norm after attention, before its residual addition, (hidden).
    pub fn post_attention_norm(self, layer: usize) -> String {
        self.layer(layer, "post_attention_norm", "post_attention_layernorm")
    }

    /// The norm before the feed-forward network, (hidden).
    pub fn ffn_norm(self, layer: usize) -> String {
        let hugging_face =
            if self.post_norms { "pre_feedforward_layernorm" } else { "post_attention_layernorm" };
        self.layer(layer, "ffn_norm", hugging_face)
    }

    /// The gate projection, (ffn, hidden).
    pub fn ffn_gate(self, layer: usize) -> String {
        self.layer(layer, "ffn_gate", "mlp.gate_proj")
    }

    /// The up projection, (ffn, hidden).
    pub fn ffn_up(self, layer: usize) -> String {
        self.layer(layer, "ffn_up", "mlp.up_proj")
    }

    /// The down projection, (hidden, ffn).
    pub fn ffn_down(self, layer: usize) -> String {
        self.layer(layer, "ffn_down", "mlp.down_proj")
    }

    /// The norm after the feed-forward network, before its residual addition, (hidden).
    pub fn post_ffw_norm(self, layer: usize) -> String {
        self.layer(layer, "post_ffw_norm", "post_feedforward_layernorm")
    }

    /// The names of every tensor that a model of this description may have.
    pub fn all(self, blueprint: &Blueprint) -> HashSet<String> {
        let mut names = HashSet::from([self.token_embd(), self.output_norm(), self.output()]);
        for layer in 0..blueprint.layers.len() {
            let projections = [Self::attn_q, Self::attn_k, Self::attn_v, Self::attn_output, Self::ffn_gate];
            let others = [Self::ffn_up, Self::ffn_down, Self::attn_norm, Self::ffn_norm];
            names.extend(projections.into_iter().chain(others).map(|name| name(self, layer)));
            if blueprint.qk_norm {
                names.extend([self.attn_q_norm(layer), self.attn_k_norm(layer)]);
            }
            if blueprint.post_norms {
                names.extend([self.post_attention_norm(layer), self.post_ffw_norm(layer)]);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hugging_face_name_has_two_roles_depending_on_post_norms() {
        let (gemma, llama) = (Names::new(Naming::HuggingFace, true), Names::new(Naming::HuggingFace, false));
        let shared = "model.layers.3.post_attention_layernorm.weight";
        assert_eq!(gemma.post_attention_norm(3), shared);
        assert_eq!(llama.ffn_norm(3), shared);
        assert_eq!(gemma.ffn_norm(3), "model.layers.3.pre_feedforward_layernorm.weight");
        assert_eq!(Names::new(Naming::Gguf, true).ffn_norm(3), "blk.3.ffn_norm.weight");
        assert_eq!(Names::new(Naming::Gguf, false).token_embd(), "token_embd.weight");
    }
}
