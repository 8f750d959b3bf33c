"""Nodes that die or hang, at the worst moments: the hole closes, and nothing of the others is touched."""
import re
import threading
import time

import pytest

import frames
from harness import PATIENCE, SPACE, copies_fault, ctl, in_arc, wait_for
from test_core import owner, spread


class Trap:
    """Springs once, right behind the packet that carries the named message in the given direction: while action()
    runs, nothing else passes the proxy."""

    def __init__(self, proxy, upward, name, action, text=None):
        self.sprung = threading.Event()
        self.said = []       # what the node has said, by name
        self.name, self.action, self.text = name, action, text
        proxy.upward = lambda t, p: self._see(t, p, upward, True)
        proxy.downward = lambda t, p: self._see(t, p, not upward, False)

    def _see(self, topic, payload, watched, said):
        name = frames.name(topic, payload)
        if said:
            self.said.append(name)
        if not watched or name != self.name or self.sprung.is_set():
            return True
        if self.text is not None and payload.decode(errors="replace") != self.text:
            return True

        def spring():
            self.action()
            self.sprung.set()
        return spring

    def wait(self):
        assert self.sprung.wait(20), f"no {self.name}; it said {self.said[-20:]}"


# Sooner than by default, where a test would only wait.
SOON = {"DHT_RECOVER_AFTER": "3s", "DHT_PING": "2s", "DHT_KEEPALIVE": "5s"}

# direction (True: the joiner's own word), what
STEPS = [(False, "OFFER"), (True, "ACCEPT"), (True, "RACK"), (False, "CUT"), (False, "GRANT"), (True, "STORED"),
         (False, "HOLDS")]


def closed(ring, n, timeout=30):
    return ring.wait_whole(n, timeout)


