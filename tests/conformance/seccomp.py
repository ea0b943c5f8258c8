#!/usr/bin/env python3
"""Ringway under the system call filters that config/ brings.

Loads a filter with libseccomp, as a container's runtime or systemd would, and starts Ringway behind it:

- under config/ringway-seccomp.json a message goes through `ringway proxy` and comes back, in plain text to an address,
  and over TLS to a name; a name that is in no file is asked for by UDP;
- under it `ringway serve` makes its store, an API is made and deployed through its admin API, a message goes through it,
  and it reads its configuration again;
- the same under the SystemCallFilter of config/ringway.service, where systemd-analyze can say what its groups hold;
- without the io_uring calls `ringway proxy` fails, and its message names the profile.

Needs libseccomp.so.2, no root. Usage: seccomp.py RINGWAY. The last line is `seccomp: N passed, N failed`.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROFILE = ROOT / "config" / "ringway-seccomp.json"
UNIT = ROOT / "config" / "ringway.service"
IO_URING = {"io_uring_setup", "io_uring_enter", "io_uring_register"}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ALLOW = 0x7FFF0000
ERRNO = 0x00050000
OPERATORS = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]
EPERM = 1
TIMEOUT_S = 20
CONFIGURATION = """
admin.listen = "127.0.0.1:0"
[[environments]]
name = "development"
external.listen = "127.0.0.1:0"
internal.listen = "127.0.0.1:0"
"""


class Argument(ctypes.Structure):
    """libseccomp's scmp_arg_cmp."""

    _fields_ = [
        ("index", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("value_two", ctypes.c_uint64),
    ]


def load(profile):
    """Puts this process, and what it executes, behind a profile in the format of the container runtimes."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(action(profile["defaultAction"], profile["defaultErrnoRet"])))
    for rule in profile["syscalls"]:
        if ARCHITECTURES.get(platform.machine()) not in rule.get("includes", {}).get("arches", ARCHITECTURES.values()):
            continue
        arguments = [
            Argument(
                argument["index"],
                1 + OPERATORS.index(argument["op"].removeprefix("SCMP_CMP_")),
                argument["value"],
                argument.get("valueTwo", 0),
            )
            for argument in rule.get("args", [])
        ]
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            # What this library or this machine does not know is left out, and so refused, as the runtimes do it.
            if number >= 0:
                array = (Argument * len(arguments))(*arguments)
                code = action(rule["action"], rule.get("errnoRet", EPERM))
                check(library.seccomp_rule_add_array(context, ctypes.c_uint32(code), number, len(arguments), array))
    check(library.seccomp_load(context))


def action(name, errno):
    return {"SCMP_ACT_ALLOW": ALLOW, "SCMP_ACT_ERRNO": ERRNO | errno}[name]


def check(code):
    if code != 0:
        raise OSError(-code, os.strerror(-code))


class Checks:
    def __init__(self, ringway):
        self.ringway = ringway
        self.passed = self.failed = 0

    def run(self):
        profile = json.loads(PROFILE.read_text())
        self.check_all("the profile", profile)
        self.check("without io_uring the message names the profile", lambda: self.refuses(without_io_uring(profile)))
        if shutil.which("systemd-analyze"):
            unit = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": EPERM, "syscalls": unit_rules()}
            self.check_all("the unit's filter", unit)
        else:
            print("skipped: the unit's filter, as there is no systemd-analyze")
        print(f"seccomp: {self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0

    def check_all(self, name, profile):
        self.check(f"a message goes through the proxy under {name}", lambda: self.relays(profile))
        self.check(f"a message goes over TLS to a name under {name}", lambda: self.relays_over_tls(profile))
        self.check(f"a name is asked for under {name}", lambda: self.asks(profile))
        self.check(f"a node manages and serves APIs under {name}", lambda: self.manages(profile))

    def check(self, what, test):
        try:
            test()
            self.passed += 1
            print(f"ok: {what}")
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            self.failed += 1
            print(f"FAILED: {what}: {error}")

    def relays(self, profile):
        with self.serve(profile, "echo") as echo, self.serve(profile, "proxy", "--target", f"ws://{echo}") as proxy:
            self.echoes(profile, f"ws://{proxy}/")

    def relays_over_tls(self, profile):
        with tempfile.TemporaryDirectory() as folder:
            with self.behind(profile, "tls", "dev-cert", "--out", folder) as maker:
                _, errors = maker.communicate(timeout=TIMEOUT_S)
            assert maker.returncode == 0, f"tls dev-cert ended with {maker.returncode}: {errors}"
            pair = ["--tls-cert", f"{folder}/cert.pem", "--tls-key", f"{folder}/key.pem"]
            with self.serve(profile, "echo") as echo:
                target = ["--target", f"ws://localhost:{port_of(echo)}"]
                with self.serve(profile, "proxy", *target, *pair) as proxy:
                    self.echoes(profile, f"wss://localhost:{port_of(proxy)}/", "--tls-ca", f"{folder}/ca.pem")

    def asks(self, profile):
        """Nobody answers: that the question leaves the process is what the filter has a say in."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(TIMEOUT_S)
            asked = ["--resolver", f"127.0.0.1:{server.getsockname()[1]}", "--connect-timeout", "100ms"]
            with self.serve(profile, "proxy", "--target", "ws://asked.test:9", *asked):
                question = server.recv(512)
        assert b"\x05asked\x04test\x00" in question.lower(), f"what was asked is {question!r}"

    def manages(self, profile):
        with tempfile.TemporaryDirectory() as folder, self.serve(profile, "echo") as echo:
            configuration, state = pathlib.Path(folder, "ringway.toml"), f"{folder}/state"
            configuration.write_text(CONFIGURATION)
            with self.behind(profile, "serve", "--config", str(configuration), "--state", state) as node:
                lines = [node.stdout.readline() for _ in range(2)]
                assert "development: " in lines[1], f"serve did not start: {node.stderr.read()}"
                url = lines[1].split()[1]
                self.run_at(profile, state, "api", "create", "--name", "a", "--version", "1.0", "--target", f"ws://{echo}")
                self.run_at(profile, state, "api", "deploy", "a", "--env", "development")
                self.echoes(profile, f"{url}/default/a/v1")
                configuration.write_text("limits.idle_timeout_ms = 9000\n" + CONFIGURATION)
                node.send_signal(signal.SIGHUP)
                deadline = time.monotonic() + TIMEOUT_S
                while "config.reload" not in self.run_at(profile, state, "audit", "-o", "json"):
                    assert time.monotonic() < deadline, "the audit does not tell of the reload"
                node.terminate()
                _, errors = node.communicate(timeout=TIMEOUT_S)
                assert node.returncode == 0, f"serve ended with {node.returncode}: {errors}"
                assert "WARN" not in errors and "ERROR" not in errors, f"serve said: {errors}"

    def run_at(self, profile, state, *arguments):
        with self.behind(profile, "--state", state, *arguments) as command:
            out, errors = command.communicate(timeout=TIMEOUT_S)
        assert command.returncode == 0, f"{arguments} ended with {command.returncode}: {errors}"
        return out

    def echoes(self, profile, url, *options):
        with self.behind(profile, "ws", url, *options) as client:
            out, errors = client.communicate("a message\n", TIMEOUT_S)
        assert client.returncode == 0, f"ws ended with {client.returncode}: {errors}"
        assert out == "a message\n", f"what came back is {out!r}"

    def refuses(self, profile):
        command = ["proxy", "--listen", "127.0.0.1:0", "--target", "ws://127.0.0.1:9"]
        with self.behind(profile, *command) as proxy:
            _, errors = proxy.communicate(timeout=TIMEOUT_S)
        assert proxy.returncode == 1, f"it ended with {proxy.returncode}"
        assert "config/ringway-seccomp.json" in errors, f"it said: {errors}"

    @contextlib.contextmanager
    def serve(self, profile, noun, *arguments):
        with self.behind(profile, noun, "--listen", "127.0.0.1:0", *arguments) as server:
            line = server.stdout.readline()
            assert line.startswith("listening on "), f"{noun} did not start: {server.stderr.read()}"
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            assert "Seccomp:\t2\n" in status, "no filter is in force"
            yield line.removeprefix("listening on ").split()[0]
            server.terminate()
            code = server.wait(TIMEOUT_S)
            assert code == 0, f"{noun} ended with {code}"

    @contextlib.contextmanager
    def behind(self, profile, *arguments):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(profile, file)
            file.flush()
            command = [sys.executable, __file__, "--behind", file.name, self.ringway, *arguments]
            pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
            with subprocess.Popen(command, text=True, **pipes) as process:
                try:
                    yield process
                finally:
                    process.kill()


def port_of(address):
    return address.rpartition(":")[2]


def without_io_uring(profile):
    rules = [{**rule, "names": sorted(set(rule["names"]) - IO_URING)} for rule in profile["syscalls"]]
    return {**profile, "syscalls": rules}


def unit_rules():
    """What the unit's SystemCallFilter lines leave: groups and names that are added, or taken away."""
    allowed = set()
    for line in UNIT.read_text().splitlines():
        if line.startswith("SystemCallFilter="):
            words = line.partition("=")[2]
            names = {name for word in words.removeprefix("~").split() for name in expand(word)}
            allowed = allowed - names if words.startswith("~") else allowed | names
    return [{"names": sorted(allowed), "action": "SCMP_ACT_ALLOW"}]


def expand(word):
    """The names in a group of systemd's, or the name itself."""
    if not word.startswith("@"):
        return {word}
    command = ["systemd-analyze", "--no-pager", "syscall-filter", word]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    inner = (line.strip() for line in lines if line.startswith(" ") and not line.strip().startswith("#"))
    return {name for part in inner if part for name in expand(part)}


def main():
    if sys.argv[1:2] == ["--behind"]:
        profile, *command = sys.argv[2:]
        load(json.loads(pathlib.Path(profile).read_text()))
        os.execv(command[0], command)
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    return Checks(str(pathlib.Path(sys.argv[1]).resolve())).run()


if __name__ == "__main__":
    sys.exit(main())
