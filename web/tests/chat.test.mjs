// The page of `refocus serve` in headless Chromium, with a real server and the bundled model: what it asks, shows and keeps.
//
//   REFOCUS=build/release/refocus REFOCUS_WEB_PACKAGES=build/release/web/node_modules node --test chat.test.mjs
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, playwright } from "./browser.mjs";
import { saved } from "./looks.mjs";
import { answered, askPage, serve, visit, writeTemplate } from "./served.mjs";

const { chromium, reason } = playwright();
const skip = reason ?? false;
const { REFOCUS: program, REFOCUS_FIXTURE: fixture } = process.env;
const folder = mkdtempSync(join(tmpdir(), "refocus-chat-"));
const kQuestion = "Nina Fox reports to Hugo West. Hugo West reports to Oscar East. who is 2 above Nina Fox?";
let browser;
let server;

before(async () => {
  if (skip) return;
  const runs = join(folder, "runs");
  mkdirSync(runs);
  execFileSync(fixture, ["toy", join(runs, "first <b>run")]);
  execFileSync(fixture, ["loglikelihood", join(runs, "second")]);
  mkdirSync(join(runs, "no run"));
  server = await serve(program, ["--arm", "reb=rebalance:alpha=3", "--chat-template", writeTemplate(folder), "--runs", runs]);
  browser = await launch(chromium);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

// Opens the page; fails the test on any message, error or request beside those to its server.
async function open(t, options = {}, url = server.url) {
  const page = await visit(browser, url, options);
  page.on("dialog", (dialog) => (page.faults.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
  t.after(async () => {
    await page.context().close();
    assert.deepEqual(page.faults, []);
  });
  await page.waitForSelector("html[data-ready]");
  return page;
}

// What the server answers by itself.
async function answerOf(body, path = "/v1/chat/completions") {
  const response = await fetch(server.url + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  assert.equal(response.status, 200);
  return response.json();
}

const texts = (page, selector) => page.locator(selector).evaluateAll((all) => all.map((each) => each.textContent));
const bodyOf = (page, action) => Promise.all([page.waitForRequest((request) => request.method() === "POST" && /completions$/.test(request.url())), action()]).then(([request]) => request.postDataJSON());

test("the page is bound by its headers", { skip }, async () => {
  const response = await fetch(server.url);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^text\/html; charset=utf-8$/);
  const policy = response.headers.get("content-security-policy");
  for (const rule of ["default-src 'none'", "connect-src 'self'", "img-src data:", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) assert.ok(policy.includes(rule), rule);
  assert.doesNotMatch(policy, /script-src[^;]*unsafe/);
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  assert.equal(response.headers.get("referrer-policy"), "no-referrer");
});

test("two arms answer side by side what the server answers, and the first difference is marked", { skip }, async (t) => {
  const page = await open(t);
  await page.fill("#prompt", kQuestion);
  await page.press("#prompt", "Enter");
  await answered(page);
  assert.deepEqual(await page.locator(".answer").evaluateAll((all) => all.map((each) => each.getAttribute("aria-label"))), ["plain", "reb"]);
  const [left, right] = await page.locator(".answer").evaluateAll((all) => all.map((each) => each.getBoundingClientRect().left));
  assert.ok(left < right);
  const expected = [];
  for (const model of ["worlds", "worlds@reb"]) expected.push(await answerOf({ model, messages: [{ role: "user", content: kQuestion }], temperature: 0, max_tokens: 256, logprobs: true }));
  const shown = await texts(page, ".answer .text");
  const squeeze = (text) => text.replace(/\s+/g, " ").trim();
  expected.forEach((answer, i) => assert.equal(squeeze(shown[i]), squeeze(answer.choices[0].message.content)));
  const tokens = expected.map((answer) => answer.choices[0].logprobs.content.map(({ token }) => token));
  const index = tokens[0].findIndex((token, i) => token !== tokens[1][i]);
  assert.ok(index >= 0, "the arms have to differ for this test");
  assert.match(await page.textContent(".differences"), new RegExp(`^reb differs from token ${index + 1} on`));
  for (const place of await page.locator(".answer .differs").all()) assert.equal(await place.getAttribute("data-token"), String(index));
});

test("the request has what the controls say", { skip }, async (t) => {
  const page = await open(t);
  await page.click(".setup > summary");
  await page.getByLabel("Temperature", { exact: true }).fill("0.7");
  await page.getByLabel("Seed").fill("11");
  await page.getByLabel("Most tokens").fill("5");
  await page.getByLabel("Top k").fill("3");
  await page.getByLabel("Stop at").fill("END\n\\n\\n");
  await page.getByLabel("System prompt").fill("Be brief.");
  const arm = page.getByRole("group", { name: "Arm reb" });
  await arm.getByLabel("Intervention").selectOption("boost");
  await arm.getByLabel(/^factor/).fill("4");
  await arm.getByLabel(/^layers/).fill("1-2");
  await page.getByRole("button", { name: "Remove the arm plain" }).click();
  await page.fill("#prompt", "Hello.");
  const body = await bodyOf(page, () => page.click("button.send"));
  await answered(page);
  assert.deepEqual(body.messages, [{ role: "system", content: "Be brief." }, { role: "user", content: "Hello." }]);
  for (const [name, value] of Object.entries({ model: "worlds", temperature: 0.7, seed: 11, max_tokens: 5, top_k: 3, stream: true })) assert.equal(body[name], value, name);
  assert.ok(!("top_p" in body));
  assert.deepEqual(body.stop, ["END", "\n\n"]);
  assert.equal(body.refocus.intervene, "boost:factor=4,keys=role:user,layers=1-2");
  assert.match(await page.textContent(".answer .spec"), /^boost:factor=4,keys=role:user,layers=1-2$/);
});

test("an arm sees its own earlier answers", { skip }, async (t) => {
  const page = await open(t);
  await page.click(".setup > summary");
  await page.getByLabel("Most tokens").fill("12");
  await page.click(".setup > summary");
  await askPage(page, kQuestion);
  const first = await texts(page, ".answer .text");
  await page.fill("#prompt", "And then?");
  const bodies = [];
  page.on("request", (request) => /completions$/.test(request.url()) && bodies.push(request.postDataJSON()));
  await page.click("button.send");
  await answered(page);
  assert.equal(bodies.length, 2);
  bodies.forEach((body, i) => {
    assert.deepEqual(body.messages.map(({ role }) => role), ["user", "assistant", "user"]);
    assert.equal(body.messages[1].content.replace(/\s+/g, " ").trim(), first[i].replace(/\s+/g, " ").trim());
  });
});

test("errors are the server's words", { skip }, async (t) => {
  const page = await open(t);
  page.expected.push(/400 \(Bad Request\)/);
  await page.click(".setup > summary");
  await page.getByRole("group", { name: "Arm reb" }).getByLabel("Intervention").selectOption("spec");
  await page.getByLabel("SPEC", { exact: true }).fill("bosst:factor=2");
  await askPage(page, "Hello.");
  assert.match(await page.locator(".answer .failure:visible").textContent(), /expected none, rebalance, .*, got 'bosst'/);
  assert.equal(await page.locator(".answer .failure:visible").count(), 1);
});

test("Stop ends an answer, here and on the server", { skip }, async (t) => {
  const page = await open(t);
  await page.click(".setup > summary");
  await page.getByLabel("Most tokens").fill("400");
  await page.getByRole("button", { name: "Remove the arm reb" }).click();
  await page.fill("#prompt", kQuestion);
  // The stream is held up, so that there is something to stop.
  await page.evaluate(() => {
    const real = window.fetch;
    window.fetch = async (path, options) => {
      if (!/completions/.test(path)) return real(path, options);
      return new Response(new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('data: {"choices":[{"delta":{"content":"begun **here"},"finish_reason":null}]}\n\n'));
          options.signal.addEventListener("abort", () => controller.error(options.signal.reason));
        },
      }));
    };
  });
  await page.click("button.send");
  await page.getByRole("button", { name: "Stop" }).click();
  await answered(page);
  assert.match(await page.textContent(".answer .facts-line"), /stopped/);
  assert.match(await page.textContent(".answer .text"), /^begun \*\*here$/);
});

test("what a model writes is text, and loads nothing", { skip }, async (t) => {
  const page = await open(t);
  const hostile = "<img src=x onerror=alert(1)> ![p](http://127.0.0.1:9/x.png) [j](javascript:alert(1)) <script>alert(1)</script>\n\n[ok](https://a.example)";
  await page.evaluate((text) => {
    const real = window.fetch;
    window.fetch = async (path, options) => (/completions/.test(path)
      ? new Response(`data: ${JSON.stringify({ choices: [{ delta: { content: text }, finish_reason: "stop" }] })}\n\ndata: [DONE]\n\n`) : real(path, options));
  }, hostile);
  await askPage(page, "Hello <b>there</b>");
  assert.equal(await page.locator(".answer img, .answer script, .asked b, .conversation-list b").count(), 0);
  assert.deepEqual(await page.locator(".answer").first().locator("a").evaluateAll((all) => all.map((each) => [each.href, each.rel])), [["http://127.0.0.1:9/x.png", "noopener noreferrer nofollow"], ["https://a.example/", "noopener noreferrer nofollow"]]);
  assert.match(await page.textContent(".answer .text"), /<img src=x onerror=alert\(1\)>/);
});

test("tokens have probabilities and alternatives, by keyboard too", { skip }, async (t) => {
  const page = await open(t);
  await askPage(page, kQuestion);
  const expected = await answerOf({ model: "worlds", messages: [{ role: "user", content: kQuestion }], temperature: 0, max_tokens: 256, logprobs: true, top_logprobs: 5 });
  const [first, second] = expected.choices[0].logprobs.content;
  const text = page.locator(".answer .text").first();
  await text.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  const card = page.getByRole("tooltip");
  const place = await text.locator(".current").first().getAttribute("data-token");
  assert.equal(place, "1");
  assert.ok(first && second);
  assert.equal(await card.locator("li").count(), 5);
  const percents = (await card.locator("li .n").allTextContents()).map((each) => Number.parseFloat(each.replace("< ", "")));
  assert.ok(Math.abs(percents[0] - 100 * Math.exp(second.top_logprobs[0].logprob)) < 1);
  await page.keyboard.press("Escape");
  assert.equal(await card.isVisible(), false);
  await page.getByLabel("Shade tokens by probability").check();
  const logprobs = expected.choices[0].logprobs.content.map(({ logprob }) => Math.exp(logprob));
  const least = logprobs.indexOf(Math.min(...logprobs));
  const steps = [0.9, 0.5, 0.2, 0.05].filter((limit) => logprobs[least] < limit).length;
  assert.match(await text.locator(`[data-token="${least}"]`).first().getAttribute("class"), new RegExp(`surprise-${steps}`));
});

test("words of the prompt are marked, boosted, and asked again", { skip }, async (t) => {
  const page = await open(t);
  await askPage(page, kQuestion);
  await page.getByRole("button", { name: "Mark words" }).click();
  const strip = page.getByRole("listbox");
  await strip.locator(".word", { hasText: "Hugo" }).first().click();
  assert.equal(await strip.locator("[aria-selected=true]").count(), 1);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Space");
  assert.match((await strip.locator("[aria-selected=true]").allTextContents()).join(""), /Hugo\s*West/);
  const positions = (await (await fetch(`${server.url}/tokenize`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ messages: [{ role: "user", content: kQuestion }], add_special_tokens: true, return_token_strs: true }) })).json()).token_strs;
  const from = positions.findIndex((each) => each.includes("Hugo"));
  const body = await bodyOf(page, () => page.getByRole("button", { name: "Boost ×5" }).click());
  await answered(page);
  assert.match(body.refocus.intervene, new RegExp(`^boost:factor=5,keys=positions:${from}-\\d+$`));
  assert.deepEqual(body.messages, [{ role: "user", content: kQuestion }]);
  assert.equal(await page.locator(".turn").count(), 1);
  assert.equal(await page.locator(".answer").count(), 3);
  assert.match(await page.locator(".answer").nth(2).locator("h3").textContent(), /^boost “Hugo West\.?”/);
  assert.match(await page.textContent(".differences"), /boost “Hugo West\.?”/);
  // What is marked is what the model does not see: the answer is that of the same word by its text.
  await strip.locator("[aria-selected=true]").first().click();
  await strip.locator("[aria-selected=true]").first().click();
  await strip.locator(".word", { hasText: "who" }).first().click();
  const masked = await bodyOf(page, () => page.getByRole("button", { name: "Mask" }).click());
  await answered(page);
  assert.match(masked.refocus.intervene, /^knockout:keys=positions:\d+$/);
  const expected = await answerOf({ model: "worlds", messages: [{ role: "user", content: kQuestion }], temperature: 0, max_tokens: 256, refocus: { intervene: 'knockout:keys=text:"who"' } });
  assert.equal((await page.locator(".answer .text").nth(3).textContent()).replace(/\s+/g, " ").trim(), expected.choices[0].message.content.replace(/\s+/g, " ").trim());
});

