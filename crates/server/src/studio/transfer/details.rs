//! Open WebUI keeps thinking, tool calls and code runs inside an answer's text, as `<details type="…">` blocks. This takes them out
//! again; other blocks are the model's own and stay.

use super::archive::{append, append_some, fenced};

/// The blocks that are not what the model says to the reader.
const KINDS: [&str; 3] = ["reasoning", "tool_calls", "code_interpreter"];

/// An answer's text without the blocks, and what was in them, in their order.
pub(super) fn split(content: &str) -> (String, Option<String>) {
    let (mut said, mut working) = (String::new(), None);
    let (mut rest, mut in_code, mut broken) = (content, false, false);
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.find('\n').map_or(rest.len(), |at| at + 1));
        let found = if in_code || broken { Found::Nothing } else { block(rest) };
        // Looking for the end of every tag of many without one would take the square of their number.
        broken |= matches!(found, Found::Endless);
        if let Found::Block(block, after) = found {
            append_some(&mut working, &block.worded());
            rest = after.trim_start_matches(['\n', ' ']);
        } else {
            in_code ^= line.trim_start().starts_with("```");
            said.push_str(line);
            rest = after;
        }
    }
    (said.trim_end().to_owned(), working)
}

/// A block: its kind, the rest of its tag, and what stands between the tags.
struct Block<'a> {
    kind: &'a str,
    tag: &'a str,
    body: &'a str,
}

/// What a text begins with.
enum Found<'a> {
    Nothing,
    /// A tag of such a block that never ends.
    Endless,
    /// A block, and what follows it.
    Block(Block<'a>, &'a str),
}

fn block(text: &str) -> Found<'_> {
    let tag = text.strip_prefix("<details type=\"").and_then(|tag| tag.split_once('"'));
    let Some((kind, tag)) = tag.filter(|(kind, _)| KINDS.contains(kind)) else { return Found::Nothing };
    let Some((tag, rest)) = end_of_tag(tag).and_then(|end| Some((tag.get(..end)?, tag.get(end + 1..)?)))
    else {
        return Found::Endless;
    };
    let (body, after) = closed(rest);
    let body = match body.trim_start().strip_prefix("<summary>").and_then(|b| b.split_once("</summary>")) {
        Some((_, body)) => body,
        None => body,
    };
    Found::Block(Block { kind, tag, body: body.trim_matches('\n') }, after)
}

/// What comes before the closing tag and after it. What the model thinks may name that tag; the lines of its thoughts are quoted.
fn closed(text: &str) -> (&str, &str) {
    const CLOSING: &str = "</details>";
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let quoted = line.starts_with('>') || line.starts_with("&gt;");
        if let Some(at) = line.find(CLOSING).filter(|_| !quoted) {
            let (body, after) = text.split_at(start + at);
            return (body, after.strip_prefix(CLOSING).unwrap_or(after));
        }
        start += line.len();
    }
    // It broke off in the middle.
    (text, "")
}

/// Where the `>` is that ends a tag: not within quotes.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

impl Block<'_> {
    fn worded(&self) -> String {
        match self.kind {
            "reasoning" => {
                let body = unescaped(self.body);
                let line = |line: &str| {
                    line.strip_prefix("> ").or(line.strip_prefix('>')).unwrap_or(line).to_owned()
                };
                body.lines().map(line).collect::<Vec<_>>().join("\n")
            }
            "tool_calls" => {
                let mut text =
                    format!("Called {}:", self.attribute("name").unwrap_or_else(|| "a tool".into()));
                append(
                    &mut text,
                    &fenced("json", &unquoted(self.attribute("arguments").unwrap_or_default())),
                );
                let body = Some(unescaped(self.body)).filter(|body| !body.trim().is_empty());
                if let Some(result) = self.attribute("result").or(body) {
                    append(&mut text, "It returned:");
                    append(&mut text, &fenced("", &unquoted(result)));
                }
                text
            }
            _ => {
                let mut text = self.body.to_owned();
                if let Some(output) = self.attribute("output").filter(|output| !output.is_empty()) {
                    append(&mut text, "It returned:");
                    append(&mut text, &fenced("", &unquoted(output)));
                }
                text
            }
        }
    }

    /// An attribute of the tag, in quotes of either kind.
    fn attribute(&self, name: &str) -> Option<String> {
        let mut rest = self.tag;
        loop {
            let (key, after) = rest.split_once('=')?;
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, after) = after.get(1..)?.split_once(quote)?;
            if key.split_whitespace().next_back() == Some(name) {
                return Some(unescaped(value));
            }
            rest = after;
        }
    }
}

