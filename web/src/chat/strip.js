// A sequence as the model sees it: its tokens, joined into words that can be marked, and shaded by how much is looked at.
import { el } from "../shared/dom.js";
import { visible } from "./tokens.js";

/** Tokens [{text}] as words {from, to}: a word goes on until space, or a mark of the template, begins the next. */
export function wordsOf(tokens) {
  const isMark = (text) => /^<[|\w/\uff5c▁]+>$/.test(text) || /^<\|.*\|>$/.test(text);
  const words = [];
  tokens.forEach(({ text }, i) => {
    const before = tokens[i - 1]?.text ?? "";
    const begins = i === 0 || /^[\s▁]/.test(text) || isMark(text) || isMark(before) || /[\n\t]$/.test(before);
    if (begins) words.push({ from: i, to: i + 1 });
    else words.at(-1).to = i + 1;
  });
  return words;
}

export class Strip {
  /** `onmark` when other words are marked. */
  constructor({ onmark }) {
    this.onmark = onmark;
    this.marked = new Set();
    this.current = 0;
    this.list = el("div", { class: "strip", role: "listbox", "aria-multiselectable": "true", "aria-label": "The sequence as the model sees it: arrow keys go from word to word, Space marks one", tabindex: "0" });
    this.list.addEventListener("click", (event) => {
      const word = event.target.closest(".word");
      if (!word) return;
      const index = Number(word.dataset.word);
      if (event.shiftKey) this.mark(this.range(this.current, index), true);
      else this.mark([index], !this.marked.has(index));
      this.go(index);
    });
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.element = this.list;
  }

  range(a, b) {
    const [from, to] = [Math.min(a, b), Math.max(a, b)];
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  }

  key(event) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      const next = Math.max(0, Math.min(this.words.length - 1, this.current + steps[event.key]));
      if (event.shiftKey) this.mark(this.range(this.current, next), true);
      this.go(next);
    } else if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      this.mark([this.current], !this.marked.has(this.current));
    }
  }

  mark(indices, on) {
    for (const index of indices) {
      if (on && this.words[index].from < this.promptTokens) this.marked.add(index);
      else this.marked.delete(index);
      this.elements[index].setAttribute("aria-selected", String(this.marked.has(index)));
    }
    this.onmark();
  }

  go(index) {
    this.elements[this.current]?.classList.remove("at");
    this.current = index;
    const element = this.elements[index];
    element.classList.add("at");
    this.list.setAttribute("aria-activedescendant", element.id);
    const [box, around] = [element.getBoundingClientRect(), this.list.getBoundingClientRect()];
    if (box.top < around.top || box.bottom > around.bottom) this.list.scrollTop += box.top - around.top - around.height / 2;
  }

  /** Shows tokens, of which the first `promptTokens` are the prompt's; marks stay where the words are the same. */
  show(tokens, promptTokens, id) {
    const kept = this.positions();
    Object.assign(this, { tokens, promptTokens, words: wordsOf(tokens) });
    this.elements = this.words.map(({ from, to }, i) => {
      const text = tokens.slice(from, to).map((token) => token.text).join("");
      return el("span", { class: `word${from >= promptTokens ? " written" : ""}`, role: "option", id: `${id}-${i}`, "data-word": i, "aria-selected": "false", "aria-label": text.trim() ? null : visible(text) }, text.replaceAll("\n", "⏎\n"));
    });
    this.list.replaceChildren(...this.elements);
    this.marked = new Set(this.words.flatMap(({ from, to }, i) => (kept.some((position) => position >= from && position < to) ? [i] : [])));
    for (const i of this.marked) this.elements[i].setAttribute("aria-selected", "true");
    this.current = Math.min(this.current, this.words.length - 1);
  }

  /** Scrolls to the word of a position. */
  scrollTo(position) {
    const element = this.elements[this.words.findIndex(({ to }) => to > position)];
    if (element) this.list.scrollTop += element.getBoundingClientRect().bottom - this.list.getBoundingClientRect().bottom + 24;
  }

  /** Positions of the marked words' tokens. */
  positions() {
    return [...this.marked].flatMap((i) => this.range(this.words[i].from, this.words[i].to - 1));
  }

  markedText() {
    const words = [...this.marked].sort((a, b) => a - b);
    const textOf = (i) => this.tokens.slice(this.words[i].from, this.words[i].to).map(({ text }) => text).join("").trim();
    return words.map((i, n) => (n === 0 ? "" : words[n - 1] + 1 === i ? " " : " … ") + textOf(i)).join("");
  }

  /** Shades words by weights of tokens, a Map; words from `query` on are what came later. */
  shade(weights, query) {
    const sums = this.words.map(({ from, to }) => this.range(from, to - 1).reduce((sum, i) => sum + Math.abs(weights.get(i) ?? 0), 0));
    // Models look at the first token when they look at nothing: it would leave the others without colour.
    const most = Math.max(...sums.slice(1), 1e-9);
    this.words.forEach(({ from }, i) => {
      const element = this.elements[i];
      // The eye sees small weights too.
      element.style.setProperty("--weight", `${Math.round(100 * Math.min(1, Math.sqrt(sums[i] / most)))}%`);
      element.classList.toggle("later", from > query);
      if (sums[i] > 0) element.title = `${(100 * sums[i]).toFixed(1)} %`;
      else element.removeAttribute("title");
    });
  }
}
