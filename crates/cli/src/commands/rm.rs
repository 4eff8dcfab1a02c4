//! `parasol rm`: remove pulled models.

use super::admin;
use crate::args::RmArgs;
use crate::exit::Outcome;
use crate::output;
use parasol_hub::Origin;
use parasol_runtime::Runtime;

/// Runs the command.
///
/// # Errors
/// When a model is not there, cannot be removed, or a server of this user answers with it.
pub(crate) fn rm(runtime: &Runtime, args: &RmArgs) -> Outcome {
    for reference in &args.models {
        // What is not there, or is not Parasol's to remove, `remove` says.
        let located = runtime.hub().locate(reference).ok().flatten();
        if let Some(located) = located.filter(|located| located.origin == Origin::Store) {
            admin::unload_everywhere(runtime.home(), &located.name)?;
        }
        let removed = runtime.hub().remove(reference)?;
        output::line(&format!("{} is removed: {} freed", removed.name, output::bytes(removed.bytes)))?;
    }
    Ok(())
}