test("a token shows what every layer and head looked at", { skip }, async (t) => {
  const page = await open(t);
  await askPage(page, kQuestion);
  const wish = { layers: "all", heads: "all", queries: "generated", top_k: 32 };
  const expected = await answerOf({ model: "worlds", messages: [{ role: "user", content: kQuestion }], temperature: 0, max_tokens: 256, refocus: { attention: wish } });
  const values = await (await fetch(`${server.url}${expected.refocus.attention.url}?rows=1:2`)).json();
  const text = page.locator(".answer .text").first();
  const fetched = [];
  page.on("request", (request) => /attention/.test(request.url()) && fetched.push(new URL(request.url()).search));
  await text.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".look[data-shown='1']");
  assert.deepEqual(fetched, ["?rows=1:2"]);
  assert.match(await page.textContent(".look h3"), /^Token 2 of plain/);
  const cells = page.getByRole("gridcell");
  assert.equal(await cells.count(), values.layers.length * values.heads.length);
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  const largest = (layer, head) => percent(Math.max(...values.weights[layer][head][0].w));
  assert.equal(await cells.nth(7).getAttribute("aria-label"), `layer 1, head 2: ${largest(1, 2)}`);
  await page.getByLabel("Each cell shows").selectOption("first");
  const { i, w } = values.weights[3][4][0];
  const first = i.includes(0) ? w[i.indexOf(0)] : 0;
  assert.equal(await cells.nth(19).getAttribute("aria-label"), `layer 3, head 4: ${percent(first)}`);
  // By keys to layer 2, head 1, whose row the sequence then shows.
  await cells.first().focus();
  for (const key of ["ArrowDown", "ArrowDown", "ArrowRight"]) await page.keyboard.press(key);
  assert.equal(await page.getByRole("gridcell", { selected: true }).getAttribute("data-layer"), "2");
  const row = values.weights[2][1][0];
  const most = row.i[row.w.indexOf(Math.max(...row.w))];
  const shown = await page.textContent(".top-keys");
  assert.match(shown, /^Layer 2, head 1: /);
  assert.ok(shown.includes(`${(100 * Math.max(...row.w)).toFixed(0)} %`));
  const darkest = await page.locator(".word").evaluateAll((all) => all.findIndex((each) => each.style.getPropertyValue("--weight") === "100%"));
  assert.ok(darkest >= 0 && most >= 0);
  // A marked word is what the grid then counts.
  await page.getByRole("listbox").locator(".word").nth(darkest).click();
  assert.equal(await page.getByLabel("Each cell shows").inputValue(), "marked");
  await page.getByRole("button", { name: "The next token" }).click();
  await page.waitForSelector(".look[data-shown='2']");
  assert.match(await page.textContent(".look h3"), /^Token 3 of plain/);
  assert.equal(await text.locator(".current").first().getAttribute("data-token"), "2");
  assert.deepEqual(fetched, ["?rows=1:2", "?rows=2:3"]);
  const file = await saved(page, page.getByRole("button", { name: "Save all rows (.npz)" }));
  assert.equal(file.name, "attention-plain.npz");
  assert.deepEqual([...file.bytes.subarray(0, 4)], [80, 75, 3, 4]);
  await page.getByRole("button", { name: "Close" }).click();
  assert.equal(await page.locator(".look").isVisible(), false);
  assert.equal(await page.evaluate(() => document.activeElement.className), "text");
});

