"""What the tests of dhtctl share: running it, what an error has to look like, and dhtctl on a terminal."""
import concurrent.futures
import contextlib
import json
import os
import pty
import select
import subprocess
import termios
import time

from harness import PATIENCE, ctl, ctl_binary, die_with_parent

NO, USAGE, UNREACHABLE, REFUSED, TIMEOUT, PARTLY, LOCAL, WRONG = 1, 2, 3, 4, 5, 6, 7, 8
NOWHERE = "mqtt://127.0.0.1:1"


def run(broker, *args, **options):
    return ctl(broker if isinstance(broker, str) else broker.url, *args, check=False, **options)


def at_once(broker, *commands, **options):
    """What came of each: those that wait for their time-outs do so together."""
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda args: run(broker, *args, **options), commands))


def refuses(done, code, *parts):
    """Failed with that code, nothing on standard output, and one line that holds all the parts."""
    error = done.stderr.decode()
    assert done.returncode == code, (done.returncode, error)
    assert done.stdout == b""
    assert error.startswith("dhtctl: ") and error.endswith("\n") and error.count("\n") == 1, error
    assert not error.endswith(".\n")
    for part in parts:
        assert str(part) in error, error
    return error


def done(broker, *args, **options):
    """What it printed; it has to succeed and say nothing else."""
    result = run(broker, *args, **{"timeout": 60, **options})
    assert (result.returncode, result.stderr) == (0, b""), result
    return result.stdout


def put_lines(broker, pairs):
    """By lines; names must not look like numbers."""
    lines = b"".join(b"%s\t%s\n" % (str(k).encode(), v) for k, v in pairs.items())
    done(broker, "--quiet", "--timeout", "30s", "put", "-", input=lines)


class Terminal:
    """dhtctl with some of its standard streams on a terminal."""

    def __init__(self, broker, *args, stdin=None, stdout=None, stderr=None, screen=None):
        self.ours, theirs = pty.openpty()
        if screen:  # (rows, columns)
            termios.tcsetwinsize(theirs, screen)
        pick = {"tty": theirs, None: subprocess.PIPE}
        self.process = subprocess.Popen([ctl_binary(), "--broker", broker.url, *map(str, args)], stdin=pick[stdin],
                                        stdout=pick[stdout], stderr=pick[stderr], preexec_fn=die_with_parent)
        os.close(theirs)

    def finish(self, timeout=20):
        """(exit code, what the terminal showed, what the pipes held)."""
        shown = b""
        end = time.monotonic() + timeout * PATIENCE
        with contextlib.suppress(OSError):  # the terminal's last user has gone
            while time.monotonic() < end:
                if not select.select([self.ours], [], [], 0.1)[0]:
                    continue
                data = os.read(self.ours, 65536)
                if not data:
                    break
                shown += data
        out, err = self.process.communicate(timeout=timeout * PATIENCE)
        os.close(self.ours)
        return self.process.returncode, shown, out or b"", err or b""


def told(broker, *args, **options):
    """Its only JSON object."""
    return json.loads(run(broker, "--json", *args, **options).stdout)


VALUES = {
    "plain": b"hello",
    "empty": b"",
    "spaces": b"  two  words ",
    "slashes": b"a/b//c/",
    "newline": b"one\ntwo\n",
    "nul": b"a\0b\0",
    "no utf-8": b"\xff\xfe\x80",
    "all bytes": bytes(range(256)),
    "1 MiB": os.urandom(1 << 20),
    "16 MiB": b"x" * (16 << 20),
}
