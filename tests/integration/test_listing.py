"""dhtctl ls, export, import and watch at a real ring: what is there, all of it out and in again, and what changes."""
import base64
import io
import json
import os
import random
import subprocess
import threading

import cbor2
import pytest

import harness
from fake_ring import OPERATIONS, STATUSES
from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import LOCAL, NOWHERE, PARTLY, TIMEOUT, UNREACHABLE, USAGE, WRONG, Terminal, refuses, run


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
        assert b"cannot write to standard output: no space left on device" in result.stderr


def plays(fake, *pages):
    """The played ring gives these pages, one after another, and then says nothing."""
    left = list(pages)

    def answer(topic, request):
        if left:
            page = left.pop(0)
            value = page if isinstance(page, bytes) else cbor2.dumps(page)
            fake.answer_operations(topic, request, [[request[OPERATIONS][0][0], STATUSES["ANSWER_DONE"], 1, value]])
        return False
    fake.before = answer


@pytest.mark.parametrize("page, wrong", [
    (b"rubbish", ""), ([None, [[7, 1, 1], [7, 1, 1]]], "out of order"), ([0, []], "leads back"), ([], "too short"),
    ([None, [[b"", 1, 1]]], "no length"), ([None, [[2 ** 32, 1, 1]]], "above its bound")])
def test_ls_of_pages_that_no_ring_gives(broker, fake, page, wrong):
    plays(fake, page)
    refuses(run(broker, "ls"), WRONG, "cannot list on from id 0: its owner gave", wrong)
    plays(fake, [8, [[5, 1, 1]]], page)
    result = run(broker, "ls")
    assert (result.returncode, result.stdout) == (PARTLY, b"5\n") and b"from id 8" in result.stderr


def test_ls_and_export_that_break_off(broker, fake, tmp_path):
    plays(fake, [8, [[5, 1, 1]]])
    result = run(broker, "ls", "--timeout", "300ms")
    assert (result.returncode, result.stdout) == (PARTLY, b"5\n")
    assert b"no answer to the listing from id 8 on" in result.stderr
    plays(fake, [8, [[5, 1, 1, 0, b"v"]]])
    result = run(broker, "export", tmp_path / "file", "--timeout", "300ms")
    assert (result.returncode, result.stderr.splitlines()[-1]) == (PARTLY, b"dhtctl: exported 1, and not what follows")
    assert (tmp_path / "file").read_bytes() == b'{"key":5,"value":"v"}\n'
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


# export and import


BINARY = {b"plain": b"value", b"\xff\xfe": bytes(range(256)), b"x" * 65536: b"", b"\x80" * 65536: b"\0" * 100,
          b"line\nbreak \x01": b"\x1b\n\t\"\\", "ä€𐍈".encode(): "ä€𐍈".encode(), b"5": b"a name of a digit",
          b"large": os.urandom(1 << 20), b"controls": b"\x01" * 300000, 5: b"the number", 0: b"0", 2 ** 32 - 1: b"\xff"}


def as_json(key, value, **more):
    def field(name, data):
        try:
            return {name: data.decode()}
        except UnicodeDecodeError:
            return {name + "_base64": base64.b64encode(data).decode()}
    return {**({"key": key} if isinstance(key, int) else field("name", key)), **field("value", value), **more}


def of_json(text):
    """{key: (value, life)}"""
    found = {}
    for line in text.splitlines():
        row = json.loads(line)
        key = row["key"] if "key" in row else base64.b64decode(row["name_base64"]) if "name_base64" in row \
            else row["name"].encode()
        value = base64.b64decode(row["value_base64"]) if "value_base64" in row else row["value"].encode()
        assert key not in found
        found[key] = value, row.get("life", 0)
    return found


def of_cbor(data):
    stream, found = io.BytesIO(data), {}
    while stream.tell() < len(data):
        key, value, life = cbor2.load(stream)
        assert key not in found
        found[key] = value, life
    return found


READERS = {"json": of_json, "cbor": of_cbor}


def encoded(form, records):
    if form == "cbor":
        return b"".join(cbor2.dumps([k, v, 0]) for k, v in records.items())
    return "".join(json.dumps(as_json(k, v)) + "\n" for k, v in records.items()).encode()


