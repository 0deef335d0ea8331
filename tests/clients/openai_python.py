"""The package openai for Python."""
import json

import openai
import served
from served import ARM, BASE, CHAT, COMPLETION, CONTEXT, MESSAGES, MODEL, PROMPT, SPEC, ask, expect, expect_true, text_of, told

client = openai.OpenAI(base_url=BASE, api_key="none")


def as_plain(answer):
    """What the server sent, of what the client made of it."""
    return told(answer.model_dump(exclude_unset=True))


def models():
    expect("models", [m.id for m in client.models.list()], [MODEL, ARM])
    expect("model", client.models.retrieve(ARM).id, ARM)
    free = f"{MODEL}@{SPEC}"  # with ':', '=' and ','
    expect("model of a SPEC", client.models.retrieve(free).id, free)


def whole_answers():
    more = {"n": 3, "logprobs": 2, "temperature": 1, "seed": 7, "stop": [" zzz", "@@"]}
    expect("completion", as_plain(client.completions.create(**COMPLETION | more)), told(ask("/v1/completions", COMPLETION | more)))
    more = {"n": 2, "logprobs": True, "top_logprobs": 3, "temperature": 1, "seed": -5}
    plain = ask("/v1/chat/completions", CHAT | more)
    got = client.chat.completions.create(**CHAT | more)
    expect("chat", as_plain(got), told(plain))
    expect("choices", [c.index for c in got.choices], [0, 1])
    first = got.choices[0]
    expect("tokens with log-probabilities", len(first.logprobs.content), len(plain["choices"][0]["logprobs"]["content"]))
    expect("alternatives", {len(t.top_logprobs) for t in first.logprobs.content}, {3})
    parts = [{"role": "user", "content": [{"type": "text", "text": MESSAGES[0]["content"]}]}]
    expect("parts", as_plain(client.chat.completions.create(**CHAT | {"messages": parts})), told(ask("/v1/chat/completions", CHAT)))
    got = client.completions.create(**COMPLETION | {"prompt": [PROMPT, "the red box"], "n": 2})
    expect("prompts", [c.index for c in got.choices], [0, 1, 2, 3])
    expect("first of prompts", got.choices[0].text, text_of(ask("/v1/completions", COMPLETION)))


def ends():
    whole = client.completions.create(**COMPLETION)
    text = whole.choices[0].text
    expect("finish", whole.choices[0].finish_reason, "length")
    expect("usage", whole.usage.completion_tokens, 12)
    expect("sum", whole.usage.total_tokens, whole.usage.prompt_tokens + 12)
    stop = text[4:7]
    cut = client.completions.create(**COMPLETION, stop=stop)
    expect("text before stop", cut.choices[0].text, text[:text.find(stop)])
    expect("finish at stop", cut.choices[0].finish_reason, "stop")
    text = client.chat.completions.create(**CHAT).choices[0].message.content
    expect_true("a text to cut", len(text) > 10)
    cut = client.chat.completions.create(**CHAT, stop=[text[5:8], "@@"]).choices[0]
    expect("chat's text before stop", (cut.message.content, cut.finish_reason), (text[:text.find(text[5:8])], "stop"))
    echoed = client.completions.create(**COMPLETION | {"max_tokens": 4}, echo=True, logprobs=0)
    expect("echoed tokens", len(echoed.choices[0].logprobs.tokens), echoed.usage.prompt_tokens + 4)
    expect("echoed text", echoed.choices[0].text.startswith(PROMPT), True)
    tokens = echoed.choices[0].logprobs.tokens[echoed.usage.prompt_tokens:]
    expect("text behind the prompt", echoed.choices[0].text, PROMPT + "".join(tokens))
    expect("first token's score", echoed.choices[0].logprobs.token_logprobs[0], None)