test("attention that is gone is computed again", { skip }, async (t) => {
  const page = await open(t);
  page.expected.push(/404 \(Not Found\)/);
  await page.click(".setup > summary");
  await page.getByLabel("Keep what it looks at").uncheck();
  await page.click(".setup > summary");
  const body = await bodyOf(page, () => askPage(page, kQuestion));
  assert.ok(!("attention" in (body.refocus ?? {})));
  await page.locator(".answer .tok").nth(3).click();
  await page.getByText("was not kept with this answer").waitFor();
  await page.getByRole("button", { name: "Compute what it looked at" }).click();
  await page.getByRole("grid").waitFor();
  // A server that has forgotten it says so.
  await page.evaluate(() => {
    const real = window.fetch;
    window.fetch = (path, options) => real(path.replace(/attention\/\w+/, "attention/none"), options);
  });
  await page.locator(".answer .tok").nth(5).click();
  await page.getByText("could not be fetched: [request] expected the id of").waitFor();
});

test("conversations are kept, exported, imported and deleted", { skip }, async (t) => {
  const page = await open(t);
  await askPage(page, kQuestion);
  const answer = await page.textContent(".answer .text");
  await page.reload();
  await page.waitForSelector("html[data-ready]");
  const list = page.getByRole("region", { name: "Conversations" });
  await list.locator("button.name").click();
  assert.equal(await page.textContent(".answer .text"), answer);
  const file = await saved(page, list.getByRole("button", { name: /^Export Nina/ }));
  assert.match(file.name, /^refocus-Nina_Fox.*\.json$/);
  const content = JSON.parse(file.bytes);
  assert.equal(content.format, "refocus-conversations");
  const [conversation] = content.conversations;
  assert.equal(conversation.turns[0].answers[0].request.body.temperature, 0);
  assert.match(conversation.turns[0].answers[0].fingerprint, /^fp_/);
  await list.getByRole("button", { name: /^Delete/ }).click();
  await page.locator(".conversation-list .name").waitFor({ state: "detached" });
  const path = join(folder, "in.json");
  writeFileSync(path, file.bytes);
  await page.setInputFiles("input[type=file]", path);
  await page.waitForSelector(".turn");
  assert.equal(await page.textContent(".answer .text"), answer);
  // What leads elsewhere, or has other types, is no export.
  for (const change of [(each) => (each.turns[0].answers[0].request.path = "//evil.example/"), (each) => (each.turns[0].answers[0].tokens[0].top = [{}]), (each) => (each.arms = []), (each) => (each.settings = { seed: {} })]) {
    const changed = structuredClone(content);
    change(changed.conversations[0]);
    writeFileSync(path, JSON.stringify(changed));
    await page.setInputFiles("input[type=file]", path);
    await page.getByText("The file is no export of this page").waitFor();
    writeFileSync(path, file.bytes);
    await page.setInputFiles("input[type=file]", path);
    await page.getByText("1 conversation imported.").waitFor();
  }
  writeFileSync(path, "{}");
  await page.setInputFiles("input[type=file]", path);
  await page.getByText("The file is no export of this page").waitFor();
});

