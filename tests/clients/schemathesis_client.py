"""Schemathesis: requests made from /openapi.json, good and bad ones; what comes back is what the description says."""
import os, pathlib, subprocess, sys

import served
from served import URL, expect

SCRATCH = pathlib.Path(os.environ["REFOCUS_SCRATCH"])
# A header that is too long is refused with 431, of which Schemathesis knows nothing.
CONFIG = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "413", "415", "422", "428", "431"]
"""
# What a schema cannot say (a token id above the vocabulary, a SPEC that is none) is refused, rightly.
UNSAID = "positive_data_acceptance"


def test():
    (SCRATCH / "schemathesis.toml").write_text(CONFIG)
    program = pathlib.Path(sys.executable).with_name("schemathesis")
    done = subprocess.run([program, "run", URL + "/openapi.json", "--max-examples", "60", "--generation-deterministic", "--no-color",
                           "--exclude-checks", UNSAID, "--exclude-path", "/v1/attention/{id}", "--request-timeout", "120"],
                          cwd=SCRATCH, capture_output=True, text=True, timeout=1500)
    print(done.stdout, done.stderr, file=sys.stderr)
    failures = [line.strip() for line in done.stdout.splitlines() if line.startswith("- ST") or line.startswith("  ❌ ST")]
    expect("failures", (done.returncode, failures), (0, []))
    expect("defects that the server saw", [n for n in served.request("GET", "/metrics")[1].splitlines() if n.startswith("refocus_defects_total ")],
           ["refocus_defects_total 0"])
    print(next(line.strip() for line in done.stdout.splitlines() if "generated" in line))


served.run(test)
