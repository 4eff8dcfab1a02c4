//! The table of pre-tokenizers by the name that GGUF files use (`tokenizer.ggml.pre`). The patterns are those of each
//! family's published tokenizer.json.

use super::Stage;
use super::class::{Char, Class};
use super::rules::{Modern, Tail, Word};
use fancy_regex::Regex;
use parasol_core::{Error, ErrorKind, Result};

/// How a family splits and what else depends on its name.
#[derive(Clone)]
pub(crate) struct Family {
    /// Passes over the text, in order.
    pub stages: Vec<Stage>,
    /// A word that is a token as a whole is taken whole, without merging.
    pub whole_words: bool,
    /// `bos` is added unless the file says otherwise.
    pub add_bos: bool,
    /// Tokens are raw characters with U+2581 for a space, not the byte alphabet.
    pub raw: bool,
}

const LLAMA3: Modern = Modern { contractions: true, word: Word::Letters, digits: 3, tail: Tail::Newlines };
const QWEN2: Modern = Modern { digits: 1, ..LLAMA3 };
const GPT4O: Modern = Modern {
    contractions: false,
    word: Word::Cased { contraction: true },
    digits: 3,
    tail: Tail::NewlinesAndSlashes,
};

/// The family called `pre`.
///
/// # Errors
/// `Unsupported` for a name that is not known.
pub(crate) fn family(pre: &str) -> Result<Family> {
    let (stages, whole_words, add_bos) = match pre {
        "" | "default" => (default_stages(), false, false),
        "gpt-2" | "phi-2" | "jina-es" | "jina-de" | "jina-v2-es" | "jina-v2-de" | "jina-v1-en"
        | "jina-v2-code" | "roberta-bpe" | "gigachat" | "a.x-4.0" | "mellum" | "modern-bert" | "mpt"
        | "olmo" | "jais" | "exaone4" | "trillion" | "granite-docling" => (vec![Stage::Gpt2], false, false),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b"
        | "mellum2" => (vec![NUMBERS_1, Stage::Gpt2], false, false),
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2"
        | "jina-v5-nano" => (vec![Stage::Modern(LLAMA3)], true, true),
        "dbrx" | "smaug-bpe" | "glm4" | "chatglm-bpe" => (vec![Stage::Modern(LLAMA3)], false, false),
        "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "megrez" | "stablelm2" | "hunyuan"
        | "solar-open" | "grok-2" | "bailingmoe" | "bailingmoe2" | "llada-moe" => {
            (vec![Stage::Modern(QWEN2)], false, false)
        }
        "qwen35" => (vec![Stage::Modern(Modern { word: Word::LettersAndMarks, ..QWEN2 })], false, false),
        "seed-coder" => (vec![Stage::Modern(Modern { tail: Tail::None, ..QWEN2 })], false, false),
        "ufakzeka" => (vec![Stage::Modern(Modern { contractions: false, ..QWEN2 })], false, false),
        "minicpm5" => (vec![NUMBERS_3, Stage::Modern(Modern { digits: usize::MAX, ..QWEN2 })], true, false),
        "laguna" => (vec![LINES, Stage::Modern(QWEN2)], false, false),
        "tekken" => {
            let word = Word::Cased { contraction: false };
            (vec![Stage::Modern(Modern { word, digits: 1, ..GPT4O })], true, true)
        }
        "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => {
            (vec![Stage::Modern(GPT4O)], false, false)
        }
        "granite-embed-multi-97m" => (vec![Stage::Modern(GPT4O)], true, false),
        "tiny_aya" | "cohere2moe" => {
            (vec![pattern(r"\d{1,3}(?=(?:\d{3})*\b)")?, Stage::Modern(GPT4O)], false, false)
        }
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" | "hy_v4" => {
            (vec![NUMBERS_3, HAN_AND_KANA, Stage::DeepSeek3], false, false)
        }
        "falcon" => (vec![FALCON_SIGNS, Stage::Gpt2, DIGITS_3], false, false),
        // The rest is rare: its regular expressions run as written.
        _ => rare(pre)?,
    };
    Ok(Family { stages, whole_words, add_bos, raw: false })
}

/// Gemma 4's tokenizer, which is no byte-level one: lines of raw characters.
pub(crate) fn gemma4() -> Family {
    Family { stages: vec![LINES], whole_words: false, add_bos: true, raw: true }
}

