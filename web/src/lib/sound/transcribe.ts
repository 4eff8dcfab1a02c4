// Writing down what is said: a sound goes to the server, and its words come back with their times while it listens.
import { ApiError, send } from "$lib/api";
import { readEvents } from "../api/sse";
import type { SpokenSegment, TranscriptEvents } from "../api/types";

export interface Wish {
  model: string | null;
  /** What is spoken; null is found out. */
  language?: string | null;
  /** Into English. */
  translate?: boolean;
}

export interface Told {
  started?: (told: TranscriptEvents["started"]) => void;
  progress?: (told: TranscriptEvents["progress"]) => void;
  segment?: (segment: SpokenSegment) => void;
}

/** Gives all segments; throws when the server refuses or breaks off. */
export async function transcribe(sound: Blob, wish: Wish, told: Told, signal: AbortSignal): Promise<SpokenSegment[]> {
  const response = await send("POST", "/transcriptions", {
    query: { model: wish.model, language: wish.language, task: wish.translate ? "translate" : null },
    body: sound,
    signal,
    headers: { accept: "text/event-stream", "content-type": "application/octet-stream" },
  });
  const segments: SpokenSegment[] = [];
  for await (const { event, data } of readEvents(response)) {
    if (event === "started") told.started?.(JSON.parse(data) as TranscriptEvents["started"]);
    else if (event === "progress") told.progress?.(JSON.parse(data) as TranscriptEvents["progress"]);
    else if (event === "segment") {
      const segment = JSON.parse(data) as SpokenSegment;
      segments.push(segment);
      told.segment?.(segment);
    } else if (event === "error") throw new ApiError("transcription", (JSON.parse(data) as TranscriptEvents["error"]).message);
    else if (event === "done") return segments;
  }
  throw new ApiError("broken", "The transcription broke off before its end. Try again.");
}

/** The words of all segments as one text. */
export function textOf(segments: readonly SpokenSegment[]): string {
  return segments.map((segment) => segment.text.trim()).filter(Boolean).join(" ");
}
