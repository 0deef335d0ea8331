// The logit lens: what the model would say after each layer, as a table of positions and layers.
import { el } from "../shared/dom.js";
import { css, oklch, isDark } from "./colour.js";
import { number, visible } from "./tokens.js";

const kRows = 60; // positions that are shown at first

function shaded(probability) {
  const dark = isDark();
  return css(oklch(dark ? 0.22 + 0.22 * probability : 0.985 - 0.23 * probability, 0.01 + 0.1 * probability, 200));
}

function words(entry) {
  return entry.map(({ id, text, piece, probability }) => `${visible({ id, text, piece })} ${number(probability, 3)}`).join("   ");
}

function cells(position, readout, where) {
  return position.layers.map((entry, layer) => {
    const best = entry[0];
    const tell = () => (readout.textContent = `${where(position.position, layer)}: ${words(entry)}`);
    return el("td", { tabindex: "-1", style: best ? `background-color:${shaded(best.probability)}` : null, onfocus: tell, onpointerenter: tell }, best ? el("bdi", {}, visible(best)) : "");
  });
}

// One cell takes part in the order of Tab; arrow keys go on from it.
function addKeys(table) {
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td");
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const step = steps[event.key];
    if (!cell || !step) return;
    const next = table.rows[cell.parentElement.rowIndex + step[0]]?.cells[cell.cellIndex + step[1]];
    if (next?.tagName !== "TD") return;
    event.preventDefault();
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

/** Fills `box` with an arm's lens. */
export function showLens(box, lens, arm, tokens) {
  const positions = lens.arms[arm]?.positions ?? [];
  if (positions.length === 0) {
    box.replaceChildren(el("p", {}, "This arm has no positions of the lens."));
    return;
  }
  const readout = el("p", { class: "readout", "aria-live": "polite" }, "Point at a cell, or move through them with the arrow keys: the five likeliest tokens after that layer.");
  const where = (position, layer) => `After position ${position} ${visible(tokens[position])}, layer ${layer}`;
  const head = el("tr", {}, el("th", { scope: "col" }, "After"), positions[0].layers.map((_, layer) => el("th", { scope: "col" }, `${layer}`)));
  const body = el("tbody");
  const add = (part) => body.append(...part.map((position) => el("tr", {}, el("th", { scope: "row" }, el("span", { class: "where" }, `${position.position} `), el("bdi", {}, visible(tokens[position.position]))), cells(position, readout, where))));
  add(positions.slice(0, kRows));
  const table = el("table", { class: "lens" }, el("caption", {}, "Likeliest next token after each layer, shaded by its probability"), el("thead", {}, head), body);
  addKeys(table);
  table.querySelector("td")?.setAttribute("tabindex", "0");
  const more = positions.length > kRows && el("button", { type: "button", onclick: () => (add(positions.slice(kRows)), more.remove()) }, `Show all ${positions.length} positions`);
  box.replaceChildren(readout, el("div", { class: "scroll lens-scroll" }, table), more || "");
}
