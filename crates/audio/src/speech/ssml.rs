//! SSML as tags and text: as much of XML as it needs. What tags mean is `reading`'s.

use parasol_core::{Error, ErrorKind, Result};

/// A part of a document.
pub(super) enum Piece {
    /// Text between tags, entities resolved, and the bytes that it stands in.
    Text { text: String, from: usize, to: usize },
    /// A tag that begins, or stands alone.
    Open(Tag),
    /// A tag that ends.
    Close(String),
}

/// A tag that begins.
pub(super) struct Tag {
    /// Its name, without a namespace.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    /// Whether it also ends.
    pub(super) closed: bool,
}

impl Tag {
    /// An attribute's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// An attribute that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| invalid(format!("<{}> needs the attribute {name}", self.name)))
    }
}

/// Begins text in which nothing is a tag or an entity.
const CDATA: &str = "<![CDATA[";

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

/// The parts of a document. The first error ends them.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Result<Piece>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
            let (piece, length) = match next(rest, at) {
                Ok(found) => found,
                Err(error) => {
                    at = text.len();
                    return Some(Err(error));
                }
            };
            at += length;
            if let Some(piece) = piece {
                return Some(Ok(piece));
            }
        }
    })
}

/// The first part of `rest` and how many bytes it has; comments and declarations say nothing.
fn next(rest: &str, at: usize) -> Result<(Option<Piece>, usize)> {
    if !rest.starts_with('<') {
        let length = rest.find('<').unwrap_or(rest.len());
        let text = resolve(&rest[..length])?;
        return Ok((Some(Piece::Text { text, from: at, to: at + length }), length));
    }
    if let Some(inside) = rest.strip_prefix(CDATA) {
        let length = inside.find("]]>").ok_or_else(|| invalid(format!("{CDATA} does not end")))?;
        let (from, to) = (at + CDATA.len(), at + CDATA.len() + length);
        return Ok((Some(Piece::Text { text: inside[..length].to_owned(), from, to }), to + 3 - at));
    }
    for (begin, end) in [("<!--", "-->"), ("<?", "?>"), ("<!", ">")] {
        if rest.starts_with(begin) {
            let length = rest.find(end).ok_or_else(|| invalid(format!("{begin} does not end")))?;
            return Ok((None, length + end.len()));
        }
    }
    let length = tag_length(rest).ok_or_else(|| {
        let shown: String = rest.chars().take(20).collect();
        invalid(format!("the tag {shown:?} does not end"))
    })?;
    let inside = &rest[1..length - 1];
    if let Some(name) = inside.strip_prefix('/') {
        return Ok((Some(Piece::Close(plain(name.trim()).to_owned())), length));
    }
    let (inside, closed) = match inside.strip_suffix('/') {
        Some(inside) => (inside, true),
        None => (inside, false),
    };
    let end = inside.find(char::is_whitespace).unwrap_or(inside.len());
    let name = plain(&inside[..end]).to_owned();
    Ok((Some(Piece::Open(Tag { attributes: attributes(&inside[end..], &name)?, name, closed })), length))
}

/// Bytes to the end of the tag, `>` within quotation marks not counted.
fn tag_length(rest: &str) -> Option<usize> {
    let mut quoted = None;
    for (at, c) in rest.char_indices() {
        match (quoted, c) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') => quoted = Some(c),
            (Some(mark), c) if c == mark => quoted = None,
            _ => {}
        }
    }
    None
}

/// A name without its namespace.
fn plain(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn attributes(mut text: &str, tag: &str) -> Result<Vec<(String, String)>> {
    let wrong = || invalid(format!("the attributes of <{tag}> are written name=\"value\""));
    let mut all = Vec::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return Ok(all);
        }
        let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
        let rest = rest.trim_start();
        let mark = rest.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(wrong)?;
        let (value, behind) = rest[1..].split_once(mark).ok_or_else(wrong)?;
        all.push((plain(name.trim()).to_owned(), resolve(value)?));
        text = behind;
    }
}

/// Entities as the characters that they mean.
fn resolve(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (name, behind) = rest[at + 1..]
            .split_once(';')
            .filter(|(name, _)| name.len() <= 10)
            .ok_or_else(|| invalid("a bare & is written &amp; in SSML"))?;
        let number = name.strip_prefix('#').and_then(|n| match n.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => n.parse().ok(),
        });
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => number
                .and_then(char::from_u32)
                .ok_or_else(|| invalid(format!("the entity &{name}; is not known")))?,
        });
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}
