// What plots have in common: legends, which never lie over what they explain, and frames for files.
import { el } from "./dom.js";
import { paper } from "./export.js";
import { cut, textWidth } from "./text.js";

const kSvg = "http://www.w3.org/2000/svg";
const kSample = 28; // px of a legend's line
const kLine = 18;

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(kSvg, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** What curves are told apart by besides their colour, as src/eval/report/sweep_figure.cpp has them. */
export const kSymbols = ["circle", "square", "triangle", "diamond"];
const kDashes = ["", "7 3", "2 3", "9 3 2 3"];
export const symbolOf = (curve) => kSymbols[curve % kSymbols.length];
export const dashesOf = (curve) => kDashes[Math.floor(curve / kSymbols.length) % kDashes.length];

const kShapes = {
  circle: (x, y) => `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z`,
  square: (x, y) => `M${x - 3.5} ${y - 3.5}h7v7h-7Z`,
  triangle: (x, y) => `M${x} ${y - 4.5}l4.5 8h-9Z`,
  diamond: (x, y) => `M${x} ${y - 5}l4.5 5l-4.5 5l-4.5 -5Z`,
};

// The sample of a legend's entry {colour, dashes, symbol} or, of an area, {colour, area}; it begins at x.
function sample({ colour, dashes, symbol, area }, x, y) {
  if (area) return [svg("rect", { x: x + 8, y: y - 6, width: 12, height: 12, fill: colour })];
  const parts = [svg("path", { d: `M${x} ${y}h${kSample}`, stroke: colour, "stroke-width": 2, "stroke-dasharray": dashes || null, fill: "none" })];
  if (symbol) parts.push(svg("path", { d: kShapes[symbol](x + kSample / 2, y), fill: colour }));
  return parts;
}

/** A legend for the page, of entries {label, colour, dashes, symbol}. */
export function legendList(entries) {
  return el("ul", { class: "legend" }, entries.map((entry) => el("li", {},
    svg("svg", { viewBox: `0 0 ${kSample} 12`, width: kSample, height: 12, "aria-hidden": "true" }, ...sample(entry, 0, 6)), el("span", {}, entry.label))));
}

// Entries from left to right in as many lines as they need.
function legendMarks(entries, width, top) {
  const font = `12px ${paper.sans}`;
  const measure = (text) => textWidth(text, font);
  const parts = [];
  let [x, y] = [8, top];
  for (const entry of entries) {
    const label = cut(entry.label, width - 16 - kSample - 6, measure);
    const wide = kSample + 6 + measure(label);
    if (x > 8 && x + wide > width - 8) [x, y] = [8, y + kLine];
    const text = svg("text", { x: x + kSample + 6, y: y + 4, fill: paper.text });
    text.textContent = label;
    parts.push(...sample(entry, x, y), text);
    x += wide + 18;
  }
  return { parts, bottom: entries.length > 0 ? y + kLine : top };
}

/** A drawing for a file: `plot` under a title, a note at its right where there is room or else below it, and a legend. */
export function framed(plot, { title, note = "", legend = [] }) {
  const [width, height] = [Number(plot.getAttribute("width")), Number(plot.getAttribute("height"))];
  const bold = (text) => textWidth(text, `600 14px ${paper.sans}`);
  const light = (text) => textWidth(text, `12px ${paper.sans}`);
  const head = svg("text", { x: 8, y: 20, "font-size": 14, "font-weight": 600, fill: paper.text });
  head.textContent = cut(title, width - 16, bold);
  const beside = 8 + bold(title) + 24 + light(note) + 8 <= width;
  const aside = svg("text", { x: beside ? width - 8 : 8, y: beside ? 20 : 38, "text-anchor": beside ? "end" : "start", fill: paper.muted });
  aside.textContent = cut(note, width - 16, light);
  const { parts, bottom } = legendMarks(legend, width, (note && !beside ? 38 : 20) + kLine);
  plot.setAttribute("y", String(bottom));
  const whole = bottom + height + 8;
  return svg("svg", { width, height: whole, viewBox: `0 0 ${width} ${whole}`, "font-size": 12 }, svg("rect", { width, height: whole, fill: "#ffffff" }), head, ...(note ? [aside] : []), ...parts, plot);
}

/** A plot's drawing, as a picture for readers of screens: what it says stands at what holds it. Names of its parts go to
 * data-mark, since groups may have no label of their own. */
export function quiet(plot) {
  plot.removeAttribute("aria-label");
  plot.setAttribute("aria-hidden", "true");
  for (const part of plot.querySelectorAll("[aria-label], [aria-description]")) {
    part.dataset.mark = part.getAttribute("aria-label") ?? "";
    part.removeAttribute("aria-label");
    part.removeAttribute("aria-description");
  }
  return plot;
}

/** An element of class "plot" that draws with `make(width)` now and whenever its width changes; `label` says what is seen. */
export function responsive(label, make) {
  const holder = el("div", { class: "plot", role: "img", "aria-label": label });
  let drawn = 0;
  const draw = () => {
    const width = Math.round(holder.clientWidth);
    if (!width || width === drawn) return;
    drawn = width;
    holder.replaceChildren(quiet(make(width)));
  };
  new ResizeObserver(draw).observe(holder);
  return holder;
}
