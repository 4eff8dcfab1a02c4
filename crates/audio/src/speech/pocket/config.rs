//! The configuration of a Pocket TTS voice, as its package's `config/NAME.yaml` has it. What decides sizes is bounded here, so
//! that whoever computes may rely on it.

use parasol_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// No channel, width or number of tokens is larger.
const WIDEST: usize = 1 << 16;
/// No network is deeper.
const DEEPEST: usize = 128;

/// Values of a frame where it has most of them: some frames are in memory at once. Published voices have 122 880.
const MOST_VALUES: usize = 1 << 22;
/// Frames in a second: a minute of a voice is as many rows as it has frames. Published voices have 12.5.
const MOST_FRAMES: f64 = 100.0;
/// Bytes that may stand for one character.
const LONGEST_REPLACEMENT: usize = 64;

/// All of it. Keys that only say where files were fetched from are read and not used; one that is not known is refused, since it
/// may change what is computed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    pub(super) flow_lm: FlowLm,
    pub(super) mimi: Mimi,
    #[serde(default)]
    pub(super) weights_path: Option<String>,
    #[serde(default, rename = "weights_path_without_voice_cloning")]
    _weights_without_cloning: Option<String>,
    #[serde(default)]
    pub(super) pad_with_spaces_for_short_inputs: bool,
    #[serde(default)]
    pub(super) remove_semicolons: bool,
    #[serde(default = "yes")]
    pub(super) append_terminal_punctuation: bool,
    #[serde(default = "yes")]
    pub(super) capitalize_first_letter: bool,
    /// A character and what stands for it.
    #[serde(default)]
    pub(super) replace_characters: BTreeMap<char, String>,
    #[serde(default)]
    pub(super) model_recommended_frames_after_eos: Option<usize>,
    #[serde(default = "temperature")]
    pub(super) default_temperature: f32,
    #[serde(default = "threshold")]
    pub(super) default_eos_threshold: f32,
}

fn yes() -> bool {
    true
}

fn temperature() -> f32 {
    0.3
}

fn threshold() -> f32 {
    -4.0
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FlowLm {
    #[serde(rename = "dtype")]
    _dtype: String,
    pub(super) flow: Flow,
    pub(super) transformer: Backbone,
    #[serde(default)]
    pub(super) z_dim: Option<usize>,
    pub(super) lookup_table: LookupTable,
    #[serde(default, rename = "weights_path")]
    _weights: Option<String>,
    #[serde(default)]
    pub(super) insert_bos_before_voice: bool,
}

/// The head that draws the next latent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flow {
    pub(super) dim: usize,
    pub(super) depth: usize,
    #[serde(default, rename = "type")]
    pub(super) kind: FlowKind,
}

/// How the head makes a latent of noise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FlowKind {
    /// Lagrangian self-distillation (Boffi, Albergo and Vanden-Eijnden, 2025): the flow from one time to another.
    #[default]
    Lsd,
    /// Flow matching (Lipman et al., 2023): the flow at one time, added up in steps.
    FlowMatching,
    /// The latent itself.
    Drifting,
    /// What the noise lacks.
    Pointwise,
}

impl FlowKind {
    /// Times that the head is told.
    pub(super) fn times(self) -> usize {
        match self {
            Self::Lsd => 2,
            Self::FlowMatching => 1,
            Self::Drifting | Self::Pointwise => 0,
        }
    }

