"""A client with a valid password that does everything it may as fast as it can, and everything it may not, against what
`dhtctl broker-config` makes, on a real Mosquitto with TLS.  -rP prints the tables."""
import json
import os
import re
import socket
import subprocess
import threading

import pytest

import harness
from access import AccessBroker, AccessRing, User, denied
from certificates import Set
from fake_ring import (BASE, CLIENT, FROM, OPERATIONS, REPLY, STATE, STATES, TYPE, TYPES, VERSION, encode)
from harness import PATIENCE, ctl_binary, wait_for

USERS = ("--nodes", "n1,n2,n3,spy", "--operators", "op", "--clients", "alice,mallory")
IDS = {"n1": 1 << 30, "n2": 2 << 30, "n3": 3 << 30}
VICTIM = "40000000"  # n1
GET, PUT, DELETE, ADD = 1, 3, 4, 5
KEY = 0x12345678
CELL = "op/1/2/3/4"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    broker = AccessBroker(folder / "broker", Set(folder), *USERS).start()
    yield broker
    broker.kill()


@pytest.fixture(scope="module")
def ring(broker, tmp_path_factory):
    ring = AccessRing(broker, tmp_path_factory.mktemp("ring"))
    for name, id in IDS.items():
        ring.add(name, id=id)
    ring.wait_whole(3)
    broker.ctl("alice", "put", str(KEY), "precious")
    broker.ctl("alice", "put", "door", "open")
    yield ring
    for node in ring.nodes:
        node.term()
    for node in ring.nodes:
        node.wait()
    assert not ring.complaints()


def frame(kind, **fields):
    """One of ours, well formed, from a member that there is not."""
    names = {"ring": 5, "to": 4}
    base = {VERSION: 1, TYPE: TYPES["FRAME_" + kind], FROM: [int(VICTIM, 16), 77, 88, 1]}
    return encode({**base, **{names.get(k, k): v for k, v in fields.items()}})


def request(*operation, client=b"m" * 16):
    return encode({VERSION: 1, TYPE: TYPES["FRAME_REQUEST"], CLIENT: client, BASE: 1, 26: 1, OPERATIONS: [[0, *operation]]})


GONE = encode({VERSION: 1, TYPE: TYPES["FRAME_STATUS"], FROM: [int(VICTIM, 16), 77, 88, 1], STATE: STATES["NODE_GONE"]})
LEAVE = encode({VERSION: 1, TYPE: TYPES["FRAME_LEAVE"], FROM: [0, 0, 0, 0], REPLY: "to/mallory/a"})
WHO = encode({VERSION: 1, TYPE: TYPES["FRAME_WHO"], FROM: [0, 0, 0, 0], REPLY: "to/mallory/a"})

# What it is to do, topic, payload, retained.
FORGED = [
    ("say HELLO with a node's id", "ring", frame("HELLO"), False),
    ("ask who is there, and be told connections", "ring", WHO, False),
    ("pass records off as resurfaced (MERGE)", "ring", frame("MERGE"), False),
    ("found a greater ring", "founder", frame("FOUND"), True),
    ("clear the register", "founder", b"", True),
    ("say that a node is gone", f"node/{VICTIM}", GONE, True),
    ("clear a node's status", f"node/{VICTIM}", b"", True),
    ("ask a node to leave", f"in/{VICTIM}", LEAVE, False),
    ("store a view at a node", f"in/{VICTIM}", frame("STORE"), False),
    ("acknowledge a copy that nobody has", f"in/{VICTIM}", frame("COPIED"), False),
    ("refuse a node its name", f"in/{VICTIM}", frame("REFUSE"), False),
    ("feed a node bytes that are no frame", f"in/{VICTIM}", os.urandom(200), False),
    ("cut a handover", f"cut/{VICTIM}", frame("CUT"), False),
    ("put without a name", CELL, request(PUT, KEY, b"stolen"), False),
    ("put in another's name", CELL + "/alice", request(PUT, KEY, b"stolen"), False),
    ("put below another level", CELL + "/mallory/x", request(PUT, KEY, b"stolen"), False),
    ("ask a node without a name", f"ask/{VICTIM}", request(DELETE, KEY), False),
    ("ask a node in another's name", f"ask/{VICTIM}/alice", request(DELETE, KEY), False),
    ("ask a node as a node", f"ask/{VICTIM}/n1", request(DELETE, KEY), False),
    ("answer in a node's place", "to/alice/00112233445566778899aabbccddeeff", os.urandom(60), False),
    ("answer a tool in a node's place", "to/d0123456789abcdef000001", frame("STATUS"), False),
    ("tell watchers of what was not", f"ev/{VICTIM}", os.urandom(60), False),
    ("put on the reference's topic", "put", f"mallory/{KEY} stolen".encode(), False),
    ("get on the reference's topic", "get", str(KEY).encode(), False),
    ("join as a node of the reference", "join", b"5", False),
    ("say that a ring has started", "has_started", b"yes", False),
    ("admit somebody as the reference does", "ack-join", f"{1 << 30}/5/sucessor".encode(), False),
    ("leave as a node of the reference", "leave", f"{1 << 30}/{2 << 30}/{3 << 30}".encode(), False),
    ("acknowledge a leave", "ack-leave", f"{1 << 30}/5".encode(), False),
    ("acknowledge a put", "ack-put", f"alice/{1 << 30}".encode(), False),
    ("answer a get", "res-get", f"{KEY}/stolen".encode(), False),
    ("change the broker's own rights", "$CONTROL/dynamic-security/v1", b'{"commands":[]}', False),
    ("write the broker's own numbers", "$SYS/broker/uptime", b"0", False),
    ("leave something for everybody", "anything/else", b"x", True),
]

