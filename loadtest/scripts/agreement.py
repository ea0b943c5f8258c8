#!/usr/bin/env python3
"""Do two instruments agree? ringway-load beside an independent one, in turn, on the same running proxy.

  loadtest/scripts/agreement.py --yardstick PROGRAM [--sizes 64,1024,16384,65536] [--rates 1000,20000] [--rounds 5] [--secs 3]

PROGRAM measures a proxy from outside as ringway-load does, and plays both of its ends in one thread too. It is called as
`PROGRAM relay --proxy PORT --upstream PORT --pid PID --conns N --size B --secs S --rate R` and prints one JSON object with
cpu_us (CPU microseconds of the proxy a round trip), round_trips_per_s, and at a rate p50_us and p99_us.

The proxy runs on CPU 0, the instrument on CPU 1. Figures are medians over rounds; a ratio is taken round by round, then the
median: ringway-load divided by the other.
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DIST = os.path.join(HERE, "..", "..", "target", "dist")


def free_ports(count):
    """Below the range that connections take their own ports from: a port of ours must not become somebody's source."""
    ports = []
    for port in range(19500, 32000):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    sys.exit("no free port")


def wait_until_it_listens(port, process):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with open("/proc/net/tcp") as table:
            if any(f":{port:04X}" == row.split()[1][-5:] and row.split()[3] == "0A" for row in table.readlines()[1:]):
                return
        time.sleep(0.02)
    sys.exit(f"the proxy did not listen on port {port}")


def ours(proxy, upstream, pid, conns, size, secs, rate):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [os.path.join(DIST, "ringway-load"), "echo", "--url", f"ws://127.0.0.1:{proxy}/chat",
                   "--upstream", f"127.0.0.1:{upstream}", "--connections", str(conns), "--size", str(size),
                   "--duration", f"{secs}s", "--warmup", "200ms", "--cpus", "1", "--pid", str(pid), "--close", "reset",
                   "--no-progress", "--json", file.name] + (["--rate", str(rate)] if rate else [])
        done = subprocess.run(["taskset", "-c", "1"] + command, capture_output=True, text=True, timeout=120)
        report = json.load(open(file.name))
    if report["verdict"]["outcome"] == "failed":
        sys.exit(f"ringway-load: {report['verdict']['reasons']}\n{done.stderr}")
    latency = report["latency"]
    return {"cpu_us": report["target"]["cpu_us_each"], "round_trips_per_s": report["messages"]["achieved_per_s"],
            "p50_us": latency["p50_ns"] / 1000, "p99_us": latency["p99_ns"] / 1000,
            "busy": report["generator"]["busy_share"], "util": report["target"]["utilization"],
            "verdict": report["verdict"]["outcome"]}


def theirs(program, proxy, upstream, pid, conns, size, secs, rate):
    command = [program, "relay", "--proxy", str(proxy), "--upstream", str(upstream), "--pid", str(pid), "--conns", str(conns),
               "--size", str(size), "--secs", str(secs), "--rate", str(rate), "--cpu", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        sys.exit(f"{program}: {done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--yardstick", required=True)
    parser.add_argument("--sizes", default="64,1024,16384,65536")
    parser.add_argument("--rates", default="1000,20000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--secs", type=int, default=3)
    args = parser.parse_args()
    settings = [(int(size), 1000 if int(size) < 16384 else 200, 0) for size in args.sizes.split(",") if size]
    settings += [(64, 1000, int(rate)) for rate in args.rates.split(",") if rate]
    proxy, upstream = free_ports(2)
    process = subprocess.Popen(["taskset", "-c", "0", os.path.join(DIST, "ringway"), "proxy", "--listen",
                                f"127.0.0.1:{proxy}", "--target", f"ws://127.0.0.1:{upstream}", "--cpus", "0"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_it_listens(proxy, process)
        print(f"{'':24}{'figure':>18}{'ringway-load':>14}{'other':>12}{'ratio':>8}   rounds")
        for size, conns, rate in settings:
            pairs = []
            for round_number in range(args.rounds):
                calls = [lambda: ours(proxy, upstream, process.pid, conns, size, args.secs, rate),
                         lambda: theirs(args.yardstick, proxy, upstream, process.pid, conns, size, args.secs, rate)]
                # Who goes first changes, so that neither always meets the warmer proxy.
                if round_number % 2:
                    second, first = calls[1](), calls[0]()
                else:
                    first, second = calls[0](), calls[1]()
                pairs.append((first, second))
            label = f"{size} B, {conns} conns, " + (f"{rate}/s" if rate else "closed")
            for figure in ["cpu_us", "p50_us", "p99_us"] if rate else ["cpu_us", "round_trips_per_s"]:
                ratios = [a[figure] / b[figure] for a, b in pairs]
                mine, other = (statistics.median(p[i][figure] for p in pairs) for i in (0, 1))
                spread = " ".join(f"{ratio:.2f}" for ratio in ratios)
                print(f"{label:24}{figure:>18}{mine:14.2f}{other:12.2f}{statistics.median(ratios):8.2f}   {spread}", flush=True)
            busy = statistics.median(a["busy"] for a, _ in pairs)
            util = statistics.median(a["util"] for a, _ in pairs)
            print(f"{'':24}generator busy {busy:.0%}, proxy's CPU used {util:.0%}, verdicts "
                  f"{sorted({a['verdict'] for a, _ in pairs})}", flush=True)
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
