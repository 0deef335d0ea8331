// What of a long text is shown around a query: its own surroundings and those of the keys that it looks at most.

export const kWhole = 160; // tokens up to which a text is shown whole
const kAround = 24; // tokens before and after the query
const kBeside = 6; // and of each key
const kKeys = 12;
const kSmallGap = 4; // tokens that are no gap worth telling

/** Ranges [first, after last] of a text of `count` tokens; `keys` begin with the largest. */
export function excerpt(count, query, keys) {
  if (count <= kWhole) return [[0, count]];
  const wanted = [[query - kAround, query + kAround + 1], ...keys.slice(0, kKeys).map((key) => [key - kBeside, key + kBeside + 1])];
  const ranges = [];
  for (const [first, last] of wanted.sort((a, b) => a[0] - b[0])) {
    const [from, to] = [first <= kSmallGap ? 0 : first, last >= count - kSmallGap ? count : last];
    const before = ranges.at(-1);
    if (before && from <= before[1] + kSmallGap) before[1] = Math.max(before[1], to);
    else ranges.push([from, to]);
  }
  return ranges;
}
