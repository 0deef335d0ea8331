"""Inspect (inspect-ai): its providers openai-api (chats) and openai-api-completions, with scores of prompts, and an evaluation."""
import asyncio, os

import served
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model
from inspect_ai.scorer import includes
from served import ARM, BASE, CHAT, COMPLETION, CONTEXT, MODEL, PROMPT, QUESTION, SPEC, ask, expect, expect_true, text_of



def model(name=MODEL, kind="openai-api"):
    return get_model(f"{kind}/refocus/{name}", base_url=BASE, api_key="none", memoize=False)


def generate(input, config, name=MODEL, kind="openai-api"):
    return asyncio.run(model(name, kind).generate(input, config=GenerateConfig(**config)))


CONFIG = {"max_tokens": CHAT["max_tokens"], "temperature": 0.0}


def chats():
    plain = ask("/v1/chat/completions", CHAT)
    got = generate(QUESTION, CONFIG)
    expect("text", got.completion, text_of(plain))
    expect("stop reason", got.stop_reason, {"stop": "stop", "length": "max_tokens"}[plain["choices"][0]["finish_reason"]])
    expect("usage", (got.usage.input_tokens, got.usage.output_tokens), (plain["usage"]["prompt_tokens"], plain["usage"]["completion_tokens"]))
    more = CONFIG | {"temperature": 1.0, "num_choices": 3, "seed": 7, "logprobs": True, "top_logprobs": 2}
    body = CHAT | {"temperature": 1, "n": 3, "seed": 7, "logprobs": True, "top_logprobs": 2}
    plain, got = ask("/v1/chat/completions", body), generate(QUESTION, more)
    expect("choices", [c.message.text for c in got.choices], [text_of(plain, i) for i in range(3)])
    expect("log-probabilities", [[t.logprob for t in c.logprobs.content] for c in got.choices],
           [[t["logprob"] for t in c["logprobs"]["content"]] for c in plain["choices"]])
    long = generate(QUESTION, CONFIG | {"max_tokens": CONTEXT})
    expect("stop reason beyond the context", long.stop_reason, "model_length")


def scores_of_prompts():
    plain = ask("/v1/completions", COMPLETION | {"prompt_logprobs": 2, "max_tokens": 1})["choices"][0]["prompt_logprobs"]
    expected = [next(iter(entry.values()))["logprob"] for entry in plain if entry]  # the token itself stands first
    config = {"prompt_logprobs": 2, "max_tokens": 1, "temperature": 0.0}
    got = generate([ChatMessageUser(content=PROMPT)], config, kind="openai-api-completions")
    expect("scores of a prompt", [t.logprob for t in got.choices[0].prompt_logprobs.content], expected)
    tokens = ask("/tokenize", {"prompt": PROMPT})["tokens"]
    same = generate([ChatMessageUser(content="", metadata={"prompt_token_ids": tokens})], config, kind="openai-api-completions")
    expect("scores of a prompt of tokens", [t.logprob for t in same.choices[0].prompt_logprobs.content], expected)
    arm = generate([ChatMessageUser(content=PROMPT)], config, ARM, "openai-api-completions")
    expect_true("an intervention changes scores", [t.logprob for t in arm.choices[0].prompt_logprobs.content] != expected)
    chat = ask("/v1/chat/completions", CHAT | {"prompt_logprobs": 1})["prompt_logprobs"]
    got = generate(QUESTION, CONFIG | {"prompt_logprobs": 1})
    expect("scores of a conversation", [t.logprob for t in got.choices[0].prompt_logprobs.content],
           [next(iter(entry.values()))["logprob"] for entry in chat if entry])
    words = generate([ChatMessageUser(content=PROMPT)], {"max_tokens": 12, "temperature": 0.0}, kind="openai-api-completions")
    expect("completion", words.completion, text_of(ask("/v1/completions", COMPLETION)))


def interventions():
    arm = generate(QUESTION, CONFIG, ARM).completion
    expect("by body", generate(QUESTION, CONFIG | {"extra_body": {"refocus": {"intervene": SPEC}}}).completion, arm)
    expect("by header", generate(QUESTION, CONFIG | {"extra_headers": {"X-Refocus-Intervene": SPEC}}).completion, arm)
    expect_true("an intervention changes the answer", arm != generate(QUESTION, CONFIG).completion)


def errors():
    """What will not get better is not tried again: by default Inspect would go on without end."""
    for name, more in (("gpt-4o", {}), (MODEL, {"presence_penalty": 1.0}), (MODEL, {"extra_body": {"refocus": {"intervene": "bosst"}}})):
        before = served.answered()
        try:
            got = generate(QUESTION, CONFIG | more, name)
            expect_true(f"an error for {name} {more}", got.error or got.stop_reason not in ("stop", "max_tokens"))
        except AssertionError:
            raise
        except Exception as e:
            expect_true(f"an error of the server's for {name} {more}: {e!r}", "expected" in str(e))
        expect(f"requests for {name} {more}", served.answered() - before, 1)


def evaluation():
    samples = [Sample(input=f"where is the blue crate {i}?", target="D", id=i) for i in range(1, 25)]
    logs = eval(Task(dataset=samples, scorer=includes()), model=[model(), model(ARM)], max_connections=16, display="none",
                log_dir=os.environ["REFOCUS_SCRATCH"], temperature=0.0, max_tokens=CHAT["max_tokens"])
    for log, name in zip(logs, (MODEL, ARM)):
        expect(f"evaluation of {name}", log.status, "success")
        got = {s.id: s.output.completion for s in log.samples}
        bodies = {s.id: CHAT | {"model": name, "messages": [{"role": "user", "content": s.input}]} for s in samples}
        expected = {i: text_of(ask("/v1/chat/completions", body)) for i, body in bodies.items()}
        expect(f"answers of {name}", got, expected)


def shown():
    names = {}
    exec(served.guide("from inspect_ai.model"), names)
    got = asyncio.run(names["model"].generate(QUESTION, config=GenerateConfig(**CONFIG)))
    expect("the guide's way", got.completion, generate(QUESTION, CONFIG, ARM).completion)


def test():
    for part in (chats, scores_of_prompts, interventions, errors, evaluation, shown):
        part()


served.run(test)
