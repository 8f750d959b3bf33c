"""What is said of an operation that nobody answers as its arc waits for somebody, by a ring that is only played; test_disk.py
has a real one."""
import concurrent.futures
import json
import re

import pytest

from fake_ring import KINDS, OPERATIONS, STATUSES, TOKEN, encode, in_doubt, nodes
from harness import wait_for
from manners import PARTLY, TIMEOUT, Terminal, at_once, done, refuses, run

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


def test_an_operation_names_whom_its_arc_waits_for(broker, doubtful):
    ends = {
        ("get", KEY): ": ",
        ("get", "--meta", KEY): ": ",
        ("put", KEY, "open"): "; it was not stored; ",
        ("del", KEY): "; it was not deleted; ",
        ("cas", KEY, "--absent", "x"): "; it was not stored; ",
        ("incr", KEY): "; it was not added; ",
    }
    for done, end in zip(at_once(broker, *((*SHORT, *command) for command in ends)), ends.values()):
        assert refuses(done, TIMEOUT) == f"dhtctl: key {KEY}: no answer within 1s{end}{WORD}\n"
    assert doubtful.looks == len(ends)


def unknown(topic, request):
    """The token is given, and what was done with it not told."""
    return TOKEN not in request


def test_a_write_that_may_have_been_done(broker, doubtful):
    doubtful.answers, doubtful.before = True, unknown
    shown, told = at_once(broker, (*SHORT, "put", KEY, "open"), (*SHORT, "--json", "put", KEY, "x"))
    error = refuses(shown, TIMEOUT)
    assert error == f"dhtctl: key {KEY}: no answer within 1s; unknown: it may have been stored; {WORD}\n"
    told = json.loads(told.stdout)
    assert told["status"] == "unknown" and told["doubt"]["waits_for"] == 2 * Q


def test_lines_and_records(broker, doubtful):
    lines = {("get", "-"): b"%d\n", ("put", "-"): b"%d\tx\n", ("del", "-"): b"%d\n",
             ("import",): b'{"key":%d,"value":"x"}', ("import", "--json"): b'{"key":%d,"value":"x"}'}
    with concurrent.futures.ThreadPoolExecutor(len(lines)) as pool:
        *shown, told = pool.map(lambda command: run(broker, *SHORT, *command, input=lines[command] % KEY), lines)
    for done in shown:
        refuses(done, TIMEOUT, "(first: line 1: key", WORD)
    assert json.loads(told.stdout)["first"].endswith(WORD)


def test_a_listing_and_a_watch(broker, doubtful):
    """The first page is node 0's, which has 0 alone here."""
    doubtful.members[-1].doubts[0][0] = 3 * Q
    doubtful.members[0].arc = (2 * Q, 3 * Q)
    commands = {"ls": "no answer to the listing from id 0 on", "export": "no answer to the listing from id 0 on",
                "watch": "nobody lets us watch from id 0 on"}
    for done, start in zip(at_once(broker, *((*SHORT, command) for command in commands)), commands.values()):
        refuses(done, TIMEOUT, f"dhtctl: {start} within 1s: its arc (c0000000, 80000000] is in doubt: node n3221225472 waits "
                "for node 2147483648")


def test_a_watch_of_one_key(broker, doubtful):
    def place(topic, request):
        """It lets be watched, and its value is not told."""
        offset, kind, *_ = request[OPERATIONS][0]
        if kind == KINDS["OPERATION_WATCH"]:
            doubtful.answer_operations(topic, request, [[offset, STATUSES["ANSWER_DONE"], 1, encode([7, 0])]])
        return False
    error = refuses(run(broker, *SHORT, "watch", KEY), TIMEOUT)
    assert error == f"dhtctl: key {KEY}: nobody lets us watch it within 1s: {WORD}\n" and doubtful.looks == 1
    doubtful.answers, doubtful.before = True, place
    error = refuses(run(broker, *SHORT, "--quiet", "watch", "--initial", KEY), TIMEOUT)
    assert error == f"dhtctl: key {KEY}: no answer within 1s for the value that is there: {WORD}\n" and doubtful.looks == 2
    doubtful.members = []
    refuses(run(broker, "--timeout", "300ms", "--quiet", "watch", "--initial", KEY), TIMEOUT, "for the value that is there\n")


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
    doubtful.before = lambda topic, request: request[OPERATIONS][0][2] != KEY
    result = run(broker, *SHORT, "get", "--json", 3 * Q, KEY)
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == PARTLY and told[0]["value"] == "here"
    assert told[1] == {"key": KEY, "status": "timeout", "doubt": {
        "arc": [Q, 2 * Q], "node": 3 * Q, "waits_for": 2 * Q, "copy": False, "operator": True}}


