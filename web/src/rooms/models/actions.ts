// What a person does to a model, with its questions and its notices. Failures are told in the server's words.
import { api, ApiError, path, type Model, type Pull } from "$lib/api";
import { fresh } from "$lib/chat/draft.svelte";
import { router } from "$lib/router";
import type { ModelDetails } from "$lib/api/types";
import { ask, toasts } from "$lib/ui";
import { store } from "./store.svelte";

const route = (name: string, verb = "") => `/models${path(name)}${verb}`;

/** Runs an action; true when it went well. What has changed is read again either way. */
async function attempt(action: () => Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await action();
    if (done) toasts.say(done);
    return true;
  } catch (error) {
    toasts.fail(error);
    return false;
  } finally {
    await store.read();
  }
}

export const load = (model: Model) => attempt(() => api.post(route(model.name, "/load")), `${model.title} is loaded.`);
export const unload = (model: Model) => attempt(() => api.post(route(model.name, "/unload")), `${model.title} gave its memory back.`);
export const pin = (model: Model, pinned: boolean) =>
  attempt(() => api.post(route(model.name, "/pin"), { pinned }), pinned ? `${model.title} stays loaded.` : `${model.title} may give way to others again.`);

/** Asks, then removes the file. */
export async function remove(model: Model): Promise<boolean> {
  const sure = await ask.confirm({
    title: `Remove ${model.title}?`,
    text: "Its file goes from this machine. Conversations with it stay, and you can pull it again.",
    action: "Remove",
    danger: true,
  });
  return sure && attempt(() => api.delete(route(model.name)), `${model.title} is removed.`);
}

function accept(name: string, licence: string | null, url?: string | null): Promise<boolean> {
  return ask.confirm({
    title: "Accept the licence?",
    text: `${name} comes under ${licence ? `the terms “${licence}”` : "terms of its own"}. Its makers ask that you read and accept them before it is fetched${url ? `: ${url}` : ""}. They are kept beside the model.`,
    action: "Accept and pull",
  });
}

/** Opens a new chat with this model. */
export function chat(name: string): void {
  fresh.choose(name);
  router.go("/");
}

/** Starts to fetch a model, asking for its licence first where its makers want that. Gives the error's words when refused. */
export async function pull(name: string, model?: Model): Promise<string | null> {
  let accepted = false;
  if (model?.licence_asks) {
    accepted = await accept(model.title, model.licence, (model as ModelDetails).licence_url);
    if (!accepted) return null;
  }
  try {
    store.take(await start(name, accepted));
    return null;
  } catch (error) {
    if (!accepted && error instanceof ApiError && error.code.includes("licen") && (await accept(name, null))) {
      return start(name, true).then(
        (begun) => (store.take(begun), null),
        (again: unknown) => told(again),
      );
    }
    return told(error);
  }
}

function start(model: string, accept_licence: boolean): Promise<Pull> {
  return api.post<Pull>("/pulls", { model, accept_licence });
}

function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function turn(pull: Pull, verb: "pause" | "resume"): Promise<void> {
  try {
    const now = await api.post<Pull | undefined>(`/pulls${path(pull.id)}/${verb}`);
    if (now?.id) store.take(now);
  } catch (error) {
    toasts.fail(error);
  }
}

export const pause = (pull: Pull) => turn(pull, "pause");
export const resume = (pull: Pull) => turn(pull, "resume");

/** Ends a pull for good; what was fetched goes too, so a long one is asked about. */
export async function cancel(pull: Pull): Promise<void> {
  if (pull.done > 50_000_000 && pull.state !== "done") {
    const sure = await ask.confirm({ title: `Stop fetching ${pull.model}?`, text: "What was fetched so far is thrown away. To go on later, pause it instead.", action: "Stop and throw away", danger: true });
    if (!sure) return;
  }
  try {
    await api.delete(`/pulls${path(pull.id)}`);
    store.forget(pull.id);
  } catch (error) {
    toasts.fail(error);
  }
  await store.read();
}
