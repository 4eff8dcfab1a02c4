// What the studio's routes send and take: generated from the server's OpenAPI document; what its events hold, by hand.
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
export type UsageReport = Schemas["UsageReport"];
export type Spent = Schemas["Spent"];
export type BudgetState = Schemas["BudgetState"];
export type Key = Schemas["ApiKey"];
export type NewKey = Schemas["NewKey"];
export type MadeKey = Schemas["MadeKey"];

export type Parameters = Schemas["Parameters"];
export type Conversation = Schemas["Conversation"];
export type FoundConversation = Schemas["FoundConversation"];
export type Folder = Schemas["Folder"];
export type ConversationPage = Schemas["ConversationPage"];
export type MessageState = Schemas["MessageState"];
export type ToolCall = Schemas["ToolCall"];
export type Usage = Schemas["AnswerUsage"];
export type Timings = Schemas["AnswerTimings"];
export type Message = Schemas["Message"];
export type Preset = Schemas["Preset"];
export type ContextCount = Schemas["ContextCount"];
export type ImportReport = Schemas["ImportReport"];
export type SoundModels = Schemas["SoundModels"];
export type VoiceList = Schemas["VoiceList"];
export type AddedVoice = Schemas["AddedVoice"];
export type AddedVoices = Schemas["AddedVoices"];
export type VoiceName = Schemas["VoiceName"];

/** What GET /events tells of, by event name. */
export interface HubEvents {
  conversation: { id: string; change: "created" | "updated" | "deleted" | "restored" | "imported" };
  answer: { conversation: string; message: string; state: MessageState };
  pull: Pull;
  models: Record<string, never>;
}

/** What POST /speech tells of, by event name. */
export interface SpeechEvents {
  started: { rate: number; total: number };
  /** 16-bit numbers as base64, and how many bytes of the text are said with them. */
  audio: { pcm: string; done: number };
  done: { seconds: number; unspoken: string };
  error: { message: string };
}

/** A word that was heard, with its space and punctuation; times in seconds. */
export interface SpokenWord {
  word: string;
  start: number;
  end: number;
}

/** Words that belong together. */
export interface SpokenSegment {
  start: number;
  end: number;
  text: string;
  words: SpokenWord[];
}

/** What POST /transcriptions tells of, by event name. */
export interface TranscriptEvents {
  started: { language: string | null; duration: number | null };
  progress: { done: number; total: number | null };
  segment: SpokenSegment;
  done: { seconds: number };
  error: { message: string };
}
