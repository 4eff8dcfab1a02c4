// Turns the first words into a conversation: makes it, says them, asks for an answer.
import type { Conversation, Message } from "../api/types";
import { router } from "../router";
import { toasts } from "../ui/toasts.svelte";
import { fresh } from "./draft.svelte";
import { rivals } from "./rivals.svelte";
import { conversations } from "./routes";

/** True when the conversation exists and its address is open. */
export async function begin(content: string, models: string[]): Promise<boolean> {
  let made: Conversation | null = null;
  let said: Message | null = null;
  try {
    const { system, parameters, folder } = fresh;
    made = await conversations.create({ model: models[0] ?? null, system, parameters, folder });
    said = await conversations.say(made.id, null, content);
    for (const [index, model] of (models.length > 0 ? models : [undefined]).entries()) {
      await conversations.answer(made.id, { parent: said.id, model, ...(index > 0 ? { head: false } : {}) });
    }
  } catch (error) {
    toasts.fail(error);
    if (!made) return false;
    if (!said) {
      // Nothing was said in it: it need not be there.
      await conversations.delete(made.id).catch(() => {});
      return false;
    }
    // What was said is kept; the conversation offers to ask for the answer again.
  }
  fresh.clear();
  rivals.choose(made.id, models[1] ?? null);
  router.go(`/c/${made.id}`);
  return true;
}
