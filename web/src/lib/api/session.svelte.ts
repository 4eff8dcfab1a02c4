// Who is using this page: whether the server wants a key, and whether one was given.
import { api, whenSignedOut, type ApiError } from "./client";
import { hub } from "./hub.svelte";
import type { Session } from "./types";

class SessionStore {
  current = $state<Session | null>(null);
  /** Why the session could not be read at all; the page then shows that the server is gone. */
  error = $state<ApiError | null>(null);

  get admin(): boolean {
    return this.current?.admin ?? false;
  }
  get mustSignIn(): boolean {
    return this.current !== null && this.current.required && !this.current.signed_in;
  }

  async read(): Promise<void> {
    try {
      this.#take(await api.get<Session>("/session"));
    } catch (error) {
      this.error = error as ApiError;
    }
  }

  async signIn(key: string): Promise<void> {
    await api.post<Session>("/session", { key });
    await this.read();
  }

  async signOut(): Promise<void> {
    await api.delete("/session");
    await this.read();
  }

  /** Called when a route refuses for want of a session: it was ended elsewhere. */
  lost(): void {
    if (this.current) this.#take({ ...this.current, required: true, signed_in: false });
  }

  #take(session: Session): void {
    this.current = session;
    this.error = null;
    if (this.mustSignIn) hub.stop();
    else hub.start();
  }
}

/** The page's one session. */
export const session = new SessionStore();
whenSignedOut(() => session.lost());