test("a conversation that is deleted while it is answered stays deleted", { skip }, async (t) => {
  const page = await open(t);
  await page.click(".setup > summary");
  await page.getByLabel("Most tokens").fill("300");
  await page.click(".setup > summary");
  await askPage(page, kQuestion);
  await page.evaluate(() => {
    const real = window.fetch;
    window.fetch = (path, options) => (/completions/.test(path) ? new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(options.signal.reason))) : real(path, options));
  });
  await page.fill("#prompt", "More?");
  await page.click("button.send");
  await page.getByRole("button", { name: /^Delete/ }).click();
  await answered(page);
  await page.reload();
  await page.waitForSelector("html[data-ready]");
  assert.equal(await page.locator(".conversation-list .name").count(), 0);
});

test("where attention would take too much, the answer comes without, and says so", { skip }, async (t) => {
  const small = await serve(program, ["--attention-bytes", "65536", "--chat-template", writeTemplate(folder)]);
  t.after(() => small.stop());
  const page = await open(t, {}, small.url);
  page.expected.push(/400 \(Bad Request\)/);
  await askPage(page, kQuestion);
  assert.ok((await page.textContent(".answer .text")).length > 0);
  assert.match(await page.locator(".answer .note:visible").first().textContent(), /^Attention was not kept: .*expected/);
  await page.locator(".answer .tok").nth(2).click();
  await page.getByRole("button", { name: "Compute what it looked at" }).waitFor();
});

