// A recording that is begun and ended with buttons: what it gives, and what of the microphone is in its way.
import { toasts } from "../ui/toasts.svelte";
import { NoMicrophone, Recorder, type Trouble } from "./recorder.svelte";

export class Recording {
  readonly recorder = new Recorder();
  trouble = $state<Trouble | null>(null);
  #done: (made: Blob) => void;

  /** `done` takes what was recorded, also when the microphone was unplugged meanwhile. */
  constructor(done: (made: Blob) => void) {
    this.#done = done;
    this.recorder.onlost = () => void this.finish();
  }

  async begin(): Promise<void> {
    this.trouble = null;
    try {
      await this.recorder.start();
    } catch (error) {
      if (error instanceof NoMicrophone) this.trouble = error.trouble;
      else toasts.fail(error);
    }
  }

  async finish(): Promise<void> {
    const made = await this.recorder.stop();
    if (made.size > 0) this.#done(made);
  }

  /** Throws away what was recorded. */
  cancel(): void {
    this.recorder.cancel();
  }
}
