//! `parasol pull`: fetch models and check them.

use crate::args::PullArgs;
use crate::exit::Outcome;
use crate::models;
use crate::output;
use parasol_runtime::Runtime;

/// Runs the command: each model in turn, up to the first that fails.
///
/// # Errors
/// What keeps a model from being fetched; Ctrl-C.
pub(crate) fn pull(runtime: &Runtime, args: &PullArgs) -> Outcome {
    for reference in &args.models {
        let model = models::pull(runtime, reference, args.accept_licence)?;
        let path = model.model.path();
        let size =
            path.metadata().ok().filter(|m| m.is_file()).map(|m| format!(" ({})", output::bytes(m.len())));
        output::line(&format!("{} is ready{}: {}", model.name, size.unwrap_or_default(), path.display()))?;
    }
    Ok(())
}
