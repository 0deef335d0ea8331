"""What the clients in Python share: the server they are pointed at, plain requests to compare with, and what is expected of them.

scripts/test_clients sets REFOCUS_URL (http://127.0.0.1:PORT), REFOCUS_MODEL, REFOCUS_SPEC (the intervention that the server has as
the arm "reb") and REFOCUS_CONTEXT (tokens).
"""
import http.client, json, os, pathlib, re, sys, traceback
from urllib.parse import urlsplit

URL = os.environ["REFOCUS_URL"]
MODEL = os.environ["REFOCUS_MODEL"]
SPEC = os.environ["REFOCUS_SPEC"]
CONTEXT = int(os.environ["REFOCUS_CONTEXT"])
ARM = MODEL + "@reb"
BASE = URL + "/v1"

PROMPT = "Analysis: the blue crate lies in the"
QUESTION = ("the blue crate lies in the red box. the red box lies in the hall. which room must one search for the blue crate?\n"
            "A. hall\nB. attic\nAnalysis:")
MESSAGES = [{"role": "user", "content": QUESTION}]
COMPLETION = {"model": MODEL, "prompt": PROMPT, "max_tokens": 12, "temperature": 0}
CHAT = {"model": MODEL, "messages": MESSAGES, "max_tokens": 24, "temperature": 0}

SKIPPED = 77  # exit status
checks = 0


class Skip(Exception):
    """The client cannot be tested here; the text says why."""


def expect(what, got, expected):
    global checks
    checks += 1
    if got != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {got!r}"[:2000])


def expect_true(what, holds):
    expect(what, bool(holds), True)


def connection():
    parts = urlsplit(URL)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)


def request(method, path, body=None, headers=None):
    """(status, body as text, headers)"""
    one = connection()
    one.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"} | (headers or {}))
    response = one.getresponse()
    text = response.read().decode()
    one.close()
    return response.status, text, response.headers


def ask(path, body, headers=None):
    """The answer to a plain request."""
    status, text, _ = request("POST", path, body, headers)
    if status != 200:
        raise AssertionError(f"plain request: expected 200, got {status}: {text}")
    return json.loads(text)


def told(answer):
    """An answer without what differs between two answers to one request."""
    return {k: v for k, v in answer.items() if k not in ("id", "created")}


def text_of(answer, choice=0):
    one = answer["choices"][choice]
    return one["text"] if "text" in one else one["message"]["content"]


def answered():
    """How many responses the server has given, but for those to this question."""
    text = request("GET", "/metrics")[1]
    answered.own += 1
    return sum(int(float(n)) for n in re.findall(r"^refocus_responses_total\{.*\} (\S+)$", text, re.M)) - answered.own + 1


answered.own = 0


def guide(start, kind="python"):
    """The block of docs/serve.md that begins so, for this server: what readers copy is what is tested."""
    text = pathlib.Path(os.environ["REFOCUS_GUIDE"]).read_text()
    found = [b for b in re.findall(rf"^```{kind}\n(.*?)^```", text, re.M | re.S) if b.startswith(start)]
    expect(f"blocks of the guide that begin with {start!r}", len(found), 1)
    return re.sub(r"\bsmall\b", MODEL, found[0].replace("http://127.0.0.1:8080", URL))


def run(test):
    """Runs a client's test and ends the program: one line on standard output says how it went."""
    try:
        test()
    except Skip as e:
        print(e)
        sys.exit(SKIPPED)
    except AssertionError as e:
        print(str(e).replace("\n", " "))
        traceback.print_exc()
        sys.exit(1)
    print(f"{checks} checks")
    sys.exit(0)
