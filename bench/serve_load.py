#!/usr/bin/env python3
"""Throughput and first-token latency of servers with OpenAI's completions, in turn, with the same prompts.

usage: serve_load.py NAME=PORT [NAME=PORT ...] [--rounds 2] [--tokens 64]

Prompts of some 75 tokens, streamed and greedy, at 1, 8 and 32 requests at a time, each on a connection of its own. From
the second round on a server may have a prompt in its cache.
"""
import argparse, http.client, json, random, statistics, threading, time

WORDS = "river stone light market window garden copper winter morning engine".split()


def ask(port, prompt, tokens):
    """(seconds to the first text, tokens that were generated)"""
    begin, first, generated = time.time(), None, 0
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}}
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise SystemExit(f"[serve_load] expected 200 of port {port}, got {response.status}: {response.read(300)!r}")
    for line in iter(response.readline, b""):
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if first is None and event.get("choices") and event["choices"][0].get("text"):
            first = time.time() - begin
        if event.get("usage"):
            generated = event["usage"]["completion_tokens"]
    return first or time.time() - begin, generated


def load(port, at_once, count, tokens):
    random.seed(1)
    prompts = iter([f"{i}. Write about the " + " ".join(random.choices(WORDS, k=60)) for i in range(count)])
    lock, results = threading.Lock(), []

    def work():
        while True:
            with lock:
                prompt = next(prompts, None)
            if prompt is None:
                return
            result = ask(port, prompt, tokens)
            with lock:
                results.append(result)

    begin, threads = time.time(), [threading.Thread(target=work) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(r[1] for r in results) / (time.time() - begin), statistics.median(r[0] for r in results)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("servers", nargs="+", metavar="NAME=PORT")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--tokens", type=int, default=64)
    o = p.parse_args()
    for at_once, count in ((1, 6), (8, 24), (32, 64)):
        for r in range(o.rounds):
            for server in o.servers:
                name, port = server.rsplit("=", 1)
                rate, first = load(int(port), at_once, count, o.tokens)
                print(f"{at_once:>3} at once, round {r + 1}, {name}: {rate:.0f} tokens/s, first token after {first:.3f} s", flush=True)


main()
