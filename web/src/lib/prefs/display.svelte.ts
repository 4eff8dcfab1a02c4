// How large the text is and how much moves; kept in this browser.
import { keep, readAmong } from "./kept";

export type TextSize = "small" | "medium" | "large" | "larger";
export type Motion = "system" | "less";

/** Per cent of the browser's own text size, which the person may have set already. */
const SIZES: Record<TextSize, string> = { small: "93.75%", medium: "", large: "112.5%", larger: "125%" };

class Display {
  text = $state<TextSize>(readAmong("parasol.text", ["small", "medium", "large", "larger"]) ?? "medium");
  motion = $state<Motion>(readAmong("parasol.motion", ["system", "less"]) ?? "system");

  setText(size: TextSize): void {
    this.text = size;
    keep("parasol.text", size === "medium" ? null : size);
    this.apply();
  }

  setMotion(motion: Motion): void {
    this.motion = motion;
    keep("parasol.motion", motion === "system" ? null : motion);
    this.apply();
  }

  apply(): void {
    const root = document.documentElement;
    root.style.fontSize = SIZES[this.text];
    if (this.motion === "less") root.dataset.motion = "less";
    else delete root.dataset.motion;
  }
}

export const display = new Display();
