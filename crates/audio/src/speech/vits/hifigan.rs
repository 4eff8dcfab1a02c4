//! Frames to samples: HiFi-GAN (Kong et al., 2020). Each stage makes several rows of one and sends them through filters that look
//! far along time; a thread takes a stretch of rows through a whole stage, so that what lies between its filters stays in the
//! second-level cache. Rows that two stretches see are computed by both.

use super::parts::{Condition, From};
use crate::speech::layers::MOST_REACH;
use crate::speech::upsample::Upsample;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Activation, Compute, Conv1d, Enter, Finish, Rows};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// What negative values are multiplied by before a filter, and before the last one.
const LEAKY: Enter = Enter::Leaky(0.1);
const LAST_LEAKY: Enter = Enter::Leaky(0.01);

/// Numbers that a stretch of a stage has at most.
const STRETCH: usize = 64 << 10;

/// Numbers that a stage may make of one frame: known voices reach 8 192.
const LARGEST_FRAME: usize = 1 << 14;

/// Filters whose sum with what came in is kept, one after the other; in pairs where the voice is of the larger kind.
struct Residual {
    /// At least one.
    convs: Vec<(Conv1d, Option<Conv1d>)>,
}

struct Stage {
    up: Upsample,
    blocks: Vec<Residual>,
}

/// HiFi-GAN.
pub(super) struct Decoder {
    pre: Conv1d,
    condition: Condition,
    stages: Vec<Stage>,
    post: Conv1d,
}

