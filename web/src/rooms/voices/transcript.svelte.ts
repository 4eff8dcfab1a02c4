// A sound that is being written down, or has been: its words with their times, and the sound itself to hear them by.
import { sound as chosen } from "$lib/sound/models.svelte";
import { Playback } from "$lib/sound/playback.svelte";
import { transcribe } from "$lib/sound/transcribe";
import type { SpokenSegment } from "$lib/api/types";

export interface Choice {
  language: string | null;
  translate: boolean;
}

export class Transcript {
  readonly name: string;
  readonly playback = new Playback();
  state = $state<"sending" | "listening" | "done" | "failed">("sending");
  error = $state.raw<unknown>(null);
  segments = $state.raw<SpokenSegment[]>([]);
  /** The language's code, given or found. */
  language = $state<string | null>(null);
  /** Seconds listened to, and in all. */
  heard = $state(0);
  total = $state<number | null>(null);
  /** Which word is said now: its segment and its place in it; -1 before the first. */
  readonly at = $derived(place(this.segments, this.playback.time));
  #file: Blob;
  #gone = new AbortController();

  constructor(file: Blob, name: string, choice: Choice) {
    this.name = name;
    this.#file = file;
    this.playback.open(file);
    void this.#write(choice);
  }

  async #write({ language, translate }: Choice): Promise<void> {
    const wish = { model: chosen.model("listen")?.name ?? null, language, translate };
    try {
      const all = await transcribe(
        this.#file,
        wish,
        {
          started: ({ language: found, duration }) => {
            this.state = "listening";
            this.language = found;
            this.#lasts(duration);
          },
          progress: ({ done, total }) => {
            this.state = "listening";
            this.heard = done;
            this.#lasts(total);
          },
          segment: (segment) => (this.segments = [...this.segments, segment]),
        },
        this.#gone.signal,
      );
      this.segments = all;
      this.state = "done";
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      this.error = error;
      this.state = "failed";
    }
  }

  #lasts(seconds: number | null): void {
    if (seconds === null) return;
    this.total = seconds;
    if (this.playback.duration === 0) this.playback.lasts(seconds);
  }

  /** Ends the work and the sound. */
  close(): void {
    this.#gone.abort();
    this.playback.close();
  }
}

/** The last word that has begun. */
export function place(segments: readonly SpokenSegment[], time: number): { segment: number; word: number } {
  const segment = lastBegun(segments, time);
  return { segment, word: segment < 0 ? -1 : lastBegun(segments[segment]?.words ?? [], time) };
}

/** By halves: a talk of hours has tens of thousands of words, and this is asked at every frame. */
function lastBegun(all: readonly { start: number }[], time: number): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((all[middle]?.start ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
