"""Ours and the reference's nodes in one ring: exactly what common/PROTOCOL.md, "Mixed rings", promises.

A client that puts and never gets is acknowledged exactly once per put whatever joins and leaves; gets are only made
where they cannot kill a node of the reference (it dies of an absent key: a get between its neighbour's `leave` and the
record is such a one).  MIXED_ROUNDS sets how often each side joins and leaves in the long test.
"""
import os
import threading

import pytest

from harness import SPACE, wait_for
from manners import NO, TIMEOUT, done, refuses, run

ROUNDS = int(os.environ.get("MIXED_ROUNDS", "3"))


@pytest.fixture
def mixed(ring):
    """A ring of ours that references will share."""
    return ring()


def wait_mixed(ring, references, timeout=30):
    """Waits until everybody, ours and theirs, names the same neighbours."""
    last = ["nothing yet"]

    def whole():
        told = {n["id"]: (n["predecessor"], n["successor"]) for n in ring.look() if n["state"] == "active"}
        told.update({n.id: (n.predecessor, n.successor) for n in references})
        ids = sorted(told)
        if len(ids) != len(references) + len(ring.living()):
            last[0] = f"only {ids}"
            return False
        if len(ids) == 1:
            return True
        wrong = [(id, told[id]) for i, id in enumerate(ids) if told[id] != (ids[i - 1], ids[(i + 1) % len(ids)])]
        last[0] = f"of {ids} these see others beside them: {wrong}"
        return not wrong
    wait_for(lambda: f"a whole mixed ring: {last[0]}\n" + ring.tails(), whole, timeout, 0.05)


