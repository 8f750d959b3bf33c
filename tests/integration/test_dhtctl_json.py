"""--json of every command: the names of fields are what programs rely on, so --help has each that is printed."""
import json
import re

import pytest

from manners import NOWHERE, at_once, run
from test_dhtctl import COMMANDS
from test_manual import shown


def names(value):
    """Of all fields, however deep."""
    if isinstance(value, list):
        return set().union(*map(names, value)) if value else set()
    return set(value) | names(list(value.values())) if isinstance(value, dict) else set()


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    path = tmp_path_factory.mktemp("dump") / "records"
    path.write_text('{"name":"imported","value":"x"}\n{"name":"broken"\n')
    return path


CASES = {
    "put": (["put", "a", "1"], {"key", "status", "version", "owner"}),
    "get": (["get", "a", "\udcff", "none"], {"key", "key_base64", "status", "value", "value_base64", "version", "owner"}),
    "get --meta": (["get", "--meta", "short"], {"key", "status", "life", "version", "owner"}),
    "del": (["del", "none"], {"key", "status", "version", "owner"}),
    "cas": (["cas", "--absent", "b", "1"], {"key", "status", "version", "owner"}),
    "incr": (["incr", "n"], {"key", "status", "value", "version", "owner"}),
    "ls": (["ls"], {"key", "key_base64", "version", "life", "owner"}),
    "watch": (["watch", "--initial", "--idle", "500ms"], {"event", "key", "key_base64", "value", "value_base64", "version", "life"}),
    "export": (["export", "/dev/null"], {"exported", "whole"}),
    "import": (["import"], {"imported", "kept", "present", "failed", "whole", "first"}),
    "status": (["status"], {"healthy", "broker", "broker_from", "nodes", "states", "active", "joining", "leaving", "suspect",
                            "silent", "records", "problems"}),
    "ring": (["ring"], {"nodes", "id", "name", "state", "predecessor", "successor", "records", "arc", "epoch", "copies",
                        "wanted", "behind", "full", "bytes", "limit", "share", "since", "software", "silent", "doubts",
                        "problems"}),
    "count": (["count"], {"count"}),
    "check": (["check"], {"healthy", "nodes", "problems"}),
    "ping": (["ping"], {"round", "node", "name", "us", "answers", "lost", "p50_us", "max_us"}),
    "scrub": (["scrub"], {"node", "name", "done", "records", "bytes", "copies", "differed", "sent", "damaged", "healed",
                          "lost"}),
    "demo": (["demo", "--keys", 3], {"keys", "equal", "seconds"}),
    "bench": (["bench", "--keys", 10, "--ops", 100], {
        "ops_per_s", "ops", "seconds", "preload_ops_per_s", "count", "mean_us", "p50_us", "p90_us", "p95_us", "p99_us",
        "p999_us", "max_us", "put", "get", "packets_sent_per_op", "packets_received_per_op", "bytes_sent_per_op",
        "bytes_received_per_op", "wrong", "timeouts", "unknown", "cut", "keys", "value_size", "clients", "inflight", "batch",
        "mix", "rate", "duration_ms"}),
    "config": (["config"], {"setting", "value", "from"}),
    "broker-config": (["broker-config", "--nodes", "n1"], {"conf", "acl"}),
    "leave": (["leave", "n1"], {"id", "name", "left"}),
}


@pytest.fixture(scope="module")
def served(kv):
    for args, value in ((["put", "short", "--ttl", "1h"], b"x"), (["put", "\udcff"], b"\xfe"), (["put", "a"], b"0")):
        assert run(kv, *args, input=value).returncode == 0
    return kv


@pytest.mark.parametrize("case", CASES)
def test_help_has_each_field_that_is_printed(served, dump, case):
    args, expected = CASES[case]
    done = run(served, "--json", *args, input=dump.read_bytes())
    found = set().union(*(names(json.loads(line)) for line in done.stdout.splitlines()))
    assert found == expected, done
    told = set(re.findall(r'"(\w+)"', run(served, args[0], "--help").stdout.decode()))
    general = {"key_base64", "value_base64"}  # of any key and value, as dhtctl(1) says
    states = {"active", "joining", "leaving", "suspect"}  # {STATE:COUNT}
    assert found - told <= general | states, found - told


def test_none_is_left_out():
    """Those of them that this does not try have tests of their own: recover, log; and completion prints a script."""
    assert {usage.split()[0] for usage in COMMANDS} - {args[0] for args, _ in CASES.values()} == {"recover", "log",
                                                                                                 "completion"}


def test_where_there_is_nothing_but_an_error(broker, dump):
    asked = [args for args, _ in CASES.values() if args[0] not in ("config", "broker-config")]  # of no broker

    def printed(broker):
        results = at_once(broker, *(["--json", "-t", "300ms", *args] for args in asked), input=dump.read_bytes())
        return {args[0] for args, result in zip(asked, results) if result.stdout}
    always, no_ring = {"status", "check", "export"}, {"import"}
    assert printed(NOWHERE) == always
    assert printed(broker) == always | no_ring | {usage.split()[0] for usage in COMMANDS if " KEY" in usage} - {"watch"}
    sentence = re.search(r"Where nothing can be told[^.]*", " ".join(shown("dhtctl").split())).group()
    assert set(re.findall(r"'(\w+)'", sentence)) == always | no_ring and "each KEY" in sentence
