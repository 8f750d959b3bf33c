"""`dhtctl log`: one story of all nodes, from journals that are made here.  tests/system has one of journald's own."""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from harness import ctl_binary, die_with_parent, wait_for
from manners import LOCAL, NOWHERE, USAGE, Terminal, refuses

START = 1795698336  # 2026-11-26 13:05:36 UTC
REMOTE = "/lib/systemd/systemd-journal-remote"
COMMON = os.path.join(os.path.dirname(__file__), "..", "..", "common")
KITCHEN, ATTIC = "3fa01234", "95992d3f"
ARC = f"({KITCHEN}, {ATTIC}]"
FIELDS = ["time", "host", "from", "node", "id", "state", "level", "kind", "text", "peer", "peer_name", "arc", "epoch",
          "reason", "message_id"]


def message_id(kind):
    with open(os.path.join(COMMON, "note.c")) as f:
        return re.search(rf'\{{\s*"{kind}",\s*"([0-9a-f]{{32}})"', f.read())[1]


def said(at, node, node_id, text, kind="state", priority=6, **more):
    return at, {"MESSAGE": text if isinstance(text, bytes) else f"{node}: {text}", "PRIORITY": priority,
                "MESSAGE_ID": message_id(kind), "DHT_NODE": node, "DHT_ID": node_id, "DHT_STATE": "active",
                "SYSLOG_IDENTIFIER": "dht-node", "_SYSTEMD_UNIT": f"dht-node@{node}.service", "_HOSTNAME": "house", **more}


def manager(at, text, priority, unit="dht-node@kitchen.service", **more):
    return at, {"MESSAGE": text, "PRIORITY": priority, "UNIT": unit, "_PID": 1, "SYSLOG_IDENTIFIER": "systemd",
                "_HOSTNAME": "house", **more}


STORY = [
    said(0, "kitchen", KITCHEN, "joining -> active"),
    said(1, "attic", ATTIC, f"arc {ARC}: taken over from node {KITCHEN} with 3 records", "received", DHT_ARC=ARC,
         DHT_PEER=KITCHEN),
    manager(2, "Started dht-node@kitchen.service - DHT node kitchen.", 6),
    manager(3, "dht-node@kitchen.service: Main process exited, code=killed, status=9/KILL", 5),
    manager(4, "cron.service: Failed with result 'exit-code'.", 4, "cron.service"),
    said(5, "attic", ATTIC, f"node {KITCHEN}: its connection ended -> it has 500 ms to come back", "node-lost", 4,
         DHT_PEER=KITCHEN),
    said(6, "attic", ATTIC, f"view 1a of {ARC} holds, backup 00000007", "view", DHT_ARC=ARC, DHT_PEER="00000007",
         DHT_EPOCH="1a"),
    said(7, "shed", "00000009", f"refused by {ATTIC}", "refused", 3, DHT_PEER=ATTIC, DHT_REASON="id in use"),
    said(8, "kitchen", KITCHEN, f"arc {ARC}: view 1b of {ARC} holds", "view", DHT_ARC=ARC, DHT_PEER=KITCHEN),
]
LINES = [
    "2026-11-26 13:05:36.250  kitchen                         joining -> active",
    f"2026-11-26 13:05:37.250  attic     {ARC}  taken over from node {KITCHEN} (kitchen) with 3 records",
    "2026-11-26 13:05:39.250  kitchen                         systemd: Main process exited, code=killed, status=9/KILL",
    f"2026-11-26 13:05:41.250  attic                           warning: node {KITCHEN} (kitchen): its connection ended "
    "-> it has 500 ms to come back",
    f"2026-11-26 13:05:42.250  attic     {ARC}  view 1a of {ARC} holds, backup 00000007",
    f"2026-11-26 13:05:43.250  shed                            error: refused by {ATTIC} (attic)",
    f"2026-11-26 13:05:44.250  kitchen   {ARC}  view 1b of {ARC} holds",
]


def exported(entries):
    """As systemd's journal export format has it: a field with strange bytes is told with its length."""
    out = b""
    for i, (at, fields) in enumerate(entries):
        out += b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n" % ((START + at) * 10**6 + 250000, i + 1)
        out += b"_BOOT_ID=" + b"1" * 32 + b"\n_MACHINE_ID=" + b"2" * 32 + b"\n"
        for name, value in fields.items():
            value = value if isinstance(value, bytes) else str(value).encode()
            out += name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
        out += b"\n"
    return out


