"""A short run of what tests/soak --routed does for long: clients that share keys, while nodes and the broker come and go."""
import endure
from harness import wait_for

CLIENTS, SEED = 4, 5


def test_everything_while_nodes_come_and_go(broker, ring, tmp_path):
    nodes = ring(3)
    clients = endure.Clients(broker.url, str(tmp_path), CLIENTS, 8, SEED, 250)
    try:
        for turn in range(4):
            enough = clients.told()["ended"] + 1500
            node = nodes.add()
            if turn == 2:
                broker.restart(kill=True)
            node.wait_ready()
            wait_for(lambda: f"{enough} operations: {clients.told()} {clients.faults()}",
                     lambda: clients.faults() or clients.told()["ended"] >= enough, 60)
            node.leave()
        found, faults, told = clients.finish()
    finally:
        clients.close()
    assert not faults
    for name in ("lost", "doubled", "wrong", "undecided", "outlived", "strange", "unlooked", "undone"):
        assert found[name] == 0, f"{found}\n{told[:5000]}"
    assert found["acked increments"] <= found["counters"] <= found["acked increments"] + found["open"]
    for name in ("gets", "puts", "that did not hold", "with a life", "deletes", "adds", "writes sent again"):
        assert found[name] > 0, found
