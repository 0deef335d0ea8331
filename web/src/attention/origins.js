// Where tokens come from: the text in the colours of its origins, and how much of the rows' weight goes to each group.
import { el } from "../shared/dom.js";
import { swatches } from "./charts.js";
import { css, isDark, oklch, onTheme, originColours } from "./colour.js";
import { scroller, section } from "./page.js";
import { TokenText } from "./text.js";
import { fromWhere, plain, visible } from "./tokens.js";

const kLegend = 24; // origins that the legend names

function shaded(share) {
  const part = Math.sqrt(Math.min(1, share));
  return css(oklch(isDark() ? 0.22 + 0.2 * part : 0.985 - 0.2 * part, 0.01 + 0.1 * part, 255));
}

const percent = (share) => (share === null || share === undefined ? "–" : (100 * share).toFixed(1));

function meanOf(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
}

// By layer: the head's share, or where `head` is -1 the mean over heads.
const layersOf = (grid, head) => grid.map((row) => (head < 0 ? meanOf(row) : row[head]));

function cell(share) {
  return el("td", { class: "n", "data-share": share ?? "", style: share === null || share === undefined ? null : `background-color:${shaded(share)}` }, percent(share));
}

/** The shares of an arm: rows are groups of keys, columns layers. `choice`: {queries, head}. */
function shareTable(data, origins, arm, { queries, head }) {
  const own = origins[arm];
  const shares = own.shares[queries];
  const others = data.arms.map((_, place) => place).filter((place) => place !== arm && origins[place]?.shares[queries]);
  const total = (place, group) => meanOf(layersOf(origins[place].shares[queries][group] ?? [], head));
  const heading = (text) => el("th", { scope: "col", class: "n" }, text);
  const rows = own.groups.map((group) => {
    const layers = layersOf(shares[group], head);
    return el("tr", { "data-group": group }, el("th", { scope: "row" }, el("bdi", {}, plain(group))), el("td", { class: "n" }, String(own.keys[group])),
      el("td", { class: "n" }, percent(own.even[queries][group])), cell(meanOf(layers)), others.map((place) => cell(total(place, group))), layers.map(cell));
  });
  const many = own.queries[queries];
  const caption = `${many.toLocaleString("en")} ${many === 1 ? "row" : "rows"} of ${data.arms[arm].short}, in percent of each row's weight; ${head < 0 ? "means over heads" : `head ${data.heads[head]}`}`;
  return el("table", { class: "shares" }, el("caption", {}, el("span", {}, caption)), el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Keys from"), heading("Tokens"), heading("Even"), heading("Mean"),
    others.map((place) => heading(`Mean in ${data.arms[place].short}`)), data.layers.map((layer) => heading(`Layer ${layer}`)))), el("tbody", {}, rows));
}

function colouredText(data, state) {
  const box = el("div", { id: "origin-text", class: "token-box" });
  const legend = el("div", { id: "origin-legend" });
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  const tell = (position) => {
    const token = position === null ? null : data.arms[state.arm].tokens[position];
    readout.textContent = token ? `${position} ${visible(token)}${fromWhere(token)}` : "Point at a token, or move through them with the arrow keys.";
  };
  const text = new TokenText(box, { label: "Tokens by where they are from", onLook: tell, onPick: (position) => {
    if (data.arms[state.arm].rowOf.has(position)) state.update({ query: position, key: null });
  } });
  const draw = () => {
    const { tokens } = data.arms[state.arm];
    const colours = originColours(tokens);
    text.setTokens(tokens, data.capture.prompt_tokens);
    text.paint(tokens.map(({ origin }) => colours.get(origin)?.soft ?? ""));
    const shown = [...colours].slice(0, kLegend).map(([origin, { strong }]) => [plain(origin), strong, null]);
    const left = colours.size - shown.length;
    legend.replaceChildren(swatches(shown), left > 0 ? el("p", { class: "note" }, `and ${left} more`) : "");
    tell(null);
  };
  state.onChange((changed) => changed.has("arm") && draw());
  onTheme(draw);
  draw();
  return [legend, readout, el("div", { class: "token-scroll" }, box)];
}

/** The section of origins; without maps it is the table alone. */
export function buildOrigins(data, state) {
  const box = scroller("Shares by origin", { id: "origin-shares" });
  const choice = { queries: "all", head: -1 };
  const draw = async () => {
    const origins = await data.origins();
    const own = origins[state.arm];
    if (!own) {
      box.replaceChildren(el("p", {}, "The origins of this arm's tokens are not known."));
      return;
    }
    if (!(choice.queries in own.shares)) choice.queries = queries.value = "all";
    box.replaceChildren(shareTable(data, origins, state.arm, { ...choice, head: choice.head < 0 ? -1 : state.head }));
  };
  const select = (id, label, choices, set) => {
    const list = el("select", { id, onchange: () => (set(list.value), draw()) }, choices.map(([value, text]) => el("option", { value }, text)));
    return [list, el("label", {}, label, list)];
  };
  const names = [...new Set(data.statistics.arms.flatMap(({ origins }) => Object.keys(origins?.queries ?? {})))];
  const shown = { all: "All", last: "The prompt's last token" };
  const [queries, queriesLabel] = select("origin-queries", "Rows of", names.map((name) => [name, shown[name] ?? plain(name)]), (value) => (choice.queries = value));
  const [, headsLabel] = select("origin-heads", "Heads", [["-1", "Mean over heads"], ["0", "The chosen head"]], (value) => (choice.head = Number(value)));
  state.onChange((changed) => (changed.has("arm") || (changed.has("head") && choice.head >= 0)) && draw());
  onTheme(draw);
  draw();
  return section("origins", "Where the weight goes, by origin", ...(data.hasMaps ? colouredText(data, state) : []),
    el("p", {}, "How much of a row's weight goes to keys of each origin. “Even” is what the share would be if every key got the same. Template, data, tokenizer and generated tokens make up all keys; other groups are parts of these and may overlap."),
    el("div", { class: "controls" }, queriesLabel, headsLabel), box);
}
