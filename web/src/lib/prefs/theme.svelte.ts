// Light, dark or as the system says; kept in this browser.
import { keep, readAmong } from "./kept";

export type Theme = "system" | "light" | "dark";
const KEY = "parasol.theme";

class ThemeStore {
  choice = $state<Theme>(readAmong(KEY, ["light", "dark"]) ?? "system");

  set(theme: Theme): void {
    this.choice = theme;
    keep(KEY, theme === "system" ? null : theme);
    this.apply();
  }

  apply(): void {
    const root = document.documentElement;
    if (this.choice === "system") delete root.dataset.theme;
    else root.dataset.theme = this.choice;
  }
}

export const theme = new ThemeStore();
