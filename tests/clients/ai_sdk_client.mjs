// Vercel's `ai` SDK against a running server, through its provider for OpenAI-compatible servers and through OpenAI's own:
// PARASOL_URL is the server's base address, PARASOL_MODEL the model.

import assert from "node:assert/strict";
import test from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { BOTH_NUMBERS, KEY, LONG, MODEL, TOO_LONG, URL, assertAtWork, assertIdle } from "./running_server.mjs";

const compatible = createOpenAICompatible({
  name: "parasol", baseURL: `${URL}/v1`, apiKey: KEY, includeUsage: true, supportsStructuredOutputs: true,
});
const own = createOpenAI({ baseURL: `${URL}/v1`, apiKey: KEY });
const city = z.object({ city: z.string().max(20) });
const weather = tool({
  description: "The weather of a city", inputSchema: city, execute: async ({ city }) => `rain in ${city}`,
});
const person = z.object({ name: z.string().max(12), age: z.number().int().min(0).max(99) });

for (const [name, provider] of [
  ["compatible", compatible],
  ["openai chat", { chatModel: own.chat }],
  ["openai responses", { chatModel: own.responses }],
]) {
  const model = provider.chatModel(MODEL);
  const usual = { model, maxOutputTokens: 32, maxRetries: 0 };

  test(`${name}: plain and streamed`, async () => {
    const asked = { ...usual, system: "Be brief.", prompt: "Say hello." };
    // Asked twice, so that both find the prompt in the cache: how it is cut into batches can tip the scales between words.
    await generateText({ ...asked, temperature: 0 });
    const whole = await generateText({ ...asked, temperature: 0 });
    assert.ok(whole.text && whole.usage.outputTokens > 0);
    const stream = streamText({ ...asked, temperature: 0 });
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    assert.equal(text, whole.text);
    assert.equal((await stream.usage).outputTokens, whole.usage.outputTokens);
    assert.equal(await stream.finishReason, whole.finishReason);
  });

  test(`${name}: a forced tool, run by the SDK, and its result sent back`, async () => {
    const steps = await generateText({
      ...usual, prompt: "What is the weather in Oslo?", maxOutputTokens: 200, tools: { weather }, stopWhen: stepCountIs(2),
      prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? { type: "tool", toolName: "weather" } : "none" }),
    });
    assert.equal(steps.steps.length, 2);
    assert.ok(steps.steps[0].toolResults[0].output.startsWith("rain in "));
    const stream = streamText({ ...usual, prompt: "Weather in Oslo?", maxOutputTokens: 200, tools: { weather }, toolChoice: "required" });
    const [call] = await stream.toolCalls;
    city.parse(call.input);
  });

  test(`${name}: structured output`, async () => {
    const { object } = await generateObject({ ...usual, schema: person, prompt: "Invent a person.", maxOutputTokens: 200 });
    person.parse(object);
    const stream = streamText({
      ...usual, output: Output.object({ schema: person }), prompt: "Invent a person.", maxOutputTokens: 200,
    });
    person.parse(await stream.output);
  });

  test(`${name}: errors`, async () => {
    const refused = (status, says) => (e) => APICallError.isInstance(e) && e.statusCode === status && says.test(e.message);
    const nowhere = { ...usual, model: provider.chatModel("no-such-model"), prompt: "Hi" };
    await assert.rejects(generateText(nowhere), refused(404, /no-such-model/));
    await assert.rejects(generateText({ ...usual, prompt: TOO_LONG }), refused(400, BOTH_NUMBERS));
    await assert.rejects(generateText({ ...usual, prompt: "Hi", temperature: -1 }), refused(400, /temperature/));
  });

  test(`${name}: a cancelled stream stops the work`, async () => {
    const controller = new AbortController();
    const stream = streamText({ ...usual, prompt: LONG, maxOutputTokens: 4000, temperature: 0, abortSignal: controller.signal, onError: () => {} });
    for await (const _ of stream.textStream) {
      await assertAtWork();
      controller.abort();
      break;
    }
    await assertIdle();
  });

  test(`${name}: many at once`, async () => {
    const each = (n) => generateText({ ...usual, prompt: `Count to ${n}.`, maxOutputTokens: 8 });
    const answers = await Promise.all(Array.from({ length: 16 }, (_, n) => each(n)));
    assert.ok(answers.every((answer) => answer.usage.outputTokens > 0));
    await assertIdle();
  });
}
