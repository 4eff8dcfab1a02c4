//! The tensors of a voice under their own names, with the shapes that its configuration asks for.

use crate::transcription::checkpoint::{Tensor, safetensors_file};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Activations, Compute, Needs, Prepare};
use std::collections::HashMap;
use std::path::Path;

/// All tensors of a voice's file.
pub(super) struct Weights(HashMap<String, Tensor>);

impl Weights {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self(safetensors_file(path).map_err(|e| e.within(path.display()))?))
    }

    /// Whether there is a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The matrix of this name and shape; of more dimensions than two all but the first are columns.
    ///
    /// # Errors
    /// `Corrupt` when there is none, or it has another shape.
    pub(super) fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Tensor> {
        let corrupt = |message: String| Err(Error::new(ErrorKind::Corrupt, message));
        let Some(tensor) = self.0.get(name) else {
            return corrupt(format!("the voice has no tensor `{name}`"));
        };
        if (tensor.rows(), tensor.cols()) != (rows, cols) {
            return corrupt(format!(
                "tensor `{name}` is {} × {}, and its configuration says {rows} × {cols}",
                tensor.rows(),
                tensor.cols()
            ));
        }
        Ok(tensor.clone())
    }

    /// The values of a matrix.
    pub(super) fn floats(&self, name: &str, rows: usize, cols: usize) -> Result<Vec<f32>> {
        let floats = self.matrix(name, rows, cols)?.floats();
        if let Some(at) = floats.iter().position(|x| !x.is_finite()) {
            let message = format!("value {at} of tensor `{name}` is {}", floats[at]);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(floats)
    }

    /// A vector.
    pub(super) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>> {
        self.floats(name, 1, len)
    }

    /// A norm's weights and biases.
    pub(super) fn norm(&self, name: &str, width: usize) -> Result<(Vec<f32>, Vec<f32>)> {
        Ok((self.vector(&format!("{name}.weight"), width)?, self.vector(&format!("{name}.bias"), width)?))
    }
}

/// A product with its biases, of which there may be none.
pub(super) struct Linear {
    weight: Tensor,
    bias: Vec<f32>,
}

impl Linear {
    /// The product of this name, with its biases where it `is_biased`.
    pub(super) fn open(
        weights: &Weights,
        name: &str,
        (inputs, outputs): (usize, usize),
        is_biased: bool,
    ) -> Result<Self> {
        let weight = weights.matrix(&format!("{name}.weight"), outputs, inputs)?;
        let bias = if is_biased { weights.vector(&format!("{name}.bias"), outputs)? } else { Vec::new() };
        Ok(Self { weight, bias })
    }

    /// The product with a matrix of its own name and no biases.
    pub(super) fn of(weight: Tensor) -> Self {
        Self { weight, bias: Vec::new() }
    }

    /// The product of rows, after `prepare`.
    pub(super) fn run(&self, compute: &Compute, x: &[f32], prepare: Prepare<'_>) -> Vec<f32> {
        let mut input = Activations::new();
        compute.activations(x, self.weight.cols(), prepare, needs(&self.weight), &mut input);
        let mut out = vec![0.0; input.tokens() * self.weight.rows()];
        compute.linear(&input, [(self.weight.matrix(), &mut out[..])]);
        if !self.bias.is_empty() {
            compute.add_bias(&mut out, &self.bias);
        }
        out
    }
}

/// What a product with these weights needs of its input.
pub(super) fn needs(weight: &Tensor) -> Needs {
    Needs::of([weight.format()])
}
