"""Nodes join and leave under clients that never stop: nothing lost, doubled, stale or unanswered."""
import random
import time

import pytest

import frames
from harness import SPACE, Timeout, wait_for
from test_core import spread


def test_joins_and_leaves_one_by_one(ring, make_hammer):
    r = ring(2, ids=spread(2))
    hammers = [make_hammer(keys=60, seed=i) for i in range(2)]
    for i in range(4):
        r.add(id=random.Random(i).randrange(SPACE)).wait_ready()
        hammers[0].wait_operations(20)
    for node in r.nodes[:4]:
        node.leave()
        hammers[0].wait_operations(20)
    r.wait_whole(2)
    for h in hammers:
        h.finish(200)


@pytest.mark.parametrize("attempt", range(2))
def test_three_joins_at_once_in_one_arc(ring, make_hammer, attempt):
    """Their ids lie beside each other, and the client works in just that arc."""
    r = ring(2, ids=spread(2))
    base = SPACE // 4
    hammer = make_hammer(keys=60, key_range=(base - 50_000, base + 50_000))
    for i in range(3):
        r.add(id=base + (i - 1) * 20_000)
    r.wait_whole(5)
    hammer.wait_operations(50).finish()


@pytest.mark.parametrize("attempt", range(2))
def test_joins_into_the_arc_of_a_leaver(ring, make_hammer, attempt):
    ids = spread(4)
    r = ring(4, ids=ids)
    hammer = make_hammer(keys=80, key_range=(ids[0], ids[2]))
    r.add(id=ids[1] - 1_000_000)
    r.add(id=ids[1] + 1_000_000)
    leaver = r.nodes[1]
    leaver.term()
    assert leaver.wait() == 0
    r.wait_whole(5)
    hammer.wait_operations(50).finish()


@pytest.mark.parametrize("attempt", range(2))
def test_a_leavers_neighbours_leave_with_it(ring, make_hammer, attempt):
    ids = spread(6)
    r = ring(6, ids=ids)
    hammers = [make_hammer(keys=60, seed=1), make_hammer(keys=60, key_range=(ids[0], ids[4]))]
    for h in hammers:
        h.wait_operations(100)
    for node in r.nodes[1:4]:
        node.term()
    assert [node.wait() for node in r.nodes[1:4]] == [0, 0, 0]
    r.wait_whole(3)
    for h in hammers:
        h.wait_operations(20).finish()


def test_all_but_one_leave_at_once(ring, make_hammer):
    r = ring(8)
    hammer = make_hammer(keys=100)
    hammer.wait_operations(200)
    for node in r.nodes[1:]:
        node.term()
    assert [node.wait(40) for node in r.nodes[1:]] == [0] * 7
    r.wait_whole(1)
    hammer.wait_operations(20).finish()


@pytest.mark.parametrize("attempt", range(2))
def test_all_eight_leave_at_once(ring, client, attempt):
    r = ring(8)
    client.fill(100)
    for node in r.nodes:
        node.term()
    assert [node.wait(40) for node in r.nodes] == [0] * 8


def test_four_join_while_four_leave(ring, make_hammer):
    r = ring(5)
    hammers = [make_hammer(keys=60, seed=i) for i in range(2)]
    hammers[0].wait_operations(100)
    old = r.nodes[:4]
    for node in old:
        r.add()
        node.term()
    assert [node.wait(40) for node in old] == [0] * 4
    r.wait_whole(5, timeout=40)
    for h in hammers:
        h.wait_operations(20).finish()


def test_a_large_arc_moves_under_load(ring, client, make_hammer):
    """Clients wait for what changed meanwhile, not for the bulk."""
    r = ring(1, ids=[1000])
    records = client.fill(3000)
    hammer = make_hammer(keys=50)
    r.add(id=1000 + SPACE // 2).wait_ready(40)
    hammer.wait_operations(20)
    r.nodes[0].leave(40)
    hammer.wait_operations(20).finish()
    client.check(dict(random.sample(sorted(records.items()), 300)))


@pytest.mark.slow
@pytest.mark.parametrize("each_way", [0.3, 0.6])
def test_a_joiner_whose_line_is_slow(ring, make_hammer, make_proxy, each_way):
    """It hears everything late, to accept an offer takes it four times that, and still it takes over at the same place in
    the stream."""
    r = ring(2, ids=spread(2))
    slow = make_proxy()
    slow.delay = each_way
    hammer = make_hammer(keys=10, timeout=20)
    node = r.add(id=SPACE // 4, url=slow.url).wait_ready(40)
    hammer.wait_operations(10, timeout=60)  # who keeps its copies there waits for that line as well
    node.leave(60)
    r.wait_whole(2)
    hammer.wait_operations(50).finish()


@pytest.mark.slow
@pytest.mark.parametrize("who", ["joiner", "owner"])
def test_any_one_frame_of_a_join_is_lost(ring, make_hammer, make_proxy, who):
    """A join with the first frame of each kind to one side dropped: it is sent again, or the join is tried again."""
    r = ring()
    line = make_proxy()
    heard, lost = set(), []
    wanted = [None]

    def lossy(topic, payload):
        name = frames.name(topic, payload)
        if name == topic:
            return True
        heard.add(name)
        if name != wanted[0]:
            return True
        lost.append(name)
        wanted[0] = None
        return False

    def join_and_leave(id):
        node = r.add(id=id, url=line.url if who == "joiner" else None).wait_ready(20)
        wanted[0] = None
        node.leave(30)

    r.add(id=SPACE // 2, url=line.url if who == "owner" else None)
    r.add(id=1000)
    r.wait_whole(2)
    hammer = make_hammer(keys=60)
    line.downward = lossy
    join_and_leave(SPACE // 4)
    kinds = sorted(heard - {"WHO", "STATUS", "FOUND"})
    assert {"CUT", "ACCEPT" if who == "owner" else "GRANT"} <= set(kinds), kinds
    stuck = []
    for i, name in enumerate(kinds):
        wanted[0] = name
        try:
            join_and_leave(SPACE // 4 + 1 + i)
        except Timeout as e:
            stuck.append(f"{name}: {str(e)[:60]}")
            r.nodes[-1].kill()
            r.wait_whole(2, timeout=30)
    assert not stuck, f"of {kinds}, lost {lost}: stuck at {stuck}"
    line.downward = None
    r.wait_whole(2, timeout=30)
    hammer.wait_operations(20).finish()


def test_repeated_identical_requests(ring, broker, spy):
    """The same `get k` and the same `put c/k v` again and again while arcs move: as many answers as requests."""
    import wire
    r = ring(2, ids=spread(2))
    key = SPACE // 4
    client = wire.Client(broker.port)
    sent = {"put": 0, "get": 0}
    try:
        client.put(key, "v")
        joiner = r.add(id=key + 1000)
        end = time.monotonic() + 1.5
        while time.monotonic() < end or not joiner.ready():
            client.publish("put", f"same/{key} v")
            client.publish("get", str(key))
            sent["put"] += 1
            sent["get"] += 1
            time.sleep(0.001)
        joiner.leave()
        wait_for(lambda: f"{sent['put']} acks, have {len(client.acks.get('same', ()))}",
                 lambda: len(client.acks.get("same", ())) >= sent["put"])
        wait_for("all gets answered", lambda: len(client.answers.get(str(key), ())) >= sent["get"])
        client.put(1, "the end")
        spy.settle()
        assert len(client.acks["same"]) == sent["put"]
        assert len(client.answers[str(key)]) == sent["get"]
        assert set(client.answers[str(key)]) == {b"v"}
    finally:
        client.close()
