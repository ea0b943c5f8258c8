#!/usr/bin/env python3
"""The cost of checking messages against a contract: for the route that does it, and for its neighbours on the shard.

  validation.py RINGWAY [--messages 200000] [--rounds 5] [--seconds 5]

First the CPU time of the node a message of 200 bytes, one way, with the policy `validation.client_sends` off, report and
enforce, in turn. Then the round trip of another API's messages (128 bytes, one every 2 ms): alone, beside a client that
sends messages of 64 KiB made to be expensive to check through a route that checks nothing, and beside the same client
through a route with `enforce`. The node runs on CPU 0, this script on CPU 1.
"""
import argparse, http.client, json, os, socket, statistics, struct, sys, tempfile, threading, time

import many_apis
from plain_websocket import accepted, exactly, open_over

ARGS = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ARGS.add_argument("ringway"), ARGS.add_argument("--messages", type=int, default=200_000)
ARGS.add_argument("--rounds", type=int, default=5), ARGS.add_argument("--seconds", type=int, default=5)

MODES = ("off", "report", "enforce")
CONTRACT = """asyncapi: 2.6.0
info: {title: Chat, version: 1.0.0}
servers: {here: {url: 'wss://chat.example', protocol: wss}}
channels:
  /:
    publish:
      message:
        payload:
          type: object
          required: [type, message]
          properties:
            type: {type: string, enum: [chat, join, leave]}
            room: {type: string, maxLength: 64}
            sender: {type: object, required: [name], properties: {name: {type: string}, id: {type: integer, minimum: 0}}}
            message: {type: string, maxLength: 2000}
            list:
              type: array
              uniqueItems: true
              items: {anyOf: [{type: string, pattern: '^(a+)+$'}, {type: integer}, {type: object}]}
"""
CHAT = json.dumps({"type": "chat", "room": "general", "sender": {"name": "somebody", "id": 1234}, "message": ""})
CHAT = CHAT.replace('"message": ""', '"message": "%s"' % ("x" * (200 - len(CHAT)))).encode()
# 9,000 different numbers: uniqueness and the alternatives of each are to be looked at.
HOSTILE = json.dumps({"type": "chat", "message": "", "list": list(range(9_000))}).encode()


class Upstream:
    """Accepts WebSockets, counts the bytes that come, and sends back those of connections whose path ends with `echo`."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port, self.bytes = self.server.getsockname()[1], 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=(self.server.accept()[0],), daemon=True).start()

    def serve(self, sock):
        asked = accepted(sock)
        try:
            if asked.split(b" ")[1].endswith(b"echo"):
                while True:
                    exactly(sock, 8 + 128)
                    sock.sendall(b"\x81\x7e\x00\x80" + bytes(128))
            buffer = bytearray(1 << 20)
            while count := sock.recv_into(buffer):
                self.bytes += count
        except OSError:
            pass


def frame(payload):
    """A text frame with the mask 0, which leaves the payload as it is."""
    if len(payload) < 126:
        return struct.pack("!BBI", 0x81, 0x80 | len(payload), 0) + payload
    if len(payload) < 1 << 16:
        return struct.pack("!BBHI", 0x81, 0xFE, len(payload), 0) + payload
    return struct.pack("!BBQI", 0x81, 0xFF, len(payload), 0) + payload


def opened(port, path):
    client = socket.create_connection(("127.0.0.1", port))
    answer = open_over(client, path)
    if b" 101 " not in answer.split(b"\r\n")[0]:
        sys.exit(f"{path}: {answer.decode()}")
    return client


def upload(node):
    connection = http.client.HTTPConnection(node.host, int(node.port), timeout=60)
    headers = {"Authorization": f"Bearer {node.token}", "Content-Type": "application/octet-stream"}
    connection.request("POST", "/api/v1/contracts", CONTRACT, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in (200, 201):
        sys.exit(f"the contract: {answer.status} {text.decode()}")
    return json.loads(text)["contract"]


def cpu_ns(pid):
    """Nanoseconds that all threads of a process have run."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[0])
    return total


