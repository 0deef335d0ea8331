// One arm's answer: Markdown whose words are tokens, which can be pointed at, walked through by keys, and opened.
import { el } from "../shared/dom.js";
import { GrowingMarkdown } from "./markdown.js";
import { percent, placesOf, surprise, visible } from "./tokens.js";

// What is said of a token beside it, one for the page.
const card = el("div", { class: "token-card", role: "tooltip", hidden: true });

function bars(tokens, chosen) {
  return el("ol", { class: "alternatives" }, tokens.map(({ text, logprob }) => {
    const bar = el("i", {});
    bar.style.width = `${Math.max(1, 100 * Math.exp(logprob))}%`;
    return el("li", { class: text === chosen ? "chosen" : null }, el("code", {}, visible(text)), el("span", { class: "bar" }, bar), el("span", { class: "n" }, percent(logprob)));
  }));
}

/** A token's probability and what else the model thought of. */
export function alternatives(token) {
  const others = token.top.some(({ text }) => text === token.text) ? token.top : [{ text: token.text, logprob: token.logprob }, ...token.top];
  return bars(others, token.text);
}

function showCard(span, token) {
  card.replaceChildren(el("strong", {}, el("code", {}, visible(token.text)), ` ${percent(token.logprob)}`), alternatives(token));
  if (!card.isConnected) document.body.append(card);
  card.hidden = false;
  const box = span.getClientRects()[0] ?? span.getBoundingClientRect();
  const room = document.documentElement.clientWidth;
  const above = box.bottom + card.offsetHeight + 8 > innerHeight;
  card.style.left = `${Math.max(8, Math.min(box.left, room - card.offsetWidth - 8))}px`;
  card.style.top = `${above ? Math.max(8, box.top - card.offsetHeight - 6) : box.bottom + 6}px`;
}

export const hideCard = () => (card.hidden = true);
addEventListener("scroll", hideCard, { passive: true, capture: true });

function factsOf(answer, done) {
  const count = answer.usage?.completion_tokens ?? answer.tokens.length;
  const facts = [`${count} token${count === 1 ? "" : "s"}`];
  if (answer.seconds > 0.05 && count > 1) facts.push(`${(count / answer.seconds).toFixed(1)} a second`);
  if (!done) return facts.join(" · ");
  if (answer.finish === "length") facts.push("cut at the most tokens");
  if (answer.finish === "stopped") facts.push("stopped");
  if (answer.tokens.length) facts.push(`perplexity ${Math.exp(-answer.tokens.reduce((sum, token) => sum + token.logprob, 0) / answer.tokens.length).toFixed(2)}`);
  return facts.join(" · ");
}

export class AnswerView {
  /** `onlook(index)` when a token is opened. */
  constructor(answer, { done, onlook }) {
    Object.assign(this, { answer, done, onlook, current: -1, difference: -1, places: [0] });
    this.text = el("div", { class: "text", tabindex: "0", role: "group", "aria-label": `Answer of ${answer.arm.name}: arrow keys go from token to token, Enter shows what the model looked at` });
    this.facts = el("p", { class: "note facts-line" });
    this.failure = el("p", { class: "failure", role: "alert", hidden: true });
    this.remark = el("p", { class: "note", hidden: true });
    const spec = answer.arm.spec || (answer.arm.model?.includes("@") ? answer.arm.model.slice(answer.arm.model.indexOf("@") + 1) : "");
    this.spec = el("span", { class: "spec" }, spec || "no intervention");
    this.told = el("span", { class: "unseen", "aria-live": "polite" });
    this.element = el("section", { class: "answer", "aria-label": answer.arm.name }, el("h3", {}, answer.arm.name, " ", this.spec), this.text, this.failure, this.remark, this.facts, this.told);
    this.growing = new GrowingMarkdown(this.text);
    this.listen();
    this.update();
  }

