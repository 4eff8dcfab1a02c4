//! Seals of one provider on their way through the dialect of another: they are wrapped into the place that the dialect has
//! for its own, as `parasol.SIGNER.PART.DATA`, and unwrapped when the client sends them back.

use parasol_core::{Signature, SignedPart, Signer};

const MARK: &str = "parasol.";

/// The seal as text for a place of another dialect. What was thought is not repeated: it stands beside.
pub(crate) fn wrap(signature: &Signature) -> String {
    let part = match &signature.part {
        SignedPart::Thought(_) => "thought".to_owned(),
        SignedPart::Hidden => "hidden".to_owned(),
        SignedPart::Call(index) => format!("call-{index}"),
        SignedPart::Answer => "answer".to_owned(),
    };
    format!("{MARK}{}.{part}.{}", signature.by.name(), signature.data)
}

/// The way back; `thought` is what stands beside. `None` for what was not wrapped here.
pub(crate) fn unwrap(text: &str, thought: &str) -> Option<Signature> {
    let mut parts = text.strip_prefix(MARK)?.splitn(3, '.');
    let by = Signer::from_name(parts.next()?)?;
    let part = match parts.next()? {
        "thought" => SignedPart::Thought(thought.to_owned()),
        "hidden" => SignedPart::Hidden,
        "answer" => SignedPart::Answer,
        call => SignedPart::Call(call.strip_prefix("call-")?.parse().ok()?),
    };
    Some(Signature { by, part, data: parts.next()?.to_owned() })
}

/// What a dialect writes where its own seals belong: its own as they are, others wrapped.
pub(crate) fn written(signature: &Signature, own: Signer) -> String {
    if signature.by == own { signature.data.clone() } else { wrap(signature) }
}

/// What a dialect reads there.
pub(crate) fn read(data: String, own: Signer, part: SignedPart) -> Signature {
    let thought = if let SignedPart::Thought(text) = &part { text.as_str() } else { "" };
    unwrap(&data, thought).unwrap_or(Signature { by: own, part, data })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn seals_come_back_as_they_were() {
        let parts =
            [SignedPart::Thought("hm".into()), SignedPart::Hidden, SignedPart::Call(3), SignedPart::Answer];
        for part in parts {
            for by in [Signer::Anthropic, Signer::Google, Signer::OpenAi] {
                let seal = Signature { by, part: part.clone(), data: "a.b==".into() };
                for own in [Signer::Anthropic, Signer::Google] {
                    assert_eq!(read(written(&seal, own), own, part.clone()), seal);
                }
            }
        }
        for odd in
            ["", "x", "parasol.", "parasol.google.call-x.d", "parasol.me.hidden.d", "parasol.google.hidden"]
        {
            assert!(unwrap(odd, "").is_none(), "{odd}");
        }
    }
}