def spread(n, offset=0):
    return [(offset + i * (SPACE // n)) % SPACE for i in range(n)]


def test_ours_joins_a_lone_reference(mixed, reference, client):
    old = reference(1000)
    records = client.fill(60)
    mixed.add(id=SPACE // 2).wait_ready()
    wait_mixed(mixed, [old])
    client.check(records)
    assert client.put(SPACE // 4, "x") == SPACE // 2 and client.put(5, "x") == 1000


def test_a_reference_joins_our_lone_node(mixed, reference, client):
    mixed.add(id=1000).wait_ready()
    records = client.fill(60)
    new = reference(SPACE // 2)
    wait_mixed(mixed, [new])
    wait_for("its records have moved", lambda: len(new.records) == sum(1000 < k <= SPACE // 2 for k in records))
    client.check(records)
    assert client.put(SPACE // 4, "x") == SPACE // 2 and client.put(5, "x") == 1000


def test_operations_are_answered_by_ours_alone(broker, mixed, reference, client):
    """Names too; once the reference has gone it is all ours."""
    mixed.add(id=1000).wait_ready()
    new = reference(SPACE // 2)
    wait_mixed(mixed, [new])
    assert run(broker, "put", 5, "ours").returncode == 0
    assert client.get(5) == b"ours"
    error = refuses(run(broker, "put", SPACE // 4, "x", "--timeout", "1s"), TIMEOUT, "a node of the reference")
    assert "it was not stored" in error
    client.put(SPACE // 4, "theirs")
    new.leave()
    wait_mixed(mixed, [])
    assert run(broker, "get", SPACE // 4).stdout == b"theirs"
    assert run(broker, "incr", "a name").stdout == b"1\n"


class Writer(threading.Thread):
    """Calls dhtctl with one command line after the other, each waiting out what moves, until it is to stop."""

    def __init__(self, broker, *lines):
        super().__init__(daemon=True)
        self.broker, self.lines = broker, lines
        self.ends = []  # (line, whether it was done; None: nobody knows)
        self.wrong = []
        self.stop = False
        self.start()

    def run(self):
        while not self.stop and not self.wrong:
            line = self.lines[len(self.ends) % len(self.lines)]
            result = run(self.broker, *line, "--timeout", "20s", timeout=60)
            error = result.stderr.decode()
            absent = result.returncode == NO and not (self.ends and self.ends[-1][1])  # the put may have failed
            if result.returncode not in (0, TIMEOUT) and not absent:
                self.wrong.append((result, self.ends[-2:]))
            self.ends.append((line, None if "unknown: it may" in error else result.returncode == 0 or absent))

    def done(self):
        return sum(end is True for _, end in self.ends)

    def finish(self):
        self.stop = True
        self.join(60)
        assert not self.is_alive() and not self.wrong, self.wrong
        return self


@pytest.mark.slow
def test_clients_of_ours_while_a_reference_comes_and_goes(broker, mixed, reference):
    """Whatever they ask in the arc that moves, the node lives, names are kept and counters exact."""
    node = mixed.add(id=1000).wait_ready()
    names = {f"name {i}": b"value %d" % i for i in range(8)}  # three or more of them in the arc
    for name, value in names.items():
        done(broker, "put", name, value.decode())
    counters = {key: Writer(broker, ("incr", key)) for key in ("counter", SPACE // 4, SPACE // 3)}
    flags = {key: Writer(broker, ("put", key, "x"), ("del", key)) for key in ("flag", SPACE // 5)}
    writers = [*counters.values(), *flags.values()]

    def busy():
        before = [(w, w.done()) for w in writers]
        wait_for("everybody writes", lambda: all(w.wrong or w.done() > n + 1 for w, n in before), 60)
    for i in range(ROUNDS):
        busy()
        new = reference(SPACE // 2, name=str(i))
        wait_mixed(mixed, [new])
        assert new.leave() and not new.dead
        wait_mixed(mixed, [])
    busy()
    for w in writers:
        w.finish()
    assert node.running()
    for key, w in counters.items():
        total = int(done(broker, "get", key))
        assert w.done() <= total <= sum(end is not False for _, end in w.ends), key
    for key, w in flags.items():
        (command, *_), end = w.ends[-1]
        if end:
            assert run(broker, "get", key).returncode == (NO if command == "del" else 0), w.ends[-2:]
    for name, value in names.items():
        assert done(broker, "get", name) == value


@pytest.mark.parametrize("attempt", range(2))
def test_ours_joins_at_a_reference_under_load(mixed, reference, make_hammer, attempt):
    """Puts exactly once and gets right: whoever waits for a record in this window is ours."""
    a, b = reference(1000), reference(SPACE // 2)
    wait_mixed(mixed, [a, b])
    hammer = make_hammer(keys=60, gets=0.3, key_range=(1001, SPACE // 2)).wait_operations(300)
    mixed.add(id=SPACE // 4).wait_ready()
    hammer.wait_operations(300)
    wait_mixed(mixed, [a, b])
    hammer.finish()


@pytest.mark.parametrize("attempt", range(2))
def test_ours_leaves_to_a_reference_under_load(mixed, reference, make_hammer, attempt):
    a, b = reference(1000), reference(SPACE // 2)
    node = mixed.add(id=SPACE // 4).wait_ready()
    wait_mixed(mixed, [a, b])
    hammer = make_hammer(keys=60, gets=0, key_range=(1001, SPACE // 2)).wait_operations(300)
    node.leave()
    hammer.wait_operations(300)
    wait_mixed(mixed, [a, b])
    hammer.finish()


@pytest.mark.parametrize("attempt", range(2))
def test_a_reference_joins_at_ours_under_load(mixed, reference, make_hammer, attempt):
    mixed.add(id=1000)
    mixed.add(id=SPACE // 2)
    mixed.wait_whole(2)
    hammer = make_hammer(keys=60, gets=0, key_range=(1001, SPACE // 2)).wait_operations(300)
    new = reference(SPACE // 4)
    hammer.wait_operations(300)
    wait_mixed(mixed, [new])
    hammer.finish()


@pytest.mark.parametrize("attempt", range(2))
def test_a_reference_leaves_to_ours_under_load(mixed, reference, make_hammer, attempt):
    mixed.add(id=1000)
    mixed.add(id=SPACE // 2)
    mixed.wait_whole(2)
    middle = reference(SPACE // 4)
    wait_mixed(mixed, [middle])
    hammer = make_hammer(keys=60, gets=0, key_range=(1001, SPACE // 2)).wait_operations(300)
    assert middle.leave()
    hammer.wait_operations(300)
    mixed.wait_whole(2)
    hammer.finish()


def test_two_references_at_once_beside_ours(mixed, reference):
    """Ours answers their joins, so they go on asking instead of founding two rings."""
    mixed.add(id=1000).wait_ready()
    gate = threading.Barrier(2)
    pair = [reference(id, wait=False, founding_gate=gate) for id in (SPACE // 4, SPACE // 2)]
    wait_mixed(mixed, pair)


def test_ours_at_once_beside_a_reference(mixed, reference, client):
    """Three of ours start at the same moment where a lone reference is."""
    old = reference(1000)
    records = client.fill(30)
    for id in spread(3, SPACE // 5):
        mixed.add(id=id)
    wait_mixed(mixed, [old], timeout=40)
    client.check(records)


def test_a_joiner_that_never_speaks_again(mixed, client, make_hammer):
    """A reference that asks, is admitted, and dies: nothing is lost, the arc comes back to its owner."""
    mixed.add(id=1000)
    mixed.add(id=SPACE // 2)
    mixed.wait_whole(2)
    hammer = make_hammer(keys=60, key_range=(1001, SPACE // 2)).wait_operations(200)
    for _ in range(5):
        client.publish("join", str(SPACE // 4))
    hammer.wait_operations(300)
    mixed.wait_whole(2)
    hammer.finish()


def test_absent_keys_are_ours_to_answer(mixed, reference, client):
    new_ours = mixed.add(id=1000).wait_ready()
    other = reference(SPACE // 2)
    wait_mixed(mixed, [other])
    assert client.get(5) == b"" and not other.dead
    assert new_ours.running()


@pytest.mark.slow
@pytest.mark.parametrize("death", ["absent-get", "kill"])
def test_a_reference_dies_between_ours(mixed, reference, client, death):
    """Its thread dies, or its process: the hole it leaves closes, ours keep what they hold."""
    mixed.add(id=1000)
    mixed.add(id=SPACE // 2)
    mixed.wait_whole(2)
    middle = reference(SPACE // 4)
    wait_mixed(mixed, [middle])
    records = {k: v for k, v in client.fill(60).items() if not 1000 < k <= SPACE // 4}
    if death == "kill":
        middle.kill()
    else:
        client.publish("get", str(SPACE // 4 - 1))
        wait_for("dead", lambda: middle.dead)
    mixed.wait_whole(2, timeout=60)
    client.check(records)
    assert client.put(SPACE // 4 - 1, "again") == SPACE // 2


@pytest.mark.slow
def test_a_reference_is_deaf_after_a_broker_restart(broker, mixed, reference, client):
    mixed.add(id=1000)
    mixed.add(id=SPACE // 2)
    mixed.wait_whole(2)
    middle = reference(SPACE // 4)
    wait_mixed(mixed, [middle])
    records = {k: v for k, v in client.fill(60).items() if not 1000 < k <= SPACE // 4}
    broker.restart()
    mixed.wait_whole(2, timeout=60)
    wait_for("the client is back", client.client.is_connected)
    client.check(records)
    assert client.put(SPACE // 4 - 1, "again") == SPACE // 2


@pytest.mark.slow
def test_four_and_four(mixed, reference, make_hammer):
    """Theirs between ours, each side joining and leaving in turn, one change at a time, under two clients that put."""
    ours, theirs = spread(4, 1000), spread(4, 1000 + SPACE // 8)
    nodes = {ours[0]: mixed.add(id=ours[0]).wait_ready()}
    references = {}
    for a, b in zip(ours[1:] + ours[:1], theirs):
        references[b] = reference(b)
        wait_mixed(mixed, references.values())
        if a not in nodes:
            nodes[a] = mixed.add(id=a).wait_ready()
            wait_mixed(mixed, references.values())
    hammers = [make_hammer(keys=80, gets=0, seed=i) for i in range(2)]
    for h in hammers:
        h.wait_operations(300)
    for i in range(ROUNDS):
        theirs_now, ours_now = theirs[i % 4], ours[(i + 1) % 4]
        assert references.pop(theirs_now).leave()
        wait_mixed(mixed, references.values())
        references[theirs_now] = reference(theirs_now, name=f"{theirs_now}-{i}")
        wait_mixed(mixed, references.values())
        nodes[ours_now].leave()
        wait_mixed(mixed, references.values())
        nodes[ours_now] = mixed.add(id=ours_now).wait_ready()
        wait_mixed(mixed, references.values())
        assert not any(r.dead for r in references.values())
        for h in hammers:
            h.wait_operations(50)
    for h in hammers:
        h.finish(500)