  listen() {
    const indexOf = (target) => {
      const span = target.closest?.(".tok");
      return span && this.text.contains(span) ? Number(span.dataset.token) : -1;
    };
    this.text.addEventListener("pointerover", (event) => {
      const index = indexOf(event.target);
      if (index >= 0 && event.pointerType !== "touch") showCard(event.target.closest(".tok"), this.answer.tokens[index]);
      else hideCard();
    });
    this.text.addEventListener("pointerleave", hideCard);
    this.text.addEventListener("click", (event) => {
      const index = indexOf(event.target);
      if (index < 0 || !getSelection().isCollapsed) return;
      this.go(index, false);
      hideCard();
      this.onlook(index);
    });
    this.text.addEventListener("blur", hideCard);
    this.text.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const count = this.answer.tokens.length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
    if (event.target !== this.text || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in steps && count > 0) {
      event.preventDefault();
      this.go(Math.max(0, Math.min(count - 1, this.current + steps[event.key])), true, steps[event.key] < 0 ? -1 : 1);
    } else if (event.key === "Enter" && this.current >= 0) {
      event.preventDefault();
      hideCard();
      this.onlook(this.current);
    } else if (event.key === "Escape") {
      hideCard();
    }
  }

  spansOf(index) {
    return this.text.querySelectorAll(`[data-token="${index}"]`);
  }

  /** Makes a token the current one. */
  go(index, tell, way = 1) {
    // Tokens that are marks of Markdown show nothing.
    let next = index;
    while (tell && next + way >= 0 && next + way < this.answer.tokens.length && this.spansOf(next).length === 0) next += way;
    for (const span of this.text.querySelectorAll(".current")) span.classList.remove("current");
    this.current = next;
    const spans = this.spansOf(next);
    for (const span of spans) span.classList.add("current");
    const token = this.answer.tokens[next];
    if (!tell || !token) return;
    this.told.textContent = `Token ${next + 1}: ${visible(token.text)}, ${percent(token.logprob)}`;
    if (!spans[0]) return;
    spans[0].scrollIntoView({ block: "nearest" });
    showCard(spans[0], token);
  }

  /** Marks the token from which on another arm's answer is not the same. */
  differ(index) {
    if (index === this.difference) return;
    this.difference = index;
    for (const span of this.text.querySelectorAll(".differs")) span.classList.remove("differs");
    for (const span of this.spansOf(index)) span.classList.add("differs");
  }

  // The tokens that a piece of the text is of.
  leaf(text, at) {
    const { tokens } = this.answer;
    const out = [];
    let [low, high] = [0, tokens.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.places[middle + 1] > at) high = middle;
      else low = middle + 1;
    }
    let from = 0;
    for (let i = low; from < text.length; i++) {
      const until = i < tokens.length ? Math.min(text.length, this.places[i + 1] - at) : text.length;
      if (until <= from) continue;
      const piece = text.slice(from, until);
      from = until;
      if (i >= tokens.length) {
        out.push(piece);
        continue;
      }
      const classes = ["tok", `surprise-${surprise(tokens[i].logprob)}`, i === this.current && "current", i === this.difference && "differs"];
      out.push(el("span", { class: classes.filter(Boolean).join(" "), "data-token": i }, piece));
    }
    return out;
  }

  finish() {
    this.done = true;
    this.update();
  }

  update() {
    const { answer } = this;
    this.places = placesOf(answer.tokens, answer.text);
    const mark = (block) => this.places.findIndex((place) => place >= block.to);
    this.growing.update(answer.text, { open: !this.done, leaf: (text, at) => this.leaf(text, at), mark });
    this.element.classList.toggle("writing", !this.done);
    this.element.setAttribute("aria-busy", String(!this.done));
    this.facts.textContent = factsOf(answer, this.done);
    if (answer.intervention && answer.intervention !== "none") this.spec.textContent = answer.intervention;
    this.failure.hidden = !answer.error;
    this.failure.textContent = answer.error ?? "";
    this.remark.hidden = !answer.note;
    this.remark.textContent = answer.note ?? "";
    if (this.done && !answer.error && !answer.text) {
      this.remark.hidden = false;
      this.remark.textContent = "The model ended its answer at once.";
    }
  }
}