# What it is to hear.
LISTENED = [
    ("everything", "#"), ("everything below something", "+/#"), ("the broker's own", "$SYS/#"),
    ("the broker's rights", "$CONTROL/#"), ("what others ask", "op/#"), ("what others ask, level by level", "op/+/+/+/+/+"),
    ("what nodes are asked", "ask/#"), ("nodes' inboxes", "in/#"), ("nodes' statuses", "node/#"), ("the register", "founder"),
    ("what nodes say to all", "ring"), ("cuts", "cut/#"), ("all answers", "to/#"), ("alice's answers", "to/alice/#"),
    ("answers of who has no name", "to/+"), ("requests, as one of a group", "$share/g/op/#"),
    ("statuses, as one of a group", "$share/g/node/#"), ("what clients of the reference put", "put"),
    ("what they are answered", "res-get"), ("who joins", "join"),
]


class Table:
    def __init__(self):
        self.rows = []

    def add(self, attempt, refused, how):
        self.rows.append((attempt, refused, how))

    def show(self):
        print(f"\n{'attempt':62} what came of it")
        for attempt, refused, how in self.rows:
            print(f"{attempt:62} {'' if refused else 'NOT REFUSED: '}{how}")
        print(f"{len(self.rows)} attempts, {sum(1 for r in self.rows if r[1])} refused")


def state(broker, ring):
    """All that is to stay as it is."""
    nodes = sorted((n["id"], n["name"], n["state"], n["predecessor"], n["successor"]) for n in ring.look())
    return (nodes, [node.pid for node in ring.nodes], broker.ctl("alice", "get", str(KEY)).stdout,
            broker.ctl("alice", "get", "door").stdout, broker.ctl("alice", "ls").stdout.count(b"\n"))


def secrets(broker):
    """What would let somebody cut a node off: its connections' names, as text and as bytes."""
    found = []
    for id in broker.connected_ids():
        if re.fullmatch(r"d[0-9a-f]{22}", id):
            found += [id.encode(), bytes.fromhex(id[1:17])]
    return found


def try_to_publish(broker, table):
    mallory = User(broker, "mallory")
    spy = User(broker, "spy").subscribe("#")  # may hear what nodes may
    for what, topic, payload, retain in FORGED:
        mallory.publish(topic, payload, retain)
    mallory.settle()
    refused = [topic for topic, _ in denied(broker, mallory)]
    for what, topic, payload, _ in FORGED:
        heard = any(t == topic and p == payload for t, p, _ in spy.heard)
        table.add(f"publish: {what} ({topic})", topic in refused and not heard,
                  "denied by the list" if topic in refused else "published")
    mallory.close()
    spy.close()


def try_wills(broker, table):
    spy = User(broker, "spy").subscribe("#")
    wills = [("that a node is gone", f"node/{VICTIM}", GONE), ("a greater ring", "founder", frame("FOUND")),
             ("an answer to alice", "to/alice/a", b"x"), ("a put in alice's name", CELL + "/alice", request(PUT, KEY, b"x"))]
    for what, topic, payload in wills:
        mallory = User(broker, "mallory", will=(topic, payload, 0, True))
        mallory.cut()
        wait_for("the end of it", lambda: mallory.id in broker.ended_ids())
        table.add(f"will: {what} ({topic})", not any(t == topic and p == payload for t, p, _ in spy.heard),
                  "let in, and its will is nobody's")
    spy.close()


