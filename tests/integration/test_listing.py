"""dhtctl ls, export and import at a real ring: what is there, and all of it out and in again."""
import base64
import io
import json
import os
import subprocess
import threading

import cbor2
import pytest

import harness
from fake_ring import plays
from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import (LOCAL, NOWHERE, PARTLY, TIMEOUT, UNREACHABLE, USAGE, WRONG, Terminal, done, put_lines, refuses,
                     run)


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
        key, value, life, _ = cbor2.load(stream)
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
    (b" ", "no JSON object"),
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
    (b'{"name":"a","value":"b","version":7}', "a version that is no \"NUMBER/COUNTER\""),
    (b'{"name":"a","value":"b","version":"7"}', "a version that is no \"NUMBER/COUNTER\""),
    (b'{"name":"a","value":"b","version":"7/"}', "a version that is no \"NUMBER/COUNTER\""),
    (b'{"name":"a","value":"b","version":"/7"}', "a version that is no \"NUMBER/COUNTER\""),
    (b'{"name":"a","value":"b","version":"7/-8"}', "a version that is no \"NUMBER/COUNTER\""),
    (b'{"name":"a","value":"b","version":"7/18446744073709551616"}', "a version that is no \"NUMBER/COUNTER\""),
    (b'{"name":"a","value":"b","version":"7/8","version":"7/9"}', "more than one version"),
    (b'{"name":"a","value":{}}', "an object or array within the object"),
]


def test_broken_lines_say_their_number_and_the_rest_is_loaded(full):
    good = b"".join(b'{"name":"%s","value":"of %s"}\n' % (n.encode(), n.encode()) for n in NAMES[:1000])
    for line, mistake in MISTAKES:
        last = imports(full, good + line + b"\n" + good, "--overwrite", code=PARTLY)
        assert last.startswith(f"imported 2000, failed 1 (first: line 1001: {mistake}"), last
    last = imports(full, good + b"\n".join(line for line, _ in MISTAKES), "--overwrite", code=PARTLY)
    assert last.startswith(f"imported 1000, failed {len(MISTAKES)} (first: line 1001: no JSON")
    reply = run(full, "import", "--overwrite", "--json", input=good + b"x\n")
    assert (reply.returncode, reply.stderr) == (PARTLY, b"")
    assert json.loads(reply.stdout) == {"imported": 1000, "kept": 0, "present": 0, "failed": 1, "whole": True,
                                        "first": "line 1001: no JSON object"}


def test_empty_lines_and_a_byte_order_mark_are_no_records(broker, ring):
    """Such as editors leave in files; lines are counted all the same."""
    ring(1)
    assert imports(broker, b'\xef\xbb\xbf{"name":"a","value":"1"}\n\n\n{"name":"b","value":"2"}\n\n') == \
        "imported 2, failed 0"
    assert imports(broker, b"\xef\xbb\xbf\n\nrubbish\n", code=LOCAL).startswith("imported 0, failed 1 (first: line 3: ")
    for lines, count in ((b"\xef\xbb\xbfc\t3\n\nd\t\xef\xbb\xbf\n\n", 2), (b"\n\n", 0), (b"\xef\xbb\xbf", 0)):
        result = run(broker, "put", "-", input=lines)
        assert (result.returncode, result.stderr) == (0, b"dhtctl: %d stored\n" % count)
    assert exported(broker) == {b"a": b"1", b"b": b"2", b"c": b"3", b"d": b"\xef\xbb\xbf"}
    assert run(broker, "get", "-", input=b"\xef\xbb\xbfc\n\na\n").stdout == b"c\t3\na\t1\n"


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
    for bad, mistake in ((b"\xff", "record 11: no CBOR"), (b"\x1c", "record 11: no CBOR"), (b"{}\n", "record 11: no CBOR"),
                         (cbor2.dumps([b"a"]), "record 11: no array of key"), (cbor2.dumps(7), "record 11: no array"),
                         (cbor2.dumps([2 ** 32, b""]), "record 11: a key is"),
                         (cbor2.dumps([b"", b""]), "record 11: a key"), (cbor2.dumps([b"a", 5]), "record 11: a value"),
                         (cbor2.dumps([b"a", b"", -1]), "record 11: a life"),
                         (cbor2.dumps([b"a", b"", 0, [7]]), "record 11: a version"),
                         (cbor2.dumps([b"a", b"", 0, [7, -8]]), "record 11: a version"),
                         (cbor2.dumps([b"a", b"", 0, "7/8"]), "record 11: a version"),
                         (cbor2.dumps([b"a", b"", 0, [7, 8], 9]), "record 11: no array of key"),
                         (b"\x82\x5b" + b"\xff" * 8, "record 11: cut short"),
                         (b"\x81" * 1000, "record 11: no CBOR")):
        last = imports(full, good + bad, "--overwrite", "--format", "cbor", code=PARTLY)
        assert last.split("(first: ")[1].startswith(mistake), bad
    others = [[7, b""], [8, b"", None], [9, "text", 60000], [10, b"", 0, None], [11, b"", None, [7, 8]]]
    assert imports(full, good + b"".join(map(cbor2.dumps, others)), "--overwrite", "--format", "cbor") == \
        "imported 15, failed 0"
    for key in (7, 8, 9, 10, 11):
        done(full, "del", key)


