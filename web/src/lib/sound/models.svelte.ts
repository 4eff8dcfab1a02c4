// Which models speak and listen here, and which the person chose.
import { api, type Model, type SoundModels } from "$lib/api";
import { models } from "$lib/chat/models.svelte";
import { keep, read } from "../prefs/kept";

export type Kind = "speak" | "listen";

const CAPABILITY: Record<Kind, string> = { speak: "speak", listen: "transcribe" };
const CHOSEN: Record<Kind, string> = { speak: "parasol.voice.model", listen: "parasol.ears.model" };
const VOICE = "parasol.voice.name";
const PACE = "parasol.voice.speed";

/** The paces that are offered; the server takes any from a quarter to four times. */
export const PACES = { least: 0.5, most: 2, step: 0.05 } as const;

class Sound {
  #defaults = $state.raw<SoundModels | null>(null);
  #chosen = $state<Record<Kind, string | null>>({ speak: read(CHOSEN.speak), listen: read(CHOSEN.listen) });
  voice = $state<string | null>(read(VOICE));
  speed = $state(pace(read(PACE)));
  readonly ready = $derived(this.#defaults !== null && models.state === "ready");
  readonly failed = $derived(models.state === "failed");

  /** Reads what there is, and again when that changes. */
  start(): () => void {
    void this.read();
    return models.start();
  }

  async read(): Promise<void> {
    try {
      this.#defaults ??= await api.get<SoundModels>("/sound");
      if (models.state !== "ready") await models.read();
    } catch {
      // Whoever needs it says that nothing is known; the next opening asks again.
    }
  }

  /** Those that can be asked now. */
  all(kind: Kind): Model[] {
    return models.all.filter((model) => (model.installed || model.remote) && model.capabilities.includes(CAPABILITY[kind]));
  }

  /** The one that is asked. */
  model(kind: Kind): Model | null {
    const all = this.all(kind);
    const named = (name: string | null | undefined) => all.find((model) => model.name === name);
    return named(this.#chosen[kind]) ?? named(this.#defaults?.[kind]) ?? all[0] ?? null;
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

  chooseVoice(name: string | null): void {
    this.voice = name;
    keep(VOICE, name);
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