def streams():
    more = {"n": 2, "logprobs": True, "top_logprobs": 2, "temperature": 1, "seed": 3}
    whole = client.chat.completions.create(**CHAT | more)
    texts, scores, finishes, usages, roles = ["", ""], [[], []], [None, None], [], []
    for chunk in client.chat.completions.create(**CHAT | more, stream=True, stream_options={"include_usage": True}):
        if chunk.usage:
            usages.append(chunk.usage)
            expect("choices beside usage", chunk.choices, [])
        for c in chunk.choices:
            texts[c.index] += c.delta.content or ""
            roles += [c.delta.role] if c.delta.role else []
            finishes[c.index] = c.finish_reason or finishes[c.index]
            scores[c.index] += [t.logprob for t in c.logprobs.content] if c.logprobs else []
    expect("streamed texts", texts, [c.message.content for c in whole.choices])
    expect("streamed scores", scores, [[t.logprob for t in c.logprobs.content] for c in whole.choices])
    expect("streamed finishes", finishes, [c.finish_reason for c in whole.choices])
    expect("streamed usage", usages, [whole.usage])
    expect("roles", roles, ["assistant"] * 2)
    for more in ({}, {"echo": True, "logprobs": 1}, {"stop": [text_of(ask("/v1/completions", COMPLETION))[4:7]]}):
        whole = client.completions.create(**COMPLETION | more)
        chunks = [c.choices[0] for c in client.completions.create(**COMPLETION | more, stream=True)]
        expect(f"streamed completion {more}", "".join(c.text for c in chunks), whole.choices[0].text)
        expect(f"its finish {more}", chunks[-1].finish_reason, whole.choices[0].finish_reason)
    with client.chat.completions.create(**CHAT | {"max_tokens": CONTEXT // 2}, stream=True) as stream:
        next(iter(stream))  # and goes
    with client.chat.completions.stream(**CHAT) as stream:  # the helper that puts deltas together
        together = [e.snapshot for e in stream if e.type == "content.delta"][-1]
        expect("helper's text", together, text_of(ask("/v1/chat/completions", CHAT)))


def interventions():
    plain = client.completions.create(**COMPLETION)
    with_header = client.with_options(default_headers={"X-Refocus-Intervene": SPEC})
    ways = {
        "arm": client.completions.create(**COMPLETION | {"model": ARM}),
        "name": client.completions.create(**COMPLETION | {"model": f"{MODEL}@{SPEC}"}),
        "body": client.completions.create(**COMPLETION, extra_body={"refocus": {"intervene": SPEC}}),
        "header": client.completions.create(**COMPLETION, extra_headers={"X-Refocus-Intervene": SPEC}),
        "default header": with_header.completions.create(**COMPLETION),
    }
    for way, got in ways.items():
        expect(f"text by {way}", got.choices[0].text, ways["arm"].choices[0].text)
        expect(f"fingerprint by {way}", got.system_fingerprint, ways["arm"].system_fingerprint)
        expect(f"intervention by {way}", got.model_extra["refocus"]["intervention"].split(":")[0], SPEC.split(":")[0])
    expect_true("an intervention changes the answer", ways["arm"].choices[0].text != plain.choices[0].text)
    expect_true("and the fingerprint", ways["arm"].system_fingerprint != plain.system_fingerprint)
    expect("model of the answer", ways["arm"].model, ARM)
    expect("no intervention", plain.model_extra["refocus"]["intervention"], "none")


def refused(kind, code, param, status=400, **body):
    """One request that fails once: a client that tries it again would only fail later."""
    before = served.answered()
    create = client.chat.completions.create if "messages" in body else client.completions.create
    try:
        create(**body)
    except openai.APIStatusError as e:
        expect(f"kind of error for {param}", type(e), kind)
        expect(f"error for {param}", (e.status_code, e.code, e.param), (status, code, param))
        expect_true("a message of one line", e.body["message"] and "\n" not in e.body["message"])
    else:
        raise AssertionError(f"expected an error about {param}, got an answer")
    expect(f"requests with a wrong {param}", served.answered() - before, 1)


def errors():
    bad = openai.BadRequestError
    refused(openai.NotFoundError, "model_not_found", "model", 404, **CHAT | {"model": "gpt-4o"})
    refused(bad, "context_length_exceeded", None, **COMPLETION | {"max_tokens": CONTEXT})
    refused(bad, "unsupported_parameter", "presence_penalty", **CHAT, presence_penalty=1)
    refused(bad, "unsupported_parameter", "tools", **CHAT, tools=[{"type": "function", "function": {"name": "f"}}])
    refused(bad, None, "temperature", **CHAT | {"temperature": 3})
    refused(bad, None, "n", **CHAT, n=17)
    refused(bad, None, "messages", **CHAT | {"messages": []})
    refused(bad, None, "prompt[0]", **COMPLETION | {"prompt": [-1]})
    refused(bad, None, "refocus.intervine", **CHAT, extra_body={"refocus": {"intervine": "none"}})
    refused(bad, None, "refocus.intervene", **CHAT | {"model": ARM}, extra_body={"refocus": {"intervene": "none"}})
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.png"}}]}]
    refused(bad, "unsupported_parameter", "messages[0].content[0]", **CHAT | {"messages": image})


def rest():
    got = client.chat.completions.create(**CHAT, extra_body={"invented": 1})
    expect("ignored", got.model_extra["refocus"]["ignored"], ["invented"])
    raw = client.chat.completions.with_raw_response.create(**CHAT)
    expect("type", raw.headers["content-type"], "application/json")
    old = client.chat.completions.create(**{k: v for k, v in CHAT.items() if k != "max_tokens"}, max_completion_tokens=24)
    expect("the newer name of max_tokens", as_plain(old), told(ask("/v1/chat/completions", CHAT)))


def attention():
    got = client.chat.completions.create(**CHAT | {"model": ARM}, extra_body={"refocus": {"attention": {"layers": [0, 1], "top_k": 4}}})
    expect("text beside attention", got.choices[0].message.content, text_of(ask("/v1/chat/completions", CHAT | {"model": ARM})))
    status, text, _ = served.request("GET", got.refocus["attention"]["url"])
    expect("status of attention", status, 200)
    rows = json.loads(text)["weights"]
    expect("layers of attention", len(rows), 2)
    expect("rows of attention", len(rows[0][0]), got.usage.completion_tokens)


def shown():
    exec(served.guide("from openai import OpenAI"), {})


def test():
    for part in (models, whole_answers, ends, streams, interventions, errors, rest, attention, shown):
        part()


served.run(test)
