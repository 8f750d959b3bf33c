"""What is said of an operation that nobody answers as its arc waits for somebody, by a ring that is only played; test_disk.py
has a real one."""
import json
import re

import pytest

from fake_ring import COUNT, in_doubt, nodes
from harness import wait_for
from manners import PARTLY, TIMEOUT, Terminal, done, refuses, run

Q = 1 << 30
KEY = Q + 5  # of the arc that is in doubt
ARC = "(40000000, 80000000]"
WORD = (f"its arc {ARC} is in doubt: node n3221225472 waits for node 2147483648, which may have on its disk what nobody "
        "else has -> start that again, or see what 'dhtctl recover 40000000-80000000' would give up")
SHORT = ("--timeout", "1s")


@pytest.fixture
def doubtful(make_fake):
    fake = in_doubt(make_fake)
    fake.answers = False
    return fake


@pytest.mark.parametrize("command, end", [
    (("get", KEY), ": "),
    (("get", "--meta", KEY), ": "),
    (("put", KEY, "open"), "; unknown: it may have been stored; "),
    (("del", KEY), "; unknown: it may have been deleted; "),
    (("cas", KEY, "--absent", "x"), "; unknown: it may have been stored; "),
    (("incr", KEY), "; unknown: it may have been added; "),
])
def test_an_operation_names_whom_its_arc_waits_for(broker, doubtful, command, end):
    error = refuses(run(broker, *SHORT, *command), TIMEOUT, WORD)
    assert error == f"dhtctl: key {KEY}: no answer within 1s{end}{WORD}\n" or "not " in error, error
    assert doubtful.looks == 1


@pytest.mark.parametrize("command, line", [(("get", "-"), b"%d\n"), (("put", "-"), b"%d\tx\n"), (("del", "-"), b"%d\n")])
def test_lines(broker, doubtful, command, line):
    refuses(run(broker, *SHORT, *command, input=line % KEY), TIMEOUT, "(first: line 1: key", WORD)


def test_import(broker, doubtful):
    refuses(run(broker, *SHORT, "import", input=b'{"key":%d,"value":"x"}' % KEY), TIMEOUT, "failed 1 (first: ", WORD)
    told = json.loads(run(broker, *SHORT, "--json", "import", input=b'{"key":%d,"value":"x"}' % KEY).stdout)
    assert told["first"].endswith(WORD)


@pytest.mark.parametrize("command", [("ls",), ("export",)])
def test_a_listing(broker, doubtful, command):
    """Its first page is node 0's, which has 0 alone here."""
    doubtful.members[-1].doubts[0][0] = 3 * Q
    doubtful.members[0].arc = (2 * Q, 3 * Q)
    refuses(run(broker, *SHORT, *command), TIMEOUT, "no answer to the listing from id 0 on within 1s: its arc (c0000000, "
            "80000000] is in doubt: node n3221225472 waits for node 2147483648")


def test_each_key_has_its_own(broker, doubtful):
    """Of what somebody serves and does not answer nothing is known."""
    result = run(broker, *SHORT, "get", KEY, 3 * Q - 1, Q - 1)
    lines = result.stderr.decode().splitlines()
    assert result.returncode == TIMEOUT and len(lines) == 3 and doubtful.looks == 1
    assert lines[0].endswith(WORD) and "in doubt" not in lines[1] + lines[2]
    assert "is a ring there? see 'dhtctl ring'" in lines[1] and f"key {Q - 1} " in lines[2]


def test_what_is_answered_beside_it(broker, doubtful):
    doubtful.answers = True
    doubtful.records[b"%d" % (3 * Q)] = b"here"
    doubtful.before = lambda topic, request: any(o[2] != KEY for o in request[29 - 1])
    result = run(broker, *SHORT, "get", "--json", 3 * Q, KEY)
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == PARTLY and told[0]["value"] == "here"
    assert told[1] == {"key": KEY, "status": "timeout", "doubt": {
        "arc": [Q, 2 * Q], "node": 3 * Q, "waits_for": 2 * Q, "copy": False, "operator": True}}


def test_for_programs(broker, doubtful):
    doubtful.members[-1].operated = False
    doubtful.members[-1].doubts[0][4:] = [None, True]
    told = json.loads(run(broker, *SHORT, "--json", "put", KEY, "x").stdout)
    assert told == {"key": KEY, "status": "unknown", "doubt": {
        "arc": [Q, 2 * Q], "node": 3 * Q, "waits_for": None, "copy": True, "operator": False}} or \
        told["status"] == "timeout" and "doubt" in told, told
    doubtful.members[-1].doubts = []
    assert json.loads(run(broker, *SHORT, "--json", "get", KEY).stdout) == {"key": KEY, "status": "timeout"}