test("a link may write a prompt, but not send it", { skip }, async (t) => {
  const page = await open(t, { path: "/?q=send%20me" });
  assert.equal(await page.inputValue("#prompt"), "send me");
  assert.equal(await page.locator(".turn").count(), 0);
});

test("runs are listed, and their reports open", { skip }, async (t) => {
  const page = await open(t);
  const runs = page.getByRole("region", { name: "Runs" });
  assert.deepEqual(await runs.locator("a").allTextContents(), ["first <b>run", "second"]);
  const [report] = await Promise.all([page.context().waitForEvent("page"), runs.locator("a").nth(1).click()]);
  await report.waitForSelector("html[data-ready]");
  assert.ok(await report.locator(".item").count());
  for (const path of ["/v1/runs/..%2f..%2fetc/report", "/v1/runs/second/report", "/v1/runs//report", "/v1/runs/report"]) assert.equal((await fetch(server.url + path)).status, 404, path);
});

test("with a key the page asks for it, and opens reports all the same", { skip }, async (t) => {
  const guarded = await serve(program, ["--runs", join(folder, "runs"), "--chat-template", writeTemplate(folder)], { environment: { REFOCUS_API_KEY: "open sesame" } });
  t.after(() => guarded.stop());
  const page = await visit(browser, guarded.url);
  t.after(() => page.context().close());
  page.expected.push(/401 \(Unauthorized\)/);
  await page.getByLabel("Key").fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByText("The server does not know this key.").waitFor();
  await page.getByLabel("Key").fill("open sesame");
  await page.keyboard.press("Enter");
  await page.waitForSelector("html[data-ready]");
  await askPage(page, kQuestion);
  assert.ok((await page.textContent(".answer .text")).length > 0);
  assert.equal((await fetch(`${guarded.url}/v1/runs`)).status, 401);
  const runs = page.getByRole("region", { name: "Runs" });
  await runs.getByRole("button", { name: "second" }).click();
  const [report] = await Promise.all([page.context().waitForEvent("page"), runs.getByRole("link", { name: "Open the report of second" }).click()]);
  await report.waitForSelector("html[data-ready]");
  assert.ok(await report.locator(".item").count());
  await page.reload();
  await page.waitForSelector("html[data-ready]");
  assert.equal(await page.getByLabel("Key").count(), 0);
  assert.deepEqual(page.faults, []);
});

test("a model without a chat template goes on with a text, and the page says why", { skip }, async (t) => {
  const plain = await serve(program);
  t.after(() => plain.stop());
  const page = await open(t, {}, plain.url);
  assert.match(await page.textContent(".empty"), /no chat template/);
  await page.fill("#prompt", kQuestion);
  const body = await bodyOf(page, () => page.press("#prompt", "Control+Enter"));
  await answered(page);
  assert.equal(body.prompt, kQuestion);
  const response = await fetch(`${plain.url}/v1/completions`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ model: "worlds", prompt: kQuestion, temperature: 0, max_tokens: 256 }) });
  const squeeze = (text) => text.replace(/\s+/g, " ").trim();
  assert.equal(squeeze(await page.textContent(".answer .text")), squeeze((await response.json()).choices[0].text));
  assert.equal(await page.locator(".asked-text").textContent(), kQuestion);
});
