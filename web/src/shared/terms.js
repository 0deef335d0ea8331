// Words that pages explain in place. `says` is the glossary's meaning (docs/glossary.md), word for word; `reading` is
// how to read the number.
export const terms = {
  mask: {
    word: "M", says: "layer 0's mask: the keys of a row, its own left out, whose weight in layer 0 exceeds the threshold in the same head",
    reading: "Re-balancing changes the weights of these keys in later layers and no others.",
    formula: "M(i,j) = 1 where A₀(i,j) > threshold and j ≠ i",
  },
  jensen: {
    word: "JS divergence", says: "Jensen-Shannon divergence, the symmetric one of two rows of attention, from 0 to ln 2",
    reading: "0 nats: both rows spread their weight alike; ln 2 = 0.693: they have no key in common.",
    formula: "JS(p, q) = H(m) − (H(p) + H(q)) / 2, m = (p + q) / 2",
  },
  jaccard: {
    word: "Jaccard similarity", says: "what two sets have in common: the size of their intersection over that of their union, from 0 to 1",
    reading: "Here of a row's keys above the threshold, T, and layer 0's mask M: 1 where the head still looks where layer 0 did.",
    formula: "J(T, M) = |T ∩ M| / |T ∪ M|, 1 where both are empty",
  },
  entropy: {
    word: "entropy", says: "how widely a row spreads its weight, in nats",
    reading: "0: all on one key; ln n: the same on each of n keys.",
    formula: "H(p) = − Σⱼ p(i,j) ln p(i,j)",
  },
  mass: {
    word: "mass", says: "the sum of a row's weights over some keys",
    reading: "Given as the mean over rows, as a part of the row's whole weight, so that 1 is all of it.",
    formula: "mass(K) = Σⱼ∈K p(i,j), p(i,j) = |a(i,j)| / Σⱼ |a(i,j)|",
  },
  received: {
    word: "received weight", says: "the mean of what a key gets of the rows that see it",
    reading: "Early keys are seen by more rows than late ones; the ratio to even attention takes that out.",
    formula: "r(j) = mean of a(i,j) over rows i ≥ j",
  },
  outlier: {
    word: "outlier", says: "a key that receives far more weight from later rows than even attention would give it",
    reading: "The logarithms of the ratios are compared by a robust z-score, and an outlier is above 3.5.",
    formula: "z(j) = (x(j) − median x) / (1.4826 MAD), x = ln(received / even)",
  },
  lens: {
    word: "logit lens", says: "the output matrix applied to what a middle layer holds",
    reading: "It asks what the model would say next if it stopped after that layer.",
    formula: "softmax(W norm(h))",
  },
};

/** The term that a statistic is explained by, or null. */
export function termOf(statistic) {
  if (statistic === "jaccard_layer0") return "jaccard";
  if (statistic.startsWith("divergence_")) return "jensen";
  if (statistic === "mask_size" || statistic.startsWith("mass_mask_")) return "mask";
  if (statistic === "entropy") return "entropy";
  if (statistic === "outlier_keys") return "outlier";
  if (statistic.startsWith("received")) return "received";
  return /^(mass_|share:)/.test(statistic) ? "mass" : null;
}
