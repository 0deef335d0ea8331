// How tokens are shown where nothing may break a line or a layout: blanks, line breaks, control characters and the
// marks that change the direction of writing become visible signs.

const signs = new Map([["\n", "↵"], ["\t", "⇥"], ["\r", "␍"], [" ", "·"], ["\u00a0", "⍽"], ["\u007f", "␡"]]);

// Controls, marks of direction, joiners and what has no sign of its own, but for the ones above.
const unseen = /[\u0000-\u0020\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

function sign(character) {
  const known = signs.get(character);
  if (known) return known;
  const code = character.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return `⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** A name from a file with everything in it visible. */
export const plain = (text) => text.replace(unseen, (c) => (c === " " ? c : sign(c)));

/** A token's text with everything in it visible; its piece where it has no text. */
export function visible(token) {
  if (!token) return "";
  const text = token.text || token.piece;
  if (!text) return `#${token.id}`;
  // Within an emoji that several people make up, joiners are no dirt.
  return text.replace(unseen, (c, at) => (c === "\u200d" && at > 0 && at + 1 < text.length ? c : sign(c)));
}

/** ", from ORIGIN" of a token whose origin is known. */
export const fromWhere = ({ origin }) => (origin === undefined ? "" : `, from ${plain(origin)}`);

/** Keeps a right-to-left token from turning what stands beside it. */
export const isolated = (text) => `\u2068${text}\u2069`;

/** A weight with the digits that float32 has, or those of float16. */
export function number(value, digits = 7) {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size >= 1e-4 && size < 1e6 ? String(Number(value.toPrecision(digits))) : value.toExponential(digits - 1);
}

const titles = {
  entropy: "Entropy (nats)",
  mass_first: "Mass on the first key",
  mass_self: "Mass on the token itself",
  mass_previous: "Mass on the token before",
  mass_window: "Mass in the window",
  mass_non_semantic: "Mass on non-semantic tokens",
  jaccard_layer0: "Jaccard similarity to layer 0",
  divergence_layer0: "Jensen-Shannon divergence to layer 0 (nats)",
  divergence_arms: "JS divergence between arms (nats)",
  mask_size: "Keys in M",
  mass_mask_before: "Mass in M before",
  mass_mask_after: "Mass in M after",
  row_sum: "Sum of a row",
  mass_negative: "Part of the weights' sizes that is negative",
  received: "Weight received",
  received_ratio: "Received, against even attention",
  outlier_keys: "Outlier keys",
};

const kOrder = ["entropy", "mass_first", "mass_self", "mass_previous", "mass_window", "mass_non_semantic", "mass_special",
  "mass_punctuation", "mass_white_space", "mass_function_word", "mass_number", "mass_content", "mass_unknown", "jaccard_layer0",
  "divergence_layer0", "divergence_arms", "mask_size", "mass_mask_before", "mass_mask_after", "row_sum", "mass_negative", "received", "received_ratio", "outlier_keys"];

/** Names of statistics as docs/attention.md lists them, others after those. */
export function inOrder(names) {
  const place = (name) => (kOrder.indexOf(name) + 1 || kOrder.length + 1);
  return [...names].sort((a, b) => place(a) - place(b) || a.localeCompare(b, "en", { numeric: true }));
}

/** What tells arms apart: of their interventions the settings that differ among them. */
export function shortNames(arms) {
  const parts = arms.map(({ intervention }) => {
    const [kind, settings = ""] = intervention.split(":");
    return { kind, settings: settings.split(",").filter(Boolean) };
  });
  const names = parts.map(({ kind, settings }) => {
    const alike = parts.filter((other) => other.kind === kind);
    const telling = settings.filter((setting) => !alike.every((other) => other.settings.includes(setting)));
    return telling.length ? `${kind} ${telling.join(", ")}` : kind;
  });
  return names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : arms[i].name));
}

/** Shares by origin that heads can be compared by: of all rows, and of the prompts' last ones. */
export const kShareRows = ["all", "last"];

/** The name of such a share among statistics. */
export const shareName = (rows, group) => `share:${rows}:${group}`;

/** {rows, group} of such a name, null for another one. */
export function shareOf(name) {
  const found = /^share:([^:]+):(.*)$/su.exec(name);
  return found && { rows: found[1], group: found[2] };
}

/** A statistic's name for people. */
export function statisticTitle(name) {
  const share = shareOf(name);
  if (share) return `Share on ${plain(share.group)}${share.rows === "last" ? ", of the prompt's last token" : ""}`;
  if (titles[name]) return titles[name];
  if (name.startsWith("received_ratio_at_")) return `Received, against even attention, from position ${name.slice(18)}`;
  if (name.startsWith("mass_")) return `Mass on ${name.slice(5).replaceAll("_", " ")} tokens`;
  return name.replaceAll("_", " ");
}
