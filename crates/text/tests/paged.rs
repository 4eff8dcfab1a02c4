//! What is taken from the cache is exact: blocks in any order, shared or copied, give the same bits.
#![allow(clippy::unwrap_used)]

use parasol_kernels::{Compute, Isa, KvFormat};
use parasol_text::decoder::{Decoder, Logits, Span, Workspace};
use parasol_text::families;
use parasol_text::gguf::GgufFile;
use std::path::PathBuf;
use std::sync::Arc;

#[test]
fn a_copied_block_gives_the_same_logits_to_the_bit() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/toy-llama/model.gguf");
    let file = GgufFile::open(&path).unwrap();
    let weights = file.weights().unwrap();
    let blueprint = families::from_gguf(file.metadata(), &weights).unwrap();
    let compute = Arc::new(Compute::new(Isa::from_env_or_detect().unwrap(), 2));
    let decoder = Decoder::new(blueprint, &weights, compute).unwrap();
    let tokens: Vec<u32> = (0..90).map(|i| i * 7 % 300).collect();
    for format in [KvFormat::F16, KvFormat::Q8] {
        // Heads of the toy may not suit an 8-bit cache: then that is said.
        let Ok(mut pool) = decoder.new_pool(8, format) else {
            assert_eq!(format, KvFormat::Q8);
            continue;
        };
        let (mut work, mut logits) = (Workspace::default(), Vec::new());
        let mut last = |pool: &mut _, tokens, offset, blocks: &[u32]| {
            let span = Span { tokens, offset, blocks, wanted: Logits::Last };
            decoder.forward_batch(pool, &mut work, &[span], &mut logits).unwrap();
            logits.clone()
        };
        last(&mut pool, &tokens[..80], 0, &[5, 1, 3]);
        pool.copy_block(3, 6);
        let kept = last(&mut pool, &tokens[80..], 80, &[5, 1, 3]);
        let copied = last(&mut pool, &tokens[80..], 80, &[5, 1, 6]);
        assert!(kept.iter().any(|&x| x != 0.0));
        assert_eq!(kept, copied);
        assert_ne!(
            last(&mut pool, &tokens[80..], 80, &[1, 5, 6]),
            kept,
            "blocks in another order are another past"
        );
    }
}
