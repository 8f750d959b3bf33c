"""The stand-ins behave as the reference was recorded and observed, faults included."""
import os
import signal
import subprocess
import sys
import threading

import pytest

import recording
from harness import wait_for
from reference_client import ReferenceClient, job
from reference_node import Faults


def pointers(*nodes):
    return [(n.predecessor, n.successor) for n in nodes]


def without_repeats(messages):
    seen = set()
    return [m for m in messages if m[0] not in ("join", "has_started", "spy")
            and not (m in seen and m[0] == "ack-join") and not seen.add(m)]


def test_the_recording_is_what_it_plays(broker, spy, client, reference):
    """The same nodes, the same client: every message of the recording but the repeats, in its order."""
    first, second, third = (reference(id) for id in (recording.FIRST, recording.SECOND, recording.THIRD))
    wait_for("the third is known", lambda: second.predecessor == third.id)
    for topic, payload in recording.lines():
        if topic in ("put", "get") and not payload.startswith(f"{second.id}/"):
            answer = "ack-put" if topic == "put" else "res-get"
            before = len(spy.select(answer))
            client.publish(topic, payload)
            wait_for(f"an answer to {topic} {payload}", lambda: len(spy.select(answer)) > before)
    assert second.leave()
    spy.wait(lambda m: len(spy.select("ack-put")) == 10, what="ten ack-puts")
    heard = without_repeats([(m.topic, m.text) for m in spy.messages])
    wanted = [m for m in recording.lines() if m[0] not in ("join", "has_started")]

    def client_part(messages):
        """What has one order; the ack-joins, and all from the leave on, are several nodes' words at once."""
        end = next(i for i, m in enumerate(messages) if m[0] == "leave")
        return [m for m in messages[:end] if m[0] != "ack-join"]
    assert client_part(heard) == client_part(wanted)
    repeated = [(m.topic, m.text) for m in spy.messages if m.topic in ("put", "ack-put", "leave", "ack-leave")]
    assert sorted(repeated) == sorted(m for m in wanted if m[0] in ("put", "ack-put", "leave", "ack-leave"))
    assert {m for m in heard if m[0] == "ack-join"} == {m for m in wanted if m[0] == "ack-join"}
    assert pointers(first, third) == [(third.id, third.id), (first.id, first.id)]


def test_redistribution_at_join(reference, spy, client):
    """Whoever joins gets its records as `put None/...` once it has confirmed."""
    old = reference(3_000_000_000)
    client.put(5, "five")
    client.put(2_500_000_000, "mine")
    new = reference(1000)
    wait_for("the record has moved", lambda: new.records == {5: "five"} and old.records == {2_500_000_000: "mine"})
    spy.settle()
    assert spy.texts("put")[2:] == ["None/5 five"]
    assert spy.texts("ack-put")[2:] == ["None/1000"]


def test_dead_by_an_absent_get_but_still_owner(reference, client, spy):
    node = reference(1)
    client.put(7, "x")
    client.publish("get", "8")
    wait_for("dead", lambda: node.dead)
    client.publish("get", "7")
    spy.settle()
    assert spy.texts("res-get") == [] and node.client.is_connected()


def test_dead_by_a_key_that_is_no_number(reference, client):
    node = reference(1)
    client.publish("put", "c/abc v")
    wait_for("dead", lambda: node.dead)


def test_takes_any_integer(reference, client):
    lone = reference(5)
    assert client.put(-5, "marker") == 5 and client.put(1 << 32, "x") == 5
    high = reference(1 << 31)
    wait_for("both know", lambda: lone.predecessor == high.id and high.predecessor == lone.id)
    assert lone.owns(1 << 32) and not high.owns(1 << 32)
    assert not lone.owns(-5) and not lone.owns((1 << 32) + 1)


