//! Which files of a repository make the model that was asked for. Names only; no disk, no network.

use crate::reference::Pick;
use parasol_core::{Error, ErrorKind, Result};
use std::collections::BTreeMap;

/// Quantisations from the most to the least preferred when none is asked for: first those that are small and
/// close to the original, then the larger, then the very small, then full precision.
const PREFERRED: [&str; 25] = [
    "Q4_K_M", "Q4_0", "Q4_K_S", "Q5_K_M", "Q5_K_S", "Q8_0", "Q6_K", "Q4_1", "Q5_0", "Q5_1", "IQ4_XS",
    "IQ4_NL", "Q4_K", "Q5_K", "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q3_K", "Q2_K", "Q2_K_S", "Q4_K_L", "Q6_K_L",
    "BF16", "F16", "F32",
];

/// Small files that belong to a safetensors model, where the repository has them.
const COMPANIONS: [&str; 9] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "LICENSE",
    "LICENSE.txt",
];

/// The files to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// One GGUF model: its file, or all parts of a split one in order.
    Gguf(Vec<String>),
    /// A Hugging Face folder.
    Folder(Vec<String>),
}

/// Chooses among the `files` of `repo`.
///
/// # Errors
/// `NotFound` when nothing fits, naming what there is; `Unsupported` for folders that no engine reads; `Corrupt` for a split
/// model of which parts are missing; `InvalidRequest` when several models fit.
pub(crate) fn choose(repo: &str, files: &[&str], pick: &Pick) -> Result<Choice> {
    let gguf: Vec<&str> = files.iter().copied().filter(|file| is_language_gguf(file)).collect();
    match pick {
        Pick::File(name) => choose_file(repo, files, name),
        Pick::Quant(quant) => choose_quant(repo, &gguf, quant),
        Pick::Any if !gguf.is_empty() => {
            match PREFERRED.iter().find(|quant| gguf.iter().any(|file| has_quant(file, quant))) {
                Some(quant) => choose_quant(repo, &gguf, quant),
                None => one_of(repo, &gguf),
            }
        }
        Pick::Any => choose_folder(repo, files),
    }
}

/// The file with this name, or the folder that it is the weights of.
fn choose_file(repo: &str, files: &[&str], name: &str) -> Result<Choice> {
    let Some(file) = files
        .iter()
        .find(|file| **file == name)
        .or_else(|| files.iter().find(|f| f.eq_ignore_ascii_case(name)))
    else {
        let near = crate::names::nearest(name, files.iter().copied());
        let hint =
            if near.is_empty() { String::new() } else { format!(": did you mean {}?", near.join(" or ")) };
        return Err(Error::new(ErrorKind::NotFound, format!("{repo} has no file {name}{hint}")));
    };
    match file.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).as_deref() {
        Some("gguf") => {
            let part = part_of(file);
            let same = |other: &&str| other == file || (part.is_some() && part_of(other) == part);
            one_of(repo, &files.iter().copied().filter(same).collect::<Vec<_>>())
        }
        Some("safetensors") => choose_folder(repo, files),
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            format!("{file} of {repo} is no model: name a .gguf or .safetensors file"),
        )),
    }
}

/// The GGUF file in this quantisation.
fn choose_quant(repo: &str, gguf: &[&str], quant: &str) -> Result<Choice> {
    let fitting: Vec<&str> = gguf.iter().copied().filter(|file| has_quant(file, quant)).collect();
    if !fitting.is_empty() {
        return one_of(repo, &fitting);
    }
    let known: Vec<&str> =
        PREFERRED.iter().copied().filter(|known| gguf.iter().any(|file| has_quant(file, known))).collect();
    let has = match (gguf.is_empty(), known.is_empty()) {
        (true, _) => "it holds no GGUF files; leave the quantisation away to take its safetensors".to_owned(),
        (_, true) => format!("its GGUF files are {}", some(gguf)),
        _ => format!("it has {}", known.join(", ")),
    };
    Err(Error::new(ErrorKind::NotFound, format!("{repo} has no GGUF file in {quant}: {has}")))
}

/// The one model of `fitting`, which is not empty: a file, or the parts of a split one.
fn one_of(repo: &str, fitting: &[&str]) -> Result<Choice> {
    let mut models: BTreeMap<(String, u32), Vec<&str>> = BTreeMap::new();
    for file in fitting {
        models.entry(part_of(file).unwrap_or(((*file).to_owned(), 0))).or_default().push(file);
    }
    let all: Vec<_> = models.into_iter().collect();
    // A file at the top is what a repository is about; those in folders are variants.
    let top: Vec<_> = all.iter().filter(|((name, _), _)| !name.contains('/')).collect();
    match (all.as_slice(), top.as_slice()) {
        ([((_, of), files)], _) | (_, [((_, of), files)]) => whole(repo, *of, files).map(Choice::Gguf),
        _ => {
            let names: Vec<&str> = all.iter().filter_map(|(_, files)| files.first().copied()).collect();
            Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("several files of {repo} fit ({}): name one as hf:{repo}:FILE", some(&names)),
            ))
        }
    }
}

