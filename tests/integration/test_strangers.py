"""What clients may say that is well formed and not theirs to say, or more than they take: nobody else is hurt by it."""
import os
import socket

import pytest

import fake_ring
from fake_ring import ANSWERS, BASE, CLIENT, FROM, OPERATIONS, REPLY, TOKEN, TYPE, TYPES, VERSION
from harness import PATIENCE, ctl, wait_for

GET, PUT, ADD = 1, 3, 5
DONE = 1
LIMIT = 16 << 20


def request(client, base, *operations, **more):
    fields = {VERSION: 1, TYPE: TYPES["FRAME_REQUEST"], CLIENT: client, BASE: base, OPERATIONS: list(operations)}
    fields.update(more.get("fields", {}))
    return fake_ring.encode(fields)


def cell(key):
    return "op/" + "/".join(f"{key >> 16:04x}")


def answers(spy, client, since=0):
    """(number, status, ...) of every answer to it."""
    found = []
    for m in spy.select("to/" + client.hex(), since=since):
        frame = fake_ring.decode(m.payload)[0]
        found += [(frame[BASE] + a[0], *a[1:]) for a in frame[ANSWERS]]
    return found


def token(client, spy, key):
    """The present one, as a look at the key has it."""
    name, since = os.urandom(16), spy.mark()
    client.publish(cell(key), request(name, 1, [0, 2, key]))
    m = spy.wait(lambda m: m.topic == "to/" + name.hex(), since=since)
    return fake_ring.decode(m.payload)[0][TOKEN]


@pytest.mark.parametrize("reply", ["to/+", "to/#", "#", "+/a", "to/a/b/c", "to//b", "to/", "", "put", "in/000003e8", "op/0/0/0/0",
                                   "founder", "to/a+", "$SYS/a"])
def test_a_reply_topic_that_is_none(ring, client, spy, reply):
    """WHO and LEAVE with it are neither answered nor done."""
    r = ring(1, ids=[1000])
    since = spy.mark()
    for type, topic in (("WHO", "ring"), ("LEAVE", "in/000003e8")):
        frame = {VERSION: 1, TYPE: TYPES["FRAME_" + type], FROM: [0, 0, 0, 0], REPLY: reply}
        client.publish(topic, fake_ring.encode(frame))
    client.put(5, "still here")
    spy.settle()
    said = [m for m in spy.select(since=since) if m.topic not in ("put", "ack-put", "spy")]
    assert [m.topic for m in said] == ["ring", "in/000003e8"], said
    assert r.nodes[0].running() and "leaving" not in r.nodes[0].log_text()


def test_a_reply_topic_of_somebody_else(ring, client, spy, broker):
    """Asked in its name, a client is told what it has not asked, and does not mind."""
    ring(2)
    names = set()
    spy.watch(lambda m: names.add(m.topic) if m.topic.startswith("to/") and len(m.topic) == 35 else None)
    client.put(5, "five")
    client.put(6, "six")
    for _ in range(3):
        command = ctl(broker.url, "put", "a", "1")
        assert not command.stdout
        for name in list(names):
            for base in (1, 2, 3):
                client.publish(cell(5), request(bytes.fromhex(name[3:]), base, [0, GET, 5]))
        # While a client of ours has its own on their way.
        pairs = "".join(f"{key}\t{key}x\n" for key in range(200)).encode()
        ctl(broker.url, "put", "-", input=pairs)
        assert ctl(broker.url, "get", "6").stdout.strip() == b"6x"


def test_a_replayed_request(ring, client, spy):
    """As often as it is said again, and in whichever topic: done once, and answered the same."""
    r = ring(2, ids=[1000, 3_000_000_000])
    name, key = os.urandom(16), 2_000_000_000
    frame = request(name, 1, [0, ADD, key, 7], fields={TOKEN: token(client, spy, key)})
    for topic in [cell(key), f"ask/{3_000_000_000:08x}"] * 10:
        client.publish(topic, frame)
    client.publish("ask/000003e8", frame)  # who has nothing to do with it
    assert client.get(key) == b"7"
    spy.settle()
    told = answers(spy, name)
    done = {a for a in map(repr, told) if a.startswith(f"(1, {DONE},")}
    assert len(done) == 1 and len(told) >= 20, told
    # Also when the first owner has handed it over.
    r.nodes[1].leave()
    since = spy.mark()
    client.publish(cell(key), frame)
    assert client.get(key) == b"7"
    spy.settle()
    assert [a[:2] for a in answers(spy, name, since)] == [(1, DONE)]


def test_a_value_over_the_limit(ring, client, spy):
    """The longest is taken; one byte more is dropped, by either way, and said."""
    r = ring(1)
    key = 5
    client.put(key, b"as it was")
    present = token(client, spy, key)
    names = [os.urandom(16) for _ in range(2)]
    client.publish(cell(key), request(names[0], 1, [0, PUT, key, b"x" * (LIMIT + 1)], fields={TOKEN: present}))
    client.publish("put", b"over/5 " + b"x" * (LIMIT + 1))
    assert client.get(key, timeout=30) == b"as it was"
    client.publish(cell(key), request(names[1], 1, [0, PUT, key, b"y" * LIMIT], fields={TOKEN: present}))
    assert client.get(key, timeout=30) == b"y" * LIMIT
    spy.settle()
    assert not answers(spy, names[0]) and [a[:2] for a in answers(spy, names[1])] == [(1, DONE)]
    assert not [m for m in spy.select("ack-put") if m.payload.startswith(b"over")]
    log = r.nodes[0].log_text()
    assert "value too long" in log and "over 16 MiB" in log, r.tails()


def mqtt(kind, body):
    length, out = len(body), b""
    while True:
        out += bytes([length % 128 | (128 if length >= 128 else 0)])
        length //= 128
        if not length:
            return bytes([kind]) + out + body


def text(words):
    return len(words).to_bytes(2, "big") + words.encode()


@pytest.mark.slow
def test_a_client_that_never_reads(make_broker, make_ring):
    """It has subscribed its answers and asks for 200 MB of them: its broker drops what it does not take; the node's
    memory does not grow by it, and everybody else is answered."""
    broker = make_broker(settings="max_queued_messages 1000")
    r = make_ring(broker, 1)
    ctl(broker.url, "put", "5", "v" * 60_000)
    node = r.nodes[0]

    def resident():
        with open(f"/proc/{node.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))
    before = resident()
    name = os.urandom(16)
    with socket.create_connection(("127.0.0.1", broker.port)) as s:
        s.settimeout(30 * PATIENCE)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(mqtt(0x10, text("MQTT") + b"\x04\x02\x00\x3c" + text("never-reads")))
        s.sendall(mqtt(0x82, b"\x00\x01" + text("to/" + name.hex()) + b"\x00"))
        for number in range(1, 3400):
            s.sendall(mqtt(0x30, text(cell(5)) + request(name, number, [0, GET, 5])))
        for i in range(20):
            ctl(broker.url, "put", str(i + 10), f"v{i}")
            assert ctl(broker.url, "get", str(i + 10)).stdout.strip() == f"v{i}".encode()
        assert node.running()
        wait_for(lambda: f"memory as before: {before} kB, now {resident()} kB",
                 lambda: resident() < before + 64 * 1024, 20)
    assert ctl(broker.url, "get", "5").stdout.startswith(b"vvv")
    assert not r.complaints()
