//! CPU arithmetic for models: quantised and float matrix products, attention, norms, threads, and what the processor
//! can do. This is the one crate where `unsafe` is at home.

mod activations;
mod attention;
mod buffer;
mod bytes;
mod causal;
pub mod ceilings;
mod compute;
mod convolution;
mod dense;
#[cfg(target_arch = "x86_64")]
mod dense_tiles;
mod depthwise;
mod finish;
pub mod format;
pub mod half;
pub mod isa;
mod linear;
mod logits;
mod modulate;
mod pool;
pub mod quantize;
pub mod reference;
mod rope;
mod rows;
mod scratch;
mod simd;
#[cfg(target_arch = "x86_64")]
mod tiles;
mod unpack;

pub use activations::{Activations, Gate, Needs, Prepare};
pub use attention::{Attention, KV_BLOCK, KvFormat, KvShape, KvSpan};
pub use buffer::Zeroed;
pub use bytes::{ByteMatrix, Quantisation};
pub use causal::CausalAttention;
pub use compute::Compute;
pub use convolution::{Conv1d, ConvShape, Enter, Exactness, Rows};
pub use dense::DenseAttention;
pub use depthwise::{Depthwise, Function, LayerNorm};
pub use finish::{Activation, Finish, Range};
pub use format::Format;
pub use isa::Isa;
pub use linear::Matrix;
pub use logits::{LOGITS_CHUNK, exp};
pub use modulate::{Bend, Modulation};
pub use pool::Pool;
pub use rope::RopeTable;
