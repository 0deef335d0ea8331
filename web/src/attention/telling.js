// Which head the page opens at: the most telling one, as docs/attention.md defines it.

const kSink = 0.5; // of a head's weight, from which it is taken to look at the first key whatever that is

/** The first place of a [layers, heads] grid with the largest value among those that `holds(layer, head)`; null where
 * none has a value. */
function largest(grid, holds = () => true) {
  let best = null;
  grid?.forEach((row, layer) => row.forEach((value, head) => {
    if (value !== null && value !== undefined && holds(layer, head) && (best === null || value > best.value)) best = { layer, head, value };
  }));
  return best;
}

/** {layer, head, reason}: places, and in words why; null where nothing tells heads apart. */
export function tellingHead(data) {
  let best = null;
  data.divergences.forEach((grid, arm) => {
    const found = largest(grid);
    if (found && (best === null || found.value > best.value)) best = { ...found, arm };
  });
  if (best && best.value > 0) {
    return { ...best, reason: `the rows of ${data.arms[0].short} and ${data.arms[best.arm].short} differ most there (JS divergence ${Number(best.value.toPrecision(3))})` };
  }
  const statistic = (name) => data.statistics.arms[0]?.statistics[name]?.all;
  const first = statistic("mass_first");
  const away = (layer, head) => !((first?.[layer]?.[head] ?? 0) >= kSink);
  const divergence = statistic("divergence_layer0");
  const later = (layer) => data.layers[layer] > 0;
  const far = largest(divergence, (layer, head) => later(layer) && away(layer, head)) ?? largest(divergence, later);
  if (far && far.value > 0) return { ...far, reason: `its rows differ most from layer 0's of the same head (JS divergence ${Number(far.value.toPrecision(3))})` };
  const entropy = statistic("entropy")?.map((row) => row.map((value) => (value === null ? null : -value)));
  const narrow = largest(entropy, away) ?? largest(entropy);
  return narrow && { ...narrow, reason: `its rows are the narrowest (entropy ${Number((-narrow.value).toPrecision(3))} nats)` };
}
