"""dhtctl export: a FILE is whole or as it was, whatever ends it; and what is in it of what is written meanwhile."""
import json
import os
import resource
import signal
import stat
import subprocess

import pytest

from fake_ring import plays
from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import LOCAL, TIMEOUT, done, put_lines, run

LINE = b'{"key":5,"value":"v","version":"1/1"}\n'
PAGE = [8, [[5, 1, 1, 0, b"v"]]]
WHOLE = [[None, [[5, 1, 1, 0, b"v"]]], [None, []]]  # up to the owner's end, and from there around


@pytest.fixture
def old(tmp_path):
    """A dump of old, alone in its folder."""
    (tmp_path / "dumps").mkdir()
    file = tmp_path / "dumps" / "old"
    file.write_bytes(b"precious\n")
    return file


def is_as_it_was(file):
    return file.read_bytes() == b"precious\n" and os.listdir(file.parent) == [file.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal(broker, fake, old, number):
    plays(fake, PAGE)  # and nothing more: it waits for the second one
    process = subprocess.Popen([ctl_binary(), "-b", broker.url, "export", old, "--timeout", "60s"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    wait_for("the first page", lambda: any(e.stat().st_size == len(LINE) for e in os.scandir(old.parent)))
    process.send_signal(number)
    out, error = process.communicate(timeout=10 * PATIENCE)
    assert (process.returncode, out) == (-number, b"")
    assert error == b"dhtctl: ended by a signal: nothing was written, the file is as it was\n"
    assert is_as_it_was(old)


def test_a_ring_that_falls_silent(broker, fake, old):
    plays(fake, PAGE)
    result = run(broker, "export", old, "--timeout", "300ms")
    assert result.returncode == TIMEOUT and b"from id 8 on" in result.stderr
    assert result.stderr.endswith(b"nothing was written to %s: 1 had come, and not what follows\n" % bytes(old))
    assert is_as_it_was(old)
    plays(fake, PAGE)
    assert run(broker, "export", old.parent / "new", "--timeout", "300ms").returncode == TIMEOUT
    plays(fake, PAGE)
    assert run(broker, "export", old, "--timeout", "300ms", "--json").stdout == b'{"exported":0,"whole":false}\n'
    assert is_as_it_was(old)


def test_a_limit_of_size(broker, fake, old):
    plays(fake, [None, [[5, 1, 1, 0, b"v" * 10000]]])
    process = subprocess.Popen([ctl_binary(), "-b", broker.url, "export", old], stderr=subprocess.PIPE,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)))
    _, error = process.communicate(timeout=20 * PATIENCE)
    assert process.returncode == LOCAL and b"file too large; nothing was written" in error
    assert is_as_it_was(old)


def test_what_is_replaced_keeps_its_rights_and_its_links(broker, fake, old, tmp_path):
    old.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(old)
    plays(fake, *WHOLE)
    assert run(broker, "export", link).returncode == 0
    assert link.is_symlink() and old.read_bytes() == LINE and stat.S_IMODE(old.stat().st_mode) == 0o640
    assert os.listdir(old.parent) == [old.name]
    new = old.parent / "new"
    plays(fake, *WHOLE)
    assert run(broker, "export", new, preexec_fn=lambda: os.umask(0o027)).returncode == 0
    assert new.read_bytes() == LINE and stat.S_IMODE(new.stat().st_mode) == 0o640


def test_pipes_and_descriptors_are_written_in_place(broker, fake, old):
    plays(fake, *WHOLE)
    assert run(broker, "export", "/dev/fd/1").stdout == LINE
    inode = old.stat().st_ino
    plays(fake, *WHOLE)
    with open(old, "ab") as file:
        number = file.fileno()
        assert run(broker, "export", f"/proc/self/fd/{number}", pass_fds=[number]).returncode == 0
    assert old.stat().st_ino == inode and old.read_bytes() == LINE  # opening it again begins anew


def test_the_cut(broker, ring):
    """Two pages are not of one moment: of two that are written one after the other the second is there without the first.
    What nobody touches is there once."""
    ring(2)
    ids = [i << 26 for i in range(64)]  # two a page
    put_lines(broker, {id: b"%d" % id + b"-" * 20000 for id in ids})
    process = subprocess.Popen([ctl_binary(), "-b", broker.url, "export"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, preexec_fn=die_with_parent, bufsize=0)
    rows = [json.loads(process.stdout.readline())]  # and it waits for its reader, long before the end
    first, second, deleted, new = ids[0], ids[-1], ids[-2], ids[-1] + 1
    for id in (first, second, new):
        done(broker, "put", id, "since")
    done(broker, "del", deleted)
    rows += map(json.loads, process.communicate(timeout=20 * PATIENCE)[0].splitlines())
    assert process.returncode == 0 and [row["key"] for row in rows] == [i for i in ids if i != deleted] + [new]
    assert [row["key"] for row in rows if row["value"] == "since"] == [second, new]
    assert rows[0]["key"] == first
