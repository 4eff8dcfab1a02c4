//! Hibari's network: phonemes to what each 12.5 ms of sound consist of. Two encoders read the phonemes; one tells how long each
//! takes and, at a quarter of the frames … see [`Network::run`]. Every size is the file's own.

use crate::speech::layers::{
    ConvNext, Linear, Norm, Transformer, Work, block_of, conv, owners, resize, size,
};
use crate::speech::onnx::Graph;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Activation, Compute, Conv1d, ConvShape, Finish, Function, Rows};

/// Bins of a spectrum: half of the window, and one.
pub(super) const BINS: usize = 601;

/// Phonemes to one row for each.
struct Encoder {
    embedding: Vec<f32>,
    channels: usize,
    convs: Vec<ConvNext>,
    attention: Transformer,
    /// How often the one layer of attention is run.
    rounds: usize,
    norm: Norm,
}

/// The product that frames enter by. Long sentences add it up in blocks of inputs, see [`block_of`].
struct Entry {
    whole: Conv1d,
    blocks: Vec<Conv1d>,
    bias: Vec<f32>,
}

impl Entry {
    fn open(graph: &Graph<'_>, compute: &Compute, name: &str, channels: usize) -> Result<Self> {
        let weights = graph.floats(&format!("{name}.weight"), &[channels, channels, 1])?;
        let bias = graph.floats(&format!("{name}.bias"), &[channels])?;
        let part = |from: usize, count: usize, bias: &[f32]| {
            let shape = ConvShape::product(count, channels);
            Conv1d::new(compute.isa(), shape, bias, |output, input, _| {
                weights[output * channels + from + input]
            })
        };
        let block = block_of(usize::MAX);
        let blocks =
            (0..channels).step_by(block).map(|from| part(from, block.min(channels - from), &[])).collect();
        Ok(Self { whole: part(0, channels, &bias), blocks, bias })
    }

    /// `x` (frames, channels) into `work.x`.
    fn run(&self, compute: &Compute, x: &[f32], work: &mut Work) {
        let channels = self.bias.len();
        let rows = x.len() / channels;
        resize(&mut work.x, x.len());
        if channels <= block_of(rows) {
            compute.conv1d(&self.whole, Rows::new(x, channels), Finish::default(), &mut work.x);
            return;
        }
        let mut before = Vec::new();
        for (i, block) in self.blocks.iter().enumerate() {
            let from = i * self.blocks[0].shape().inputs; // there is one at least
            let add = (i > 0).then(|| Rows::new(&before, channels));
            let part = Rows::strided(x, from, rows, channels);
            compute.conv1d(block, part, Finish { add, ..Finish::default() }, &mut work.x);
            if i + 1 < self.blocks.len() {
                before.clone_from(&work.x);
            }
        }
        for row in work.x.chunks_exact_mut(channels) {
            row.iter_mut().zip(&self.bias).for_each(|(x, bias)| *x += bias);
        }
    }
}

/// The whole network.
pub(super) struct Network {
    acoustic: Encoder,
    prosody: Encoder,
    duration: [Conv1d; 2],
    frames_in: Entry,
    frames: Vec<ConvNext>,
    frames_out: Conv1d,
    decoder_in: Conv1d,
    decoder: Vec<ConvNext>,
    decoder_norm: Norm,
    head: Linear,
    /// Phonemes that have a row in both encoders.
    pub(super) symbols: usize,
}

/// What the network says about a sentence.
#[derive(Default)]
pub(super) struct Spectrum {
    /// For each frame, [`BINS`] values each of: the logarithm of the harmonic part's size, its turn, the logarithm of the noise's
    /// size, the logarithm of the free part's size, its phase.
    pub(super) frames: Vec<f32>,
    /// The pitch of each frame in Hz.
    pub(super) pitch: Vec<f32>,
}

/// Blocks called `prefix.0`, `prefix.1` … as many as there are.
fn count(graph: &Graph<'_>, prefix: &str) -> usize {
    (0..).take_while(|i| graph.has(&format!("{prefix}.{i}.gamma"))).count()
}