/// The files of a model in order, when all of its `of` parts are there (0: it is not split).
fn whole(repo: &str, of: u32, files: &[&str]) -> Result<Vec<String>> {
    let mut files = files.to_vec();
    files.sort_unstable();
    let numbers: Vec<u32> = files.iter().filter_map(|file| shard(file)).map(|(number, _)| number).collect();
    if of > 0 && !numbers.iter().copied().eq(1..=of) {
        let first = files.first().copied().unwrap_or_default();
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("{repo} lists {} of the {of} parts of {first}: it is incomplete", numbers.len()),
        ));
    }
    Ok(files.into_iter().map(str::to_owned).collect())
}

/// For a part of a split model what all its parts share: the name in front of the number, and how many there are.
pub(crate) fn part_of(file: &str) -> Option<(String, u32)> {
    let numbered = |(number, of): &(u32, u32)| file.ends_with(".gguf") && (1..=*of).contains(number);
    let (_, of) = shard(file).filter(numbered)?;
    let (rest, _) = file.rsplit_once("-of-")?;
    Some((rest.rsplit_once('-')?.0.to_owned(), of))
}

/// The names of all parts of the split model that `file` is a part of; the file itself when it is whole.
pub(crate) fn with_parts(file: &str) -> Vec<String> {
    match part_of(file) {
        Some((name, of)) => (1..=of).map(|number| format!("{name}-{number:05}-of-{of:05}.gguf")).collect(),
        None => vec![file.to_owned()],
    }
}

/// A few names.
fn some(files: &[&str]) -> String {
    let shown = files.iter().take(6).copied().collect::<Vec<_>>().join(", ");
    if files.len() > 6 { format!("{shown} and {} more", files.len() - 6) } else { shown }
}

/// config.json, tokenizer.json, the weights and what belongs to them.
fn choose_folder(repo: &str, files: &[&str]) -> Result<Choice> {
    let unsupported = |what: String| Err(Error::new(ErrorKind::Unsupported, what));
    let has = |name: &str| files.contains(&name);
    let weights = weights(repo, files)?;
    for needed in ["config.json", "tokenizer.json"] {
        if !has(needed) {
            return unsupported(format!(
                "{repo} holds safetensors without {needed}, which Parasol needs to run them"
            ));
        }
    }
    let companions = COMPANIONS.iter().copied().filter(|name| has(name));
    Ok(Choice::Folder(companions.map(str::to_owned).chain(weights).collect()))
}

/// The safetensors files: one, or all parts with their index.
fn weights(repo: &str, files: &[&str]) -> Result<Vec<String>> {
    let top: Vec<&str> =
        files.iter().copied().filter(|file| !file.contains('/') && file.ends_with(".safetensors")).collect();
    if top.contains(&"model.safetensors") {
        return Ok(vec!["model.safetensors".to_owned()]);
    }
    const INDEX: &str = "model.safetensors.index.json";
    if files.contains(&INDEX) {
        let parts: Vec<&str> =
            top.iter().copied().filter(|file| file.starts_with("model-") && shard(file).is_some()).collect();
        let of = parts.first().and_then(|part| shard(part)).map_or(0, |(_, of)| of);
        let numbers: std::collections::BTreeSet<u32> = parts
            .iter()
            .filter_map(|part| shard(part))
            .filter(|part| part.1 == of)
            .map(|part| part.0)
            .collect();
        let complete =
            of > 0 && numbers.len() == parts.len() && u32::try_from(numbers.len()).is_ok_and(|n| n == of);
        if !complete {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{repo} lists {} of {of} parts of its safetensors: it is incomplete", numbers.len()),
            ));
        }
        return Ok(std::iter::once(INDEX).chain(parts).map(str::to_owned).collect());
    }
    match top.as_slice() {
        [one] if shard(one).is_none() => Ok(vec![(*one).to_owned()]),
        [] => Err(Error::new(
            ErrorKind::Unsupported,
            format!("{repo} holds neither GGUF nor safetensors files that Parasol could run"),
        )),
        several => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{repo} holds several safetensors files without an index ({}): they are no single model",
                some(several)
            ),
        )),
    }
}

/// Whether a file is a GGUF language model, and not what may lie beside one: an image projector, an importance matrix.
fn is_language_gguf(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    name.ends_with(".gguf") && !name.starts_with("mmproj") && !name.contains("imatrix")
}

/// Whether a file's name (or its folder's) carries this quantisation as a word of its own.
pub(crate) fn has_quant(file: &str, quant: &str) -> bool {
    let (file, quant) = (file.to_ascii_uppercase(), quant.to_ascii_uppercase());
    let of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    file.match_indices(&quant).any(|(at, found)| {
        let before = file.get(..at).and_then(|text| text.chars().next_back());
        let after = file.get(at + found.len()..).and_then(|text| text.chars().next());
        // A name may join its parts with '_': smollm2_Q4_0. What follows decides: Q4_K is not Q4_K_M.
        before.is_none_or(|c| !c.is_ascii_alphanumeric()) && after.is_none_or(|c| !of_word(c))
    })
}

