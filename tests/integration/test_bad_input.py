"""Whatever anybody publishes on the ring's topics: the nodes live, serve, lose nothing, and say (not too often) what
they dropped.  One ring for all of it, so that each kind also meets what the others left behind."""
import os
import re
import subprocess

import pytest

import harness
import wire
from harness import wait_for

IDS = [1000, 1_500_000_000, 3_000_000_000]
NEVER_SPEAKS = 700_000_000  # in the second node's arc

KEYS = {
    "word": b"abc", "negative": b"-5", "2^32": b"4294967296", "2^32+1": b"4294967297", "empty": b"", "space": b" ",
    "spaces-inside": b"1 2", "space-before": b" 12", "space-behind": b"12 ", "20-digits": b"1" * 20,
    "39-digits": b"-" + b"9" * 39, "plus": b"+5", "hex": b"0x10", "float": b"1.5", "exponent": b"1e3",
    "newline": b"5\n", "nul": b"5\0", "arabic-digits": "\u0661\u0662".encode(), "underscore": b"1_000",
    "not-utf8": b"\xff\xfe", "long": b"7" * 10_000,
}
LONG = b"n" * 10_240

# name -> (topic, payload); nothing of it may change anything or be answered with more than one slash
BAD = {}
for _name, _key in KEYS.items():
    BAD[f"get-key-{_name}"] = ("get", _key)
    if b" " not in _key:
        BAD[f"put-key-{_name}"] = ("put", b"bad/" + _key + b" value")
    BAD[f"join-id-{_name}"] = ("join", _key)
    BAD[f"leave-id-{_name}"] = ("leave", _key + b"/1000/1000")
    BAD[f"ack-join-id-{_name}"] = ("ack-join", _key + b"/1000/sucessor")
for _topic in ("join", "has_started", "ack-join", "put", "ack-put", "get", "res-get", "leave", "ack-leave", "ring",
               "founder", "in/000003e8", "cut/000003e8", "node/000003e8", "op/0/0/0/0", "ask/000003e8"):
    BAD[f"{_topic}-length-0"] = (_topic, b"")
    BAD[f"{_topic}-no-slash"] = (_topic, b"noslash")
    BAD[f"{_topic}-five-slashes"] = (_topic, b"a/b/c/d/e/f")
    BAD[f"{_topic}-not-utf8"] = (_topic, bytes(range(128, 256)))
    BAD[f"{_topic}-nul"] = (_topic, b"\0\0\0/\0 \0")
    BAD[f"{_topic}-1MiB"] = (_topic, b"/" * (1 << 20))
# A REQUEST of client 00…, numbers from 1 on, up to its operations.
REQUEST = b"\xa5\x00\x01\x01\x18\x1d\x18\x18\x50" + bytes(16) + b"\x18\x19\x01\x18\x1c"
for _topic in ("op/0/0/0/0", "ask/000003e8"):
    BAD.update({
        f"{_topic}-other-version": (_topic, REQUEST.replace(b"\x00\x01", b"\x00\x02", 1) + b"\x81\x83\x00\x01\x05"),
        f"{_topic}-truncated": (_topic, REQUEST + b"\x81\x83\x00\x01"),
        f"{_topic}-fewer-than-declared": (_topic, REQUEST + b"\x82\x83\x00\x01\x05"),
        f"{_topic}-more-than-declared": (_topic, REQUEST + b"\x81\x83\x00\x01\x05\x83\x01\x01\x05"),
        f"{_topic}-2^32-declared": (_topic, REQUEST + b"\x9a\xff\xff\xff\xff\x83\x00\x01\x05"),
        f"{_topic}-2^64-declared": (_topic, REQUEST + b"\x9b" + b"\xff" * 8 + b"\x83\x00\x01\x05"),
        f"{_topic}-key-2^32": (_topic, REQUEST + b"\x81\x83\x00\x01\x1b\x00\x00\x00\x01\x00\x00\x00\x00"),
        f"{_topic}-key-minus-1": (_topic, REQUEST + b"\x81\x83\x00\x01\x20"),
        f"{_topic}-unknown-kind": (_topic, REQUEST + b"\x81\x83\x00\x18\x63\x05"),
        f"{_topic}-deep": (_topic, REQUEST + b"\x81" * 5000),
        f"{_topic}-random": (_topic, os.urandom(4096)),
    })
