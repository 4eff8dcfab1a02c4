//! Packs a folder of files for embedding: compressed beforehand, each with its type and a mark of its contents, as a table in
//! Rust that `src/studio/assets.rs` includes.

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Writes the table of the files in `folder`, an empty one without a folder, to `studio_assets.rs` in `out`.
pub(crate) fn pack(folder: Option<&Path>, out: &Path) -> io::Result<()> {
    let packed = out.join("studio-packed");
    fs::create_dir_all(&packed)?;
    let mut table = String::from("&[\n");
    if let Some(folder) = folder {
        let mut files = Vec::new();
        find(folder, folder, &mut files)?;
        files.sort();
        for (number, name) in files.iter().enumerate() {
            let bytes = fs::read(folder.join(name))?;
            entry(&mut table, &packed, number, name, &bytes)?;
        }
    }
    table.push_str("]\n");
    fs::write(out.join("studio_assets.rs"), table)
}

/// The files below `folder` by their path in `root`, with slashes. What a dot hides is the build's own.
fn find(root: &Path, folder: &Path, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            find(root, &path, found)?;
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            found.push(name.replace('\\', "/"));
        }
    }
    Ok(())
}

fn entry(table: &mut String, packed: &Path, number: usize, name: &str, bytes: &[u8]) -> io::Result<()> {
    let sum: String = Sha256::digest(bytes).iter().take(16).map(|b| format!("{b:02x}")).collect();
    let include = |kind: &str, bytes: &[u8]| -> io::Result<String> {
        let path: PathBuf = packed.join(format!("{number}.{kind}"));
        fs::write(&path, bytes)?;
        Ok(format!("include_bytes!({:?})", path.display().to_string()))
    };
    let smaller = |kind: &str, compressed: Vec<u8>| -> io::Result<String> {
        // Fonts and pictures are compressed already.
        if compressed.len() >= bytes.len() / 20 * 19 {
            return Ok("None".into());
        }
        Ok(format!("Some({})", include(kind, &compressed)?))
    };
    let (plain, brotli, gzip) =
        (include("plain", bytes)?, smaller("br", brotli(bytes)?)?, smaller("gz", gzip(bytes)?)?);
    // Writing to a string cannot fail.
    let _ = writeln!(
        table,
        "    Asset {{ path: {name:?}, kind: {:?}, etag: \"\\\"{sum}\\\"\", plain: {plain}, brotli: {brotli}, gzip: {gzip} }},",
        media_type(name)
    );
    Ok(())
}

fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut out, 1 << 16, 11, 22);
    writer.write_all(bytes)?;
    drop(writer);
    Ok(out)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