impl Decoder {
    /// The decoder of frames of so many channels.
    pub(super) fn open(from: &From<'_, '_>, channels: usize) -> Result<Self> {
        let ups = from.count(|i| format!("dec.ups.{i}"))?;
        let block = |i: usize| format!("dec.resblocks.{i}");
        let small = from.count(|i| format!("{}.convs.0", block(i)))?;
        let large = from.count(|i| format!("{}.convs1.0", block(i)))?;
        let blocks = small.max(large);
        if ups == 0 || blocks == 0 || blocks % ups != 0 || small.min(large) > 0 {
            let message =
                format!("the voice has {small} + {large} blocks for {ups} stages, which is no HiFi-GAN");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let each = blocks / ups;
        // A stage's blocks are averaged: the next filter's weights are divided by their number instead.
        let share = 1.0 / each as f32;
        let mut stages = Vec::new();
        let mut grown = 1usize;
        let pre = from.near("dec.conv_pre", 1.0, channels, None)?;
        let mut channels = pre.shape().outputs;
        let condition = from.condition("dec.cond", channels)?;
        for stage in 0..ups {
            let share = if stage == 0 { 1.0 } else { share };
            let up = from.upsample(&format!("dec.ups.{stage}"), share, channels)?;
            channels = up.outputs();
            grown = grown.saturating_mul(up.stride());
            if grown.saturating_mul(channels) > LARGEST_FRAME {
                let message = "the voice makes more of a frame than any HiFi-GAN does";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            let blocks = (stage * each..(stage + 1) * each)
                .map(|i| Residual::open(from, &block(i), channels))
                .collect::<Result<_>>()?;
            stages.push(Stage { up, blocks });
        }
        let post = from.near("dec.conv_post", share, channels, 1)?;
        Ok(Self { pre, condition, stages, post })
    }

    /// Samples for (frames, channels), by the speaker with this row.
    pub(super) fn run(&self, compute: &Compute, frames: &[f32], speaker: Option<&[f32]>) -> Vec<f32> {
        let mut x = super::parts::run(&self.pre, compute, frames, Finish::default());
        self.condition.add(compute, speaker, &mut x);
        for (i, stage) in self.stages.iter().enumerate() {
            x = stage.run(compute, &x, (i + 1 == self.stages.len()).then_some(&self.post));
        }
        x
    }
}

impl Residual {
    fn open(from: &From<'_, '_>, name: &str, channels: usize) -> Result<Self> {
        let filter = |part: &str, i: usize| from.near(&format!("{name}.{part}.{i}"), 1.0, channels, channels);
        let count = |part: &str| from.count(|i| format!("{name}.{part}.{i}"));
        let convs: Vec<_> = match (count("convs")?, count("convs1")?, count("convs2")?) {
            (0, 0, _) => return Err(unlike(name, "has no filters")),
            (small, 0, 0) => (0..small).map(|i| Ok((filter("convs", i)?, None))).collect::<Result<_>>()?,
            (0, first, second) if first == second => (0..first)
                .map(|i| Ok((filter("convs1", i)?, Some(filter("convs2", i)?))))
                .collect::<Result<_>>()?,
            _ => return Err(unlike(name, "has filters without their second")),
        };
        // Every stretch is computed with what its blocks see around it.
        let reach: usize = convs
            .iter()
            .flat_map(|(first, second)| [Some(first), second.as_ref()])
            .flatten()
            .map(|conv| (conv.shape().taps - 1) * conv.shape().dilation)
            .sum();
        match reach <= MOST_REACH {
            true => Ok(Self { convs }),
            false => Err(unlike(name, "looks further along time than any HiFi-GAN's")),
        }
    }

    /// The rows that have to come in for `rows` to go out, of `all` that there are.
    fn seen(&self, rows: Range<usize>, all: usize) -> Range<usize> {
        self.convs.iter().rev().fold(rows, |rows, pair| seen_by_pair(pair, rows, all))
    }

    /// Adds the rows `wanted` of `all` to `room.sum`, of `room.x`, which holds the rows `given`.
    fn run(
        &self,
        compute: &Compute,
        room: &mut Room,
        (given, wanted): (&Range<usize>, &Range<usize>),
        all: usize,
    ) {
        // What each pair has to make, the last first.
        let mut makes = vec![wanted.clone()];
        for pair in self.convs.iter().skip(1).rev() {
            makes.push(seen_by_pair(pair, makes[makes.len() - 1].clone(), all));
        }
        let mut now: Option<Range<usize>> = None;
        for (first, second) in &self.convs {
            let make = makes.pop().unwrap_or_else(|| wanted.clone());
            let (x, has) = match &now {
                None => (&room.x, given),
                Some(has) => (&room.y, has),
            };
            let channels = first.shape().inputs;
            let add = Rows::strided(x, (make.start - has.start) * channels, make.len(), channels);
            let add = Finish { add: Some(add), ..Finish::default() };
            match second {
                None => filter(compute, first, (x, has), add, (&mut room.next, &make)),
                Some(second) => {
                    let inner = seen(second, make.clone(), all);
                    filter(compute, first, (x, has), Finish::default(), (&mut room.inner, &inner));
                    filter(compute, second, (&room.inner, &inner), add, (&mut room.next, &make));
                }
            }
            std::mem::swap(&mut room.y, &mut room.next);
            now = Some(make);
        }
        compute.add(&mut room.sum, &room.y);
    }
}

fn unlike(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the voice's {name} {what}"))
}

/// The rows that a filter sees where it makes `rows` of `all`.
fn seen(conv: &Conv1d, rows: Range<usize>, all: usize) -> Range<usize> {
    let shape = conv.shape();
    let after = (shape.taps - 1) * shape.dilation - shape.before;
    rows.start.saturating_sub(shape.before)..(rows.end + after).min(all)
}

fn seen_by_pair((first, second): &(Conv1d, Option<Conv1d>), rows: Range<usize>, all: usize) -> Range<usize> {
    let inner = match second {
        Some(second) => seen(second, rows.clone(), all),
        None => rows.clone(),
    };
    let whole = seen(first, inner, all);
    // What is added is there, too.
    whole.start.min(rows.start)..whole.end.max(rows.end)
}

/// Rows `make` of a filter over `x`, which holds the rows `has`.
fn filter(
    compute: &Compute,
    conv: &Conv1d,
    (x, has): (&[f32], &Range<usize>),
    finish: Finish<'_>,
    (out, make): (&mut Vec<f32>, &Range<usize>),
) {
    let shape = conv.shape();
    out.resize(make.len() * shape.outputs, 0.0);
    compute.conv1d_from(conv, Rows::new(x, shape.inputs), make.start - has.start, LEAKY, finish, out);
}

/// Room for a stretch on its way through a stage.
#[derive(Default)]
struct Room {
    /// What the blocks take; what one has made, or makes; what lies inside a pair; the blocks' sum.
    x: Vec<f32>,
    y: Vec<f32>,
    next: Vec<f32>,
    inner: Vec<f32>,
    sum: Vec<f32>,
}

impl Stage {
    /// (rows, channels) to the rows of this stage; through the last filter, where there is one.
    fn run(&self, compute: &Compute, x: &[f32], post: Option<&Conv1d>) -> Vec<f32> {
        let (all, channels) = (self.up.length(x.len()), self.up.outputs());
        let width = post.map_or(channels, |post| post.shape().outputs);
        let mut out = vec![0.0; all * width];
        let each = all.div_ceil(compute.pool().threads() * 2).min(STRETCH / channels.max(1)).max(1);
        let stretches: Vec<_> = out.chunks_mut(each * width).map(Mutex::new).collect();
        let rooms = Mutex::new(Vec::new());
        compute.pool().run(stretches.len(), |task| {
            let mut out = stretches[task].lock().unwrap_or_else(PoisonError::into_inner);
            let rows = task * each..task * each + out.len() / width;
            let room = rooms.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut room: Room = room.unwrap_or_default();
            let summed = match post {
                Some(post) => seen(post, rows.clone(), all),
                None => rows.clone(),
            };
            self.stretch(compute, x, &summed, all, &mut room);
            match post {
                None => out.copy_from_slice(&room.sum),
                Some(post) => {
                    let tanh = Finish::with(Activation::Tanh);
                    let from = rows.start - summed.start;
                    compute.conv1d_from(
                        post,
                        Rows::new(&room.sum, channels),
                        from,
                        LAST_LEAKY,
                        tanh,
                        &mut out,
                    );
                }
            }
            rooms.lock().unwrap_or_else(PoisonError::into_inner).push(room);
        });
        out
    }

    /// The blocks' sum for the rows `wanted` of `all`.
    fn stretch(&self, compute: &Compute, x: &[f32], wanted: &Range<usize>, all: usize, room: &mut Room) {
        let given = self.blocks.iter().fold(wanted.clone(), |most, block| {
            let seen = block.seen(wanted.clone(), all);
            most.start.min(seen.start)..most.end.max(seen.end)
        });
        self.up.run(compute, x, LEAKY, given.clone(), &mut room.x);
        room.sum.clear();
        room.sum.resize(wanted.len() * self.up.outputs(), 0.0);
        for block in &self.blocks {
            block.run(compute, room, (&given, wanted), all);
        }
    }
}
