#!/usr/bin/env python3
"""Keeps `refocus serve` at twice the load it takes for MINUTES, and counts answers that are lost or not the ones got alone before.

usage: serve_soak.py MINUTES [--refocus PROGRAM] [--model MODEL] [--sequences 16] [--queue 32] [--seed 1]

The server computes SEQUENCES at once and lets QUEUE wait; twice as many clients as both ask without a pause, so that it refuses
some (429), who try again. They ask for completions, chats, streams, scores of prompts, attention, arms, several choices and
things that are wrong, and some go in the middle. Memory is the server's VmRSS, sampled each second. The exit status is 1 where an answer was lost
or wrong, or where memory grew: its highest in the second half of the time above 1.05 times that of the first half.
"""
import argparse, asyncio, collections, json, pathlib, random, re, signal, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
PEOPLE = "Laura Oscar Helen Ivan Julia Karl Rosa Max".split()
THINGS = "crate barrel jar wagon coin lamp".split()
PATIENCE = 300  # seconds for one answer


def requests_of(count, seed):
    """(kind, path, body)s that all differ."""
    random.seed(seed)
    out = []
    for i in range(count):
        text = f"{random.choice(PEOPLE)} has the red {random.choice(THINGS)} {i}. the blue {random.choice(THINGS)} lies in the"
        more = {"model": random.choice(["soak", "soak@reb"]), "temperature": random.choice([0, 0.7, 1]), "seed": i,
                "n": random.choice([1, 1, 1, 3])}
        completion = {"prompt": text * random.choice([1, 1, 4]), "max_tokens": random.randint(1, 60)}
        chat = {"messages": [{"role": "user", "content": text + " .. where?"}], "max_tokens": random.randint(1, 60)}
        kind = ("completion", "chat", "stream", "chat stream", "scores", "wrong", "attention")[i % 7]
        if kind == "completion":
            out.append((kind, "/v1/completions", completion | more | {"logprobs": 2}))
        elif kind == "chat":
            out.append((kind, "/v1/chat/completions", chat | more | {"logprobs": True, "top_logprobs": 1}))
        elif kind == "stream":
            out.append((kind, "/v1/completions", completion | more | {"stream": True}))
        elif kind == "chat stream":
            out.append((kind, "/v1/chat/completions", chat | more | {"stream": True, "stream_options": {"include_usage": True}}))
        elif kind == "scores":
            scoring = {"model": more["model"], "max_tokens": 1, "echo": True, "logprobs": 1, "temperature": 0}
            out.append((kind, "/v1/completions", completion | scoring))
        elif kind == "attention":
            kept = {"refocus": {"attention": {"queries": random.choice(["all", "generated"]), "top_k": 8}}}
            out.append((kind, "/v1/completions", completion | more | kept))
        else:
            wrong = random.choice([{"n": -1}, {"model": "other"}, {"max_tokens": 10**6}, {"suffix": "a"}])
            out.append((kind, "/v1/completions", completion | wrong))
    return out


def meaning_of(status, body):
    """What has to be equal: an answer without id and time, or the texts and ends of a stream's choices."""
    if not body.startswith(b"data: "):
        answer = {k: v for k, v in json.loads(body).items() if k not in ("id", "created")}
        receipts = answer.get("refocus", {}).get("attention", [])
        for receipt in receipts if isinstance(receipts, list) else [receipts]:
            del receipt["id"], receipt["url"]
        return status, answer
    events = body.decode().split("\n\n")
    if events[-2:] != ["data: [DONE]", ""]:
        return status, "no end"
    texts, ends, usage = collections.defaultdict(str), {}, None
    for event in events[:-2]:
        if event.startswith(":"):
            continue
        chunk = json.loads(event.removeprefix("data: "))
        usage = chunk.get("usage") or usage
        for c in chunk["choices"]:
            texts[c["index"]] += c["text"] if "text" in c else c["delta"].get("content", "")
            ends[c["index"]] = c["finish_reason"] or ends.get(c["index"])
    return status, (dict(texts), ends, usage)


