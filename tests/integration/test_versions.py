"""A ring that hears other versions of its protocol, played as frames (PROTOCOL.md section 3): it is not disturbed,
nothing is lost, nothing goes in a circle, and what is to be done is said."""
import os

import pytest

import fake_ring
import frames
from fake_ring import BASE, CLIENT, FROM, NAME, OPERATIONS, STATE, STATES, TYPE, TYPES, VERSION
from harness import wait_for

IDS = [1000, 3_000_000_000]
PLAYED = 2_000_000_000  # in the second node's arc
INBOX = f"in/{PLAYED:08x}"
MINOR, WAIT, LATER_KEY = 35, 9, 100
OURS = 1  # the minor version of this tree


def frame(type, major=1, minor=None, **more):
    fields = {VERSION: major, TYPE: TYPES["FRAME_" + type], FROM: [PLAYED, 77, 78, 1], NAME: "played"}
    if minor is not None:
        fields[MINOR] = minor
        fields[LATER_KEY] = [1, {2: b"x"}, "what a later version has added"]
    fields.update({int(key[1:]): value for key, value in more.items()})
    return fake_ring.encode(fields)


def say_hello(client, **version):
    """As every version does: the reference's `join` behind it."""
    for _ in range(3):
        client.publish("ring", frame("HELLO", **version))
        client.publish("join", str(PLAYED))


def heard(spy, since):
    return [(frames.name(m.topic, m.payload), frames.decode(m.payload)) for m in spy.select(INBOX, since=since)]


def ask(client, spy, key, version=None):
    """A get by a REQUEST; returns the answers that came of it before a get of the reference's had its own."""
    name, cell = os.urandom(16), f"{key >> 16:04x}"
    since = spy.mark()
    fields = {VERSION: 1, TYPE: TYPES["FRAME_REQUEST"], CLIENT: name, BASE: 1, OPERATIONS: [[0, 1, key]]}
    client.publish("op/" + "/".join(cell), fake_ring.encode({**fields, **(version or {})}))
    client.get(key)
    spy.settle()
    return [fake_ring.decode(m.payload)[0] for m in spy.select("to/" + name.hex(), since=since)]


@pytest.fixture
def pair(ring, client):
    """Two nodes, their records, and a check that they are as they were."""
    r = ring(2, ids=IDS)
    records = client.fill(20)

    def check():
        r.wait_whole(2)
        client.check(records)
        assert not [n.label for n in r.nodes if "fencing" in n.log_text() or "lost" in n.log_text()], r.tails()
    r.check = check
    yield r
    check()


def owner(pair):
    return pair.nodes[1]


def test_an_earlier_seeker_is_told_to_wait(pair, client, spy):
    """It is not admitted, neither as one of ours nor as one of the reference's; the log says what to do."""
    since = spy.mark()
    say_hello(client)
    pair.check()
    told = heard(spy, since)
    assert told and {name for name, _ in told} == {"BUSY"} and {f[WAIT] for _, f in told} == {5000}, told
    assert not [m for m in spy.select("ack-join", "has_started", since=since)]
    assert owner(pair).log_text().count("speaks an earlier version of the protocol") == 1, owner(pair).tail()
    assert "upgrade it" in owner(pair).log_text()


def test_a_later_seeker_of_this_major_version_is_offered_its_arc(pair, client, spy):
    since = spy.mark()
    client.publish("ring", frame("HELLO", minor=OURS + 1))
    spy.wait(lambda m: m.topic == INBOX and frames.name(m.topic, m.payload) == "OFFER", since=since)
    wait_for("the offer called off: it does not answer", lambda: "called off" in owner(pair).log_text())


def test_a_seeker_of_a_later_major_version_is_let_be(pair, client, spy):
    """What it says is dropped, and its `join` is not taken for a reference's."""
    since = spy.mark()
    say_hello(client, major=2, minor=0)
    pair.check()
    assert not heard(spy, since)
    assert not spy.select("ack-join", "has_started", since=since)
    assert "version 2" in owner(pair).log_text()


@pytest.mark.parametrize("version", [dict(), dict(minor=OURS + 1), dict(major=2, minor=0)], ids=["1.0", "1.2", "2.0"])
def test_statuses_of_other_versions_change_nothing(pair, client, version):
    status = frame("STATUS", **version, **{f"k{STATE}": STATES["NODE_ACTIVE"]})
    client.client.publish(f"node/{PLAYED:08x}", status, retain=True)
    pair.check()
    node = pair.add(id=10)
    pair.wait_whole(3)
    node.leave()
    client.client.publish(f"node/{PLAYED:08x}", b"", retain=True)


def test_requests_of_other_versions(pair, client, spy):
    """A later minor version's is answered, whatever it has added; a later major version's is not."""
    client.put(5, "five")
    assert [a[fake_ring.ANSWERS][0][3] for a in ask(client, spy, 5)] == [b"five"]
    assert len(ask(client, spy, 5, {MINOR: OURS + 1, LATER_KEY: [b"x"]})) == 1
    assert ask(client, spy, 5, {VERSION: 2}) == []
    assert ask(client, spy, 5, {VERSION: 0}) == []
    assert len(ask(client, spy, 5)) == 1


def test_no_ring_is_founded_over_one_of_a_later_major_version(broker, ring, client, spy):
    """It says what to do, asks nobody, leaves what is retained alone, and founds as soon as that is cleared."""
    found = frame("FOUND", major=2, minor=0)
    client.client.publish("founder", found, retain=True)
    spy.settle()
    node = ring().add(id=7, args=["--join-attempts", "5"])
    wait_for("the line that says what to do\n" + node.tail(),
             lambda: "a ring of protocol version 2 is registered here" in node.log_text())
    assert "--topic-prefix" in node.log_text() and "clear what is retained" in node.log_text()
    probe = ring(1, prefix="probe", ids=[7])  # as long as a founding takes
    probe.nodes[0].leave()
    assert not spy.select("join", "ring", "put") and [m.payload for m in spy.select("founder")] == [found]
    assert not node.ready()
    client.client.publish("founder", b"", retain=True)
    node.wait_ready(90)
    node.leave()
