// The microphone: asked for when it is needed, given back when it is not, and every way in which it can fail told apart.

/** Why there is no sound from the microphone. */
export type Trouble = "insecure" | "unsupported" | "refused" | "missing" | "busy";

/** What a person can do about it. */
export const TROUBLES: Record<Trouble, { title: string; text: string }> = {
  insecure: {
    title: "The microphone needs a secure address",
    text: "Browsers give it only to pages over HTTPS, or from this very machine (localhost). Whoever runs the server can give it a certificate with --tls-cert and --tls-key.",
  },
  unsupported: { title: "This browser records no sound", text: "A current Chrome, Edge, Firefox or Safari does." },
  refused: {
    title: "The microphone is blocked",
    text: "This page may not use it. Allow it in the browser's settings for this page, beside its address, and try again.",
  },
  missing: { title: "No microphone was found", text: "Connect one, or choose one in the system's settings, and try again." },
  busy: { title: "The microphone cannot be used", text: "Another program holds it, or the system has switched it off. Free it and try again." },
};

/** The formats that a browser may record in; the first that it knows is taken. */
const KINDS = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus", "audio/webm"];

/** How loud speech is, roughly, in decibels below full scale. */
const QUIET = -60;
const LOUD = -12;

export class NoMicrophone extends Error {
  override readonly name = "NoMicrophone";
  constructor(readonly trouble: Trouble) {
    super(TROUBLES[trouble].text);
  }
}

export class Recorder {
  state = $state<"idle" | "asking" | "recording">("idle");
  /** How loud it is now, 0 to 1. */
  level = $state(0);
  /** Seconds recorded. */
  seconds = $state(0);
  /** Called when the recording ended by itself: the microphone was unplugged, or its permission taken back. */
  onlost: (() => void) | null = null;
  #stream: MediaStream | null = null;
  #recorder: MediaRecorder | null = null;
  #parts: Blob[] = [];
  #context: AudioContext | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #turn = 0;

  /** Begins to record. Throws NoMicrophone when it cannot. */
  async start(): Promise<void> {
    if (this.state !== "idle") return;
    const turn = ++this.#turn;
    this.state = "asking";
    try {
      const stream = await microphone();
      // Given up while the browser was asking.
      if (turn !== this.#turn) {
        stream.getTracks().forEach((track) => track.stop());
        return;
      }
      this.#begin(stream);
    } catch (error) {
      if (turn === this.#turn) this.#free();
      throw error;
    }
  }

  #begin(stream: MediaStream): void {
    this.#stream = stream;
    stream.getAudioTracks()[0]?.addEventListener("ended", () => this.onlost?.());
    this.#record(stream);
    this.#measure(stream);
    this.state = "recording";
  }

  #record(stream: MediaStream): void {
    const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
    const recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
    this.#recorder = recorder;
    const parts: Blob[] = [];
    this.#parts = parts;
    recorder.ondataavailable = ({ data }) => {
      if (data.size > 0) parts.push(data);
    };
    recorder.start(1000);
  }

  #measure(stream: MediaStream): void {
    this.#context = new AudioContext();
    const analyser = new AnalyserNode(this.#context, { fftSize: 1024 });
    this.#context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const began = performance.now();
    this.seconds = 0;
    this.#timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      const decibels = 10 * Math.log10(power + 1e-12);
      this.level = Math.max(0, Math.min(1, (decibels - QUIET) / (LOUD - QUIET)));
      this.seconds = (performance.now() - began) / 1000;
    }, 50);
  }

  /** Ends the recording and gives it. */
  async stop(): Promise<Blob> {
    const sound = await this.#end();
    this.#free();
    return sound;
  }

  /** Gives what was recorded so far, and goes on with a new recording. */
  async take(): Promise<Blob> {
    const sound = await this.#end();
    if (this.#stream) this.#record(this.#stream);
    return sound;
  }

  async #end(): Promise<Blob> {
    const recorder = this.#recorder;
    const parts = this.#parts;
    if (recorder && recorder.state !== "inactive") {
      const stopped = new Promise((done) => recorder.addEventListener("stop", done, { once: true }));
      recorder.stop();
      await stopped;
    }
    return new Blob(parts, { type: recorder?.mimeType ?? "" });
  }

  /** Throws away what was recorded. */
  cancel(): void {
    this.#turn += 1;
    if (this.#recorder && this.#recorder.state !== "inactive") this.#recorder.stop();
    this.#free();
  }

  #free(): void {
    clearInterval(this.#timer);
    this.#stream?.getTracks().forEach((track) => track.stop());
    void this.#context?.close();
    this.#stream = null;
    this.#recorder = null;
    this.#context = null;
    this.#parts = [];
    this.level = 0;
    this.state = "idle";
  }
}

async function microphone(): Promise<MediaStream> {
  if (!window.isSecureContext) throw new NoMicrophone("insecure");
  if (!navigator.mediaDevices?.getUserMedia || typeof MediaRecorder === "undefined") throw new NoMicrophone("unsupported");
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (name === "NotAllowedError" || name === "SecurityError") throw new NoMicrophone("refused");
    if (name === "NotFoundError" || name === "OverconstrainedError") throw new NoMicrophone("missing");
    throw new NoMicrophone("busy");
  }
}
