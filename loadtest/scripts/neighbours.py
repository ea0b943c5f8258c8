#!/usr/bin/env python3
"""What changes elsewhere do to live connections: a proxy's own way of taking a change, beside `nginx -s reload`.

  neighbours.py RINGWAY RINGWAY_LOAD OUT.json [--connections 2000] [--rate 4000] [--seconds 60] [--changes 100]
                [--reloads 100] [--apis 20] [--quiet 20] [--nginx nginx]

Connections of one API echo messages that carry sequence numbers and are compared byte for byte; first with nothing else
going on, then while other APIs are deployed, updated, promoted and deleted, and the process is told to read its
configuration again. nginx gets the same load and as many reloads. The proxies run on CPU 0, the load on CPU 1.
"""
import argparse, http.client, json, os, signal, socket, statistics, subprocess, sys, tempfile, threading, time

ARGS = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ARGS.add_argument("ringway"), ARGS.add_argument("load"), ARGS.add_argument("out")
ARGS.add_argument("--connections", type=int, default=2000), ARGS.add_argument("--rate", type=int, default=4000)
ARGS.add_argument("--seconds", type=int, default=60), ARGS.add_argument("--changes", type=int, default=100)
ARGS.add_argument("--reloads", type=int, default=100), ARGS.add_argument("--apis", type=int, default=20)
ARGS.add_argument("--quiet", type=int, default=20), ARGS.add_argument("--nginx", default="nginx")
ARGS.add_argument("--one-cpu", action="store_true", help="the node's other threads and who makes the changes share CPU 0")
ARGS.add_argument("--alone", action="store_true", help="without nginx")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(what, holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            sys.exit(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


class Admin:
    """The admin API of a node, by its state directory."""

    def __init__(self, state):
        with open(os.path.join(state, "admin.addr")) as file:
            self.address = file.read().strip()
        with open(os.path.join(state, "admin-token")) as file:
            self.token = file.read().strip()
        self.took = []

    def call(self, method, path, body=None):
        host, port = self.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        began = time.monotonic()
        connection.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        self.took.append(time.monotonic() - began)
        connection.close()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text else None


def load(args, url, upstream, pid, seconds):
    """One run of the generator: its report. It names its CPU itself, and may have been started from another."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = ["taskset", "-c", "1", args.load, "echo", "--url", url, "--upstream", f"127.0.0.1:{upstream}", "--connections",
                   str(args.connections), "--rate", str(args.rate), "--duration", f"{seconds}s", "--cpus", "1",
                   "--sleep", "--no-progress", "--size", "64..512", "--pid", str(pid), "--json", report.name]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            return json.load(open(report.name))
        except json.JSONDecodeError:
            sys.exit(f"{' '.join(command)}: {done.stderr}")


def figures(report):
    messages, latency = report["messages"], report["latency"]
    return {
        "connections": report["connections"], "messages": messages, "errors": report["errors"],
        "p50_us": latency["p50_ns"] / 1000, "p99_us": latency["p99_ns"] / 1000, "max_us": latency["max_ns"] / 1000,
        "verdict": report["verdict"],
    }


def spread(count, seconds, act):
    """Calls act(i) count times, evenly over so many seconds. Who makes the changes would be on another host; here it shares
    a CPU with the generator or the proxy, and lets them go first."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    began = time.monotonic()
    for index in range(count):
        pause = began + index * seconds / count - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        act(index)


def ringway(args):
    with tempfile.TemporaryDirectory() as folder:
        ports = [free_port() for _ in range(4)]
        config = os.path.join(folder, "ringway.toml")
        with open(config, "w") as file:
            file.write('cpus = "0"\n[admin]\nlisten = "127.0.0.1:0"\n')
            for name, (outside, inside) in (("development", ports[:2]), ("production", ports[2:])):
                file.write(f'[[environments]]\nname = "{name}"\nexternal.listen = "127.0.0.1:{outside}"\n'
                           f'internal.listen = "127.0.0.1:{inside}"\n')
        state = os.path.join(folder, "state")
        log = open(os.path.join(folder, "log"), "w")
        pin = ["taskset", "-c", "0"] if args.one_cpu else []
        node = subprocess.Popen(pin + [args.ringway, "serve", "--config", config, "--state", state], stdout=log, stderr=log)
        try:
            wait_for("ringway serve", lambda: node.poll() is None and listens(ports[0]) and
                     os.path.exists(os.path.join(state, "admin.addr")))
            admin, upstream = Admin(state), free_port()

            def make(name, target):
                admin.call("POST", "/apis", {"name": name, "version": "1.0", "targets": [target]})
                admin.call("PUT", f"/apis/default/{name}/1.0/deployments/development", {})

            make("mine", f"ws://127.0.0.1:{upstream}")
            for index in range(args.apis):
                make(f"other-{index}", f"ws://127.0.0.1:{upstream}/a")
            url = f"ws://127.0.0.1:{ports[0]}/default/mine/v1.0"
            quiet = load(args, url, upstream, node.pid, args.quiet)
            admin.took.clear()

            def change(index):
                path = f"/apis/default/other-{index % args.apis}/1.0"
                match index // args.apis % 5:
                    case 0:
                        admin.call("PUT", path, {"name": "Other", "targets": [f"ws://127.0.0.1:{upstream}/{index}"]})
                    case 1:
                        admin.call("PUT", f"{path}/deployments/development", {})
                    case 2:
                        admin.call("POST", f"{path}/promote", {"from": "development", "to": "production"})
                    case 3:
                        admin.call("DELETE", path)
                    case 4:
                        make(f"other-{index % args.apis}", f"ws://127.0.0.1:{upstream}/b")

            # The warm-up second, in which the connections are opened, is left alone.
            changes = threading.Timer(3, spread, (args.changes, args.seconds - 4, change))
            hangups = threading.Timer(3, spread, (args.reloads, args.seconds - 4, lambda _: node.send_signal(signal.SIGHUP)))
            changes.start(), hangups.start()
            busy = load(args, url, upstream, node.pid, args.seconds)
            changes.join(), hangups.join()
            took = sorted(admin.took)
            health = admin.call("GET", "/health")
            return {"quiet": figures(quiet), "changing": figures(busy), "changes": len(took), "sighups": args.reloads,
                    "change_ms": {"p50": statistics.median(took) * 1000, "max": took[-1] * 1000}, "health": health,
                    "log": open(os.path.join(folder, "log")).read().splitlines()[-3:]}
        finally:
            node.send_signal(signal.SIGTERM)
            node.wait(30)


NGINX = """daemon off; master_process on; worker_processes 1; error_log stderr error; pid {folder}/pid;
worker_shutdown_timeout 10s; worker_rlimit_nofile 20000;
events {{ worker_connections 9000; }}
http {{ access_log off; {temp} server {{ listen 127.0.0.1:{port} reuseport;
  location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade; proxy_read_timeout 1h; proxy_send_timeout 1h; }} }} }}
"""


def nginx(args):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        port, upstream = free_port(), free_port()
        temp = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in
                       ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w") as file:
            file.write(NGINX.format(folder=folder, port=port, upstream=upstream, temp=temp))
        node = subprocess.Popen(["taskset", "-c", "0", args.nginx, "-e", "stderr", "-c", config], stderr=subprocess.DEVNULL)
        try:
            wait_for("nginx", lambda: listens(port))
            url = f"ws://127.0.0.1:{port}/"
            quiet = load(args, url, upstream, node.pid, args.quiet)
            reloads = threading.Timer(3, spread, (args.reloads, args.seconds - 4, lambda _: node.send_signal(signal.SIGHUP)))
            reloads.start()
            busy = load(args, url, upstream, node.pid, args.seconds)
            reloads.join()
            return {"quiet": figures(quiet), "changing": figures(busy), "reloads": args.reloads}
        finally:
            node.send_signal(signal.SIGTERM)
            node.wait(30)


def main():
    args = ARGS.parse_args()
    if args.one_cpu:
        os.sched_setaffinity(0, {0})
    results = {"settings": {key: value for key, value in vars(args).items() if key not in ("ringway", "load", "out", "nginx")},
               "ringway": ringway(args)}
    if not args.alone:
        results["nginx"] = nginx(args)
    with open(args.out, "w") as file:
        json.dump(results, file, indent=1)
    for name in ("ringway", "nginx")[:1 if args.alone else 2]:
        for phase in ("quiet", "changing"):
            one = results[name][phase]
            print(f"{name:8} {phase:9} p50 {one['p50_us']:8.1f} us  p99 {one['p99_us']:9.1f} us  "
                  f"connections {one['connections']}  messages {one['messages']}  errors {one['errors']}")
    print("ringway changes:", results["ringway"]["change_ms"])


main()
