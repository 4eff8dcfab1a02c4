// What the studio's routes send and take: generated from the server's OpenAPI document where that tells of it, else by hand.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Session = Schemas["Session"];
export type Model = Schemas["Model"];
export type ModelList = Schemas["ModelList"];
export type Machine = Schemas["Machine"];
export type LoadedModel = Schemas["Loaded"];
export type Pull = Schemas["Pull"];
export type PullList = Schemas["PullList"];
export type MemoryAt = Schemas["MemoryAt"];
export type ModelDetails = Schemas["ModelDetails"];
export type Setting = Schemas["Setting"];
export type SystemInfo = Schemas["System"];
export type ModelStats = Schemas["ModelStats"];
export type Stats = Schemas["Stats"];
export type Key = Schemas["ApiKey"];
export type NewKey = Schemas["NewKey"];
export type MadeKey = Schemas["MadeKey"];

export interface Parameters {
  temperature?: number;
  top_k?: number;
  top_p?: number;
  min_p?: number;
  repetition_penalty?: number;
  max_tokens?: number;
  seed?: number;
  reasoning?: "on" | "off";
  stop?: string[];
}

export interface Conversation {
  id: string;
  title: string;
  folder: string | null;
  pinned: boolean;
  created: string;
  updated: string;
  model: string | null;
  system: string | null;
  parameters: Parameters;
  head: string | null;
}

export interface FoundConversation extends Conversation {
  /** Words around a hit, with U+0001 and U+0002 about what was searched. */
  snippet: string | null;
}

export interface Folder {
  name: string;
  count: number;
}

export interface ConversationPage {
  conversations: FoundConversation[];
  folders: Folder[];
  next: string | null;
}

export type MessageState = "complete" | "running" | "stopped" | "interrupted" | "failed";

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

export interface Usage {
  prompt_tokens: number;
  cached_tokens: number;
  generated_tokens: number;
  reasoning_tokens: number;
}

export interface Timings {
  first_token_ms: number;
  prefill_ms: number;
  decode_ms: number;
}

export interface Message {
  id: string;
  parent: string | null;
  role: "user" | "assistant";
  content: string;
  reasoning: string | null;
  tool_calls: ToolCall[];
  model: string | null;
  created: string;
  state: MessageState;
  error: string | null;
  finish_reason: string | null;
  usage: Usage | null;
  timings: Timings | null;
}

export interface Preset {
  name: string;
  model: string | null;
  system: string | null;
  parameters: Parameters;
}

export interface ContextCount {
  prompt_tokens: number | null;
  context: number | null;
}

export interface ImportReport {
  imported: number;
  skipped: { title: string; why: string }[];
}

/** What GET /events tells of, by event name. */
export interface HubEvents {
  conversation: { id: string; change: "created" | "updated" | "deleted" | "restored" };
  answer: { conversation: string; message: string; state: MessageState };
  pull: Pull;
  models: Record<string, never>;
}