/// The ConvNeXt blocks of this prefix.
fn blocks(graph: &Graph<'_>, compute: &Compute, prefix: &str, channels: usize) -> Result<Vec<ConvNext>> {
    (0..count(graph, prefix))
        .map(|i| {
            let name = format!("{prefix}.{i}");
            let inside = size(graph, &format!("{name}.pw1.bias"), 0)?;
            let taps = size(graph, &format!("{name}.dw.weight"), 2)?;
            ConvNext::open(graph, compute, &name, (channels, inside, taps))
        })
        .collect()
}

impl Encoder {
    fn open(graph: &Graph<'_>, compute: &Compute, name: &str) -> Result<Self> {
        let embedding = format!("{name}.emb.weight");
        let (symbols, channels) = (size(graph, &embedding, 0)?, size(graph, &embedding, 1)?);
        let attention = format!("{name}.attn");
        let inside = size(graph, &format!("{attention}.linear1.bias"), 0)?;
        // The graph is unrolled: the same norm is read once in every round.
        let first = format!("{attention}.norm1.weight");
        let rounds = graph.nodes().iter().filter(|n| n.inputs.contains(&first.as_str())).count();
        Ok(Self {
            embedding: graph.floats(&embedding, &[symbols, channels])?,
            channels,
            convs: blocks(graph, compute, &format!("{name}.convs"), channels)?,
            // All voices of this kind have two heads.
            attention: Transformer::open(graph, compute, &attention, (channels, inside, 2))?,
            rounds,
            norm: Norm::open(graph, &format!("{name}.norm"), channels)?,
        })
    }

    /// (phonemes, channels)
    fn run(&self, compute: &Compute, ids: &[usize], work: &mut Work) -> Vec<f32> {
        work.x.clear();
        for id in ids {
            // Ids are below `Network::symbols`, by which both tables were measured.
            work.x.extend_from_slice(&self.embedding[id * self.channels..(id + 1) * self.channels]);
        }
        self.convs.iter().for_each(|block| block.run(compute, work));
        (0..self.rounds).for_each(|_| self.attention.run(compute, work));
        self.norm.run_after_sum(&work.x)
    }
}

impl Network {
    /// Takes the weights from a voice's ONNX file.
    ///
    /// # Errors
    /// `Corrupt` or `Unsupported`, naming what is missing or different.
    pub(super) fn open(file: &[u8], compute: &Compute) -> Result<Self> {
        let graph = &Graph::parse(file)?;
        let acoustic = Encoder::open(graph, compute, "m.text")?;
        let prosody = Encoder::open(graph, compute, "pn.text")?;
        let (inside, wide) = (prosody.channels, size(graph, "m.dec_in.weight", 0)?);
        let taps = |name: &str| size(graph, &format!("{name}.weight"), 2);
        let filter = |name: &str, inputs, outputs| conv(graph, compute, name, (inputs, outputs, taps(name)?));
        let symbols = size(graph, "m.text.emb.weight", 0)?.min(size(graph, "pn.text.emb.weight", 0)?);
        Ok(Self {
            duration: [filter("pn.dur.0", inside, inside)?, filter("pn.dur.2", inside, 1)?],
            frames_in: Entry::open(graph, compute, "pn.pro_in", inside)?,
            frames: blocks(graph, compute, "pn.pro", inside)?,
            frames_out: filter("pn.pro_out", inside, 4)?,
            decoder_in: filter("m.dec_in", acoustic.channels + 2, wide)?,
            decoder: blocks(graph, compute, "m.dec", wide)?,
            decoder_norm: Norm::open(graph, "m.dec_norm", wide)?,
            head: Linear::open(graph, compute, "m.head.bias", (wide, 5 * BINS))?,
            acoustic,
            prosody,
            symbols,
        })
    }

