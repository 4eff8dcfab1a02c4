//! Reading sound from files and streams of any usual kind, mixed down to one channel, packet by packet. What a file is, its
//! first bytes tell; names and endings are not believed.

use super::lengths::mended;
use super::opus::{self, Opus};
use super::{check_rate, check_samples};
use parasol_core::{Error, ErrorKind, Result, SoundStream};
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Fault;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource, SeekBuffered};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

/// What is read, for messages.
const KINDS: &str = "WAV, AIFF, FLAC, MP3, OGG (Vorbis, Opus, FLAC), M4A/AAC/ALAC, MKV and WebM";

/// More channels than this are not mixed down.
const MOST_CHANNELS: usize = 64;

/// What the reader of WAV files takes: as many as there are places for loudspeakers, and some.
const MOST_IN_WAV: u16 = 26;

/// Opens a file.
///
/// # Errors
/// `NotFound` or `Io` when it cannot be read, `Unsupported` when it is no sound that is known, `Corrupt` for a header that
/// cannot be true; each names the file.
pub fn open(path: &Path) -> Result<SoundStream> {
    let name = path.display();
    let file = std::fs::File::open(path).map_err(|e| Error::from(e).within(format!("cannot open {name}")))?;
    let is_folder = file.metadata().is_ok_and(|meta| meta.is_dir());
    if is_folder {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("{name} is a folder: name a file with sound in it"),
        ));
    }
    start(Box::new(file)).map_err(|e| e.within(name))
}

/// Reads from a pipe, or from bytes in memory. Kinds whose index comes last (M4A) need bytes that can be gone back in: give
/// a `Cursor`.
///
/// # Errors
/// As [`open`].
pub fn read(source: impl Read + Send + Sync + 'static) -> Result<SoundStream> {
    start(Box::new(ReadOnlySource::new(source)))
}

/// Bytes that are all there.
struct Whole(std::io::Cursor<Vec<u8>>);

impl Read for Whole {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf)
    }
}

impl Seek for Whole {
    fn seek(&mut self, pos: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(pos)
    }
}

impl MediaSource for Whole {
    fn is_seekable(&self) -> bool {
        true
    }
    fn byte_len(&self) -> Option<u64> {
        Some(self.0.get_ref().len() as u64)
    }
}

/// Reads a whole file that is in memory.
///
/// # Errors
/// As [`open`].
pub fn from_bytes(bytes: Vec<u8>) -> Result<SoundStream> {
    start(Box::new(Whole(std::io::Cursor::new(bytes))))
}

/// The codecs of others are guarded: a panic in one of them is a damaged file, and not the end of the process.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        Error::new(ErrorKind::Corrupt, "the sound is damaged in a way that its decoder does not survive")
    })
}

fn start(source: Box<dyn MediaSource>) -> Result<SoundStream> {
    let empty = source.byte_len() == Some(0);
    let source = mended(source).map_err(|e| Error::from(e).within("cannot read the sound"))?;
    let mut stream = MediaSourceStream::new(source, Default::default());
    let channels = channels_of_wav(&mut stream);
    let probed = guarded(|| {
        symphonia::default::get_probe().probe(
            &Hint::new(),
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
    })?;
    let format = probed.map_err(|fault| match fault {
        _ if empty => Error::new(ErrorKind::Corrupt, "it is empty: there is no sound in it"),
        Fault::Unsupported(_) => unknown("its bytes are none that begin a sound file"),
        Fault::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            unknown("it ends before any sound begins")
        }
        _ if channels.is_some_and(|n| n == 0 || n > MOST_IN_WAV) => {
            let message = format!(
                "the file says that it has {} channels: 1 to {MOST_IN_WAV} of a WAV file are mixed down to one",
                channels.unwrap_or_default()
            );
            Error::new(ErrorKind::Unsupported, message)
        }
        other => unknown(&other.to_string()),
    })?;
    let track = format.default_track(TrackType::Audio).ok_or_else(|| unknown("it has no audio track"))?;
    let params = audio_params(track).ok_or_else(|| unknown("nothing is said about its audio track"))?;
    let (rate, decoder) = decoder(params)?;
    let seconds = seconds(track, rate);
    let packets = Packets {
        track: track.id,
        format,
        decoder,
        mono: Mono::default(),
        rate,
        done: 0,
        bad: 0,
        ended: false,
    };
    // The first packet tells what the header may not: the channels, and whether anything can be decoded.
    let mut packets = packets.peekable();
    if let Some(Err(error)) = packets.next_if(|first| first.is_err()) {
        return Err(error);
    }
    if packets.peek().is_none() {
        return Err(Error::new(ErrorKind::Corrupt, "there is no sound in it: its audio track is empty"));
    }
    Ok(SoundStream::new(rate, seconds, packets))
}

/// How many channels a WAV file says that it has, for messages; the stream is where it was.
fn channels_of_wav(stream: &mut MediaSourceStream<'_>) -> Option<u16> {
    let mut head = [0; 24];
    stream.ensure_seekback_buffer(head.len());
    let read = stream.read_exact(&mut head);
    stream.seek_buffered(0);
    let wav = read.is_ok() && head.starts_with(b"RIFF") && head[8..16] == *b"WAVEfmt ";
    wav.then(|| u16::from_le_bytes([head[22], head[23]]))
}

fn unknown(why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("this is no sound that can be read ({why}): {KINDS} can"))
}

fn audio_params(track: &Track) -> Option<&AudioCodecParameters> {
    track.codec_params.as_ref()?.audio()
}

