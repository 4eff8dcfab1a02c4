//! Hugging Face repositories: what they hold (`listing`), which files make the model that is wanted (`choose`), and those that an
//! existing cache already has (`cache`). Fetching is `pull`'s.

pub(crate) mod cache;
pub(crate) mod choose;
pub(crate) mod listing;

use crate::source::RepoId;
use std::fmt::Write;

/// The address of a file of a repository.
pub(crate) fn file_url(endpoint: &str, repo: &RepoId, file: &str, revision: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    format!("{endpoint}/{repo}/resolve/{}/{}", encode(revision, ""), encode(file, "/"))
}

/// The address of a repository's listing. A slash in a revision is part of one segment.
pub(crate) fn listing_url(endpoint: &str, repo: &RepoId, revision: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    format!("{endpoint}/api/models/{repo}/revision/{}?blobs=true", encode(revision, ""))
}

/// Percent-encodes everything that is not unreserved (RFC 3986, section 2.3) or in `also`.
fn encode(text: &str, also: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        let c = char::from(byte);
        if byte.is_ascii_alphanumeric() || "-._~".contains(c) || also.contains(c) {
            out.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_encoded() {
        let repo = RepoId::new("o", "r").unwrap();
        assert_eq!(
            file_url("http://h/", &repo, "a dir/é#?.gguf", "refs/pr/1"),
            "http://h/o/r/resolve/refs%2Fpr%2F1/a%20dir/%C3%A9%23%3F.gguf"
        );
        assert_eq!(
            listing_url("http://h", &repo, "main"),
            "http://h/api/models/o/r/revision/main?blobs=true"
        );
    }
}
