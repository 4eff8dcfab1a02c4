// Talking: what is said becomes a message, its answer is read aloud as it is written, and then it listens again. Who speaks while
// it reads interrupts it.
import { words } from "../api/client";
import { speakable } from "../markdown/speakable";
import { sound } from "./models.svelte";
import { NoMicrophone, Recorder, type Trouble } from "./recorder.svelte";
import { ready } from "./sentences";
import { Speech } from "./speech.svelte";
import { textOf, transcribe } from "./transcribe";

/** Who is talked with. */
export interface Partner {
  /** Takes what was said; false when it could not be sent. */
  say: (text: string) => Promise<boolean>;
  /** The answer to it, as far as it is written, and why there is none; null until it begins. */
  answer: () => { text: string; running: boolean; error: string | null } | null;
  /** Ends an answer that is still being written. */
  stop: () => void;
}

export type TalkState = "starting" | "needs" | "trouble" | "listening" | "hearing" | "writing" | "thinking" | "speaking" | "ended";

/** How often it is looked whether somebody speaks, in milliseconds. */
const TICK = 50;
/** Ticks of voice that are a beginning, of silence that are an end, and of voice that interrupt. */
const BEGINS = 3;
const ENDS = 20;
const INTERRUPTS = 6;
/** Silence is thrown away after this many ticks, and nobody says more than this at once. */
const IDLE = 600;
const LONGEST = 1800;

export class Talk {
  readonly recorder = new Recorder();
  state = $state<TalkState>("starting");
  trouble = $state<Trouble | null>(null);
  error = $state<string | null>(null);
  /** What was said last. */
  heard = $state("");
  /** What is being read. */
  speech = $state.raw<Speech | null>(null);
  #partner: Partner;
  #gone = new AbortController();
  #floor = 0.1;
  #interrupted = false;

  constructor(partner: Partner) {
    this.#partner = partner;
    this.recorder.onlost = () => this.#fail(new NoMicrophone("missing"));
  }

  /** Begins, or begins again after what was in the way is gone. */
  async begin(): Promise<void> {
    this.trouble = null;
    this.error = null;
    await sound.read();
    if (this.#over) return;
    if (!sound.model("listen") || !sound.model("speak")) {
      this.state = "needs";
      return;
    }
    try {
      await this.recorder.start();
      if (this.recorder.state === "recording") await this.#go();
    } catch (error) {
      if (!this.#over) this.#fail(error);
    }
  }

  /** Ends what is being read, and listens. */
  interrupt(): void {
    this.#interrupted = true;
    this.speech?.close();
  }

  close(): void {
    this.#gone.abort();
    this.recorder.cancel();
    this.speech?.close();
    this.state = "ended";
  }

  get #over(): boolean {
    return this.#gone.signal.aborted;
  }

  #fail(error: unknown): void {
    this.recorder.cancel();
    this.speech?.close();
    if (error instanceof NoMicrophone) this.trouble = error.trouble;
    else this.error = words(error);
    this.state = "trouble";
  }

  async #go(): Promise<void> {
    let speaking = false;
    while (!this.#over && this.recorder.state === "recording") {
      const said = await this.#hear(speaking);
      speaking = false;
      if (this.#over || this.recorder.state !== "recording") return;
      if (!said) continue;
      this.heard = said;
      this.error = null;
      this.state = "thinking";
      if (!(await this.#partner.say(said))) throw new Error("It could not be sent. Is the server still there?");
      speaking = await this.#read();
    }
  }

  /** Waits until somebody has spoken, and writes it down. */
  async #hear(begun: boolean): Promise<string> {
    this.state = begun ? "hearing" : "listening";
    let voice = begun ? BEGINS : 0;
    let silent = 0;
    for (let ticks = 0; ; ticks += 1) {
      await this.#tick();
      if (this.#over || this.recorder.state !== "recording") return "";
      const loud = this.#loud(0.25, 0.2);
      if (this.state === "listening") {
        voice = loud ? voice + 1 : 0;
        if (voice >= BEGINS) {
          this.state = "hearing";
          ticks = 0;
        } else if (ticks > IDLE && voice === 0) {
          await this.recorder.take();
          ticks = 0;
        }
      } else {
        silent = loud ? 0 : silent + 1;
        if (silent >= ENDS || ticks > LONGEST) break;
      }
    }
    this.state = "writing";
    const made = await this.recorder.take();
    return textOf(await transcribe(made, { model: sound.model("listen")?.name ?? null }, {}, this.#gone.signal));
  }

  /** Reads the answer, sentence by sentence as it is written. True when somebody began to speak meanwhile. */
  async #read(): Promise<boolean> {
    await this.recorder.take();
    this.#interrupted = false;
    let done = 0;
    let loud = 0;
    let spoke = false;
    while (!this.#over) {
      await this.#tick();
      loud = this.#loud(0.45, 0.3) ? loud + 1 : 0;
      if (loud >= INTERRUPTS && this.speech) {
        spoke = true;
        this.interrupt();
      }
      if (this.#interrupted) {
        this.#partner.stop();
        break;
      }
      if (this.speech) continue;
      const answer = this.#partner.answer();
      if (!answer) continue;
      const to = ready(answer.text, done, !answer.running);
      if (to > done) {
        const text = speakable(answer.text.slice(done, to));
        done = to;
        if (text) this.#say(text);
      } else if (!answer.running) {
        this.error = answer.error ?? this.error;
        break;
      }
    }
    this.speech = null;
    if (!spoke && !this.#over && this.recorder.state === "recording") await this.recorder.take();
    return spoke;
  }

  #say(text: string): void {
    const speech = new Speech({ text, model: sound.model("speak")?.name ?? null, voice: sound.voice, speed: sound.speed, seed: null });
    this.speech = speech;
    this.state = "speaking";
    speech.onend = () => {
      if (speech.error) this.error = words(speech.error);
      if (this.speech === speech) this.speech = null;
      speech.close();
    };
  }

  /** Whether somebody speaks: louder than the room is. */
  #loud(least: number, above: number): boolean {
    const { level } = this.recorder;
    this.#floor += (level - this.#floor) * (level < this.#floor ? 0.2 : 0.002);
    return level > Math.max(least, this.#floor + above);
  }

  #tick(): Promise<void> {
    return new Promise((done) => setTimeout(done, TICK));
  }
}
