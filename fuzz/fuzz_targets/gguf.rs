//! Any bytes as a GGUF file: either a checked header or an error, never a panic; every range lies in the file and
//! every value can be asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parasol_text::gguf::Header;

fuzz_target!(|bytes: &[u8]| {
    let Ok(header) = Header::parse(bytes) else { return };
    for tensor in &header.tensors {
        assert_eq!(Some(bytes[tensor.range.clone()].len()), tensor.format.row_bytes(tensor.cols).map(|b| b * tensor.rows));
    }
    let metadata = header.metadata(bytes);
    for (key, _) in metadata.iter() {
        let _ = (metadata.unsigned(key), metadata.float(key), metadata.bool(key), metadata.str(key));
        let _ = (metadata.floats(key), metadata.integers(key), metadata.bools(key));
        if let Ok(Some(strings)) = metadata.strings(key) {
            let announced = strings.len();
            assert_eq!(strings.count(), announced);
        }
    }
});