BAD.update({
    "put-no-space": ("put", b"client/5"),
    "put-no-client": ("put", b"5 value"),
    "put-only-space": ("put", b" "),
    "put-client-with-slash": ("put", b"a/b/5 value"),
    "put-client-with-space": ("put", b"a b/5 value"),
    "put-client-10KB": ("put", LONG + b"/5 value"),
    "put-client-nul": ("put", b"a\0b/5 value"),
    "put-client-nul-and-slash": ("put", b"a\0b/c/5 value"),
    "put-marker": ("put", b"1000/-5 cut"),
    "get-marker": ("get", b"-" + b"9" * 39),
    "ack-join-ourselves": ("ack-join", b"1000/1000/sucessor"),
    "ack-join-ourselves-antecessor": ("ack-join", b"1000/1000/antecessor"),
    "ack-join-unknown-side": ("ack-join", b"5/1000/sideways"),
    "ack-join-to-nobody": ("ack-join", b"1000/99/sucessor"),
    "leave-of-a-stranger": ("leave", b"123456/1000/1500000000"),
    "leave-none": ("leave", b"123456/None/None"),
    "leave-two-equal": ("leave", b"123456/1000/1000"),
    "leave-of-itself": ("leave", b"None/None/None"),
    "ack-leave-of-nobody": ("ack-leave", b"99/1000"),
    "ack-leave-of-a-member": ("ack-leave", b"1000/1500000000"),
    "ack-put-two-slashes": ("ack-put", b"a/b/c"),
    "has_started-no": ("has_started", b"no"),
    "frame-other-version": ("ring", b"\xa2\x00\x07\x01\x01"),
    "frame-bomb": ("ring", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
    "frame-deep": ("in/000003e8", b"\x81" * 5000),
    "frame-huge-text": ("in/000003e8", b"\xa1\x12\x7a\xff\xff\xff\xff"),
    "frame-no-sender": ("ring", b"\xa2\x00\x01\x01\x01"),
    "frame-random": ("in/000003e8", os.urandom(4096)),
})
# Words that are well formed and false: a ring may look into them, but not be moved by them.
FALSE = {
    "leave-of-a-member": ("leave", b"1500000000/3000000000/1000"),
    "ack-join-of-an-unknown-peer": ("ack-join", b"%d/1000/antecessor" % NEVER_SPEAKS),
    "ack-join-of-an-unknown-successor": ("ack-join", b"%d/1000/sucessor" % NEVER_SPEAKS),
    "join-of-a-member": ("join", b"1000"),
    "join-of-one-that-never-speaks-again": ("join", b"%d" % NEVER_SPEAKS),
}


class Shared:
    def __init__(self, folder):
        self.broker = harness.Broker(folder / "broker").start()
        self.ring = harness.Ring(self.broker, folder)
        self.ring.start(3, IDS)
        self.client = wire.Client(self.broker.port)
        self.spy = wire.Spy(self.broker.port, ("ack-put", "res-get"))
        self.records = self.client.fill(60)

    def check(self):
        assert all(n.running() for n in self.ring.nodes), self.ring.tails()
        key = wire.random_key()
        self.client.put(key, "alive")
        assert self.client.get(key) == b"alive"
        for id in IDS:
            self.client.put(id, f"at {id}")
            assert self.client.get(id) == f"at {id}".encode()

    def whole(self):
        nodes = self.ring.wait_whole(3)
        assert sorted(nodes) == IDS
        self.client.check(self.records)

    def log(self):
        return "".join(n.log_text() for n in self.ring.nodes)

    def close(self):
        self.spy.close()
        self.client.close()
        self.ring.close()
        self.broker.kill()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    s = Shared(tmp_path_factory.mktemp("bad"))
    try:
        yield s
        s.whole()
    finally:
        s.close()
    assert not s.ring.complaints()


def ids_of(kinds):
    """pytest's ids: in groups by topic, so that the report stays readable."""
    return sorted({topic for topic, _ in kinds.values()})


@pytest.mark.parametrize("topic", ids_of(BAD))
def test_bad_payloads(shared, topic):
    """Each payload by itself, and behind each every node serves and nothing was answered to it."""
    for name, (where, payload) in BAD.items():
        if where != topic:
            continue
        before = shared.spy.mark()
        shared.client.publish(topic, payload)
        try:
            shared.check()
        except AssertionError as e:
            raise AssertionError(f"{name}: {e}") from e
        if topic not in ("ack-put", "res-get"):
            strange = [m for m in shared.spy.messages[before:] if m.payload.count(b"/") != 1]
            assert not strange, f"{name} was answered with {strange}"
            acks = [m for m in shared.spy.messages[before:] if m.topic == "ack-put" and m.payload[:3] == b"bad"]
            assert not acks, f"{name} was acknowledged: {acks}"
    shared.whole()


@pytest.mark.parametrize("name", FALSE)
def test_false_words(shared, name):
    topic, payload = FALSE[name]
    for _ in range(5):
        shared.client.publish(topic, payload)
    shared.check()
    shared.whole()


def test_all_of_it_at_once(shared):
    for _ in range(3):
        for topic, payload in BAD.values():
            if len(payload) < 20_000:
                shared.client.publish(topic, payload)
    shared.check()
    shared.whole()


@pytest.mark.slow
def test_every_drop_is_told_but_not_every_time(broker, ring, client):
    """The first is told with its reason and escaped, a flood of 5,000 by a handful of lines with a count."""
    r = ring(1)
    node = r.nodes[0]
    client.publish("put", b"evil\x1b[31m\n/abc \xff")
    line = wait_for(lambda: "a line about it\n" + node.tail(),
                    lambda: next((x for x in node.log_text().splitlines() if "drop" in x.lower()), None))
    assert "evil\\x1b" in line and "\x1b" not in node.log_text()
    size = len(node.log_text().splitlines())
    for i in range(5000):
        client.publish("put", f"x/key{i} v")
    client.put(1, "behind them")
    assert client.get(1) == b"behind them"
    told = [x for x in node.log_text().splitlines()[size:] if "drop" in x.lower()]
    assert len(told) < 200, f"{len(told)} lines for 5,000 payloads"

    def counted():
        """How many were not told is said with one that is; four digits that are no part of a payload or a time."""
        client.publish("put", "x/another v")
        return re.search(r"(?<![\w.:])[1-9]\d{3}(?![\w.:])", "\n".join(node.log_text().splitlines()[size:]))
    wait_for(lambda: "a count of what was not told\n" + node.tail(), counted, 15, 0.1)


def test_bad_options_of_the_node():
    for args, word in ((["--bogus"], "--bogus"), (["--id", "abc"], "abc"), (["--id", "-1"], "-1"),
                       (["--id", "4294967296"], "4294967296"), (["--id", ""], "id"),
                       (["--broker", "http://x"], "http"), (["--broker", "mqtt://h:99999"], "99999"),
                       (["--name", "n" * 64], "name"), (["--name", "a\nb"], "name"), (["surplus"], "surplus"),
                       (["--topic-prefix", "a/#"], "prefix"),
                       (["--id", "x"], "invalid id 'x' (--id)"), (["--name", ""], "must not be empty"),
                       (["--replicas", "0"], "from 1 to 5"), (["--replicas", "6"], "from 1 to 5"),
                       (["--replicas", "-1"], "from 1 to 5"), (["--replicas", "two"], "from 1 to 5"),
                       (["--replicas", "1.5"], "from 1 to 5"), (["--replicas", ""], "from 1 to 5"),
                       (["--replicas", "4294967297"], "from 1 to 5"),
                       (["--min-copies", "0"], "from 1 to 5"), (["--min-copies", "6"], "from 1 to 5"),
                       (["--min-copies", "3"], "--min-copies 3 with --replicas 2"),
                       (["--min-copies", "2", "--replicas", "1"], "there are never more than these")):
        done = subprocess.run([harness.node_binary(), *args], capture_output=True, timeout=20)
        error = done.stderr.decode()
        assert done.returncode == 64, (args, done.returncode, error)
        assert word in error and len(error.strip().splitlines()) <= 2, (args, error)
    for variable, value in (("DHT_ID", "x"), ("DHT_NAME", "x" * 64), ("DHT_TOPIC_PREFIX", "A")):
        done = subprocess.run([harness.node_binary()], capture_output=True, timeout=20,
                              env={**os.environ, variable: value})
        assert done.returncode == 64 and f" ({variable}): ".encode() in done.stderr, done.stderr
    for args in (["--help"], ["--version"]):
        done = subprocess.run([harness.node_binary(), *args], capture_output=True, timeout=20)
        assert done.returncode == 0 and done.stdout and not done.stderr
