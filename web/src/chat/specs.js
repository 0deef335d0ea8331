// Interventions as the page offers them: methods with their parameters, made into a SPEC (docs/interventions.md).

const kKeys = { name: "keys", says: "which tokens", value: "role:user" };
const kFactor = { name: "factor", says: "times", value: "3" };

/** Methods: what each does in a few words, and its parameters with the values that they begin with. */
export const methods = {
  rebalance: { says: "strengthen in later layers what layer 0 looks at", parameters: [{ name: "alpha", says: "strength", value: "0.2" }] },
  boost: { says: "give tokens more weight", parameters: [kFactor, kKeys] },
  spotlight: { says: "give tokens at least a share of each row", parameters: [{ name: "target", says: "share, 0 to 1", value: "0.2" }, kKeys] },
  pasta: { says: "look less at all other tokens of the prompt", parameters: [{ name: "alpha", says: "what others keep", value: "0.01" }, kKeys] },
  guide: { says: "add to the scores of tokens", parameters: [{ name: "delta", says: "added", value: "2" }, kKeys] },
  knockout: { says: "hide tokens", parameters: [kKeys, { name: "rows", says: "from rows", value: "all" }] },
  temperature: { says: "make attention sharper or flatter", parameters: [{ name: "tau", says: "scores divided by", value: "0.8" }] },
  nosink: { says: "hide the first token", parameters: [] },
  act: { says: "weaken sinks beyond the first", parameters: [{ name: "beta", says: "times", value: "0.4" }] },
  uniform: { says: "look at all tokens alike", parameters: [{ name: "heads", says: "layer.head", value: "0.0" }] },
  zero: { says: "switch heads off", parameters: [{ name: "heads", says: "layer.head", value: "0.0" }] },
};

/** What `keys=` may be, for a list of proposals. */
export const keyChoices = ["role:user", "role:system", "bos", "sinks:4", "generated", "text:\"...\"", "regex:\"...\"", "class:function_word", "positions:0-3"];

/** The SPEC of a method with these values; parameters that are left empty, and layers, are left to the program. */
export function specOf(method, values, layers = "") {
  const parts = methods[method].parameters.map(({ name }) => [name, values[name] ?? ""]);
  if (layers.trim()) parts.push(["layers", layers]);
  const given = parts.filter(([, value]) => value.trim()).map(([name, value]) => `${name}=${value.trim()}`);
  return given.length ? `${method}:${given.join(",")}` : method;
}

/** Positions as `keys=positions:` has them: 4-7;12. */
export function positionsText(positions) {
  const sorted = [...new Set(positions)].sort((a, b) => a - b);
  const ranges = [];
  for (const position of sorted) {
    const last = ranges.at(-1);
    if (last && last[1] + 1 === position) last[1] = position;
    else ranges.push([position, position]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(";");
}

/** A name for an arm that has none. */
export function nameOf(spec, taken) {
  const short = spec ? spec.split(/[:+]/)[0] : "plain";
  for (let n = 1; ; n++) {
    const name = n === 1 ? short : `${short} ${n}`;
    if (!taken.includes(name)) return name;
  }
}
