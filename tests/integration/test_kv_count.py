"""Many processes count on one key: every addition is done once, whatever joins, leaves or is cut off meanwhile, so the
sum is exact and no sum is told twice.  And a long load, of which each line must be new when it is done."""
import subprocess
import threading
import time

import pytest

import wire
from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import UNREACHABLE, run

TIMEOUT = f"{int(30 * PATIENCE)}s"


class Counters:
    """n threads, each of which runs `dhtctl incr` again and again on one of the keys."""

    def __init__(self, url, keys, n):
        self.url, self.keys = url, keys
        self.sums = {key: [] for key in keys}
        self.faults = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._count, args=(keys[i % len(keys)],)) for i in range(n)]
        for t in self.threads:
            t.start()

    def _count(self, key):
        while not self.stopping.is_set():
            done = run(self.url, "incr", key, "--timeout", TIMEOUT, timeout=60)
            if done.returncode == UNREACHABLE and b"unknown" not in done.stderr:
                continue  # it has not gone out
            if done.returncode or done.stderr:
                self.faults.append(done)
                return
            self.sums[key].append(int(done.stdout))  # append is one step

    def told(self):
        return sum(map(len, self.sums.values()))

    def wait(self, n):
        """For n more."""
        n += self.told()
        wait_for(f"{n} sums", lambda: self.faults or self.told() >= n, 60)

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(120 * PATIENCE)
            assert not t.is_alive()
        assert not self.faults, self.faults[0]
        return self

    def check(self, url):
        for key, sums in self.sums.items():
            assert sorted(sums) == list(range(1, len(sums) + 1)), f"{key}: of {len(sums)} sums, not each once"
            assert int(run(url, "get", key).stdout) == len(sums)


def test_twenty_processes_at_once(broker, ring):
    ring(3)
    counters = Counters(broker.url, [wire.text()], 20)
    counters.wait(400)
    counters.stop().check(broker.url)


@pytest.mark.slow
def test_joins_and_leaves_while_counting(broker, ring):
    r = ring(2)
    counters = Counters(broker.url, [wire.text() for _ in range(6)], 6)
    try:
        for _ in range(4):
            for _ in range(2):
                r.add()
            r.wait_whole(4)
            for node in r.living()[:2]:  # the oldest, which own the most
                node.leave()
            r.wait_whole(2)
    finally:
        counters.stop()
    assert counters.told() > 60
    counters.check(broker.url)


@pytest.mark.slow
def test_connections_that_are_cut_while_counting(broker, ring, make_proxy):
    """Not even what was done and not answered is done again."""
    ring(3)
    proxy = make_proxy()
    counters = Counters(proxy.url, [wire.text() for _ in range(4)], 8)
    try:
        for _ in range(30):
            counters.wait(10)
            proxy.cut()
    finally:
        counters.stop()
    counters.check(broker.url)


@pytest.mark.slow
def test_a_load_while_nodes_join_and_leave(broker, ring):
    """--if-absent fails if a line has been done before."""
    r, tag = ring(2), wire.text().encode()
    keys = [b"%s-%d" % (tag, i) for i in range(20_000)]
    load = subprocess.Popen([ctl_binary(), "-b", broker.url, "put", "-", "--if-absent", "--timeout", "10m"],
                            stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    moving = threading.Event()

    def feed():
        for at in range(0, len(keys), 100):
            load.stdin.write(b"".join(key + b"\tof " + key + b"\n" for key in keys[at:at + 100]))
            load.stdin.flush()
            if not moving.is_set():  # the rest at once
                time.sleep(0.03)
        load.stdin.close()
    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        for _ in range(3):
            r.add()
            r.wait_whole(3)
            r.living()[0].leave()
            r.wait_whole(2)
    finally:
        moving.set()
        feeder.join()
    assert load.stderr.read() == b"dhtctl: 20000 stored\n"
    load.stderr.close()
    assert load.wait(60 * PATIENCE) == 0
    got = run(broker, "get", "-", "--timeout", "1m", input=b"\n".join(keys))
    assert got.stdout == b"".join(key + b"\tof " + key + b"\n" for key in keys)
