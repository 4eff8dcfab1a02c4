// Reads one thing at a time aloud, anywhere in the studio.
import { toasts } from "../ui/toasts.svelte";
import { words } from "../api/client";
import { sound } from "./models.svelte";
import { Speech } from "./speech.svelte";

class Reader {
  /** What is being read. */
  id = $state<string | null>(null);
  speech = $state.raw<Speech | null>(null);
  /** Nothing is heard yet. */
  readonly waiting = $derived(this.speech !== null && this.speech.duration === 0);

  /** Reads a text; what was being read ends. */
  read(id: string, text: string, onend?: () => void): void {
    this.stop();
    const speech = new Speech({ text, model: sound.model("speak")?.name ?? null, voice: sound.voice, speed: sound.speed, seed: null });
    this.id = id;
    this.speech = speech;
    speech.onend = () => {
      if (this.speech !== speech) return;
      if (speech.error) toasts.fail(`It could not be read aloud: ${words(speech.error)}`);
      this.id = null;
      this.speech = null;
      speech.close();
      onend?.();
    };
  }

  stop(): void {
    const speech = this.speech;
    this.id = null;
    this.speech = null;
    speech?.close();
  }
}

export const reader = new Reader();
