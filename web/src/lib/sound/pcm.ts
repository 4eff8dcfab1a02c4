// Samples as they come over the line, and the file that is made of them.

/** 16-bit numbers, little-endian, out of base64. */
export function samplesOf(base64: string): Int16Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new DataView(new ArrayBuffer(text.length - (text.length % 2)));
  for (let at = 0; at < bytes.byteLength; at += 1) bytes.setUint8(at, text.charCodeAt(at));
  const samples = new Int16Array(bytes.byteLength / 2);
  for (let at = 0; at < samples.length; at += 1) samples[at] = bytes.getInt16(2 * at, true);
  return samples;
}

/** The same within ±1, as the browser's sound takes them. */
export function floats(samples: Int16Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(samples, (sample) => sample / 32_768);
}

/** A WAV file of one channel: RIFF with a `fmt ` and a `data` chunk. */
export function wav(pieces: readonly Int16Array[], rate: number): Blob {
  const bytes = 2 * pieces.reduce((sum, piece) => sum + piece.length, 0);
  const file = new DataView(new ArrayBuffer(44 + bytes));
  const word = (at: number, text: string) => [...text].forEach((letter, index) => file.setUint8(at + index, letter.charCodeAt(0)));
  word(0, "RIFF");
  file.setUint32(4, 36 + bytes, true);
  word(8, "WAVEfmt ");
  file.setUint32(16, 16, true);
  file.setUint16(20, 1, true);
  file.setUint16(22, 1, true);
  file.setUint32(24, rate, true);
  file.setUint32(28, 2 * rate, true);
  file.setUint16(32, 2, true);
  file.setUint16(34, 16, true);
  word(36, "data");
  file.setUint32(40, bytes, true);
  let at = 44;
  for (const piece of pieces) {
    for (const sample of piece) {
      file.setInt16(at, sample, true);
      at += 2;
    }
  }
  return new Blob([file.buffer], { type: "audio/wav" });
}
