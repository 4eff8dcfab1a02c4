// The one import for everything that talks to the server.
export { api, ApiError, path, send, url, words } from "./client";
export { hub } from "./hub.svelte";
export { session } from "./session.svelte";
export { listen } from "./sse";
export type * from "./types";
