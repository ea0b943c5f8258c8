#!/usr/bin/env python3
"""What a handshake costs a proxy that already holds thousands of connections.

  storm_held.py YARDSTICK HELD ROUNDS NAME=COMMAND...

YARDSTICK is a program with a mode `storm --proxy PORT --upstream PORT --pid PID --secs S` that prints one JSON object
with `cpu_us`. COMMAND starts a proxy in the foreground; {listen} and {upstream} in it are ports. The proxies take turns.
"""
import json, os, resource, shlex, signal, socket, statistics, subprocess, sys, time

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_for(key):
    import base64, hashlib
    return base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()


def head(sock):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = sock.recv(4096)
        if not more:
            sys.exit("the connection ended during a handshake")
        data += more
    return data


def hold(listen, upstream, count):
    server = socket.create_server(("127.0.0.1", upstream), backlog=4096)
    pairs = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", listen))
        client.sendall(f"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        other, _ = server.accept()
        lines = head(other).split(b"\r\n")
        key = next(l.split(b":", 1)[1].strip() for l in lines if l.lower().startswith(b"sec-websocket-key:"))
        other.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {accept_for(key)}\r\n\r\n".encode())
        head(client)
        pairs.append((client, other))
    server.close()
    return pairs


def wait_until_listening(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on {port}")


def main():
    yardstick, held, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    costs = {}
    port = 19500
    for _ in range(rounds):
        for named in sys.argv[4:]:
            name, command = named.split("=", 1)
            listen, upstream = port, port + 1
            port += 2
            argv = shlex.split(command.replace("{listen}", str(listen)).replace("{upstream}", str(upstream)))
            proxy = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                wait_until_listening(listen)
                pairs = hold(listen, upstream, held)
                out = subprocess.run([yardstick, "storm", "--proxy", str(listen), "--upstream", str(upstream),
                                      "--pid", str(proxy.pid), "--secs", "2"], capture_output=True, text=True, check=True)
                costs.setdefault(name, []).append(json.loads(out.stdout)["cpu_us"])
                for pair in pairs:
                    for sock in pair:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                        sock.close()
            finally:
                os.killpg(proxy.pid, signal.SIGKILL)
                proxy.wait()
    first = next(iter(costs))
    for name, values in costs.items():
        ratio = statistics.median(a / b for a, b in zip(costs[first], values))
        print(f"{name:10} {statistics.median(values):8.1f} us CPU a handshake over {held} held   "
              f"min {min(values):.1f} max {max(values):.1f}   {first}/{name} {ratio:.2f}")


if __name__ == "__main__":
    main()
