"""dhtctl's lines: several keys, and those of standard input, thousands on their way at once."""
import contextlib
import json
import os
import subprocess
import time

import pytest

import wire
from fake_ring import OPERATIONS, TOKEN, FakeRing
from harness import PATIENCE, ctl_binary, die_with_parent
from manners import LOCAL, NO, PARTLY, TIMEOUT, done, refuses, run


def test_several_keys_are_lines(kv, key):
    a, b, c = key, str(wire.random_key()), "tab\t" + key
    done(kv, "put", a, "plain")
    done(kv, "put", b, input=b"a\\b\tc\nd\0\xff")
    done(kv, "put", c, "")
    lines = done(kv, "get", c, a, b, a)
    assert lines == (f"tab\\t{key}\t\n{a}\tplain\n{b}\ta\\\\b\\tc\\nd\0".encode() + b"\xff\n"
                     + f"{a}\tplain\n".encode())
    done(kv, "del", a, b, c)
    refuses(run(kv, "get", a), NO)
    result = run(kv, "put", "-", input=lines)
    assert (result.returncode, result.stderr) == (0, b"dhtctl: 4 stored\n")
    assert done(kv, "get", b) == b"a\\b\tc\nd\0\xff"
    result = run(kv, "get", a, key + "none", b, "--json")
    assert result.returncode == PARTLY
    assert [r["status"] for r in map(json.loads, result.stdout.splitlines())] == ["done", "absent", "done"]
    result = run(kv, "get", a, key + "none")
    assert (result.returncode, result.stdout) == (PARTLY, f"{a}\tplain\n".encode())
    assert result.stderr == f"dhtctl: key '{key}none': absent\n".encode()
    result = run(kv, "get", key + "none", key + "none")
    assert (result.returncode, result.stderr.count(b"absent")) == (NO, 2)


def test_many_bulk_writes_one_behind_the_other(make_broker, make_ring):
    """What a node remembers of who has gone leaves room for the next: together they are more than it has rows."""
    url = make_ring(make_broker(), 1).broker.url
    lines = b"".join(b"many-%d\t%d\n" % (i, i) for i in range(10_000))
    for _ in range(40):
        result = subprocess.run([ctl_binary(), "-b", url, "put", "-", "--timeout", f"{2 * PATIENCE:g}s"], input=lines,
                                capture_output=True)
        assert (result.returncode, result.stderr) == (0, b"dhtctl: 10000 stored\n")


def test_ten_thousand_lines(kv, key):
    lines = b"".join(b"%s-%d\tvalue %d\n" % (key.encode(), i, i) for i in range(10_000))
    keys = b"".join(line.partition(b"\t")[0] + b"\n" for line in lines.splitlines())
    result = run(kv, "put", "-", "--timeout", "60s", input=lines)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"dhtctl: 10000 stored\n")
    result = run(kv, "get", "-", "--timeout", "60s", input=keys)
    assert (result.returncode, result.stderr) == (0, b"dhtctl: 10000 found\n")
    assert result.stdout == lines
    result = run(kv, "put", "-", "--if-absent", "--timeout", "60s", input=lines + b"%s-x\ty" % key.encode())
    assert result.returncode == PARTLY
    first = f"line 1: key '{key}-0': not stored: it is there"
    assert result.stderr.startswith(f"dhtctl: 1 stored, 10000 not (first: {first}".encode())
    result = run(kv, "del", "-", "--timeout", "60s", "--json", input=keys)
    assert result.returncode == 0
    assert {json.loads(line)["status"] for line in result.stdout.splitlines()} == {"done"}
    result = run(kv, "get", "-", "--timeout", "60s", "--quiet", input=keys)
    assert (result.returncode, result.stdout, result.stderr) == (NO, b"", b"")


def test_lines_of_long_values(kv, key):
    values = [os.urandom(size).hex().encode() for size in [2 << 20] * 12 + [10] * 20]
    lines = b"".join(b"%s-%d\t%s\n" % (key.encode(), i, value) for i, value in enumerate(values))
    assert run(kv, "put", "-", "--timeout", "60s", input=lines).returncode == 0
    keys = b"".join(b"%s-%d\n" % (key.encode(), i) for i in range(len(values)))
    assert run(kv, "get", "-", "--timeout", "60s", input=keys).stdout == lines


def test_lines_with_mistakes(kv, key):
    k = key.encode()
    lines = [k + b"a\t1", k + b"b", b"", b"\tx", b"-1\tx", b"x\\y\tx", k + b"\\x00\\xFF\t\\t\\\\\\n\\x0a", b"9\\x\t1"]
    result = run(kv, "put", "-", "--json", input=b"\n".join(lines))
    assert result.returncode == PARTLY
    assert result.stderr == b"dhtctl: 2 stored, 5 not (first: line 2: no tab between key and value)\n"
    replies = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r["status"] for r in replies] == ["done"] + ["mistake"] * 4 + ["done", "mistake"]
    assert [r.get("line") for r in replies] == [None, 2, 4, 5, 6, None, 8]
    assert replies[2]["mistake"] == "a key must not be empty"
    assert "--name" in replies[3]["mistake"] and "backslash" in replies[4]["mistake"]
    result = run(kv, "get", "-", input=k + b"\\x00\\xff")
    assert result.stdout == k + b"\0\xff\t\\t\\\\\\n\\n\n"
    result = run(kv, "put", "-", input=b"nothing\nright\n")
    assert result.returncode == LOCAL
    assert result.stderr == b"dhtctl: 0 stored, 2 not (first: line 1: no tab between key and value)\n"
    result = run(kv, "get", "-", input=b"")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"dhtctl: 0 found\n")


