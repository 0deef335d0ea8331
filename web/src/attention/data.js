// The page's data: what was captured, and maps by arm, layer and head, each decoded when it is first asked for. The
// blocks are described in src/analyze/explorer_blocks.h.
import { hasBlock, readBytes, readJson } from "../shared/blocks.js";
import { inOrder, kShareRows, shareName, shareOf, shortNames } from "./tokens.js";

// The bytes of a block, after a pause in which the page can paint and hear keys.
async function bytesOf(id) {
  await new Promise((resolve) => setTimeout(resolve));
  return readBytes(id);
}

// Numbers whose first bytes come first, then all second bytes, and so on.
class PlaneReader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  numbers(count, width) {
    const out = new Uint32Array(count);
    for (let b = 0; b < width; b++) {
      const begin = this.at + b * count;
      const shift = 8 * b;
      for (let i = 0; i < count; i++) out[i] |= this.bytes[begin + i] << shift;
    }
    this.at += count * width;
    return out;
  }

  floats(count, width) {
    const bits = this.numbers(count, width);
    if (width === 4) return new Float32Array(bits.buffer);
    const table = halves();
    return Float32Array.from(bits, (half) => table[half]);
  }

  left() {
    return this.bytes.length - this.at;
  }
}

let halfTable = null;

// The value of every float16.
function halves() {
  if (halfTable) return halfTable;
  halfTable = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
    const size = exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1 + fraction / 1024) * 2 ** (exponent - 15);
    halfTable[bits] = bits >> 15 ? -size : size;
  }
  return halfTable;
}

// Row beginnings from the numbers of entries.
function offsetsOf(counts) {
  const offsets = new Uint32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) offsets[i + 1] = offsets[i] + counts[i];
  return offsets;
}

function keysOf(steps, offsets) {
  for (let row = 0; row + 1 < offsets.length; row++) {
    for (let i = offsets[row] + 1; i < offsets[row + 1]; i++) steps[i] += steps[i - 1];
  }
  return steps;
}

/** Rows of weights: row r has keys[offsets[r]..offsets[r + 1]), rising, their weights, and the rest's sum. `negative`:
 * whether weights of it are, those that the page lacks included. */
export class HeadMap {
  constructor(bytes, queries, format, negative) {
    const reader = new PlaneReader(bytes);
    const whole = format.whole_rows;
    const counts = whole ? Uint32Array.from(queries, (q) => q + 1) : reader.numbers(queries.length, format.key_bytes);
    this.queries = queries;
    this.negative = negative;
    this.offsets = offsetsOf(counts);
    const total = this.offsets[queries.length];
    if (whole) {
      this.keys = new Uint32Array(total);
      for (let row = 0; row < counts.length; row++) for (let i = 0; i < counts[row]; i++) this.keys[this.offsets[row] + i] = i;
    } else {
      this.keys = keysOf(reader.numbers(total, format.key_bytes), this.offsets);
    }
    this.weights = reader.floats(total, format.weight_bytes);
    this.rest = reader.floats(queries.length, format.weight_bytes);
    this.largest = this.weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
  }

  /** The place of an entry, or -1. */
  find(row, key) {
    let [low, high] = [this.offsets[row], this.offsets[row + 1]];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.keys[middle] < key) low = middle + 1;
      else high = middle;
    }
    return low < this.offsets[row + 1] && this.keys[low] === key ? low : -1;
  }

  /** {weight, stored, most, negative}: where the page lacks the weight, it is 0 or at most `most`, in size where it
   * may be negative. */
  at(row, key) {
    const place = this.find(row, key);
    if (place >= 0) return { weight: this.weights[place], stored: true };
    const [begin, end] = [this.offsets[row], this.offsets[row + 1]];
    if (end - begin > this.queries[row]) return { weight: 0, stored: true };
    let most = Infinity;
    for (let i = begin; i < end; i++) most = Math.min(most, Math.abs(this.weights[i]));
    if (this.negative) return { weight: 0, stored: false, most, negative: true };
    return { weight: 0, stored: false, most: Math.min(most, Math.max(this.rest[row], 0)) };
  }
}

/** a less b, with the keys of both. Keys that one of them lacks count as 0 there. */
export function subtract(a, b) {
  const out = Object.create(HeadMap.prototype);
  const rows = Math.min(a.queries.length, b.queries.length);
  const keys = new Uint32Array(a.keys.length + b.keys.length);
  const weights = new Float32Array(keys.length);
  out.offsets = new Uint32Array(rows + 1);
  let n = 0;
  out.largest = 0;
  for (let row = 0; row < rows; row++) {
    let [i, j] = [a.offsets[row], b.offsets[row]];
    const [iEnd, jEnd] = [a.offsets[row + 1], b.offsets[row + 1]];
    while (i < iEnd || j < jEnd) {
      const left = i < iEnd ? a.keys[i] : Infinity;
      const right = j < jEnd ? b.keys[j] : Infinity;
      keys[n] = Math.min(left, right);
      weights[n] = (left <= right ? a.weights[i++] : 0) - (right <= left ? b.weights[j++] : 0);
      out.largest = Math.max(out.largest, Math.abs(weights[n++]));
    }
    out.offsets[row + 1] = n;
  }
  out.keys = keys.subarray(0, n);
  out.weights = weights.subarray(0, n);
  out.queries = a.queries;
  out.rest = new Float32Array(rows);
  return out;
}

const kDivergence = "divergence_arms"; // a statistic that the page has of its own
const kCached = 48; // decoded maps that are kept

