// Calls and their failures, as the page sees them.
import { afterEach, expect, test, vi } from "vitest";
import { api, ApiError, path, send, url, whenSignedOut } from "../src/lib/api/client";

afterEach(() => vi.unstubAllGlobals());

function answer(status: number, body: string, headers: Record<string, string> = {}): void {
  vi.stubGlobal("fetch", async () => new Response(status === 204 ? null : body, { status, headers }));
}

test("paths and queries are encoded", () => {
  expect(path("models", "org/name:tag")).toBe("/models/org%2Fname%3Atag");
  expect(url("/conversations", { query: "a&b", folder: null, limit: 50, before: "" })).toBe("/api/parasol/conversations?query=a%26b&limit=50");
});

test("the server's own words reach the person", async () => {
  answer(409, '{"error":{"code":"conflict","message":"The model is in use."}}');
  await expect(api.get("/x")).rejects.toMatchObject({ code: "conflict", message: "The model is in use.", status: 409 });
});

test("429 says when to come back", async () => {
  answer(429, '{"error":{"code":"too_many","message":"Slow down."}}', { "retry-after": "7" });
  await expect(api.get("/x")).rejects.toMatchObject({ retryAfter: 7 });
});

test.each([502, 503, 504])("a proxy's %i is a server that is gone", async (status) => {
  answer(status, "<html>Bad Gateway</html>");
  const error = await send("GET", "/x").catch((thrown: ApiError) => thrown);
  expect((error as ApiError).unreachable).toBe(true);
});

test("no answer at all is a server that is gone", async () => {
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("refused")));
  await expect(api.get("/x")).rejects.toMatchObject({ code: "unreachable" });
});

test("an empty answer is nothing, words that are not JSON are an error", async () => {
  answer(204, "");
  expect(await api.delete("/x")).toBeUndefined();
  answer(200, "hello");
  await expect(api.get("/x")).rejects.toMatchObject({ code: "bad_answer" });
});

test("a refusal for want of a session is told, but not by the session itself", async () => {
  const heard = vi.fn();
  whenSignedOut(heard);
  answer(401, '{"error":{"code":"unauthorized","message":"Sign in."}}');
  await expect(api.post("/session", { key: "x" })).rejects.toThrow("Sign in.");
  expect(heard).not.toHaveBeenCalled();
  await expect(api.get("/conversations")).rejects.toThrow("Sign in.");
  expect(heard).toHaveBeenCalledOnce();
});
