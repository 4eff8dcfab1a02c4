// Things that stand above every room, such as the command palette: added once, drawn by the frame.
import type { Component } from "svelte";

class Overlays {
  all = $state.raw<{ id: string; component: Component }[]>([]);

  add(id: string, component: Component): void {
    if (!this.all.some((overlay) => overlay.id === id)) this.all = [...this.all, { id, component }];
  }
}

/** What stands above this page's rooms. */
export const overlays = new Overlays();