def test_lines_are_done_as_they_come(kv, key):
    process = subprocess.Popen([ctl_binary(), "-b", kv.url, "put", "-", "--json", "--timeout", "60s"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    for i in range(3):
        process.stdin.write(b"%s-%d\tx\n" % (key.encode(), i))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["key"] == f"{key}-{i}"
    process.stdin.close()
    assert process.wait(20 * PATIENCE) == 0
    process.stdout.close()


def test_lines_that_come_slowly(kv, key):
    """The time-out is each line's."""
    for args, line, word in ((("put", "-"), b"%s\tx\n", b"stored"), (("get", "-"), b"%s\n", b"found"),
                             (("del", "-"), b"%s\n", b"deleted")):
        process = subprocess.Popen([ctl_binary(), "-b", kv.url, *args, "--timeout", "700ms"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        process.stdin.write(line % (key.encode() + b"-1"))
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):  # it goes on waiting for twice its time-out
            process.wait(1.5)
        out, error = process.communicate(line % (key.encode() + b"-2"), timeout=20 * PATIENCE)
        assert (process.returncode, error) == (0, b"dhtctl: 2 %s\n" % word), (out, error)


def test_the_first_line_that_nobody_answers_in_time_ends_it(broker, fake):
    """However many there still are."""
    fake.before = lambda topic, request: len(fake.requests) < 20
    process = subprocess.Popen([ctl_binary(), "-b", broker.url, "put", "-", "--timeout", "700ms"], stdin=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    with contextlib.suppress(BrokenPipeError):
        for i in range(1_000_000):
            process.stdin.write(b"key-%d\tx\n" % i)
    error = process.communicate(timeout=20 * PATIENCE)[1].decode()
    assert process.returncode == PARTLY
    assert "no answer for key" in error and error.endswith("; a time-out ended it before the end of standard input\n")


def test_lines_of_owners_that_are_gone(broker):
    """They hold up no line of others, however many of all they are: of ten keys six are nobody's, and the first six."""
    ring = FakeRing(broker.port)
    keys = [b"key-%d" % i for i in range(3000)]
    alive = [key for key in keys if key[-1] >= ord("6")]
    ring.records = {key: b"here" for key in alive}

    def answer_for_the_living(topic, request):
        answers = [ring._execute(request, *op) for op in request[OPERATIONS] if op[2][-1] >= ord("6")]
        if answers:
            ring.answer_operations(topic, request, answers)
        return False

    ring.before = answer_for_the_living
    result = run(broker, "get", "-", "--timeout", "5s", input=b"\n".join(keys))
    assert result.returncode == PARTLY
    assert result.stdout == b"".join(key + b"\there\n" for key in alive)
    assert result.stderr.startswith(b"dhtctl: 1200 found, 1800 not (first: line 1: no answer for key 'key-0'"), result
    result = run(broker, "put", "-", "--timeout", "5s", input=b"".join(key + b"\tnew\n" for key in keys))
    assert result.returncode == PARTLY
    assert result.stderr.startswith(b"dhtctl: 1200 stored, 1800 not (first: line 1: "), result
    assert set(ring.records.values()) == {b"new"}
    ring.close()


def test_time_is_up_before_it_is_asked(broker, fake):
    """The second waits for the first, whose key it shares; if it began a millisecond later, that is what it is asked for."""
    fake.answers = False
    before = "dhtctl: key 'key': time was up before it was asked; it was not deleted"
    for _ in range(20):
        result = run(broker, "del", "key", "key", "--timeout", "600ms")
        assert result.returncode == TIMEOUT
        first, second = result.stderr.decode().splitlines()[:2]
        assert first.startswith("dhtctl: no answer for key 'key' at broker ")
        if second == before:
            break
        assert second.startswith("dhtctl: no answer for key 'key' at broker ")
    assert second == before
    assert {len(request[OPERATIONS]) for request in fake.requests} <= {1}


def one_key(count):
    return b"".join(b'{"key":7,"value":"%d"}\n' % i for i in range(count))


@pytest.mark.parametrize("answered", [600, 100])
def test_import_of_one_key(broker, fake, make_proxy, answered):
    """Each waits for the one ahead, at a distant broker, for three time-outs in all: its own begins when it is asked.
    Where nobody answers any more the rest does not wait for one time-out after the other."""
    values = []

    def before(topic, request):
        if len(values) == answered:
            return False
        if TOKEN in request:
            values.extend(int(value) for _, _, _, value in request[OPERATIONS])
        return True

    fake.before = before
    line = make_proxy()
    line.delay = 0.0025
    since = time.monotonic()
    result = run(line, "import", "--overwrite", "--timeout", "1s", input=one_key(600), timeout=60)
    assert values == list(range(answered))
    if answered == 600:
        assert (result.returncode, result.stderr) == (0, b"dhtctl: imported 600, failed 0\n")
    else:
        assert result.returncode == PARTLY
        assert result.stderr.startswith(b"dhtctl: imported 100, failed 500 (first: line 101: "), result
        assert time.monotonic() - since < 20
