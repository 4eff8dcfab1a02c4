// Transcripts as files: SubRip, WebVTT (https://www.w3.org/TR/webvtt1/), plain text and JSON, as the server's own `transcribe` writes them.
import type { SpokenSegment } from "../api/types";
import { textOf } from "./transcribe";

export type Form = "srt" | "vtt" | "txt" | "json";

export const FORMS: Record<Form, { name: string; type: string }> = {
  srt: { name: "SubRip (.srt)", type: "application/x-subrip" },
  vtt: { name: "WebVTT (.vtt)", type: "text/vtt" },
  txt: { name: "Text (.txt)", type: "text/plain" },
  json: { name: "JSON with the time of each word (.json)", type: "application/json" },
};

export function written(segments: readonly SpokenSegment[], form: Form): string {
  if (form === "srt") return segments.map(({ start, end, text }, index) => `${index + 1}\n${time(start, ",")} --> ${time(end, ",")}\n${line(text)}\n\n`).join("");
  if (form === "vtt") return `WEBVTT\n\n${segments.map(({ start, end, text }) => `${time(start, ".")} --> ${time(end, ".")}\n${escaped(line(text))}\n\n`).join("")}`;
  if (form === "txt") return segments.map(({ text }) => `${line(text)}\n`).join("");
  return `${JSON.stringify({ text: textOf(segments), segments }, null, 2)}\n`;
}

/** One line without what separates cues. */
function line(text: string): string {
  return text.trim().split(/\s+/).join(" ").replaceAll("-->", "→");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function time(seconds: number, point: string): string {
  const all = Math.round(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(Math.floor(all / 3_600_000))}:${two(Math.floor(all / 60_000) % 60)}:${two(Math.floor(all / 1000) % 60)}${point}${String(all % 1000).padStart(3, "0")}`;
}
