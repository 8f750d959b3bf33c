"""One ring of ours, nobody disturbing: the reference's protocol on the wire, the records, the life of a node."""
import signal

import pytest

from harness import SPACE, ctl, in_arc, wait_for
from reference_client import ReferenceClient, job
from wire import random_key, text


def spread(n):
    """n ids, evenly around the ring."""
    return [i * (SPACE // n) + 1000 for i in range(n)]


def owner(nodes, key):
    """The id of the node in whose arc the key lies; nodes as wait_whole gives them."""
    return next(n["id"] for n in nodes.values() if len(nodes) == 1 or in_arc(n["predecessor"], n["id"], key))


def test_a_lone_node_founds_after_100_joins(ring, spy):
    node = ring().add(id=42)
    joins = [spy.wait(lambda m: m.topic == "join", what="join")]
    node.wait_ready()
    spy.settle()
    joins = spy.select("join")
    assert len(joins) >= 100 and all(m.payload == b"42" for m in joins)
    assert joins[99].at - joins[0].at > 0.9, "100 attempts, 10 ms apart"
    assert not spy.select("has_started", "ack-join")


def test_ready_is_said_when_active_and_stopping_when_it_leaves(ring):
    r = ring(1)
    node = r.add().wait_ready()
    assert [n["state"] for n in r.look() if n["name"] == node.name] == ["active"]
    assert any(n.startswith("STATUS=") for n in node.notifications())
    node.leave()
    wait_for("STOPPING=1", lambda: "STOPPING=1" in node.notifications())


def test_the_wire_of_a_join(ring, spy):
    """join, both ack-joins, and the newcomer's confirm, which answers the OFFER ahead of them and may overtake them."""
    r = ring(2, ids=[1000, 3000])
    since = spy.mark()
    r.add(id=2000).wait_ready()
    r.wait_whole(3)
    spy.settle()
    assert "2000" in spy.texts("join", since)
    assert set(spy.texts("ack-join", since)) == {"3000/2000/sucessor", "1000/2000/antecessor", "2000/3000/antecessor"}


def test_the_wire_of_a_join_at_a_lone_node(ring, spy):
    r = ring(1, ids=[1000])
    since = spy.mark()
    r.add(id=2000).wait_ready()
    r.wait_whole(2)
    spy.settle()
    assert set(spy.texts("ack-join", since)) == {"1000/2000/sucessor", "1000/2000/antecessor", "2000/1000/antecessor"}


def test_the_wire_of_a_leave(ring, spy, client):
    r = ring(3, ids=[1000, 2000, 3000])
    client.put(1500, "mine")
    since = spy.mark()
    r.by_id(2000).leave()
    spy.wait(lambda m: len(set(spy.texts("ack-leave", since))) == 2, since=since, what="two ack-leaves")
    assert spy.texts("leave", since) == ["2000/3000/1000"]
    assert set(spy.texts("ack-leave", since)) == {"2000/3000", "2000/1000"}
    r.wait_whole(2)
    assert client.get(1500) == b"mine"


def test_the_last_one_leaves(ring):
    r = ring(2)
    for node in r.nodes:
        node.leave()
    r.add().wait_ready()  # and whoever comes then founds anew


@pytest.mark.parametrize("n", [1, 3])
def test_every_boundary_of_the_arcs(ring, client, n):
    """Keys beside every id and beside 0 go to the owner by (predecessor, self], come back, and come back overwritten."""
    r = ring(n, ids=spread(n))
    nodes = r.wait_whole(n)
    keys = {0, 1, SPACE - 1, SPACE // 2} | {(i + d) % SPACE for i in nodes for d in (-1, 0, 1)}
    for key in sorted(keys):
        assert client.put(key, f"a{key}") == owner(nodes, key)
    for key in sorted(keys):
        assert client.put(key, f"b{key}") == owner(nodes, key)
    client.check({key: f"b{key}" for key in keys})
    assert sum(x["records"] for x in r.look()) == len(keys)


def test_an_absent_key_is_answered_with_an_empty_value(ring, client, spy):
    ring(2)
    for key in (0, 77, SPACE - 1):
        assert client.get(key) == b""
    spy.settle()
    assert sorted(spy.texts("res-get")) == sorted(["0/", "77/", f"{SPACE - 1}/"])


VALUES = {
    "spaces": b"a value  with spaces ", "slashes": b"a/b//c/", "newline": b"line\nline\n", "nul": b"a\0b\0",
    "not-utf8": bytes(range(256)), "leading-space": b" x", "empty": b"", "1MiB": b"m" * (1 << 20),
}


@pytest.fixture(scope="module")
def shared_port(tmp_path_factory):
    """A ring of three that the tests of values share: they do not disturb each other."""
    import harness
    folder = tmp_path_factory.mktemp("shared")
    broker = harness.Broker(folder / "broker").start()
    ring = harness.Ring(broker, folder)
    try:
        ring.start(3)
        yield broker.port
    finally:
        ring.close()
        broker.kill()
    assert not ring.complaints()


@pytest.mark.parametrize("kind", VALUES)
def test_any_value_comes_back_byte_for_byte(shared_port, kind):
    import wire
    client = wire.Client(shared_port)
    try:
        key = random_key()
        client.put(key, VALUES[kind])
        assert client.get(key) == VALUES[kind]
        client.put(key, b"replaced")
        assert client.get(key) == b"replaced"
    finally:
        client.close()


def test_records_move_with_the_arcs(ring, client):
    """Joins and leaves, every way to say leave; all the records are there after each."""
    r = ring(1)
    records = client.fill(300)
    for _ in range(3):
        r.add().wait_ready()
        client.check(records)
    nodes = r.wait_whole(4)
    assert sum(n["records"] for n in nodes.values()) == 300
    first, second, third, _ = r.nodes
    first.signal(signal.SIGINT)
    assert first.wait() == 0
    client.check(records)
    ctl(r.broker.url, "leave", second.name)
    assert second.wait() == 0
    client.check(records)
    ctl(r.broker.url, "leave", r.ids()[third.name])
    assert third.wait() == 0
    nodes = r.wait_whole(1)
    client.check(records)
    assert [n["records"] for n in nodes.values()] == [300]


@pytest.mark.slow
def test_many_records_move(ring, client):
    """More than fits into one frame, of every size."""
    r = ring(1, ids=[1000])
    records = client.fill(3000)
    big = {random_key(): "b" * size for size in (1, 1000, 60_000, 70_000, 300_000, 1_000_000)}
    for key, value in big.items():
        client.put(key, value)
    records.update(big)
    r.add(id=1000 + SPACE // 2).wait_ready(30)
    r.wait_whole(2)
    client.check(records)
    r.nodes[0].leave(30)
    client.check(records)


def test_ids(ring):
    """--id is taken as it is; --name always gives the same id; without either it is random, and the name is the id."""
    r = ring()
    r.add(id=77)
    r.add(name="alpha")
    r.add(anonymous=True)
    r.add(anonymous=True)
    nodes = r.wait_whole(4)
    names = {n["name"]: n["id"] for n in nodes.values()}
    assert 77 in nodes
    anonymous = [n for n in names if n not in ("alpha", "n1", "n2", "77")]
    assert len(anonymous) == 2 and all(names[n] == int(n) for n in anonymous)
    alpha = names["alpha"]
    next(n for n in r.nodes if n.name == "alpha").leave()
    r.add(name="alpha")
    assert r.wait_whole(4) and r.ids()["alpha"] == alpha


def test_the_references_client_does_its_job(broker, ring):
    """100 keys put, acknowledged, got back and compared, by a client that dies of whatever it cannot split."""
    ring(4)
    clients = [ReferenceClient(broker.port) for _ in range(2)]
    try:
        for client in clients:
            assert job(client) == 100
    finally:
        for client in clients:
            client.close()


def test_its_client_survives_what_others_do(broker, ring, client):
    """Absent keys and strange names of strangers are no reason for its thread to die."""
    ring(2)
    weak = ReferenceClient(broker.port)
    try:
        client.publish("get", "12345")
        client.publish("put", "a/b/5 x")
        client.publish("put", "/6 x")
        client.get(12346)
        client.publish("put", "with#hash+plus/7 x")
        assert job(weak, 20) == 20
        assert weak.dead is None
    finally:
        weak.close()


def test_two_rings_share_a_broker(broker, make_ring):
    import wire
    plain = make_ring(broker, 2)
    other = make_ring(broker, 2, prefix="other/ring")
    clients = [wire.Client(broker.port), wire.Client(broker.port, prefix="other/ring")]
    try:
        for client in clients:
            client.put(5, f"of {client.prefix}")
        for client in clients:
            assert client.get(5) == f"of {client.prefix}".encode()
    finally:
        for client in clients:
            client.close()
    plain.wait_whole(2)
    other.wait_whole(2)


def test_a_full_disk_under_the_log(broker, ring, client, tmp_path):
    """Logging to a device that is full: the node serves, and the lines are lost, not the node."""
    import harness
    wrapper = tmp_path / "node-with-full-log"
    wrapper.write_text(f'#!/bin/sh\nexec {harness.node_binary()} "$@" 2>/dev/full\n')
    wrapper.chmod(0o755)
    r = ring()
    node = harness.Node(broker.url, tmp_path, name="mute", program=str(wrapper))
    r.nodes.append(node)
    node.start().wait_ready()
    for bad in ("x/abc v", "no slash", ""):
        client.publish("put", bad)
    client.put(1, "x")
    assert client.get(1) == b"x"
    node.leave()


def test_a_client_name_of_any_kind_is_answered_once_or_not_at_all(ring, client, spy):
    ring(2)
    for name in ("with+plus", "with#hash", "", "n" * 200):
        since = spy.mark()
        client.publish("put", f"{name}/9 v")
        client.put(9, text())
        spy.settle()
        acks = [m.text for m in spy.select("ack-put", since=since) if m.text.startswith(name + "/")]
        assert len(acks) == 1 and acks[0].count("/") == 1


def test_has_started_is_said_to_a_joiner_of_the_reference(ring, client, spy):
    """Also to one that never speaks again: it changes nothing.  (To joiners of ours OFFER and BUSY say as much.)"""
    r = ring(2, ids=[1000, SPACE // 2])
    records = client.fill(50)
    for _ in range(5):
        client.publish("join", str(SPACE // 4))
    spy.wait_text("has_started", "yes")
    client.check(records)
    wait_for("the same two", lambda: {x["id"] for x in r.look() if x["state"] == "active"} == {1000, SPACE // 2})
    client.check(records)
    r.wait_whole(2)
