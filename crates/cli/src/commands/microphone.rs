//! The microphone, in builds that hear it: the system's default input, mixed down to one channel.

use super::listen::Source;
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{FromSample, Sample, SizedSample};
use parasol_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Sender, channel};

/// Pieces that may wait: minutes, whatever the system's pieces are. A machine that is further behind cannot keep up.
const AHEAD: usize = 16_384;

type Pieces = Sender<Result<Vec<i16>>>;

fn failed(what: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("the microphone {what}: {why}"))
}

/// Begins to hear.
///
/// # Errors
/// `NotFound` without a microphone, `Io` when the system does not let it be heard.
pub(super) fn open() -> Result<Source> {
    let host = cpal::default_host();
    let device = host.default_input_device().ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the system knows no microphone: plug one in, or pipe sound in")
    })?;
    let config = device.default_input_config().map_err(|e| failed("tells no form of its sound", e))?;
    let rate: u32 = config.sample_rate();
    let (sender, pieces) = channel(AHEAD);
    let stream = match config.sample_format() {
        cpal::SampleFormat::I16 => begin::<i16>(&device, &config.into(), sender),
        cpal::SampleFormat::U16 => begin::<u16>(&device, &config.into(), sender),
        cpal::SampleFormat::I32 => begin::<i32>(&device, &config.into(), sender),
        cpal::SampleFormat::F32 => begin::<f32>(&device, &config.into(), sender),
        other => Err(failed("speaks", format_args!("{other:?}, which is not read"))),
    }?;
    stream.play().map_err(|e| failed("does not begin", e))?;
    Ok(Source { rate, pieces, _keep: Some(Box::new(stream)) })
}

fn begin<T: SizedSample>(
    device: &cpal::Device,
    config: &cpal::StreamConfig,
    pieces: Pieces,
) -> Result<cpal::Stream>
where
    f32: FromSample<T>,
{
    let channels = usize::from(config.channels).max(1);
    let broken = pieces.clone();
    let mut lost = false;
    let hear = move |samples: &[T], _: &cpal::InputCallbackInfo| {
        let mixed = samples.chunks(channels).map(|frame| {
            let sum: f32 = frame.iter().map(|x| f32::from_sample(*x)).sum();
            i16::from_sample(sum / channels as f32)
        });
        // The system's thread must not wait. What was lost is told as soon as there is room, and ends it.
        let piece = match lost {
            false => Ok(mixed.collect()),
            true => Err(failed("is minutes ahead", "this machine cannot keep up: take whisper-tiny")),
        };
        lost |= matches!(pieces.try_send(piece), Err(TrySendError::Full(_)));
    };
    let fail = move |error: cpal::StreamError| {
        let _ = broken.try_send(Err(failed("broke off", error)));
    };
    device.build_input_stream(config, hear, fail, None).map_err(|e| failed("cannot be heard", e))
}