@pytest.fixture
def journal(tmp_path):
    """A folder of journals; one file for each list of entries."""
    folder = tmp_path / "journal"
    folder.mkdir()

    def make(*files):
        for i, entries in enumerate(files):
            done = subprocess.run([REMOTE, "-o", str(folder / f"{i}.journal"), "-"], input=exported(entries),
                                  capture_output=True)
            assert done.returncode == 0, done.stderr
        return folder
    return make


def log(folder, *args, env=None, check=True):
    """It needs no broker: here is none."""
    command = [ctl_binary(), "--broker", NOWHERE, "log", *(["--directory", str(folder)] if folder else []),
               *map(str, args)]
    done = subprocess.run(command, capture_output=True, timeout=60, env={**os.environ, "TZ": "UTC", **(env or {})})
    if check:
        assert (done.returncode, done.stderr) == (0, b""), done
    return done


def lines(folder, *args, **options):
    return log(folder, *args, **options).stdout.decode().splitlines()


def test_one_story_of_all(journal):
    """By time, and not file by file; what systemd says of other units, or of starts, is no part of it."""
    folder = journal(STORY[1::2], STORY[::2])
    assert lines(folder) == LINES
    assert lines(folder, env={"TZ": "CET-1"})[0].startswith("2026-11-26 14:05:36.250  kitchen ")
    assert lines(folder, "--utc", env={"TZ": "CET-1"}) == [line[:23] + "Z" + line[23:] for line in LINES]


def test_objects(journal):
    folder = journal(STORY)
    objects = [json.loads(line) for line in lines(folder, "--json")]
    assert all(list(o) == FIELDS for o in objects) and len(objects) == len(LINES)
    assert objects[1] == {
        "time": "2026-11-26T13:05:37.250000Z", "host": "house", "from": "node", "node": "attic", "id": int(ATTIC, 16),
        "state": "active", "level": "info", "kind": "received",
        "text": f"arc {ARC}: taken over from node {KITCHEN} with 3 records", "peer": int(KITCHEN, 16),
        "peer_name": "kitchen", "arc": [int(KITCHEN, 16), int(ATTIC, 16)], "epoch": None, "reason": None,
        "message_id": message_id("received")}
    assert objects[2] == {**dict.fromkeys(FIELDS), "time": "2026-11-26T13:05:39.250000Z", "host": "house",
                          "from": "systemd", "node": "kitchen", "level": "info",
                          "text": "Main process exited, code=killed, status=9/KILL"}
    assert [o["level"] for o in objects] == ["info", "info", "info", "warn", "info", "error", "info"]
    assert (objects[4]["epoch"], objects[4]["peer"], objects[4]["peer_name"]) == (0x1a, 7, None)
    assert objects[5]["reason"] == "id in use"


@pytest.mark.parametrize("who, expected", [
    (["kitchen"], [0, 1, 2, 3, 6]), ([KITCHEN], [0, 1, 2, 3, 6]), ([int(KITCHEN, 16)], [0, 1, 2, 3, 6]),
    (["shed"], [5]), ([9], [5]), (["00000009"], [5]), ([7], [4]), (["attic"], [1, 3, 4, 5]),
    (["shed", "kitchen"], [0, 1, 2, 3, 5, 6])])
def test_of_some_nodes(journal, who, expected):
    """What they say, what others say of them, and what systemd does; by name or by id."""
    assert lines(journal(STORY), *who) == [LINES[i] for i in expected]


def test_whose_unit_it_is(journal):
    """A node may have another name than its unit; of one that has not said it, the unit's is told as it was typed."""
    unit = "dht-node@1.service"
    folder = journal([said(0, "short", KITCHEN, "joining -> active", _SYSTEMD_UNIT=unit),
                      manager(1, f"{unit}: Watchdog timeout (limit 15s)!", 3, unit),
                      (2, {"SYSLOG_IDENTIFIER": "dht-node", "_SYSTEMD_UNIT": unit, "MESSAGE": "short: words"}),
                      manager(3, r"dht-node@k\xc3\xbcche.service: Failed with result 'signal'.", 4,
                              r"dht-node@k\xc3\xbcche.service")])
    told = [line[25:] for line in lines(folder)]
    blank = 22 * " "
    assert told == [f"short   {blank}  joining -> active", f"short   {blank}  error: systemd: Watchdog timeout (limit 15s)!",
                    f"short   {blank}  words", f"küche  {blank}  warning: systemd: Failed with result 'signal'."]
    assert [line[25:] for line in lines(folder, "short")] == told[:3] == [line[25:] for line in lines(folder, KITCHEN)] + told[2:3]
    assert [line[25:] for line in lines(folder, "küche", env={"LC_ALL": "C"})] == told[3:]


