// Path patterns: `/c/:id`, `/models/*name` (the rest, slashes included). Pure, so that it can be tested alone.

/** What a pattern's names stand for, decoded. */
export type Params = Record<string, string>;

/** The parameters of a path that fits a pattern, or null. */
export function match(pattern: string, pathname: string): Params | null {
  const want = split(pattern);
  const have = split(pathname);
  const params: Params = {};
  for (const [index, part] of want.entries()) {
    if (part.startsWith("*")) {
      const rest = have.slice(index);
      if (rest.length === 0) return null;
      const text = decode(rest.join("/"));
      if (text === null) return null;
      params[part.slice(1)] = text;
      return params;
    }
    const piece = have[index];
    if (piece === undefined) return null;
    if (part.startsWith(":")) {
      const text = decode(piece);
      if (text === null) return null;
      params[part.slice(1)] = text;
    } else if (part !== piece) return null;
  }
  return want.length === have.length ? params : null;
}

function split(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}

/** Decodes a path's part; null for a `%` that stands for nothing. */
function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** Fills a pattern: the way back from `match`. */
export function fill(pattern: string, params: Params): string {
  const parts = split(pattern).map((part) =>
    part.startsWith(":") || part.startsWith("*") ? encodeURIComponent(params[part.slice(1)] ?? "") : part,
  );
  return `/${parts.join("/")}`;
}
