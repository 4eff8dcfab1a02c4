// The models that can chat, for the picker: read once, read again when something was loaded, fetched or removed.
import { api, hub, type Model, type ModelList } from "$lib/api";

class ChatModels {
  all = $state.raw<Model[]>([]);
  state = $state<"starting" | "ready" | "failed">("starting");
  /** Those that can be asked now. */
  readonly ready = $derived(this.all.filter((model) => (model.installed || model.remote) && canChat(model)));
  /** What is asked when nobody chose. */
  readonly first = $derived(this.ready.find((model) => model.default) ?? this.ready.find((model) => model.loaded) ?? this.ready[0] ?? null);

  start(): () => void {
    void this.read();
    const ends = [
      hub.on("models", () => void this.read()),
      hub.on("pull", (pull) => {
        if (pull.state === "done") void this.read();
      }),
      hub.onAgain(() => void this.read()),
    ];
    return () => ends.forEach((end) => end());
  }

  async read(): Promise<void> {
    try {
      this.all = (await api.get<ModelList>("/models")).models;
      this.state = "ready";
    } catch {
      // The banner says that the server is gone; what was read before stays.
      if (this.state === "starting") this.state = "failed";
    }
  }

  named(name: string | null): Model | undefined {
    return this.all.find((model) => model.name === name);
  }
}

function canChat(model: Model): boolean {
  return model.capabilities.length === 0 || model.capabilities.includes("chat");
}

/** A model's short name for tight places. */
export function shortName(model: Model | undefined, name: string | null): string {
  return model?.title || name?.split("/").at(-1) || "No model";
}

/** The page's one list of models to chat with. */
export const models = new ChatModels();