def exported(broker, form="json"):
    result = run(broker, "export", "--format", form, "--timeout", "20s")
    assert result.returncode == 0, result.stderr
    found = READERS[form](result.stdout)
    assert result.stderr == b"dhtctl: exported %d\n" % len(found)
    return {key: value for key, (value, _) in found.items()}


def imports(broker, data, *args, code=0):
    """Its last line."""
    result = run(broker, "import", "--timeout", "20s", *args, input=data, timeout=60)
    assert (result.returncode, result.stdout) == (code, b""), result
    lines = result.stderr.decode().splitlines()
    assert lines[-1].startswith("dhtctl: imported ")
    return lines[-1][len("dhtctl: "):]


def empty(broker):
    keys = done(broker, "ls", "-0").split(b"\0")[:-1]
    for key in keys:
        subprocess.run([ctl_binary(), "-b", broker.url, "-q", "del", "--", key], check=key != b"5")
        if key == b"5":
            run(broker, "del", "--name", "5")
    assert done(broker, "ls") == b""


@pytest.mark.parametrize("there", ["json", "cbor"])
@pytest.mark.parametrize("back", ["json", "cbor"])
def test_there_and_back(broker, ring, there, back, tmp_path):
    """Binary values, names of 64 KiB, and what other programs write."""
    ring(3)
    assert imports(broker, encoded(there, BINARY), "--format", there) == f"imported {len(BINARY)}, failed 0"
    assert exported(broker, back) == BINARY
    file = tmp_path / "all"
    result = run(broker, "export", file, "--format", back)
    assert (result.returncode, result.stdout) == (0, b"")
    if back == there:
        empty(broker)
        result = run(broker, "import", file, "--format", back)
        assert (result.returncode, result.stderr.decode()) == (0, f"dhtctl: imported {len(BINARY)}, failed 0\n")
        assert exported(broker, there) == BINARY


def test_lives_go_with_records(broker, ring):
    ring(2)
    done(broker, "put", "short", "v", "--ttl", "1h")
    done(broker, "put", "long", "v")
    for form in READERS:
        out = run(broker, "export", "--format", form).stdout
        found = READERS[form](out)
        assert 3500000 < found[b"short"][1] <= 3600000 and found[b"long"] == (b"v", 0)
        done(broker, "del", "short")
        imports(broker, out, "--format", form)
        assert 3500000 < READERS[form](run(broker, "export", "--format", form).stdout)[b"short"][1] <= 3600000
    imports(broker, b'{"name":"blink","value":"v","life":1}\n')
    wait_for("its end", lambda: run(broker, "get", "blink").returncode == 1)


def test_what_get_and_ls_print_is_read(broker, ring):
    ring(1)
    for key, value in (("a", b"1"), ("b", b"\xff"), (7, b"3")):
        done(broker, "put", key, input=value)
    lines = done(broker, "get", "--json", "a", "b", 7)
    done(broker, "del", "a", "b", 7)
    assert imports(broker, lines + b'{"key":"c","value":"4","unknown":true}\n') == "imported 4, failed 0"
    assert exported(broker) == {b"a": b"1", b"b": b"\xff", 7: b"3", b"c": b"4"}


MISTAKES = [
    (b"", "no JSON object"),
    (b"rubbish", "no JSON object"),
    (b'{"name":"a","value":"b"', "an object without its end"),
    (b'{"name":"a"}', "no value in it"),
    (b'{"value":"a"}', "no key in it"),
    (b'{"name":"","value":"a"}', "a name has 1 to 65536 bytes"),
    (b'{"name":"' + b"x" * 65537 + b'","value":"a"}', "a name has 1 to 65536 bytes"),
    (b'{"name":5,"value":"a"}', "a name that is no string"),
    (b'{"name":"a","key":5,"value":"a"}', "more than one key"),
    (b'{"key":4294967296,"value":"a"}', "a key is a number from 0 to 4294967295"),
    (b'{"key":-1,"value":"a"}', "a key is a number from 0 to 4294967295"),
    (b'{"name":"a","value":5}', "a value that is no string"),
    (b'{"name":"a","value_base64":"x"}', "a value that is no base64"),
    (b'{"name_base64":"x","value":""}', "a name that is no base64"),
    (b'{"name":"a","value":"\xff"}', "a string that is no UTF-8"),
    (b'{"name":"a","value":"b","life":-5}', "a life that is no number of milliseconds"),
    (b'{"name":"a","value":{}}', "an object or array within the object"),
]


