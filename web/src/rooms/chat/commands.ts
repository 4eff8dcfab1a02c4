// What the palette offers in the chat room: everything that can be done with the open conversation, and the room's own switches.
import Columns2 from "@lucide/svelte/icons/columns-2";
import Copy from "@lucide/svelte/icons/copy";
import Download from "@lucide/svelte/icons/download";
import FileText from "@lucide/svelte/icons/file-text";
import FolderInput from "@lucide/svelte/icons/folder-input";
import PanelLeft from "@lucide/svelte/icons/panel-left";
import PencilLine from "@lucide/svelte/icons/pencil-line";
import Pin from "@lucide/svelte/icons/pin";
import PinOff from "@lucide/svelte/icons/pin-off";
import RefreshCw from "@lucide/svelte/icons/refresh-cw";
import Search from "@lucide/svelte/icons/search";
import SlidersHorizontal from "@lucide/svelte/icons/sliders-horizontal";
import Square from "@lucide/svelte/icons/square";
import SquarePen from "@lucide/svelte/icons/square-pen";
import Trash2 from "@lucide/svelte/icons/trash-2";
import { list } from "$lib/chat/list.svelte";
import { models } from "$lib/chat/models.svelte";
import { rivals } from "$lib/chat/rivals.svelte";
import type { Thread } from "$lib/chat/thread.svelte";
import type { Command } from "$lib/palette/commands.svelte";
import { router } from "$lib/router";
import { toasts } from "$lib/ui";
import { move, pin, rename, save } from "./actions";
import { layout } from "./layout.svelte";

/** For a conversation, or for a new one. */
export function commandsFor(thread: Thread | null): Command[] {
  return [...ofAnswer(thread), ...own(), ...ofConversation(thread)];
}

function own(): Command[] {
  return [
    { id: "new", title: "New chat", icon: SquarePen, keys: "Ctrl Shift O", words: "conversation ask start", run: () => router.go("/") },
    { id: "tuning", title: "Instructions and settings", icon: SlidersHorizontal, words: "system prompt temperature parameters presets seed", run: () => void (layout.tuning = true) },
    { id: "search", title: "Search conversations", icon: Search, words: "find", run: () => layout.search() },
    { id: "list", title: layout.shown ? "Put the list away" : "Show the list", icon: PanelLeft, keys: "Ctrl Shift S", words: "conversations sidebar drawer", run: () => layout.toggle() },
  ];
}

function ofAnswer(thread: Thread | null): Command[] {
  const last = thread?.path.findLast((message) => message.role === "assistant");
  if (!thread || !last) return [];
  if (thread.running.length > 0) return [{ id: "stop", title: "Stop the answer", icon: Square, keys: "Esc", run: () => thread.stop() }];
  const model = thread.conversation?.model ?? models.first?.name;
  return [
    { id: "again", title: "Answer again", icon: RefreshCw, words: "regenerate retry branch", run: async () => void (await thread.regenerate(last, model ? [model] : [])) },
    { id: "copy", title: "Copy the last answer", icon: Copy, run: () => copy(last.content) },
  ];
}

function ofConversation(thread: Thread | null): Command[] {
  const it = thread?.conversation;
  if (!thread || !it) return [];
  const rival = rivals.second(thread.id);
  const other = models.ready.find((model) => model.name !== it.model);
  return [
    ...(rival !== null || other
      ? [{ id: "compare", title: rival === null ? "Ask two models side by side" : "Ask one model only", icon: Columns2, words: "compare second", run: () => rivals.choose(thread.id, rival === null ? (other?.name ?? null) : null) }]
      : []),
    { id: "rename", title: "Rename this conversation", icon: PencilLine, words: "title", run: () => rename(it) },
    { id: "pin", title: it.pinned ? "Unpin this conversation" : "Pin this conversation", icon: it.pinned ? PinOff : Pin, run: () => pin(it, !it.pinned) },
    { id: "move", title: "Move this conversation to a folder", icon: FolderInput, run: () => move(it) },
    { id: "markdown", title: "Export this conversation as Markdown", icon: FileText, words: "save download md", run: () => save(it, "markdown") },
    { id: "json", title: "Export this conversation as JSON", icon: Download, words: "save download", run: () => save(it, "json") },
    { id: "delete", title: "Delete this conversation", icon: Trash2, words: "remove", run: () => list.delete(it) },
  ];
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toasts.say("Copied.");
  } catch {
    toasts.fail("The browser does not let this page copy. Select the text and copy it yourself.");
  }
}
