// What the model looked at when it chose a token: a grid of layers and heads, the sequence shaded by their weights; and
// words of the prompt marked, to ask again with more weight on them, or without them.
import { el, labelledSelect } from "../shared/dom.js";
import { fileName, save } from "../shared/export.js";
import { alternatives } from "./answer.js";
import { askForAttention } from "./asking.js";
import { HeadGrid } from "./head_grid.js";
import { tokenizeBody } from "./request.js";
import { measures, Rows, weightsOf } from "./rows.js";
import { positionsText } from "./specs.js";
import { Strip } from "./strip.js";
import { percent, visible } from "./tokens.js";

const kActions = [
  ["Boost ×5", "boost", (keys) => `boost:factor=5,keys=${keys}`],
  ["Spotlight 30 %", "spotlight", (keys) => `spotlight:target=0.3,keys=${keys}`],
  ["Mask", "mask", (keys) => `knockout:keys=${keys}`],
];

let count = 0;

export class Look {
  /** `onask({name, spec})` asks the turn's prompt again; `specOfArm(arm)` is what the arm has already. */
  constructor({ api, model, onask, specOfArm }) {
    Object.assign(this, { api, model, onask, specOfArm, rows: new Map(), measure: "largest", id: `look-${++count}` });
    this.title = el("h3", { tabindex: "-1" });
    this.status = el("p", { class: "note", role: "status" });
    this.places = el("div", { class: "alternatives-place" });
    this.strip = new Strip({ onmark: () => this.marksChanged() });
    this.grid = new HeadGrid({ onchoose: () => this.shade() });
    const choice = labelledSelect("Each cell shows", Object.entries(measures).map(([name, { label }]) => [name, label]), (value) => {
      this.measure = value;
      this.showGrid();
    });
    this.select = choice.select;
    this.select.value = this.measure;
    this.save = el("button", { type: "button", class: "quiet", onclick: () => this.saveArchive() }, "Save all rows (.npz)");
    this.reading = el("p", { class: "note", "aria-live": "polite" });
    this.top = el("p", { class: "top-keys" });
    this.attention = el("div", { class: "attention", hidden: true }, el("div", { class: "grid-side" }, el("div", { class: "controls" }, choice.label), el("div", { class: "grid-scroll" }, this.grid.element), this.reading, this.save));
    this.again = el("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.keepAgain() }, "Compute what it looked at");
    this.actions = el("div", { class: "actions", role: "group", "aria-label": "Ask again with the marked words" },
      el("span", { class: "marked-text" }), kActions.map(([label, name, spec]) => el("button", { type: "button", class: "quiet", disabled: true, onclick: () => this.ask(name, spec) }, label)));
    this.before = el("button", { type: "button", class: "quiet", "aria-label": "The token before", onclick: () => this.step(-1) }, "←");
    this.next = el("button", { type: "button", class: "quiet", "aria-label": "The next token", onclick: () => this.step(1) }, "→");
    this.close = el("button", { type: "button", class: "quiet", onclick: () => this.hide() }, "Close");
    this.element = el("section", { class: "look", hidden: true, "aria-label": "What the model looked at" },
      el("header", {}, this.title, el("span", { class: "buttons" }, this.before, this.next, this.close)), this.status, this.again,
      el("div", { class: "look-parts" }, this.chosen = el("div", {}, this.places, this.attention), el("div", {}, this.top, this.strip.element, this.actions)));
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && !event.target.closest("[role=grid]")) this.hide();
    });
    this.marksChanged();
  }

  hide() {
    this.element.hidden = true;
    this.opener?.focus();
  }

  // Goes on to a neighbour, and stays where it is pressed.
  async step(way) {
    const button = way < 0 ? this.before : this.next;
    this.onstep?.(this.index + way);
    await this.open(this.answer, this.index + way, this.opener);
    if (!button.disabled) button.focus({ preventScroll: true });
  }

  /** Opens on a token of an answer, or with `index` null on its prompt. */
  async open(answer, index, opener) {
    Object.assign(this, { answer, index, opener, row: null });
    const token = index === null ? null : answer.tokens[index];
    this.element.hidden = false;
    this.title.replaceChildren(...(token ? [`Token ${index + 1} of ${answer.arm.name}: `, el("code", {}, visible(token.text)), ` ${percent(token.logprob)}`] : ["Mark words of the prompt"]));
    for (const button of [this.before, this.next]) button.hidden = !token;
    this.before.disabled = index === 0;
    this.next.disabled = token && index + 1 === answer.tokens.length;
    this.places.replaceChildren(...(token ? [alternatives(token)] : []));
    this.status.textContent = "";
    this.again.hidden = true;
    this.title.focus({ preventScroll: true });
    const opened = (this.opened = Symbol("opened"));
    const row = token ? await this.fetchRow() : null;
    if (this.opened !== opened) return;
    this.row = row;
    this.attention.hidden = !row;
    this.chosen.hidden = !token;
    this.element.classList.toggle("of-prompt", !token);
    await this.showSequence();
    if (this.opened !== opened) return;
    if (row) this.showGrid();
    this.shade();
    if (row) this.strip.scrollTo(row.query);
    this.element.scrollIntoView({ block: "nearest" });
    this.element.dataset.shown = String(index);
  }

  async fetchRow() {
    const { answer, index } = this;
    if (!answer.attention && answer.finish === null && !answer.error) {
      this.status.textContent = "What it looks at can be seen when the answer has ended.";
      return null;
    }
    if (!answer.attention) {
      this.status.textContent = answer.note ?? "What it looked at was not kept with this answer.";
      this.again.hidden = false;
      return null;
    }
    const { url } = answer.attention;
    if (!this.rows.has(url)) this.rows.set(url, new Rows(this.api, answer.attention));
    try {
      return await this.rows.get(url).row(index);
    } catch (error) {
      this.status.textContent = `What it looked at could not be fetched: ${error.message}`;
      this.again.hidden = false;
      return null;
    }
  }

  // The server gives the same answer to the same request, so what is gone can be had again.
  async keepAgain() {
    const { answer } = this;
    this.again.disabled = true;
    this.status.textContent = "Asking the same again ..";
    try {
      answer.attention = await askForAttention(this.api, answer, this.model);
      answer.note = null;
      if (this.answer === answer) await this.open(answer, this.index, this.opener);
    } catch (error) {
      this.status.textContent = `It could not be had: ${error.message}`;
    }
    this.again.disabled = false;
  }

  async saveArchive() {
    try {
      const response = await this.api.request(`${this.answer.attention.url}.npz`);
      save(await response.blob(), fileName(["attention", this.answer.arm.name], "npz"));
    } catch (error) {
      this.status.textContent = error.message;
    }
  }

  async showSequence() {
    const { answer } = this;
    let prompt = this.row?.tokens.slice(0, this.row.promptTokens);
    let written = this.row?.tokens.slice(this.row.promptTokens);
    try {
      if (!prompt) {
        const got = await this.api.json("/tokenize", { body: tokenizeBody(answer.request) });
        prompt = got.token_strs.map((text) => ({ text }));
        written = answer.tokens;
        if (answer.usage && answer.usage.prompt_tokens !== prompt.length) this.status.textContent = `The prompt had ${answer.usage.prompt_tokens} tokens when it was asked, and has ${prompt.length} now: marks would be elsewhere.`;
      }
    } catch (error) {
      this.status.textContent = `The prompt's tokens could not be had: ${error.message}`;
      prompt = [];
    }
    this.strip.show([...prompt, ...(this.index === null ? [] : written)], prompt.length, this.id);
    this.marksChanged();
  }

  showGrid() {
    if (!this.row) return;
    const { of, nats } = measures[this.measure];
    const marked = new Set(this.strip.positions());
    const text = (value) => (nats ? value.toFixed(2) : `${(100 * value).toFixed(1)} %`);
    const values = this.row.weights.map((heads) => heads.map((head) => of(head, marked, this.row.query)));
    this.grid.show(values, this.row.layers, this.row.heads, text);
    const flat = values.flat();
    const mean = flat.reduce((a, b) => a + b, 0) / flat.length;
    this.reading.textContent = measures[this.measure].needsMarks && marked.size === 0
      ? "Mark words below to see how much each head looks at them."
      : `Mean of all heads ${text(mean)}, most ${text(Math.max(...flat))}. The stronger the colour, the more.`;
  }

  shade() {
    const [layer, head] = this.grid.chosen;
    if (!this.row) {
      this.top.textContent = this.index === null ? "Choose words, by click or by Space, then what is to become of them." : "";
      this.strip.shade(new Map(), Infinity);
      return;
    }
    const weights = weightsOf(this.row, layer, head);
    this.strip.shade(weights, this.row.query);
    const where = layer === null ? "Mean of all heads" : `Layer ${this.row.layers[layer]}, ${this.row.heads ? `head ${this.row.heads[head]}` : "all heads"}`;
    const largest = [...weights].sort((a, b) => b[1] - a[1]).slice(0, 5);
    this.top.replaceChildren(el("strong", {}, where), ": ", ...largest.flatMap(([position, weight], i) => [i ? ", " : "", el("code", {}, visible(this.strip.tokens[position]?.text ?? `${position}`)), ` ${(100 * weight).toFixed(0)} %`]));
  }

  marksChanged() {
    const any = this.strip.marked.size > 0;
    for (const button of this.actions.querySelectorAll("button")) button.disabled = !any;
    this.actions.querySelector(".marked-text").textContent = any ? `“${this.strip.markedText().slice(0, 60)}”` : "No word is marked.";
    if (any && this.row && this.measure !== "marked" && !this.touched) {
      this.measure = this.select.value = "marked";
      this.touched = true;
    }
    if (this.row) this.showGrid();
  }

  ask(name, spec) {
    const added = spec(`positions:${positionsText(this.strip.positions())}`);
    const before = this.specOfArm(this.answer.arm);
    this.onask({ name: `${name} “${this.strip.markedText().slice(0, 24)}”`, spec: before ? `${before}+${added}` : added });
  }
}
