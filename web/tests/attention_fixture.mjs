// Writes a directory in the format of `refocus attention` (docs/attention.md) without a model, for tests of its
// explorer and to measure it at sizes that no small model has:
//
//   node attention_fixture.mjs DIR [--tokens 24] [--layers 3] [--heads 4] [--arms 2] [--top-k 6 | --dense] [--before] [--negative] [--origins]
//
// Weights are made up (a first key, the token before, a hash of the places) but each row sums to 1, and arms differ
// in the mask's keys; with --negative the second arm's are negative there, in all layers but the first; with --origins
// tokens say where they are from.
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

// A header that NumPy reads; the data follows.
function npyHeader(descr, shape) {
  const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  let text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  text = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + "\n";
  const head = Buffer.alloc(10);
  head.write("\x93NUMPY\x01\x00", "latin1");
  head.writeUInt16LE(text.length, 8);
  return Buffer.concat([head, Buffer.from(text, "latin1")]);
}

class NpyFile {
  constructor(path, descr, shape) {
    this.file = openSync(path, "w");
    writeSync(this.file, npyHeader(descr, shape));
  }
  write(array) {
    writeSync(this.file, Buffer.from(array.buffer, array.byteOffset, array.byteLength));
  }
  close() {
    closeSync(this.file);
  }
}

// A fraction of [0, 1) that depends on all its arguments.
function hash(...places) {
  let h = 2166136261;
  for (const place of places) {
    h = Math.imul(h ^ (place + 0x9e37), 16777619);
    h ^= h >>> 13;
  }
  h = Math.imul(h, 0x5bd1e995);
  return ((h ^ (h >>> 15)) >>> 0) / 4294967296;
}

// What a model could not be trusted to write: markup, right-to-left text, control characters, empty pieces.
const hostile = ["<script>alert(1)</script>", "\n", " <b>", "שלום", "\u202e", "\u0007", "&amp;", "\t", "", "\u0000", " 👩‍👩‍👧", "\"'>"];
const words = " the cat sat on a red mat and looked at the moon ; who has 3 keys ? Ana , Ben or Cy .".split(/(?= )/);

function tokensOf(count, classes) {
  const tokens = [{ id: 1, text: "", piece: "<s>", class: "special" }];
  for (let i = 1; i < count; i++) {
    const text = i <= hostile.length ? hostile[i - 1] : words[i % words.length];
    const kind = i <= hostile.length ? "punctuation" : /\d/.test(text) ? "number" : classes[3 + (i % 3)];
    tokens.push({ id: 10 + i, text, piece: text || "<0xE2>", class: kind });
  }
  return tokens;
}

// Made-up origins of tokens, with their groups; the last three tokens were generated.
function originOf(position, count) {
  if (position === 0) return ["tokenizer", ["tokenizer"]];
  if (position >= count - 3) return ["generated", ["generated"]];
  if (position % 9 < 3) return ["template", ["template"]];
  if (position % 9 === 3) return ["message 1 (user), field <i>role</i>", ["data", "role:user", "field:<i>role</i>"]];
  return [`message 1 (user), shot ${position > 9 ? 1 : 0}`, ["data", "role:user", `shot:${position > 9 ? 1 : 0}`]];
}

// Sums of shares by origin, of rows of the groups' queries; the groups in their order.
class OriginSums {
  constructor(count) {
    this.of = Array.from({ length: count }, (_, position) => originOf(position, count)[1]);
    this.groups = ["template", "data", "tokenizer", "generated", "role:user", "field:<i>role</i>", "shot:0", "shot:1"].filter((group) => this.of.some((own) => own.includes(group)));
    this.last = count - 4;
    this.queries = {};
    this.even = {};
    for (let query = 0; query < count; query++) {
      for (const row of this.rowsOf(query)) {
        this.queries[row] = (this.queries[row] ?? 0) + 1;
        for (const group of this.groups) {
          const even = this.of.slice(0, query + 1).filter((own) => own.includes(group)).length / (query + 1);
          (this.even[row] ??= {})[group] = (this.even[row][group] ?? 0) + even;
        }
      }
    }
  }

  rowsOf(query) {
    return ["all", ...(query === this.last ? ["last"] : []), ...this.of[query]];
  }

