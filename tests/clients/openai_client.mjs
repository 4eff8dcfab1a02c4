// The official `openai` package of npm against a running server: PARASOL_URL is its base address, PARASOL_MODEL the model.

import assert from "node:assert/strict";
import test from "node:test";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { BOTH_NUMBERS, KEY, LONG, MODEL, TOO_LONG, URL, assertAtWork, assertIdle } from "./running_server.mjs";

const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0 });
const HELLO = [{ role: "user", content: "Say hello." }];
const WEATHER = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather of a city",
    strict: true,
    parameters: {
      type: "object",
      properties: { city: { type: "string", maxLength: 20 } },
      required: ["city"],
      additionalProperties: false,
    },
  },
};
const Person = z.object({ name: z.string().max(12), age: z.number().int().min(0).max(99) });

const ask = (fields = {}, options = {}) =>
  client.chat.completions.create({ model: MODEL, messages: HELLO, max_completion_tokens: 16, ...fields }, options);

test("plain", async () => {
  const answer = await ask();
  assert.ok(answer.choices[0].message.content && answer._request_id);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test("streamed says what the whole says", async () => {
  await ask({ temperature: 0 }); // From here on the prompt is in the cache: how it is cut into batches can tip the scales.
  const whole = await ask({ temperature: 0 });
  let text = "";
  for await (const chunk of await ask({ temperature: 0, stream: true })) text += chunk.choices[0]?.delta.content ?? "";
  assert.equal(text, whole.choices[0].message.content);
});

test("a forced tool and its result", async () => {
  const question = [{ role: "user", content: "What is the weather in Oslo?" }];
  const forced = { tools: [WEATHER], tool_choice: { type: "function", function: { name: "weather" } } };
  const { message } = (await ask({ messages: question, ...forced, max_completion_tokens: 200 })).choices[0];
  const [call] = message.tool_calls;
  assert.equal(typeof JSON.parse(call.function.arguments).city, "string");
  const messages = [...question, message, { role: "tool", tool_call_id: call.id, content: "rain" }];
  const last = await ask({ messages, tools: [WEATHER], tool_choice: "none" });
  assert.ok(last.choices[0].message.content);
});

test("a streamed tool", async () => {
  const stream = client.chat.completions.stream({
    model: MODEL, messages: HELLO, tools: [WEATHER], tool_choice: "required", max_completion_tokens: 200,
  });
  const [choice] = (await stream.finalChatCompletion()).choices;
  assert.equal(choice.finish_reason, "tool_calls");
  assert.deepEqual(Object.keys(JSON.parse(choice.message.tool_calls[0].function.arguments)), ["city"]);
});

test("structured output", async () => {
  const answer = await client.chat.completions.parse({
    model: MODEL, messages: HELLO, response_format: zodResponseFormat(Person, "person"), max_completion_tokens: 200,
  });
  Person.parse(answer.choices[0].message.parsed);
});

test("models", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.includes(MODEL));
  assert.equal((await client.models.retrieve(MODEL)).object, "model");
});

test("errors", async () => {
  await assert.rejects(ask({ model: "no-such-model" }), (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found");
  const long = [{ role: "user", content: TOO_LONG }];
  await assert.rejects(ask({ messages: long }), (e) => e.code === "context_length_exceeded" && BOTH_NUMBERS.test(e.message));
  await assert.rejects(ask({ messages: long, stream: true }), (e) => e.status === 400 && BOTH_NUMBERS.test(e.message));
  await assert.rejects(ask({ frobnicate: 1 }), (e) => e.status === 400 && e.param === "frobnicate");
  await assert.rejects(ask({ temperature: -1 }), (e) => e.status === 400 && e.param === "temperature");
});

test("a cancelled stream stops the work", async () => {
  const stream = await ask({ messages: [{ role: "user", content: LONG }], max_completion_tokens: 4000, temperature: 0, stream: true });
  for await (const chunk of stream) {
    if (!chunk.choices[0]?.delta.content) continue; // The first chunk comes before the first token is computed.
    await assertAtWork();
    break;
  }
  await assertIdle();
  const controller = new AbortController();
  const whole = ask({ messages: [{ role: "user", content: LONG }], max_completion_tokens: 4000, temperature: 0 }, { signal: controller.signal });
  setTimeout(() => controller.abort(), 500);
  await assert.rejects(whole, OpenAI.APIUserAbortError);
  await assertIdle();
});

test("many at once", async () => {
  const each = (n) => ask({ messages: [{ role: "user", content: `Count to ${n}.` }] });
  const answers = await Promise.all(Array.from({ length: 16 }, (_, n) => each(n)));
  assert.ok(answers.every((answer) => answer.usage.completion_tokens > 0));
  await assertIdle();
});

test("responses", async () => {
  const first = await client.responses.create({ model: MODEL, input: "Say hello.", max_output_tokens: 16 });
  assert.ok(first.output_text);
  const stream = client.responses.stream({ model: MODEL, input: "And again.", max_output_tokens: 16, previous_response_id: first.id });
  const second = await stream.finalResponse();
  assert.ok(second.output_text && second.previous_response_id === first.id);
  assert.equal((await client.responses.retrieve(second.id)).output_text, second.output_text);
  await client.responses.delete(second.id);
  await assert.rejects(client.responses.retrieve(second.id), OpenAI.NotFoundError);
});
