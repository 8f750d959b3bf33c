"""Two rings that have formed apart, at two brokers, and then find each other at one."""
import pytest

import harness
from harness import ctl, wait_for
from test_core import spread

YIELDS, MERGED = "a greater ring", "to be merged"


@pytest.mark.slow
@pytest.mark.parametrize("disks", [False, True], ids=["memory", "disks"])
def test_two_rings_become_one(make_broker, make_ring, make_proxy_to, tmp_path, disks):
    """What either has is there, of a key that both have the value of the ring that stays, and it is said."""
    brokers = [make_broker(), make_broker()]
    lines = [make_proxy_to(broker) for broker in brokers]
    rings = [make_ring(broker) for broker in brokers]
    for i, (ring, line) in enumerate(zip(rings, lines)):
        for k, id in enumerate(spread(4)[i::2]):
            name = f"ring{i}node{k}"
            args = ["--data-dir", tmp_path / name] if disks else []
            ring.add(name=name, id=id, url=line.url, args=map(str, args))
        ring.wait_whole(2, fault=harness.copies_fault)
    for i, broker in enumerate(brokers):
        ctl(broker.url, "put", "-", input=b"".join(b"of %d %d\tvalue %d\n" % (i, k, k) for k in range(200)))
        ctl(broker.url, "put", "both", f"of ring {i}")
    lines[1].broker_port = brokers[0].port  # from now on all are at one broker
    lines[1].cut()
    rings[0].wait_whole(4, timeout=60, fault=harness.copies_fault)

    def gone():
        keys = b"".join(b"of %d %d\n" % (i, k) for i in range(2) for k in range(200))
        found = ctl(brokers[0].url, "get", "-", input=keys, check=False).stdout
        lines = set(found.splitlines())
        return [(i, k) for i in range(2) for k in range(200) if b"of %d %d\tvalue %d" % (i, k, k) not in lines]
    wait_for(lambda: f"all that either had: {len(gone())} are not there", lambda: not gone(), 40, 0.2)
    yields = [ring for ring in rings if any(YIELDS in node.log_text() for node in ring.nodes)]
    assert len(yields) == 1, "one ring stays as it is"
    assert all(YIELDS in node.log_text() and MERGED in node.log_text() for node in yields[0].nodes), yields[0].tails()
    assert ctl(brokers[0].url, "get", "both").stdout == b"of ring %d" % (1 - rings.index(yields[0]))
