//! The codec Mimi (Défossez et al., "Moshi: a speech-text foundation model", 2024) as Pocket TTS has it, without a quantiser: sound
//! to latents, which is how a voice is heard, and latents to sound, frame by frame.

use super::config::{CodecTransformer, Mimi, PadMode};
use super::filters::{Chain, ChainSeen, Filter, Seen, Size};
use super::transformer::{Memory, Sizes, Transformer, Work};
use super::weights::{Linear, Weights};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Compute, Finish, Prepare};

/// Frames that are encoded at once: a second of sound needs some ten megabytes.
const FRAMES: usize = 12;

/// A transformer between products that fit it to the channels around it.
struct Projected {
    enter: Option<Linear>,
    transformer: Transformer,
    leave: Option<Linear>,
}

impl Projected {
    fn open(weights: &Weights, name: &str, it: &CodecTransformer, around: usize) -> Result<Self> {
        let head_dim = it.d_model / it.num_heads;
        let sizes = Sizes {
            width: it.d_model,
            layers: it.num_layers,
            heads: it.num_heads,
            kv_heads: it.num_heads,
            head_dim,
            inside: it.dim_feedforward,
            window: Some(it.context),
            period: it.max_period,
            scaled: true,
        };
        let fits = it.d_model == around;
        let open = |part: &str, sizes| {
            (!fits).then(|| Linear::open(weights, &format!("{name}.{part}"), sizes, false)).transpose()
        };
        Ok(Self {
            enter: open("input_proj", (around, it.d_model))?,
            transformer: Transformer::open(weights, &format!("{name}.transformer"), sizes)?,
            leave: open("output_projs.0", (it.d_model, around))?,
        })
    }

    fn run(&self, compute: &Compute, x: Vec<f32>, memory: &mut Memory, work: &mut Work) -> Vec<f32> {
        let mut x = match &self.enter {
            Some(product) => product.run(compute, &x, Prepare::Plain),
            None => x,
        };
        self.transformer.run(compute, &mut x, memory, work);
        match &self.leave {
            Some(product) => product.run(compute, &x, Prepare::Plain),
            None => x,
        }
    }
}

/// The codec of one voice.
pub(super) struct Codec {
    encoder: Chain,
    encoder_transformer: Projected,
    downsample: Option<Filter>,
    quantizer: Linear,
    /// (channels, 2 · stride), where frames are not moments.
    upsample: Option<Vec<f32>>,
    channels: usize,
    stride: usize,
    decoder_transformer: Projected,
    decoder: Chain,
    /// Samples of a frame.
    frame: usize,
}

/// A sound that is being decoded.
pub(super) struct Decoding {
    /// The last row before it was stretched.
    last: Vec<f32>,
    memory: Memory,
    work: Work,
    seen: ChainSeen,
}

impl Codec {
    /// The codec under `mimi`.
    ///
    /// # Errors
    /// `Corrupt` when a tensor is missing or has another shape.
    pub(super) fn open(weights: &Weights, compute: &Compute, config: &Mimi) -> Result<Self> {
        let (stride, channels) = (config.stride(), config.decoding().dimension);
        let around = config.seanet.dimension;
        let down = Size { inputs: around, outputs: config.inner(), taps: 2 * stride, stride, dilation: 1 };
        let resampled = stride > 1;
        let downsample = resampled.then(|| {
            Filter::open(weights, compute, "mimi.downsample.conv.conv", down, PadMode::Replicate, false)
        });
        let upsample = || weights.floats("mimi.upsample.convtr.convtr.weight", channels, 2 * stride);
        let quantizer = weights.matrix(
            "mimi.quantizer.output_proj.weight",
            config.quantizer.output_dimension,
            config.quantizer.dimension,
        )?;
        let projected = |name: &str, it, around| Projected::open(weights, name, it, around);
        Ok(Self {
            encoder: Chain::encoder(weights, compute, "mimi.encoder", &config.seanet)?,
            encoder_transformer: projected("mimi.encoder_transformer", &config.transformer, around)?,
            downsample: downsample.transpose()?,
            quantizer: Linear::of(quantizer),
            upsample: resampled.then(upsample).transpose()?,
            channels,
            stride,
            decoder_transformer: projected(
                "mimi.decoder_transformer",
                config.decoding_transformer(),
                channels,
            )?,
            decoder: Chain::decoder(weights, compute, "mimi.decoder", config.decoding())?,
            frame: config.frame(),
        })
    }

    /// The latents of a sound (frames, inner), silence filling its last frame; `None` as soon as nobody `waits` for them.
    pub(super) fn encode(
        &self,
        compute: &Compute,
        sound: &[f32],
        waits: &dyn Fn() -> bool,
    ) -> Option<Vec<f32>> {
        let (mut chain, mut down, mut work) = (ChainSeen::default(), Seen::default(), Work::default());
        let mut memory = self.encoder_transformer.transformer.memory();
        let mut latents = Vec::new();
        for piece in sound.chunks(FRAMES * self.frame) {
            if !waits() {
                return None;
            }
            let mut piece = piece.to_vec();
            piece.resize(piece.len().next_multiple_of(self.frame), 0.0);
            let moments = self.encoder.run(compute, &piece, &mut chain);
            let moments = self.encoder_transformer.run(compute, moments, &mut memory, &mut work);
            latents.extend(match &self.downsample {
                Some(filter) => filter.run(compute, &moments, &mut down, Finish::default()),
                None => moments,
            });
        }
        Some(latents)
    }

    /// Before the first frame of a sound.
    pub(super) fn begin(&self) -> Decoding {
        Decoding {
            last: vec![0.0; self.channels],
            memory: self.decoder_transformer.transformer.memory(),
            work: Work::default(),
            seen: ChainSeen::default(),
        }
    }

    /// The sound of the next frames (frames, latent).
    ///
    /// # Errors
    /// `Corrupt` when the weights make what is no number, which filters would hide.
    pub(super) fn decode(&self, compute: &Compute, latents: &[f32], at: &mut Decoding) -> Result<Vec<f32>> {
        let rows = self.quantizer.run(compute, latents, Prepare::Plain);
        let moments = match &self.upsample {
            Some(weights) => self.stretch(weights, &rows, &mut at.last),
            None => rows,
        };
        let moments = self.decoder_transformer.run(compute, moments, &mut at.memory, &mut at.work);
        finite(&moments)?;
        let sound = self.decoder.run(compute, &moments, &mut at.seen);
        finite(&sound)?;
        Ok(sound)
    }

    /// Each channel by itself: `stride` moments of one row, into which the row before reaches.
    fn stretch(&self, weights: &[f32], rows: &[f32], last: &mut [f32]) -> Vec<f32> {
        let (channels, stride) = (self.channels, self.stride);
        let mut out = Vec::with_capacity(rows.len() * stride);
        for row in rows.chunks_exact(channels) {
            for moment in 0..stride {
                let of = |(weights, (now, before)): (&[f32], (&f32, &f32))| {
                    now * weights[moment] + before * weights[stride + moment]
                };
                out.extend(weights.chunks_exact(2 * stride).zip(row.iter().zip(&*last)).map(of));
            }
            last.copy_from_slice(row);
        }
        out
    }
}

/// Refuses what is no number.
///
/// # Errors
/// `Corrupt`, since only damaged weights make such.
pub(super) fn finite(values: &[f32]) -> Result<()> {
    match values.iter().find(|x| !x.is_finite()) {
        Some(x) => {
            let message = format!("the voice's weights make {x} of numbers: they are damaged");
            Err(Error::new(ErrorKind::Corrupt, message))
        }
        None => Ok(()),
    }
}