def test_the_last_lines_and_since(journal):
    folder = journal(STORY)
    assert lines(folder, "-n", 2) == LINES[-2:]
    assert lines(folder, "--lines", 100) == LINES
    assert lines(folder, "-n", 3, "kitchen") == [LINES[2], LINES[3], LINES[6]]
    assert lines(folder, "-n", 0) == []
    assert lines(folder, "--since", "2026-11-26 13:05:41") == LINES[3:]
    assert lines(folder, "--since", "2026-11-26T13:05:41.25Z", env={"TZ": "CET-1"}) == [
        line.replace(" 13:", " 14:") for line in LINES[3:]]
    assert lines(folder, "--since", "2026-11-26 13:05:41", "-n", 2) == LINES[-2:]
    assert lines(folder, "--since", "2026-11-26 13:05:41", "-n", 50) == LINES[3:]
    assert lines(folder, "--since", "1970-01-02") == LINES


def test_nothing_to_tell_is_said(journal):
    folder = journal(STORY)
    for args, text in ((["nobody"], "no node of that name or id has said anything in this journal"),
                       (["--since", "2099-01-01"], "no node has said anything since then in this journal")):
        done = log(folder, *args, check=False)
        assert (done.returncode, done.stdout, done.stderr.decode()) == (0, b"", f"dhtctl: note: {text}\n")
        assert log(folder, "--quiet", *args).stdout == b""
        assert log(folder, "--quiet", "--json", *args).stdout == b""


@pytest.mark.parametrize("value", ["", "noon", "24:00", "2026-02-30", "5"])
def test_a_moment_that_is_none(journal, value):
    refuses(log(journal(STORY), f"--since={value}", check=False), USAGE, f"invalid --since '{value}': ")


def test_no_journal(tmp_path):
    refuses(log(tmp_path / "nowhere", check=False), LOCAL, f"cannot look for journals in {tmp_path}/nowhere: no such file")
    refuses(log(tmp_path, check=False), LOCAL, f"there is no journal in {tmp_path}: ", "*.journal")
    if not os.path.exists("/run/log/journal") and not any(os.scandir("/var/log/journal")):  # nor on this machine
        refuses(log(None, check=False), LOCAL, "no journal on this machine", "systemd-journald", "standard error")


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else")
def test_a_journal_of_others(journal, tmp_path):
    folder = journal(STORY)
    os.chmod(folder / "0.journal", 0o640)
    for path in (tmp_path, *tmp_path.parents):
        if path.owner() == "root" and str(path).startswith(("/tmp/", "/var/tmp/")):
            os.chmod(path, 0o755)
    program = tmp_path / "dhtctl"
    shutil.copy(ctl_binary(), program)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "log", "-D", folder]
    refuses(subprocess.run(command, capture_output=True), LOCAL, "you may not read the journal")
    shutil.copy(folder / "0.journal", folder / "1.journal")
    os.chmod(folder / "1.journal", 0o644)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "note: you may not read all of the journal" in done.stderr
    assert "group systemd-journal" in done.stderr and len(done.stdout.splitlines()) == len(LINES)
    assert subprocess.run([*command, "--quiet"], capture_output=True).stderr == b""


def test_files_that_are_no_journals(tmp_path):
    (tmp_path / "a.journal").write_bytes(b"no journal at all")
    (tmp_path / "b.journal").write_bytes(b"")
    done = log(tmp_path, check=False)
    assert (done.returncode, done.stdout) in ((0, b""), (LOCAL, b"")) and done.stderr.startswith(b"dhtctl: ")


