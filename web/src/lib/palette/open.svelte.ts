// Opens the palette and the sheet of keys from anywhere, and hears their keys. Their code comes when first opened.
import { overlays } from "$lib/frame/overlays.svelte";

export type Shown = "none" | "palette" | "keys";

class PaletteState {
  shown = $state<Shown>("none");

  async open(what: "palette" | "keys"): Promise<void> {
    const { default: Palette } = await import("./Palette.svelte");
    overlays.add("palette", Palette);
    this.shown = what;
  }

  close(): void {
    this.shown = "none";
  }

  /** Hears Ctrl-K and ? on the whole page. */
  listen(): void {
    document.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        if (this.shown === "palette") this.close();
        else void this.open("palette");
      } else if (event.key === "?" && !event.ctrlKey && !event.metaKey && !typing(event.target) && this.shown === "none") {
        event.preventDefault();
        void this.open("keys");
      }
    });
  }
}

/** Whether keys go into a text. */
function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
}

export const palette = new PaletteState();
