// Light, dark or as the system says; kept in this browser.

export type Theme = "system" | "light" | "dark";
const KEY = "parasol.theme";

class ThemeStore {
  choice = $state<Theme>(read());

  set(theme: Theme): void {
    this.choice = theme;
    try {
      if (theme === "system") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // A browser without storage keeps the choice until the page goes.
    }
    this.apply();
  }

  apply(): void {
    const root = document.documentElement;
    if (this.choice === "system") delete root.dataset.theme;
    else root.dataset.theme = this.choice;
  }
}

function read(): Theme {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === "light" || stored === "dark" ? stored : "system";
  } catch {
    return "system";
  }
}

export const theme = new ThemeStore();
