// The package openai for Node.
import OpenAI from "openai";
import { arm, ask, base, chat, completion, context, expect, messages, metric, model, run, runShown, spec, told } from "./served.mjs";

let requests = 0;
const counted = (address, options) => {
  requests += 1;
  return fetch(address, options);
};
const client = new OpenAI({ baseURL: base, apiKey: "none", fetch: counted });

async function wholeAnswers() {
  const ids = [];
  for await (const one of client.models.list()) ids.push(one.id);
  expect("models", ids, [model, arm]);
  expect("model", (await client.models.retrieve(arm)).id, arm);
  const scored = { ...chat, n: 2, logprobs: true, top_logprobs: 3, temperature: 1, seed: 7 };
  expect("chat", told(await client.chat.completions.create(scored)), told(await ask("/chat/completions", scored)));
  const texts = { ...completion, n: 2, logprobs: 2, stop: ["zzz"] };
  const got = await client.completions.create(texts);
  expect("completion", told(got), told(await ask("/completions", texts)));
  expect("finish", got.choices[0].finish_reason, "length");
  expect("usage", got.usage.total_tokens, got.usage.prompt_tokens + 24);
  const stop = got.choices[0].text.slice(4, 7);
  const cut = await client.completions.create({ ...completion, stop });
  expect("text before stop", cut.choices[0].text, got.choices[0].text.slice(0, got.choices[0].text.indexOf(stop)));
  expect("finish at stop", cut.choices[0].finish_reason, "stop");
}

async function streams() {
  const whole = await client.chat.completions.create({ ...chat, n: 2, seed: 3, temperature: 1 });
  const texts = ["", ""], finishes = [], usages = [];
  for await (const chunk of await client.chat.completions.create(
    { ...chat, n: 2, seed: 3, temperature: 1, stream: true, stream_options: { include_usage: true } })) {
    if (chunk.usage) usages.push(chunk.usage);
    for (const c of chunk.choices) {
      texts[c.index] += c.delta.content ?? "";
      if (c.finish_reason) finishes[c.index] = c.finish_reason;
    }
  }
  expect("streamed texts", texts, whole.choices.map((c) => c.message.content));
  expect("streamed finishes", finishes, whole.choices.map((c) => c.finish_reason));
  expect("streamed usage", usages, [whole.usage]);
  const helper = client.chat.completions.stream({ ...chat });
  expect("helper's text", await helper.finalContent(), (await ask("/chat/completions", chat)).choices[0].message.content);
  let text = "";
  for await (const chunk of await client.completions.create({ ...completion, stream: true })) text += chunk.choices[0].text;
  expect("streamed completion", text, (await ask("/completions", completion)).choices[0].text);
  const left = await client.completions.create({ ...completion, max_tokens: context - 50, n: 8, temperature: 1, stream: true });
  for await (const _ of left) break;  // and goes
  for (let i = 0; i < 600 && (await metric("refocus_sequences_running")) > 0; i += 1) await new Promise((r) => setTimeout(r, 100));
  expect("running for one who went", await metric("refocus_sequences_running"), 0);
}

async function interventions() {
  const plain = await client.completions.create(completion);
  const ways = {
    arm: await client.completions.create({ ...completion, model: arm }),
    name: await client.completions.create({ ...completion, model: `${model}@${spec}` }),
    body: await client.completions.create({ ...completion, refocus: { intervene: spec } }),
    header: await client.completions.create(completion, { headers: { "X-Refocus-Intervene": spec } }),
  };
  for (const [way, got] of Object.entries(ways)) {
    expect(`text by ${way}`, got.choices[0].text, ways.arm.choices[0].text);
    expect(`intervention by ${way}`, got.refocus, ways.arm.refocus);
  }
  expect("the same text with an intervention", plain.choices[0].text === ways.arm.choices[0].text, false);
}

async function errors() {
  const cases = [
    [{ ...chat, model: "gpt-4o" }, 404, "model_not_found", "model"],
    [{ ...chat, max_tokens: context }, 400, "context_length_exceeded", null],
    [{ ...chat, frequency_penalty: 0.5 }, 400, "unsupported_parameter", "frequency_penalty"],
    [{ ...chat, top_p: "1" }, 400, null, "top_p"],
    [{ ...chat, messages: [{ ...messages[0], content: 3 }] }, 400, null, "messages[0].content"],
    [{ ...chat, refocus: { intervene: "bosst" } }, 400, null, "refocus.intervene"],
  ];
  for (const [body, status, code, param] of cases) {
    requests = 0;
    const error = await client.chat.completions.create(body).then(() => ({}), (e) => e);
    expect(`error about ${param}`, [error.status, error.code, error.param], [status, code, param]);
    expect(`tries with a wrong ${param}`, requests, 1);
  }
}

await run(async () => {
  for (const part of [wholeAnswers, streams, interventions, errors]) await part();
  await runShown('import OpenAI from "openai"');
});
