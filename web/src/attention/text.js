// The tokens as a text that reads, shaded by a number each; lines from one of them to others.
import { el } from "../shared/dom.js";
import { isDark, oklch, css } from "./colour.js";
import { visible } from "./tokens.js";

const kSvg = "http://www.w3.org/2000/svg";
const kLines = 24;

// Shades that text of the page's colour can be read on: contrast stays above 4.5.
function shade(part, kind) {
  const strength = Math.min(1, Math.abs(part));
  if (strength < 0.004) return "";
  const hue = kind !== "weights" && part > 0 ? 55 : 255;
  const dark = isDark();
  return css(oklch(dark ? 0.24 + 0.2 * strength : 0.975 - 0.22 * strength, 0.015 + 0.11 * strength, hue));
}

/** Tokens in `box`; `onPick(position)` when one is clicked or Enter is pressed on it, `onLook(position | null)`. */
export class TokenText {
  constructor(box, { label, onPick, onLook }) {
    this.box = box;
    this.onPick = onPick;
    this.onLook = onLook;
    this.list = el("div", { class: "tokens", role: "listbox", tabindex: "0", "aria-label": label });
    this.lines = document.createElementNS(kSvg, "svg");
    this.lines.setAttribute("class", "lines");
    this.lines.setAttribute("aria-hidden", "true");
    box.replaceChildren(this.list, this.lines);
    this.active = 0;
    this.list.addEventListener("click", (event) => this.from(event, (place) => this.go(place, true)));
    this.list.addEventListener("pointerover", (event) => this.from(event, (place) => this.onLook(place)));
    this.list.addEventListener("pointerleave", () => this.onLook(null));
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("focus", () => this.go(this.active, false));
    this.list.addEventListener("blur", () => this.onLook(null));
    new ResizeObserver(() => this.drawLines()).observe(box);
  }

  from(event, action) {
    const token = event.target.closest?.(".token");
    if (token) action(Number(token.dataset.position));
  }

  /** `ranges`: the positions to show as rising [first, after last] pairs, all unless given; what lies between them is
   * told by its length. */
  setTokens(tokens, promptTokens, ranges = [[0, tokens.length]]) {
    const shown = ranges.join();
    if (this.tokens === tokens && this.shown === shown) return;
    Object.assign(this, { tokens, shown, ranges });
    const parts = [];
    this.spans = [];
    let at = 0;
    for (const [first, last] of [...ranges, [tokens.length, tokens.length]]) {
      if (first > at) parts.push(el("span", { class: "gap", "aria-hidden": "true" }, `⋯ ${(first - at).toLocaleString("en")} tokens ⋯`));
      for (let position = first; position < last; position++) {
        const token = tokens[position];
        const generated = position >= promptTokens ? " generated" : "";
        const span = el("span", { class: `token${generated}`, role: "option", id: `${this.box.id}-${position}`, "data-position": position, "aria-selected": "false" }, visible(token));
        this.spans[position] = span;
        parts.push(span);
        if (/\n/.test(token.text ?? "")) parts.push(el("br"));
      }
      at = last;
    }
    this.list.replaceChildren(...parts);
    this.active = this.nearest(this.active);
    this.chosen = -1;
  }

  /** Numbers by position; `largest` is what the strongest shade stands for. `kind` as of maps: unless "weights", orange
   * is above 0 and blue below. */
  shade(values, largest, kind) {
    this.spans.forEach((span, position) => {
      span.style.backgroundColor = values ? shade(largest > 0 ? values[position] / largest : 0, kind) : "";
    });
  }

  /** Colours by position. */
  paint(colours) {
    this.spans.forEach((span, position) => (span.style.backgroundColor = colours[position]));
  }

  /** Marks with a class; `chosen` is the token that is chosen. */
  mark(outliers, chosen) {
    this.spans.forEach((span, position) => {
      span.classList.toggle("outlier", outliers.has(position));
      span.classList.toggle("chosen", position === chosen);
      span.setAttribute("aria-selected", String(position === chosen));
    });
    if (chosen < 0 || chosen === this.chosen) return;
    this.active = this.chosen = chosen;
    const [span, outer] = [this.spans[chosen], this.box.parentElement];
    if (span && outer) outer.scrollTop = span.offsetTop - outer.clientHeight / 2; // where the text scrolls within itself
  }

