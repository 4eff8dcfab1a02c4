//! `parasol rm`: remove pulled models.

use crate::args::RmArgs;
use crate::exit::Outcome;
use crate::output;
use parasol_runtime::Runtime;

/// Runs the command.
///
/// # Errors
/// When a model is not there or cannot be removed.
pub(crate) fn rm(runtime: &Runtime, args: &RmArgs) -> Outcome {
    for reference in &args.models {
        let removed = runtime.hub().remove(reference)?;
        output::line(&format!("{} is removed: {} freed", removed.name, output::bytes(removed.bytes)))?;
    }
    Ok(())
}
