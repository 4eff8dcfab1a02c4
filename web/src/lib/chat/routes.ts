// The routes of conversations, answers and presets, typed.
import { api, path, url } from "../api/client";
import type { ContextCount, Conversation, ConversationPage, ImportReport, Message, Parameters, Preset } from "../api/types";

/** What can be changed of a conversation. */
export interface ConversationChange {
  title?: string;
  folder?: string | null;
  pinned?: boolean;
  model?: string | null;
  system?: string | null;
  parameters?: Parameters;
  head?: string;
}

const CONVERSATIONS = "/conversations";

/** Conversations and their messages. */
export const conversations = {
  list: (query: { query?: string; folder?: string; limit?: number; before?: string }, signal?: AbortSignal) =>
    api.get<ConversationPage>(CONVERSATIONS, query, signal),
  create: (body: Omit<ConversationChange, "pinned" | "head">) => api.post<Conversation>(CONVERSATIONS, body),
  read: (id: string) => api.get<{ conversation: Conversation; messages: Message[] }>(CONVERSATIONS + path(id)),
  change: (id: string, body: ConversationChange) => api.patch<Conversation>(CONVERSATIONS + path(id), body),
  delete: (id: string) => api.delete(CONVERSATIONS + path(id)),
  restore: (id: string) => api.post<Conversation>(`${CONVERSATIONS}${path(id)}/restore`),
  say: (id: string, parent: string | null, content: string) =>
    api.post<Message>(`${CONVERSATIONS}${path(id)}/messages`, { parent, content }),
  answer: (id: string, body: { parent: string; model?: string; head?: boolean }) =>
    api.post<Message>(`${CONVERSATIONS}${path(id)}/answers`, body),
  context: (id: string, body: { parent: string | null; content?: string; model?: string; system?: string }, signal?: AbortSignal) =>
    api.post<ContextCount>(`${CONVERSATIONS}${path(id)}/context`, body, signal),
  import: (file: Blob) => api.post<ImportReport>(`${CONVERSATIONS}/import`, file),
  exportAll: () => url(`${CONVERSATIONS}/export`),
  exportOne: (id: string, format: "json" | "markdown") => url(`${CONVERSATIONS}${path(id)}/export`, { format }),
};

/** Answers under way. */
export const answers = {
  events: (message: string) => `/answers${path(message)}/events`,
  stop: (message: string) => api.post<Message>(`/answers${path(message)}/stop`),
};

/** Settings kept under a name. */
export const presets = {
  list: () => api.get<{ presets: Preset[] }>("/presets"),
  save: (preset: Preset) =>
    api.put<Preset>(`/presets${path(preset.name)}`, { model: preset.model, system: preset.system, parameters: preset.parameters }),
  delete: (name: string) => api.delete(`/presets${path(name)}`),
};
