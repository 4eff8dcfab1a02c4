//! The sizes of a checkpoint, and their bounds.

use super::names::{Part, Side};
use super::tensor::Weights;
use parasol_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use std::path::Path;

/// The sizes of a Whisper model.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Mel bands of its input: 80, or 128 in the third large one.
    pub mels: usize,
    /// Frames that the encoder makes of 30 seconds.
    pub audio_context: usize,
    /// Values of a frame or token between layers.
    pub width: usize,
    /// Heads of the encoder's attention, and its layers.
    pub encoder_heads: usize,
    /// Layers of the encoder.
    pub encoder_layers: usize,
    /// Heads of the decoder's attention.
    pub decoder_heads: usize,
    /// Layers of the decoder.
    pub decoder_layers: usize,
    /// Tokens that the decoder can look back on, the prompt included.
    pub text_context: usize,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// (layer, head) of the decoder's cross-attention that follow the sound in time, where the file says so.
    pub alignment_heads: Vec<(usize, usize)>,
}

/// What is read of `config.json`, CTranslate2's and Hugging Face's.
#[derive(Debug, Deserialize)]
pub(super) struct Json {
    model_type: Option<String>,
    num_mel_bins: Option<usize>,
    max_source_positions: Option<usize>,
    max_target_positions: Option<usize>,
    d_model: Option<usize>,
    encoder_attention_heads: Option<usize>,
    encoder_layers: Option<usize>,
    decoder_attention_heads: Option<usize>,
    decoder_layers: Option<usize>,
    vocab_size: Option<usize>,
    alignment_heads: Option<Vec<(usize, usize)>>,
}

impl Json {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let text = super::read_text(&path)?;
        let mut json: Self = serde_json::from_str(&text).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("{} is not what it should be: {e}", path.display()))
        })?;
        // Hugging Face keeps the heads in a file of their own.
        let generation = folder.join("generation_config.json");
        if json.alignment_heads.is_none() && generation.is_file() {
            #[derive(Deserialize)]
            struct Generation {
                alignment_heads: Option<Vec<(usize, usize)>>,
            }
            let text = super::read_text(&generation)?;
            json.alignment_heads =
                serde_json::from_str::<Generation>(&text).ok().and_then(|g| g.alignment_heads);
        }
        Ok(json)
    }
}

impl Config {
    pub(super) fn of_huggingface(json: &Json) -> Result<Self> {
        if json.model_type.as_deref() != Some("whisper") {
            let kind = json.model_type.as_deref().unwrap_or("one without a name");
            let message = format!("the model's type is {kind}: Whisper models transcribe");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let need = |value: Option<usize>, name: &str| {
            let message = format!("config.json does not say {name}");
            value.ok_or_else(|| Error::new(ErrorKind::Corrupt, message))
        };
        Ok(Self {
            mels: need(json.num_mel_bins, "num_mel_bins")?,
            audio_context: need(json.max_source_positions, "max_source_positions")?,
            width: need(json.d_model, "d_model")?,
            encoder_heads: need(json.encoder_attention_heads, "encoder_attention_heads")?,
            encoder_layers: need(json.encoder_layers, "encoder_layers")?,
            decoder_heads: need(json.decoder_attention_heads, "decoder_attention_heads")?,
            decoder_layers: need(json.decoder_layers, "decoder_layers")?,
            text_context: need(json.max_target_positions, "max_target_positions")?,
            vocabulary: need(json.vocab_size, "vocab_size")?,
            alignment_heads: json.alignment_heads.clone().unwrap_or_default(),
        })
    }

    /// CTranslate2 says few sizes: the others are those of its tensors. `heads` are the encoder's and the decoder's.
    pub(super) fn of_ct2(json: &Json, weights: &Weights, (encoder, decoder): (usize, usize)) -> Result<Self> {
        let conv = weights.get("encoder/conv1/weight")?;
        let width = conv.rows();
        // (width, mels, 3), seen as rows of mels · 3.
        let mels = conv.cols() / 3;
        let layers = |side| {
            (0..)
                .find(|&n| !weights.has(&weights.style().layer(side, n, Part::AttnNorm).weight()))
                .unwrap_or(0)
        };
        Ok(Self {
            mels,
            audio_context: weights.get("encoder/position_encodings/encodings")?.rows(),
            width,
            encoder_heads: encoder,
            encoder_layers: layers(Side::Encoder),
            decoder_heads: decoder,
            decoder_layers: layers(Side::Decoder),
            text_context: weights.get("decoder/position_encodings/encodings")?.rows(),
            vocabulary: weights.get("decoder/embeddings/weight")?.rows(),
            alignment_heads: json.alignment_heads.clone().unwrap_or_default(),
        })
    }

    /// Bounds every size, so that nothing that is computed from them overflows or takes memory without end.
    pub(super) fn check(&self, tokens: usize) -> Result<()> {
        let within = [
            ("mel bands", self.mels, 1..=1_024),
            ("frames", self.audio_context, 1..=16_384),
            ("values between layers", self.width, 32..=16_384),
            ("encoder layers", self.encoder_layers, 1..=256),
            ("decoder layers", self.decoder_layers, 1..=256),
            ("tokens of context", self.text_context, 8..=16_384),
            ("tokens", self.vocabulary, 51_864..=60_000),
        ];
        for (what, value, range) in within {
            if !range.contains(&value) {
                let message = format!(
                    "the model has {value} {what}: Whisper models have {} to {}",
                    range.start(),
                    range.end()
                );
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
        for (side, heads) in [("encoder", self.encoder_heads), ("decoder", self.decoder_heads)] {
            if heads == 0 || !self.width.is_multiple_of(heads) || !self.width.is_multiple_of(32) {
                let message =
                    format!("the {side}'s {heads} heads do not share {} values equally", self.width);
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
        }
        if tokens < self.first_special() || tokens > self.vocabulary {
            let message = format!("the vocabulary has {tokens} tokens and the weights {}", self.vocabulary);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let bad =
            self.alignment_heads.iter().find(|(l, h)| *l >= self.decoder_layers || *h >= self.decoder_heads);
        match bad {
            Some((layer, head)) => Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "there is no head {head} in a layer {layer}, which the configuration names for alignment"
                ),
            )),
            None => Ok(()),
        }
    }

    /// Whether it knows more languages than English.
    pub fn multilingual(&self) -> bool {
        self.vocabulary >= 51_865
    }

    /// The first token that is no text: `<|endoftext|>`.
    pub(crate) fn first_special(&self) -> usize {
        if self.multilingual() { 50_257 } else { 50_256 }
    }

    /// The heads that time words: those that the file names, or all of the upper half of the layers.
    pub(crate) fn timing_heads(&self) -> Vec<(usize, usize)> {
        if !self.alignment_heads.is_empty() {
            return self.alignment_heads.clone();
        }
        let layers = self.decoder_layers / 2..self.decoder_layers;
        layers.flat_map(|layer| (0..self.decoder_heads).map(move |head| (layer, head))).collect()
    }
}
