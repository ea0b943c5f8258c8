#!/usr/bin/env python3
"""User instructions that Ringway spends on relaying one 128-byte message, or on one handshake, counted by callgrind.

  instructions.py RINGWAY_BINARY                        as `ringway proxy`
  instructions.py RINGWAY_BINARY --handshakes           a connection from accept to close, instead of a message
  instructions.py RINGWAY_BINARY [--handshakes] --tls   clients speak TLS 1.3, each connection with a handshake of its own
  instructions.py RINGWAY_BINARY [--handshakes] --state STATE
                                                        as a node, over the first API of a state directory that many_apis.py
                                                        has filled; metrics listener on, the shard's thread alone counted

The proxy runs twice under callgrind, with a different number of messages sent one by one over one connection (or of
connections opened one by one); the difference of the two totals, divided by that of the messages, leaves everything out
that is not relaying.
"""
import argparse, glob, os, re, signal, socket, ssl, subprocess, sys, tempfile, threading, time

import many_apis
from plain_websocket import accepted, exactly, open_over


def upstream(server):
    try:
        while True:
            threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()
    except OSError:
        pass


def answer(sock):
    accepted(sock)
    answer = b"\x82\x7e\x00\x80" + bytes(128)
    try:
        while True:
            exactly(sock, 8 + 128)
            sock.sendall(answer)
    except (ConnectionError, IndexError, OSError):
        pass


def connected(port):
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.1)
    sys.exit("the proxy does not listen")


def certificate(folder):
    """Makes a certificate for P-256 that signs itself. Returns its file and that of its key."""
    files = [os.path.join(folder, name) for name in ("cert.pem", "key.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-out", files[0], "-keyout", files[1]], check=True, stderr=subprocess.DEVNULL)
    return files


def speaker():
    """The TLS of a client that takes any certificate: the proxy is on this host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode, context.minimum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_3
    return context


def command(binary, state, port, target, tls):
    if not state:
        keys = ["--tls-cert", tls[0], "--tls-key", tls[1]] if tls else []
        return [binary, "proxy", "--listen", f"127.0.0.1:{port}", "--target", f"ws://127.0.0.1:{target}", "--cpus", "0", "--log-level", "off", *keys], "/"
    configuration = many_apis.configuration(port, target)
    return [binary, "serve", "--config", configuration, "--state", state], "/default/api-0/v1.0"


def of_the_shard(out):
    """What the thread spent that relayed: callgrind writes a file a thread."""
    for file in glob.glob(out + "*"):
        with open(file, errors="replace") as text:
            profile = text.read()
        if "pump::pump" in profile:
            return int(re.search(r"^totals: (\d+)", profile, re.M).group(1))
    sys.exit("no thread has relayed")


def opened(port, path, tls):
    client = connected(port)
    if tls:
        client = speaker().wrap_socket(client)
    open_over(client, path)
    return client


def run(binary, state, with_tls, round_trips, handshakes):
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=upstream, args=(server,), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        # valgrind lets no other thread run while a shard sleeps in its ring: connections wake it.
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        tls = certificate(folder) if with_tls else None
        argv, path = command(binary, state, port, server.getsockname()[1], tls)
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--separate-threads=yes"]
        proxy = subprocess.Popen(valgrind + argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = opened(port, path, tls)
        message = b"\x82\xfe\x00\x80" + bytes(4) + bytes(128)
        for _ in range(round_trips):
            client.sendall(message)
            exactly(client, 4 + 128)
        for _ in range(handshakes):
            opened(port, path, tls).close()
        client.close()
        proxy.send_signal(signal.SIGTERM)
        while proxy.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                pass
            time.sleep(0.05)
        return of_the_shard(out)


arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("binary")
arguments.add_argument("--handshakes", action="store_true")
arguments.add_argument("--tls", action="store_true")
arguments.add_argument("--state")
given = arguments.parse_args()
if given.tls and given.state:
    arguments.error("--tls counts `ringway proxy`, and --state a node")
counted = (given.binary, given.state, given.tls)
if given.handshakes:
    # One message, so that the shard's thread is known by what it relays.
    few, many, what, each = 100, 600, "a connection, from accept to close", 1
    counts = [run(*counted, 1, n) for n in (few, many)]
else:
    few, many, what, each = 2_000, 12_000, "a relayed message of 128 bytes", 2
    counts = [run(*counted, n, 0) for n in (few, many)]
print(f"{(counts[1] - counts[0]) / (each * (many - few)):.0f} user instructions {what}")