def try_to_listen(broker, ring, table):
    """All of them at once, while others are at work, a node comes and one dies."""
    ears = [(what, filter, User(broker, "mallory").subscribe(filter)) for what, filter in LISTENED]
    control = User(broker, "mallory").subscribe("to/mallory/+", "ev/+")
    control.publish("to/mallory/self", b"heard")
    control.publish(CELL + "/mallory", request(GET, KEY))
    broker.ctl("alice", "put", "while", "listening")
    broker.ctl("op", "status")
    ring.nodes[2].kill()
    ring.nodes[2].start()
    ring.wait_whole(3)
    for _, _, ear in ears:
        ear.settle()
    assert {t for t, _, _ in control.heard if t.startswith("to/")} == {"to/mallory/self", "to/mallory/" + (b"m" * 16).hex()}
    heard = []
    for what, filter, ear in ears:
        others = [t for t, p, _ in ear.heard if not t.startswith(("to/mallory/", "ev/"))]
        heard += [p + t.encode() for t, p, _ in ear.heard]
        table.add(f"hear: {what} ({filter})", not others, f"heard {sorted(set(others))}" if others else "granted, and silent")
        ear.close()
    heard += [p + t.encode() for t, p, _ in control.heard]
    found = secrets(broker)
    assert len(found) >= 8
    told = [s for s in found if any(s in h for h in heard)]
    table.add("learn a connection's name from all that it may hear", not told, f"{len(found) // 2} names, none of them heard")
    control.close()


def try_to_connect(broker, table):
    def attempt(what, refused, **options):
        user = User(broker, **options)
        table.add(f"connect: {what}", refused(user), "let in" if user.code == 0 else f"refused ({user.code})")
        user.close()
    attempt("without a name", lambda u: u.code == 5)
    attempt("with a wrong password", lambda u: u.code == 5, user="mallory", password="x")
    attempt("with no password", lambda u: u.code == 5, user="mallory", password="")
    attempt("as a node, with its own password", lambda u: u.code == 5, user="n1", password=broker.password("mallory"))
    attempt("as alice, with its own password", lambda u: u.code == 5, user="alice", password=broker.password("mallory"))
    attempt("as somebody whose name is a wildcard", lambda u: u.code == 5, user="+", password="x")
    attempt("without TLS", lambda u: u.code != 0, user="mallory", tls=False)


def try_to_fence(broker, ring, table):
    """By guesses: it knows how the names are made, and the nodes' ids and names."""
    before = {node.label: node.log_text().count("connected") for node in ring.nodes}
    names = [f"d{i:016x}{count:06x}" for i in range(6) for count in (1, 2)] + ["n1", "n2", VICTIM, "d" + VICTIM * 2 + "000001"]
    for name in names:
        User(broker, "mallory", client_id=name).close()
    table.add(f"cut a node off by {len(names)} guessed names", before == {
        node.label: node.log_text().count("connected") for node in ring.nodes}, "no node lost its connection")


def try_limits(broker, table):
    mallory = User(broker, "mallory")
    mallory.publish("to/mallory/x", b"x", qos=1)
    table.add("publish with QoS 1 (queues at the broker)", mallory.closed.wait(10 * PATIENCE), "its connection is closed")
    mallory.close()
    mallory = User(broker, "mallory")
    mallory.mqtt.socket().send(b"\x30\x80\x80\x80\x09\x00\x0cto/mallory/x")  # so much is to follow
    table.add("publish 18 MiB", mallory.closed.wait(10 * PATIENCE), "its connection is closed")
    mallory.close()
    with socket.create_connection(("127.0.0.1", broker.port)) as s:
        s.sendall(os.urandom(4096))
        s.settimeout(10 * PATIENCE)
        try:
            closed = s.recv(64) is not None
        except ConnectionResetError:
            closed = True
    table.add("speak no TLS at all", closed, "closed")


