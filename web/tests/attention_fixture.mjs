// Writes a directory in the format of `refocus attention` (docs/attention.md) without a model, for tests of its
// explorer and to measure it at sizes that no small model has:
//
//   node attention_fixture.mjs DIR [--tokens 24] [--layers 3] [--heads 4] [--arms 2] [--top-k 6 | --dense] [--before]
//
// Weights are made up (a first key, the token before, a hash of the places) but each row sums to 1, and arms differ
// in the mask's keys.
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

function writeArm(dir, arm, size, options) {
  const { layers, heads, tokens: n, k } = size;
  mkdirSync(join(dir, arm.directory), { recursive: true });
  const path = (name) => join(dir, arm.directory, `${name}.npy`);
  const map = [layers, heads, n];
  const ends = options.before ? ["", "_before"] : [""];
  const open = {};
  for (const end of ends) {
    if (options.dense) open[`attention${end}`] = new NpyFile(path(`attention${end}`), "<f4", [...map, n]);
    else {
      open[`top_indices${end}`] = new NpyFile(path(`top_indices${end}`), "<i4", [...map, k]);
      open[`top_weights${end}`] = new NpyFile(path(`top_weights${end}`), "<f4", [...map, k]);
      open[`rest${end}`] = new NpyFile(path(`rest${end}`), "<f4", map);
    }
  }
  open.received = new NpyFile(path("received"), "<f4", [layers, heads, n]);
  const masks = Array.from({ length: n }, () => Array.from({ length: heads }, () => []));
  const grids = { entropy: [], mass_first: [], mass_self: [], mass_previous: [], mass_window: [], row_sum: [] };
  for (const name of ["special", "punctuation", "white_space", "function_word", "number", "content"]) grids[`mass_${name}`] = [];
  for (const name of ["jaccard_layer0", "divergence_layer0", "mass_mask_before", "mass_mask_after"]) grids[name] = [];
  const row = new Float32Array(n);
  const after = new Float32Array(n);
  for (let layer = 0; layer < layers; layer++) {
    for (const name in grids) grids[name].push([]);
    for (let head = 0; head < heads; head++) {
      const received = new Float64Array(n);
      const sums = Object.fromEntries(Object.keys(grids).map((name) => [name, 0]));
      const blocks = Object.fromEntries(ends.map((end) => [end, options.dense ? [new Float32Array(n * n)] : [new Int32Array(n * k), new Float32Array(n * k), new Float32Array(n)]]));
      for (let query = 0; query < n; query++) {
        weightsOf(layer, head, query, row);
        if (layer === 0) for (let key = 0; key < query; key++) if (row[key] > 0.01 && hash(head, query, key, 3) < 0.3) masks[query][head].push(key);
        after.set(row);
        const mask = masks[query][head];
        for (const key of mask) {
          sums.mass_mask_before += row[key];
          if (arm.scale) after[key] = row[key] * (1 - arm.scale);
          sums.mass_mask_after += after[key];
        }
        for (let key = 0; key <= query; key++) {
          received[key] += after[key];
          sums.entropy -= after[key] > 0 ? after[key] * Math.log(after[key]) : 0;
          sums.row_sum += after[key];
          if (query - key < 8) sums.mass_window += after[key];
          const mass = `mass_${size.classOf[key]}`;
          if (mass in sums) sums[mass] += after[key];
        }
        sums.mass_first += after[0];
        sums.mass_self += after[query];
        if (query > 0) sums.mass_previous += after[query - 1];
        sums.jaccard_layer0 += layer === 0 ? 1 : 1 / (1 + layer);
        sums.divergence_layer0 += 0.1 * layer;
        for (const end of ends) {
          const weights = end ? row : after;
          if (options.dense) {
            blocks[end][0].set(weights.subarray(0, query + 1), query * n);
            continue;
          }
          const order = Array.from({ length: query + 1 }, (_, key) => key).sort((a, b) => weights[b] - weights[a] || a - b);
          for (let j = 0; j < k; j++) {
            blocks[end][0][query * k + j] = j <= query ? order[j] : -1;
            blocks[end][1][query * k + j] = j <= query ? weights[order[j]] : 0;
          }
          blocks[end][2][query] = order.slice(k).reduce((sum, key) => sum + weights[key], 0);
        }
      }
      for (const end of ends) {
        const names = options.dense ? [`attention${end}`] : [`top_indices${end}`, `top_weights${end}`, `rest${end}`];
        names.forEach((name, i) => open[name].write(blocks[end][i]));
      }
      open.received.write(Float32Array.from(received, (sum, key) => sum / (n - key)));
      for (const name in grids) grids[name][layer].push(sums[name] / n);
    }
  }
  const offsets = [0n];
  const indices = [];
  for (const query of masks) {
    for (const mask of query) {
      indices.push(...mask);
      offsets.push(BigInt(indices.length));
    }
  }
  open.mask_offsets = new NpyFile(path("mask_offsets"), "<i8", [n * heads + 1]);
  open.mask_offsets.write(BigInt64Array.from(offsets));
  open.mask_indices = new NpyFile(path("mask_indices"), "<i4", [indices.length]);
  open.mask_indices.write(Int32Array.from(indices));
  for (const name in open) open[name].close();
  arm.files = Object.fromEntries(Object.keys(open).map((name) => [name, `${arm.directory}/${name}.npy`]));
  return {
    arm: arm.name, intervention: arm.intervention, threshold: 0.01, queries: { all: n }, keys: { all: n },
    statistics: Object.fromEntries(Object.entries(grids).map(([name, grid]) => [name, statistic(grid)])),
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
  const range = (count) => Array.from({ length: count }, (_, i) => i);
  const arms = range(armCount).map((i) => {
    const name = i === 0 ? "none" : `rebalance_alpha=0.${1 + i}`;
    return { name, intervention: i === 0 ? "none" : `rebalance:alpha=0.${1 + i}`, threshold: 0.01, directory: name, scale: i === 0 ? 0 : 0.1 * (1 + i) };
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

/** The elements of a .npy file of <f4, <i4 or <i8. */
export function readNpy(path) {
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
    options: { tokens: number, layers: number, heads: number, arms: number, "top-k": number, dense: { type: "boolean" }, before: { type: "boolean" } },
  });
  const given = Object.fromEntries(["tokens", "layers", "heads", "arms"].filter((name) => values[name]).map((name) => [name, Number(values[name])]));
  writeCapture(positionals[0], { ...given, topK: Number(values["top-k"] ?? 6), dense: values.dense, before: values.before });
}
