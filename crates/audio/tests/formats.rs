//! One model in three dresses: what a CTranslate2 folder holds is written as a Hugging Face folder and as a ggml file, under the names
//! of transformers and of whisper.cpp (`tools/reference/whisper_formats.py` does the same), and all three hear the same.

#![allow(clippy::unwrap_used)]

mod common;

use common::{events, folder, segments, speech};
use parasol_audio::transcription::{LoadOptions, WhisperModel};
use parasol_core::{ErrorKind, SoundStream, TranscribeRequest};
use parasol_kernels::half::f16_to_f32;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// A tensor of halves, or a number.
struct Half {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Half {
    /// Share `index` of `of` of its rows.
    fn share(&self, (index, of): (usize, usize)) -> Half {
        let (size, mut shape) = (self.bytes.len() / of, self.shape.clone());
        shape[0] /= of;
        Half { shape, bytes: self.bytes[index * size..(index + 1) * size].to_vec() }
    }

    fn floats(&self) -> Vec<u8> {
        let half = |pair: &[u8]| f16_to_f32(u16::from_le_bytes([pair[0], pair[1]]));
        self.bytes.chunks_exact(2).flat_map(|pair| half(pair).to_le_bytes()).collect()
    }
}

/// CTranslate2's `model.bin`: version, name, revision, then each tensor's name, shape, type and bytes.
fn tensors(path: &Path) -> HashMap<String, Half> {
    let data = std::fs::read(path).unwrap();
    let mut left = &data[..];
    take(&mut left, 4);
    text(&mut left);
    take(&mut left, 4);
    let mut tensors = HashMap::new();
    for _ in 0..number(&mut left, 4) {
        let name = text(&mut left);
        let shape = (0..number(&mut left, 1)).map(|_| number(&mut left, 4)).collect();
        take(&mut left, 1);
        let size = number(&mut left, 4);
        tensors.insert(name, Half { shape, bytes: take(&mut left, size).to_vec() });
    }
    tensors
}

fn take<'a>(left: &mut &'a [u8], n: usize) -> &'a [u8] {
    left.split_off(..n).unwrap()
}