def test_broken_lines_say_their_number_and_the_rest_is_loaded(full):
    good = b"".join(b'{"name":"%s","value":"of %s"}\n' % (n.encode(), n.encode()) for n in NAMES[:1000])
    for line, mistake in MISTAKES:
        last = imports(full, good + line + b"\n" + good, code=PARTLY)
        assert last.startswith(f"imported 2000, failed 1 (first: line 1001: {mistake}"), last
    last = imports(full, good + b"\n".join(line for line, _ in MISTAKES), code=PARTLY)
    assert last.startswith(f"imported 1000, failed {len(MISTAKES)} (first: line 1001: no JSON")
    reply = run(full, "import", "--json", input=good + b"x\n")
    assert (reply.returncode, reply.stderr) == (PARTLY, b"")
    assert json.loads(reply.stdout) == {"imported": 1000, "present": 0, "failed": 1, "whole": True,
                                        "first": "line 1001: no JSON object"}


@pytest.mark.parametrize("form", READERS)
def test_a_file_broken_in_the_middle_and_resumed(broker, ring, form, tmp_path):
    """What was loaded stays; once the file is mended, --resume loads the rest and leaves alone what is there."""
    ring(3)
    records = {f"name {i}".encode(): b"v%d" % i for i in range(2000)}
    whole = encoded(form, records)
    cut = len(encoded(form, dict(list(records.items())[:1000]))) + 5
    file = tmp_path / "records"
    file.write_bytes(whole[:cut])
    unit = {"json": "line", "cbor": "record"}[form]
    result = run(broker, "import", file, "--format", form)
    last = result.stderr.decode()
    assert result.returncode == PARTLY
    assert last.startswith(f"dhtctl: imported 1000, failed 1 (first: {unit} 1001: "), last
    assert exported(broker) == dict(list(records.items())[:1000])
    done(broker, "put", "name 5", "changed since")
    file.write_bytes(whole)
    result = run(broker, "import", file, "--format", form, "--resume")
    assert (result.returncode, result.stderr) == (0, b"dhtctl: imported 1000, 1000 there already, failed 0\n")
    assert exported(broker) == {**records, b"name 5": b"changed since"}


def test_cbor_that_is_none(full):
    good = encoded("cbor", {n.encode(): b"of %s" % n.encode() for n in NAMES[:10]})
    for bad, mistake in ((b"\xff", "record 11: no CBOR"), (b"\x1c", "record 11: no CBOR"), (b"{}\n", "record 11:"),
                         (cbor2.dumps([b"a"]), "record 11: no array of key"), (cbor2.dumps(7), "record 11: no array"),
                         (cbor2.dumps([2 ** 32, b""]), "record 11: a key is"),
                         (cbor2.dumps([b"", b""]), "record 11: a key"), (cbor2.dumps([b"a", 5]), "record 11: a value"),
                         (cbor2.dumps([b"a", b"", -1]), "record 11: a life"),
                         (b"\x82\x5b" + b"\xff" * 8, "record 11: cut short"),
                         (b"\x81" * 1000, "record 11: no CBOR")):
        assert imports(full, good + bad, "--format", "cbor", code=PARTLY).split("(first: ")[1].startswith(mistake), bad
    assert imports(full, good + cbor2.dumps([7, b""]) + cbor2.dumps([8, b"", None]) + cbor2.dumps([9, "text", 60000]),
                   "--format", "cbor") == "imported 13, failed 0"
    for key in (7, 8, 9):
        done(full, "del", key)


