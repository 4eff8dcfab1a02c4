// Hands a file to the browser's downloads.

export function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The download has begun with the click; what it reads is let go a little later.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A name for a file out of words: letters and digits of any script, the first few. */
export function slug(words: string, otherwise: string): string {
  const parts = words.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  let name = "";
  for (const part of parts) {
    if (name.length + part.length > 40) break;
    name += (name ? "-" : "") + part;
  }
  return name || otherwise;
}
