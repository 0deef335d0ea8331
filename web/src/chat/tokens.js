// Tokens of an answer: read from chunks of both endpoints, and where each stands in the text.

const encoder = new TextEncoder();

const alternatives = (list) => list.map(({ token, logprob }) => ({ text: token, logprob }));

/** The tokens of one chunk's choice, {text, logprob, top: [{text, logprob}]}, with what places them: bytes or offset. */
export function tokensOfChoice(choice) {
  const { logprobs } = choice;
  if (!logprobs) return [];
  if (logprobs.content) return logprobs.content.map(({ token, logprob, bytes, top_logprobs }) => ({ text: token, logprob, bytes: bytes ? bytes.length : encoder.encode(token).length, top: alternatives(top_logprobs ?? []) }));
  return (logprobs.tokens ?? []).map((text, i) => ({
    text,
    logprob: logprobs.token_logprobs[i],
    offset: logprobs.text_offset[i],
    top: Object.entries(logprobs.top_logprobs?.[i] ?? {}).map(([token, logprob]) => ({ text: token, logprob })).sort((a, b) => b.logprob - a.logprob),
  }));
}

// For each byte of UTF-8, and for each character, the UTF-16 unit that it belongs to.
function unitsOf(text) {
  const [byBytes, byCharacters] = [[], []];
  let unit = 0;
  for (const character of text) {
    const size = encoder.encode(character).length;
    for (let i = 0; i < size; i++) byBytes.push(unit + (i > 0 ? character.length : 0));
    byCharacters.push(unit);
    unit += character.length;
  }
  byBytes.push(unit);
  byCharacters.push(unit);
  return { byBytes, byCharacters };
}

/** Where each token begins in the text, in UTF-16 units, and last the text's length. A token that ends no character is empty. */
export function placesOf(tokens, text) {
  const { byBytes, byCharacters } = unitsOf(text);
  const places = [];
  // Some tokenizers put a space before the first word that is not shown.
  const hidden = tokens[0]?.bytes && tokens[0].text.startsWith(" ") && !text.startsWith(" ") ? 1 : 0;
  let bytes = -hidden;
  for (const token of tokens) {
    const at = token.offset === undefined ? byBytes[Math.min(Math.max(bytes, 0), byBytes.length - 1)] : byCharacters[Math.min(token.offset, byCharacters.length - 1)];
    places.push(at);
    bytes += token.bytes ?? 0;
  }
  places.push(text.length);
  return places;
}

/** The first place where two answers' tokens are not the same, or -1; while one is still written, only where both have a token. */
export function firstDifference(a, b, done = true) {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i].text !== b[i].text) return i;
  return done && a.length !== b.length ? shared : -1;
}

/** A token's text so that white space is seen. */
export const visible = (text) => text.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "␣") || "∅";

/** A probability in percent, as short as it says something. */
export function percent(logprob) {
  const value = 100 * Math.exp(logprob);
  if (value >= 99.95) return "100 %";
  return value >= 0.05 ? `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} %` : "< 0.1 %";
}

/** 0 for what was to be expected, to 4 for what was not at all. */
export function surprise(logprob) {
  const probability = Math.exp(logprob);
  return [0.9, 0.5, 0.2, 0.05].filter((limit) => probability < limit).length;
}
