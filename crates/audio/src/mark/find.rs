//! Looking for the mark: how far the loudness of cells agrees with the table, wherever that may begin.

use super::{BANDS, CELL_MS, CELLS, LOWEST, Signs, WIDTH, table};
use crate::sound::at_rate;
use parasol_core::{Result, SoundStream};
use realfft::{RealFftPlanner, RealToComplex};
use std::f64::consts::PI;
use std::sync::Arc;

/// Samples a second that are looked at.
const RATE: u32 = 16_000;
/// Samples of a frame, and from one to the next: 32 ms and 10 ms.
const FRAME: usize = 512;
const HOP: usize = 160;
/// Frames in a second.
const PER_SECOND: usize = RATE as usize / HOP;
/// Frames that begin within a cell.
const STEPS: usize = CELL_MS * PER_SECOND / 1_000;
/// Bins of a band, and the first of them all.
const BINS: usize = (WIDTH * FRAME as f64 / RATE as f64) as usize;
const FIRST: usize = (LOWEST * FRAME as f64 / RATE as f64) as usize;
/// Stretches that are looked at on their own, in frames: a mark that is cut out of a long sound, or one that has suffered and needs
/// longer to be seen.
const STRETCHES: [usize; 2] = [6 * PER_SECOND, 24 * PER_SECOND];
/// Fewer frames than this are not looked at: 1 s.
const LEAST: usize = PER_SECOND;
/// Bands on either side that a band is compared with.
const BESIDE: usize = 2;
/// A difference beyond this says nothing more, in dB: something began or ended there.
const CLIP: f32 = 6.0;
/// What is softer than the mean of a stretch by this factor counts as silence.
const FLOOR: f32 = 1e-6;
/// A sound counts as marked when one without a mark would look like it in fewer than one of a million cases.
const RARE: f64 = -6.0;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Whether the sound carries the mark.
    pub marked: bool,
    /// The decimal logarithm of the chance that a sound without a mark looks as much like one with it, at most 0: with −9 it is one in
    /// 1 000 000 000. A bound: Hoeffding's inequality for the sum over the cells, times the number of places that were tried.
    pub chance: f64,
    /// Where it is clearest, in seconds from the beginning.
    pub from: f64,
    /// The end of that.
    pub to: f64,
    /// How long the sound is, in seconds.
    pub seconds: f64,
}

/// Looks for the mark in a sound of any length and rate.
///
/// # Errors
/// Those of the sound.
pub fn find(sound: SoundStream) -> Result<Finding> {
    let mut search = Search::new();
    let mut samples = 0u64;
    for piece in at_rate(sound, RATE)? {
        let piece = piece?;
        samples += piece.len() as u64;
        search.push(&piece);
    }
    Ok(search.finish(samples as f64 / f64::from(RATE)))
}

/// The power of each band in a frame.
type Powers = [f32; BANDS];

struct Search {
    table: Box<[Signs; CELLS]>,
    forward: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    input: Vec<f32>,
    /// The last frames, at most the longest stretch, and the number of the first of them.
    frames: Vec<Powers>,
    begin: usize,
    /// How many places were tried, and the best of them: score, first and last frame.
    tried: usize,
    best: (f32, usize, usize),
}

impl Search {
    fn new() -> Self {
        Self {
            table: table(),
            forward: RealFftPlanner::new().plan_fft_forward(FRAME),
            window: (0..FRAME)
                .map(|n| (0.5 - 0.5 * (2.0 * PI * n as f64 / FRAME as f64).cos()) as f32)
                .collect(),
            input: Vec::new(),
            frames: Vec::new(),
            begin: 0,
            tried: 0,
            best: (0.0, 0, 0),
        }
    }

    fn push(&mut self, piece: &[f32]) {
        self.input.extend_from_slice(piece);
        let mut at = 0;
        let mut spectrum = self.forward.make_output_vec();
        while let Some(samples) = self.input.get(at..at + FRAME) {
            let mut frame: Vec<f32> = samples.iter().zip(&self.window).map(|(x, w)| x * w).collect();
            // The lengths are those that the plan was made with.
            self.forward.process(&mut frame, &mut spectrum).expect("a frame has the plan's length");
            let power = |band: usize| {
                let first = FIRST + band * BINS;
                spectrum[first..first + BINS].iter().map(|x| x.norm_sqr()).sum()
            };
            self.frames.push(std::array::from_fn(power));
            at += HOP;
            self.look();
        }
        self.input.drain(..at);
    }

