//! The language model of Pocket TTS (Kyutai, "Continuous Audio Language Models", 2025): a transformer that reads what a voice
//! sounds like, then a text, and goes on in latents of sound.

use super::config::Config;
use super::head::{Head, HeadSizes};
use super::transformer::{Memory, Sizes, Transformer, Work};
use super::weights::{Linear, Weights};
use crate::transcription::checkpoint::Tensor;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Compute, Prepare};

/// ε of the last norm.
const EPSILON: f32 = 1e-5;
/// Rows of a voice that are heard at once: some twenty seconds.
const HEARD_AT_ONCE: usize = 256;

/// The model of one voice file.
pub(super) struct Language {
    latent: usize,
    /// Tokens to vectors, through fewer values where the table has a rank.
    table: Tensor,
    table_out: Option<Linear>,
    /// What latents are divided by and what is taken off them, value by value.
    deviation: Vec<f32>,
    mean: Vec<f32>,
    /// The latent before the first.
    first: Vec<f32>,
    /// The row before a voice.
    before_voice: Option<Vec<f32>>,
    input: Linear,
    /// What the codec hears to rows. Files without voice cloning have zeros or nothing here.
    speaker: Option<Linear>,
    transformer: Transformer,
    norm: (Vec<f32>, Vec<f32>),
    out: Option<Linear>,
    end: Linear,
    pub(super) head: Head,
}

/// What one step tells.
pub(super) struct Step {
    /// What the next latent is drawn from.
    pub(super) condition: Vec<f32>,
    /// Above the voice's threshold, the end is near.
    pub(super) end: f32,
}

impl Language {
    /// The model under `flow_lm`.
    ///
    /// # Errors
    /// `Corrupt` when a tensor is missing or has another shape.
    pub(super) fn open(weights: &Weights, compute: &Compute, config: &Config) -> Result<Self> {
        let (lm, backbone) = (&config.flow_lm, &config.flow_lm.transformer);
        let (width, latent) = (backbone.d_model, config.mimi.quantizer.dimension);
        let (attention, heads) = (backbone.attn_dim.unwrap_or(width), backbone.num_heads);
        let sizes = Sizes {
            width,
            layers: backbone.num_layers,
            heads,
            kv_heads: backbone.num_kv_heads.unwrap_or(heads),
            head_dim: attention / heads,
            inside: config.inside(),
            window: None,
            period: backbone.max_period,
            scaled: false,
        };
        let rank = lm.lookup_table.rank;
        let name = |part: &str| format!("flow_lm.{part}");
        let plain = |part: &str, sizes| Linear::open(weights, &name(part), sizes, false);
        let speaker = name("speaker_proj_weight");
        let speaker = weights.has(&speaker).then(|| weights.matrix(&speaker, width, config.mimi.inner()));
        let speaker = speaker.transpose()?.filter(|tensor| tensor.floats().iter().any(|x| *x != 0.0));
        let before = lm.insert_bos_before_voice.then(|| weights.vector(&name("bos_before_voice"), width));
        let condition = lm.z_dim.unwrap_or(width);
        let head = HeadSizes { latent, width: lm.flow.dim, condition, depth: lm.flow.depth };
        Ok(Self {
            latent,
            // One more for a padding that is never read.
            table: weights.matrix(
                &name("conditioner.embed.weight"),
                lm.lookup_table.n_bins + 1,
                rank.unwrap_or(width),
            )?,
            table_out: rank.map(|rank| plain("conditioner.proj", (rank, width))).transpose()?,
            deviation: weights.vector(&name("emb_std"), latent)?,
            mean: weights.vector(&name("emb_mean"), latent)?,
            first: weights.vector(&name("bos_emb"), latent)?,
            before_voice: before.transpose()?,
            input: plain("input_linear", (latent, width))?,
            speaker: speaker.map(Linear::of),
            transformer: Transformer::open(weights, &name("transformer"), sizes)?,
            norm: weights.norm(&name("out_norm"), width)?,
            out: lm.z_dim.map(|z| plain("z_proj", (width, z))).transpose()?,
            end: Linear::open(weights, &name("out_eos"), (condition, 1), true)?,
            head: Head::open(weights, compute, &name("flow_net"), &head, lm.flow.kind)?,
        })
    }

    /// Whether it can hear a voice.
    pub(super) fn imitates(&self) -> bool {
        self.speaker.is_some()
    }

    /// Layers and values of a row of keys, which a kept voice must have too.
    pub(super) fn memory_shape(&self) -> (usize, usize) {
        (self.transformer.memory().layers.len(), self.transformer.key_width())
    }

    /// Latents of the codec as rows of this model.
    pub(super) fn heard(&self, compute: &Compute, latents: &[f32]) -> Result<Vec<f32>> {
        let Some(speaker) = &self.speaker else {
            let message = "these weights cannot imitate a voice: they were published without voice cloning; those of \
                           hf:kyutai/pocket-tts can";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        Ok(speaker.run(compute, latents, Prepare::Plain))
    }

    /// The memory of a model that has heard nobody.
    pub(super) fn silent(&self) -> Memory {
        self.transformer.memory()
    }

    /// A memory in which the voice of these rows was heard; `None` as soon as nobody `waits` for it.
    pub(super) fn listen(
        &self,
        compute: &Compute,
        heard: &[f32],
        waits: &dyn Fn() -> bool,
    ) -> Option<Memory> {
        let mut rows = self.before_voice.clone().unwrap_or_default();
        rows.extend_from_slice(heard);
        let (mut memory, mut work) = (self.transformer.memory(), Work::default());
        for rows in rows.chunks_mut(HEARD_AT_ONCE * self.norm.0.len()) {
            if !waits() {
                return None;
            }
            self.transformer.run(compute, rows, &mut memory, &mut work);
        }
        Some(memory)
    }

    /// Reads the tokens of a text.
    ///
    /// # Panics
    /// When there is no such token.
    pub(super) fn read(&self, compute: &Compute, tokens: &[u32], memory: &mut Memory, work: &mut Work) {
        let mut rows = vec![0.0; tokens.len() * self.table.cols()];
        compute.gather(&self.table.matrix(), tokens, 1.0, &mut rows);
        if let Some(product) = &self.table_out {
            rows = product.run(compute, &rows, Prepare::Plain);
        }
        self.transformer.run(compute, &mut rows, memory, work);
    }

    /// What follows the last latent, or the text where there is none yet.
    pub(super) fn step(
        &self,
        compute: &Compute,
        latent: Option<&[f32]>,
        memory: &mut Memory,
        work: &mut Work,
    ) -> Step {
        let mut row = self.input.run(compute, latent.unwrap_or(&self.first), Prepare::Plain);
        self.transformer.run(compute, &mut row, memory, work);
        compute.layer_norm(&mut row, &self.norm.0, &self.norm.1, EPSILON);
        let condition = match &self.out {
            Some(product) => product.run(compute, &row, Prepare::Plain),
            None => row,
        };
        // One output: one value.
        let end = self.end.run(compute, &condition, Prepare::Plain)[0];
        Step { condition, end }
    }

    /// A drawn latent as the codec has it.
    pub(super) fn scaled(&self, latent: &[f32]) -> Vec<f32> {
        latent.iter().zip(self.deviation.iter().zip(&self.mean)).map(|(x, (d, mean))| x * d + mean).collect()
    }

    /// Values of a latent.
    pub(super) fn latent(&self) -> usize {
        self.latent
    }

    /// Forgets what came after the first `rows` rows.
    pub(super) fn rewind(&self, memory: &mut Memory, rows: usize) {
        memory.rewind(rows, self.transformer.key_width());
    }
}
