// Where the list of conversations stands: beside the conversation on wide windows, in a drawer above it on narrow ones.

const WIDE = "(min-width: 960px)";
const KEY = "parasol.list";

class Layout {
  wide = $state(true);
  drawer = $state(false);
  /** Whether the window of instructions and settings is open. */
  tuning = $state(false);
  /** On wide windows the list can be put away. */
  kept = $state(read());
  readonly listed = $derived(this.wide && this.kept);
  readonly shown = $derived(this.wide ? this.kept : this.drawer);

  start(): () => void {
    const query = matchMedia(WIDE);
    const changed = () => {
      this.wide = query.matches;
      this.drawer = false;
    };
    changed();
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }

  /** Shows the list and puts the cursor into its search. */
  search(): void {
    if (!this.shown) this.toggle();
    requestAnimationFrame(() => document.querySelector<HTMLElement>("#conversations-search")?.focus());
  }

  toggle(): void {
    if (!this.wide) {
      this.drawer = !this.drawer;
      return;
    }
    this.kept = !this.kept;
    try {
      localStorage.setItem(KEY, this.kept ? "open" : "closed");
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  }
}

function read(): boolean {
  try {
    return localStorage.getItem(KEY) !== "closed";
  } catch {
    return true;
  }
}

/** The chat room's layout. */
export const layout = new Layout();