    /// Steps from noise to latent: flow matching needs many, as its reference says.
    pub(super) fn steps(self) -> usize {
        if self == Self::FlowMatching { 16 } else { 1 }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Backbone {
    pub(super) hidden_scale: usize,
    pub(super) max_period: f64,
    pub(super) d_model: usize,
    pub(super) num_heads: usize,
    pub(super) num_layers: usize,
    #[serde(default)]
    pub(super) attn_dim: Option<usize>,
    #[serde(default)]
    pub(super) num_kv_heads: Option<usize>,
    #[serde(default)]
    pub(super) dim_feedforward: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookupTable {
    pub(super) dim: usize,
    pub(super) n_bins: usize,
    #[serde(rename = "tokenizer")]
    _tokenizer: String,
    pub(super) tokenizer_path: String,
    #[serde(default)]
    pub(super) rank: Option<usize>,
}

/// The codec Mimi (Défossez et al., "Moshi", 2024) without its quantiser.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mimi {
    #[serde(rename = "dtype")]
    _dtype: String,
    pub(super) sample_rate: u32,
    pub(super) channels: usize,
    pub(super) frame_rate: f64,
    pub(super) seanet: SeaNet,
    pub(super) transformer: CodecTransformer,
    pub(super) quantizer: Quantizer,
    #[serde(default, rename = "weights_path")]
    _weights: Option<String>,
    #[serde(default)]
    pub(super) inner_dim: Option<usize>,
    #[serde(default)]
    pub(super) outer_dim: Option<usize>,
    #[serde(default)]
    pub(super) decoder_seanet: Option<SeaNet>,
    #[serde(default)]
    pub(super) decoder_transformer: Option<CodecTransformer>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeaNet {
    pub(super) dimension: usize,
    pub(super) channels: usize,
    pub(super) n_filters: usize,
    pub(super) n_residual_layers: usize,
    pub(super) ratios: Vec<usize>,
    pub(super) kernel_size: usize,
    pub(super) residual_kernel_size: usize,
    pub(super) last_kernel_size: usize,
    pub(super) dilation_base: usize,
    pub(super) pad_mode: PadMode,
    pub(super) compress: usize,
}

/// What lies before the first moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PadMode {
    /// Silence.
    Constant,
    /// The first moment again.
    Replicate,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodecTransformer {
    pub(super) d_model: usize,
    pub(super) input_dimension: usize,
    pub(super) output_dimensions: Vec<usize>,
    pub(super) num_heads: usize,
    pub(super) num_layers: usize,
    #[serde(rename = "layer_scale")]
    _layer_scale: f64,
    pub(super) context: usize,
    #[serde(default = "period")]
    pub(super) max_period: f64,
    pub(super) dim_feedforward: usize,
}

fn period() -> f64 {
    10_000.0
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quantizer {
    pub(super) dimension: usize,
    pub(super) output_dimension: usize,
}

impl SeaNet {
    /// Samples that become one moment.
    pub(super) fn hop(&self) -> usize {
        self.ratios.iter().product()
    }
}

impl Mimi {
    /// The network that decodes.
    pub(super) fn decoding(&self) -> &SeaNet {
        self.decoder_seanet.as_ref().unwrap_or(&self.seanet)
    }

    /// The transformer before it.
    pub(super) fn decoding_transformer(&self) -> &CodecTransformer {
        self.decoder_transformer.as_ref().unwrap_or(&self.transformer)
    }

    /// Moments of the encoder that are one frame.
    pub(super) fn stride(&self) -> usize {
        // `check` has seen that it is whole.
        (f64::from(self.sample_rate) / self.seanet.hop() as f64 / self.frame_rate).round() as usize
    }

    /// Samples of a frame.
    pub(super) fn frame(&self) -> usize {
        self.seanet.hop() * self.stride()
    }

    /// Values of a frame that the encoder tells.
    pub(super) fn inner(&self) -> usize {
        self.inner_dim.unwrap_or(self.seanet.dimension)
    }
}

impl Config {
    /// Reads and checks it.
    ///
    /// # Errors
    /// `Corrupt` for what is no such configuration, `Unsupported` for numbers that no voice has.
    pub(super) fn parse(yaml: &[u8], name: &str) -> Result<Self> {
        let wrong = |e: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Corrupt, format!("{name} is no configuration of a Pocket TTS voice: {e}"))
        };
        let text = std::str::from_utf8(yaml).map_err(|e| wrong(&e))?;
        let config: Self = serde_saphyr::from_str(text).map_err(|e| wrong(&e))?;
        config.check().map_err(|e| e.within(name))?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let (lm, mimi) = (&self.flow_lm, &self.mimi);
        let backbone = &lm.transformer;
        between("flow.dim", lm.flow.dim, 1, WIDEST)?;
        between("flow.depth", lm.flow.depth, 1, DEEPEST)?;
        between("transformer.d_model", backbone.d_model, 1, WIDEST)?;
        between("transformer.num_layers", backbone.num_layers, 1, DEEPEST)?;
        between("transformer.hidden_scale", backbone.hidden_scale, 1, 64)?;
        between("transformer.dim_feedforward", self.inside(), 1, WIDEST)?;
        heads("transformer", backbone.attn_dim.unwrap_or(backbone.d_model), backbone.num_heads)?;
        let kv_heads = backbone.num_kv_heads.unwrap_or(backbone.num_heads);
        if kv_heads == 0 || !backbone.num_heads.is_multiple_of(kv_heads) {
            return refuse(format!("{} heads for {kv_heads} of keys", backbone.num_heads));
        }
        between("z_dim", lm.z_dim.unwrap_or(1), 1, WIDEST)?;
        between("lookup_table.n_bins", lm.lookup_table.n_bins, 1, WIDEST)?;
        between("lookup_table.rank", lm.lookup_table.rank.unwrap_or(1), 1, WIDEST)?;
        if lm.lookup_table.dim != backbone.d_model {
            return refuse(format!(
                "a lookup_table of dim {} for a d_model of {}",
                lm.lookup_table.dim, backbone.d_model
            ));
        }
        period_of("transformer.max_period", backbone.max_period)?;
        if !(0.0..=100.0).contains(&self.default_temperature) || !self.default_eos_threshold.is_finite() {
            let (temperature, end) = (self.default_temperature, self.default_eos_threshold);
            return refuse(format!(
                "a default_temperature of {temperature} and a default_eos_threshold of {end}"
            ));
        }
        between("model_recommended_frames_after_eos", self.frames_after().unwrap_or(0), 0, 100)?;
        let longest = self.replace_characters.values().map(String::len).max().unwrap_or(0);
        between("replace_characters (bytes for one)", longest, 0, LONGEST_REPLACEMENT)?;
        if mimi.channels != 1 || mimi.seanet.channels != 1 || mimi.decoding().channels != 1 {
            return refuse("sound of more than one channel".to_owned());
        }
        between("mimi.sample_rate", mimi.sample_rate as usize, 8_000, 96_000)?;
        for (name, net) in [("seanet", &mimi.seanet), ("decoder_seanet", mimi.decoding())] {
            sea(name, net)?;
        }
        if mimi.seanet.hop() != mimi.decoding().hop() {
            return refuse("an encoder and a decoder of different rates".to_owned());
        }
        let stride = f64::from(mimi.sample_rate) / mimi.seanet.hop() as f64 / mimi.frame_rate;
        let is_whole = (1.0..=1024.0).contains(&stride) && (stride - stride.round()).abs() <= 1e-9;
        if !is_whole || mimi.frame_rate > MOST_FRAMES {
            return refuse(format!(
                "frames of {stride} moments (a frame_rate of {} for a sample_rate of {})",
                mimi.frame_rate, mimi.sample_rate
            ));
        }
        let channels = mimi.seanet.n_filters.max(mimi.decoding().n_filters);
        let values = mimi.frame().saturating_mul(channels);
        between("samples of a frame · n_filters", values, 1, MOST_VALUES)?;
        self.check_codec()
    }

    fn check_codec(&self) -> Result<()> {
        let mimi = &self.mimi;
        let (inner, outer) = (mimi.inner(), mimi.outer_dim.unwrap_or(mimi.decoding().dimension));
        between("inner_dim", inner, 1, WIDEST)?;
        between("quantizer.dimension", mimi.quantizer.dimension, 1, WIDEST)?;
        if mimi.quantizer.output_dimension != outer || outer != mimi.decoding().dimension {
            return refuse(format!(
                "{outer} channels between a quantizer of {} and a decoder of {}",
                mimi.quantizer.output_dimension,
                mimi.decoding().dimension
            ));
        }
        for (name, it, around) in [
            ("mimi.transformer", &mimi.transformer, mimi.seanet.dimension),
            ("mimi.decoder_transformer", mimi.decoding_transformer(), mimi.decoding().dimension),
        ] {
            between(&format!("{name}.d_model"), it.d_model, 1, WIDEST)?;
            between(&format!("{name}.num_layers"), it.num_layers, 1, DEEPEST)?;
            between(&format!("{name}.dim_feedforward"), it.dim_feedforward, 1, WIDEST)?;
            between(&format!("{name}.context"), it.context, 1, WIDEST)?;
            heads(name, it.d_model, it.num_heads)?;
            period_of(&format!("{name}.max_period"), it.max_period)?;
            if it.input_dimension != around || it.output_dimensions != [around] {
                return refuse(format!("a {name} that does not fit the {around} channels around it"));
            }
            let widest = around.max(it.d_model).max(it.dim_feedforward).max(inner);
            between(
                &format!("moments of a frame · widths of {name}"),
                mimi.stride() * widest,
                1,
                MOST_VALUES,
            )?;
        }
        Ok(())
    }

    /// Width inside the backbone's feed-forward layers.
    pub(super) fn inside(&self) -> usize {
        let it = &self.flow_lm.transformer;
        it.dim_feedforward.unwrap_or(it.d_model.saturating_mul(it.hidden_scale))
    }

    /// Frames that follow the one which says that the end is near, where the voice says how many.
    pub(super) fn frames_after(&self) -> Option<usize> {
        self.model_recommended_frames_after_eos
    }
}

fn refuse(what: String) -> Result<()> {
    Err(Error::new(ErrorKind::Unsupported, format!("the voice has {what}, which no voice of its kind has")))
}

fn between(name: &str, value: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let message = format!("the voice says {name} = {value}: {least} to {most} are read");
    Err(Error::new(ErrorKind::Unsupported, message))
}

fn period_of(name: &str, period: f64) -> Result<()> {
    if (1.0..=1e9).contains(&period) {
        return Ok(());
    }
    refuse(format!("a {name} of {period}"))
}

/// Heads have an even number of values, which are turned in pairs.
fn heads(name: &str, width: usize, heads: usize) -> Result<()> {
    if width <= WIDEST && (1..=width).contains(&heads) && width.is_multiple_of(2 * heads) {
        return Ok(());
    }
    refuse(format!("a {name} of width {width} with {heads} heads"))
}

fn sea(name: &str, net: &SeaNet) -> Result<()> {
    let of = |field: &str| format!("{name}.{field}");
    between(&of("dimension"), net.dimension, 1, WIDEST)?;
    between(&of("n_filters"), net.n_filters, 1, 4096)?;
    between(&of("n_residual_layers"), net.n_residual_layers, 0, 16)?;
    for (field, size) in [
        ("kernel_size", net.kernel_size),
        ("residual_kernel_size", net.residual_kernel_size),
        ("last_kernel_size", net.last_kernel_size),
    ] {
        between(&of(field), size, 1, 64)?;
    }
    between(&of("dilation_base"), net.dilation_base, 1, 8)?;
    between(&of("compress"), net.compress, 1, net.n_filters)?;
    between(&of("ratios (how many)"), net.ratios.len(), 1, 8)?;
    // Channels double where moments are at least halved: none of these layers has more values than the first.
    for ratio in &net.ratios {
        between(&of("ratios"), *ratio, 2, 64)?;
    }
    // Eight ratios double the channels eight times.
    between(&of("n_filters · 2^ratios"), net.n_filters << net.ratios.len(), 1, WIDEST)?;
    let reach = (0..net.n_residual_layers).try_fold(1usize, |reach, _| reach.checked_mul(net.dilation_base));
    between(&of("dilation"), reach.unwrap_or(usize::MAX), 1, 1 << 12)?;
    let hop = net.ratios.iter().try_fold(1usize, |hop, ratio| hop.checked_mul(*ratio));
    between(&of("ratios (their product)"), hop.unwrap_or(usize::MAX), 1, 1 << 14)
}
