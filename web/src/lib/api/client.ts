// Calls the server's JSON routes under /api/parasol and turns every failure into an ApiError.
// What is streamed is in sse.ts; which routes exist is in routes.ts.

/** Where the studio's routes are. */
export const BASE = "/api/parasol";

/** A call that failed: the server's own code and words, or `unreachable` when no answer came. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  constructor(
    readonly code: string,
    message: string,
    readonly status = 0,
    /** Seconds after which the server wants to be asked again. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
  /** The server did not answer at all. */
  get unreachable(): boolean {
    return this.code === "unreachable";
  }
}

/** What stands after the `?`; empty values are left out. */
export type Query = Record<string, string | number | boolean | null | undefined>;

/** What a request carries. */
export interface CallOptions {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

let onSignedOut: () => void = () => {};

/** Hears of calls that the server refused for want of a session; the session store shows the sign-in screen. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

/** Joins path parts, each percent-encoded: model names contain slashes and colons. */
export function path(...parts: string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join("");
}

/** The address of a route, for requests and for links that download. */
export function url(route: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.set(key, String(value));
  }
  const text = search.toString();
  return BASE + route + (text ? `?${text}` : "");
}

/** Sends a request and gives the response back only when it succeeded. */
export async function send(method: string, route: string, options: CallOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json", ...options.headers };
  let body: BodyInit | undefined;
  if (options.body instanceof Blob || typeof options.body === "string") {
    body = options.body;
    headers["content-type"] ??= "application/json";
  } else if (options.body !== undefined) {
    body = JSON.stringify(options.body);
    headers["content-type"] = "application/json";
  }
  let response: Response;
  try {
    response = await fetch(url(route, options.query), {
      method,
      headers,
      body,
      signal: options.signal,
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError("unreachable", "The server does not answer. Is it still running?");
  }
  if (response.ok) return response;
  const error = await readError(response);
  if (error.status === 401 && route !== "/session") onSignedOut();
  throw error;
}

/** Reads the error body that every route shares; proxies in between may answer with something else. */
async function readError(response: Response): Promise<ApiError> {
  const wait = Number(response.headers.get("retry-after"));
  const retryAfter = Number.isFinite(wait) && wait > 0 ? wait : null;
  const text = await response.text().catch(() => "");
  try {
    const error = (JSON.parse(text) as { error?: { code?: unknown; message?: unknown } }).error;
    if (typeof error?.message === "string") {
      const code = typeof error.code === "string" ? error.code : `http_${response.status}`;
      return new ApiError(code, error.message, response.status, retryAfter);
    }
  } catch {
    // Not JSON: described by its status below.
  }
  // A proxy in front of a server that is gone says 502, 503 or 504 in its own words.
  if (response.status >= 502 && response.status <= 504) {
    return new ApiError("unreachable", "The server does not answer. Is it still running?", response.status, retryAfter);
  }
  return new ApiError(`http_${response.status}`, `The server answered ${response.status} without saying why.`, response.status, retryAfter);
}

async function call<T>(method: string, route: string, options?: CallOptions): Promise<T> {
  const response = await send(method, route, options);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  if (!text) return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ApiError("bad_answer", `The answer to ${method} ${route} is not JSON.`, response.status);
  }
}

/** The calls, by method; each gives the parsed answer or throws an ApiError. */
export const api = {
  get: <T>(route: string, query?: Query, signal?: AbortSignal) => call<T>("GET", route, { query, signal }),
  post: <T>(route: string, body?: unknown, signal?: AbortSignal) => call<T>("POST", route, { body, signal }),
  put: <T>(route: string, body?: unknown) => call<T>("PUT", route, { body }),
  patch: <T>(route: string, body?: unknown) => call<T>("PATCH", route, { body }),
  delete: <T = void>(route: string) => call<T>("DELETE", route),
};

/** What to show a person of any thrown thing. The server's sentences begin small, as they stand in logs. */
export function words(error: unknown): string {
  const says = error instanceof Error ? error.message : String(error);
  return says.charAt(0).toUpperCase() + says.slice(1);
}
