#!/usr/bin/env python3
"""A node with very many keys: how long it takes to start, what memory a key needs, and how long a change of a key takes.

  many_keys.py RINGWAY [--applications 10000] [--keys 10] [--changes 50]

Fills a store of a node that has been stopped (each application is subscribed to one API), starts the node on it, and makes and
revokes keys one by one. Prints JSON; the same node without keys is measured first.
"""
import hashlib, json, os, sqlite3, statistics, sys, tempfile, time

from many_apis import Node


def fill(state, applications, keys):
    store = sqlite3.connect(os.path.join(state, "ringway.db"))
    with store:
        store.execute("INSERT INTO plans VALUES (1, 'gold', '', 'active', 1, 0, 'me', 0, 'me')")
        store.executemany("INSERT INTO applications VALUES (?, ?, ?, '', 'active', 1, 0, 'me', 0, 'me')",
                          ((n, f"consumer-{n % 1000}", f"app-{n}") for n in range(1, applications + 1)))
        store.executemany("INSERT INTO subscriptions VALUES (?, 'default', 'chat', 1, 1, 'active', 0, 'me')",
                          ((n,) for n in range(1, applications + 1)))
        rows = ((n // keys + 1, hashlib.sha256(str(n).encode()).digest(), f"rwk_{n:06}"[:10]) for n in range(applications * keys))
        store.executemany("INSERT INTO keys (application_id, environment, name, digest, prefix, generation, created_at, created_by) "
                          "VALUES (?, 'development', 'key', ?, ?, 1, 0, 'me')", rows)
    store.close()


def change(node, application, changes):
    made, revoked = [], []
    for _ in range(changes):
        began = time.monotonic()
        key = node.call("POST", f"/applications/{application}/keys", {"environment": "development"})
        made.append((time.monotonic() - began) * 1000)
        began = time.monotonic()
        node.call("DELETE", f"/keys/{key['id']}")
        revoked.append((time.monotonic() - began) * 1000)
    return {name: {"p50": statistics.median(of), "max": max(of)} for name, of in (("make_ms", made), ("revoke_ms", revoked))}


def main():
    def option(name, default):
        return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default

    if len(sys.argv) < 2:
        sys.exit(__doc__)
    ringway, applications, keys = sys.argv[1], option("--applications", 10_000), option("--keys", 10)
    state = os.path.join(tempfile.mkdtemp(), "state")
    os.makedirs(state, mode=0o700)
    with Node(ringway, state) as node:
        node.call("POST", "/apis", {"name": "chat", "version": "1.0", "targets": ["ws://127.0.0.1:9"]})
        node.call("POST", "/applications", {"consumer": "acme", "name": "mobile"})
    with Node(ringway, state) as node:
        empty = {"start_to_answer_s": node.ready, **node.memory(), **change(node, "acme/mobile", option("--changes", 50))}
    store = sqlite3.connect(os.path.join(state, "ringway.db"))
    with store:
        store.execute("DELETE FROM applications")
    store.close()
    fill(state, applications, keys)
    # The first start writes keys.json as well.
    with Node(ringway, state) as node:
        first = node.ready
    with Node(ringway, state) as node:
        full = {"start_to_answer_s": node.ready, "first_start_s": first, **node.memory(),
                **change(node, f"consumer-{applications % 1000}/app-{applications}", option("--changes", 50))}
    each = (full["RssAnon"] - empty["RssAnon"]) * 1024 / (applications * keys)
    print(json.dumps({"keys": applications * keys, "empty": empty, "full": full, "anonymous_bytes_a_key": each}, indent=1))


if __name__ == "__main__":
    main()
