// autocannon, a load tool: many connections, requests behind each other on one, and connections that say nothing.
import autocannon from "autocannon";
import { connect } from "node:net";
import { arm, ask, completion, expect, metric, model, run, told, url } from "./served.mjs";

const headers = { "Content-Type": "application/json" };
const load = (options) => autocannon({ url: url + "/v1/completions", method: "POST", headers, timeout: 300, ...options });

// Requests of several kinds in turn; each answer is that of the request alone.
async function mixed(options) {
  const bodies = [0, 1, 2, 3].map((i) => ({
    ...completion, model: i % 2 ? arm : model, temperature: i > 1 ? 1 : 0, seed: i, max_tokens: 4 + i, logprobs: 2, n: 1 + (i > 2),
  }));
  const expected = await Promise.all(bodies.map(async (b) => JSON.stringify(told(await ask("/completions", b)))));
  let right = 0, wrong = 0;
  const requests = bodies.map((body, i) => ({
    method: "POST", path: "/v1/completions", headers, body: JSON.stringify(body),
    onResponse: (status, text) => {
      if (status === 200 && JSON.stringify(told(JSON.parse(text))) === expected[i]) right += 1;
      else wrong += 1;
    },
  }));
  const result = await load({ requests, ...options });
  expect("answers that are not right", [wrong, result.non2xx, result.errors, result.timeouts], [0, 0, 0, 0]);
  expect("answers", right, options.amount);
}

async function idle() {
  const before = await metric("refocus_connections_accepted_total");
  const quiet = await Promise.all(Array.from({ length: 100 }, () => new Promise((resolve, reject) => {
    const socket = connect(new URL(url).port, "127.0.0.1", () => resolve(socket));
    socket.on("error", reject);
  })));
  while ((await metric("refocus_connections_accepted_total")) < before + 100) await new Promise((resolve) => setTimeout(resolve, 20));
  await mixed({ connections: 8, amount: 64 });
  quiet.forEach((socket) => socket.destroy());
}

await run(async () => {
  await mixed({ connections: 1, amount: 16 });
  await mixed({ connections: 64, amount: 256 });
  await idle();
  const body = JSON.stringify({ ...completion, max_tokens: 2 });
  for (const options of [{ url: url + "/health", method: "GET", connections: 4, pipelining: 16, amount: 4096 },
    { body, connections: 2, pipelining: 8, amount: 64 }]) {
    const result = await load(options);
    // It goes when it has sent all, and leaves the last answers of each connection behind.
    const taken = options.amount - options.connections * (options.pipelining - 1);
    expect("pipelined requests", [result["2xx"], result.non2xx, result.errors], [taken, 0, 0]);
  }
  expect("defects that the server saw", await metric("refocus_defects_total"), 0);
});
