// Saying a text instead of typing it: the microphone, then what the model hears.
import { toasts } from "../ui/toasts.svelte";
import { sound } from "./models.svelte";
import { NoMicrophone, Recorder, type Trouble } from "./recorder.svelte";
import { textOf, transcribe } from "./transcribe";

export class Dictation {
  readonly recorder = new Recorder();
  state = $state<"idle" | "recording" | "writing">("idle");
  trouble = $state<Trouble | null>(null);
  /** No model listens yet. */
  needs = $state(false);
  /** What screen readers say. */
  announcement = $state("");
  #gone: AbortController | null = null;
  #turn = 0;

  async begin(): Promise<void> {
    if (this.state !== "idle") return;
    const turn = ++this.#turn;
    this.trouble = null;
    this.needs = false;
    await sound.read();
    // Given up, or begun again, meanwhile.
    if (turn !== this.#turn) return;
    if (!sound.model("listen")) {
      this.needs = true;
      return;
    }
    try {
      await this.recorder.start();
      if (this.recorder.state !== "recording") return;
      this.state = "recording";
      this.announcement = "Listening. Press Enter to take it, Escape to throw it away.";
    } catch (error) {
      if (error instanceof NoMicrophone) this.trouble = error.trouble;
      else toasts.fail(error);
    }
  }

  /** What was said; null when nothing was, or it could not be written down. */
  async finish(): Promise<string | null> {
    if (this.state !== "recording") return null;
    this.state = "writing";
    const gone = new AbortController();
    this.#gone = gone;
    try {
      const made = await this.recorder.stop();
      if (made.size === 0) return null;
      const text = textOf(await transcribe(made, { model: sound.model("listen")?.name ?? null }, {}, gone.signal));
      if (!text) toasts.say("Nothing was heard. Speak a little nearer to the microphone.");
      this.announcement = text ? `Written: ${text}` : "";
      return text || null;
    } catch (error) {
      if (!gone.signal.aborted) toasts.fail(error);
      return null;
    } finally {
      if (this.#gone === gone) this.state = "idle";
    }
  }

  cancel(): void {
    this.#turn += 1;
    this.#gone?.abort();
    this.#gone = null;
    this.recorder.cancel();
    this.state = "idle";
    this.announcement = "";
  }
}
