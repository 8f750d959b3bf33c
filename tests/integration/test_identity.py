"""A second node with an id or a name in use is refused with a clear error; the first is not disturbed."""
import re

import pytest

from harness import SPACE, wait_for
from test_core import spread


def undisturbed(broker, before):
    """None of these connections of nodes has ended (their client ids are a "d" and 22 hex digits)."""
    nodes = {i for i in before if re.fullmatch(r"d[0-9a-f]{22}", i)}
    return nodes and not nodes - set(broker.open_ids())


@pytest.mark.parametrize("same", ["id", "name"])
def test_second_one_is_refused(broker, ring, client, make_proxy, same):
    line = make_proxy()
    r = ring()
    first = r.add(name="first", id=1000, url=line.url)
    r.add(id=SPACE // 2)
    r.wait_whole(2)
    records = client.fill(50)
    before = broker.open_ids()
    if same == "id":
        second = r.add(name="other", id=1000)
    else:
        second = r.add(name="first", id=2000)
    assert second.wait() == 77
    # admitted before the first could say so, behind its slow line, it leaves in good order
    said = second.log_text().splitlines()
    assert any("in use" in x and ("1000" if same == "id" else "first") in x for x in said), second.tail()
    r.wait_whole(2)
    client.check(records)
    assert first.running() and line.accepted == 1 and undisturbed(broker, before)


def test_many_seconds_at_once(broker, ring, client):
    r = ring(2, ids=spread(2))
    records = client.fill(20)
    before = broker.open_ids()
    seconds = [r.add(name=f"other{i}", id=spread(2)[i % 2]) for i in range(4)]
    assert [s.wait() for s in seconds] == [77] * 4
    r.wait_whole(2)
    client.check(records)
    assert undisturbed(broker, before)


@pytest.mark.parametrize("members", [0, 2])
def test_two_with_one_id_start_at_once(ring, members):
    """Exactly one of them is in, the other is refused."""
    r = ring(members)
    pair = [r.add(name="left", id=777), r.add(name="right", id=777)]
    wait_for("one is refused", lambda: [n.running() for n in pair].count(False) == 1, 30)
    loser = next(n for n in pair if not n.running())
    assert loser.wait() == 77
    r.wait_whole(members + 1, timeout=30)


def test_two_with_one_name_start_at_once(ring):
    r = ring(1)
    pair = [r.add(name="twin", id=1000), r.add(name="twin", id=SPACE // 2)]
    wait_for("one is refused", lambda: [n.running() for n in pair].count(False) == 1, 30)
    assert next(n for n in pair if not n.running()).wait() == 77
    r.wait_whole(2, timeout=30)


@pytest.mark.slow
def test_second_one_beside_a_hung_first(ring, client):
    """The first hangs: it is fenced and the second admitted, or the second refused; in the end the id is there once."""
    ids = spread(3)
    r = ring(3, ids=ids)
    client.fill(50)
    first = r.by_id(ids[1])
    first.pause()
    second = r.add(name="second", id=ids[1])
    wait_for("the second is in or refused", lambda: second.ready() or not second.running(), 60)
    first.resume()
    wait_for("one of them is refused", lambda: [first.running(), second.running()].count(False) == 1, 60)
    assert (second if first.running() else first).wait() == 77
    r.wait_whole(3, timeout=40)


def test_the_refused_may_come_once_the_first_has_left(ring):
    r = ring(2, ids=spread(2))
    assert r.add(name="late", id=1000).wait() == 77
    r.by_id(1000).leave()
    r.add(name="late", id=1000).wait_ready()
    r.wait_whole(2)
