// Which models are shown and in which order. Pure, so that it can be tested alone.
import type { Model } from "$lib/api";

export type Place = "all" | "here" | "loaded";

export interface Wanted {
  goal: string | null;
  query: string;
  place: Place;
  /** Only what this machine has the memory for. */
  fitting: boolean;
}

/** What people want to do, as they would say it. Goals that are not in here are shown as the server says them. */
const GOALS: Record<string, string> = {
  chat: "Chat",
  code: "Write code",
  write: "Continue texts",
  listen: "Write down speech",
  speak: "Read aloud",
  search: "Search",
  complete: "Continue texts",
  summarise: "Summarise",
  translate: "Translate",
  reason: "Think through",
  tools: "Use tools",
  small: "Small machines",
};

export function goalName(goal: string): string {
  return GOALS[goal] ?? goal.charAt(0).toUpperCase() + goal.slice(1).replaceAll(/[-_]/g, " ");
}

/** Every goal that some model serves: those with words of ours in their order, then the others. */
export function goals(models: readonly Model[]): string[] {
  const known = Object.keys(GOALS);
  const place = (goal: string) => (known.includes(goal) ? known.indexOf(goal) : known.length);
  return [...new Set(models.flatMap((model) => model.goals))].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

export function choose(models: readonly Model[], want: Wanted): Model[] {
  const words = want.query.toLowerCase().split(/\s+/).filter(Boolean);
  return models
    .filter((model) => want.goal === null || model.goals.includes(want.goal))
    .filter((model) => want.place === "all" || (want.place === "loaded" ? model.loaded !== null : model.installed || model.remote))
    .filter((model) => !want.fitting || model.fits !== "no")
    .filter((model) => {
      const text = [model.name, model.title, model.family, model.description, model.licence ?? "", model.quantisation ?? ""].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort((a, b) => rank(a) - rank(b) || (a.bytes ?? 0) - (b.bytes ?? 0) || a.title.localeCompare(b.title));
}

/** Loaded, then here, then elsewhere; what does not fit comes last. */
function rank(model: Model): number {
  if (model.loaded) return 0;
  if (model.installed) return 1;
  if (model.remote) return 2;
  return model.fits === "no" ? 4 : 3;
}