  // Adds a row's shares to `sums` of a head.
  add(sums, query, weights) {
    let total = 0;
    for (let key = 0; key <= query; key++) total += Math.abs(weights[key]);
    for (let key = 0; key <= query; key++) {
      for (const row of this.rowsOf(query)) for (const group of this.of[key]) {
        sums[row] ??= Object.fromEntries(this.groups.map((name) => [name, 0]));
        sums[row][group] += Math.abs(weights[key]) / total;
      }
    }
  }

  /** As in statistics.json, of [layers][heads] sums. */
  json(sums) {
    const mean = (row, value) => value / this.queries[row];
    const rows = Object.keys(this.queries);
    const table = (make) => Object.fromEntries(rows.map((row) => [row, Object.fromEntries(this.groups.map((group) => [group, make(row, group)]))]));
    return { groups: this.groups, queries: this.queries, keys: Object.fromEntries(this.groups.map((group) => [group, this.of.filter((own) => own.includes(group)).length])),
      even: table((row, group) => mean(row, this.even[row][group])), shares: table((row, group) => sums.map((layer) => layer.map((head) => mean(row, head[row][group])))) };
  }
}

// A row of weights before any intervention, as float32.
function weightsOf(layer, head, query, row) {
  const reach = 1 + ((layer * 7 + head * 3) % 11);
  let sum = 0;
  for (let key = 0; key <= query; key++) {
    const near = Math.exp(-(query - key) / reach) * (1 + (head % 3));
    const first = key === 0 ? 0.2 + 2 * hash(layer, head, 7) : 0;
    row[key] = first + near * (0.2 + hash(layer, head, key)) + 0.02 * hash(layer, head, query, key) ** 3;
    sum += row[key];
  }
  for (let key = 0; key <= query; key++) row[key] /= sum;
}

function statistic(grid) {
  return { all: grid, content: grid.map((row) => row.map((v) => v * 0.9)), special: grid.map((row) => row.map(() => null)) };
}

const statisticNames = ["entropy", "mass_first", "mass_self", "mass_previous", "mass_window", "row_sum", "mass_special", "mass_punctuation",
  "mass_white_space", "mass_function_word", "mass_number", "mass_content", "jaccard_layer0", "divergence_layer0", "mass_mask_before",
  "mass_mask_after", "mass_negative"];

// The arm's files, opened, by name.
function openFiles(dir, arm, { layers, heads, tokens: n, k }, { dense, before }) {
  const open = {};
  const add = (name, descr, shape) => (open[name] = new NpyFile(join(dir, arm.directory, `${name}.npy`), descr, shape));
  for (const end of before ? ["", "_before"] : [""]) {
    if (dense) add(`attention${end}`, "<f4", [layers, heads, n, n]);
    else {
      add(`top_indices${end}`, "<i4", [layers, heads, n, k]);
      add(`top_weights${end}`, "<f4", [layers, heads, n, k]);
      add(`rest${end}`, "<f4", [layers, heads, n]);
    }
  }
  add("received", "<f4", [layers, heads, n]);
  return { open, add };
}

// The arrays of one map: all weights, or the largest of each row.
class MapArrays {
  constructor(n, k, dense) {
    Object.assign(this, { n, k });
    this.arrays = dense ? [new Float32Array(n * n)] : [new Int32Array(n * k), new Float32Array(n * k), new Float32Array(n)];
    this.names = dense ? ["attention"] : ["top_indices", "top_weights", "rest"];
  }

  add(query, weights) {
    const { n, k, arrays } = this;
    if (arrays.length === 1) {
      arrays[0].set(weights.subarray(0, query + 1), query * n);
      return;
    }
    const order = Array.from({ length: query + 1 }, (_, key) => key).sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]) || a - b);
    for (let j = 0; j < k; j++) {
      arrays[0][query * k + j] = j <= query ? order[j] : -1;
      arrays[1][query * k + j] = j <= query ? weights[order[j]] : 0;
    }
    arrays[2][query] = order.slice(k).reduce((sum, key) => sum + weights[key], 0);
  }
}

