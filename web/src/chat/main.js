// The page of refocus serve: one prompt, the answers of several arms beside each other, and what the model looked at.
import { el } from "../shared/dom.js";
import { addThemeButton } from "../shared/theme.js";
import { Api } from "./api.js";
import { ask, emptyAnswer } from "./asking.js";
import { defaultSettings, requestOf } from "./request.js";
import { keyList, Setup } from "./setup.js";
import { Conversations, runList } from "./sidebar.js";
import { newId, Store } from "./store.js";
import { TurnView } from "./turn.js";

const kSaveEvery = 2000; // ms, while answers are written
const kWide = "(min-width: 60rem)";
const kExamples = ["Name the capital of France in one word.", "Nina Fox reports to Hugo West. Hugo West reports to Oscar East. Who is two above Nina Fox?"];

class Page {
  constructor(api, models, store) {
    Object.assign(this, { api, models, store, stop: null, removed: new Set() });
    this.base = models.find(({ parent }) => parent === null) ?? models[0];
    this.facts = { id: this.base.id, layers: this.base.refocus?.layers ?? 1, heads: this.base.refocus?.heads ?? 1 };
    this.setup = new Setup({ models, onchange: () => this.setupChanged() });
    this.conversations = new Conversations({ store, onopen: (each) => this.open(each), onnew: () => this.open(this.blank(), true), onremoved: (id) => this.forget(id) });
    this.build();
  }

  get chat() {
    return this.conversation.mode === "chat";
  }

  blank() {
    const chat = Boolean(this.base.refocus?.chat);
    const last = this.conversation;
    const aliases = this.models.filter(({ parent }) => parent !== null).slice(0, 1);
    const arms = last?.arms ?? [{ id: newId(), name: "plain", model: "", method: "", spec: "" }, ...aliases.map(({ id }) => ({ id: newId(), name: id.slice(id.indexOf("@") + 1), model: id, method: "", spec: "" }))];
    return { id: newId(), title: "New conversation", created: Date.now(), changed: Date.now(), model: this.base.id, mode: last?.mode ?? (chat ? "chat" : "completion"), system: last?.system ?? "", settings: { ...(last?.settings ?? defaultSettings()) }, arms: structuredClone(arms), turns: [] };
  }

  build() {
    this.turns = el("div", { class: "turns", "aria-label": "Conversation", role: "log", "aria-live": "off" });
    this.prompt = el("textarea", { id: "prompt", rows: "2", "aria-labelledby": "prompt-label", "aria-describedby": "prompt-hint" });
    this.hint = el("span", { id: "prompt-hint", class: "note hint" });
    this.label = el("label", { id: "prompt-label", class: "unseen", for: "prompt" });
    this.send = el("button", { type: "submit", class: "send" }, "Ask");
    this.stopButton = el("button", { type: "button", hidden: true, onclick: () => this.stop?.abort() }, "Stop");
    this.status = el("span", { class: "unseen", role: "status" });
    this.shade = el("input", { type: "checkbox", onchange: () => this.turns.classList.toggle("shaded", this.shade.checked) });
    const legend = el("span", { class: "shade-legend", "aria-hidden": "true" }, [0, 1, 2, 3, 4].map((step) => el("span", { class: `tok surprise-${step}` }, ["≥ 90 %", "≥ 50", "≥ 20", "≥ 5", "< 5"][step])));
    this.form = el("form", { class: "composer", onsubmit: (event) => {
      event.preventDefault();
      this.submit();
    } }, this.setup.element, this.label, el("div", { class: "send-row" }, this.prompt, this.send, this.stopButton), this.hint, this.status);
    this.prompt.addEventListener("keydown", (event) => {
      const wanted = this.chat ? !event.shiftKey : event.ctrlKey || event.metaKey;
      if (event.key !== "Enter" || event.isComposing || !wanted) return;
      event.preventDefault();
      this.submit();
    });
    this.empty = el("div", { class: "empty" });
    this.runs = el("div", {});
    const view = el("div", { class: "view" }, el("label", { class: "check" }, this.shade, " Shade tokens by probability"), legend);
    this.element = el("div", { class: "layout" },
      el("div", { class: "talk" }, view, this.empty, this.turns, this.form),
      (this.beside = el("details", { class: "beside" }, el("summary", {}, "Conversations and runs"), this.conversations.element, this.runs)));
    // Where there is room it is open, and has nothing to close it by.
    const wide = matchMedia(kWide);
    const fit = () => (this.beside.open = wide.matches);
    wide.addEventListener("change", fit);
    fit();
  }

