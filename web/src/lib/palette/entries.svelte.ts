// What the palette can find: rooms, actions, conversations and models.
import Box from "@lucide/svelte/icons/box";
import Download from "@lucide/svelte/icons/download";
import KeyRound from "@lucide/svelte/icons/key-round";
import Keyboard from "@lucide/svelte/icons/keyboard";
import MessageCircle from "@lucide/svelte/icons/message-circle";
import MemoryStick from "@lucide/svelte/icons/memory-stick";
import Moon from "@lucide/svelte/icons/moon";
import Settings from "@lucide/svelte/icons/settings";
import SquarePen from "@lucide/svelte/icons/square-pen";
import Sun from "@lucide/svelte/icons/sun";
import SunMoon from "@lucide/svelte/icons/sun-moon";
import type { Component } from "svelte";
import { api, path, session, type FoundConversation, type Model, type ModelList } from "$lib/api";
import { fresh } from "$lib/chat/draft.svelte";
import { conversations } from "$lib/chat/routes";
import { ago } from "$lib/format";
import { theme, type Theme } from "$lib/prefs/theme.svelte";
import { router } from "$lib/router";
import { toasts } from "$lib/ui/toasts.svelte";
import { rooms } from "../../rooms";
import { commands } from "./commands.svelte";
import { palette } from "./open.svelte";
import { score } from "./score";

export interface Entry {
  id: string;
  group: "Do" | "Rooms" | "Conversations" | "Models";
  title: string;
  note?: string;
  keys?: string;
  icon?: Component<{ size?: number }>;
  words?: string;
  run: () => void | Promise<void>;
}

class Entries {
  talks = $state.raw<FoundConversation[]>([]);
  models = $state.raw<Model[]>([]);
  /** What the conversations were searched for: their texts fit where their titles do not. */
  searched = $state("");
  #asked = 0;

  async begin(): Promise<void> {
    try {
      this.models = (await api.get<ModelList>("/models")).models;
    } catch {
      // Rooms and actions are there without the server.
    }
  }

  async search(query: string): Promise<void> {
    const asked = ++this.#asked;
    try {
      const page = await conversations.list({ query: query.trim(), limit: 8 });
      if (asked !== this.#asked) return;
      this.talks = page.conversations;
      this.searched = query;
    } catch {
      // As above; what was found before stays.
    }
  }
}

export const entries = new Entries();

const go = (to: string) => () => router.go(to);

function actions(): Entry[] {
  const themes: [Theme, string, Component<{ size?: number }>][] = [
    ["light", "Light theme", Sun],
    ["dark", "Dark theme", Moon],
    ["system", "Theme as the system", SunMoon],
  ];
  const own: Entry[] = [
    { id: "new", group: "Do", title: "New chat", icon: SquarePen, words: "conversation ask start", run: go("/") },
    ...(session.admin
      ? [
          { id: "pull", group: "Do", title: "Pull a model by name", icon: Download, words: "download fetch hugging face hf", run: go("/models?pull") } satisfies Entry,
          { id: "key", group: "Do", title: "Manage keys", icon: KeyRound, words: "api token secret", run: go("/settings#keys") } satisfies Entry,
        ]
      : []),
    { id: "export", group: "Do", title: "Export or import conversations", icon: Download, words: "backup data chatgpt open webui", run: go("/settings#data") },
    ...themes.filter(([value]) => value !== theme.choice).map(([value, title, icon]): Entry => ({ id: `theme-${value}`, group: "Do", title, icon, words: "appearance colour", run: () => theme.set(value) })),
    { id: "keys", group: "Do", title: "Show the keys", icon: Keyboard, keys: "?", words: "keyboard shortcuts help", run: () => palette.open("keys") },
  ];
  const offered = commands.all.map((command): Entry => ({ ...command, id: `offered-${command.id}`, group: "Do" }));
  const titles = new Set(offered.map((entry) => entry.title));
  return [...offered, ...own.filter((entry) => !titles.has(entry.title)), ...entries.models.flatMap(ofModel)];
}

/** What can be done with a model from anywhere. */
function ofModel(model: Model): Entry[] {
  const entry = (verb: string, icon: Component<{ size?: number }>, run: () => void | Promise<void>): Entry => ({ id: `${verb}-${model.name}`, group: "Do", title: `${verb} ${model.title}`, icon, words: model.name, run });
  const send = (verb: "load" | "unload", says: string) => async () => {
    try {
      await api.post(`/models${path(model.name)}/${verb}`);
      toasts.say(says);
    } catch (error) {
      toasts.fail(error);
    }
  };
  const chat = () => {
    fresh.choose(model.name);
    router.go("/");
  };
  const chats = (model.installed || model.remote) && (model.capabilities.length === 0 || model.capabilities.includes("chat"));
  return [
    ...(chats ? [entry("Chat with", MessageCircle, chat)] : []),
    ...(session.admin && model.installed && !model.loaded ? [entry("Load", MemoryStick, send("load", `${model.title} is loaded.`))] : []),
    ...(session.admin && model.installed && model.loaded ? [entry("Unload", MemoryStick, send("unload", `${model.title} gave its memory back.`))] : []),
  ];
}

/** Parts of the settings, found by their names. */
function parts(): Entry[] {
  const all = ["Appearance", "Chat", "Presets", ...(session.admin ? ["Keys", "Server"] : []), "Your data", "About"];
  return all.map((title) => ({ id: `part-${title}`, group: "Rooms", title: `Settings: ${title}`, icon: Settings, run: go(`/settings#${title === "Your data" ? "data" : title.toLowerCase()}`) }));
}

/** What fits, group by group, the best first. */
export function found(query: string): Entry[] {
  const places = rooms.map((room): Entry => ({ id: `room-${room.id}`, group: "Rooms", title: room.title, icon: room.icon as Component<{ size?: number }>, run: go(room.home) }));
  const models = entries.models.map((model): Entry => ({
    id: `model-${model.name}`,
    group: "Models",
    title: model.title,
    note: model.loaded ? "loaded" : model.installed ? "on this machine" : model.remote ? "remote" : undefined,
    words: `${model.name} ${model.family}`,
    icon: Box,
    run: go(`/models${path(model.name)}`),
  }));
  const talks = entries.talks.map((talk): Entry => ({ id: `talk-${talk.id}`, group: "Conversations", title: talk.title || "Untitled", note: ago(talk.updated), icon: MessageCircle, run: go(`/c/${talk.id}`) }));
  const rank = (list: Entry[], most: number) =>
    list
      .map((entry) => ({ entry, points: score(query, `${entry.title} ${entry.words ?? ""}`) }))
      .filter(({ points }) => points > 0)
      .sort((a, b) => b.points - a.points)
      .slice(0, most)
      .map(({ entry }) => entry);
  // The server has searched the texts for just these letters, so what it found fits.
  const fitting = entries.searched === query ? talks : rank(talks, 8);
  if (!query.trim()) return [...rank(actions(), 5), ...places, ...fitting.slice(0, 5)];
  const todo = rank(actions(), 6);
  const where = rank([...places, ...parts()], 4);
  // Who types a room's whole name wants to go there, whatever else begins with it.
  const named = places.some((place) => place.title.toLowerCase() === query.trim().toLowerCase());
  return [...(named ? [...where, ...todo] : [...todo, ...where]), ...fitting, ...rank(models, 6)];
}
