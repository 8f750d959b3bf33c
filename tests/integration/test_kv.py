"""dhtctl's keys: get, put, del, cas and incr at a real ring; and what it makes of answers that no ring gives."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

import wire
from fake_ring import CLIENT, KINDS, OPERATIONS, STATUSES, TOKEN
from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import (LOCAL, NO, NOWHERE, PARTLY, TIMEOUT, UNREACHABLE, USAGE, VALUES, WRONG, Terminal, done, refuses,
                     run, told)


def version(broker, key):
    return told(broker, "get", "--meta", key)["version"]


# put and get


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_values_come_back_byte_for_byte(kv, key, value):
    args = ["--timeout", "20s"]
    for k in (key, wire.random_key()):
        assert done(kv, *args, "put", k, input=value) == b""
        assert done(kv, *args, "get", k) == value


@pytest.mark.parametrize("value", ["x", "1", "-5", "", " ", "ä€𐍈"])
def test_values_of_the_command_line(kv, key, value):
    done(kv, "put", "--", key, value)
    assert done(kv, "get", key) == value.encode()


def test_values_by_dash_and_by_file(kv, key, tmp_path):
    done(kv, "put", key, "-", input=b"piped")
    assert done(kv, "get", key) == b"piped"
    done(kv, "put", key, "--", "--json", input=b"not this")
    assert done(kv, "get", key) == b"--json"
    (tmp_path / "value").write_bytes(VALUES["all bytes"])
    done(kv, "put", key, "--file", tmp_path / "value", input=b"not this")
    assert done(kv, "get", key) == VALUES["all bytes"]


def xxh32(data):
    """Of less than 16 bytes; the reference is its specification."""
    primes = 2654435761, 2246822519, 3266489917, 668265263, 374761393
    mask = (1 << 32) - 1
    h, at = primes[4] + len(data), 0
    while at + 4 <= len(data):
        h = (h + int.from_bytes(data[at:at + 4], "little") * primes[2]) & mask
        h = (h << 17 | h >> 15) * primes[3] & mask
        at += 4
    for byte in data[at:]:
        h = (h + byte * primes[4]) & mask
        h = (h << 11 | h >> 21) * primes[0] & mask
    h = (h ^ h >> 15) * primes[1] & mask
    h = (h ^ h >> 13) * primes[2] & mask
    return h ^ h >> 16


def test_a_name_and_the_number_that_is_its_id_are_two_keys(kv, key):
    assert xxh32(b"abc") == 0x32D153FF
    number = xxh32(key.encode())
    done(kv, "put", key, "the name's")
    refuses(run(kv, "get", number), NO, f"key {number}: absent")
    done(kv, "put", number, "the number's")
    assert done(kv, "get", key) == b"the name's"
    assert done(kv, "get", number) == b"the number's"
    owners = {told(kv, "get", k)["owner"] for k in (key, number)}
    assert len(owners) == 1
    done(kv, "del", number)
    assert done(kv, "get", key) == b"the name's"


@pytest.mark.parametrize("name", ["a", "a/b", "#", "+", "$SYS/x", "two words", "line\nbreak", "ä€𐍈", "0x10", "1.5",
                                  "1e3", "1a", b"\xff\xfe", "x" * 65536, "--", "'"])
def test_names(kv, name):
    args = [ctl_binary(), "-b", kv.url]
    assert subprocess.run([*args, "put", "--", name, "value"]).returncode == 0
    assert subprocess.run([*args, "get", "--", name], capture_output=True).stdout == b"value"
    reply = json.loads(subprocess.run([*args, "--json", "get", "--", name], capture_output=True).stdout)
    assert (reply["key"] if isinstance(name, str) else reply["key_base64"]) == (name if name != b"\xff\xfe" else "//4=")


@pytest.mark.parametrize("number", ["0", "7", "4294967295"])
def test_numbers_are_the_references(kv, number):
    client = wire.Client(kv.port)
    try:
        done(kv, "put", number, "ours")
        assert client.get(int(number)) == b"ours"
        client.put(int(number), "theirs")
        assert done(kv, "get", number) == b"theirs"
        assert told(kv, "get", number)["key"] == int(number)
    finally:
        client.close()


@pytest.mark.parametrize("bad", ["-1", "4294967296", "18446744073709551617", "+1", " 1", "1 ", "9" * 30])
@pytest.mark.parametrize("verb", ["put", "get", "del", "cas", "incr"])
def test_what_looks_like_a_number_and_is_none(verb, bad):
    args = [verb] + {"put": ["--", bad, "x"], "cas": ["--absent", "--", bad, "x"]}.get(verb, ["--", bad])
    refuses(run(NOWHERE, *args), USAGE, f"invalid key '{bad}'", "0 to 4294967295", "--name")


def test_a_name_of_digits(kv):
    for name in ("-1", "4294967296", "42"):
        done(kv, "put", "--name", "--", name, f"of {name}")
        assert done(kv, "--name", "get", "--", name) == f"of {name}".encode()
    assert told(kv, "--name", "get", "42")["key"] == "42"
    refuses(run(kv, "get", "42"), NO, "key 42: absent")


def test_bad_keys_and_values(tmp_path):
    refuses(run(NOWHERE, "get", ""), USAGE, "invalid key ''", "empty")
    refuses(run(NOWHERE, "put", "x" * 65537, "value"), USAGE, "invalid key 'xxx", "...'", "65536 bytes")
    refuses(run(NOWHERE, "get", "good", ""), USAGE, "invalid key ''")
    refuses(run(NOWHERE, "put", "x", input=b"x" * ((16 << 20) + 1)), LOCAL, "standard input", "16 MiB", "16777216 bytes")
    (tmp_path / "long").write_bytes(b"x" * ((16 << 20) + 5))
    refuses(run(NOWHERE, "put", "x", "--file", tmp_path / "long"), LOCAL, "long", "it has 16777221 bytes")
    refuses(run(NOWHERE, "put", "x", "--file", tmp_path / "none"), LOCAL, str(tmp_path / "none"), "no such file")
    refuses(run(NOWHERE, "put", "x", "--file", tmp_path), LOCAL, str(tmp_path), "is a directory")


def test_an_unreadable_input_is_named(kv):
    for args in (["put", "5"], ["put", "-"], ["get", "-"]):
        folder = os.open("/", os.O_RDONLY)
        result = subprocess.run([ctl_binary(), "--quiet", "--broker", kv.url, *args], stdin=folder, capture_output=True)
        os.close(folder)
        refuses(result, LOCAL, "standard input", "is a directory")


def test_absent(kv, key):
    refuses(run(kv, "get", key), NO, f"key '{key}': absent")
    result = run(kv, "get", key, "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (NO, b"", b"")
    result = run(kv, "get", key, "--json")
    assert (result.returncode, result.stderr) == (NO, b"")
    reply = json.loads(result.stdout)
    assert reply.pop("owner") >= 0
    assert reply == {"key": key, "status": "absent", "value": None, "version": None}


@pytest.mark.parametrize("value, field", [
    (b'q"uo\\te\n\x01', {"value": 'q"uo\\te\n\x01'}),
    ("ä€𐍈".encode(), {"value": "ä€𐍈"}),
    (b"", {"value": ""}),
    (b"\xff\x00\x10", {"value_base64": "/wAQ"}),
    (b"\xff\xff", {"value_base64": "//8="}),
    (b"\xed\xa0\x80\xc0\x80", {"value_base64": "7aCAwIA="}),  # a surrogate, an overlong NUL
    (b"\xf4\x90\x80\x80", {"value_base64": "9JCAgA=="}),  # U+110000
    (b"\xe0\x80\x80", {"value_base64": "4ICA"}),  # overlong
])
def test_json_holds_any_bytes(kv, key, value, field):
    put = told(kv, "put", key, input=value)
    assert re.fullmatch(r"\d+/\d+", put["version"]) and 0 <= put["owner"] < 1 << 32
    assert put == {"key": key, "status": "done", "version": put["version"], "owner": put["owner"]}
    assert told(kv, "get", key) == {**put, **field}
    assert told(kv, "get", "--meta", key) == put


def test_a_value_goes_into_a_file_whole_or_not_at_all(kv, key, tmp_path):
    file = tmp_path / "out"
    for value in VALUES.values():
        done(kv, "put", key, input=value)
        assert done(kv, "get", key, "-o", file) == b"" and file.read_bytes() == value
    file.write_bytes(b"as it was")
    refuses(run(kv, "get", key + "-absent", "--output", file), NO, "absent")
    refuses(run(NOWHERE, "get", key, "-o", file), UNREACHABLE, "cannot reach")
    assert file.read_bytes() == b"as it was" and os.listdir(tmp_path) == ["out"]
    refuses(run(kv, "get", key, "-o", tmp_path / "none" / "x"), LOCAL, "cannot write", "none/x", "no such file")
    refuses(run(kv, "get", key, "-o", tmp_path), LOCAL, "cannot write", "is a directory")
    refuses(run(kv, "get", key, "-o", "/dev/full"), LOCAL, "cannot write /dev/full: no space left")
    file.unlink()
    refuses(run(kv, "get", key + "-absent", "-o", file), NO, "absent")
    assert os.listdir(tmp_path) == []
    assert done(kv, "get", key, "-o", "/dev/stdout") == done(kv, "get", key)


def test_writes_that_say_what_they_did(kv, key):
    line = re.fullmatch(rb"version=(\d+/\d+) owner=\d+\n", done(kv, "put", "-v", key, "x"))
    assert done(kv, "get", "--meta", key) == line[0]
    again = re.fullmatch(rb"version=(\d+/\d+) owner=\d+\n",
                         done(kv, "cas", "--verbose", "--version", line[1].decode(), key, "y"))
    assert done(kv, "get", "--meta", key) == again[0] != line[0]
    refuses(run(kv, "cas", "-v", "--version", line[1].decode(), key, "y"), NO, again[1].decode())
    assert re.fullmatch(rb"version=\d+/\d+ owner=\d+\n", done(kv, "del", "-v", key))
    refuses(run(kv, "del", "-v", key), NO, "absent")
    result = run(kv, "put", "-", "-v", input=f"{key}\t1\n{key}2\t2\n".encode())
    assert re.fullmatch(rb"%b\tversion=\d+/\d+ owner=\d+\n%b2\tversion=\d+/\d+ owner=\d+\n" % (2 * (key.encode(),)),
                        result.stdout), result


def test_meta(kv, key):
    done(kv, "put", key, "x")
    assert re.fullmatch(rb"version=\d+/\d+ owner=\d+\n", done(kv, "get", "--meta", key))
    assert re.fullmatch(rb"%s\tversion=\S+ owner=\d+\n" % key.encode(),
                        run(kv, "get", "--meta", key, key + "x").stdout)
    for ttl, ms in (("2d", 172800000), ("49d", 49 * 86400000), ("1h", 3600000)):
        done(kv, "put", "--ttl", ttl, key, "x")
        assert ms - 60000 * PATIENCE < told(kv, "get", "--meta", key)["life"] <= ms
    line = re.fullmatch(rb"version=\d+/\d+ life=(\d+)ms owner=\d+\n", done(kv, "get", "--meta", key))
    assert 3500000 < int(line[1]) <= 3600000
    meta = told(kv, "get", "--meta", key)
    assert 3500000 < meta.pop("life") <= int(line[1])
    assert set(meta) == {"key", "status", "version", "owner"} and "life" not in told(kv, "get", key)


def test_terminals(kv, key):
    done(kv, "put", key, input="a\x1b[31m\x07\x9bä".encode() + b"\xff")
    code, shown, _, _ = Terminal(kv, "get", key, stdout="tty").finish()
    assert (code, shown) == (0, "a\\x1b[31m\\x07\\xc2\\x9bä\\xff\r\n".encode())
    code, shown, _, _ = Terminal(kv, "get", key, key, stdout="tty").finish()
    assert shown.split(b"\r\n")[0] == f"{key}\ta\\x1b[31m\\x07\\xc2\\x9bä\\xff".encode()
    done(kv, "put", key, input=b"line\n")
    assert Terminal(kv, "get", key, stdout="tty").finish()[1] == b"line\r\n"
    code, _, out, err = Terminal(kv, "put", key, stdin="tty").finish()
    assert (code, out) == (USAGE, b"") and b"no value" in err and f"put {key} VALUE".encode() in err
    terminal = Terminal(kv, "put", key, "-", stdin="tty")
    os.write(terminal.ours, b"typed\n\x04")
    code, _, _, err = terminal.finish()
    assert code == 0 and b"Ctrl-D" in err and done(kv, "get", key) == b"typed\n"
    terminal = Terminal(kv, "put", "-", stdin="tty")
    os.write(terminal.ours, f"{key}\ta line\n".encode() + b"\x04")
    code, _, _, err = terminal.finish()
    assert code == 0 and b"Ctrl-D" in err and done(kv, "get", key) == b"a line"


def test_an_output_that_cannot_be_written(kv, key):
    done(kv, "put", key, "value")
    for several in ([], [key]):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([ctl_binary(), "-b", kv.url, "get", key, *several], stdout=full,
                                    stderr=subprocess.PIPE)
        assert result.returncode == LOCAL
        assert b"cannot write to standard output: no space left on device" in result.stderr


def test_closed_standard_streams(kv, key):
    """The broker's connection must not take their place."""
    def without(fd, *args):
        return subprocess.run([ctl_binary(), "-b", kv.url, "--quiet", *args], capture_output=True,
                              preexec_fn=lambda: os.close(fd))
    for args in (["put", key], ["put", "-"], ["get", "-"]):
        refuses(without(0, *args), LOCAL, "standard input", "bad file descriptor")
    done(kv, "put", key, "value")
    for args in (["get", key], ["get", key, key]):
        result = without(1, *args)
        assert result.returncode == LOCAL
        assert result.stderr == b"dhtctl: cannot write to standard output: bad file descriptor\n"
    assert without(2, "get", key + "none").returncode == NO