  async showRuns() {
    try {
      const runs = await runList(this.api);
      if (runs) this.runs.replaceChildren(runs);
    } catch (error) {
      this.runs.replaceChildren(el("p", { class: "note" }, `Runs: ${error.message}`));
    }
  }

  setupChanged() {
    this.tellMode();
    if (this.conversation.turns.length) this.saveSoon();
  }

  tellMode() {
    this.label.textContent = this.prompt.placeholder = this.chat ? "Prompt" : "Text to go on with";
    this.hint.textContent = this.chat ? "Enter asks, Shift+Enter begins a line" : "Ctrl+Enter asks";
    const why = this.base.refocus?.chat ? "" : "This model has no chat template, so it goes on with a plain text instead of answering; --chat-template FILE gives it one.";
    this.empty.hidden = this.conversation.turns.length > 0;
    this.empty.replaceChildren(...[why && el("p", {}, why),
      el("ol", {}, el("li", {}, "Ask something: all arms answer beside each other, and the first token that differs is marked."),
        el("li", {}, "Click a word of an answer, or walk to it by arrow keys and press Enter: you see what each layer and head looked at, and what else the model thought of."),
        el("li", {}, "Mark words of the prompt there, boost or mask them, and ask again.")),
      el("div", { class: "buttons", role: "group", "aria-label": "Examples" }, kExamples.map((text) => el("button", { type: "button", class: "quiet", onclick: () => {
        this.prompt.value = text;
        this.prompt.focus();
      } }, text)))].filter(Boolean));
  }

  open(conversation, focus = false) {
    this.stop?.abort();
    clearTimeout(this.timer);
    this.conversation = conversation;
    if (conversation.mode === "chat" && !this.base.refocus?.chat) conversation.mode = "completion";
    this.views = conversation.turns.map((turn, i) => this.view(turn, i + 1, true));
    this.turns.replaceChildren(...this.views.map(({ element }) => element));
    this.setup.show(conversation);
    this.tellMode();
    this.conversations.refresh(conversation.id);
    if (focus) this.prompt.focus();
  }

  view(turn, number, done) {
    return new TurnView(turn, { number, chat: this.chat, api: this.api, model: this.facts, done, onask: (view, arm) => this.askAgain(view, arm), specOfArm: (arm) => arm.spec || this.models.find(({ id }) => id === arm.model)?.refocus?.intervention || "" });
  }

  // What was being answered must not come back when it ends.
  forget(id) {
    this.removed.add(id);
    if (id === this.conversation.id) this.open(this.blank());
  }

  async keep(conversation) {
    if (!this.removed.has(conversation.id)) await this.store.put(conversation);
  }

  async save() {
    this.conversation.changed = Date.now();
    await this.keep(this.conversation);
    await this.conversations.refresh(this.conversation.id);
  }

  saveSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), 300);
  }

  submit() {
    const prompt = this.chat ? this.prompt.value.trim() : this.prompt.value;
    if (!prompt || this.stop) return;
    const { conversation } = this;
    if (conversation.turns.length === 0) conversation.title = prompt.trim().slice(0, 60) || "Text";
    const turn = { prompt, answers: [] };
    const before = [...conversation.turns];
    conversation.turns.push(turn);
    const view = this.view(turn, conversation.turns.length, false);
    this.views.push(view);
    this.turns.append(view.element);
    if (this.chat) this.prompt.value = "";
    this.tellMode();
    const arms = conversation.arms.map(({ id, name, model, spec }) => ({ id, name, model, spec }));
    this.answer(view, arms, before);
    view.element.scrollIntoView({ block: "start" });
  }

  askAgain(view, { name, spec }) {
    if (this.stop) return;
    const taken = view.turn.answers.map(({ arm }) => arm.name);
    let own = name;
    for (let n = 2; taken.includes(own); n++) own = `${name} ${n}`;
    this.answer(view, [{ id: newId(), name: own, model: "", spec }], this.conversation.turns.slice(0, this.conversation.turns.indexOf(view.turn)));
    view.columns.scrollIntoView({ block: "nearest" });
  }

  /** Asks the arms of one turn at once, and shows what comes. */
  async answer(view, arms, before) {
    const { conversation } = this;
    const stop = (this.stop = new AbortController());
    [this.send.disabled, this.stopButton.hidden] = [true, false];
    this.status.textContent = "The model answers.";
    let drawn = true;
    const draw = () => {
      if (!drawn) return;
      drawn = false;
      requestAnimationFrame(() => {
        drawn = true;
        view.update();
      });
    };
    const saving = setInterval(() => this.keep(conversation), kSaveEvery);
    await Promise.all(arms.map(async (arm) => {
      const answer = emptyAnswer(arm, requestOf(conversation, before, view.turn.prompt, arm, this.facts));
      view.turn.answers.push(answer);
      const shown = view.add(answer, false);
      await ask(this.api, answer, { signal: stop.signal, onchange: draw });
      shown.finish();
      view.compare();
    }));
    clearInterval(saving);
    if (this.stop === stop) {
      this.stop = null;
      [this.send.disabled, this.stopButton.hidden] = [false, true];
      this.status.textContent = view.turn.answers.some(({ error }) => error) ? "There was an error." : "The answers are there.";
    }
    conversation.changed = Date.now();
    await this.keep(conversation);
    await this.conversations.refresh(this.conversation.id);
  }
}

function header(model) {
  const { layers, heads } = model?.refocus ?? {};
  const fact = (name, value) => (value ? el("div", {}, el("dt", {}, name), el("dd", {}, value)) : null);
  const masthead = el("header", { class: "masthead" }, el("div", {}, el("p", { class: "kind" }, "refocus serve"), el("h1", {}, model?.id ?? "Refocus"),
    model ? el("dl", { class: "facts" }, fact("Context", `${model.max_model_len.toLocaleString("en")} tokens`), fact("Layers", layers && String(layers)), fact("Heads", heads && String(heads)), fact("API", el("a", { href: "/openapi.json" }, "/openapi.json"))) : null));
  addThemeButton(masthead);
  return masthead;
}

// Asks for the key that the server wants; resolves when one is given.
function askForKey(api, message) {
  return new Promise((resolve) => {
    const input = el("input", { type: "password", autocomplete: "off", required: true, id: "key" });
    const form = el("form", { class: "key", onsubmit: (event) => {
      event.preventDefault();
      api.setKey(input.value);
      resolve();
    } }, el("p", {}, message), el("label", { for: "key" }, "Key"), input, el("button", { type: "submit" }, "Use it"), el("p", { class: "note" }, "It is kept until this tab is closed."));
    document.body.replaceChildren(header(null), el("main", { id: "main" }, form));
    input.focus();
  });
}

async function modelsOf(api) {
  for (;;) {
    try {
      return (await api.json("/v1/models")).data;
    } catch (error) {
      if (error.status !== 401) throw error;
      await askForKey(api, api.key ? "The server does not know this key." : "The server wants a key.");
    }
  }
}

async function start() {
  const api = new Api();
  const models = await modelsOf(api);
  const page = new Page(api, models, await Store.open());
  document.title = `${page.base.id} – Refocus`;
  document.body.replaceChildren(el("a", { class: "skip", href: "#prompt" }, "To the prompt"), header(page.base), el("main", { id: "main" }, page.element), keyList());
  page.open(page.blank());
  // A link may write a prompt, but not send it.
  page.prompt.value = new URLSearchParams(location.search).get("q") ?? "";
  if (matchMedia(kWide).matches) page.prompt.focus();
  await page.showRuns();
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => {
  document.body.prepend(el("p", { role: "alert", class: "failure" }, `The page could not begin: ${error.message}`));
  document.documentElement.dataset.ready = "true";
});