/// Number and count of `…-00001-of-00003.ext`.
fn shard(file: &str) -> Option<(u32, u32)> {
    let stem = file.rsplit_once('.')?.0;
    let (rest, of) = stem.rsplit_once("-of-")?;
    let (_, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    (digits(number) && digits(of)).then_some(())?;
    Some((number.parse().ok()?, of.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GGUF: [&str; 8] = [
        "README.md",
        "m-Q4_K_S.gguf",
        "m-Q4_K_M.gguf",
        "m-Q8_0.gguf",
        "m-f16.gguf",
        "m-BF16.gguf",
        "mmproj-m-Q4_K_M.gguf",
        "imatrix.gguf",
    ];

    fn gguf(files: &[&str]) -> Choice {
        Choice::Gguf(files.iter().map(|file| (*file).to_owned()).collect())
    }

    fn quant(q: &str) -> Result<Choice> {
        choose("o/r", &GGUF, &Pick::Quant(q.into()))
    }

    #[test]
    fn a_quantisation_picks_its_file_in_any_case() {
        assert_eq!(quant("q8_0").unwrap(), gguf(&["m-Q8_0.gguf"]));
        assert_eq!(quant("F16").unwrap(), gguf(&["m-f16.gguf"]));
        assert_eq!(choose("o/r", &GGUF, &Pick::Any).unwrap(), gguf(&["m-Q4_K_M.gguf"]));
        let error = quant("Q4_K").unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("it has Q4_K_M, Q4_K_S, Q8_0, BF16, F16"), "{error}");
        let no_label = choose("o/r", &["model.gguf"], &Pick::Any).unwrap();
        assert_eq!(no_label, gguf(&["model.gguf"]));
        let joined = choose("o/r", &["smollm2_Q4_0.gguf"], &Pick::Quant("q4_0".into())).unwrap();
        assert_eq!(joined, gguf(&["smollm2_Q4_0.gguf"]));
    }

    #[test]
    fn a_split_model_is_all_its_parts() {
        let split = ["d/m-Q4_0-00002-of-00002.gguf", "d/m-Q4_0-00001-of-00002.gguf"];
        let parts = gguf(&[split[1], split[0]]);
        let files = [&split[..], &["x-Q8_0.gguf"]].concat();
        for pick in [Pick::Any, Pick::Quant("Q4_0".into()), Pick::File(split[0].into())] {
            assert_eq!(choose("o/r", &files, &pick).unwrap(), parts, "{pick:?}");
        }
        let error = choose("o/r", &split[..1], &Pick::Any).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains("1 of the 2 parts"), "{error}");
        // Numbers that cannot be are no parts: each is a file of its own.
        let odd = ["m-00003-of-00002.gguf", "m-00000-of-00002.gguf"];
        assert_eq!(*choose("o/r", &odd, &Pick::Any).unwrap_err().kind(), ErrorKind::InvalidRequest);
        assert_eq!(with_parts(split[0]), [split[1], split[0]]);
        assert_eq!(with_parts("m.gguf"), ["m.gguf"]);
    }

    #[test]
    fn ambiguous_gguf_is_refused_in_clear_words() {
        let error = choose("o/r", &["a-Q4_0.gguf", "b-Q4_0.gguf"], &Pick::Any).unwrap_err();
        assert!(error.message().contains("a-Q4_0.gguf, b-Q4_0.gguf"), "{error}");
        let nested = choose("o/r", &["a-Q4_0.gguf", "old/a-Q4_0.gguf"], &Pick::Any).unwrap();
        assert_eq!(nested, gguf(&["a-Q4_0.gguf"]));
    }

    #[test]
    fn safetensors_come_with_what_belongs_to_them() {
        let one =
            ["config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx"];
        let names = |files: &[&str]| match choose("o/r", files, &Pick::Any).unwrap() {
            Choice::Folder(names) => names,
            other => panic!("{other:?}"),
        };
        assert_eq!(names(&one), ["config.json", "tokenizer.json", "model.safetensors"]);
        let parts = [
            "config.json",
            "tokenizer.json",
            "model.safetensors.index.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "consolidated.safetensors",
        ];
        assert_eq!(names(&parts).len(), 5);
        let error = choose("o/r", &parts[..4], &Pick::Any).unwrap_err();
        assert!(error.message().contains("1 of 2 parts"), "{error}");
        let error = choose("o/r", &one[2..], &Pick::Any).unwrap_err();
        assert!(error.message().contains("without config.json"), "{error}");
        assert!(choose("o/r", &["pytorch_model.bin"], &Pick::Any).is_err());
        assert!(choose("o/r", &[], &Pick::Any).is_err());
        assert!(choose("o/r", &[], &Pick::Quant("Q4_0".into())).is_err());
    }

    #[test]
    fn a_file_is_taken_by_its_name() {
        let error = choose("o/r", &GGUF, &Pick::File("m-Q4_K_L.gguf".into())).unwrap_err();
        assert!(error.message().contains("did you mean m-Q4_K_M.gguf"), "{error}");
        let file = choose("o/r", &GGUF, &Pick::File("M-q8_0.gguf".into())).unwrap();
        assert_eq!(file, gguf(&["m-Q8_0.gguf"]));
    }
}
