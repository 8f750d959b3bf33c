"""dhtctl ls at a real ring: what is there."""
import json
import subprocess
import threading

import pytest

import harness
from dumps import exported
from fake_ring import plays
from harness import PATIENCE, ctl_binary, die_with_parent
from manners import LOCAL, NOWHERE, PARTLY, TIMEOUT, UNREACHABLE, USAGE, WRONG, Terminal, done, put_lines, refuses, run


NAMES = [f"name {i}" for i in range(5000)]
NUMBERS = [i * 858993 % 2 ** 32 for i in range(1, 5000)] + [0, 2 ** 32 - 1]


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Three nodes with 5,000 names and 5,001 numbers, which the tests only read."""
    folder = tmp_path_factory.mktemp("full")
    broker = harness.Broker(folder / "broker").start()
    ring = harness.Ring(broker, folder).start(3)
    put_lines(broker, {k: b"of %s" % str(k).encode() for k in NAMES + NUMBERS})
    yield broker
    assert not ring.complaints()
    ring.close()
    broker.kill()


def test_ls_of_all(full):
    keys = done(full, "ls").decode().splitlines()
    assert sorted(keys) == sorted(NAMES + [str(n) for n in NUMBERS])
    numbers = [int(k) for k in keys if k.isdigit()]
    assert numbers == sorted(numbers)   # by id, over all nodes


def test_ls_of_a_prefix(full):
    for prefix, expected in (("name 49", [n for n in NAMES if n.startswith("name 49")]), ("other", []),
                             ("name 4999", ["name 4999"]), ("1", [])):
        assert sorted(done(full, "ls", prefix).decode().splitlines()) == sorted(expected)


def test_count(full, broker):
    assert done(full, "count") == b"10001\n" and done(full, "count", "name 49") == b"111\n"
    assert json.loads(done(full, "count", "--json", "none")) == {"count": 0}
    refuses(run(full, "count", "x" * 70000), USAGE, "invalid prefix")
    refuses(run(broker, "count", "--timeout", "300ms"), TIMEOUT, "no answer to the listing from id 0", "is a ring there?")


def test_a_count_that_breaks_off_is_none(broker, fake):
    plays(fake, [4, [[1, 1, 1], [3, 1, 1]]])
    refuses(run(broker, "count", "--timeout", "300ms"), TIMEOUT, "no answer to the listing from id 4")


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
    for i in range(100):  # counters of one and of several digits
        done(broker, "put", f"k{i}", "v")
    assert len({len(line) - len(line.split()[-1]) for line in done(broker, "ls", "-l").decode().splitlines()}) == 1
    assert columns["short"][1:3] == ["59", "min"] or columns["short"][1:3] == ["60", "min"]


def test_ls_writes_exact_bytes_to_a_pipe_and_none_that_drive_a_terminal(broker, ring):
    ring(2)
    names = [b"a\nb", b"\x1b[31mred", b"\xff\xfe", "ä€𐍈".encode(), b"\t tab", b"x" * 65536, b"back\\slash"]
    for name in names:
        subprocess.run([ctl_binary(), "-b", broker.url, "put", "--", name, "v"], check=True)
    escaped = [b"a\\nb", b"\x1b[31mred", b"\xff\xfe", "ä€𐍈".encode(), b"\\t tab", b"x" * 65536, b"back\\\\slash"]
    assert sorted(done(broker, "ls", "-0").split(b"\0")) == sorted(names + [b""])
    assert sorted(done(broker, "ls", "--null", "--json").split(b"\0")[:-1]) == \
        sorted(done(broker, "ls", "--json").splitlines())
    assert sorted(done(broker, "ls").splitlines()) == sorted(escaped)
    code, shown, _, err = Terminal(broker, "ls", stdout="tty").finish()
    lines = shown.split(b"\r\n")
    assert (code, err) == (0, b"") and len(lines) == len(names) + 1
    for shown in (b"a\\nb", b"\\x1b[31mred", b"\\xff\\xfe", "ä€𐍈".encode(), b"\\t tab", b"back\\\\slash"):
        assert shown in lines, lines
    found = {json.loads(line).get("key_base64") for line in done(broker, "ls", "--json").splitlines()}
    assert "//4=" in found


def test_what_ls_prints_is_read_by_get_put_and_del(broker, ring):
    """Each key as itself: a name of digits is not the number, an escape within a name is none."""
    ring(2)
    names = [b"4242", b"0042", b"-1", b"+5", b" 7 ", b"\t8", b"9\n", b"4294967296", b"D:\\x41", b"D:A", b"C:\\temp", b"\\",
             b"\\x35", b"-", b"\xff", b"\xef\xbb\xbf", b"\xef\xbb\xbf5", "ä".encode()]
    for name in names:
        subprocess.run([ctl_binary(), "-b", broker.url, "put", "--name", "--", name, b"of " + name], check=True)
    for number in (4242, 0, 5):
        done(broker, "put", number, f"number {number}")
    keys = done(broker, "ls")
    assert b"4242\n" in keys and b"\\x34242\n" in keys
    assert done(broker, "ls", "4242") == b"\\x34242\n"
    pairs = run(broker, "get", "-", input=keys)
    assert (pairs.returncode, pairs.stderr) == (0, b"dhtctl: %d found\n" % (len(names) + 3))
    assert b"\n4242\tnumber 4242\n" in b"\n" + pairs.stdout and b"\n\\x34242\tof 4242\n" in b"\n" + pairs.stdout
    whole = exported(broker)
    assert whole == {**{n: b"of " + n for n in names}, **{n: b"number %d" % n for n in (4242, 0, 5)}}
    assert run(broker, "del", "-", input=done(broker, "ls", "4242") + done(broker, "ls", "D:\\x")).returncode == 0
    assert exported(broker) == {k: v for k, v in whole.items() if k not in (b"4242", b"D:\\x41")}
    assert run(broker, "del", "-", input=done(broker, "ls")).returncode == 0
    assert exported(broker) == {}
    assert run(broker, "put", "-", input=pairs.stdout).returncode == 0
    assert exported(broker) == whole


def test_ls_of_an_empty_ring_and_of_none(broker, ring):
    refuses(run(broker, "ls", "--timeout", "300ms"), TIMEOUT, "no answer to the listing", "id 0", "300ms", broker.url,
            "dhtctl ring")
    ring(1)
    assert done(broker, "ls") == b""
    assert done(broker, "ls", "any", "--json") == b""


@pytest.mark.parametrize("asked, meant", [("light/*", "light/"), ("light/#", "light/"), ("*", None), ("#", None)])
def test_a_star_that_begins_no_name_is_told(broker, ring, asked, meant):
    """Who knows shells, topics or 'watch' asks so, and would take the silence for an answer."""
    ring(1)
    done(broker, "put", "light/1", "on")
    for command, none in (("ls", b""), ("count", b"0\n")):
        result = run(broker, command, asked)
        other = f"'dhtctl {command} {meant}'" if meant else f"'dhtctl {command}'"
        assert (result.returncode, result.stdout) == (0, none) and other in result.stderr.decode(), result
        assert done(broker, command, asked, "--quiet") == none
    done(broker, "put", asked, "a name")
    assert done(broker, "ls", asked) == asked.encode() + b"\n" and done(broker, "count", asked) == b"1\n"


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
        assert b"cannot write to standard output: no space left on device" in result.stderr


@pytest.mark.parametrize("page, wrong", [
    (b"rubbish", ""), ([None, [[7, 1, 1], [7, 1, 1]]], "out of order"), ([0, []], "leads back"), ([], "too short"),
    ([None, [[b"", 1, 1]]], "no length"), ([None, [[2 ** 32, 1, 1]]], "above its bound")])
def test_ls_of_pages_that_no_ring_gives(broker, fake, page, wrong):
    plays(fake, page)
    refuses(run(broker, "ls"), WRONG, "cannot list on from id 0: its owner gave", wrong)
    plays(fake, [8, [[5, 1, 1]]], page)
    result = run(broker, "ls")
    assert (result.returncode, result.stdout) == (PARTLY, b"5\n") and b"from id 8" in result.stderr


def test_ls_and_export_that_break_off(broker, fake):
    plays(fake, [8, [[5, 1, 1]]])
    result = run(broker, "ls", "--timeout", "300ms")
    assert (result.returncode, result.stdout) == (PARTLY, b"5\n")
    assert b"no answer to the listing from id 8 on" in result.stderr
    plays(fake, [8, [[5, 1, 1, 0, b"v"]]])
    result = run(broker, "export", "--timeout", "300ms")
    assert (result.returncode, result.stderr.splitlines()[-1]) == (PARTLY, b"dhtctl: exported 1, and not what follows")
    assert result.stdout == b'{"key":5,"value":"v","version":"1/1"}\n'
    plays(fake, [None, [[5, 1, 1]]])
    refuses(run(broker, "export"), WRONG, "a page without values")


def test_watch_of_a_ring_that_answers_nonsense(broker, fake):
    plays(fake, *[b"rubbish"] * 1000)
    refuses(run(broker, "watch", "--timeout", "300ms"), TIMEOUT, "lets us watch")


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
    put_lines(broker, {k: b"v" for k in NAMES + NUMBERS})
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
