"""More to say than the outbox takes (64 MiB): the node paces itself, and keeps its connection and everything in it.

Each of these lost the connection ("... bytes wait for the broker, the limit is ...") when it went out in one piece.
"""
import signal

import pytest

from harness import SPACE, wait_for
from wire import connect

MIB = 1 << 20
HALF = SPACE // 2


def long_value(i, mib):
    return f"{i}-" + "x" * (mib * MIB)


def no_overflow(ring):
    for node in ring.nodes:
        assert "bytes wait for the broker" not in node.log_text(), node.tail()


@pytest.mark.slow
def test_long_answers_to_many_held_gets(broker, ring, make_proxy, client):
    """120 gets of a record of 1 MiB, asked of an owner that is in doubt: answered once it is confirmed, each once."""
    r = ring()
    line = make_proxy()
    r.add(id=1000)
    owner = r.add(id=HALF, url=line.url)
    r.wait_whole(2)
    value = long_value(1, 1)
    assert client.put(HALF, value) == HALF
    heard = {"get": [], "res-get": []}
    answers = heard["res-get"]
    reader = connect(broker.port, list(heard), lambda c, u, m: heard[m.topic].append(len(m.payload)))
    try:
        connections = len(broker.connected_ids())
        r.nodes[0].pause()
        line.cut()
        wait_for("the owner is back and in doubt", lambda: len(broker.connected_ids()) > connections and
                 owner.log_text().count("connected") >= 2)
        wait_for("it is heard again", lambda: "-> suspect" in owner.log_text())
        for _ in range(120):
            client.publish("get", str(HALF))
        wait_for("the broker has delivered them", lambda: len(heard["get"]) == 120)
        assert not answers
        r.nodes[0].resume()
        wait_for(lambda: f"{len(answers)} of 120 answers\n" + r.tails(), lambda: len(answers) >= 120, 60)
        r.wait_whole(2)
        assert client.put(HALF, "short") == HALF  # behind all of them
        assert len(answers) == 120 and set(answers) == {len(str(HALF)) + 1 + len(value)}
    finally:
        reader.disconnect()
        reader.loop_stop()
    no_overflow(r)


@pytest.mark.slow
def test_84_mib_move_to_a_reference_that_joins(ring, reference, client):
    r = ring()
    r.add(id=1000).wait_ready()
    records = {2000 + i: long_value(i, 12) for i in range(7)}
    for key, value in records.items():
        client.put(key, value)
    new = reference(HALF)
    wait_for("it has them all", lambda: len(new.records) == len(records), 60)
    wait_for("they are its own", lambda: "has joined with 7 records" in r.nodes[0].log_text(), 60)
    assert all(new.records[k] == v for k, v in records.items())
    no_overflow(r)


@pytest.mark.slow
def test_the_connection_is_lost_amid_what_moves_to_a_reference(ring, reference, client, make_proxy):
    """Its join is not broken off by that: it has its place, and gets the rest on the next connection."""
    r = ring()
    line = make_proxy()
    r.add(id=1000, url=line.url).wait_ready()
    records = {2000 + i: long_value(i, 4) for i in range(12)}
    for key, value in records.items():
        client.put(key, value)
    seen = []

    def cut_at_the_third(topic, payload):
        if topic == "put" and payload.startswith(b"None/"):
            seen.append(payload)
            if len(seen) == 3:
                return line.cut
    line.upward = cut_at_the_third
    new = reference(HALF)
    wait_for("it has them all", lambda: len(new.records) == len(records), 60)
    wait_for("they are its own", lambda: "has joined with 12 records" in r.nodes[0].log_text(), 60)
    assert "going on with the records" in r.nodes[0].log_text()
    assert all(new.records[k] == v for k, v in records.items())
    assert client.put(2000, "theirs") == HALF
    no_overflow(r)


@pytest.mark.slow
def test_84_mib_move_to_a_reference_when_ours_leaves(ring, reference, client):
    r = ring()
    other = reference(1000)
    node = r.add(id=HALF).wait_ready()
    records = {2000 + i: long_value(i, 12) for i in range(7)}
    for key, value in records.items():
        assert client.put(key, value) == HALF
    node.signal(signal.SIGTERM)
    assert node.wait(60) == 0, node.tail()
    assert all(other.records[k] == v for k, v in records.items())
    assert client.put(2000, "theirs") == 1000
    no_overflow(r)