def test_the_other_format_is_seen_at_once(full):
    """What is JSON is not read to its end for a CBOR text of that length, and each says what it may be."""
    read, write = os.pipe()
    process = subprocess.Popen([ctl_binary(), "-b", full.url, "import", "--format", "cbor"], stdin=read,
                               stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    os.close(read)
    try:
        os.write(write, encoded("json", {b"a": b"b"}))   # and the pipe stays open
        error = process.communicate(timeout=20 * PATIENCE)[1]
    finally:
        os.close(write)
        process.kill()
    assert process.returncode == LOCAL
    assert b"record 1: no CBOR" in error and b"is it JSON lines? see --format" in error
    last = imports(full, encoded("cbor", {b"a": b"b", b"c": b"d"}), code=LOCAL)
    assert "line 1: no JSON object (is it CBOR? see --format)" in last


def test_import_and_export_that_cannot(full, tmp_path):
    refuses(run(full, "import", tmp_path / "none"), LOCAL, "cannot open", tmp_path / "none", "no such file")
    refuses(run(full, "import", "--format", "xml"), USAGE, "invalid --format 'xml'", "json or cbor")
    refuses(run(full, "export", "--format", "xml"), USAGE, "invalid --format 'xml'")
    refuses(run(full, "export", tmp_path / "none" / "file"), LOCAL, "cannot open", "no such file")
    refuses(run(NOWHERE, "import", input=b""), UNREACHABLE, NOWHERE)
    result = run(full, "import", tmp_path)
    assert result.returncode == LOCAL
    assert result.stderr.startswith(f"dhtctl: cannot read {tmp_path}: is a directory\n".encode())
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
    assert "line 1: no answer for key 'name 0'" in last
    result = run(broker, "import", "--json", "--timeout", "300ms", input=b'{"name_base64":"/w==","value":""}\n')
    assert "no answer for key '\\xff'" in json.loads(result.stdout.decode())["first"]
    assert last.endswith("a time-out ended it before the end of the input: import it again "
                         "(--resume if another ring wrote the file)\n")
    result = run(broker, "import", "--resume", "--timeout", "300ms", input=encoded("json", {n.encode(): b"" for n in NAMES}))
    assert result.stderr.endswith(b"a time-out ended it before the end of the input: go on with --resume\n")


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


def test_json_holds_nothing_that_drives_a_terminal(broker, ring):
    """U+0080 to U+009F do as ESC does; and what is no UTF-8 is none of a reason either."""
    ring(1)
    driving = "".join(map(chr, range(0xa1))).encode()[1:]
    assert imports(broker, encoded("json", {b"a" + driving: driving})) == "imported 1, failed 0"
    for args in (["ls", "--json"], ["export"], ["get", "-", "--json"]):
        out = run(broker, *args, input=done(broker, "ls")).stdout.decode()
        assert not {c for c in out if ord(c) < 32 or 0x7f <= ord(c) < 0xa0} - {"\n"}, out
        row = json.loads(out)
        assert row.get("key", row.get("name")) == "a" + driving.decode() and row.get("value") in (None, driving.decode())
    assert exported(broker) == {b"a" + driving: driving}


def test_progress_on_a_terminal_only(full, tmp_path):
    file = tmp_path / "all"
    code, shown, out, _ = Terminal(full, "export", file, stderr="tty").finish()
    assert (code, out) == (0, b"") and b"exporting [" in shown and b"/s" in shown and b" left" in shown
    assert shown.endswith(b"exported 10001\r\n")
    code, shown, out, _ = Terminal(full, "import", file, stderr="tty").finish()
    assert (code, out) == (0, b"") and b"importing [" in shown and b"/s" in shown
    assert shown.endswith(b"imported 0, kept 10001, failed 0\r\n")
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
            assert imports(broker, data, "--overwrite", "--format", "cbor") == f"imported {len(records)}, failed 0"
            for form in READERS:
                assert exported(broker, form) == records
    finally:
        going = False
        thread.join()
    assert not r.complaints()