fn number(left: &mut &[u8], n: usize) -> usize {
    take(left, n).iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Its length counts a zero behind it.
fn text(left: &mut &[u8]) -> String {
    let length = number(left, 2);
    String::from_utf8(take(left, length)[..length - 1].to_vec()).unwrap()
}

/// CTranslate2's tensor, its share, OpenAI's name and Hugging Face's.
const PARTS: [(&str, (usize, usize), &str, &str); 13] = [
    ("self_attention/layer_norm", (0, 1), "attn_ln", "self_attn_layer_norm"),
    ("self_attention/linear_0", (0, 3), "attn.query", "self_attn.q_proj"),
    ("self_attention/linear_0", (1, 3), "attn.key", "self_attn.k_proj"),
    ("self_attention/linear_0", (2, 3), "attn.value", "self_attn.v_proj"),
    ("self_attention/linear_1", (0, 1), "attn.out", "self_attn.out_proj"),
    ("attention/layer_norm", (0, 1), "cross_attn_ln", "encoder_attn_layer_norm"),
    ("attention/linear_0", (0, 1), "cross_attn.query", "encoder_attn.q_proj"),
    ("attention/linear_1", (0, 2), "cross_attn.key", "encoder_attn.k_proj"),
    ("attention/linear_1", (1, 2), "cross_attn.value", "encoder_attn.v_proj"),
    ("attention/linear_2", (0, 1), "cross_attn.out", "encoder_attn.out_proj"),
    ("ffn/layer_norm", (0, 1), "mlp_ln", "final_layer_norm"),
    ("ffn/linear_0", (0, 1), "mlp.0", "fc1"),
    ("ffn/linear_1", (0, 1), "mlp.2", "fc2"),
];

/// Whisper tiny's.
const LAYERS: usize = 4;

/// (OpenAI's name, Hugging Face's name, tensor)
fn named(tensors: &HashMap<String, Half>) -> Vec<(String, String, Half)> {
    let mut found = Vec::new();
    let mut add = |ours: String, share, openai: String, huggingface: String| {
        if let Some(tensor) = tensors.get(&ours) {
            found.push((openai, huggingface, tensor.share(share)));
        }
    };
    for suffix in ["weight", "bias"] {
        for n in [1, 2] {
            let name = format!("encoder.conv{n}.{suffix}");
            add(format!("encoder/conv{n}/{suffix}"), (0, 1), name.clone(), format!("model.{name}"));
        }
        let norm = if suffix == "weight" { "gamma" } else { "beta" };
        for (side, last) in [("encoder", "ln_post"), ("decoder", "ln")] {
            let (openai, huggingface) =
                (format!("{side}.{last}.{suffix}"), format!("model.{side}.layer_norm.{suffix}"));
            add(format!("{side}/layer_norm/{norm}"), (0, 1), openai, huggingface);
            for layer in 0..LAYERS {
                for (part, share, openai, huggingface) in PARTS {
                    let ours = if part.ends_with("norm") { norm } else { suffix };
                    if openai.ends_with("key") && suffix == "bias" {
                        continue;
                    }
                    add(
                        format!("{side}/layer_{layer}/{part}/{ours}"),
                        share,
                        format!("{side}.blocks.{layer}.{openai}.{suffix}"),
                        format!("model.{side}.layers.{layer}.{huggingface}.{suffix}"),
                    );
                }
            }
        }
    }
    for side in ["encoder", "decoder"] {
        let huggingface = format!("model.{side}.embed_positions.weight");
        let ours = format!("{side}/position_encodings/encodings");
        add(ours, (0, 1), format!("{side}.positional_embedding"), huggingface);
    }
    let (openai, huggingface) = ("decoder.token_embedding.weight", "model.decoder.embed_tokens.weight");
    add("decoder/embeddings/weight".into(), (0, 1), openai.into(), huggingface.into());
    found
}

fn write_huggingface(from: &Path, to: &Path, named: &[(String, String, Half)]) {
    let views = named.iter().map(|(_, name, Half { shape, bytes })| {
        (name.clone(), TensorView::new(Dtype::F16, shape.clone(), bytes).unwrap())
    });
    std::fs::write(to.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    std::fs::copy(from.join("tokenizer.json"), to.join("tokenizer.json")).unwrap();
    let config = serde_json::json!({ "model_type": "whisper", "num_mel_bins": 80, "max_source_positions": 1500,
        "max_target_positions": 448, "d_model": 384, "encoder_attention_heads": 6, "encoder_layers": LAYERS,
        "decoder_attention_heads": 6, "decoder_layers": LAYERS, "vocab_size": vocabulary_size(named) });
    std::fs::write(to.join("config.json"), config.to_string()).unwrap();
}

fn vocabulary_size(named: &[(String, String, Half)]) -> usize {
    named.iter().find(|(name, ..)| name == "decoder.token_embedding.weight").unwrap().2.shape[0]
}

/// GPT-2's printable characters for bytes.
fn byte(c: char) -> Option<u8> {
    let plain = |byte: &u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let rest = (0..=255).filter(|byte| !plain(byte));
    let mut all = (0..=255).filter(plain).map(|byte| (char::from(byte), byte)).chain(('\u{100}'..).zip(rest));
    all.find(|(character, _)| *character == c).map(|(_, byte)| byte)
}

fn write_ggml(from: &Path, to: &Path, named: &[(String, String, Half)]) {
    let vocabulary = vocabulary_size(named);
    let mut file = b"lmgg".to_vec();
    let numbers = |file: &mut Vec<u8>, numbers: &[usize]| {
        numbers.iter().for_each(|n| file.extend(i32::try_from(*n).unwrap().to_le_bytes()));
    };
    numbers(&mut file, &[vocabulary, 1500, 384, 6, LAYERS, 448, 384, 6, LAYERS, 80, 1]);
    numbers(&mut file, &[80, 201]);
    file.extend(vec![0; 80 * 201 * 4]);
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(from.join("tokenizer.json")).unwrap()).unwrap();
    let mut tokens: Vec<(u64, Vec<u8>)> = Vec::new();
    for (token, id) in json["model"]["vocab"].as_object().unwrap() {
        if let Some(bytes) = token.chars().map(byte).collect::<Option<Vec<u8>>>()
            && !token.starts_with("<|")
        {
            tokens.push((id.as_u64().unwrap(), bytes));
        }
    }
    tokens.sort();
    numbers(&mut file, &[tokens.len()]);
    for (_, token) in tokens {
        numbers(&mut file, &[token.len()]);
        file.extend(token);
    }
    for (name, _, tensor) in named {
        // whisper.cpp keeps vectors and positions in single precision, and biases of convolutions as columns.
        let half = tensor.shape.len() > 1 && !name.ends_with("positional_embedding");
        let mut shape = tensor.shape.clone();
        if name.starts_with("encoder.conv") && name.ends_with("bias") {
            shape.push(1);
        }
        shape.reverse();
        numbers(&mut file, &[shape.len(), name.len(), usize::from(half)]);
        numbers(&mut file, &shape);
        file.extend(name.bytes());
        file.extend(if half { tensor.bytes.clone() } else { tensor.floats() });
    }
    std::fs::write(to, file).unwrap();
}

#[test]
fn three_dresses_hold_the_same_model() {
    let from = folder("whisper-tiny");
    let room = tempfile::tempdir().unwrap();
    let (huggingface, ggml) = (room.path().join("huggingface"), room.path().join("ggml.bin"));
    std::fs::create_dir(&huggingface).unwrap();
    let named = named(&tensors(&from.join("model.bin")));
    write_huggingface(&from, &huggingface, &named);
    write_ggml(&from, &ggml, &named);

    let hear = |path: &Path| {
        let model = WhisperModel::load(path, LoadOptions::default()).unwrap();
        let request = TranscribeRequest {
            beam: Some(1),
            temperature: Some(0.0),
            voice_activity: false,
            ..TranscribeRequest::default()
        };
        let heard = events(&model, SoundStream::from_samples(16_000, speech()), request).unwrap();
        let text: Vec<String> = segments(&heard).into_iter().map(|s| s.text).collect();
        (model.encode(&speech()).1, text)
    };
    let want = hear(&from);
    assert!(want.1.concat().contains("sister"), "{:?}", want.1);
    for path in [&huggingface, &huggingface.join("model.safetensors"), &ggml] {
        let got = hear(path);
        assert_eq!(got.1, want.1, "{}", path.display());
        assert!(got.0 == want.0, "{}: the encoder's output differs", path.display());
    }

    // Cut anywhere, or with a lie at the beginning, each is refused with a clear error.
    for (path, kept) in [(huggingface.join("model.safetensors"), &huggingface), (ggml.clone(), &ggml)] {
        let whole = std::fs::read(&path).unwrap();
        for cut in [5, 30, 60, 20_000, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let error = WhisperModel::load(kept, LoadOptions::default()).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported), "{cut}: {error}");
        }
        for at in 4..60 {
            let mut bent = whole[..1 << 20].to_vec();
            bent[at] ^= 0xff;
            std::fs::write(&path, &bent).unwrap();
            assert!(WhisperModel::load(kept, LoadOptions::default()).is_err(), "byte {at}");
        }
    }
}
