// Which models speak and listen here, and which the person chose.
import { api, type Model, type SoundModels } from "$lib/api";
import { models } from "$lib/chat/models.svelte";
import { keep, read } from "../prefs/kept";

export type Kind = "speak" | "listen";

const CAPABILITY: Record<Kind, string> = { speak: "speak", listen: "transcribe" };
const CHOSEN: Record<Kind, string> = { speak: "parasol.voice.model", listen: "parasol.ears.model" };
const VOICE = "parasol.voice.name";
const VOICE_OF = "parasol.voice.of";
const PACE = "parasol.voice.speed";

/** The paces that are offered; the server takes any from a quarter to four times. */
export const PACES = { least: 0.5, most: 2, step: 0.05 } as const;

class Sound {
  #defaults = $state.raw<SoundModels | null>(null);
  #chosen = $state<Record<Kind, string | null>>({ speak: read(CHOSEN.speak), listen: read(CHOSEN.listen) });
  #voice = $state<string | null>(read(VOICE));
  #voiceOf = $state<string | null>(read(VOICE_OF));
  #unread = $state(false);
  speed = $state(pace(read(PACE)));
  readonly ready = $derived(this.#defaults !== null && models.state === "ready");
  readonly failed = $derived(models.state === "failed" || this.#unread);

  /** Reads what there is, and again when that changes. */
  start(): () => void {
    void this.read();
    return models.start();
  }

  async read(): Promise<void> {
    try {
      this.#defaults ??= await api.get<SoundModels>("/sound");
      this.#unread = false;
      if (models.state !== "ready") await models.read();
    } catch {
      // Whoever needs it says that nothing is known; the next opening asks again.
      this.#unread = this.#defaults === null;
    }
  }

  /** Those that can be asked now. */
  all(kind: Kind): Model[] {
    return models.all.filter((model) => (model.installed || model.remote) && model.capabilities.includes(CAPABILITY[kind]));
  }

  /** The same, to choose from; those of other servers say so. */
  options(kind: Kind): { value: string; label: string }[] {
    return this.all(kind).map(({ name, title, remote }) => ({ value: name, label: remote ? `${title} (on another server)` : title }));
  }

  /** The one that is asked. */
  model(kind: Kind): Model | null {
    const all = this.all(kind);
    const named = (name: string | null | undefined) => all.find((model) => model.name === name);
    // Somebody else's server hears or reads only what a person gives it by choosing it.
    const here = all.find((model) => !model.remote);
    return named(this.#chosen[kind]) ?? named(this.#defaults?.[kind]) ?? here ?? null;
  }

  /** What may be fetched when there is none. */
  offered(kind: Kind): Model | null {
    return models.named(this.#defaults?.[kind] ?? null) ?? null;
  }

  choose(kind: Kind, name: string | null): void {
    this.#chosen = { ...this.#chosen, [kind]: name };
    keep(CHOSEN[kind], name);
    if (kind === "speak") this.chooseVoice(null);
  }

  /** The voice that was chosen, where the model that it is of is the one that speaks. */
  get voice(): string | null {
    return this.#voice !== null && this.#voiceOf === this.model("speak")?.name ? this.#voice : null;
  }

  chooseVoice(name: string | null): void {
    this.#voice = name;
    this.#voiceOf = name === null ? null : (this.model("speak")?.name ?? null);
    keep(VOICE, this.#voice);
    keep(VOICE_OF, this.#voiceOf);
  }

  setSpeed(speed: number): void {
    this.speed = speed;
    keep(PACE, speed === 1 ? null : String(speed));
  }
}

function pace(kept: string | null): number {
  const value = Number(kept);
  return kept !== null && value >= PACES.least && value <= PACES.most ? value : 1;
}

export const sound = new Sound();
