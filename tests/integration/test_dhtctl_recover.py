"""`dhtctl recover`, and what `dhtctl ring` says of what is in doubt, by a ring that is only played; test_disk.py has real ones."""
import json
import os

import pytest

from fake_ring import FakeNode, in_doubt
from manners import NO, NOWHERE, TIMEOUT, USAGE, Terminal, at_once, refuses, run

Q = 1 << 30
ARC = "40000000-80000000"


@pytest.fixture
def doubtful(make_fake):
    return in_doubt(make_fake)


def test_a_doubt_is_the_first_problem(broker, doubtful):
    shown, told, status = at_once(broker, ["ring"], ["ring", "--json"], ["status"])
    lines = shown.stdout.decode().splitlines()
    assert lines[0] == ("problem: (40000000, 80000000], 25.0% of the ring: node n3221225472 waits for node 2147483648 -> "
                        f"start that again, or see what 'dhtctl recover {ARC}' would give up")
    told = json.loads(told.stdout)
    assert told["doubts"] == [{"arc": [Q, 2 * Q], "node": 3 * Q, "waits_for": 2 * Q, "copy": False, "operator": True}]
    assert status.returncode == NO
    doubtful.members[-1].operated = False
    shown, recovered = at_once(broker, ["ring"], ["recover", ARC, "--yes"])
    assert "goes on without it soon" in shown.stdout.decode().splitlines()[0]
    refuses(recovered, NO, "nobody waits there for a word")


@pytest.mark.parametrize("arc", [ARC, "30000000-80000001", "all"])
def test_recover(broker, doubtful, arc):
    done = run(broker, "recover", arc, "--yes")
    assert done.returncode == 0 and done.stdout.endswith(b"of the ring: served again\n"), done
    said = done.stderr.decode()
    assert "(40000000, 80000000], 25.0% of the ring: node n3221225472 waits for node 2147483648" in said
    assert "all records of it may be lost" in said and "merged by its version" in said
    assert doubtful.words == [[[Q, 2 * Q, 77, 5, 2 * Q, False]]], "as it was told, and once"
    refuses(run(broker, "recover", arc, "--yes"), NO, "nobody waits there for a word")


def test_recover_for_programs(broker, doubtful):
    doubtful.members[-1].doubts[0][5] = True
    done = run(broker, "recover", ARC, "--yes", "--json")
    assert json.loads(done.stdout) == {"arc": [Q, 2 * Q], "given_up": 1, "served": True}
    assert b"has a copy of all of it" in done.stderr and b"may be lost." not in done.stderr


def test_recover_is_quiet(broker, doubtful):
    done = run(broker, "recover", ARC, "--yes", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("answer, code", [(b"y\n", 0), (b"n\n", NO), (b"\n", NO), (b"\x04", NO)])
def test_recover_asks_on_a_terminal(broker, doubtful, answer, code):
    terminal = Terminal(broker, "recover", ARC, stdin="tty")
    os.write(terminal.ours, answer)
    got, _, out, err = terminal.finish()
    assert got == code and b"all records of it may be lost" in err and b"Give it up? [y/N]" in err, err
    assert len(doubtful.words) == (code == 0) and (b"nothing is given up" in err) == (code == NO)


def test_recover_where_nobody_can_be_asked(broker, doubtful):
    refuses(run(broker, "recover", ARC, input=b"y\n"), USAGE, "--yes")
    assert not doubtful.words


def test_recover_of_no_arc():
    for arc in ("", "40000000", "40000000-", "-80000000", "40000000-800000000", "x-y", "1-2-3", "everything"):
        refuses(run(NOWHERE, "recover", "--yes", "--", arc), USAGE, "invalid arc", "40000000-80000000")


def test_recover_of_another_arc(broker, doubtful):
    """What reaches beyond the arc that was named is not given up."""
    arcs = ("40000001-80000000", "40000000-7fffffff", "80000000-40000000")
    for done in at_once(broker, *(["recover", arc, "--yes"] for arc in arcs)):
        refuses(done, NO, "nobody waits there for a word")
    assert not doubtful.words


@pytest.mark.parametrize("recovers", [False, None])
def test_recover_that_comes_to_nothing(broker, doubtful, recovers):
    doubtful.recovers = recovers
    done = run(broker, "recover", ARC, "--yes", "--quiet", "--timeout", "4s")
    refuses(done, TIMEOUT, "no node took the word within 4s")
    assert len(doubtful.words) > 1, "it is said again"


def test_recover_that_takes_its_time(broker, doubtful):
    doubtful.members[-1].healed = (2 * Q, 3 * Q)
    refuses(run(broker, "recover", ARC, "--yes", "--quiet", "--timeout", "2s"), TIMEOUT, "given up, but not served within 2s")


def test_recover_of_a_whole_ring(broker, make_fake):
    """Whoever waits for it has no arc."""
    fake = make_fake(FakeNode(5, "five", "NODE_JOINING"))
    fake.members[0].doubts = [[0, 0, 1 << 32, 5, None, False]]
    fake.members[0].healed = (5, 5)
    assert run(broker, "ring").stdout.startswith(b"problem: (00000000, 00000000], 100.0% of the ring: node five waits for whoever had it")
    refuses(run(broker, "recover", "all", "--yes", "--quiet", "--timeout", "2s"), TIMEOUT, "given up, but not served")