def test_what_stands_there_cannot_drive_a_terminal(journal):
    """Whoever may log on a machine can write what he likes."""
    strange = b"a\x1b[31m\nb\x00c\xff\xc2\x9b31m"
    folder = journal([said(0, "evil", "00000001", strange, DHT_ARC="(1, 2]", DHT_PEER="123", DHT_EPOCH="no",
                           DHT_STATE="\x1b[m", DHT_REASON=b"\xfe"),
                      said(1, "\x1b]0;x", "00000002", "hello", DHT_ARC="(00000001, 00000002] "),
                      said(2, "x" * 300, "zzzzzzzz", "long", MESSAGE_ID="?", PRIORITY="99"),
                      (3, {"SYSLOG_IDENTIFIER": "dht-node", "MESSAGE": "node without a unit"}),
                      (4, {"SYSLOG_IDENTIFIER": "dht-node", "MESSAGE": "shed: on standard error", "PRIORITY": 3,
                           "_SYSTEMD_UNIT": "dht-node@shed.service"}),
                      (5, {"SYSLOG_IDENTIFIER": "dht-node", "PRIORITY": 3}),  # no message
                      manager(6, "no instance", 3, "dht-node@.service"), manager(7, "a unit of others", 3, "dht-node@x.timer")])
    told = log(folder).stdout
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f\xff]", told) and told.count(b"\n") == 5
    shown = told.decode().splitlines()
    assert shown[0].endswith(r"a\x1b[31m\x0ab\x00c\xff\xc2\x9b31m")
    assert re.search(r"  dht-node {25,}  node without a unit$", shown[3]), shown[3]
    assert re.search(r"  shed {25,}  error: on standard error$", shown[4]), shown[4]
    objects = [json.loads(line) for line in lines(folder, "--json")]
    assert "text_base64" in objects[0] and objects[0]["arc"] is objects[0]["peer"] is objects[0]["epoch"] is None
    assert "reason_base64" in objects[0] and objects[1]["arc"] is None
    assert objects[2]["id"] is None and objects[2]["kind"] is None and objects[2]["level"] == "info"


def waits_for_more(process):
    """Of the journal; what it has open may be closed, or another program's not yet run, while we look."""
    for fd in glob.glob(f"/proc/{process.pid}/fd/*"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(fd).startswith("anon_inode:inotify"):
                return True
    return False


def test_follow(journal, tmp_path):
    """Ten lines of before, and what comes; from now on with -n 0.  The journal is one that is still written."""
    folder = journal([])
    many = [said(i, "kitchen", KITCHEN, f"number {i}") for i in range(30)]
    writer = subprocess.Popen([REMOTE, "-o", str(folder / "live.journal"), "-"], stdin=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
    followers = []

    def write(entries):
        writer.stdin.write(exported(entries))
        writer.stdin.flush()

    def follow(*args):
        path = tmp_path / f"out{len(followers)}"
        with open(path, "wb") as out:
            followers.append(subprocess.Popen([ctl_binary(), "log", "-f", "-D", folder, *args], stdout=out,
                                              env={**os.environ, "TZ": "UTC"}, preexec_fn=die_with_parent))
        return lambda: [line.split("  ")[-1].strip() for line in path.read_text().splitlines()]
    try:
        write(many)
        wait_for("they are there", lambda: list(folder.glob("*.journal")) and len(
            log(folder, "-q", check=False).stdout.splitlines()) == 30)
        ten, none, of_attic = follow(), follow("-n", "0"), follow("-n", "1", "attic")
        wait_for("ten", lambda: len(ten()) == 10)
        assert ten()[0] == "number 20"
        now = int(time.time()) - START
        # whoever comes later than these lines has missed nothing: his own moment is before theirs
        late = [said(now + 5, "attic", ATTIC, "late"), said(now + 6, "kitchen", KITCHEN, "later")]
        wait_for("all have begun", lambda: all(waits_for_more(f) for f in followers))
        write(late)
        wait_for(ten, lambda: ten()[10:] == ["late", "later"])
        wait_for(none, lambda: none() == ["late", "later"])
        wait_for(of_attic, lambda: of_attic() == ["late"])
        for f in followers:
            f.send_signal(signal.SIGINT)
            assert f.wait(20) == -signal.SIGINT
    finally:
        for process in (*followers, writer):
            process.kill()
            process.wait()


def test_colors_are_for_terminals(journal, broker):
    folder = journal(STORY)
    assert b"\033" not in log(folder).stdout
    colored = log(folder, "--color", "always").stdout
    assert b"\033[33mwarning: " in colored and b"\033[1;31merror: " in colored
    terminal = Terminal(broker, "log", "-D", folder, stdout="tty")
    assert b"\033[33mwarning: " in terminal.finish()[1]


def test_wrong_settings_of_a_broker_do_not_matter(journal, tmp_path):
    settings = tmp_path / "settings"
    settings.write_text(f"password-file = {tmp_path}/none\ncolor = always\n")
    done = subprocess.run([ctl_binary(), "log", "-D", journal(STORY)], capture_output=True,
                          env={**os.environ, "DHT_CONFIG": str(settings)})
    assert done.returncode == 0 and b"\033[" in done.stdout


def test_output_that_cannot_be_written(journal):
    folder = journal([said(i, "kitchen", KITCHEN, "x" * 3000) for i in range(10)])
    with open("/dev/full", "w") as full:
        done = subprocess.run([ctl_binary(), "log", "-D", folder], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == LOCAL and done.stderr.startswith(b"dhtctl: cannot write") and done.stderr.count(b"\n") == 1
