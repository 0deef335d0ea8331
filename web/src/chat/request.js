// What is asked of the server: the body of a request, made of a conversation, an arm and the settings.

/** Settings as texts of their fields; `empty` ones are left to the server. */
export const settingFields = [
  { name: "temperature", label: "Temperature", value: "0", step: "any", min: "0" },
  { name: "top_p", label: "Top p", value: "", step: "any", min: "0", max: "1" },
  { name: "top_k", label: "Top k", value: "", step: "1", min: "0" },
  { name: "min_p", label: "Min p", value: "", step: "any", min: "0", max: "1" },
  { name: "max_tokens", label: "Most tokens", value: "256", step: "1", min: "1" },
  { name: "seed", label: "Seed", value: "0", step: "1" },
];

export const defaultSettings = () => ({ ...Object.fromEntries(settingFields.map(({ name, value }) => [name, value])), stop: "", attention: true });

const kAlternatives = 5;
const kMemory = 48 * 2 ** 20; // of rows of attention, below what a server gives one request

// As many keys of each row as fit.
function topKeys(model, rows) {
  const one = 8 * Math.max(1, model.layers) * Math.max(1, model.heads) * Math.max(1, rows);
  return Math.max(1, Math.min(32, Math.floor(kMemory / one)));
}

export function attentionWish(model, settings) {
  return { layers: "all", heads: "all", queries: "generated", top_k: topKeys(model, Number(settings.max_tokens) || 256), reduce: "none" };
}

// The texts of the field, one a line; \n stands for a line's end.
const stopsOf = (text) => text.split("\n").filter(Boolean).map((line) => line.replaceAll("\\n", "\n"));

/** The messages that an arm sees: its own earlier answers, or the first arm's where it has none. */
export function messagesOf(conversation, turns, prompt, arm) {
  const messages = conversation.system.trim() ? [{ role: "system", content: conversation.system }] : [];
  for (const turn of turns) {
    const answer = turn.answers.find((each) => each.arm.id === arm.id && !each.error) ?? turn.answers.find((each) => !each.error);
    if (!answer) continue;
    messages.push({ role: "user", content: turn.prompt }, { role: "assistant", content: answer.text });
  }
  return [...messages, { role: "user", content: prompt }];
}

/** {path, body} of what an arm is asked. */
export function requestOf(conversation, turns, prompt, arm, model) {
  const { settings } = conversation;
  const chat = conversation.mode === "chat";
  const body = { model: arm.model || model.id };
  if (chat) body.messages = messagesOf(conversation, turns, prompt, arm);
  else body.prompt = prompt;
  for (const { name } of settingFields) if (settings[name] !== "" && Number.isFinite(Number(settings[name]))) body[name] = Number(settings[name]);
  if (stopsOf(settings.stop).length) body.stop = stopsOf(settings.stop);
  Object.assign(body, { stream: true, stream_options: { include_usage: true } }, chat ? { logprobs: true, top_logprobs: kAlternatives } : { logprobs: kAlternatives });
  const refocus = {};
  if (arm.spec) refocus.intervene = arm.spec;
  if (settings.attention) refocus.attention = attentionWish(model, settings);
  if (Object.keys(refocus).length) body.refocus = refocus;
  return { path: chat ? "/v1/chat/completions" : "/v1/completions", body };
}

/** What makes tokens of the prompt of such a request. */
export function tokenizeBody(request) {
  const { messages, prompt, model } = request.body;
  return messages ? { model, messages, add_special_tokens: true, return_token_strs: true } : { model, prompt, return_token_strs: true };
}