def test_a_reader_that_goes_away_ends_it_silently(kv, key):
    done(kv, "put", key, input=b"x" * (1 << 20))
    for several in ([], [key] * 20):
        process = subprocess.Popen([ctl_binary(), "-b", kv.url, "get", key, *several], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        assert process.stdout.read(1) in (b"x", key[:1].encode())
        process.stdout.close()
        assert (process.wait(20 * PATIENCE), process.stderr.read()) == (-signal.SIGPIPE, b"")
        process.stderr.close()


# Conditions, ends, numbers


def test_if_absent(kv, key):
    done(kv, "put", "--if-absent", key, "first")
    refuses(run(kv, "put", "--if-absent", key, "second"), NO, f"key '{key}': not stored: it is there", version(kv, key))
    reply = told(kv, "put", "--if-absent", key, "second")
    assert (reply["status"], reply["version"]) == ("failed", version(kv, key))
    assert done(kv, "get", key) == b"first"


def test_cas_won_and_lost(kv, key):
    done(kv, "cas", "--absent", key, "0")
    refuses(run(kv, "cas", "--absent", key, "x"), NO, "not stored: it is there", version(kv, key))
    first = version(kv, key)
    done(kv, "cas", "--version", first, key, "1")
    refuses(run(kv, "cas", "--version", first, key, "x"), NO, "not stored", version(kv, key))
    assert run(kv, "cas", "--quiet", "--version", first, key, "x").stderr == b""
    won = told(kv, "cas", "--version", version(kv, key), key, input=b"2")
    assert won["status"] == "done" and won["version"] == version(kv, key)
    assert done(kv, "get", key) == b"2"
    done(kv, "del", key)
    refuses(run(kv, "cas", "--version", won["version"], key, "x"), NO, "not stored: it is absent")
    assert told(kv, "cas", "--version", won["version"], key, "x")["version"] is None
    done(kv, "cas", "--absent", key, "again")


def test_del(kv, key):
    done(kv, "put", key, "x")
    assert done(kv, "del", key) == b""
    refuses(run(kv, "del", key), NO, f"key '{key}': absent")
    refuses(run(kv, "get", key), NO)
    done(kv, "put", key, "x")
    result = run(kv, "del", key + "none", key)
    assert (result.returncode, result.stderr) == (PARTLY, f"dhtctl: key '{key}none': absent\n".encode())
    done(kv, "put", key, "x")
    assert told(kv, "del", key)["status"] == "done"


def test_a_time_to_live(kv, key):
    done(kv, "put", "--ttl", "1h", key, "stays")
    for command in (["put"], ["cas", "--absent"], ["incr"]):
        done(kv, *command, "--ttl", "300ms", key + command[0], "5")
    soon = run(kv, "get", key + "put")
    assert (soon.returncode, soon.stdout) in ((0, b"5"), (NO, b""))  # a slow machine asks after its end
    for command in ("put", "cas", "incr"):
        wait_for("its end", lambda c=command: run(kv, "get", key + c).returncode == NO)
    assert done(kv, "get", key) == b"stays"
    done(kv, "put", "--if-absent", key + "put", "again")  # what has ended is absent


def test_a_number_keeps_its_life_and_gets_a_new_one(kv, key):
    done(kv, "put", "--ttl", f"{1.5 * PATIENCE}s", key, "5")
    began = time.monotonic()
    assert done(kv, "incr", key) == b"6\n"
    wait_for("its end", lambda: run(kv, "get", key).returncode == NO)
    assert time.monotonic() - began > PATIENCE
    done(kv, "put", "--ttl", "500ms", key, "5")
    done(kv, "incr", "--ttl", "1h", key)
    time.sleep(0.8)
    assert done(kv, "get", key) == b"6"


def test_incr(kv, key):
    assert done(kv, "incr", key) == b"1\n"
    assert done(kv, "incr", key, 41) == b"42\n"
    assert done(kv, "incr", key, "+8") == b"50\n"
    assert done(kv, "incr", key, -100) == b"-50\n"
    assert done(kv, "incr", key, 0) == b"-50\n"
    assert done(kv, "get", key) == b"-50"
    reply = told(kv, "incr", key)
    assert (reply["status"], reply["value"], reply["version"]) == ("done", "-49", version(kv, key))


def test_incr_at_its_bounds(kv, key):
    low, high = -(1 << 63), (1 << 63) - 1
    assert done(kv, "incr", "--", key, low) == f"{low}\n".encode()
    refuses(run(kv, "incr", key, -1), WRONG, f"key '{key}': not added", "64 bits")
    assert done(kv, "incr", key, high) == b"-1\n"
    done(kv, "put", key, str(high))
    refuses(run(kv, "incr", key), WRONG, "64 bits")
    assert done(kv, "get", key) == str(high).encode()
    done(kv, "put", key, "word")
    refuses(run(kv, "incr", key), WRONG, "no whole number")
    assert run(kv, "incr", key, "--json").returncode == WRONG


# Nobody there, and strangers


def test_no_ring(broker):
    before = time.monotonic()
    args = ["--timeout", "400ms"]
    refuses(run(broker, "get", "door", *args), TIMEOUT, "no answer for key 'door'", broker.url, "400ms",
            "is a ring there?", "a node of the reference", "access list", "op/#")
    for command in (["put", "5", "x"], ["cas", "5", "x", "--absent"]):
        refuses(run(broker, *command, *args), TIMEOUT, "no answer for key 5", "it was not stored")
    refuses(run(broker, "del", 5, *args), TIMEOUT, "it was not deleted")
    refuses(run(broker, "incr", 5, *args), TIMEOUT, "it was not added")
    error = run(broker, "get", "a", "b", "c", *args).stderr
    assert (error.count(b"no answer for key"), error.count(b"is a ring there?")) == (3, 1), error
    result = run(broker, "put", "-", *args, input=b"a\t1\nb\t2\n")
    assert result.returncode == TIMEOUT and b"0 stored, 2 not (first: line 1: no answer" in result.stderr
    reply = run(broker, "get", 5, "--json", *args)
    assert (reply.returncode, json.loads(reply.stdout)) == (TIMEOUT, {"key": 5, "status": "timeout"})
    assert time.monotonic() - before < 15 * PATIENCE


def test_a_write_without_its_answer_is_unknown(broker, fake):
    """It has gone out with a token, so it may have been done."""
    fake.before = lambda topic, request: TOKEN not in request
    refuses(run(broker, "put", 5, "x", "--timeout", "700ms"), TIMEOUT, "no answer for key 5", "700ms",
            "unknown: it may have been stored")


def test_other_answers_are_not_ours(broker, fake):
    fake.records[b"5"] = b"ours"

    def before(topic, request):
        fake._publish(topic, b"")
        fake._publish(topic, os.urandom(100))
        fake.answer_operations(topic, {**request, 25: request[25] + 1}, [[0, STATUSES["ANSWER_DONE"], 1, b"theirs"]])
        fake.answer_operations("to/" + "0" * 32, request, [[0, STATUSES["ANSWER_DONE"], 1, b"theirs"]])
    fake.before = before
    assert done(broker, "get", 5) == b"ours"


def test_each_process_has_a_name_of_its_own(broker, fake):
    """128 random bits, by which a ring tells who asks again from who asks anew."""
    for i in range(20):
        done(broker, "put", "5", i)
    names = {request[CLIENT] for request in fake.requests}
    assert len(names) == 20 and {len(name) for name in names} == {16}
    assert len({byte for name in names for byte in name}) > 100, "320 random bytes"


def test_operations_share_frames(broker, fake):
    """Once the owner is known."""
    lines = b"".join(b"%d\tx\n" % i for i in range(3000))
    assert run(broker, "put", "-", input=lines).returncode == 0
    assert len(fake.records) == 3000
    puts = [o for r in fake.requests for o in r[OPERATIONS] if o[1] == KINDS["OPERATION_PUT"]]
    assert len(puts) >= 3000
    assert sum(TOKEN in r for r in fake.requests) < 300


# Brokers


def write_topics(topic):
    return topic.startswith(("op/", "ask/"))


def test_a_lost_connection_is_made_anew(kv, key, make_proxy_to):
    """Behind each of the frames of a put, once; the sum is what it would have been."""
    for nth in range(1, 4):
        proxy, seen = make_proxy_to(kv), []

        def upward(topic, payload, proxy=proxy, seen=seen, nth=nth):
            if write_topics(topic):
                seen.append(topic)
                return proxy.cut if len(seen) == nth else True
            return True
        proxy.upward = upward
        assert done(proxy, "incr", key) == b"%d\n" % nth
    assert done(kv, "get", key) == b"3"


@pytest.mark.parametrize("args", [["put", "x"], ["incr"], ["del"]], ids=lambda args: args[0])
@pytest.mark.parametrize("nth, code, words", [(1, UNREACHABLE, "it was not"), (2, TIMEOUT, "unknown: it may have been")])
def test_a_broker_that_is_gone_midway(kv, key, make_proxy_to, args, nth, code, words):
    """Whoever tries again after "unreachable" does nothing twice."""
    proxy, seen = make_proxy_to(kv), []

    def leave_for_good():
        proxy.refuse = True
        proxy.cut()

    def upward(topic, payload):
        if write_topics(topic):
            seen.append(topic)
            return leave_for_good if len(seen) == nth else True  # the second is the write itself
        return True
    proxy.upward = upward
    refuses(run(proxy, args[0], key, *args[1:], "--timeout", "1s"), code, "lost the connection to broker", proxy.url, words)


@pytest.mark.parametrize("setting, words", [("message_size_limit", "is a ring there?"),
                                            ("max_packet_size", "lost the connection to broker")])
def test_a_value_that_the_broker_does_not_take(make_broker, make_ring, setting, words):
    """Its limit is named; what is below it goes through."""
    broker = make_broker(settings=setting + " 100000")
    make_ring(broker, 1)
    error = refuses(run(broker, "put", "long", "--timeout", "1s", input=b"x" * 200000), TIMEOUT, words,
                    "the value has 200000 bytes", "max_packet_size", "message_size_limit")
    done(broker, "put", "short", input=b"x" * 80000)
    assert "unknown: it may have been stored" in error


def test_a_broker_that_restarts(broker, ring, key):
    ring(2)
    process = subprocess.Popen([ctl_binary(), "-b", broker.url, "put", "-", "--timeout", "60s", "--json"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    for i in range(4):
        process.stdin.write(b"%s-%d\tx\n" % (key.encode(), i))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["status"] == "done"
        broker.restart(kill=i % 2 == 0)
    process.stdin.close()
    assert process.wait(20 * PATIENCE) == 0
    process.stdout.close()
