#!/usr/bin/env python3
"""Asks a node everything that its OpenAPI document allows, and much that it does not, with Schemathesis.

Starts `ringway serve` with a state directory of its own on ports of its own choice, makes an API that is deployed, and
lets Schemathesis call every operation twice: with names of its own invention, and with those of that API. No answer may
be a 500 or one that the document does not have. Then what /metrics says is read by Prometheus' own Python parser.

Bounded in time, with a fixed seed. Exit code 0 if nothing was found. The last line is
`schemathesis: N passed, N failed`, in calls and checks of figures.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGES = ["schemathesis==4.32.5", "prometheus-client==0.26.0"]
SEED = 20261122
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
# A run stops looking for more after this time; what it looks for at least takes less.
RUN_SECONDS = 30
RUN_TIMEOUT_S = 300
CONFIGURATION = """
drain_window_ms = 1
[admin]
listen = "127.0.0.1:0"
[[environments]]
name = "development"
external = { listen = "127.0.0.1:0" }
internal = { listen = "127.0.0.1:0" }
[[environments]]
name = "production"
external = { listen = "127.0.0.1:0" }
internal = { listen = "127.0.0.1:0" }
"""
# What is rightly refused although it has the document's shape: rules that no schema can say, conditions, and what the
# configuration forbids.
RULES = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 403, 404, 409, 412, 422]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 409, 412, 415, 422, 431]
"""
API = {"name": "Chat App API", "version": "1.0", "targets": ["ws://127.0.0.1:9"]}
NAMES = """
[parameters]
"path.project" = "default"
"path.identifier" = "chat-app-api"
"path.version" = "1.0"
"path.environment" = "development"
"path.number" = 1
"""


class Broken(Exception):
    """The run itself did not work; nothing can be said of the API."""


def main():
    options = arguments()
    work = target_directory() / "schemathesis"
    work.mkdir(parents=True, exist_ok=True)
    tools = install(work)
    passed = failed = 0
    with node(options, work) as (address, token):
        for name, names in [("invented", ""), ("known", NAMES)]:
            calls, found = run(name, names, tools, work, address, token)
            print(f"{name}: {calls} calls, {found} failures", flush=True)
            passed, failed = passed + calls - found, failed + found
        figures, wrong = read_figures(tools, address, token)
        print(f"figures: {figures} read")
        for line in wrong:
            print(f"WRONG {line}")
        passed, failed = passed + figures - len(wrong), failed + len(wrong)
    print(f"reports: {os.path.relpath(work)}")
    print(f"schemathesis: {passed} passed, {failed} failed")
    return 1 if failed else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, help="a ringway that is there already, and nothing is built")
    parser.add_argument("--address", help="a node that runs already; needs --token-file, and is left as it will be then")
    parser.add_argument("--token-file", type=pathlib.Path)
    return parser.parse_args()


def target_directory():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()


def install(work):
    """The virtual environment's programs, installed unless just these are in it."""
    venv, stamp = work / "venv", work / "venv" / "installed"
    if not (stamp.is_file() and stamp.read_text() == "\n".join(PACKAGES)):
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True)
        stamp.write_text("\n".join(PACKAGES))
    return venv / "bin"


@contextlib.contextmanager
def node(options, work):
    """The address and the token of a node that must still run at the end, and end well when it is told to."""
    if options.address:
        yield options.address, options.token_file.read_text().strip()
        return
    binary = options.binary or build()
    with tempfile.TemporaryDirectory() as folder, open(work / "ringway.log", "w") as log:
        folder = pathlib.Path(folder)
        (folder / "ringway.toml").write_text(CONFIGURATION)
        state = folder / "state"
        command = [binary, "serve", "--config", folder / "ringway.toml", "--state", state]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            address, token = started(process, state, log)
            yield address, token
            if process.poll() is not None:
                raise Broken(f"ringway ended with {process.returncode} during the run; see {log.name}")
            process.terminate()
            if process.wait(STOP_TIMEOUT_S) != 0:
                raise Broken(f"ringway ended with {process.returncode}; see {log.name}")
        finally:
            process.kill()
            process.wait()


def build():
    subprocess.run(["cargo", "build", "--locked", "--bin", "ringway", "--release"], cwd=ROOT, check=True)
    return target_directory() / "release" / "ringway"


def started(process, state, log):
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            address = (state / "admin.addr").read_text().strip()
            token = (state / "admin-token").read_text().strip()
            with urllib.request.urlopen(f"http://{address}/api/v1/health/live", timeout=2):
                return address, token
        time.sleep(0.05)
    raise Broken(f"ringway did not start; see {log.name}")