def wait_for(upstream, count):
    end = time.monotonic() + 60
    while upstream.bytes < count:
        if time.monotonic() > end:
            sys.exit(f"{count - upstream.bytes} bytes did not arrive")
        time.sleep(0.001)


def cost(node, upstream, mode, messages):
    """CPU time of the node a message, in microseconds."""
    client = opened(node.listen, f"/default/{mode}/v1.0")
    one = frame(CHAT)
    many = one * 500
    # The route's first messages find nothing warm.
    client.sendall(many), wait_for(upstream, upstream.bytes + 1)
    time.sleep(0.1)
    began, upstream.bytes = cpu_ns(node.process.pid), 0
    for _ in range(messages // 500):
        client.sendall(many)
    wait_for(upstream, messages // 500 * len(many))
    spent = cpu_ns(node.process.pid) - began
    client.close()
    return spent / (messages // 500 * 500) / 1_000


def round_trips(node, seconds):
    client = opened(node.listen, "/default/off/v1.0/echo")
    message, took, end = frame(b"x" * 128), [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        client.sendall(message)
        exactly(client, 4 + 128)
        took.append((time.perf_counter() - began) * 1e6)
        time.sleep(0.002)
    client.close()
    return statistics.quantiles(took, n=100)


def beside(node, mode, seconds):
    """Round trips beside a hostile client on the route of a mode."""
    stopped = threading.Event()
    client = opened(node.listen, f"/default/{mode}/v1.0")
    message, sent = frame(HOSTILE), [0]

    def send():
        while not stopped.is_set():
            client.sendall(message)
            sent[0] += 1

    sender = threading.Thread(target=send)
    sender.start()
    found = round_trips(node, seconds)
    stopped.set()
    sender.join()
    client.close()
    return found, sent[0] / seconds


def main():
    args = ARGS.parse_args()
    upstream = Upstream()
    with tempfile.TemporaryDirectory() as state, many_apis.Node(args.ringway, state) as node:
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), {1})
        contract = upload(node)
        for mode in MODES:
            policies = {"validation": {"client_sends": mode}, "channels": {"unlisted_paths": "pass"}}
            definition = {"name": mode, "identifier": mode, "version": "1.0", "contract": contract, "policies": policies,
                          "targets": [f"ws://127.0.0.1:{upstream.port}"]}
            node.call("POST", "/apis", definition)
            node.call("PUT", f"/apis/default/{mode}/1.0/deployments/development", {})
        print(f"{os.path.basename(args.ringway)}: {args.messages} messages of {len(CHAT)} B, {args.rounds} rounds")
        spent = {mode: [] for mode in MODES}
        for _ in range(args.rounds):
            for mode in MODES:
                spent[mode].append(cost(node, upstream, mode, args.messages))
        for mode in MODES:
            more = statistics.median(a - b for a, b in zip(spent[mode], spent["off"]))
            print(f"  {mode:8} {statistics.median(spent[mode]):6.2f} us of CPU a message, {more:+.2f} over off")
        print(f"round trips beside a sender of {len(HOSTILE)} B messages, {args.seconds} s each, {args.rounds} rounds")
        tails = {"alone": [], "off": [], "enforce": []}
        rates = {"off": [], "enforce": []}
        for _ in range(args.rounds):
            tails["alone"].append(round_trips(node, args.seconds))
            for mode in ("off", "enforce"):
                found, rate = beside(node, mode, args.seconds)
                tails[mode].append(found), rates[mode].append(rate)
        for name, found in tails.items():
            middle, tail = (statistics.median(quantiles[at] for quantiles in found) for at in (49, 98))
            sender = f", the sender gets {statistics.median(rates[name]):.0f} messages/s through" if name in rates else ""
            print(f"  {name:8} p50 {middle:7.0f} us, p99 {tail:7.0f} us{sender}")


main()