def try_in_its_own_name(broker, ring, table):
    """Where it may speak: others' clients, retained words, nonsense."""
    alice = User(broker, "alice").subscribe("to/alice/+")
    mallory = User(broker, "mallory").subscribe("to/mallory/+")
    mine = b"a" * 16  # alice's own client, could it be known
    mallory.publish(CELL + "/mallory", request(GET, KEY, client=mine))
    wait_for("its own answer", lambda: any(t == "to/mallory/" + mine.hex() for t, _, _ in mallory.heard))
    table.add("have alice's client answered what it asks", not alice.heard, "answered to mallory")
    mallory.publish(CELL + "/mallory", request(PUT, KEY, b"stolen"), retain=True)
    node = ring.nodes[0]  # whose cell it is
    node.leave()
    ring.wait_whole(2)
    node.start()
    ring.wait_whole(3)
    late = User(broker, "spy").subscribe("op/#")
    late.settle()
    table.add("have a retained request done at each subscription", not late.heard and
              broker.ctl("alice", "get", str(KEY)).stdout == b"precious", "ignored, and cleared")
    for payload in (b"", b"\xff" * 100, b"\xbf" * 65536, encode({VERSION: 2}), os.urandom(5000), encode({0: 1, 1: 29})):
        mallory.publish(CELL + "/mallory", payload)
        mallory.publish(f"ask/{VICTIM}/mallory", payload)
    mallory.settle()
    table.add("break a node by bytes that are no request", broker.ctl("alice", "get", str(KEY)).stdout == b"precious"
              and all(n.running() for n in ring.nodes), "dropped")
    for user in (alice, mallory, late):
        user.close()


def try_all(broker, ring, table):
    before = state(broker, ring)
    fences = [node.log_text().count("fencing") for node in ring.nodes]
    try_to_publish(broker, table)
    try_wills(broker, table)
    try_to_connect(broker, table)
    try_to_fence(broker, ring, table)
    try_limits(broker, table)
    assert state(broker, ring) == before
    assert [node.log_text().count("fencing") for node in ring.nodes] == fences
    try_in_its_own_name(broker, ring, table)
    try_to_listen(broker, ring, table)
    after = state(broker, ring)
    assert (after[0], after[2:4]) == (before[0], before[2:4])


@pytest.mark.slow
def test_everything_it_may_not(broker, ring):
    table = Table()
    try:
        try_all(broker, ring, table)
    finally:
        table.show()
    assert all(refused for _, refused, _ in table.rows) and len(table.rows) >= 60


def bench(broker, user, *args):
    done = broker.ctl(user, "bench", "--json", "--keys", "50", *args, timeout=120)
    return json.loads(done.stdout)


def one_at_a_time(broker):
    found = bench(broker, "alice", "--ops", "200", "--inflight", "1", "--warmup", "20")
    assert found["wrong"] == found["timeouts"] == found["unknown"] == 0
    return found


class Flood:
    """All that it may say, as fast as it can."""

    def __init__(self, broker):
        env = {**os.environ, **broker.as_user("mallory")}
        self.process = subprocess.Popen(
            [ctl_binary(), "bench", "--clients", "2", "--inflight", "2000", "--keys", "2000", "--value-size", "512",
             "--ops", "100000000", "--json"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=harness.die_with_parent)
        self.ended = threading.Event()
        self.said = 0
        self.user = User(broker, "mallory")
        self.thread = threading.Thread(target=self._nonsense, daemon=True)
        self.thread.start()

    def _nonsense(self):
        words = [os.urandom(300), request(GET, KEY), request(PUT, KEY ^ 1, b"x" * 200), b"\xbf" * 1000]
        while not self.ended.is_set():
            self.user.publish(CELL + "/mallory", words[self.said % 4])
            self.user.publish("ring", words[self.said % 4])
            self.said += 2
            if self.said % 200 == 0:
                self.ended.wait(0.005)  # its pace

    def stop(self):
        self.ended.set()
        self.thread.join()
        self.process.kill()
        self.process.wait()
        self.user.close()


@pytest.mark.slow
def test_everything_it_may_as_fast_as_it_can(broker, ring):
    before = one_at_a_time(broker)
    pids, names = [node.pid for node in ring.nodes], state(broker, ring)[0]
    flood = Flood(broker)
    wait_for("a flood", lambda: flood.said > 5000, 30)
    during = one_at_a_time(broker)
    assert flood.process.poll() is None and flood.said > 100
    flood.stop()
    after = one_at_a_time(broker)
    print(f"\n{'one operation at a time, us':30} {'p50':>8} {'p95':>8} {'p99':>8} {'max':>9}")
    for what, found in (("before", before), ("while mallory floods", during), ("afterwards", after)):
        print(f"{what:30} {found['p50_us']:8.0f} {found['p95_us']:8.0f} {found['p99_us']:8.0f} {found['max_us']:9.0f}")
    print(f"beside the writes and reads of two connections, 4,000 at once: {flood.said} words of nonsense")
    assert during["p99_us"] < 2e6 * PATIENCE
    assert [node.pid for node in ring.nodes] == pids and all(node.running() for node in ring.nodes)
    assert state(broker, ring)[0] == names
    assert broker.ctl("alice", "get", str(KEY)).stdout == b"precious"
