//! Which names may become a file or folder of the store, and which known name a mistyped one was meant to be.

/// Longest file or folder name that every supported file system takes.
const LONGEST: usize = 200;

/// Whether `name` is one plain, portable path component: it cannot leave its folder, hide, confuse a terminal or
/// collide with the store's own files.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_control() || "/\\<>:\"|?*\u{202e}\u{202d}\u{2066}\u{2067}".contains(c);
    !name.is_empty()
        && name.len() <= LONGEST
        && !name.starts_with(['.', '-', ' '])
        && !name.ends_with(['.', ' '])
        && !name.chars().any(forbidden)
        && !is_reserved(name)
}

/// Names that the store (or Windows) keeps for itself.
fn is_reserved(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let stem = lower.split('.').next().unwrap_or_default();
    let device = matches!(stem, "con" | "prn" | "aux" | "nul")
        || stem
            .strip_prefix("com")
            .or(stem.strip_prefix("lpt"))
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()));
    device || lower == "model.json" || lower.ends_with(".partial") || lower.ends_with(".partial.json")
}

/// Whether `path` is a relative path of plain names with forward slashes.
pub(crate) fn is_plain_path(path: &str) -> bool {
    path.len() <= 4 * LONGEST && path.split('/').all(is_plain_name)
}

/// The known names nearest to `wanted`, best first, at most three; empty when none is near.
pub(crate) fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let mut scored: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &lower);
            // A name of one or two letters is part of nearly everything.
            let contains =
                wanted.len().min(lower.len()) >= 3 && (lower.contains(&wanted) || wanted.contains(&lower));
            let near = distance <= 1 + wanted.chars().count() / 3;
            (near || contains).then_some((if contains { distance.min(1) } else { distance }, name))
        })
        .collect();
    scored.sort();
    scored.dedup();
    scored.into_iter().map(|(_, name)| name).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "c:x",
            ".hidden",
            "x\n",
            "model.json",
            "x.partial",
            "nul.txt",
            "x\u{202e}f",
        ] {
            assert!(!is_plain_name(bad), "{bad:?}");
        }
        for good in ["model.safetensors", "a b.gguf", "模型.gguf", "SmolLM2-135M-Instruct.Q4_1.gguf"] {
            assert!(is_plain_name(good), "{good:?}");
        }
        assert!(
            is_plain_path("a/b.gguf")
                && !is_plain_path("a/../b")
                && !is_plain_path("/a")
                && !is_plain_path("a//b")
        );
    }

    #[test]
    fn a_mistyped_name_finds_its_neighbour() {
        let known = ["smollm2", "gemma3-270m"];
        assert_eq!(nearest("smolm2", known), ["smollm2"]);
        assert_eq!(nearest("gemma3", known), ["gemma3-270m"]);
        assert!(nearest("whisper", known).is_empty() && nearest("smollm", ["m"]).is_empty());
    }
}