/// What a JSON string says; anything else as it is.
fn unquoted(text: String) -> String {
    serde_json::from_str::<String>(&text).unwrap_or(text)
}

/// The text that HTML's five escapes stand for.
fn unescaped(text: &str) -> String {
    const ESCAPES: [(&str, char); 7] = [
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&amp;", '&'),
        ("&quot;", '"'),
        ("&#x27;", '\''),
        ("&#39;", '\''),
        ("&apos;", '\''),
    ];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.find('&').map(|at| rest.split_at(at)) {
        out.push_str(before);
        let found = ESCAPES.iter().find_map(|(escape, c)| from.strip_prefix(escape).map(|after| (*c, after)));
        let (c, after) = found.unwrap_or_else(|| ('&', from.strip_prefix('&').unwrap_or("")));
        out.push(c);
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn thinking_is_taken_out_and_unquoted() {
        let (said, working) = split(
            "<details type=\"reasoning\" done=\"true\" duration=\"3\">\n<summary>Thought for 3 seconds</summary>\n\
             &gt; Is 1 &lt; 2?\n&gt; </details> is a tag &amp;amp; more\n</details>\nYes.\n\n    code\n",
        );
        assert_eq!(said, "Yes.\n\n    code");
        assert_eq!(working.as_deref(), Some("Is 1 < 2?\n</details> is a tag &amp; more"));
    }

    #[test]
    fn tool_calls_are_told_whichever_way_they_are_written() {
        for block in [
            "<details type=\"tool_calls\" done=\"true\" id=\"c1\" name=\"weather\" arguments=\"&quot;{\\&quot;city\\&quot;: \\&quot;Oslo\\&quot;}&quot;\" result=\"&quot;Sun > rain&quot;\">\n<summary>Tool Executed</summary>\n</details>\n",
            "<details type=\"tool_calls\" name='weather' arguments='{\"city\": \"Oslo\"}'>\n<summary>Tool Executed</summary>\n&quot;Sun &gt; rain&quot;\n</details>",
        ] {
            let (said, working) = split(&format!("Before.\n{block}\nAfter."));
            assert_eq!(said, "Before.\nAfter.");
            let working = working.unwrap();
            assert!(
                working.starts_with("Called weather:\n\n```json\n{\"city\": \"Oslo\"}\n```"),
                "{working}"
            );
            assert!(working.ends_with("It returned:\n\n```\nSun > rain\n```"), "{working}");
        }
    }

    #[test]
    fn code_that_ran_stays_code() {
        let (said, working) = split(
            "<details type=\"code_interpreter\" done=\"true\" output=\"{&quot;stdout&quot;: &quot;2&quot;}\">\n\
             <summary>Analyzed</summary>\n```python\nprint(1 + 1)\n```\n</details>\nTwo.",
        );
        assert_eq!(said, "Two.");
        assert_eq!(
            working.as_deref(),
            Some("```python\nprint(1 + 1)\n```\n\nIt returned:\n\n```\n{\"stdout\": \"2\"}\n```")
        );
    }

    #[test]
    fn what_is_the_models_own_stays() {
        for text in [
            "<details><summary>More</summary>inside</details>",
            "```html\n<details type=\"reasoning\">\n</details>\n```",
            "a <details type=\"reasoning\"> in a line",
            "<details type=\"reasoning\" done=\"never closed",
            "<details type=\"other\">x</details>",
        ] {
            assert_eq!(split(text), (text.to_owned(), None));
        }
    }

    #[test]
    fn what_broke_off_is_kept() {
        let (said, working) =
            split("<details type=\"reasoning\" done=\"false\">\n<summary>Thinking…</summary>\n> Hm");
        assert_eq!((said.as_str(), working.as_deref()), ("", Some("Hm")));
    }

    #[test]
    fn any_bytes_end_in_time() {
        let many = "<details type=\"reasoning\">\n".repeat(20_000);
        let (said, working) = split(&many);
        assert!(said.is_empty() && working.unwrap().len() > 10_000);
        let quoted = "> </details>".repeat(20_000);
        assert!(split(&format!("<details type=\"reasoning\">{quoted}")).1.is_some());
        let endless = "<details type=\"reasoning\" x='\n".repeat(200_001);
        assert_eq!(split(&endless), (endless.trim_end().to_owned(), None));
    }
}