def test_moves_its_arc_at_join(reference, client, spy):
    """The newcomer has not subscribed, and the put is nobody's."""
    lone = reference(1000)
    client.publish("join", "500")
    wait_for("it has moved", lambda: lone.predecessor == 500)
    client.publish("put", "c/100 lost")
    spy.settle()
    assert spy.texts("ack-put") == []


def test_two_at_once_found_two_rings(broker, reference):
    """The fault, as observed: both have counted to 100 before either listens."""
    for attempt in range(5):
        pair = [reference(10 * attempt + i, wait=False, name=f"{attempt}-{i}", founding_gate=gate)
                for gate in [threading.Barrier(2)] for i in (1, 2)]
        wait_for("both active", lambda: all(n.state == "active" for n in pair), timeout=20)
        if pointers(*pair) == [(None, None), (None, None)]:
            return
        for node in pair:
            node.close()
    raise AssertionError("never split")


def test_safe_ping_and_healing(reference, client, spy):
    """leave A/S/A with ack-join A/P/sucessor behind it is answered by both and changes nothing; two forged ack-joins
    close the hole that a dead one leaves."""
    a, b, c = reference(100), reference(200), reference(300)
    wait_for("whole", lambda: pointers(a, b, c) == [(300, 200), (100, 300), (200, 100)])
    client.publish("leave", "200/300/200")
    client.publish("ack-join", "200/100/sucessor")
    wait_for("two acks", lambda: sorted(spy.texts("ack-leave")) == ["200/100", "200/300"])
    wait_for("nothing changed", lambda: pointers(a, b, c) == [(300, 200), (100, 300), (200, 100)])
    client.publish("get", "150")
    wait_for("b is dead", lambda: b.dead)
    client.publish("ack-join", "100/300/antecessor")
    client.publish("ack-join", "300/100/sucessor")
    wait_for("healed", lambda: pointers(a, c) == [(300, 300), (100, 100)])
    assert client.put(150, "again") == 300


def test_forged_ack_leaves_make_it_deaf(reference, client):
    a, b = reference(100), reference(200)
    wait_for("b knows", lambda: a.predecessor == 200 and b.predecessor == 100)
    client.put(150, "x")
    client.publish("ack-leave", "200/1")
    client.publish("ack-leave", "200/2")
    wait_for("its records are gone", lambda: b.records == {})


def test_deaf_after_a_broker_restart(broker, reference, client):
    node = reference(1)
    broker.restart()
    wait_for("connected again", lambda: node.connects == 2, timeout=20)
    wait_for("the client too", lambda: client.client.is_connected())
    with pytest.raises(AssertionError):
        client.put(1, "x", timeout=0.5)


def test_faults_can_be_switched_off(reference, client):
    node = reference(1, faults=Faults(dies_at_absent_get=False, dies_at_bad_number=False, takes_any_integer=False))
    client.publish("get", "8")
    client.publish("put", "c/abc v")
    client.publish("put", "c/-1 v")
    assert client.put(8, "x") == 1 and node.records == {8: "x"}


def test_the_client_dies_of_a_second_slash(broker, reference, client):
    """Whoever acknowledges a name with a slash in it kills every client that hears it."""
    reference(1)
    weak = ReferenceClient(broker.port)
    try:
        assert job(weak, 20) == 20
        client.publish("ack-put", "a/b/1")
        wait_for("dead", lambda: weak.dead)
    finally:
        weak.close()


def test_as_scripts(broker, client):
    here = os.path.dirname(__file__)
    node = subprocess.Popen([sys.executable, os.path.join(here, "reference_node.py"), "--port", str(broker.port)])
    try:
        wait_for("an answer", lambda: client.publish("put", "early/1 x") or "early" in client.acks, timeout=20)
        done = subprocess.run([sys.executable, os.path.join(here, "reference_client.py"), "--port", str(broker.port)],
                              stdout=subprocess.PIPE, timeout=60)
        assert done.stdout == b"100/100\n"
        node.send_signal(signal.SIGTERM)
        assert node.wait(10) == 0
    finally:
        node.kill()
