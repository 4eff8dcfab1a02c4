// Where the person is: the address bar as state, links and history. Which page that means is decided in rooms/.

class Router {
  path = $state(location.pathname);
  search = $state(location.search);
  hash = $state(location.hash);
  /** Counts changes of place, so that the frame can move the focus to the new page. */
  moves = $state(0);

  /** Follows links and the back button; called once by the frame. Gives the function that ends it. */
  start(): () => void {
    const follow = (event: MouseEvent) => this.#follow(event);
    const back = () => this.#read();
    document.addEventListener("click", follow);
    window.addEventListener("popstate", back);
    return () => {
      document.removeEventListener("click", follow);
      window.removeEventListener("popstate", back);
    };
  }

  /** Goes to an address of this page. `replace` leaves no step in the history. */
  go(to: string, options: { replace?: boolean } = {}): void {
    const target = new URL(to, location.href);
    if (target.href === location.href) return;
    if (options.replace) history.replaceState(null, "", target);
    else history.pushState(null, "", target);
    this.#read();
  }

  query(name: string): string | null {
    return new URLSearchParams(this.search).get(name);
  }

  #read(): void {
    if (location.pathname !== this.path) this.moves += 1;
    this.path = location.pathname;
    this.search = location.search;
    this.hash = location.hash;
  }

  /** Plain left clicks on links to this origin stay in the page; everything else is the browser's business. */
  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || link.target || link.hasAttribute("download") || link.rel.includes("external")) return;
    if (!(link instanceof HTMLAnchorElement) || link.origin !== location.origin) return;
    if (link.pathname.startsWith("/api/") || link.pathname.startsWith("/studio/") || link.pathname.endsWith(".json")) return;
    if (link.pathname === location.pathname && link.hash) return;
    event.preventDefault();
    this.go(link.href);
  }
}

/** The page's one router. */
export const router = new Router();
