"""Nodes started together make one ring, whatever is late."""
import os
import time

import pytest

import frames
from harness import wait_for


@pytest.mark.parametrize("attempt", range(3))
def test_eight_at_once(ring, attempt):
    r = ring()
    for _ in range(8):
        r.add()
    r.wait_whole(8)


def test_it_interrupts_nobody_unless_it_was_started_so(ring):
    """The broker is not put aside for each message that it hands to a node of its own machine."""
    r = ring()
    usual = r.add()
    r.wait_whole(1)
    assert os.sched_getscheduler(usual.pid) == os.SCHED_BATCH
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    try:
        other = r.add()
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    r.wait_whole(2)
    assert os.sched_getscheduler(other.pid) == os.SCHED_IDLE


def test_a_low_id_starts_just_before_a_high_one_has_counted_out(ring):
    """A second, less 10 ms: the first has nearly founded when the other, whose id is lower, begins to count."""
    r = ring()
    r.add(id=3_000_000_000)
    time.sleep(0.98)
    r.add(id=5)
    r.wait_whole(2)


@pytest.mark.slow
def test_the_founder_hangs_right_after_it_has_founded(ring, spy):
    """SIGSTOP at its FOUND, while three more start; 3 s later it goes on."""
    r = ring()
    founder = r.add(id=1000)
    spy.watch(lambda m: frames.name(m.topic, m.payload) == "FOUND" and founder.pause())
    spy.wait(lambda m: frames.name(m.topic, m.payload) == "FOUND", what="FOUND")
    for _ in range(3):
        r.add()
    time.sleep(3)
    founder.resume()
    r.wait_whole(4, timeout=40)


@pytest.mark.slow
def test_the_founder_dies_right_after_it_has_founded(ring, spy):
    r = ring()
    founder = r.add(id=1000)
    once = []
    spy.watch(lambda m: frames.name(m.topic, m.payload) == "FOUND" and not once and (once.append(1), founder.kill()))
    spy.wait(lambda m: frames.name(m.topic, m.payload) == "FOUND", what="FOUND")
    for _ in range(3):
        r.add()
    r.wait_whole(3, timeout=40)


def test_nodes_wait_for_a_broker(make_broker, make_ring):
    """All are there before the broker is."""
    broker = make_broker()
    broker.stop()
    r = make_ring(broker)
    for _ in range(4):
        r.add()
    wait_for("each has said that it can't reach the broker",
             lambda: all(str(broker.port) in n.log_text() for n in r.nodes))
    broker.start()
    r.wait_whole(4)


def test_a_ring_after_a_ring(ring, client):
    """All leave, in order; whoever comes later founds at once and owns nothing of the past."""
    r = ring(3)
    client.put(1, "old")
    for node in list(r.nodes):
        node.leave()
    r.add()
    r.wait_whole(1)
    assert client.get(1) == b""


@pytest.mark.slow
def test_a_register_whose_ring_is_gone(make_broker, make_ring):
    """Every node is killed; the retained register and statuses stay, and a new ring is founded over them."""
    broker = make_broker(persistence=True)
    r = make_ring(broker, 3)
    for node in r.nodes:
        node.kill()
    for _ in range(3):
        r.add()
    r.wait_whole(3, timeout=40)
