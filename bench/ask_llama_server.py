#!/usr/bin/env python3
"""One evaluation by llama.cpp's server, for bench/compare_eval: reads prompts, one JSON string a line, on standard input.

    ask_llama_server.py SERVER MODEL.gguf THREADS SEQUENCES MAX_NEW_TOKENS FLASH <PROMPTS

Starts SERVER (llama-server) with SEQUENCES slots, each as long as the longest prompt and its answer, and gives it the
prompts over as many connections, longest first. Greedy; each slot keeps what its next prompt begins with from its last
one. MAX_NEW_TOKENS 0 asks for the likelihoods of the next token in the place of an answer. FLASH is on or off. Prints
one JSON line, and the server's own messages where it fails.
"""
import concurrent.futures
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time

server, model, threads, sequences, new_tokens, flash = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]), sys.argv[6]
prompts = [json.loads(line) for line in sys.stdin if line.strip()]
began = time.perf_counter()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
local = threading.local()


def ask(path, body=None):
    """The server's answer to a GET, or to a POST of a body, over this thread's connection."""
    if not hasattr(local, "connection"):
        local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3600)
    text = None if body is None else json.dumps(body)
    local.connection.request("GET" if body is None else "POST", path, text, {"Content-Type": "application/json"})
    response = local.connection.getresponse()
    answer = json.loads(response.read())
    if response.status != 200:
        raise OSError(f"{path}: {response.status} {answer}")
    return answer


def start(context):
    """The server with its slots, once it answers."""
    log = tempfile.TemporaryFile("w+")
    process = subprocess.Popen(
        [server, "-m", model, "-t", str(threads), "-tb", str(threads), "-c", str(context * sequences), "-np", str(sequences),
         "-b", "2048", "-ub", "512", "-fa", flash, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log)
    while process.poll() is None:
        try:
            ask("/health")
            return process
        except OSError:
            del local.connection
            time.sleep(0.02)
    log.seek(0)
    sys.exit(f"[ask_llama_server] expected the server to start, got:\n{log.read()[-2000:]}")


def answer(prompt):
    body = {"prompt": prompt, "n_predict": max(new_tokens, 1), "temperature": 0, "top_k": 1, "cache_prompt": True}
    if new_tokens == 0:
        body.update(n_probs=32)
    got = ask("/completion", body)
    return got["timings"]["prompt_n"], got["tokens_predicted"]


# English takes three to five bytes a token; two leave room for the worst prompt.
process = start(max(len(prompt) for prompt in prompts) // 2 + new_tokens + 64)
try:
    loaded = time.perf_counter()
    prompts.sort(key=len, reverse=True)
    with concurrent.futures.ThreadPoolExecutor(sequences) as pool:
        answers = list(pool.map(answer, prompts))
    ended = time.perf_counter()
finally:
    process.terminate()
    process.wait()
print(json.dumps({"questions": len(prompts), "seconds": ended - loaded, "load_seconds": loaded - began,
                  "prompt_tokens": sum(a for a, _ in answers), "generated_tokens": sum(b for _, b in answers)}))