    /// Computes a sentence. Phonemes get whole frames of 25 ms, by the exponential of what the duration filters say; at those,
    /// pitch and energy are told for both halves; the decoder works at 12.5 ms.
    ///
    /// # Errors
    /// `Unsupported` when a phoneme has no row here, or the sentence would last minutes.
    pub(super) fn run(&self, compute: &Compute, ids: &[usize], speed: f32) -> Result<Spectrum> {
        if let Some(id) = ids.iter().find(|id| **id >= self.symbols) {
            let message = format!("the voice has {} phonemes and was asked for number {id}", self.symbols);
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let mut work = Work::default();
        let acoustic = self.acoustic.run(compute, ids, &mut work);
        let prosody = self.prosody.run(compute, ids, &mut work);
        let owner = self.owners(compute, &prosody, speed)?;
        let (pitch, energy) = self.prosody(compute, &prosody, &owner, &mut work);
        self.decode(compute, &acoustic, &owner, pitch, &energy, &mut work)
    }

    /// For each frame of 25 ms the phoneme that it belongs to.
    fn owners(&self, compute: &Compute, prosody: &[f32], speed: f32) -> Result<Vec<usize>> {
        let channels = self.prosody.channels;
        let (mut hidden, mut logs) = (vec![0.0; prosody.len()], vec![0.0; prosody.len() / channels]);
        let [first, second] = &self.duration;
        let gelu = Finish::with(Activation::Gelu);
        compute.conv1d(first, Rows::new(prosody, channels), gelu, &mut hidden);
        compute.conv1d(second, Rows::new(&hidden, channels), Finish::default(), &mut logs);
        compute.apply(Function::Exp, &mut logs);
        owners(logs.iter().map(|e| (e - 1.0) / speed))
    }

    /// Pitch in Hz and energy of each frame of 12.5 ms.
    fn prosody(
        &self,
        compute: &Compute,
        prosody: &[f32],
        owner: &[usize],
        work: &mut Work,
    ) -> (Vec<f32>, Vec<f32>) {
        let channels = self.prosody.channels;
        let gathered: Vec<f32> =
            owner.iter().flat_map(|&p| &prosody[p * channels..(p + 1) * channels]).copied().collect();
        self.frames_in.run(compute, &gathered, work);
        self.frames.iter().for_each(|block| block.run(compute, work));
        let mut four = vec![0.0; owner.len() * 4];
        compute.conv1d(&self.frames_out, Rows::new(&work.x, channels), Finish::default(), &mut four);
        let halves = |from: usize, by: f32| {
            four.chunks_exact(4).flat_map(|row| [row[from] * by, row[from + 1] * by]).collect()
        };
        (halves(0, 100.0), halves(2, 5.0))
    }

    fn decode(
        &self,
        compute: &Compute,
        acoustic: &[f32],
        owner: &[usize],
        pitch: Vec<f32>,
        energy: &[f32],
        work: &mut Work,
    ) -> Result<Spectrum> {
        let channels = self.acoustic.channels;
        let mut input = Vec::with_capacity(pitch.len() * (channels + 2));
        for (frame, (pitch, energy)) in pitch.iter().zip(energy).enumerate() {
            let phoneme = owner[frame / 2];
            input.extend_from_slice(&acoustic[phoneme * channels..(phoneme + 1) * channels]);
            input.extend([(1.0 + pitch.max(0.0)).ln() / 5.0, energy / 5.0]);
        }
        let wide = self.decoder_in.shape().outputs;
        resize(&mut work.x, pitch.len() * wide);
        let input = Rows::new(&input, channels + 2);
        compute.conv1d(&self.decoder_in, input, Finish::default(), &mut work.x);
        self.decoder.iter().for_each(|block| block.run(compute, work));
        let mut normed = Vec::new();
        let range = self.decoder_norm.run(compute, &work.x, &mut normed);
        let mut frames = vec![0.0; pitch.len() * 5 * BINS];
        self.head.run(compute, &normed, range, Finish::default(), &mut frames);
        Ok(Spectrum { frames, pitch })
    }
}
