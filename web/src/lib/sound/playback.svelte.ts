// A sound that is played, paused and sought in: the browser's own audio element, told of in words that components can show.

export class Playback {
  /** Stands in the page where the player is, so that the system's media keys find it. */
  readonly audio = new Audio();
  playing = $state(false);
  /** Seconds. */
  time = $state(0);
  duration = $state(0);
  /** Whether it can be sought in. */
  seekable = $state(false);
  /** The browser cannot play this kind of sound. */
  broken = $state(false);
  #url: string | null = null;
  #frame = 0;

  constructor() {
    const { audio } = this;
    audio.preload = "auto";
    audio.addEventListener("play", () => this.#began());
    audio.addEventListener("pause", () => this.#paused());
    audio.addEventListener("ended", () => this.ended());
    audio.addEventListener("timeupdate", () => this.tick());
    audio.addEventListener("durationchange", () => this.lasts(audio.duration));
    audio.addEventListener("error", () => (this.broken = audio.src !== ""));
  }

  /** What is played. */
  open(sound: Blob): void {
    this.#free();
    this.#url = URL.createObjectURL(sound);
    this.broken = false;
    this.audio.src = this.#url;
    this.seekable = true;
  }

  /** A recording of the browser's own does not say how long it is; who wrote it down knows. */
  lasts(seconds: number): void {
    if (Number.isFinite(seconds) && seconds > 0) this.duration = seconds;
  }

  toggle(): void {
    if (this.playing) this.pause();
    else void this.play();
  }

  async play(): Promise<void> {
    try {
      await this.audio.play();
    } catch (error) {
      // Paused again before it began is no failure.
      if (!(error instanceof DOMException && error.name === "AbortError")) this.broken = true;
    }
  }

  pause(): void {
    this.audio.pause();
  }

  seek(seconds: number): void {
    this.audio.currentTime = Math.max(0, Math.min(seconds, this.duration || seconds));
    this.time = this.audio.currentTime;
  }

  /** Ends it for good. */
  close(): void {
    this.audio.pause();
    cancelAnimationFrame(this.#frame);
    this.audio.removeAttribute("src");
    this.#free();
  }

  protected ended(): void {
    this.playing = false;
  }

  /** Takes the place from what is played. */
  protected tick(): void {
    this.time = this.audio.currentTime;
  }

  #began(): void {
    this.playing = true;
    this.watch();
  }

  #paused(): void {
    this.playing = false;
  }

  /** Reads the place at every frame while something is heard: words are highlighted by it. */
  protected watch(): void {
    cancelAnimationFrame(this.#frame);
    const step = () => {
      this.tick();
      if (this.playing) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  #free(): void {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = null;
  }
}
