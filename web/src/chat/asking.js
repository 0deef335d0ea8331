// One arm's answer, asked for and filled as it comes.
import { ApiError } from "./api.js";
import { attentionWish } from "./request.js";
import { tokensOfChoice } from "./tokens.js";

export function emptyAnswer(arm, request) {
  return { arm, request, text: "", tokens: [], finish: null, usage: null, intervention: null, fingerprint: null, attention: null, error: null, note: null, seconds: null };
}

function add(answer, chunk) {
  const [choice] = chunk.choices ?? [];
  answer.fingerprint = chunk.system_fingerprint ?? answer.fingerprint;
  if (chunk.usage) answer.usage = chunk.usage;
  if (chunk.refocus) {
    answer.intervention = chunk.refocus.intervention ?? null;
    const kept = [chunk.refocus.attention].flat().find(Boolean);
    if (kept) answer.attention = { id: kept.id, url: kept.url, rows: kept.rows };
  }
  if (!choice) return;
  answer.text += choice.delta ? choice.delta.content ?? "" : choice.text ?? "";
  answer.tokens.push(...tokensOfChoice(choice));
  answer.finish = choice.finish_reason ?? answer.finish;
}

// A server that keeps no attention, or not so much, still answers.
const isOfAttention = (error) => error instanceof ApiError && error.status === 400 && /attention/.test(error.message);

function withoutAttention({ path, body }) {
  const { attention, ...refocus } = body.refocus ?? {};
  const { refocus: _, ...rest } = body;
  return { path, body: Object.keys(refocus).length ? { ...rest, refocus } : rest };
}

/** Fills `answer`; `onchange` after each chunk, `signal` stops it on the server too. Never throws: what failed is the answer's error. */
export async function ask(api, answer, { signal, onchange }) {
  const begun = performance.now();
  const stream = async (request) => {
    for await (const chunk of api.stream(request.path, { body: request.body, signal })) {
      add(answer, chunk);
      answer.seconds = (performance.now() - begun) / 1000;
      onchange();
    }
  };
  try {
    try {
      await stream(api.keepsNoAttention ? withoutAttention(answer.request) : answer.request);
    } catch (error) {
      if (!answer.request.body.refocus?.attention || answer.tokens.length > 0 || !isOfAttention(error)) throw error;
      api.keepsNoAttention = error.code === "unsupported_parameter";
      answer.note = `Attention was not kept: ${error.message}`;
      await stream(withoutAttention(answer.request));
    }
  } catch (error) {
    if (error.name === "AbortError") answer.finish = "stopped";
    else answer.error = error.message;
  }
  onchange();
}

/** Asks the same again, which has the same answer, to keep what it looked at; gives the new place, or throws. */
export async function askForAttention(api, answer, model, signal) {
  const { body, path } = answer.request;
  const { stream: _, stream_options: __, ...rest } = body;
  const tokens = answer.usage?.completion_tokens ?? answer.tokens.length;
  const again = { ...rest, max_tokens: Math.max(1, tokens), refocus: { ...body.refocus, attention: attentionWish(model, { max_tokens: tokens }) } };
  const got = await api.json(path, { body: again, signal });
  const kept = [got.refocus?.attention].flat().find(Boolean);
  if (!kept) throw new ApiError(200, "The server kept no attention.");
  const text = got.choices[0].message?.content ?? got.choices[0].text;
  if (answer.finish !== "stopped" && text !== answer.text) throw new ApiError(200, "Asked again, the server answers otherwise: its model or program is another one now.");
  return { id: kept.id, url: kept.url, rows: kept.rows };
}
