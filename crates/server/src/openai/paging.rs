//! Pages of what a key has: how many at once, and behind which.

use parasol_core::{Error, ErrorKind, Result};

/// On a page unless told otherwise, and at most.
const PAGE: (usize, usize) = (20, 100);

/// What of `all` stands on the page that begins behind `after`, and whether more follows; `what` they are, for the error.
///
/// # Errors
/// `InvalidRequest` for a limit that is out of bounds, and for an `after` that is none of them.
pub(super) fn page<T>(
    mut all: Vec<T>,
    (limit, after): (Option<usize>, Option<&str>),
    id: impl Fn(&T) -> &str,
    what: &str,
) -> Result<(Vec<T>, bool)> {
    let refuse = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
    let limit = limit.unwrap_or(PAGE.0);
    if !(1..=PAGE.1).contains(&limit) {
        return refuse(format!("limit: is {limit} and must be between 1 and {}", PAGE.1));
    }
    if let Some(after) = after {
        match all.iter().position(|it| id(it) == after) {
            Some(at) => drop(all.drain(..=at)),
            None => return refuse(format!("after: is no {what}")),
        }
    }
    let more = all.len() > limit;
    all.truncate(limit);
    Ok((all, more))
}