def call(address, token, method, path, body=None, accept=None):
    request = urllib.request.Request(f"http://{address}{path}", method=method)
    request.add_header("Authorization", f"Bearer {token}")
    if accept is not None:
        request.add_header("Accept", accept)
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=20) as response:
        return response.read().decode()


def seed(address, token):
    """An API that runs in its first environment, whatever was done to it before."""
    path = "/api/v1/apis/default/chat-app-api/1.0"
    definition = {key: value for key, value in API.items() if key != "version"}
    call(address, token, "PUT", path, definition)
    call(address, token, "PUT", f"{path}/deployments/development", {})


def run(name, names, tools, work, address, token):
    """How many calls were made, and in how many failures they ended."""
    seed(address, token)
    configuration = work / f"{name}.toml"
    configuration.write_text(RULES + names)
    command = [tools / "schemathesis", "--config-file", configuration, "run"]
    command += [f"http://{address}/api/v1/openapi.json", "--url", f"http://{address}"]
    command += ["-H", f"Authorization: Bearer {token}", "--seed", str(SEED), "--max-time", str(RUN_SECONDS)]
    # The check of wrong tokens is off: it knows 401 and 403 alone, and an address that has shown ten of them is answered 429.
    # The tests of control/admin ask every route without a role that allows it.
    command += ["--phases", "coverage,fuzzing,stateful", "--checks", "all", "--exclude-checks", "ignored_auth", "--max-examples", "25", "--no-color"]
    # Schemathesis speaks no WebSocket: each of its calls is a handshake without Upgrade, rightly refused. The socket has a
    # test of its own in tests/it/node.
    command += ["--exclude-path", "/api/v1/test-socket"]
    command += ["--generation-database", "none", "--continue-on-failure"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "admin_hooks", "PYTHONPATH": str(HERE)}
    report = work / f"{name}.log"
    with open(report, "w") as log:
        code = subprocess.run(command, stdout=log, stderr=log, env=environment, timeout=RUN_TIMEOUT_S, cwd=work).returncode
    text = report.read_text()
    counts = re.search(r"Test cases:\n\s+(\d+) generated, (.*)", text)
    if not counts or code not in (0, 1):
        raise Broken(f"schemathesis ended with {code}; see {report}")
    failures = re.search(r"found (\d+) unique failures?", counts.group(2))
    found = int(failures.group(1)) if failures else 0
    if code != 0:
        sys.stdout.write(shortened(text))
    # A run that ended badly without a failure of a call is one all the same.
    return int(counts.group(1)), max(found, code)


def shortened(text):
    """The failures, and of calls with very long parameters only the beginning."""
    found = text.partition("FAILURES")[2] or text
    return "\n".join(line[:300] for line in found.splitlines()) + "\n"


READER = """
import json, sys
from {module} import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
json.dump([[sample.name, sample.labels, sample.value] for family in families for sample in family.samples], sys.stdout)
"""
# What a scraper accepts, and the parser of the format that it gets.
FORMATS = [
    ("application/openmetrics-text;version=1.0.0", "prometheus_client.openmetrics.parser"),
    ("text/plain", "prometheus_client.parser"),
    (None, "prometheus_client.parser"),
]


def read_figures(tools, address, token):
    """How many figures there are, and what is wrong with them."""
    samples = []
    for accept, module in FORMATS:
        text = call(address, token, "GET", "/metrics", accept=accept)
        reader = READER.format(module=module)
        reading = subprocess.run([tools / "python", "-c", reader], input=text, capture_output=True, text=True)
        if reading.returncode != 0:
            return 1, [f"/metrics cannot be read ({accept}): {reading.stderr.strip().splitlines()[-1]}"]
        if accept != FORMATS[0][0] and ("# EOF" in text or " info\n" in text):
            return 1, [f"/metrics is OpenMetrics for a scraper that accepts {accept}"]
        samples += json.loads(reading.stdout)
    names = {name for name, _, _ in samples}
    wrong = [f"{name} is not there" for name in ["ringway_build_info", "ringway_audit_entries_total"] if name not in names]
    wrong += [f"{name}{labels} is {value}" for name, labels, value in samples if value < 0]
    return len(samples), wrong


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Broken, subprocess.SubprocessError, OSError) as error:
        print(f"schemathesis: {error}", file=sys.stderr)
        sys.exit(1)
