// The package ai (Vercel's AI SDK) with @ai-sdk/openai-compatible.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import { arm, ask, base, chat, completion, expect, messages, model, run, runShown, spec } from "./served.mjs";

let requests = 0;
const counted = (address, options) => {
  requests += 1;
  return fetch(address, options);
};
const settings = { name: "refocus", baseURL: base, fetch: counted, includeUsage: true };
const provider = createOpenAICompatible(settings);
const sent = { messages, maxOutputTokens: chat.max_tokens, temperature: 0 };

async function texts() {
  const plain = await ask("/chat/completions", chat);
  const got = await generateText({ model: provider(model), ...sent });
  expect("text", got.text, plain.choices[0].message.content);
  expect("finish", got.finishReason, plain.choices[0].finish_reason);
  expect("usage", [got.usage.inputTokens, got.usage.outputTokens], [plain.usage.prompt_tokens, plain.usage.completion_tokens]);
  const stream = streamText({ model: provider(model), ...sent });
  let text = "";
  for await (const part of stream.textStream) text += part;
  expect("streamed text", text, got.text);
  expect("streamed finish", await stream.finishReason, got.finishReason);
  expect("streamed usage", (await stream.usage).outputTokens, got.usage.outputTokens);
  const sampled = await generateText({ model: provider(model), ...sent, temperature: 1, topP: 0.9, seed: 5, stopSequences: ["zzz"] });
  const same = await ask("/chat/completions", { ...chat, temperature: 1, top_p: 0.9, seed: 5, stop: ["zzz"] });
  expect("sampled text", sampled.text, same.choices[0].message.content);
  const completed = await generateText({
    model: provider.completionModel(model), prompt: completion.prompt, maxOutputTokens: completion.max_tokens, temperature: 0,
  });
  expect("completion", completed.text.length > 0, true);  // of a prompt that the package writes as a conversation
}

async function interventions() {
  const plain = (await generateText({ model: provider(model), ...sent })).text;
  const by = async (options) => (await generateText({ ...sent, ...options })).text;
  const expected = await by({ model: provider(arm) });
  expect("by body", await by({ model: provider(model), providerOptions: { refocus: { refocus: { intervene: spec } } } }), expected);
  expect("by header", await by({ model: provider(model), headers: { "X-Refocus-Intervene": spec } }), expected);
  const always = createOpenAICompatible({ ...settings, headers: { "X-Refocus-Intervene": spec } });
  expect("by the provider's headers", await by({ model: always(model) }), expected);
  expect("the same text with an intervention", plain === expected, false);
}

async function errors() {
  for (const [options, status, part] of [
    [{ model: provider("gpt-4o") }, 404, "gpt-4o"],
    [{ model: provider(model), presencePenalty: 1 }, 400, "presence_penalty"],
    [{ model: provider(model), maxOutputTokens: 1 << 20 }, 400, "maximum context length"],
  ]) {
    requests = 0;
    const error = await generateText({ ...sent, ...options }).then(() => ({}), (e) => e);
    expect(`status of ${part}`, error.statusCode, status);
    expect(`message with ${part}`, [error.message.includes(part), error.isRetryable], [true, false]);
    expect(`tries of ${part}`, requests, 1);
  }
}

await run(async () => {
  for (const part of [texts, interventions, errors]) await part();
  await runShown("import { createOpenAICompatible }");
});
