// Turns the first words into a conversation: makes it, says them, asks for an answer.
import { router } from "../router";
import { toasts } from "../ui/toasts.svelte";
import { fresh } from "./draft.svelte";
import { rivals } from "./rivals.svelte";
import { conversations } from "./routes";

/** True when the conversation exists and its address is open. */
export async function begin(content: string, models: string[]): Promise<boolean> {
  try {
    const { system, parameters, folder } = fresh;
    const made = await conversations.create({ model: models[0] ?? null, system, parameters, folder });
    const said = await conversations.say(made.id, null, content);
    for (const [index, model] of (models.length > 0 ? models : [undefined]).entries()) {
      await conversations.answer(made.id, { parent: said.id, model, ...(index > 0 ? { head: false } : {}) });
    }
    fresh.clear();
    rivals.choose(made.id, models[1] ?? null);
    router.go(`/c/${made.id}`);
    return true;
  } catch (error) {
    toasts.fail(error);
    return false;
  }
}