function addStatistics(sums, { query, after, before, mask, layer, classOf, negative }) {
  for (const key of mask) {
    sums.mass_mask_before += before[key];
    sums.mass_mask_after += after[key];
  }
  let all = 0;
  for (let key = 0; key <= query; key++) all += Math.abs(after[key]);
  const share = (key) => (negative ? Math.abs(after[key]) / all : after[key]);
  for (let key = 0; key <= query; key++) {
    const p = share(key);
    sums.entropy -= p > 0 ? p * Math.log(p) : 0;
    sums.row_sum += after[key];
    if (query - key < 8) sums.mass_window += p;
    const mass = `mass_${classOf[key]}`;
    if (mass in sums) sums[mass] += p;
    if (after[key] < 0) sums.mass_negative += p;
  }
  if (after.slice(0, query + 1).some((weight) => weight < 0)) sums.negative_rows = (sums.negative_rows ?? 0) + 1;
  sums.mass_first += share(0);
  sums.mass_self += share(query);
  if (query > 0) sums.mass_previous += share(query - 1);
  sums.jaccard_layer0 += 1 / (1 + layer);
  sums.divergence_layer0 += 0.1 * layer;
}

// One layer and head: writes its maps, fills layer 0's masks, and returns the sums of its statistics.
function writeHead(open, { layer, head, masks, scale }, { tokens: n, k, classOf, origins }, { dense, before: keepsBefore, negative }) {
  const [before, after] = [new Float32Array(n), new Float32Array(n)];
  const received = new Float64Array(n);
  const sums = Object.fromEntries(statisticNames.map((name) => [name, 0]));
  const shares = {};
  const maps = [["", after, new MapArrays(n, k, dense)]];
  if (keepsBefore) maps.push(["_before", before, new MapArrays(n, k, dense)]);
  for (let query = 0; query < n; query++) {
    weightsOf(layer, head, query, before);
    after.set(before);
    const mask = masks[query][head];
    if (layer === 0) for (let key = 0; key < query; key++) if (before[key] > 0.01 && hash(head, query, key, 3) < 0.3) mask.push(key);
    for (const key of mask) if (scale && !(negative && layer === 0)) after[key] = before[key] * (1 - scale);
    for (let key = 0; key <= query; key++) received[key] += after[key];
    origins?.add(shares, query, after);
    addStatistics(sums, { query, after, before, mask, layer, classOf, negative });
    for (const [, weights, map] of maps) map.add(query, weights);
  }
  for (const [end, , map] of maps) map.names.forEach((name, i) => open[`${name}${end}`].write(map.arrays[i]));
  open.received.write(Float32Array.from(received, (sum, key) => sum / (n - key)));
  return { sums, shares };
}

function writeMasks(add, masks, heads) {
  const offsets = [0n];
  const indices = [];
  for (const mask of masks.flat()) {
    indices.push(...mask);
    offsets.push(BigInt(indices.length));
  }
  add("mask_offsets", "<i8", [masks.length * heads + 1]).write(BigInt64Array.from(offsets));
  add("mask_indices", "<i4", [indices.length]).write(Int32Array.from(indices));
}

function writeArm(dir, arm, size, options) {
  const { layers, heads, tokens: n } = size;
  mkdirSync(join(dir, arm.directory), { recursive: true });
  const { open, add } = openFiles(dir, arm, size, options);
  const masks = Array.from({ length: n }, () => Array.from({ length: heads }, () => []));
  const grids = Object.fromEntries(statisticNames.map((name) => [name, []]));
  const shares = Array.from({ length: layers }, () => []);
  const negativeRows = Array.from({ length: layers }, () => []);
  for (let layer = 0; layer < layers; layer++) {
    for (const name of statisticNames) grids[name].push([]);
    for (let head = 0; head < heads; head++) {
      const { sums, shares: own } = writeHead(open, { layer, head, masks, scale: arm.scale }, size, options);
      for (const name of statisticNames) grids[name][layer].push(sums[name] / n);
      negativeRows[layer].push(sums.negative_rows ?? 0);
      shares[layer].push(own);
    }
  }
  writeMasks(add, masks, heads);
  for (const name in open) open[name].close();
  const negative = negativeRows.flat().some((rows) => rows > 0);
  if (!negative) delete grids.mass_negative;
  arm.files = Object.fromEntries(Object.keys(open).map((name) => [name, `${arm.directory}/${name}.npy`]));
  return {
    arm: arm.name, intervention: arm.intervention, threshold: 0.01, queries: { all: n }, keys: { all: n },
    statistics: Object.fromEntries(Object.entries(grids).map(([name, grid]) => [name, statistic(grid)])),
    ...(negative && { negative_rows: negativeRows }),
    ...(size.origins && { origins: size.origins.json(shares) }),
    outliers: [{ layer: layers - 1, head: 0, key: 0, received: 0.61, ratio: 9.2, z: 5.1 }],
  };
}

