// Tokens along a map: which labels there is room for, and where they stand. For the screen, PNG and SVG alike.
import { cut, textWidth } from "../shared/text.js";
import { visible } from "./tokens.js";

const kRoom = 12; // pixels that a label needs

// Every how many cells there is a label, in steps that people count by.
function stepFor(cell) {
  for (const step of [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]) if (step * cell >= kRoom) return step;
  return 10000;
}

/** Labels of cells begin to begin + length / cell of `positions`: [{at: middle in pixels, text, position}]. */
export function axisLabels({ positions, tokens, begin, cell, length, room, font }) {
  const step = stepFor(cell);
  const labels = [];
  const first = Math.max(0, Math.floor(begin));
  const last = Math.min(positions.length, Math.ceil(begin + length / cell));
  for (let place = first; place < last; place++) {
    if (place % step !== 0) continue;
    const at = (place + 0.5 - begin) * cell;
    if (at < 0 || at > length) continue;
    const position = positions[place];
    const token = visible(tokens[position]);
    const text = step === 1 ? token : `${position} ${token}`;
    labels.push({ at, text: cut(text, room, (t) => textWidth(t, font)), position });
  }
  return labels;
}

/** What a legend says: [[place from 0 to 1, text], ...]; `kind` is "weights", "signed" or "difference". */
export function legendTicks(kind, scale, largest) {
  const short = (value) => String(Number(value.toPrecision(2)));
  if (kind === "weights") {
    if (scale === "log") return [[0, "≤ 0.0001"], [0.25, "0.001"], [0.5, "0.01"], [0.75, "0.1"], [1, "1"]];
    return [[0, "0"], [0.5, short(largest / 2)], [1, short(largest)]];
  }
  if (kind === "signed" && scale === "log") {
    const [least, most] = largest > 1 ? ["≤ −1", "≥ 1"] : ["−1", "1"];
    return [[0, least], [0.25, "−0.01"], [0.5, "±0.0001"], [0.75, "0.01"], [1, most]];
  }
  const middle = kind === "difference" && scale === "log" ? largest / 4 : largest / 2;
  return [[0, `−${short(largest)}`], [0.25, `−${short(middle)}`], [0.5, "0"], [0.75, short(middle)], [1, short(largest)]];
}

/** What the colours of a map with two sides mean; nothing for one without. */
export function signNote(kind) {
  return { signed: "Blue: negative weights; orange: positive ones.", difference: "Blue: less; orange: more." }[kind] ?? "";
}