def test_import_and_export_that_cannot(full, tmp_path):
    refuses(run(full, "import", tmp_path / "none"), LOCAL, "cannot open", tmp_path / "none", "no such file")
    refuses(run(full, "import", "--format", "xml"), USAGE, "invalid --format 'xml'", "json or cbor")
    refuses(run(full, "export", "--format", "xml"), USAGE, "invalid --format 'xml'")
    refuses(run(full, "export", tmp_path / "none" / "file"), LOCAL, "cannot open", "no such file")
    refuses(run(NOWHERE, "import", input=b""), UNREACHABLE, NOWHERE)
    kept = tmp_path / "kept"
    kept.write_text("of old")
    refuses(run(NOWHERE, "export", kept), UNREACHABLE, NOWHERE)
    assert kept.read_text() == "of old"
    code, _, out, err = Terminal(full, "export", "--format", "cbor", stdout="tty").finish()
    assert code == USAGE and b"not for a terminal" in err


def test_no_ring_to_export_or_import(broker, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("of old")
    refuses(run(broker, "export", kept, "--timeout", "300ms"), TIMEOUT, "no answer to the listing")
    assert kept.read_text() == "of old"
    result = run(broker, "import", "--timeout", "300ms", input=encoded("json", {n.encode(): b"" for n in NAMES}))
    last = result.stderr.decode()
    assert result.returncode == TIMEOUT and "imported 0, failed" in last
    assert "line 1: no answer for key 'name 0'" in last and "a time-out ended it" in last and "--resume" in last


@pytest.mark.parametrize("form", READERS)
def test_a_full_disk(full, form):
    refuses(run(full, "export", "/dev/full", "--format", form), LOCAL,
            "cannot write /dev/full: no space left on device")
    with open("/dev/full", "wb") as device:
        result = subprocess.run([ctl_binary(), "-b", full.url, "export", "--format", form], stdout=device,
                                stderr=subprocess.PIPE)
    assert result.returncode == LOCAL
    assert b"cannot write to standard output: no space left on device" in result.stderr


def test_export_tells_a_program(full, tmp_path):
    result = run(full, "export", tmp_path / "all", "--json")
    assert (result.returncode, result.stderr) == (0, b"")
    assert json.loads(result.stdout) == {"exported": 10001, "whole": True}
    assert (tmp_path / "all").read_bytes().count(b"\n") == 10001


def test_progress_on_a_terminal_only(full, tmp_path):
    file = tmp_path / "all"
    code, shown, out, _ = Terminal(full, "export", file, stderr="tty").finish()
    assert (code, out) == (0, b"") and b"exporting [" in shown and b"/s" in shown and b" left" in shown
    assert shown.endswith(b"exported 10001\r\n")
    code, shown, out, _ = Terminal(full, "import", file, stderr="tty").finish()
    assert (code, out) == (0, b"") and b"importing [" in shown and b"/s" in shown
    assert shown.endswith(b"imported 10001, failed 0\r\n")
    code, shown, _, _ = Terminal(full, "export", file, "--quiet", stderr="tty").finish()
    assert (code, shown) == (0, b"")


@pytest.mark.slow
def test_nothing_is_lost_while_nodes_come_and_go(broker, ring):
    """Import and export over a ring that changes all the time."""
    r = ring(3)
    records = {f"name {i}".encode(): b"v%d" % i for i in range(30000)}
    records |= {i * 40503 % 2 ** 32: b"n" for i in range(10000)}
    data = encoded("cbor", records)
    going, turns = True, 0

    def churn():
        nonlocal turns
        while going:
            node = r.add()
            r.wait_whole(4)
            node.leave()
            turns += 1
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        while turns < 4:
            assert imports(broker, data, "--format", "cbor") == f"imported {len(records)}, failed 0"
            for form in READERS:
                assert exported(broker, form) == records
    finally:
        going = False
        thread.join()
    assert not r.complaints()


# watch


class Watch:
    """dhtctl watch, from when it says that it has begun."""

    def __init__(self, broker, *args):
        self.process = subprocess.Popen([ctl_binary(), "-b", broker.url, "watch", *map(str, args)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        self.lines, self.errors, self.begun = [], [], threading.Event()
        self.threads = [threading.Thread(target=self.read, args=a) for a in
                        ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for thread in self.threads:
            thread.start()

    def read(self, stream, lines):
        for line in stream:
            lines.append(line.rstrip(b"\n"))
            if line.startswith(b"dhtctl: watching"):
                self.begun.set()

    def wait_begun(self):
        assert self.begun.wait(20 * PATIENCE), self.errors
        return self

    def wait_lines(self, n):
        wait_for(lambda: f"{n} lines: {self.lines[-5:]} {self.errors}", lambda: len(self.lines) >= n)
        return self.lines

    def end(self):
        """The exit code; what it has printed is in lines."""
        code = self.process.wait(20 * PATIENCE)
        for thread in self.threads:
            thread.join()
        return code

    def interrupt(self):
        self.process.send_signal(harness.signal.SIGINT)
        return self.end()


@pytest.fixture
def watch(broker):
    made = []

    def make(*args):
        made.append(Watch(broker, *args))
        return made[-1].wait_begun()
    yield make
    for w in made:
        w.process.kill()
        w.end()


def test_watch_of_one_key(broker, ring, watch):
    ring(3)
    w = watch("mine")
    done(broker, "put", "other", "x")
    done(broker, "put", "mine", input=b"a\tb\\\n\xff")
    assert w.wait_lines(1) == [b"put\tmine\ta\\tb\\\\\\n\xff"]   # flushed
    done(broker, "put", "mine", "1")
    done(broker, "incr", "mine")
    w.wait_lines(3)
    done(broker, "del", "mine")
    w.wait_lines(4)
    done(broker, "put", "mine", "")
    assert w.wait_lines(5)[1:] == [b"put\tmine\t1", b"put\tmine\t2", b"del\tmine", b"put\tmine\t"]
    assert w.interrupt() == -harness.signal.SIGINT and w.errors == [b"dhtctl: watching; Ctrl-C ends it"]


def test_watch_of_prefixes_numbers_and_all(broker, ring, watch):
    ring(2)
    prefix, number, name, everything = watch("light/*"), watch(5), watch("--name", "a*"), watch("--json")
    for key in ("light/1", "lamp", "light/2", "light/", "a*", "ab"):
        done(broker, "put", key, "v")
    done(broker, "put", 5, "v")
    done(broker, "put", "--name", "5", "v")
    assert sorted(prefix.wait_lines(3)) == [b"put\tlight/\tv", b"put\tlight/1\tv", b"put\tlight/2\tv"]
    assert number.wait_lines(1) == [b"put\t5\tv"] and name.wait_lines(1) == [b"put\ta*\tv"]
    events = [json.loads(line) for line in everything.wait_lines(8)]
    assert [e["key"] for e in events] == ["light/1", "lamp", "light/2", "light/", "a*", "ab", 5, "5"]
    assert all(set(e) == {"event", "key", "value", "version"} and e["event"] == "put" for e in events)
    for w in (prefix, number, name, everything):
        assert w.interrupt() == -harness.signal.SIGINT
    assert (len(prefix.lines), len(number.lines), len(name.lines), len(everything.lines)) == (3, 1, 1, 8)


def test_watch_tells_lives_and_their_end(broker, ring, watch):
    ring(1)
    w = watch("short", "--json", "-C", 2)
    done(broker, "put", "short", "v", "--ttl", "300ms")
    assert w.end() == 0
    put, gone = map(json.loads, w.lines)
    assert put["event"] == "put" and 0 < put["life"] <= 300
    assert gone["event"] == "del" and set(gone) == {"event", "key", "version"}


def test_watch_begins_with_what_is_there(broker, ring, watch):
    ring(3)
    put(broker, {f"key {i}": b"v%d" % i for i in range(3000)} | {9: b"number"})
    everything, prefix = watch("--initial"), watch("--initial", "key 29*", "-C", "112")
    one, none = watch("--initial", "key 5"), watch("--initial", "absent")
    assert set(everything.wait_lines(3001)) == {b"put\tkey %d\tv%d" % (i, i) for i in range(3000)} | {b"put\t9\tnumber"}
    assert one.wait_lines(1) == [b"put\tkey 5\tv5"]
    for key in ("absent", "key 290000"):
        done(broker, "put", key, "now")
    assert none.wait_lines(1) == [b"put\tabsent\tnow"]
    assert prefix.end() == 0 and len(prefix.lines) == 112 and prefix.lines[-1] == b"put\tkey 290000\tnow"
    assert set(everything.wait_lines(3003)[3001:]) == {b"put\tabsent\tnow", b"put\tkey 290000\tnow"}


def test_watch_ends_when_nothing_happens(broker, ring, watch):
    ring(1)
    w = watch("--idle", "500ms")
    done(broker, "put", "a", "v")
    assert w.end() == TIMEOUT and w.lines == [b"put\ta\tv"]


def test_watch_that_cannot(broker, ring):
    refuses(run(NOWHERE, "watch"), UNREACHABLE, NOWHERE)
    refuses(run(broker, "watch", "--timeout", "300ms"), TIMEOUT, "nobody", "lets us watch", "300ms", "dhtctl ring")
    refuses(run(broker, "watch", "a", "b"), USAGE, "too many arguments", "watch [KEY|PREFIX*]")
    refuses(run(broker, "watch", ""), USAGE, "must not be empty")
    refuses(run(broker, "watch", "-5"), USAGE, "a number is a decimal")
    refuses(run(broker, "watch", "-C", "0"), USAGE, "--count")
    refuses(run(broker, "get", "-C", "1", "a"), USAGE, "'dhtctl get' has no option '--count'")
    ring(1)
    done(broker, "put", "a", "v")
    with open("/dev/full", "wb") as device:
        result = subprocess.run([ctl_binary(), "-b", broker.url, "watch", "-q", "--initial"], stdout=device,
                                stderr=subprocess.PIPE)
    assert result.returncode == LOCAL and b"cannot write to standard output: no space left" in result.stderr


def test_a_reader_that_goes_away_ends_watch_silently(broker, ring):
    ring(1)
    process = subprocess.Popen([ctl_binary(), "-b", broker.url, "watch", "-q"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    process.stdout.close()

    def ended():
        run(broker, "put", "a", "v")
        return process.poll() is not None
    wait_for("its end", ended)
    assert (process.returncode, process.stderr.read()) == (-harness.signal.SIGPIPE, b"")
    process.stderr.close()


@pytest.mark.slow
def test_every_change_is_seen_while_nodes_come_and_go(broker, ring, watch):
    """And no gap is told: who watches moves with the arcs."""
    r = ring(3)
    everything, one = watch("--json"), watch("one")
    going, written = True, 0

    def churn():
        nonlocal going
        try:
            for _ in range(4):
                node = r.add()
                r.wait_whole(4)
                node.leave()
        finally:
            going = False
    thread = threading.Thread(target=churn)
    thread.start()
    while going or written < 1000:
        put(broker, {f"key {i}": b"v" for i in range(written, written + 100)})
        written += 100
        done(broker, "put", "one", written)
    thread.join()
    seen = [json.loads(line) for line in everything.wait_lines(written + written // 100)]
    assert {e.get("key") for e in seen} == {f"key {i}" for i in range(written)} | {"one"}
    assert [line for line in one.wait_lines(written // 100)] == [b"put\tone\t%d" % i
                                                                for i in range(100, written + 1, 100)]
    assert len(seen) == written + written // 100   # each once, and not a single gap


@pytest.mark.slow
def test_a_gap_is_told_when_an_owner_is_killed(broker, ring, watch):
    r = ring(4)
    put(broker, {f"key {i}": b"v" for i in range(100)})
    owner = json.loads(done(broker, "get", "--json", "key 5"))["owner"]
    everything, its, others = watch(), watch("key 5"), watch("nobody's", "--json")
    spared = json.loads(run(broker, "put", "nobody's", "v", "--json").stdout)["owner"] != owner
    r.by_id(owner).kill()
    r.wait_whole(3)
    wait_for("the gaps", lambda: any(line.startswith(b"gap\t") for line in everything.lines + its.lines))
    assert [line[:4] for line in its.wait_lines(1)] == [b"gap\t"] and b"dhtctl get" in its.lines[0]
    wait_for("the gap", lambda: [line for line in everything.lines if line.startswith(b"gap\t")])
    put(broker, {f"key {i}": b"w" for i in range(100)})
    wait_for("all that follows", lambda: {line for line in everything.lines if line.endswith(b"\tw")}
             == {b"put\tkey %d\tw" % i for i in range(100)})
    assert sum(line.startswith(b"gap\t") for line in everything.lines) == 1, everything.lines
    assert its.wait_lines(2)[1] == b"put\tkey 5\tw"
    if spared:
        assert not [line for line in others.lines if b'"gap"' in line]


def test_a_gap_is_told_when_the_broker_was_away(broker, ring, watch):
    r = ring(2)
    w = watch("--json")
    done(broker, "put", "a", "1")
    w.wait_lines(1)
    broker.restart()
    r.wait_whole(2)
    wait_for("the gap", lambda: len(w.lines) == 2)
    assert json.loads(w.lines[1]) == {"event": "gap", "todo": "list it again: dhtctl export, or ls"}
    done(broker, "put", "a", "2")
    assert json.loads(w.wait_lines(3)[2])["value"] == "2"


@pytest.mark.slow
def test_a_watcher_that_does_not_read_is_told_of_a_gap(make_broker, make_ring):
    """What its broker gave up for it; and it goes on."""
    broker = make_broker(settings="max_queued_messages 100")
    r = make_ring(broker, 1)
    w = Watch(broker, "--json").wait_begun()
    try:
        w.process.send_signal(harness.signal.SIGSTOP)
        value = "v" * 20000
        for turn in range(8):
            put(broker, {f"key {turn} {i}": value.encode() for i in range(200)})
        w.process.send_signal(harness.signal.SIGCONT)
        wait_for("the gap", lambda: run(broker, "put", "now", "v") and any(b'"gap"' in line for line in w.lines), 40)
        done(broker, "put", "last", "v")
        wait_for("the last", lambda: b'"last"' in w.lines[-1])
    finally:
        w.process.kill()
        w.end()
    assert not r.complaints()


class Copy:
    """The ring's keys and versions, kept as the manual has it: list, follow the events, list again at each gap."""

    def __init__(self, broker, watch):
        self.broker, self.watch, self.read, self.gaps = broker, watch, 0, 0
        self.versions = self.listed()

    def listed(self):
        rows = map(json.loads, done(self.broker, "ls", "--json", "--timeout", "30s").splitlines())
        return {row["key"]: self.version(row) for row in rows}

    @staticmethod
    def version(row):
        return tuple(map(int, row["version"].split("/")))

    def follow(self):
        while self.read < len(self.watch.lines):
            event = json.loads(self.watch.lines[self.read])
            self.read += 1
            if event["event"] == "gap":
                self.gaps += 1
                self.versions = self.listed()
            elif self.version(event) >= self.versions.get(event["key"], (0, 0)):
                self.versions[event["key"]] = self.version(event)
                if event["event"] == "del":
                    del self.versions[event["key"]]
        return self.versions


@pytest.mark.slow
def test_a_copy_kept_by_watching_is_right_whatever_happens(broker, ring, watch):
    """Nodes join, leave and die while keys are written and deleted: what is missed lies ahead of a gap."""
    r = ring(4)
    copy, dice, going = Copy(broker, watch("--json")), random.Random(harness.PATIENCE), True

    def write():
        while going:
            keys = [f"key {dice.randrange(300)}" for _ in range(20)]
            run(broker, "put", "-", "--timeout", "20s", input="".join(f"{k}\tv\n" for k in keys).encode(), timeout=60)
            run(broker, "del", "--timeout", "20s", *keys[:5], timeout=60)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(4):
            r.add()
            r.wait_whole(5, 40)
            copy.follow()
            victim = dice.choice(r.living())
            if turn % 2:
                victim.leave()
            else:
                victim.kill()
            r.wait_whole(4, 40)
            copy.follow()
    finally:
        going = False
        writer.join()
    wait_for("the copy to be right", lambda: copy.follow() == copy.listed())
    assert 1 <= copy.gaps <= 2   # one for both, if the second died before all was watched again