@pytest.mark.slow
def test_joiner_killed_at_each_step(ring, make_hammer, make_proxy, client):
    """kill -9 right behind each of its words, and of those it hears, up to HOLDS: nothing has changed."""
    r = ring(2, ids=spread(2))
    records = client.fill(100)
    hammer = make_hammer(keys=60)
    for i, (upward, name) in enumerate(STEPS):
        line = make_proxy()
        joiner = r.add(id=SPACE // 4 + i, url=line.url)
        trap = Trap(line, upward, name, joiner.kill)
        trap.wait()
        # behind HOLDS it may have been quicker than the kill: then it is a member that dies
        assert name == "HOLDS" or "ACTIVE" not in trap.said
        hammer.wait_operations(30)
        closed(r, 2)
        client.check(records)
    hammer.finish()


def test_joiner_killed_right_after_its_confirm(ring, make_hammer, make_proxy, client):
    """What everybody can see of it, by the reference's own word."""
    ids = spread(2)
    r = ring(2, ids=ids)
    records = client.fill(100)
    hammer = make_hammer(keys=60)
    line = make_proxy()
    id = SPACE // 4
    joiner = r.add(id=id, url=line.url)
    trap = Trap(line, True, "ack-join", joiner.kill, text=f"{id}/{ids[1]}/antecessor")
    trap.wait()
    hammer.wait_operations(30)
    closed(r, 2)
    client.check(records)
    hammer.finish()


@pytest.mark.slow
@pytest.mark.parametrize("upward,name", [(False, "GRANT"), (True, "STORED")])
def test_joiner_hangs(ring, make_hammer, make_proxy, client, upward, name):
    """SIGSTOP for 5 s: the ring goes on without it.  Afterwards it must not serve, but joins again."""
    r = ring(2, ids=spread(2))
    records = client.fill(100)
    hammer = make_hammer(keys=60, timeout=12)
    line = make_proxy()
    joiner = r.add(id=SPACE // 4, url=line.url)
    trap = Trap(line, upward, name, joiner.pause)
    trap.wait()
    stopped = time.monotonic()
    hammer.wait_operations(50)
    client.check(records)
    time.sleep(max(0.0, stopped + 5 - time.monotonic()))
    joiner.resume()
    closed(r, 3, timeout=40)
    hammer.wait_operations(50)
    client.check(records)
    hammer.finish()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RACK", "STORED"])
def test_giver_dies_amid_a_join(ring, make_hammer, make_proxy, client, name):
    """kill -9 of the owner when it has heard the joiner's word: nothing is lost, and it is one ring
    again."""
    ids = spread(3)
    r = ring(3, ids=ids, env=SOON)
    records = client.fill(100)
    hammer = make_hammer(keys=40, timeout=5)
    line = make_proxy()
    giver = r.by_id(ids[1])
    r.add(id=(ids[0] + ids[1]) // 2, url=line.url)
    trap = Trap(line, True, name, giver.kill)
    trap.wait()
    closed(r, 3, timeout=40)
    client.check(records)
    client.put(ids[1], "again")
    assert client.get(ids[1]) == b"again"
    hammer.finish(unanswered=True)  # what it was giving was nobody's for a while


def test_kill_9_of_a_member(ring, make_hammer, client):
    """Its successor has the copy, serves it, and says so."""
    ids = spread(4)
    r = ring(4, ids=ids)
    records = client.fill(200)
    nodes = r.wait_whole(4)
    dead = [k for k in records if owner(nodes, k) == ids[2]]
    hammer = make_hammer(keys=40, timeout=5)
    r.by_id(ids[2]).kill()
    assert set(closed(r, 3)) == {ids[0], ids[1], ids[3]}
    client.check(records)
    assert dead and {client.put(k, "new") for k in dead} == {ids[3]}
    hammer.finish(unanswered=True)  # one may have reached it, and died with it
    said = re.search(r"taken over with the copy of its (\d+) records", r.by_id(ids[3]).log_text())
    assert said and int(said[1]) >= len(dead), r.tails()


def test_kill_9_of_a_member_that_keeps_one_copy(ring, make_hammer, client):
    """The hole closes; what the others held is there; what it held is gone and answered as absent."""
    ids = spread(4)
    r = ring(4, ids=ids, env={"DHT_REPLICAS": "1"})
    records = client.fill(200)
    nodes = r.wait_whole(4)
    dead = [k for k in records if owner(nodes, k) == ids[2]]
    hammer = make_hammer(keys=40, key_range=(0, ids[1]))
    r.by_id(ids[2]).kill()
    after = closed(r, 3)
    assert dead and set(after) == {ids[0], ids[1], ids[3]}
    client.check({k: v for k, v in records.items() if k not in dead})
    assert {client.get(k) for k in dead} == {b""}
    assert {client.put(k, "new") for k in dead} == {ids[3]}
    hammer.finish()
    assert "taken over empty, its records are lost with it" in r.by_id(ids[3]).log_text(), r.tails()


@pytest.mark.slow
def test_two_neighbours_are_killed_at_once(ring, client):
    """Owner and backup together: the next one has the backup's own, and after the set time closes the hole of the owner,
    whose records are gone."""
    ids = spread(5)
    r = ring(5, ids=ids, env=SOON)
    records = client.fill(100)
    victims = [r.by_id(ids[1]), r.by_id(ids[2])]
    for node in victims:
        node.kill()
    closed(r, 3, timeout=60)
    dead = [k for k in records if in_arc(ids[0], ids[1], k)]
    client.check({k: v for k, v in records.items() if k not in dead})
    assert dead and {client.get(k) for k in dead} == {b""}
    assert client.put(ids[1], "x") == ids[3]
    assert "nobody answers for it -> taken over empty, its records are lost" in r.by_id(ids[3]).log_text(), r.tails()


@pytest.mark.slow
def test_all_but_one_are_killed(ring, client):
    r = ring(4, env=SOON)
    for node in r.nodes[1:]:
        node.kill()
    closed(r, 1, timeout=60)
    client.put(1, "x")
    assert client.get(1) == b"x"


def test_killed_and_back_under_its_id_at_once(ring, make_hammer, client):
    """Without its memory it is a newcomer, however quickly it comes back, and gets its records from the copy."""
    ids = spread(3)
    r = ring(3, ids=ids)
    records = client.fill(100)
    hammer = make_hammer(keys=40, timeout=5)
    r.by_id(ids[1]).kill()
    r.add(name="again", id=ids[1])
    closed(r, 3, timeout=40)
    client.check(records)
    client.put(ids[1], "x")
    assert client.get(ids[1]) == b"x"
    hammer.finish(unanswered=True)  # one may have reached it, and died with it


@pytest.mark.slow
@pytest.mark.parametrize("replicas", ["1", "2"])
def test_a_member_hangs_and_comes_back(ring, client, make_hammer, replicas):
    """SIGSTOP long enough to be fenced: the ring closes without it; when it goes on it serves nothing until it is in
    again, and what it still holds is merged back where nothing newer stands, which matters if it has the only copy."""
    ids = spread(3)
    r = ring(3, ids=ids, env={**SOON, "DHT_REPLICAS": replicas})
    records = client.fill(100)
    hammer = make_hammer(keys=40, key_range=(0, ids[0]))
    victim = r.by_id(ids[1])
    victim.pause()
    closed(r, 2, timeout=60)
    held = [k for k in records if in_arc(ids[0], ids[1], k)]
    assert client.get(held[1]) == (records[held[1]].encode() if replicas == "2" else b"")
    client.put(held[0], "newer")
    records[held[0]] = "newer"
    victim.resume()
    closed(r, 3, timeout=40)
    wait_for("its records are merged", lambda: client.get(held[1]) == records[held[1]].encode(), 20)
    client.check(records)
    hammer.finish()


def test_who_hangs_is_taken_over_from_within_5_s(ring, broker):
    """No will, and nobody asks it anything but clients who read: its neighbours do, by the usual settings."""
    ids = spread(3)
    r = ring(3, ids=ids)
    r.wait_whole(3, timeout=40, fault=copies_fault)
    ctl(broker.url, "put", str(ids[1]), "v")
    victim = r.by_id(ids[1])
    at = time.monotonic()
    victim.pause()
    wait_for("it to be served again", lambda: ctl(broker.url, "get", str(ids[1]), "--timeout", "300ms",
                                                  check=False).stdout == b"v", 20)
    assert time.monotonic() - at < 5 * PATIENCE, r.tails()
    victim.resume()
    closed(r, 3, timeout=40)


def test_a_leaver_is_killed_amid_its_leave(ring, client, make_hammer):
    ids = spread(3)
    r = ring(3, ids=ids)
    records = client.fill(500)
    hammer = make_hammer(keys=40, timeout=5)
    victim = r.by_id(ids[1])
    victim.term()
    victim.kill()
    closed(r, 2, timeout=40)
    client.check(records)
    hammer.finish(unanswered=True)  # one may have reached it, and died with it
