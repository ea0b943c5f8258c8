#!/usr/bin/env python3
"""A node with very many APIs: how long it takes to start, to take a change, and what memory it needs.

  many_apis.py fill RINGWAY STATE [--apis 10000] [--targets 1]
                                                        makes and deploys them, in a state directory that is kept; several
                                                        targets of an API differ in their path
  many_apis.py measure RINGWAY STATE [--changes 50]     starts on it, changes one API after the other, prints JSON
  many_apis.py serve RINGWAY STATE LISTEN UPSTREAM      runs it in the foreground, for an instrument: every API goes to the
                                                        port UPSTREAM of this host, the first is /default/api-0/v1.0
"""
import http.client, json, os, signal, socket, statistics, subprocess, sys, tempfile, time


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def configuration(listen, upstream):
    text = 'cpus = "0"\n[admin]\nlisten = "127.0.0.1:0"\n[metrics]\nlisten = "127.0.0.1:0"\n[log]\nlevel = "warn"\n'
    for name, port in (("development", listen), ("production", 0)):
        text += (f'[[environments]]\nname = "{name}"\nexternal.listen = "127.0.0.1:{port}"\n'
                 f'internal.listen = "127.0.0.1:0"\nvariables = {{ PORT = "{upstream}" }}\n')
    file = tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False)
    file.write(text)
    file.close()
    return file.name


class Node:
    def __init__(self, ringway, state, listen=None, upstream=9):
        self.listen = listen or free_port()
        address = os.path.join(state, "admin.addr")
        if os.path.exists(address):
            os.remove(address)
        self.began = time.monotonic()
        self.process = subprocess.Popen([ringway, "serve", "--config", configuration(self.listen, upstream), "--state", state],
                                        stdout=subprocess.DEVNULL)
        while not os.path.exists(address):
            if self.process.poll() is not None:
                sys.exit("ringway serve ended")
            time.sleep(0.005)
        self.host, self.port = open(address).read().strip().rsplit(":", 1)
        self.token = open(os.path.join(state, "admin-token")).read().strip()
        self.connection = http.client.HTTPConnection(self.host, int(self.port), timeout=60)
        self.call("GET", "/health")
        self.ready = time.monotonic() - self.began

    def call(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self.connection.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text else None

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return {line.split(":")[0]: int(line.split()[1]) for line in status if line.startswith(("VmRSS", "RssAnon", "VmHWM"))}

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def fill(ringway, state, count, targets):
    os.makedirs(state, mode=0o700, exist_ok=True)
    with Node(ringway, state) as node:
        empty, began = node.memory(), time.monotonic()
        urls = ["ws://127.0.0.1:${PORT}" + (f"/{n}" if n else "") for n in range(targets)]
        for index in range(count):
            node.call("POST", "/apis", {"name": f"api-{index}", "version": "1.0", "targets": urls})
            node.call("PUT", f"/apis/default/api-{index}/1.0/deployments/development", {})
        took = time.monotonic() - began
        print(json.dumps({"apis": count, "made_and_deployed_per_s": count / took, "empty_kib": empty, "full_kib": node.memory()}))


def measure(ringway, state, changes):
    with Node(ringway, state) as node:
        started = node.memory()
        took = []
        for index in range(changes):
            path = f"/apis/default/api-{index}/1.0"
            node.call("PUT", path, {"name": f"api-{index}", "targets": ["ws://127.0.0.1:${PORT}/" + str(time.time_ns())]})
            began = time.monotonic()
            node.call("PUT", f"{path}/deployments/development", {})
            took.append((time.monotonic() - began) * 1000)
        print(json.dumps({"start_to_answer_s": node.ready, "deploy_in_force_ms": {"p50": statistics.median(took), "max": max(took)},
                          "started_kib": started, "after_kib": node.memory(), "health": node.call("GET", "/health")}, indent=1))


def main():
    mode, ringway, state = sys.argv[1:4]
    def option(name, default):
        return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default

    if mode == "fill":
        fill(ringway, state, option("--apis", 10_000), option("--targets", 1))
    elif mode == "measure":
        measure(ringway, state, option("--changes", 50))
    elif mode == "serve":
        command = [ringway, "serve", "--config", configuration(sys.argv[4], sys.argv[5]), "--state", state]
        os.execv(ringway, command)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
