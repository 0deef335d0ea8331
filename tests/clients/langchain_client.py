"""LangChain's ChatOpenAI and OpenAI (langchain-openai)."""
import openai
import served
from langchain_openai import ChatOpenAI, OpenAI
from served import ARM, BASE, CHAT, COMPLETION, CONTEXT, MESSAGES, MODEL, PROMPT, SPEC, ask, expect, expect_true, text_of


def chat(**more):
    return ChatOpenAI(**{"base_url": BASE, "api_key": "none", "model": MODEL, "temperature": 0, "max_tokens": CHAT["max_tokens"]} | more)


def answers():
    plain = ask("/v1/chat/completions", CHAT)
    got = chat().invoke(MESSAGES)
    expect("text", got.content, text_of(plain))
    expect("finish", got.response_metadata["finish_reason"], plain["choices"][0]["finish_reason"])
    expect("usage", got.usage_metadata["total_tokens"], plain["usage"]["total_tokens"])
    expect("streamed text", "".join(c.content for c in chat().stream(MESSAGES)), text_of(plain))
    counted = list(chat(stream_usage=True).stream(MESSAGES))
    expect("streamed usage", sum(c.usage_metadata["total_tokens"] for c in counted if c.usage_metadata), plain["usage"]["total_tokens"])
    scored = chat(logprobs=True, top_logprobs=2).invoke(MESSAGES).response_metadata["logprobs"]
    same = ask("/v1/chat/completions", CHAT | {"logprobs": True, "top_logprobs": 2})
    expect("log-probabilities", scored["content"], same["choices"][0]["logprobs"]["content"])
    expect("history", chat().invoke([("system", "be short"), ("human", "hello"), ("ai", "yes"), ("human", "why?")]).content,
           text_of(ask("/v1/chat/completions", CHAT | {"messages": [
               {"role": "system", "content": "be short"}, {"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes"},
               {"role": "user", "content": "why?"}]})))
    expect("batch", [a.content for a in chat().batch([MESSAGES] * 8)], [text_of(plain)] * 8)
    expect("no limit", text_of(ask("/v1/chat/completions", CHAT | {"max_tokens": None, "stop": ["\n"]})),
           chat(max_tokens=None, stop=["\n"]).invoke(MESSAGES).content)
    words = OpenAI(base_url=BASE, api_key="none", model=MODEL, temperature=0, max_tokens=COMPLETION["max_tokens"])
    expect("completion", words.invoke(PROMPT), text_of(ask("/v1/completions", COMPLETION)))
    expect("streamed completion", "".join(words.stream(PROMPT)), text_of(ask("/v1/completions", COMPLETION)))


def interventions():
    arm = chat(model=ARM).invoke(MESSAGES).content
    expect("by name", chat(model=f"{MODEL}@{SPEC}").invoke(MESSAGES).content, arm)
    expect("by body", chat(extra_body={"refocus": {"intervene": SPEC}}).invoke(MESSAGES).content, arm)
    expect("by header", chat(default_headers={"X-Refocus-Intervene": SPEC}).invoke(MESSAGES).content, arm)
    expect_true("an intervention changes the answer", arm != chat().invoke(MESSAGES).content)


def errors():
    for more, kind, code in (({"model": "gpt-4o"}, openai.NotFoundError, "model_not_found"),
                             ({"presence_penalty": 1}, openai.BadRequestError, "unsupported_parameter"),
                             ({"max_tokens": CONTEXT}, openai.BadRequestError, "context_length_exceeded")):
        before = served.answered()
        try:
            chat(**more).invoke(MESSAGES)
        except kind as e:
            expect("code", e.code, code)
        else:
            raise AssertionError(f"expected an error for {more}, got an answer")
        expect(f"requests with {more}", served.answered() - before, 1)


def shown():
    exec(served.guide("from langchain_openai"), {})


def test():
    for part in (answers, interventions, errors, shown):
        part()


served.run(test)
