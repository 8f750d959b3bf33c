"""dhtctl export and import at a real ring: all that is there out and in again."""
import json
import os
import re
import subprocess
import threading
import time

import cbor2
import pytest

from dumps import READERS, encoded, exported
from fake_ring import plays
from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import LOCAL, NOWHERE, PARTLY, TIMEOUT, UNREACHABLE, USAGE, Terminal, done, refuses, run
from test_listing import NAMES, full  # noqa: F401


BINARY = {b"plain": b"value", b"\xff\xfe": bytes(range(256)), b"x" * 65536: b"", b"\x80" * 65536: b"\0" * 100,
          b"line\nbreak \x01": b"\x1b\n\t\"\\", "ä€𐍈".encode(): "ä€𐍈".encode(), b"5": b"a name of a digit",
          b"large": os.urandom(1 << 20), b"controls": b"\x01" * 300000, 5: b"the number", 0: b"0", 2 ** 32 - 1: b"\xff"}


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


@pytest.mark.parametrize("columns", [80, 40, 20])
def test_progress_fits_its_terminal(broker, ring, tmp_path, columns):
    """A line that the terminal breaks in two is not wiped by the next."""
    ring(2)
    (tmp_path / "all").write_bytes(encoded("json", {n.encode(): b"v" for n in NAMES}))
    for args in (["import", tmp_path / "all"], ["export", "/dev/null"], ["scrub"], ["demo"],
                 ["bench", "--keys", 2000, "--ops", 20000]):
        terminal = Terminal(broker, *args, stderr="tty", screen=(24, columns))
        code, shown, _, _ = terminal.finish()
        drawn = [piece.removeprefix("\x1b[K") for piece in shown.decode().split("\r") if "\n" not in piece]
        drawn = [piece for piece in drawn if piece and not piece.startswith("dhtctl: ")]
        assert code == 0 and drawn and max(map(len, drawn)) < columns, (args, drawn)


def test_progress_has_no_part_of_a_word(broker, fake):
    asked = []

    def answer(key, value):
        asked.append(time.monotonic())
        wait_for("it is to be drawn again (progress.c, REDRAW_MS)",
                 lambda: len(asked) != 60 or time.monotonic() > asked[-1] + 0.1)
        return value
    fake.answer = answer
    code, shown, _, _ = Terminal(broker, "demo", stderr="tty", screen=(24, 24)).finish()
    drawn = re.findall(r"[gp][eu]t +(\d+) % ([^\r]*)", shown.decode())
    assert code == 0 and any(50 <= int(share) < 100 for share, _ in drawn), shown
    assert all(re.fullmatch(r"\d+, \d+/s(, \d+ \w+ left)?", rest) for _, rest in drawn), drawn


def test_nobody_knows_the_end_at_the_beginning(broker, fake):
    """One record, 42, of 2^32 ids: 28 hours were left."""
    plays(fake, [None, [[42, 1, 1, 0, b"v"]]], [None, []])
    code, shown, _, _ = Terminal(broker, "export", "/dev/null", stderr="tty").finish()
    assert code == 0 and b"exporting [" in shown and b"left" not in shown


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
