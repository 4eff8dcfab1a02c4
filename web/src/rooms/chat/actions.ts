// What a person does to a conversation, from its row in the list or from the palette, with its questions.
import type { Conversation } from "$lib/api";
import { list } from "$lib/chat/list.svelte";
import { conversations } from "$lib/chat/routes";
import { ask } from "$lib/ui";

export async function rename(item: Conversation): Promise<void> {
  const title = await ask.text({ title: "Rename", action: "Rename", field: { label: "Title", value: item.title } });
  if (title && title !== item.title) await list.change(item.id, { title });
}

export async function move(item: Conversation): Promise<void> {
  const names = list.folders.map((folder) => folder.name);
  const hint = names.length > 0 ? `There are: ${names.join(", ")}` : "A new name makes a new folder.";
  const folder = await ask.text({
    title: "Move to a folder",
    action: "Move",
    field: { label: "Folder", value: item.folder ?? "", hint },
  });
  if (folder) await list.change(item.id, { folder });
}

export const pin = (item: Conversation, pinned: boolean): Promise<void> => list.change(item.id, { pinned });

/** Saves a conversation as a file, as pressing a link would. */
export function save(item: Conversation, format: "json" | "markdown"): void {
  const link = document.createElement("a");
  link.href = conversations.exportOne(item.id, format);
  link.download = "";
  link.click();
}