    /// Looks at the stretches that end with the newest frame: each begins half its length behind the one before.
    fn look(&mut self) {
        for stretch in STRETCHES {
            if self.is_whole(stretch) {
                self.stretch(stretch);
            }
        }
        let most = STRETCHES[STRETCHES.len() - 1];
        if self.frames.len() >= 2 * most {
            self.frames.drain(..most);
            self.begin += most;
        }
    }

    /// Whether a whole stretch ends with the newest frame.
    fn is_whole(&self, stretch: usize) -> bool {
        let end = self.begin + self.frames.len();
        end >= stretch && end.is_multiple_of(stretch / 2)
    }

    /// Looks at what no whole stretch ended with.
    fn finish(mut self, seconds: f64) -> Finding {
        for stretch in STRETCHES {
            let all = self.frames.len().min(stretch);
            if all >= LEAST && !self.is_whole(stretch) {
                self.stretch(all);
            }
        }
        let (score, from, to) = self.best;
        let natural = f64::from(score) * f64::from(score) / -2.0 + (self.tried.max(1) as f64).ln();
        let chance = (natural / std::f64::consts::LN_10).min(0.0);
        let second = |frame: usize| (frame as f64 / PER_SECOND as f64).min(seconds);
        Finding { marked: chance <= RARE, chance, from: second(from), to: second(to), seconds }
    }

    /// Tries every place at which the table may begin in the last `length` frames.
    fn stretch(&mut self, length: usize) {
        let frames = &self.frames[self.frames.len() - length..];
        let Some(cells) = differences(frames) else { return };
        let end = self.begin + self.frames.len();
        for step in 0..STEPS {
            let mut folded = [[0.0f32; BANDS]; CELLS];
            for (number, cell) in cells[step.min(cells.len())..].iter().step_by(STEPS).enumerate() {
                folded[number % CELLS].iter_mut().zip(cell).for_each(|(sum, x)| *sum += x);
            }
            // What comes back with the table's period counts as what it adds up to: the bound on the chance holds for any sound.
            let energy: f32 = folded.iter().flatten().map(|x| x * x).sum();
            for shift in 0..CELLS {
                let agreement: f32 = (0..CELLS)
                    .map(|at| {
                        let signs = &self.table[(at + shift) % CELLS];
                        folded[at].iter().zip(signs).map(|(x, sign)| x * sign).sum::<f32>()
                    })
                    .sum();
                self.tried += 1;
                let score = agreement / energy.sqrt().max(f32::MIN_POSITIVE);
                if score > self.best.0 {
                    self.best = (score, end - length, end);
                }
            }
        }
    }
}

/// How much louder each cell is than those before, behind and beside it, in dB, for the cell that begins with each frame.
fn differences(frames: &[Powers]) -> Option<Vec<Powers>> {
    let count = (frames.len() * BANDS).max(1) as f32;
    let mean = frames.iter().flatten().sum::<f32>() / count;
    // Digital silence has nothing in it.
    if mean <= f32::MIN_POSITIVE || !mean.is_finite() || frames.len() < 3 * STEPS {
        return None;
    }
    let loud: Vec<Powers> =
        frames.iter().map(|frame| frame.map(|x| 10.0 * (x + FLOOR * mean).log10())).collect();
    let cell = |at: usize| -> Powers {
        std::array::from_fn(|band| {
            loud[at..at + STEPS].iter().map(|frame| frame[band]).sum::<f32>() / STEPS as f32
        })
    };
    let cells: Vec<Powers> = (0..=loud.len() - STEPS).map(cell).collect();
    let between = |at: usize| -> Powers {
        let (before, now, behind) = (&cells[at - STEPS], &cells[at], &cells[at + STEPS]);
        std::array::from_fn(|band| now[band] - 0.5 * (before[band] + behind[band]))
    };
    Some((STEPS..cells.len() - STEPS).map(|at| beside(&between(at))).collect())
}

/// Each band against the mean of those around it.
fn beside(cell: &Powers) -> Powers {
    std::array::from_fn(|band| {
        let around = &cell[band.saturating_sub(BESIDE)..(band + BESIDE + 1).min(BANDS)];
        (cell[band] - around.iter().sum::<f32>() / around.len() as f32).clamp(-CLIP, CLIP)
    })
}