  // The shown position nearest to `place`, which may lie beyond the ends.
  nearest(place) {
    const wanted = Math.max(0, Math.min(this.tokens.length - 1, place));
    if (this.spans[wanted]) return wanted;
    let best = this.ranges[0][0];
    for (const [first, last] of this.ranges) for (const end of [first, last - 1]) if (Math.abs(end - wanted) < Math.abs(best - wanted)) best = end;
    return best;
  }

  // The shown position `step` shown tokens on.
  along(step) {
    const shown = Object.keys(this.spans);
    return Number(shown[Math.max(0, Math.min(shown.length - 1, shown.indexOf(String(this.active)) + step))]);
  }

  // The token that stands nearest above or below, in the next line that has any.
  line(direction) {
    const from = this.spans[this.active];
    const middle = (span) => span.offsetLeft + span.offsetWidth / 2;
    let best = this.active;
    let found = null;
    for (const position of Object.keys(this.spans)) {
      const span = this.spans[position];
      const down = direction * (span.offsetTop - from.offsetTop);
      if (down <= from.offsetHeight / 2) continue;
      const aside = Math.abs(middle(span) - middle(from));
      if (found === null || down < found.down - 2 || (down < found.down + 2 && aside < found.aside)) [best, found] = [Number(position), { down, aside }];
    }
    return best;
  }

  go(place, pick) {
    this.spans[this.active]?.classList.remove("active");
    this.active = this.nearest(place);
    const span = this.spans[this.active];
    span.classList.add("active");
    this.list.setAttribute("aria-activedescendant", span.id);
    this.onLook(this.active);
    if (pick) this.onPick(this.active);
  }

  key(event) {
    const places = { ArrowLeft: () => this.along(-1), ArrowRight: () => this.along(1), ArrowUp: () => this.line(-1), ArrowDown: () => this.line(1), Home: () => 0, End: () => Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") this.go(this.active, true);
    else if (event.key in places) this.go(places[event.key](), false);
    else return;
    event.preventDefault();
    this.spans[this.active].scrollIntoView({ block: "nearest" });
  }

  /** `kind` as of maps. Lines from a query to [{key, weight}], thick where the weight is large; the largest ones. */
  connect(query, entries, largest, kind) {
    this.lines.setAttribute("class", `lines ${kind}`);
    this.connected = { query, largest, entries: entries.slice(0, kLines) };
    this.drawLines();
  }

  drawLines() {
    if (!this.connected) return;
    const { query, largest, entries } = this.connected;
    const origin = this.box.getBoundingClientRect();
    this.lines.setAttribute("viewBox", `0 0 ${origin.width} ${origin.height}`);
    const place = (position) => {
      const bounds = this.spans[position].getBoundingClientRect();
      return { x: bounds.left + bounds.width / 2 - origin.left, y: bounds.top - origin.top + 3 };
    };
    if (!this.spans[query]) {
      this.lines.replaceChildren();
      return;
    }
    const from = place(query);
    this.lines.replaceChildren(...entries.filter(({ key }) => key !== query && this.spans[key]).map(({ key, weight }) => {
      const to = place(key);
      const lift = Math.min(70, 14 + Math.abs(to.x - from.x) * 0.16 + Math.abs(to.y - from.y) * 0.1);
      const path = document.createElementNS(kSvg, "path");
      path.setAttribute("d", `M${from.x} ${from.y}C${from.x} ${from.y - lift} ${to.x} ${to.y - lift} ${to.x} ${to.y}`);
      path.setAttribute("class", weight < 0 ? "less" : "more");
      path.setAttribute("stroke-width", (0.75 + 9 * Math.min(1, Math.abs(weight) / (largest || 1))).toFixed(2));
      return path;
    }));
  }
}
