// What is known of one cell of a map: both tokens, the weight, M, and the same weight before and in the other arm.
import { el } from "../shared/dom.js";
import { number, plain, visible } from "./tokens.js";

function weightText(found, digits) {
  if (found.stored) return number(found.weight, digits);
  const most = number(found.most, 3);
  return found.negative ? `−${most} to ${most} (not kept)` : `≤ ${most} (not kept)`;
}

// The difference of two weights: exact where the page has both, otherwise what it may be off by.
function differenceText(a, b, digits) {
  if (a.stored && b.stored) return number(a.weight - b.weight, digits);
  const slack = (a.stored ? 0 : a.most) + (b.stored ? 0 : b.most);
  return `${number(a.weight - b.weight, 3)} ± ${number(slack, 2)}`;
}

/** The fields of a cell as [name, label, text]; `maps`: {after, before | null, other | null, mask}. */
export function fieldsOf({ data, arm, other, row, key, maps }) {
  const digits = data.format.weight_bytes === 4 ? 8 : 4;
  const query = arm.queries[row];
  const after = maps.after.at(row, key);
  const fields = [
    ["query", "Query", `${query} ${visible(arm.tokens[query])}`],
    ["key", "Key", `${key} ${visible(arm.tokens[key])}`],
    ["weight", "Weight", weightText(after, digits)],
    ...(maps.mask ? [["mask", "In M", maps.mask.has(row, key) ? "yes" : "no"]] : []),
  ];
  const { origin } = arm.tokens[key];
  if (origin !== undefined) fields.push(["query-origin", "Query from", plain(arm.tokens[query].origin)], ["key-origin", "Key from", plain(origin)]);
  if (maps.before) {
    const before = maps.before.at(row, key);
    fields.push(["before", "Before", weightText(before, digits)], ["change", "Change", differenceText(after, before, digits)]);
  }
  if (maps.other) {
    const weight = maps.other.at(row, key);
    fields.push(["other", `In ${other.short}`, weightText(weight, digits)], ["difference", "Difference", differenceText(after, weight, digits)]);
  }
  return fields;
}

/** Shows fields in a list that keeps its elements. */
export class Readout {
  constructor(list) {
    this.list = list;
    this.values = new Map();
  }

  show(fields) {
    const names = fields.map(([name, label]) => `${name}${label}`).join();
    if (names !== this.names) {
      this.names = names;
      this.values.clear();
      this.list.replaceChildren(...fields.map(([name, label]) => {
        const value = el("dd", { "data-field": name });
        this.values.set(name, value);
        return el("div", {}, el("dt", {}, label), value);
      }));
    }
    for (const [name, , text] of fields) {
      const value = this.values.get(name);
      value.replaceChildren(el("bdi", {}, text));
      value.title = text;
    }
  }
}
