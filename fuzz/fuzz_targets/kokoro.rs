//! One file of Kokoro's changed or replaced: refused, or it speaks; never a panic. The network is the published one, since its sizes
//! are its own: `PARASOL_FUZZ_KOKORO` names the folder where `parasol pull kokoro` has put it.
//!
//! The first byte says what: changes of single bytes of the network's graph (weights are numbers and decide nothing), or the bytes of the
//! network, of the alphabet or of a style.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parasol_audio::speech::Speaker;
use parasol_kernels::{Compute, Isa};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

static COMPUTE: LazyLock<Arc<Compute>> = LazyLock::new(|| Arc::new(Compute::new(Isa::detect(), 2)));

/// A folder of this process, and what a change may be made to.
struct Voice {
    folder: PathBuf,
    network: Vec<u8>,
    /// Where in the network there are no weights.
    graph: Vec<Range<usize>>,
}

static VOICE: LazyLock<Voice> = LazyLock::new(|| {
    let from = std::env::var_os("PARASOL_FUZZ_KOKORO").expect("PARASOL_FUZZ_KOKORO names the voice's folder");
    let from = Path::new(&from);
    let folder = std::env::temp_dir().join(format!("parasol-fuzz-kokoro-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the voice");
    for name in ["kokoro.onnx", "vocab.json", "normalize.json", "tokenizer_exceptions.json", "oov.json", "oov.onnx", "af_heart.bin"] {
        std::fs::copy(from.join(name), folder.join(name)).expect("the voice's files");
    }
    // Tables of English without words: reading the real ones would be most of each run.
    let tagger = br#"{"tags":["NN"],"tagdict":{},"weights":{}}"#;
    for (name, text) in [("lexicon_us_gold", &b"{}"[..]), ("lexicon_us_silver", b"{}"), ("tagger", tagger)] {
        let file = std::fs::File::create(folder.join(format!("{name}.json.gz"))).expect("room for a table");
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packed.write_all(text).expect("room for a table");
    }
    let network = std::fs::read(folder.join("kokoro.onnx")).expect("the network");
    let graph = graph(&network);
    Voice { folder, network, graph }
});

fuzz_target!(|bytes: &[u8]| {
    let [what, rest @ ..] = bytes else { return };
    let voice = &*VOICE;
    let path = |name: &str| voice.folder.join(name);
    let open = |folder: &Path| {
        if let Ok(speaker) = Speaker::open(folder, "kokoro", Arc::clone(&COMPUTE)) {
            let _ = speaker.sound("ə", 1.0, 1);
        }
    };
    let replaced = |name: &str| {
        let own = std::fs::read(path(name)).expect("the voice's file");
        std::fs::write(path(name), rest).expect("room for the file");
        open(&voice.folder);
        std::fs::write(path(name), own).expect("room for the file");
    };
    match what % 8 {
        0 => replaced("vocab.json"),
        1 => replaced("af_heart.bin"),
        2 => {
            let (whole, aside) = (path("kokoro.onnx"), path("aside"));
            std::fs::rename(&whole, &aside).expect("the network");
            std::fs::write(&whole, rest).expect("room for the network");
            open(&voice.folder);
            std::fs::rename(&aside, &whole).expect("the network");
        }
        _ => {
            let file = std::fs::OpenOptions::new().write(true).open(path("kokoro.onnx")).expect("the network");
            let places: Vec<usize> = rest.as_chunks::<4>().0.iter().map(|change| voice.place(change)).collect();
            for (place, change) in places.iter().zip(rest.as_chunks::<4>().0) {
                file.write_all_at(&change[3..], *place as u64).expect("room for the change");
            }
            open(&voice.folder);
            for place in places {
                file.write_all_at(&voice.network[place..=place], place as u64).expect("room for the change");
            }
        }
    }
});

impl Voice {
    /// The byte of the graph that three bytes of a change mean.
    fn place(&self, change: &[u8; 4]) -> usize {
        let all: usize = self.graph.iter().map(Range::len).sum();
        let mut at = (usize::from(change[0]) | usize::from(change[1]) << 8 | usize::from(change[2]) << 16) % all;
        for range in &self.graph {
            match at < range.len() {
                true => return range.start + at,
                false => at -= range.len(),
            }
        }
        unreachable!("{at} is within the graph")
    }
}

/// The ranges of an ONNX file that are no weights: all but field 9 of the tensors that its graph has.
fn graph(file: &[u8]) -> Vec<Range<usize>> {
    let mut weights = Vec::new();
    for (_, graph) in fields(file, 0..file.len()).filter(|(number, _)| *number == 7) {
        for (_, tensor) in fields(file, graph).filter(|(number, _)| *number == 5) {
            weights.extend(fields(file, tensor).filter(|(number, at)| *number == 9 && at.len() > 64).map(|(_, at)| at));
        }
    }
    let (mut ranges, mut from) = (Vec::new(), 0);
    for range in weights {
        ranges.push(from..range.start);
        from = range.end;
    }
    ranges.push(from..file.len());
    ranges
}

/// The numbers and places of a message's fields.
fn fields(file: &[u8], within: Range<usize>) -> impl Iterator<Item = (u64, Range<usize>)> + '_ {
    let mut at = within.start;
    std::iter::from_fn(move || {
        if at >= within.end {
            return None;
        }
        let tag = varint(file, &mut at);
        let length = match tag & 7 {
            2 => varint(file, &mut at) as usize,
            0 => {
                let from = at;
                varint(file, &mut at);
                return Some((tag >> 3, from..at));
            }
            1 => 8,
            _ => 4,
        };
        at += length;
        Some((tag >> 3, at - length..at))
    })
}

fn varint(file: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = file[*at];
        *at += 1;
        value |= u64::from(byte & 127) << shift;
        if byte & 128 == 0 {
            break;
        }
    }
    value
}
