#!/usr/bin/env python3
"""The Autobahn cases through the proxy: no verdict may be worse than without it.

Eight runs, each of every case:

    client, direct      fuzzing client -> echo.js
    client, proxied     fuzzing client -> ringway proxy -> echo.js
    client, TLS         fuzzing client -> shim.js => ringway proxy => echo.js
    upstream, direct    client.js -> fuzzing server
    upstream, proxied   client.js -> ringway proxy -> fuzzing server
    upstream, TLS       client.js => ringway proxy => shim.js -> fuzzing server
    echo                fuzzing client -> ringway echo
    echo, TLS           fuzzing client -> shim.js => ringway echo

`=>` is TLS: on both sides of the proxy, with certificates of `ringway tls dev-cert` that Node verifies. The suite has no
TLS of its own, so shim.js puts it before or behind. With --deflate only the runs without TLS and without `ringway echo`
are done: what TLS carries is the same to it, compressed or not, and those cases take minutes.

Most cases end their connection after a second or less, whatever has come by then: on a host that is busy with other things
an answer may be late. So what is worse is run again, on its own, and counts as it is then.

The peers are Node's `ws` (echo.js, client.js), the cases those of the Autobahn suite as the package `kosoku` carries
them; both are installed below target/conformance. `ringway echo` must not fail a case; it has no direct run.

Exit code 0 if all is as it should be, 1 if not. The last line is `conformance: N passed, N failed`, in verdicts.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KOSOKU = "kosoku==0.1.0"
WS = "ws@8.23.0"
# What is slower than this hangs. A run takes seconds, with compression some minutes.
PLAIN_TIMEOUT_S = 300
DEFLATE_TIMEOUT_S = 1800
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
PARALLEL_CASES = 4
# How often what is worse is run again.
AGAIN = 2
# Verdicts from best to worst: those of the messages and those of the close.
ORDER = [
    "OK",
    "INFORMATIONAL",
    "NON-STRICT",
    "UNIMPLEMENTED",
    "UNCLEAN",
    "WRONG CODE",
    "FAILED BY CLIENT",
    "FAILED",
    "ERROR",
    "MISSING",
]
PASSING = {"OK", "INFORMATIONAL", "NON-STRICT"}


# The ways through Ringway, by which its runs are called.
PLAIN = "proxied"
TLS = "tls"


class Broken(Exception):
    """The run itself did not work; nothing can be said of the cases."""


def main():
    options = arguments()
    work = target_directory() / "conformance"
    work.mkdir(parents=True, exist_ok=True)
    ringway = options.binary or build(options.profile)
    tools = Tools(work)
    tools.install()
    out = work / ("deflate" if options.deflate else "plain")
    runs = [PLAIN] if options.deflate else [PLAIN, TLS]
    legs = ["client", "upstream"] if options.deflate else ["client", "upstream", "echo"]
    verdicts = failed = 0
    for leg in legs:
        bench = Bench(ringway, tools, options.deflate, out / leg)
        count, worse = run_leg(bench, leg, runs)
        for again in range(1, 1 + AGAIN):
            if not worse:
                break
            for line in worse.values():
                print(f"worse, and run again: {line}")
            bench = Bench(ringway, tools, options.deflate, out / f"{leg}-{again}", sorted({case for _, case in worse}))
            worse = run_leg(bench, leg, runs)[1]
        for line in worse.values():
            print(f"WORSE {line}")
        verdicts, failed = verdicts + count, failed + len(worse)
    print(f"reports: {os.path.relpath(out)}")
    print(f"conformance: {verdicts - failed} passed, {failed} failed")
    return 1 if failed else 0


def run_leg(bench, leg, runs):
    """How many verdicts there are, and the worse ones: what was seen, by way and case."""
    if leg == "client":
        return compare(leg, bench.client_direct(), {way: bench.client_proxied(way) for way in runs})
    if leg == "upstream":
        return compare(leg, bench.upstream_direct(), {way: bench.upstream_proxied(way) for way in runs})
    return judge(leg, {way: bench.own_echo(way) for way in runs})


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=["release", "dev"], default="release", help="of the ringway that is built")
    parser.add_argument("--binary", type=pathlib.Path, help="a ringway that is there already, and nothing is built")
    parser.add_argument(
        "--deflate",
        action="store_true",
        help="groups 12 and 13, with compression at both ends, in place of the others; takes many minutes",
    )
    return parser.parse_args()


def target_directory():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()


def build(profile):
    command = ["cargo", "build", "--locked", "--bin", "ringway", "--profile", profile]
    subprocess.run(command, cwd=ROOT, check=True)
    return target_directory() / ("debug" if profile == "dev" else profile) / "ringway"


class Tools:
    """The suite and its peers, installed where they are missing."""

    def __init__(self, work):
        self.venv = work / "venv"
        self.node = work / "node"
        self.kosoku = self.venv / "bin" / "kosoku"

    def install(self):
        self.once(self.venv, KOSOKU, self.install_kosoku)
        self.once(self.node, WS, self.install_ws)

    @staticmethod
    def once(folder, what, install):
        """Installs unless the folder says that just this is in it: an install cut short leaves no such word."""
        stamp = folder / "installed"
        if stamp.is_file() and stamp.read_text() == what:
            return
        shutil.rmtree(folder, ignore_errors=True)
        install()
        stamp.write_text(what)

    def install_kosoku(self):
        subprocess.run([sys.executable, "-m", "venv", self.venv], check=True)
        pip = [self.venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, KOSOKU], check=True)

    def install_ws(self):
        self.node.mkdir(parents=True)
        npm = ["npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund", "--prefix", self.node]
        subprocess.run([*npm, WS], check=True)

    def script(self, name, *arguments):
        return ["node", HERE / name, *arguments]

    def environment(self, authority):
        trusted = {"NODE_EXTRA_CA_CERTS": str(authority)} if authority.is_file() else {}
        return {**os.environ, "NODE_PATH": str(self.node / "node_modules"), **trusted}


class Bench:
    """Starts what a run needs, each on a port of its own choice, and reads the verdicts."""

    def __init__(self, ringway, tools, deflate, out, cases=()):
        self.ringway, self.tools, self.out = ringway, tools, out
        self.flags = ["deflate"] if deflate else []
        self.timeout_s = DEFLATE_TIMEOUT_S if deflate else PLAIN_TIMEOUT_S
        chosen = "-i" if deflate else "-x"
        self.cases = [word for case in cases for word in ("-i", case)] or [chosen, "12.*", chosen, "13.*"]
        self.parallel = 1 if cases else PARALLEL_CASES
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)

    def client_direct(self):
        with self.node_echo("client-direct") as address:
            return self.fuzzing_client("client-direct", address)

    def client_proxied(self, way):
        run = f"client-{way}"
        with (
            self.node_echo(run, way) as upstream,
            self.proxy(run, way, upstream) as proxy,
            self.shim(run, way, "to-tls", proxy) as address,
        ):
            return self.fuzzing_client(run, address)

    def own_echo(self, way):
        run = f"echo-{way}"
        command = [self.ringway, "echo", "--listen", "127.0.0.1:0", *self.listener(way)]
        with self.serve(run, command) as echo, self.shim(run, way, "to-tls", echo) as address:
            return self.fuzzing_client(run, address)

    def upstream_direct(self):
        return self.fuzzing_server("upstream-direct", lambda server: contextlib.nullcontext(f"ws://{server}"))

    def upstream_proxied(self, way):
        run = f"upstream-{way}"

        @contextlib.contextmanager
        def through(server):
            with self.shim(run, way, "from-tls", server) as upstream, self.proxy(run, way, upstream) as proxy:
                yield f"{self.scheme(way)}://{proxy}"

        return self.fuzzing_server(run, through)

    def node_echo(self, run, way=PLAIN):
        tls = [f"tls={self.certificates()}"] if way == TLS else []
        return self.serve(f"{run}.node", self.tools.script("echo.js", *self.flags, *tls))

    def proxy(self, run, way, upstream):
        target = ["--target", f"{self.scheme(way)}://{upstream}"]
        trusted = ["--upstream-ca", self.certificates() / "ca.pem"] if way == TLS else []
        return self.serve(
            run, [self.ringway, "proxy", "--listen", "127.0.0.1:0", *target, *trusted, *self.listener(way)]
        )

    def shim(self, run, way, mode, address):
        """Puts TLS before or behind an address, where the way is one of TLS."""
        if way != TLS:
            return contextlib.nullcontext(address)
        return self.serve(f"{run}.shim", self.tools.script("shim.js", mode, address, self.certificates()))

    def listener(self, way):
        folder = self.certificates() if way == TLS else None
        return ["--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem"] if folder else []

    def certificates(self):
        """The folder of an authority, and of a certificate of it for this host; made when it is first asked for."""
        folder = self.out / "certificates"
        if not folder.is_dir():
            command = [self.ringway, "tls", "dev-cert", "--out", folder, "localhost", "127.0.0.1"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return folder

    @staticmethod
    def scheme(way):
        return "wss" if way == TLS else "ws"

    @contextlib.contextmanager
    def serve(self, name, command):
        """Gives the address that the server says it listens on; it must end well when it is told to."""
        with self.process(name, command, stdout=subprocess.PIPE) as server:
            yield address_in(first_line(server.stdout, name), name)
            if server.poll() is not None:
                raise Broken(f"{name} ended with {server.returncode} during the run; see {self.log(name)}")
            server.terminate()
            code = server.wait(STOP_TIMEOUT_S)
            # Node does not catch SIGTERM; Ringway does, and drains.
            if code not in (0, -15) or (code != 0 and command[0] == self.ringway):
                raise Broken(f"{name} ended with {code}; see {self.log(name)}")

    def fuzzing_client(self, run, address):
        command = [self.tools.kosoku, "-m", "fuzzingclient", address, "-p", str(self.parallel)]
        started = time.monotonic()
        with self.process(f"{run}.suite", [*command, *self.cases, "-o", self.out / run]) as suite:
            suite.wait(self.timeout_s)
        return self.verdicts(run, started)

    def fuzzing_server(self, run, through):
        name = f"{run}.suite"
        command = [self.tools.kosoku, "-m", "fuzzingserver", "127.0.0.1:0", *self.cases, "-o", self.out / run]
        started = time.monotonic()
        with self.process(name, command, stderr=subprocess.PIPE) as suite:
            server = address_in(first_line(suite.stderr, name), name)
            drain(suite.stderr)
            with through(server) as url:
                client = self.tools.script("client.js", url, *self.flags)
                with self.process(f"{run}.node", client) as node:
                    if node.wait(self.timeout_s) != 0:
                        raise Broken(f"client.js did not get through; see {self.log(run + '.node')}")
            suite.wait(START_TIMEOUT_S)
        return self.verdicts(run, started)

    @contextlib.contextmanager
    def process(self, name, command, **streams):
        """Runs a program while the block does; its output goes to a log where the block does not take it."""
        with open(self.log(name), "w") as log:
            streams = {"stdout": log, "stderr": log, **streams}
            environment = self.tools.environment(self.out / "certificates" / "ca.pem")
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, text=True, **streams)
            try:
                yield process
            except subprocess.TimeoutExpired as error:
                raise Broken(f"{name} did not end in {error.timeout} s; see {self.log(name)}") from error
            finally:
                process.kill()
                process.wait()

    def log(self, name):
        return self.out / f"{name}.log"

    def verdicts(self, run, started):
        index = self.out / run / "index.json"
        if not index.is_file():
            raise Broken(f"{run} left no report; see {self.log(run + '.suite')}")
        (cases,) = json.loads(index.read_text()).values()
        print(f"{run}: {len(cases)} cases in {time.monotonic() - started:.0f} s", flush=True)
        return {name: (case["behavior"], case["behaviorClose"]) for name, case in cases.items()}


def first_line(stream, name):
    """The first line, or an error when none comes in time."""
    lines = []
    reader = threading.Thread(target=lambda: lines.append(stream.readline()), daemon=True)
    reader.start()
    reader.join(START_TIMEOUT_S)
    if not lines or not lines[0]:
        raise Broken(f"{name} did not start")
    return lines[0].strip()


def address_in(line, name):
    if "listening on " not in line:
        raise Broken(f"{name} began with `{line}`, not with where it listens")
    return line.rsplit("listening on ", 1)[1].removeprefix("ws://")


def drain(stream):
    threading.Thread(target=collections.deque, args=(stream, 0), daemon=True).start()


def compare(leg, direct, ways):
    """How many verdicts there are, and the cases that are worse through the proxy."""
    missing = ("MISSING", "MISSING")
    if not direct:
        raise Broken(f"{leg}: no case was run")
    table(leg, {"direct": direct, **ways})
    worse = {}
    for way, proxied in ways.items():
        for case, before in direct.items():
            after = proxied.get(case, missing)
            if any(ORDER.index(now) > ORDER.index(then) for now, then in zip(after, before)):
                worse[way, case] = f"{leg} {case}: direct {show(before)}, {way} {show(after)}"
    return len(direct) * len(ways), worse


def judge(name, ways):
    """How many verdicts there are, and the cases that failed."""
    if not all(ways.values()):
        raise Broken(f"{name}: no case was run")
    table(name, ways)
    failed = {
        (way, case): f"{name} {case}, {way}: {show(seen)}"
        for way, verdicts in ways.items()
        for case, seen in verdicts.items()
        if not PASSING.issuperset(seen)
    }
    return sum(len(verdicts) for verdicts in ways.values()), failed


def show(verdict):
    return "{}, close {}".format(*verdict)


def table(leg, runs):
    """How many cases of each group got which verdict; a case counts by the worse of its two."""
    counts = collections.defaultdict(collections.Counter)
    for run, verdicts in runs.items():
        for case, seen in verdicts.items():
            counts[int(case.split(".")[0])][run, max(seen, key=ORDER.index)] += 1
    used = [verdict for verdict in ORDER if any((run, verdict) in row for row in counts.values() for run in runs)]
    columns = [(run, verdict) for run in runs for verdict in used]
    print(f"\n{leg:10}" + "".join(f"{run + ' ' + verdict.lower():>24}" for run, verdict in columns))
    rows = sorted(counts.items())
    for group, row in [*rows, ("all", sum((row for _, row in rows), collections.Counter()))]:
        print(f"  {group!s:8}" + "".join(f"{row[column]:24}" for column in columns))
    print(flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Broken, subprocess.CalledProcessError, OSError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        sys.exit(1)
