"""curl, as people type it."""
import json, shutil, subprocess, tempfile, time

import served
from served import ARM, BASE, CHAT, COMPLETION, MODEL, SPEC, URL, ask, expect, expect_true, text_of, told

JSON = ["-H", "Content-Type: application/json"]


def curl(*arguments, data=None):
    """(status, seconds, body) of one call; `data` is its standard input."""
    done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code} %{time_total}", *arguments], input=data, capture_output=True, text=True,
                          timeout=300)
    expect(f"curl's exit status ({done.stderr.strip()})", done.returncode, 0)
    body, last = done.stdout.rsplit("\n", 1)
    status, seconds = last.split()
    return int(status), float(seconds), body


def error_of(body):
    expect("lines of an error", body.count("\n"), 0)
    return json.loads(body)["error"]


def bodies():
    sent = json.dumps(COMPLETION)
    status, _, body = curl(BASE + "/completions", *JSON, "-d", sent)
    expect("status", status, 200)
    expect("answer", told(json.loads(body)), told(ask("/v1/completions", COMPLETION)))
    status, _, body = curl(BASE + "/completions", "-d", sent)  # says application/x-www-form-urlencoded
    expect("status without a type", status, 415)
    expect_true("the header to add", "Content-Type: application/json" in error_of(body)["message"])
    status, _, body = curl(BASE + "/completions", "--json", sent)
    expect("status with --json", (status, text_of(json.loads(body))), (200, text_of(ask("/v1/completions", COMPLETION))))
    status, _, body = curl(BASE + "/completions", *JSON, "-d", "{")
    expect("status of half a body", (status, error_of(body)["type"]), (400, "invalid_request_error"))
    status, _, body = curl(BASE + "/completions", *JSON, "-H", "Transfer-Encoding: chunked", "-d", sent)
    expect("chunked", (status, text_of(json.loads(body))), (200, text_of(ask("/v1/completions", COMPLETION))))


def expects_100():
    """A body of more than 1 MB: curl asks whether it may send it, and waits a second for the answer."""
    big = json.dumps(COMPLETION | {"prompt": "a", "user": "x" * (2 << 20)})
    status, seconds, body = curl(BASE + "/completions", *JSON, "-H", "Expect: 100-continue", "--expect100-timeout", "60", "-d", "@-", data=big)
    expect("status of a long body", status, 200)
    expect_true("it is sent at once", seconds < 30)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(json.dumps({"prompt": "x" * (9 << 20)}))
        file.flush()
        status, _, body = curl(BASE + "/completions", *JSON, "-H", "Expect: 100-continue", "--expect100-timeout", "60", "-d", "@" + file.name)
    expect("status of one that is too long", status, 413)
    error_of(body)


def streams():
    done = subprocess.run(["curl", "-sSN", BASE + "/chat/completions", *JSON, "-d", json.dumps(CHAT | {"stream": True})], capture_output=True,
                          text=True, timeout=300, check=True).stdout
    events = done.split("\n\n")
    expect("end of the stream", events[-2:], ["data: [DONE]", ""])
    chunks = [json.loads(e.removeprefix("data: ")) for e in events[:-2]]
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)
    expect("streamed text", text, text_of(ask("/v1/chat/completions", CHAT)))


def paths():
    expect("health", curl(URL + "/health")[::2], (200, '{"status":"ok"}'))
    status, _, body = curl(f"{BASE}/models/{MODEL}%40reb")
    expect("a percent-encoded name", (status, json.loads(body)["id"]), (200, ARM))
    status, _, body = curl(BASE + "/completions")
    expect("a page's way of asking", (status, error_of(body)["code"]), (405, "method_not_allowed"))
    status, _, body = curl(URL + "/v1/engines")
    expect("what is not there", (status, error_of(body)["code"]), (404, "not_found"))
    status, _, body = curl(URL + "/v1/models", "-H", "Host: evil.example")
    expect("another name for the server", (status, error_of(body)["code"]), (403, "host_not_allowed"))
    expect("HEAD", curl("-I", URL + "/health")[0], 200)
    two = curl(URL + "/health", URL + "/health")[2]  # on one connection
    expect("two on a connection", two.count('{"status":"ok"}'), 2)
    expect("HTTP/1.0", curl("-0", BASE + "/completions", *JSON, "-d", json.dumps(COMPLETION))[0], 200)


def interventions():
    sent = json.dumps(COMPLETION)
    arm = told(ask("/v1/completions", COMPLETION | {"model": ARM})) | {"model": MODEL}
    _, _, body = curl(BASE + "/completions", *JSON, "-H", "X-Refocus-Intervene: " + SPEC, "-d", sent)
    expect("by header", told(json.loads(body)), arm)
    _, _, body = curl(BASE + "/completions", *JSON, "-d", json.dumps(COMPLETION | {"refocus": {"intervene": SPEC}}))
    expect("by body", told(json.loads(body)), arm)
    expect_true("the answer is another", text_of(arm) != text_of(ask("/v1/completions", COMPLETION)))


def shown():
    done = subprocess.run(["bash", "-c", served.guide("curl ", "sh elsewhere")], capture_output=True, text=True, timeout=300, check=True)
    expect("the guide's way", json.loads(done.stdout)["refocus"]["intervention"].split(":")[0], "rebalance")


def gone():
    """A client that goes in the middle of its stream leaves nothing behind."""
    body = json.dumps(COMPLETION | {"stream": True, "max_tokens": served.CONTEXT - 50, "temperature": 1, "n": 16})
    one = subprocess.Popen(["curl", "-sN", BASE + "/completions", *JSON, "-d", body], stdout=subprocess.PIPE)
    one.stdout.readline()
    one.kill()
    one.communicate()
    end = time.monotonic() + 60
    while "refocus_sequences_running 0\n" not in (text := served.request("GET", "/metrics")[1]) and time.monotonic() < end:
        time.sleep(0.05)
    expect_true("nothing runs for it any more", "refocus_sequences_running 0\n" in text)


def test():
    if not shutil.which("curl"):
        raise served.Skip("curl is not installed")
    for part in (bodies, expects_100, streams, paths, interventions, shown, gone):
        part()


served.run(test)
