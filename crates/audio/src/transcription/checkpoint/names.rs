//! What each kind of checkpoint calls its tensors. Roles are looked up in these tables; nothing is renamed.

/// Which names a checkpoint uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `encoder/layer_0/self_attention/linear_0/weight`
    CTranslate2,
    /// `model.encoder.layers.0.self_attn.q_proj.weight`
    HuggingFace,
    /// `encoder.blocks.0.attn.query.weight`, as OpenAI and whisper.cpp have it.
    OpenAi,
}

/// One of the two stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Encoder,
    Decoder,
}

/// A role in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    AttnNorm,
    Query,
    Key,
    Value,
    Out,
    CrossNorm,
    CrossQuery,
    CrossKey,
    CrossValue,
    CrossOut,
    FfnNorm,
    Up,
    Down,
}

/// Where a role's tensors are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    prefix: String,
    suffixes: (&'static str, &'static str),
    /// Several roles share a tensor: this is share `.0` of `.1`.
    pub(crate) share: (usize, usize),
}

impl Place {
    pub(crate) fn weight(&self) -> String {
        format!("{}{}", self.prefix, self.suffixes.0)
    }

    pub(crate) fn bias(&self) -> String {
        format!("{}{}", self.prefix, self.suffixes.1)
    }
}

impl Style {
    /// The tensors of one role in layer `n`.
    pub(crate) fn layer(self, side: Side, n: usize, part: Part) -> Place {
        let side = match side {
            Side::Encoder => "encoder",
            Side::Decoder => "decoder",
        };
        match self {
            Style::CTranslate2 => {
                let (name, share) = ct2(part);
                let norm = matches!(part, Part::AttnNorm | Part::CrossNorm | Part::FfnNorm);
                let suffixes = if norm { ("/gamma", "/beta") } else { ("/weight", "/bias") };
                Place { prefix: format!("{side}/layer_{n}/{name}"), suffixes, share }
            }
            Style::HuggingFace => plain(format!("model.{side}.layers.{n}.{}", huggingface(part))),
            Style::OpenAi => plain(format!("{side}.blocks.{n}.{}", openai(part))),
        }
    }

    /// The norm behind a stack's last layer.
    pub(crate) fn last_norm(self, side: Side) -> Place {
        match (self, side) {
            (Style::CTranslate2, Side::Encoder) => ct2_norm("encoder/layer_norm"),
            (Style::CTranslate2, Side::Decoder) => ct2_norm("decoder/layer_norm"),
            (Style::HuggingFace, Side::Encoder) => plain("model.encoder.layer_norm".into()),
            (Style::HuggingFace, Side::Decoder) => plain("model.decoder.layer_norm".into()),
            (Style::OpenAi, Side::Encoder) => plain("encoder.ln_post".into()),
            (Style::OpenAi, Side::Decoder) => plain("decoder.ln".into()),
        }
    }

    /// Convolution `n`, 1 or 2.
    pub(crate) fn conv(self, n: usize) -> Place {
        match self {
            Style::CTranslate2 => {
                Place { prefix: format!("encoder/conv{n}"), suffixes: ("/weight", "/bias"), share: (0, 1) }
            }
            Style::HuggingFace => plain(format!("model.encoder.conv{n}")),
            Style::OpenAi => plain(format!("encoder.conv{n}")),
        }
    }

    /// The positions of a stack.
    pub(crate) fn positions(self, side: Side) -> &'static str {
        match (self, side) {
            (Style::CTranslate2, Side::Encoder) => "encoder/position_encodings/encodings",
            (Style::CTranslate2, Side::Decoder) => "decoder/position_encodings/encodings",
            (Style::HuggingFace, Side::Encoder) => "model.encoder.embed_positions.weight",
            (Style::HuggingFace, Side::Decoder) => "model.decoder.embed_positions.weight",
            (Style::OpenAi, Side::Encoder) => "encoder.positional_embedding",
            (Style::OpenAi, Side::Decoder) => "decoder.positional_embedding",
        }
    }

    /// The tokens' embedding, which is the output head too.
    pub(crate) fn embedding(self) -> &'static str {
        match self {
            Style::CTranslate2 => "decoder/embeddings/weight",
            Style::HuggingFace => "model.decoder.embed_tokens.weight",
            Style::OpenAi => "decoder.token_embedding.weight",
        }
    }
}

fn plain(prefix: String) -> Place {
    Place { prefix, suffixes: (".weight", ".bias"), share: (0, 1) }
}

fn ct2_norm(prefix: &str) -> Place {
    Place { prefix: prefix.into(), suffixes: ("/gamma", "/beta"), share: (0, 1) }
}

fn ct2(part: Part) -> (&'static str, (usize, usize)) {
    match part {
        Part::AttnNorm => ("self_attention/layer_norm", (0, 1)),
        Part::Query => ("self_attention/linear_0", (0, 3)),
        Part::Key => ("self_attention/linear_0", (1, 3)),
        Part::Value => ("self_attention/linear_0", (2, 3)),
        Part::Out => ("self_attention/linear_1", (0, 1)),
        Part::CrossNorm => ("attention/layer_norm", (0, 1)),
        Part::CrossQuery => ("attention/linear_0", (0, 1)),
        Part::CrossKey => ("attention/linear_1", (0, 2)),
        Part::CrossValue => ("attention/linear_1", (1, 2)),
        Part::CrossOut => ("attention/linear_2", (0, 1)),
        Part::FfnNorm => ("ffn/layer_norm", (0, 1)),
        Part::Up => ("ffn/linear_0", (0, 1)),
        Part::Down => ("ffn/linear_1", (0, 1)),
    }
}

fn huggingface(part: Part) -> &'static str {
    match part {
        Part::AttnNorm => "self_attn_layer_norm",
        Part::Query => "self_attn.q_proj",
        Part::Key => "self_attn.k_proj",
        Part::Value => "self_attn.v_proj",
        Part::Out => "self_attn.out_proj",
        Part::CrossNorm => "encoder_attn_layer_norm",
        Part::CrossQuery => "encoder_attn.q_proj",
        Part::CrossKey => "encoder_attn.k_proj",
        Part::CrossValue => "encoder_attn.v_proj",
        Part::CrossOut => "encoder_attn.out_proj",
        Part::FfnNorm => "final_layer_norm",
        Part::Up => "fc1",
        Part::Down => "fc2",
    }
}

fn openai(part: Part) -> &'static str {
    match part {
        Part::AttnNorm => "attn_ln",
        Part::Query => "attn.query",
        Part::Key => "attn.key",
        Part::Value => "attn.value",
        Part::Out => "attn.out",
        Part::CrossNorm => "cross_attn_ln",
        Part::CrossQuery => "cross_attn.query",
        Part::CrossKey => "cross_attn.key",
        Part::CrossValue => "cross_attn.value",
        Part::CrossOut => "cross_attn.out",
        Part::FfnNorm => "mlp_ln",
        Part::Up => "mlp.0",
        Part::Down => "mlp.2",
    }
}
