// Rows of attention: fetched one by one as they are looked at, and what they amount to.

/** The kept rows of one answer. */
export class Rows {
  constructor(api, place) {
    Object.assign(this, { api, place, known: new Map() });
  }

  /** {layers, heads, query, tokens, promptTokens, weights: [layer][head]{i, w}} of the row from which token `index` was chosen. */
  async row(index, signal) {
    if (this.known.has(index)) return this.known.get(index);
    const values = await this.api.json(`${this.place.url}.json?rows=${index}:${index + 1}`, { signal });
    const row = { layers: values.layers, heads: values.heads, query: values.rows[0], tokens: values.tokens.map(({ text, piece }) => ({ text: text || piece })), promptTokens: values.prompt_tokens, weights: values.weights.map((heads) => heads.map((rows) => rows[0])) };
    this.known.set(index, row);
    return row;
  }
}

const sum = (values) => values.reduce((a, b) => a + b, 0);

/** Measures of one head's row {i, w}; `keys` is a set of positions. */
export const measures = {
  marked: { label: "Weight on marked words", of: (row, keys) => sum(row.w.filter((_, k) => keys.has(row.i[k]))), needsMarks: true },
  first: { label: "Weight on the first token", of: (row) => sum(row.w.filter((_, k) => row.i[k] === 0)) },
  previous: { label: "Weight on the token before", of: (row, keys, query) => sum(row.w.filter((_, k) => row.i[k] === query)) },
  largest: { label: "Largest weight", of: (row) => Math.max(0, ...row.w) },
  entropy: {
    label: "Entropy, in nats", nats: true,
    of: (row) => {
      const all = sum(row.w.map(Math.abs)) || 1;
      return -sum(row.w.map((w) => (w === 0 ? 0 : (Math.abs(w) / all) * Math.log(Math.abs(w) / all))));
    },
  },
};

/** Weights by position of the chosen head; of all heads of a layer, or of all layers, the mean. */
export function weightsOf(row, layer, head) {
  const chosen = row.weights.flatMap((heads, l) => heads.filter((_, h) => (layer === null || l === layer) && (head === null || h === head)));
  const out = new Map();
  for (const { i, w } of chosen) i.forEach((key, k) => out.set(key, (out.get(key) ?? 0) + w[k] / chosen.length));
  return out;
}
