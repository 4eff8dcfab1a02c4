// What the models, system and settings rooms read from the server; the rest is in types.ts.
import type { Model } from "./types";

/** How much memory a model takes when its context holds this many tokens. */
export interface MemoryAt {
  context: number;
  bytes: number;
}

export interface ModelDetails extends Model {
  /** Where the terms can be read. */
  licence_url?: string | null;
  architecture: string | null;
  layers: number | null;
  heads: number | null;
  vocabulary: number | null;
  chat_template: string | null;
  digest: string | null;
  path: string | null;
  memory_by_context: MemoryAt[];
}

export interface Setting {
  key: string;
  value: unknown;
  /** Where it was said: a flag, an environment variable, the file, or nowhere (the default). */
  source: string;
  meaning: string;
}

export interface SystemInfo {
  version: string;
  uptime_ms: number;
  cpu: string | null;
  isa: string;
  isas: string[];
  threads: number;
  memory_total?: number;
  memory_free?: number;
  memory_budget?: number;
  /** Bytes each second that all threads together read from memory; null before it was measured. */
  read_bandwidth: number | null;
  /** 8-bit multiply-adds each second, likewise. */
  int8_peak: number | null;
  /** Single precision, likewise. */
  f32_peak?: number | null;
  /** The processor's extensions that matter to models. */
  features?: string[];
  cores?: number | null;
  caches?: { level: number; bytes: number; shared_by: number }[];
  settings: Setting[];
}

export interface ModelStats {
  name: string;
  state?: string;
  running?: number;
  waiting?: number;
  bytes?: number;
  prompt_tokens_per_second?: number;
  generated_tokens_per_second?: number;
}

export interface Stats {
  time: string;
  running: number;
  waiting: number;
  prompt_tokens_per_second: number;
  generated_tokens_per_second: number;
  cached_fraction: number | null;
  memory_used: number;
  memory_budget: number;
  resident: number | null;
  models: ModelStats[];
}

export interface Key {
  id: string;
  name: string;
  admin: boolean;
  created?: string | null;
  /** Whether it has ended. */
  expired?: boolean;
  /** Whether this page is signed in with it. */
  current?: boolean;
  expires?: string | null;
  last_used?: string | null;
  requests_per_minute?: number | null;
  tokens_per_minute?: number | null;
  tokens_per_day?: number | null;
  models?: string[] | null;
}

export interface NewKey {
  name: string;
  admin?: boolean;
  requests_per_minute?: number;
  tokens_per_minute?: number;
  tokens_per_day?: number;
  models?: string[];
  expires?: string;
}

/** A key just made: the only time that its secret is told. */
export interface MadeKey extends Key {
  secret: string;
}
