// What the models, system and settings rooms read from the server, as its OpenAPI document tells; the rest is in types.ts.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type MemoryAt = Schemas["MemoryAt"];
export type ModelDetails = Schemas["ModelDetails"];
export type Setting = Schemas["Setting"];
export type SystemInfo = Schemas["System"];
export type ModelStats = Schemas["ModelStats"];
export type Stats = Schemas["Stats"];
export type Key = Schemas["ApiKey"];
export type NewKey = Schemas["NewKey"];
export type MadeKey = Schemas["MadeKey"];
