// What a room is. A room exists when its folder has a `room.ts` that exports one; nothing else lists it.
import type { Component } from "svelte";
import type { Params } from "$lib/router";

/** A page: takes the parameters of its address, if any, and nothing else. */
export type Page = Component<{ params: Params }> | Component<Record<string, never>>;

/** An address and the page that it leads to. */
export interface Route {
  /** See `lib/router/match.ts`. */
  pattern: string;
  load: () => Promise<{ default: Page }>;
}

/** A place in the studio. */
export interface Room {
  id: string;
  /** One word, as the rail shows it. */
  title: string;
  icon: Component;
  /** Place in the rail, small first. */
  order: number;
  /** The address that the rail leads to. */
  home: string;
  routes: Route[];
  /** `foot` stands apart at the rail's end. */
  place?: "main" | "foot";
}