class Connection:
    def __init__(self, port):
        self.port, self.reader, self.writer = port, None, None

    async def send(self, path, body):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        sent = json.dumps(body).encode()
        self.writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n".encode() + sent)
        await self.writer.drain()

    async def head(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        return int(head.split(" ", 2)[1]), head

    async def body(self, head):
        if length := re.search(r"\r\ncontent-length: (\d+)", head):
            return await self.reader.readexactly(int(length[1]))
        out = b""
        while size := int((await self.reader.readuntil(b"\r\n")).strip(), 16):
            out += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readuntil(b"\r\n")
        return out

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


async def asked(connection, path, body):
    """(status, body), with as many tries as a full queue takes; how often it was full."""
    full = 0
    while True:
        await connection.send(path, body)
        status, head = await connection.head()
        got = await connection.body(head)
        if status != 429:
            return status, got, full
        if "\r\nretry-after: " not in head or json.loads(got)["error"]["code"] not in ("queue_full", "attention_full"):
            return status, got, full
        full += 1
        await asyncio.sleep(random.uniform(0.02, 0.3))


class Soak:
    def __init__(self, port, requests, expected, end):
        self.port, self.requests, self.expected, self.end = port, requests, expected, end
        self.counts, self.shown = collections.Counter(), 0

    def fault(self, what, request, got):
        self.counts[what] += 1
        if self.shown < 5:
            self.shown += 1
            print(f"{what}: {json.dumps(request)[:300]}: {str(got)[:500]}", file=sys.stderr, flush=True)

    async def leave(self, connection, path, body):
        """Asks, waits a while or for the beginning of the answer, and goes."""
        await connection.send(path, body)
        try:
            await asyncio.wait_for(connection.head(), random.choice([0.001, 0.05, 5]))
        except asyncio.TimeoutError:
            pass
        connection.close()
        self.counts["clients that went"] += 1

    async def client(self):
        connection = Connection(self.port)
        while time.monotonic() < self.end:
            i = random.randrange(len(self.requests))
            kind, path, body = self.requests[i]
            try:
                if random.random() < 0.08:
                    await self.leave(connection, path, body)
                    continue
                status, got, full = await asyncio.wait_for(asked(connection, path, body), PATIENCE)
                self.counts["refused for a while (429)"] += full
                self.counts[kind] += 1
                if (meaning := meaning_of(status, got)) != self.expected[i]:
                    self.fault("wrong answers", body, meaning)
            except (OSError, EOFError, asyncio.TimeoutError, ValueError) as e:
                connection.close()
                self.fault("lost answers", body, repr(e))
        connection.close()


def memory_of(process):
    """VmRSS in MB."""
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]) / 1024


async def soak(process, port, o):
    requests = requests_of(180, o.seed)
    alone, expected = Connection(port), []
    for _, path, body in requests:
        expected.append(meaning_of(*(await asked(alone, path, body))[:2]))
    alone.close()
    begin = time.monotonic()
    soaking = Soak(port, requests, expected, begin + o.minutes * 60)
    clients = [asyncio.create_task(soaking.client()) for _ in range(2 * (o.sequences + o.queue))]
    samples, idle = [], memory_of(process)
    while time.monotonic() < soaking.end:
        await asyncio.sleep(1)
        samples.append(memory_of(process))
    await asyncio.gather(*clients)
    return soaking.counts, [idle, *samples], time.monotonic() - begin


def row(name, value):
    print(f"{name:<28}{value:>12}")


def report(counts, samples, seconds):
    """Whether all was well."""
    kinds = [k for k in counts if k not in ("lost answers", "wrong answers", "refused for a while (429)", "clients that went")]
    for kind in sorted(kinds):
        row(kind, f"{counts[kind]:,}")
    row("answers", f"{sum(counts[k] for k in kinds):,}")
    row("answers a second", f"{sum(counts[k] for k in kinds) / seconds:.1f}")
    for name in ("clients that went", "refused for a while (429)", "lost answers", "wrong answers"):
        row(name, f"{counts[name]:,}")
    row("memory before, MB", f"{samples[0]:.1f}")
    for tenth in range(1, 11):
        row(f"  after {tenth * 10} % of the time", f"{samples[len(samples) * tenth // 10 - 1]:.1f}")
    first, second = max(samples[:len(samples) // 2]), max(samples[len(samples) // 2:])
    row("highest, first half", f"{first:.1f}")
    row("highest, second half", f"{second:.1f}")
    return counts["lost answers"] == counts["wrong answers"] == 0 and second <= 1.05 * first


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("minutes", type=float, metavar="MINUTES")
    p.add_argument("--refocus", default=ROOT / "build" / "release" / "refocus", metavar="PROGRAM")
    p.add_argument("--model", default=ROOT / "models" / "small-worlds")
    p.add_argument("--sequences", type=int, default=16)
    p.add_argument("--queue", type=int, default=32)
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        template = pathlib.Path(folder) / "chat.jinja"
        template.write_text(TEMPLATE)
        command = [o.refocus, "serve", "-m", o.model, "--name", "soak", "--arm", "reb=rebalance:alpha=1", "--chat-template", template, "--port", "0",
                   "--sequences", str(o.sequences), "--queue", str(o.queue), "--connections", str(4 * (o.sequences + o.queue)),
                   "--attention-store", "100000000", "--attention-seconds", "20"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        address = re.search(r":(\d+)/v1", process.stdout.readline())
        if not address:
            sys.exit("[serve_soak] expected the server's address, got none")
        well = report(*asyncio.run(soak(process, int(address[1]), o)))
        process.send_signal(signal.SIGTERM)
        row("exit status of the server", status := process.wait(60))
    sys.exit(0 if well and status == 0 else 1)


main()
