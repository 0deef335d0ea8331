"""nginx and Caddy before the server, as docs/serve.md configures them, with a certificate of our own."""
import http.client, json, os, pathlib, re, shutil, socket, ssl, subprocess, time
from urllib.parse import urlsplit

import served
from served import CHAT, COMPLETION, CONTEXT, URL, ask, expect, expect_true, told

KIND = os.environ["REFOCUS_CLIENT"]
SCRATCH = pathlib.Path(os.environ["REFOCUS_SCRATCH"])
GUIDE = pathlib.Path(os.environ["REFOCUS_GUIDE"])
NGINX = """
daemon off;
{user}
pid {scratch}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {scratch}/cert.pem;
        ssl_certificate_key {scratch}/key.pem;
        {shown}
    }}
}}
"""
CADDY = """
{{
    admin off
    auto_https disable_redirects
}}
{shown}
"""
port = 0


def shown(start):
    """The configuration in the guide that begins so, for this server."""
    blocks = re.findall(r"^```text\n(.*?)^```", GUIDE.read_text(), re.M | re.S)
    found = [b for b in blocks if b.startswith(start)]
    expect(f"configurations of {KIND} in the guide", len(found), 1)
    expect_true("the server's address in it", "127.0.0.1:8080" in found[0])
    return found[0].replace("127.0.0.1:8080", urlsplit(URL).netloc)


def certificate():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", SCRATCH / "key.pem", "-out", SCRATCH / "cert.pem"], check=True, capture_output=True)


def command():
    """What starts the proxy."""
    program = shutil.which(KIND, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if not program or not shutil.which("openssl"):
        raise served.Skip(f"{KIND if not program else 'openssl'} is not installed")
    certificate()
    file = SCRATCH / "configuration"
    if KIND == "nginx":
        user = "user root;" if os.geteuid() == 0 else ""
        file.write_text(NGINX.format(user=user, scratch=SCRATCH, port=port, shown=shown("location")))
        return [program, "-c", file, "-p", SCRATCH, "-e", "stderr"]
    site = shown("models.example.org").replace("models.example.org {", f"localhost:{port} {{\n    tls {SCRATCH}/cert.pem {SCRATCH}/key.pem", 1)
    file.write_text(CADDY.format(shown=site))
    return [program, "run", "--config", file, "--adapter", "caddyfile"]


def connection():
    trusted = ssl.create_default_context(cafile=SCRATCH / "cert.pem")
    return http.client.HTTPSConnection("localhost", port, context=trusted, timeout=120)


def through(path, body, headers=None, method="POST"):
    one = connection()
    one.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"} | (headers or {}))
    response = one.getresponse()
    text = response.read().decode()
    one.close()
    return response.status, text


def running():
    return int(re.search(r"^refocus_sequences_running (\d+)$", served.request("GET", "/metrics")[1], re.M)[1])


def wait_until(what, holds):
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    expect_true(what, holds())


def answers():
    expect("a completion", told(json.loads(through("/v1/completions", COMPLETION)[1])), told(ask("/v1/completions", COMPLETION)))
    expect("a chat", told(json.loads(through("/v1/chat/completions", CHAT)[1])), told(ask("/v1/chat/completions", CHAT)))
    status, text = through("/v1/chat/completions", CHAT | {"model": "gpt-4o"})
    expect("an error", (status, json.loads(text)["error"]["code"]), (404, "model_not_found"))
    status, _ = through("/v1/completions", COMPLETION | {"user": "x" * (3 << 20)})
    expect("status of a body of 3 MB", status, 200)
    status, text = through("/v1/models", None, {"Origin": f"https://localhost:{port}"}, "GET")
    expect("what a page of the proxy's may ask", status, 200)
    status, text = through("/v1/models", None, {"Origin": "https://evil.example"}, "GET")
    expect("what a page of another may ask", (status, json.loads(text)["error"]["code"]), (403, "origin_not_allowed"))
    if KIND == "nginx":  # Caddy knows its names itself
        status, text = through("/v1/models", None, {"Host": "evil.example"}, "GET")
        expect("what another name may ask", (status, json.loads(text)["error"]["code"]), (403, "host_not_allowed"))


def streams():
    body = COMPLETION | {"stream": True, "max_tokens": 8}
    _, text = through("/v1/completions", body)
    events = [json.loads(e.removeprefix("data: ")) for e in text.split("\n\n")[:-2]]
    whole = ask("/v1/completions", COMPLETION | {"max_tokens": 8})["choices"][0]["text"]
    expect("streamed text", "".join(e["choices"][0]["text"] for e in events), whole)
    expect("end of the stream", text.endswith("data: [DONE]\n\n"), True)
    long = COMPLETION | {"stream": True, "max_tokens": CONTEXT - 50, "temperature": 2, "n": 16}
    one = connection()
    one.request("POST", "/v1/completions", json.dumps(long), {"Content-Type": "application/json"})
    response = one.getresponse()
    expect_true("an event", response.readline().startswith(b"data: {"))
    expect_true("the first event comes while others are computed", running() > 0)
    response.close()  # the socket too: the client goes
    one.sock and one.sock.close()
    one.close()
    wait_until("nothing is computed for a client that went", lambda: running() == 0)


def answers_total():
    return int(re.search(r"^refocus_answers_total (\d+)$", served.request("GET", "/metrics")[1], re.M)[1])


def test():
    global port
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = command()
    environment = os.environ | {"HOME": str(SCRATCH), "XDG_DATA_HOME": str(SCRATCH), "XDG_CONFIG_HOME": str(SCRATCH)}
    with open(SCRATCH / "output", "wb") as output:
        proxy = subprocess.Popen(start, stdout=output, stderr=output, env=environment)
    try:
        def is_up():
            if proxy.poll() is not None:
                raise AssertionError(f"{KIND} ended: " + (SCRATCH / "output").read_text()[-500:])
            try:
                return through("/health", None, method="GET")[0] == 200
            except OSError:
                return False

        wait_until(f"{KIND} answers", is_up)
        answers()
        before = answers_total()
        streams()
        expect("answers to the end", answers_total() - before, 2)  # a streamed one and its whole; not that of who went
    finally:
        proxy.terminate()
        proxy.wait(30)


served.run(test)