/** Everything of one page. */
export class Explorer {
  static async open() {
    const data = new Explorer();
    [data.capture, data.format, data.statistics] = await Promise.all([readJson("capture"), readJson("page"), readJson("statistics")]);
    // By arm: [layers, heads] mean JS divergences of its rows from the first arm's, null where they cannot be compared.
    data.divergences = hasBlock("divergences") ? await readJson("divergences") : [];
    data.hasMaps = Boolean(data.capture.kind);
    data.layers = data.capture.layers;
    data.heads = data.capture.heads;
    data.hasMasks = data.heads[0] !== "mean"; // M is a head's own
    const names = shortNames(data.capture.arms);
    data.arms = data.capture.arms.map((arm, place) => ({
      name: arm.name,
      short: names[place],
      intervention: arm.intervention,
      threshold: arm.threshold,
      tokens: arm.tokens ?? data.capture.tokens,
      queries: arm.queries ?? data.capture.queries,
      keys: arm.keys ?? data.capture.keys,
      outliers: data.statistics.arms[place]?.outliers ?? [],
      ...(data.format.arms?.[place] ?? {}),
    }));
    for (const arm of data.arms) if (arm.queries) arm.rowOf = new Map(arm.queries.map((query, row) => [query, row]));
    data.cache = new Map();
    return data;
  }

  hasLens() {
    return hasBlock("lens");
  }

  // `make` of a block, kept while it is among the last ones asked for.
  cached(id, make) {
    let found = this.cache.get(id);
    if (found) this.cache.delete(id);
    else found = bytesOf(id).then(make);
    this.cache.set(id, found);
    if (this.cache.size > kCached) this.cache.delete(this.cache.keys().next().value);
    return found;
  }

  /** By places. */
  map(arm, layer, head, before = false) {
    const negative = !before && this.negativeRows(arm, layer, head) > 0;
    return this.cached(`${before ? "before" : "map"}-${arm}-${layer}-${head}`, (bytes) => new HeadMap(bytes, this.arms[arm].queries, this.format, negative));
  }

  /** M of a head: {offsets, keys, has(row, key)}. */
  mask(arm, head) {
    const rows = this.arms[arm].queries.length;
    return this.cached(`mask-${arm}-${head}`, (bytes) => {
      const reader = new PlaneReader(bytes);
      const offsets = offsetsOf(reader.numbers(rows, this.format.key_bytes));
      const keys = keysOf(reader.numbers(offsets[rows], this.format.key_bytes), offsets);
      return { offsets, keys, has: (row, key) => keys.subarray(offsets[row], offsets[row + 1]).includes(key) };
    });
  }

  /** What each key receives in one head; the mean over heads where `head` is -1, over all where `layer` is too. */
  async received(arm, layer, head) {
    const count = this.arms[arm].keys;
    const width = this.format.received_bytes;
    const id = layer < 0 ? `received-${arm}` : `received-${arm}-${layer}`;
    const all = await this.cached(id, (bytes) => new PlaneReader(bytes).floats(bytes.length / width, width));
    const place = layer < 0 ? 0 : head < 0 ? this.heads.length : head;
    return all.subarray(place * count, (place + 1) * count);
  }

  /** Small pictures of all heads of a layer, and of their differences to the first arm where there are any. */
  async thumbnails(arm, layer) {
    const { thumbnail_rows: rows, thumbnail_columns: columns } = this.arms[arm];
    const bytes = await bytesOf(`thumbnails-${arm}-${layer}`);
    const size = rows * columns;
    const of = (place) => (place * size < bytes.length ? bytes.subarray(place * size, (place + 1) * size) : null);
    return { rows, columns, head: (h) => of(h), difference: (h) => of(this.heads.length + h) };
  }

  async lens() {
    this.lensData ??= readJson("lens");
    return this.lensData;
  }

  /** How many of a map's rows have negative weights. */
  negativeRows(arm, layer, head) {
    return this.statistics.arms[arm]?.negative_rows?.[layer]?.[head] ?? 0;
  }

  hasOrigins() {
    return hasBlock("origins");
  }

  /** By arm: the shares by origin as statistics.json has them, or null. */
  async origins() {
    this.originData ??= readJson("origins");
    return this.originData;
  }

  /** [layers, heads] of a statistic; null where there is none. */
  async statistic(arm, name, tokenClass = "all") {
    const share = shareOf(name);
    if (name === kDivergence) return this.divergences[arm] ?? this.largestDivergence();
    if (share) return (await this.origins())[arm]?.shares[share.rows]?.[share.group] ?? null;
    if (tokenClass === "all") return this.statistics.arms[arm]?.statistics[name]?.all ?? null;
    this.classData ??= readJson("classes");
    return (await this.classData)[arm]?.[name]?.[tokenClass] ?? null;
  }

  // Of the first arm: from the arm that is furthest from it, head by head.
  largestDivergence() {
    const grids = this.divergences.filter((grid) => grid);
    return grids.length === 0 ? null : grids[0].map((row, layer) => row.map((_, head) => {
      const values = grids.map((grid) => grid[layer][head]).filter((value) => value !== null);
      return values.length ? Math.max(...values) : null;
    }));
  }

  statisticNames() {
    const shares = kShareRows.flatMap((rows) => this.statistics.arms.flatMap(({ origins }) => (origins && rows in origins.queries ? origins.groups.map((group) => shareName(rows, group)) : [])));
    const own = this.statistics.arms.flatMap((arm) => Object.keys(arm.statistics));
    return [...inOrder(new Set(this.divergences.some((grid) => grid) ? [...own, kDivergence] : own)), ...new Set(shares)];
  }
}