def test_a_doubt_that_ends_by_itself(broker, doubtful):
    doubtful.members[-1].operated = False
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT, f"its arc {ARC} is in doubt: node n3221225472 waits for node "
            "2147483648, and goes on without it soon -> ask again")
    doubtful.members[0].doubts = [[Q, 3 * Q - 1, 77, 5, 9, False]]
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT, "node n0 waits for node 9, which may have", "-> start that again",
            "'dhtctl recover 40000000-bfffffff'")


def test_nobody_knows_whom_it_waits_for(broker, doubtful):
    doubtful.members[-1].doubts[0][4] = None
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT,
            "waits for whoever had it, who may have on a disk what nobody else has -> start that again, or see")


def test_nobody_serves_it(broker, doubtful):
    node = doubtful.members[-1]
    node.doubts = []
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT,
            f"its arc {ARC} is served by none of the 3 nodes that answer -> ask again, or see 'dhtctl ring'")
    node.predecessor = 2 * Q
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT, f"its arc {ARC} is not served: node 2147483648 gives no answer (a "
            "node of the reference cannot) -> ask again, or see 'dhtctl ring'")


def test_a_suspect_has_it(broker, make_fake):
    fake = make_fake(*nodes(0, Q, 2 * Q, 3 * Q, n2147483648="kitchen"))
    fake.answers = False
    fake.members[2].state = "NODE_SUSPECT"
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT,
            f"its arc {ARC} is not served: node kitchen has it, and is suspect until its neighbours confirm it -> ask again")


def test_a_ring_that_serves_nothing(broker, doubtful):
    for node in doubtful.members:
        node.state, node.arc, node.doubts = "NODE_JOINING", None, []
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT,
            "its arc (00000000, 00000000] is served by none of the 3 nodes that answer")


def test_nobody_says_anything(broker, doubtful):
    doubtful.members = []
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT, "no answer for key", "is a ring there? see 'dhtctl ring'")
    assert doubtful.looks == 1


def test_nobody_is_asked_who_needs_not_be(broker, doubtful):
    doubtful.answers = True
    doubtful.records[b"%d" % KEY] = b"x"
    assert done(broker, "get", KEY) == b"x" and doubtful.looks == 0


@pytest.mark.slow
def test_what_is_known_is_of_late(broker, doubtful):
    """It is asked again, and who comes late to answer has not been given up."""
    node, told = doubtful.members[-1], Terminal(broker, "--timeout", "40s", "get", KEY, stderr="tty")
    wait_for("the first question", lambda: doubtful.looks == 1)
    node.doubts[0][4] = 99
    wait_for("the second question", lambda: doubtful.looks == 2)
    doubtful.records[b"%d" % KEY] = b"x"
    doubtful.answers = True
    code, shown, out, _ = told.finish(40)
    notes = re.findall(r"note: .*", shown.decode())
    assert (code, out) == (0, b"x") and len(notes) == 1, (code, out, shown)
    assert notes[0].startswith(f"note: key {KEY}: no answer yet: {WORD}")


@pytest.mark.slow
def test_the_error_tells_what_was_learnt_last(broker, doubtful):
    import threading
    node, asked = doubtful.members[-1], doubtful._on_who

    def answer(frame):
        asked(frame)
        node.doubts[0][4] = 99
    doubtful._on_who = answer
    assert threading
    result = run(broker, "--timeout", "9s", "get", KEY, timeout=30)
    refuses(result, TIMEOUT, "waits for node 99, which may have")
    assert doubtful.looks == 2


def test_a_terminal_is_told_in_time_and_no_other(broker, doubtful):
    loud, quiet = (Terminal(broker, *options, "--timeout", "6s", "get", KEY, stderr="tty")
                   for options in ((), ("--quiet",)))
    piped = run(broker, "--timeout", "6s", "get", KEY)
    assert "note" not in refuses(piped, TIMEOUT, WORD)
    assert b"note" not in quiet.finish()[1]
    assert loud.finish()[1].count(b"note: key") == 1
    assert b"note" not in Terminal(broker, *SHORT, "get", KEY, stderr="tty").finish()[1]
