// Small choices that this browser keeps; one without storage keeps them until the page goes.

export function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** One of a few words that may be kept. */
export function readAmong<T extends string>(key: string, among: readonly T[]): T | null {
  const value = read(key);
  return among.find((known) => known === value) ?? null;
}

/** Keeps a value; null forgets it. */
export function keep(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // The choice lasts until the page goes.
  }
}