function lensOf(arms, layers, n) {
  const layerOf = (layer) =>
    Array.from({ length: 5 }, (_, rank) => ({
      id: rank, piece: `▁${rank}`, text: rank === 1 ? "<i>" : ` w${rank + layer}`, probability: (0.5 + 0.1 * layer) / (rank + 1) / 2.5,
    }));
  const positions = [n - 2, n - 1].map((position) => ({ position, layers: Array.from({ length: layers }, (_, l) => layerOf(l)) }));
  return { format: "refocus-attention-lens", version: 1, top: 5, arms: arms.map((arm) => ({ arm: arm.name, positions })) };
}

/** Writes the directory and returns attention.json's object. */
export function writeCapture(dir, options) {
  const { tokens: n = 24, layers = 3, heads = 4, arms: armCount = 2 } = options;
  const size = { tokens: n, layers, heads, k: Math.min(options.topK ?? 6, n) };
  const classes = ["special", "punctuation", "white_space", "function_word", "number", "content", "unknown"];
  const tokens = tokensOf(n, classes);
  size.classOf = tokens.map((token) => token.class);
  if (options.origins) {
    size.origins = new OriginSums(n);
    tokens.forEach((token, position) => (token.origin = originOf(position, n)[0]));
  }
  const range = (count) => Array.from({ length: count }, (_, i) => i);
  const arms = range(armCount).map((i) => {
    if (i === 0) return { name: "none", intervention: "none", threshold: 0.01, directory: "none", scale: 0 };
    const alpha = options.negative ? -3 * i : `0.${1 + i}`;
    const name = `rebalance_alpha=${alpha}`;
    return { name, intervention: `rebalance:alpha=${alpha}`, threshold: 0.01, directory: name, scale: options.negative ? 3 * i : 0.1 * (1 + i) };
  });
  mkdirSync(dir, { recursive: true });
  const statistics = arms.map((arm) => writeArm(dir, arm, size, options));
  for (const arm of arms) delete arm.scale;
  const capture = {
    format: "refocus-attention", version: 1, refocus: "0.1.0",
    model: { path: "models/<b>made-up<b>", layers, heads, kv_heads: heads, hidden_size: 16 * heads, vocab_size: 1000, weights: { F16: 1 } },
    prompt_tokens: n - 3, tokens, classes, layers: range(layers), heads: range(heads), queries: range(n), keys: n,
    kind: options.dense ? "dense" : "sparse", top_k: size.k, before: Boolean(options.before), window: 8, arms,
    statistics: "statistics.json", statistics_csv: "statistics.csv", lens: "lens.json",
  };
  const save = (name, value) => writeFileSync(join(dir, name), JSON.stringify(value));
  save("attention.json", capture);
  save("statistics.json", { format: "refocus-attention-statistics", version: 1, layers: range(layers), heads: range(heads), classes, window: 8, arms: statistics });
  save("lens.json", lensOf(arms, layers, n));
  return capture;
}

const arrays = new Map(); // that have been read, by path

/** The elements of a .npy file of <f4, <i4 or <i8. */
export function readNpy(path) {
  if (!arrays.has(path)) arrays.set(path, parseNpy(path));
  return arrays.get(path);
}

function parseNpy(path) {
  const bytes = readFileSync(path);
  const begin = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, begin);
  const data = bytes.buffer.slice(bytes.byteOffset + begin, bytes.byteOffset + bytes.length);
  const shape = header.match(/\(([^)]*)\)/)[1].split(",").filter((part) => part.trim()).map(Number);
  const Kind = header.includes("<f4") ? Float32Array : header.includes("<i4") ? Int32Array : BigInt64Array;
  return { shape, data: new Kind(data) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const number = { type: "string" };
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { tokens: number, layers: number, heads: number, arms: number, "top-k": number, dense: { type: "boolean" }, before: { type: "boolean" }, negative: { type: "boolean" }, origins: { type: "boolean" } },
  });
  const given = Object.fromEntries(["tokens", "layers", "heads", "arms"].filter((name) => values[name]).map((name) => [name, Number(values[name])]));
  writeCapture(positionals[0], { ...given, topK: Number(values["top-k"] ?? 6), dense: values.dense, before: values.before, negative: values.negative, origins: values.origins });
}
