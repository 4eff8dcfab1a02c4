//! Voices that come with a model: what the language model remembers of having heard them, a safetensors file each in
//! `embeddings/`, or beside the weights.

use super::transformer::Memory;
use parasol_core::{Error, ErrorKind, Result, Voice};
use parasol_hub::MappedFile;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use std::ops::Range;
use std::path::Path;

/// What the name of a voice's first tensor begins with.
const NAME: &[u8] = b"\"transformer.layers.0.self_attn/";
/// Rows of the longest voice that is read: more than ten minutes of sound.
const LONGEST: usize = 10_000;
/// The voices that speak where none is named, by language; elsewhere `alba`, or the first.
const DEFAULTS: [(&str, &str); 6] = [
    ("it", "giovanni"),
    ("es", "lola"),
    ("de", "juergen"),
    ("pt", "rafael"),
    ("fr", "estelle"),
    ("nl", "daan"),
];
/// Languages by the words that names of models have.
const LANGUAGES: [(&str, &str); 12] = [
    ("english", "en"),
    ("french", "fr"),
    ("german", "de"),
    ("portuguese", "pt"),
    ("italian", "it"),
    ("spanish", "es"),
    ("dutch", "nl"),
    ("japanese", "ja"),
    ("korean", "ko"),
    ("hindi", "hi"),
    ("czech", "cs"),
    ("estonian", "et"),
];

/// The language of the first name that tells one; `und` where none does.
pub(super) fn language(names: &[&str]) -> &'static str {
    let told = |name: &&str| {
        let name = name.to_lowercase();
        LANGUAGES.iter().find(|(word, _)| name.contains(word)).map(|(_, tag)| *tag)
    };
    names.iter().find_map(told).unwrap_or("und")
}

/// A voice of a model.
pub(super) struct Kept {
    file: MappedFile,
    rows: usize,
    /// Where each layer's keys and values lie, `rows` rows of each.
    layers: Vec<[Range<usize>; 2]>,
}

/// The voices of a folder, the default first. `shape`: the model's layers, and the values of a row of keys.
///
/// # Errors
/// `Corrupt` for a damaged file, or one that another model made.
pub(super) fn open(folder: &Path, language: &str, shape: (usize, usize)) -> Result<(Vec<Voice>, Vec<Kept>)> {
    let inside = folder.join("embeddings");
    let mut paths = super::files(folder, &["safetensors"])?;
    if inside.is_dir() {
        paths.extend(super::files(&inside, &["safetensors"])?);
    }
    paths.retain(|path| super::names_in_header(path, NAME));
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let default = DEFAULTS.iter().find(|(tag, _)| *tag == language).map_or("alba", |(_, name)| name);
    paths.sort_by_key(|path| (stem(path) != default, stem(path)));
    let (mut voices, mut kept) = (Vec::new(), Vec::new());
    for path in &paths {
        kept.push(Kept::open(path, shape).map_err(|e| e.within(path.display()))?);
        let description = String::new();
        voices.push(Voice { name: stem(path), language: language.to_owned(), description });
    }
    Ok((voices, kept))
}

impl Kept {
    fn open(path: &Path, (layers, width): (usize, usize)) -> Result<Self> {
        let corrupt = |message: String| Error::new(ErrorKind::Corrupt, message);
        let file = MappedFile::open(path)?;
        let (header, all) = SafeTensors::read_metadata(&file)
            .map_err(|e| corrupt(format!("the safetensors header is wrong ({e}): fetch the file again")))?;
        let mut places = Vec::with_capacity(layers);
        let mut first = None;
        for layer in 0..layers {
            let name = |part: &str| format!("transformer.layers.{layer}.self_attn/{part}");
            let Some(cache) = all.info(&name("cache")) else {
                return Err(corrupt(format!("the voice has no tensor `{}`", name("cache"))));
            };
            let &[2, 1, room, heads, dim] = &cache.shape[..] else {
                return Err(corrupt(format!("`{}` is {:?}", name("cache"), cache.shape)));
            };
            if cache.dtype != Dtype::F32 || heads.checked_mul(dim) != Some(width) {
                let message = format!(
                    "`{}` is {:?} of {:?}: another model made this voice, whose rows have {width} values",
                    name("cache"),
                    cache.shape,
                    cache.dtype
                );
                return Err(corrupt(message));
            }
            let rows = rows_of(&all, &file[header + 8..], layer).map_err(corrupt)?;
            let start = header + 8 + cache.data_offsets.0;
            if rows == 0 || rows > room.min(LONGEST) {
                return Err(corrupt(format!("the voice has {rows} rows of {room}")));
            }
            // Inside the tensor, whose place the header's reader has checked, but not against the file's end.
            let part = |n: usize| start + n * room * width * 4..start + (n * room + rows) * width * 4;
            if part(1).end > file.len() {
                return Err(corrupt(format!("`{}` is cut short", name("cache"))));
            }
            places.push([part(0), part(1)]);
            let before = *first.get_or_insert(rows);
            if rows != before {
                return Err(corrupt(format!("layer {layer} has {rows} rows, and those before {before}")));
            }
        }
        Ok(Self { file, rows: first.unwrap_or(0), layers: places })
    }

    /// What the model remembers.
    pub(super) fn memory(&self) -> Memory {
        let floats = |place: &Range<usize>| -> Vec<f32> {
            self.file[place.clone()].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        let layers = self.layers.iter().map(|[keys, values]| (floats(keys), floats(values))).collect();
        Memory { layers, position: self.rows }
    }
}

/// Rows of a layer: the number `offset`, or as older files have it the length of `current_end`.
fn rows_of(
    all: &safetensors::tensor::Metadata,
    data: &[u8],
    layer: usize,
) -> std::result::Result<usize, String> {
    let name = |part: &str| format!("transformer.layers.{layer}.self_attn/{part}");
    if let Some(end) = all.info(&name("current_end")) {
        return end.shape.first().copied().ok_or(format!("`{}` has no length", name("current_end")));
    }
    let offset = all.info(&name("offset")).filter(|info| info.dtype == Dtype::I64);
    let offset = offset.ok_or(format!("the voice has no tensor `{}`", name("offset")))?;
    let bytes = data.get(offset.data_offsets.0..offset.data_offsets.1).and_then(<[u8]>::first_chunk::<8>);
    let rows = bytes.and_then(|bytes| usize::try_from(i64::from_le_bytes(*bytes)).ok());
    rows.ok_or(format!("`{}` is no number of rows", name("offset")))
}
