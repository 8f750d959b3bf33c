"""`--max-memory`: from three quarters of it on writes are refused with a clear error; reads, deletes, copies and handovers go
on, and nothing that was acknowledged is lost by it."""
import json
import os
import re
import signal

import pytest

from harness import ctl, wait_for
from manners import put_lines, run
from test_copies import check, wait_copied
from test_node_config import run as node_run

MIB = 1 << 20
LINE = (32 - 8) * 3 / 4 * MIB  # of 32M
VALUE = b"v" * 65536
FULL = 8


@pytest.mark.parametrize("text, words", [
    ("5", "expected 32M to 1024T, or 0"), ("31M", "expected 32M to 1024T, or 0"),
    ("lots", "expected a size in bytes, K, M, G or T, such as 512M"), ("-5M", "expected a size"), ("", "expected a size"),
    ("512MB", "expected a size"), ("1.5G", "expected a size"), ("M", "expected a size"),
    ("99999999999999999999", "expected 32M to 1024T, or 0"), ("17179869184G", "expected 32M to 1024T, or 0"),
    ("1025T", "expected 32M to 1024T, or 0")])
def test_what_is_no_limit(text, words):
    done = node_run("--check-config", "--max-memory", text)
    assert done.returncode == 64 and f"invalid --max-memory '{text}': {words}" in done.stderr, done


@pytest.mark.parametrize("text, shown", [
    ("0", "0"), ("32M", "32M"), ("512m", "512M"), ("2G", "2G"), ("1024M", "1G"), ("33554433", "33554433"), ("40000K", "40000K"),
    ("1024T", "1024T")])
def test_what_is_one(text, shown):
    done = node_run("--check-config", "--max-memory", text)
    assert re.search(rf"^max-memory +=\s{shown} +# --max-memory$", done.stdout, re.M), done


def node_of(broker, name):
    return next(x for x in json.loads(ctl(broker.url, "ring", "--json").stdout)["nodes"] if x["name"] == name)


def fill(broker, prefix=""):
    """Values of 64 KiB, until there is no room; what was acknowledged."""
    records = {}
    for i in range(5000):
        key = f"{prefix}{i}"
        value = b"%d." % i + VALUE
        done = ctl(broker.url, "put", key, "--timeout", "10s", input=value, check=False)
        if done.returncode == FULL:
            assert b"there is no room where it has to be, on a disk or in memory" in done.stderr, done
            return records
        assert done.returncode == 0, done
        records[key] = value
    raise AssertionError("it is never full")


@pytest.mark.slow
def test_a_node_alone(ring, broker, tmp_path):
    settings = tmp_path / "settings"
    settings.write_text("max-memory = 32M\n")
    r = ring()
    node = r.add(name="one", env={"DHT_NODE_CONFIG": str(settings)})
    r.wait_whole(1)
    assert run(broker, "status").returncode == 0
    records = fill(broker, "key ")
    assert LINE / 32 * 30 - 2 * len(VALUE) < len(records) * len(VALUE) < LINE
    wait_for("its word", lambda: node.log_text().count("writers may fill 18.0") == 1)

    # who looks is told, problems first
    told = node_of(broker, "one")
    assert told["full"] and LINE / 32 * 31 < told["bytes"] <= LINE and told["limit"] == 24 * MIB
    done = run(broker, "status")
    assert done.returncode == 1 and done.stdout.startswith(b"problem: node one has no room:") and b", whole" in done.stdout

    # additions and short puts are refused, nothing else is
    assert run(broker, "incr", "n").returncode == FULL and run(broker, "put", "key 0", "x").returncode == FULL
    check(broker, records)
    assert run(broker, "get", "n").returncode == 1
    resident = int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{node.pid}/status").read()).group(1)) * 1024
    assert resident < 32 * MIB or os.environ.get("ASAN_OPTIONS")

    # one deletion alone is not worth a change; when there is room it goes on by itself
    for i in range(20):
        ctl(broker.url, "del", f"key {i}")
        records.pop(f"key {i}")
    wait_for("room again", lambda: "there is room again" in node.log_text())
    ctl(broker.url, "put", "key 0", "x")
    assert run(broker, "status").returncode == 0
    assert node.log_text().count("writers may fill") == 1
    fill(broker, "more ")
    assert node.log_text().count("writers may fill") == 2

    # a reload is enough
    settings.write_text("max-memory = 64M\nreplicas = 1\n")
    node.signal(signal.SIGHUP)
    wait_for("room again", lambda: node.log_text().count("there is room again") == 2)
    assert "settings read anew -> these wait for a restart: replicas" in node.log_text()
    ctl(broker.url, "put", "key 1", "x")
    check(broker, records)


@pytest.mark.slow
def test_a_keeper_with_less(ring, broker):
    """The owner answers as if it were full itself; its own log says who is."""
    r = ring()
    r.add(name="small", id=7, args=["--max-memory", "32M"])
    owner = r.add(name="owner", id=1 << 31)
    wait_copied(r, 2)
    number = 8
    while run(broker, "put", str(number), input=VALUE).returncode == 0:
        number += 1
        assert number < 1000
    assert run(broker, "put", str(number), input=b"x").returncode == FULL
    assert owner.log_text().count("node 00000007: has no room") == 1
    assert not node_of(broker, "owner")["full"] and node_of(broker, "small")["full"]
    assert number > 200
    for i in range(8, 30):
        ctl(broker.url, "del", str(i))
    wait_for("room again", lambda: "node 00000007: has room again" in owner.log_text())
    ctl(broker.url, "put", str(number), "x")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["leave", "kill"])
def test_a_neighbour_goes_at_the_limit(ring, broker, how):
    """Whoever is full takes over all the same, and says it before and when it holds more than it may."""
    r = ring()
    for i in range(3):
        r.add(name=f"n{i}", id=(i * (1 << 32)) // 3 + 5, args=["--max-memory", "32M"])
    wait_copied(r, 3)
    records = fill(broker, "key ")
    wait_for("what would be inherited", lambda: any("if the node ahead of this one" in n.log_text() for n in r.nodes),
             timeout=60)
    done = run(broker, "status")
    assert done.returncode == 1 and b"has no room" in done.stdout
    gone = r.nodes[1]
    gone.leave() if how == "leave" else gone.kill()
    wait_copied(r, 2)
    check(broker, records)
    assert all(x["full"] for x in r.look())
    assert run(broker, "put", "key 0", "x").returncode == FULL
    for n in r.living():
        assert n.log_text().count("more than the 24.0 of --max-memory") <= 1


def test_a_newcomer_that_is_too_small(ring, broker):
    r = ring()
    r.add(name="large", id=1 << 31)
    r.wait_whole(1)
    records = {f"key {i}": b"%d." % i + VALUE for i in range(900)}
    put_lines(broker, records)
    small = r.add(name="small", id=0, args=["--max-memory", "32M"])
    wait_for("its word", lambda: "--max-memory lets 24.0 be held -> not taken" in small.log_text())
    r.wait_whole(1)
    assert small.running()
    # room enough is made, and it comes in by itself
    ctl(broker.url, "del", "-", input="\n".join(f"key {i}" for i in range(500)).encode())
    for i in range(500):
        del records[f"key {i}"]
    r.wait_whole(2, timeout=40)
    check(broker, records)
