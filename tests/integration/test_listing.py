"""dhtctl ls, export, import and watch at a real ring: what is there, all of it out and in again, and what changes."""
import json
import os
import subprocess
import threading

import pytest

import harness
from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import LOCAL, NOWHERE, PARTLY, TIMEOUT, UNREACHABLE, USAGE, Terminal, refuses, run


def done(broker, *args, **options):
    """What it printed; it has to succeed and say nothing else."""
    result = run(broker, *args, timeout=60, **options)
    assert (result.returncode, result.stderr) == (0, b""), result
    return result.stdout


def put(broker, pairs):
    """By lines; names must not look like numbers."""
    lines = b"".join(b"%s\t%s\n" % (str(k).encode(), v) for k, v in pairs.items())
    done(broker, "--quiet", "--timeout", "30s", "put", "-", input=lines)


NAMES = [f"name {i}" for i in range(5000)]
NUMBERS = [i * 858993 % 2 ** 32 for i in range(1, 5000)] + [0, 2 ** 32 - 1]


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Three nodes with 5,000 names and 5,001 numbers, which the tests only read."""
    folder = tmp_path_factory.mktemp("full")
    broker = harness.Broker(folder / "broker").start()
    ring = harness.Ring(broker, folder).start(3)
    put(broker, {k: b"of %s" % str(k).encode() for k in NAMES + NUMBERS})
    yield broker
    assert not ring.complaints()
    ring.close()
    broker.kill()


# ls


def test_ls_of_all(full):
    keys = done(full, "ls").decode().splitlines()
    assert sorted(keys) == sorted(NAMES + [str(n) for n in NUMBERS])
    numbers = [int(k) for k in keys if k.isdigit()]
    assert numbers == sorted(numbers)   # by id, over all nodes


def test_ls_of_a_prefix(full):
    for prefix, expected in (("name 49", [n for n in NAMES if n.startswith("name 49")]), ("other", []),
                             ("name 4999", ["name 4999"]), ("1", [])):
        assert sorted(done(full, "ls", prefix).decode().splitlines()) == sorted(expected)


@pytest.mark.parametrize("limit", [1, 10, 5000, 10001, 20000])
def test_ls_with_a_limit(full, limit):
    keys = done(full, "ls", "--limit", limit).split()
    assert len(done(full, "ls", "--limit", limit).splitlines()) == min(limit, 10001) and keys[0] == b"0"


def test_ls_in_columns_and_json(full, broker, ring):
    rows = [json.loads(line) for line in done(full, "ls", "--json").splitlines()]
    assert {r["key"] for r in rows} == set(NAMES + NUMBERS) and len(rows) == 10001
    owners = {n["id"] for n in json.loads(done(full, "ring", "--json"))["nodes"]}
    assert {r["owner"] for r in rows} == owners and len(owners) == 3
    nodes = {n["id"]: n for n in json.loads(done(full, "ring", "--json"))["nodes"]}
    for row in rows:
        if isinstance(row["key"], int):
            assert harness.in_arc(*nodes[row["owner"]]["arc"], row["key"])
    assert all(set(r) == {"key", "version", "owner"} for r in rows)
    ring(1)
    done(broker, "put", "short", "v", "--ttl", "1h")
    done(broker, "put", "long", "v")
    by_key = {r["key"]: r for r in map(json.loads, done(broker, "ls", "--json").splitlines())}
    assert 3500000 < by_key["short"]["life"] <= 3600000 and "life" not in by_key["long"]
    columns = {line.split()[-1]: line.split() for line in done(broker, "ls", "-l").decode().splitlines()}
    assert columns["long"] == [by_key["long"]["version"], "-", str(by_key["long"]["owner"]), "long"]
    assert columns["short"][1:3] == ["59", "min"] or columns["short"][1:3] == ["60", "min"]


def test_ls_writes_exact_bytes_to_a_pipe_and_none_that_drive_a_terminal(broker, ring):
    ring(2)
    names = [b"a\nb", b"\x1b[31mred", b"\xff\xfe", "ä€𐍈".encode(), b"\t tab", b"x" * 65536, b"back\\slash"]
    for name in names:
        subprocess.run([ctl_binary(), "-b", broker.url, "put", "--", name, "v"], check=True)
    assert sorted(done(broker, "ls", "-0").split(b"\0")) == sorted(names + [b""])
    assert sorted(done(broker, "ls", "--null", "--json").split(b"\0")[:-1]) == \
        sorted(done(broker, "ls", "--json").splitlines())
    assert sorted(done(broker, "ls").splitlines()) == sorted(b"\n".join(names).split(b"\n"))
    code, shown, _, err = Terminal(broker, "ls", stdout="tty").finish()
    lines = shown.split(b"\r\n")
    assert (code, err) == (0, b"") and len(lines) == len(names) + 1
    for escaped in (b"a\\x0ab", b"\\x1b[31mred", b"\\xff\\xfe", "ä€𐍈".encode(), b"\\x09 tab", b"back\\slash"):
        assert escaped in lines, lines
    found = {json.loads(line).get("key_base64") for line in done(broker, "ls", "--json").splitlines()}
    assert "//4=" in found


def test_ls_of_an_empty_ring_and_of_none(broker, ring):
    refuses(run(broker, "ls", "--timeout", "300ms"), TIMEOUT, "no answer to the listing", "id 0", "300ms", broker.url,
            "dhtctl ring")
    ring(1)
    assert done(broker, "ls") == b""
    assert done(broker, "ls", "any", "--json") == b""


def test_ls_that_cannot(full):
    refuses(run(NOWHERE, "ls"), UNREACHABLE, NOWHERE)
    refuses(run(full, "ls", "a", "b"), USAGE, "too many arguments", "ls [PREFIX]")
    refuses(run(full, "ls", "--limit", "0"), USAGE, "--limit")
    refuses(run(full, "ls", "--limit", "-1"), USAGE, "--limit")
    refuses(run(full, "get", "-l", "a"), USAGE, "'dhtctl get' has no option '--long'")
    refuses(run(full, "put", "--limit", "3", "a"), USAGE, "'dhtctl put' has no option '--limit'")
    for args in ([], ["--json"]):
        with open("/dev/full", "wb") as device:
            result = subprocess.run([ctl_binary(), "-b", full.url, "ls", *args], stdout=device, stderr=subprocess.PIPE)
        assert result.returncode == LOCAL
        assert b"cannot write to standard output: No space left on device" in result.stderr


def test_null_is_an_option_of_ls_alone(broker, ring):
    ring(1)
    done(broker, "put", "cold", "-0")
    assert done(broker, "get", "cold") == b"-0"


def test_a_reader_that_goes_away_ends_ls_silently(full):
    process = subprocess.Popen([ctl_binary(), "-b", full.url, "ls", "--json"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    assert process.stdout.read(1) == b"{"
    process.stdout.close()
    assert (process.wait(20 * PATIENCE), process.stderr.read()) == (-harness.signal.SIGPIPE, b"")
    process.stderr.close()


@pytest.mark.slow
def test_each_key_once_while_nodes_come_and_go(broker, ring):
    r = ring(3)
    put(broker, {k: b"v" for k in NAMES + NUMBERS})
    expected = sorted(NAMES + [str(n) for n in NUMBERS])
    going, listings, faults = True, 0, []

    def churn():
        try:
            for _ in range(4):
                node = r.add()
                r.wait_whole(4)
                node.leave()
        finally:
            nonlocal going
            going = False
    thread = threading.Thread(target=churn)
    thread.start()
    while going:
        keys = done(broker, "ls", "--timeout", "20s").decode().splitlines()
        listings += 1
        if sorted(keys) != expected:
            faults.append((len(keys), len(set(keys)), list(set(expected) - set(keys))[:5]))
    thread.join()
    assert not faults and listings > 4
    r.wait_whole(3)
    assert not r.complaints()
