// A text being read aloud: heard while the rest is still being made, and a sound like any other once it is whole.
import { ApiError, send } from "$lib/api";
import { readEvents } from "../api/sse";
import type { SpeechEvents } from "../api/types";
import { floats, samplesOf, wav } from "./pcm";
import { Playback } from "./playback.svelte";

/** What is said, and how. */
export interface Order {
  text: string;
  model: string | null;
  voice: string | null;
  speed: number;
  /** The same seed gives the same sound; voices elsewhere take none. */
  seed: number | null;
}

/** Up to `until` seconds, the text up to `done` bytes is heard. */
interface Mark {
  until: number;
  done: number;
}

/** Seconds between asking for a sound and hearing it, so that the first piece is not cut. */
const LEAD = 0.06;

export class Speech extends Playback {
  readonly order: Order;
  state = $state<"making" | "ready" | "failed">("making");
  error = $state.raw<unknown>(null);
  /** Characters that the voice has no sound for. */
  unspoken = $state("");
  /** The whole as a WAV file. */
  file = $state.raw<Blob | null>(null);
  /** Called when all of it was heard, or it ended otherwise. */
  onend: (() => void) | null = null;

  #bytes: Uint8Array;
  #marks: Mark[] = [];
  #pieces: Int16Array[] = [];
  #rate = 0;
  #gone = new AbortController();
  /** While it is being made it is heard through this; from the first pause after that, by the audio element. */
  #live: AudioContext | null = new AudioContext();
  #sources = new Set<AudioBufferSourceNode>();
  /** When the next piece begins, and when the first one would have begun without waits, by the live sound's clock. */
  #next = 0;
  #began = 0;

  constructor(order: Order) {
    super();
    this.order = order;
    this.#bytes = new TextEncoder().encode(order.text);
    void this.#make();
  }

  /** The part of the text that is heard at a time. */
  said(time: number): string {
    const index = this.#marks.findIndex((mark) => time < mark.until);
    const mark = this.#marks[index < 0 ? this.#marks.length - 1 : index];
    if (!mark) return "";
    const from = index < 0 ? this.#marks.at(-2)?.done : this.#marks[index - 1]?.done;
    return new TextDecoder().decode(this.#bytes.slice(from ?? 0, mark.done)).trim();
  }

  async #make(): Promise<void> {
    const { text, model, voice, speed, seed } = this.order;
    try {
      const response = await send("POST", "/speech", {
        body: { text, model, voice, speed, seed },
        signal: this.#gone.signal,
        headers: { accept: "text/event-stream" },
      });
      let whole = false;
      for await (const { event, data } of readEvents(response)) whole = this.#hear(event, data) || whole;
      if (!whole && !this.#gone.signal.aborted) throw new ApiError("broken", "The sound broke off before its end. Try again.");
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      this.error = error;
      this.state = "failed";
      this.#silence();
      this.#over();
    }
  }

  #hear(event: string, data: string): boolean {
    if (event === "started") this.#rate = (JSON.parse(data) as SpeechEvents["started"]).rate;
    else if (event === "audio") this.#take(JSON.parse(data) as SpeechEvents["audio"]);
    else if (event === "error") throw new ApiError("speech", (JSON.parse(data) as SpeechEvents["error"]).message);
    else if (event === "done") {
      this.unspoken = (JSON.parse(data) as SpeechEvents["done"]).unspoken;
      this.file = wav(this.#pieces, this.#rate);
      this.open(this.file);
      this.state = "ready";
      // All of it was heard before the end was known.
      if (this.#sources.size === 0 && this.#live) this.#handOver(this.duration);
      return true;
    }
    return false;
  }

  #take({ pcm, done }: SpeechEvents["audio"]): void {
    const piece = samplesOf(pcm);
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.duration += piece.length / this.#rate;
    this.#marks.push({ until: this.duration, done });
    const live = this.#live;
    if (!live) return;
    const buffer = live.createBuffer(1, piece.length, this.#rate);
    buffer.copyToChannel(floats(piece), 0);
    const source = new AudioBufferSourceNode(live, { buffer });
    source.connect(live.destination);
    // Made later than it should have been heard: everything moves by the wait.
    const at = Math.max(this.#next, live.currentTime + LEAD);
    this.#began += at - this.#next;
    source.start(at);
    this.#next = at + buffer.duration;
    this.#sources.add(source);
    source.onended = () => {
      this.#sources.delete(source);
      if (this.#sources.size === 0 && this.state === "ready" && this.#live) this.#handOver(this.duration);
    };
    if (!this.playing && live.state !== "suspended") this.#start();
    else if (!this.playing && this.#marks.length === 1) void this.play();
  }

  #start(): void {
    this.playing = true;
    this.watch();
  }

  /** Goes on, from the beginning when it has been heard to its end. */
  override async play(): Promise<void> {
    if (this.#live) {
      await this.#live.resume();
      this.#start();
      return;
    }
    if (this.time >= this.duration - 0.01) this.seek(0);
    await super.play();
  }

  override pause(): void {
    if (!this.#live) return super.pause();
    if (this.state === "ready") return this.#handOver(this.time);
    void this.#live.suspend();
    this.playing = false;
  }

  override seek(seconds: number): void {
    if (this.#live) {
      if (this.state !== "ready") return;
      const heard = this.playing;
      this.#handOver(seconds);
      if (heard) void super.play();
      return;
    }
    super.seek(seconds);
  }

  /** Ends the work and the sound. */
  override close(): void {
    this.#gone.abort();
    this.#silence();
    super.close();
    this.#over();
  }

  protected override tick(): void {
    if (this.#live) this.time = Math.max(0, Math.min(this.duration, this.#live.currentTime - this.#began));
    else super.tick();
  }

  protected override ended(): void {
    super.ended();
    this.#over();
  }

  /** From the live sound to the audio element, at this place. */
  #handOver(seconds: number): void {
    this.#silence();
    super.seek(seconds);
    this.time = seconds;
    if (seconds >= this.duration) this.#over();
  }

  #silence(): void {
    for (const source of this.#sources) source.onended = null;
    this.#sources.clear();
    void this.#live?.close();
    this.#live = null;
    this.playing = false;
  }

  #over(): void {
    const tell = this.onend;
    this.onend = null;
    tell?.();
  }
}
