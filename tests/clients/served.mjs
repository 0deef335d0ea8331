// What the clients in JavaScript share, as served.py for those in Python.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";

export const url = process.env.REFOCUS_URL;
export const base = url + "/v1";
export const model = process.env.REFOCUS_MODEL;
export const arm = model + "@reb";
export const spec = process.env.REFOCUS_SPEC;
export const context = Number(process.env.REFOCUS_CONTEXT);
export const messages = [{
  role: "user",
  content: "the blue crate lies in the red box. the red box lies in the hall. which room must one search for the blue crate?\n" +
    "A. hall\nB. attic\nAnalysis:",
}];
export const completion = { model, prompt: "Analysis: the blue crate lies in the", max_tokens: 12, temperature: 0 };
export const chat = { model, messages, max_tokens: 24, temperature: 0 };

let checks = 0;
export function expect(what, got, expected) {
  checks += 1;
  assert.deepEqual(got, expected, `${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`.slice(0, 2000));
}

// The answer to a plain request.
export async function ask(path, body, headers = {}) {
  const response = await fetch(base + path, {
    method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers },
  });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer;
}

// An answer without what differs between two answers to one request, and without what a client has added.
export function told({ id, created, _request_id, ...rest }) {
  return rest;
}

export async function metric(name) {
  const text = await (await fetch(url + "/metrics")).text();
  return Number(text.split("\n").find((line) => line.startsWith(name + " ")).split(" ")[1]);
}

// The block of docs/serve.md that begins so, for this server, as a module that runs.
export async function runShown(start) {
  const text = readFileSync(process.env.REFOCUS_GUIDE, "utf8");
  const found = [...text.matchAll(/^```js\n(.*?)^```/gms)].map((m) => m[1]).filter((block) => block.startsWith(start));
  expect(`blocks of the guide that begin with ${start}`, found.length, 1);
  writeFileSync("shown.mjs", found[0].replaceAll("http://127.0.0.1:8080", url).replaceAll('"small"', JSON.stringify(model)));
  await import("./shown.mjs");
}

// Runs a client's test; the last line of standard output says how it went.
export async function run(test) {
  try {
    await test();
    console.log(`${checks} checks`);
  } catch (e) {
    console.error(e);
    console.log(String(e.message).split("\n").join(" "));
    process.exitCode = 1;
  }
}
