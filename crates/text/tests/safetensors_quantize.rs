//! Quantising on load converts what it says, near what it was, and nothing else.
#![allow(clippy::unwrap_used)]

mod fixture_files;

use fixture_files::fixtures;
use parasol_core::{Error, ErrorKind};
use parasol_kernels::Format;
use parasol_kernels::reference::dequantize_row;
use parasol_text::families;
use parasol_text::huggingface::Folder;
use parasol_text::quantize::{Progress, Quantize, quantize};
use parasol_text::weights::{Tensor, Weights};
use std::collections::HashMap;

fn values(tensor: &Tensor) -> Vec<f32> {
    let bytes = tensor.format.row_bytes(tensor.cols).unwrap();
    let mut row = vec![0.0; tensor.cols];
    let rows = tensor.bytes().chunks_exact(bytes);
    rows.flat_map(|b| {
        dequantize_row(tensor.format, b, &mut row);
        row.clone()
    })
    .collect()
}

fn open() -> (Folder, parasol_text::blueprint::Blueprint) {
    let folder = Folder::open(&fixtures().join("toy-llama")).unwrap();
    let blueprint = families::from_config(&folder.config, &folder.weights).unwrap();
    (folder, blueprint)
}

#[test]
fn projections_change_and_norms_stay() {
    let (Folder { weights, .. }, blueprint) = open();
    let choice = Quantize { format: Format::Q8_0, embedding: None };
    let mut told = Vec::new();
    let mut tell = |progress| {
        told.push(progress);
        Ok(())
    };
    let converted = quantize(weights.clone(), &blueprint, choice, 3, &mut tell).unwrap();
    let projections = 7 * blueprint.layers.len();
    assert_eq!(told.last(), Some(&Progress { done: projections, total: projections }));
    assert_eq!(told.len(), projections);
    for (name, before) in weights.iter() {
        let after = converted.get(name).unwrap();
        let expected = if name.contains("_proj") { Format::Q8_0 } else { Format::F32 };
        assert_eq!((after.format, after.rows, after.cols), (expected, before.rows, before.cols), "{name}");
        let (before, after) = (values(before), values(after));
        let most = before.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() <= most / 200.0), "{name}");
    }
}

#[test]
fn the_embedding_is_a_choice_and_short_rows_take_smaller_blocks() {
    let (Folder { weights, .. }, blueprint) = open();
    let choice = Quantize { format: Format::Q4K, embedding: Some(Format::F16) };
    let converted = quantize(weights, &blueprint, choice, 1, &mut |_| Ok(())).unwrap();
    assert_eq!(converted.get("model.embed_tokens.weight").unwrap().format, Format::F16);
    // Rows of 32 and 64 values are no whole Q4_K blocks.
    assert_eq!(converted.get("model.layers.0.self_attn.q_proj.weight").unwrap().format, Format::Q5_0);
}

#[test]
fn a_value_that_is_not_finite_is_reported_with_its_tensor() {
    let (Folder { weights, .. }, blueprint) = open();
    let name = "model.layers.1.mlp.up_proj.weight";
    let mut tensors: HashMap<String, Tensor> =
        weights.iter().map(|(n, t)| (n.to_owned(), t.clone())).collect();
    let old = &tensors[name];
    let mut bytes = old.bytes().to_vec();
    bytes[400..404].copy_from_slice(&f32::NAN.to_le_bytes());
    tensors.insert(name.into(), Tensor::owned(Format::F32, old.rows, old.cols, bytes));
    let weights = Weights::new(weights.naming, tensors);
    let choice = Quantize { format: Format::Q4_0, embedding: None };
    let error = quantize(weights, &blueprint, choice, 2, &mut |_| Ok(())).unwrap_err();
    assert!(error.message().contains(name), "{error}");
}

#[test]
fn who_is_told_of_progress_may_end_the_work() {
    let (Folder { weights, .. }, blueprint) = open();
    let choice = Quantize { format: Format::Q8_0, embedding: None };
    let mut told = 0;
    let error = quantize(weights, &blueprint, choice, 1, &mut |p| {
        told = p.done;
        if p.done < 3 { Ok(()) } else { Err(Error::new(ErrorKind::Cancelled, "enough")) }
    });
    assert_eq!((error.unwrap_err().message(), told), ("enough", 3));
}