/// `\s?` and the letters of cased scripts, as DeepSeek LLM lists them.
const CASED_SCRIPTS: &str = concat!(
    r"\s?[A-Za-z",
    r"\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF}",
    r"\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}",
    r"\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}",
    r"\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}",
    r"\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}",
    r"\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}",
    r"\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}",
    r"\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}",
    r"\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}",
    r"\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}",
    r"\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}",
    r"\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}",
    r"\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}",
    r"\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}",
    r"]+"
);

fn rare(pre: &str) -> Result<(Vec<Stage>, bool, bool)> {
    let stages = match pre {
        "deepseek-llm" => vec![
            pattern(r"[\r\n]")?,
            pattern(CASED_SCRIPTS)?,
            pattern(r"\s?[!-/:-~！-／：-～‘-‟\x{3000}-。]+")?,
            pattern(r"\s+$")?,
            pattern(r"[一-龥ࠀ-一가-\x{D7FF}]+")?,
            NUMBERS,
        ],
        "deepseek-coder" => vec![
            pattern(r"[\r\n]")?,
            pattern(r"\s?\p{L}+")?,
            pattern(r"\s?\p{P}+")?,
            pattern(r"[一-龥ࠀ-一가-\x{D7FF}]+")?,
            NUMBERS_1,
        ],
        "poro-chat" | "bloom" | "gpt3-finnish" => vec![pattern(r" ?[^(\s|.,!?…。，、।۔،)]+")?],
        "viking" => vec![pattern(r" ?[^(\s|.,!?…。，、।۔،)]+")?, NUMBERS_1],
        "jais-2" => vec![pattern(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}",
        )?],
        "exaone-moe" => vec![pattern(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
        )?],
        "superbpe" => vec![NUMBERS, pattern(r"(?=(\d{3})+(?!\d))")?],
        "chameleon" => vec![
            pattern(r"<sentinel:[0-9]+>")?,
            pattern(r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z")?,
            pattern(r"([\t\n]|    |  )")?,
            NUMBERS_1,
            pattern(r"[\p{P}!-/:-@\[-`{-~]")?,
            Stage::Gpt2,
        ],
        "kimi-k2" => vec![pattern(
            r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        )?],
        _ => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the model names the pre-tokenizer `{pre}`, which this version does not know: use a newer Parasol, \
                     or the model's Hugging Face folder with its tokenizer.json"
                ),
            ));
        }
    };
    Ok((stages, false, pre == "chameleon"))
}

/// Files that name no pre-tokenizer are split as llama.cpp splits them.
fn default_stages() -> Vec<Stage> {
    vec![DEFAULT_SIGNS, Stage::Gpt2, NUMBERS, DIGITS_3]
}

const fn numbers(most: usize) -> Stage {
    Stage::Run { accepts: |c| c.class.is(Class::NUMBER), least: 1, most }
}

const NUMBERS: Stage = numbers(usize::MAX);
const NUMBERS_1: Stage = numbers(1);
const NUMBERS_3: Stage = numbers(3);
/// `[0-9][0-9][0-9]`
const DIGITS_3: Stage = Stage::Run { accepts: |c| matches!(c.code, 0x30..=0x39), least: 3, most: 3 };
/// `[一-龥぀-ゟ゠-ヿ]+`
const HAN_AND_KANA: Stage = Stage::Run {
    accepts: |c| matches!(c.code, 0x4E00..=0x9FA5 | 0x3040..=0x30FF),
    least: 1,
    most: usize::MAX,
};
/// `[^\n]+|[\n]+`: what lies between runs of newlines is a piece as well.
const LINES: Stage = Stage::Run { accepts: |c| c.code == 0x0A, least: 1, most: usize::MAX };
/// `[\p{P}\$\+<=>\^~\|]+`
const DEFAULT_SIGNS: Stage = Stage::Run { accepts: default_sign, least: 1, most: usize::MAX };
/// The same and the backtick.
const FALCON_SIGNS: Stage =
    Stage::Run { accepts: |c| default_sign(c) || c.code == 0x60, least: 1, most: usize::MAX };

fn default_sign(c: &Char) -> bool {
    c.class.is(Class::PUNCTUATION) || (c.code < 0x80 && b"$+<=>^~|".contains(&(c.code as u8)))
}

fn pattern(source: &str) -> Result<Stage> {
    let regex = Regex::new(source).map_err(|e| {
        Error::new(ErrorKind::Internal, format!("the pre-tokenizer pattern {source} does not compile: {e}"))
    })?;
    Ok(Stage::Pattern(Box::new(regex)))
}