/// How long the track says that it is.
fn seconds(track: &Track, rate: u32) -> Option<f64> {
    if let Some(frames) = track.num_frames {
        return Some(frames as f64 / f64::from(rate)).filter(|_| frames > 0);
    }
    let (base, duration) = (track.time_base?, track.duration?);
    let seconds = duration.get() as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get());
    (seconds > 0.0).then_some(seconds)
}

enum Decoder {
    Opus(Box<Opus>),
    Other(Box<dyn AudioDecoder>),
}

/// The rate of a track and what decodes it.
fn decoder(params: &AudioCodecParameters) -> Result<(u32, Decoder)> {
    let channels = params.channels.as_ref().map_or(0, |channels| channels.count());
    if channels > MOST_CHANNELS {
        let message = format!("it has {channels} channels: at most {MOST_CHANNELS} are mixed down to one");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if params.codec == CODEC_ID_OPUS {
        return Ok((opus::RATE, Decoder::Opus(Box::new(Opus::new(params.extra_data.as_deref(), channels)?))));
    }
    let made = guarded(|| {
        symphonia::default::get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default())
    })?;
    let decoder = made.map_err(|fault| {
        let message = format!("its sound is coded in a way that is not read ({fault}): {KINDS} are");
        Error::new(ErrorKind::Unsupported, message)
    })?;
    let rate = params.sample_rate.or(decoder.codec_params().sample_rate).unwrap_or(0);
    check_rate(rate)?;
    Ok((rate, Decoder::Other(decoder)))
}

/// Channel beside channel to their mean.
#[derive(Default)]
struct Mono {
    samples: Vec<f32>,
}

impl Mono {
    fn mix(&self, channels: usize) -> Vec<f32> {
        if channels == 1 {
            return self.samples.clone();
        }
        let share = 1.0 / channels as f32;
        self.samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * share).collect()
    }
}

/// The packets of one track, decoded.
struct Packets {
    format: Box<dyn FormatReader>,
    track: u32,
    decoder: Decoder,
    mono: Mono,
    rate: u32,
    /// Samples so far, and packets that could not be decoded.
    done: u64,
    bad: u64,
    ended: bool,
}

impl Iterator for Packets {
    type Item = Result<Vec<f32>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let piece = guarded(|| self.piece()).and_then(|piece| piece);
        self.ended = !matches!(piece, Ok(Some(_)));
        piece.transpose()
    }
}

impl Packets {
    fn piece(&mut self) -> Result<Option<Vec<f32>>> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return self.end(),
                Err(Fault::IoError(e)) if e.kind() == std::io::ErrorKind::UnexpectedEof => return self.end(),
                Err(Fault::IoError(e)) => return Err(Error::from(e).within("cannot read the sound")),
                Err(fault) => return Err(damaged(self.done, self.rate, &fault.to_string())),
            };
            if packet.track_id != self.track {
                continue;
            }
            let piece = self.decode(&packet)?;
            if !piece.is_empty() {
                check_samples(&piece, self.done)?;
                self.done += piece.len() as u64;
                return Ok(Some(piece));
            }
        }
    }

    fn end(&self) -> Result<Option<Vec<f32>>> {
        if self.done == 0 && self.bad > 0 {
            let message = format!("none of its {} packets can be decoded: the file is damaged", self.bad);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(None)
    }

    fn decode(&mut self, packet: &Packet) -> Result<Vec<f32>> {
        let channels = match &mut self.decoder {
            Decoder::Opus(opus) => {
                let channels = opus.channels();
                let Some(samples) = opus.decode(&packet.data) else { return self.silence(packet) };
                self.mono.samples.clear();
                self.mono.samples.extend_from_slice(samples);
                channels
            }
            Decoder::Other(decoder) => match decoder.decode(packet) {
                Ok(decoded) => {
                    let (spec, samples) = (decoded.spec(), &mut self.mono.samples);
                    if spec.rate() != self.rate {
                        let message = format!(
                            "its rate changes from {} to {} Hz after {} samples: convert it to one rate first",
                            self.rate,
                            spec.rate(),
                            self.done
                        );
                        return Err(Error::new(ErrorKind::Unsupported, message));
                    }
                    decoded.copy_to_vec_interleaved(samples);
                    spec.channels().count()
                }
                Err(Fault::DecodeError(_)) => return self.silence(packet),
                Err(fault) => return Err(damaged(self.done, self.rate, &fault.to_string())),
            },
        };
        if channels == 0 || channels > MOST_CHANNELS {
            let message = format!("it has {channels} channels: 1 to {MOST_CHANNELS} are mixed down to one");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(self.mono.mix(channels))
    }

    /// A damaged packet is as much silence as it lasts, so that what follows keeps its time; a file of which more than half is
    /// damaged is refused.
    fn silence(&mut self, packet: &Packet) -> Result<Vec<f32>> {
        self.bad += 1;
        let tenth = u64::from(self.rate) / 10;
        if self.bad > 50 && self.done < self.bad * tenth / 10 {
            return Err(damaged(self.done, self.rate, "most of its packets cannot be decoded"));
        }
        // Nothing lasts longer than a few frames, whatever the packet says.
        let samples = if self.done == 0 { 0 } else { packet.dur.get().min(u64::from(self.rate) / 5) };
        Ok(vec![0.0; usize::try_from(samples).unwrap_or(0)])
    }
}

fn damaged(done: u64, rate: u32, why: &str) -> Error {
    let seconds = done as f64 / f64::from(rate);
    Error::new(ErrorKind::Corrupt, format!("the sound is damaged after {seconds:.1} seconds ({why})"))
}