def test_for_programs(broker, doubtful):
    doubtful.members[-1].operated = False
    doubtful.members[-1].doubts[0][4:] = [None, True]
    told = json.loads(run(broker, *SHORT, "--json", "put", KEY, "x").stdout)
    assert told == {"key": KEY, "status": "timeout", "doubt": {
        "arc": [Q, 2 * Q], "node": 3 * Q, "waits_for": None, "copy": True, "operator": False}}
    doubtful.members[-1].doubts = []
    assert json.loads(run(broker, *SHORT, "--json", "get", KEY).stdout) == {"key": KEY, "status": "timeout"}


def test_a_doubt_that_ends_by_itself(broker, doubtful):
    doubtful.members[-1].operated = False
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT, f"its arc {ARC} is in doubt: node n3221225472 waits for node "
            "2147483648, and goes on without it soon -> ask again")
    doubtful.members[0].doubts = [[Q, 3 * Q - 1, 77, 5, 9, False]]
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT, "node n0 waits for node 9, which may have", "-> start that again",
            "'dhtctl recover 40000000-bfffffff'")
    doubtful.members[0].operated, doubtful.members[-1].operated = False, True
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT, WORD)


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


def test_it_is_behind_another(broker, make_fake):
    """Two in a row are away: their guard waits for the second, and of the first one's arc nobody says anything yet."""
    fake = make_fake(*[node for node in nodes(*(i * Q for i in range(4))) if node.id < 2 * Q])
    fake.answers = False
    fake.members[0].doubts = [[2 * Q, 3 * Q, 77, 5, 3 * Q, True]]
    fake.members[1].doubts = [[0, Q, 77, 5, 2 * Q, True]]
    fake.members[1].state = "NODE_SUSPECT"
    shown, told, first = at_once(broker, *((*SHORT, "get", *more) for more in ([KEY], ["--json", KEY], [5])))
    refuses(shown, TIMEOUT, f"its arc {ARC} is in doubt: node 2147483648 gives no answer, and node "
            "n0 waits for node 3221225472, which may have on its disk what nobody else has -> start them again, or see what "
            "'dhtctl recover all' would give up")
    told = json.loads(told.stdout)
    assert (told["doubt"]["arc"], told["doubt"]["waits_for"]) == ([2 * Q, 3 * Q], 3 * Q)
    refuses(first, TIMEOUT, "node n1073741824 waits for node 2147483648, which",
            "'dhtctl recover 00000000-40000000'")
    fake.members[0].operated = False
    refuses(run(broker, *SHORT, "get", KEY), TIMEOUT, "and node n0 waits for node 3221225472, and goes on without it soon -> "
            "ask again")


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
    """It is asked again: the error line tells what was learnt last, and who comes late to answer has not been given up."""
    node, told = doubtful.members[-1], Terminal(broker, "--timeout", "40s", "get", KEY, stderr="tty")
    unanswered = Terminal(broker, "--timeout", "9s", "get", KEY + 1)
    wait_for("the first questions", lambda: doubtful.looks == 2)
    node.doubts[0][4] = 99
    wait_for("the second questions", lambda: doubtful.looks == 4)
    doubtful.records[b"%d" % KEY] = b"x"
    doubtful.before = lambda topic, request: request[OPERATIONS][0][2] == KEY
    doubtful.answers = True
    code, shown, out, _ = told.finish(40)
    notes = re.findall(r"note: .*", shown.decode())
    assert (code, out) == (0, b"x") and len(notes) == 1, (code, out, shown)
    assert notes[0].startswith(f"note: key {KEY}: no answer yet: {WORD}")
    code, _, out, error = unanswered.finish(30)
    assert (code, out) == (TIMEOUT, b"") and b"waits for node 99, which may have" in error, error
    assert doubtful.looks == 4


def test_a_terminal_is_told_in_time_and_no_other(broker, doubtful):
    long = ("--timeout", "5100ms")
    loud, watching, quiet, short = (Terminal(broker, *options, KEY, stderr="tty") for options in (
        (*long, "get"), (*long, "watch"), (*long, "get", "--quiet"), (*SHORT, "get")))
    piped = run(broker, *long, "get", KEY)
    assert "note" not in refuses(piped, TIMEOUT, WORD)
    for told, notes in ((loud, 1), (watching, 1), (quiet, 0), (short, 0)):
        assert told.finish()[1].count(b"note: key") == notes
