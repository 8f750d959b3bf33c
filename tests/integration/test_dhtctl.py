"""dhtctl's manners: its surface, terminals, and the demo, against a ring that is only played."""
import json
import os
import re
import signal
import subprocess

import pytest

from fake_ring import nodes, plays
from harness import PATIENCE, ctl_binary, wait_for
from manners import NO, NOWHERE, TIMEOUT, UNREACHABLE, USAGE, Terminal, refuses, run


# Terminals


def test_a_terminal_gets_escapes_and_a_whole_line(broker, fake):
    fake.records[b"5"] = "a\x1b[31m\x07\x9bä".encode() + b"\xff"
    code, shown, _, _ = Terminal(broker, "get", 5, stdout="tty").finish()
    assert (code, shown) == (0, "a\\x1b[31m\\x07\\xc2\\x9bä\\xff\r\n".encode())
    fake.records[b"5"] = b"line\n"
    assert Terminal(broker, "get", 5, stdout="tty").finish()[1] == b"line\r\n"


def test_an_error_wipes_the_progress_bar(broker, fake):
    fake.answer = lambda key, value: b"wrong"
    code, shown, _, _ = Terminal(broker, "demo", "--keys", 1, stderr="tty").finish()
    assert code == NO and b"\r\x1b[Kdhtctl: key " in shown and shown.endswith(b"\r\x1b[K")


def test_an_error_wipes_nothing_that_others_have_begun(broker, fake):
    """printf 'the door is '; dhtctl get door"""
    assert Terminal(broker, "get", "no", stderr="tty").finish()[1] == b"dhtctl: key 'no': absent\r\n"


def test_an_error_wipes_what_a_terminal_shows_of_ctrl_c(broker, fake):
    terminal = Terminal(broker, "get", "-", stdin="tty", stderr="tty")
    os.write(terminal.ours, b"5\n")
    wait_for("it to have asked", lambda: fake.requests)
    terminal.process.send_signal(signal.SIGINT)
    code, shown, _, _ = terminal.finish()
    assert code == -signal.SIGINT and b"\r\x1b[Kdhtctl: 0 found, 1 not (first: line 1: key 5: absent)" in shown, shown


@pytest.mark.parametrize("term", ["dumb", "", None])
def test_a_terminal_that_does_not_obey_gets_plain_lines(broker, fake, monkeypatch, term):
    if term is None:
        monkeypatch.delenv("TERM")
    else:
        monkeypatch.setenv("TERM", term)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for args in (["get", "no"], ["get"], ["demo"]):
        assert b"\x1b" not in Terminal(broker, *args, stderr="tty").finish()[1], args
    assert Terminal(broker, "get", "no", stderr="tty").finish()[1] == b"dhtctl: key 'no': absent\r\n"
    assert b"\x1b" not in Terminal(broker, "ring", stdout="tty").finish()[1]
    plays(fake, [None, [[5, 1, 1, 0, b"v"]]], [None, []])
    assert Terminal(broker, "export", "/dev/null", stderr="tty").finish()[1] == b"dhtctl: exported 1\r\n"


def test_an_error_line_is_written_in_one_piece(broker, fake):
    """Other processes may write to the same place: each write is a packet here."""
    ours, theirs = os.pipe2(os.O_DIRECT)
    for args in (["get", "nothing there"], ["get", "--bogus\n"]):
        process = subprocess.Popen([ctl_binary(), "-b", broker.url, *args], stderr=theirs)
        process.wait(20 * PATIENCE)
        line = os.read(ours, 65536)
        assert line.startswith(b"dhtctl: ") and line.endswith(b"\n"), line
    os.close(ours)
    os.close(theirs)


def test_put_never_waits_silently_for_a_terminal(broker):
    code, _, out, err = Terminal(broker, "put", 5, stdin="tty").finish()
    assert (code, out) == (USAGE, b"")
    assert b"no value" in err and b"put 5 VALUE" in err
    for args in (["--absent"], ["--version", "1/2"]):
        code, _, out, err = Terminal(broker, "cas", *args, 5, stdin="tty").finish()
        assert (code, out) == (USAGE, b"") and f"'dhtctl cas {args[0]} ".encode() in err, err


def test_put_dash_reads_a_terminal(broker, fake):
    terminal = Terminal(broker, "put", 5, "-", stdin="tty")
    os.write(terminal.ours, b"typed\n\x04")
    code, _, _, err = terminal.finish()
    assert code == 0 and b"Ctrl-D" in err
    assert fake.records[b"5"] == b"typed\n"


# demo


def test_demo(broker, fake):
    done = run(broker, "demo")
    assert done.returncode == 0 and done.stderr == b"", done
    assert re.fullmatch(rb"100/100 .* \d+\.\d{3} s; they stay in the ring\n", done.stdout)
    assert len(fake.puts) == 100 and len(fake.records) == 100
    assert len({p.partition(b"/")[0] for p in fake.puts}) == 1
    assert all(re.fullmatch(rb"[A-Za-z0-9]{10}", value) for value in fake.records.values())
    told = json.loads(run(broker, "demo", "--keys", 20, "--json").stdout)
    assert (told["keys"], told["equal"]) == (20, 20) and 0 < told["seconds"] < 20
    assert run(broker, "demo", "--keys", 3, "--quiet").stdout == b""


def test_demo_of_many_keys_begins(broker, fake):
    """So many random numbers are never all different by luck."""
    fake.acks = False
    refuses(run(broker, "demo", "--keys", 300000, "--timeout", "300ms"), TIMEOUT, "the put of key")


def test_demo_tells_what_is_not_equal(broker, fake):
    seen = []
    fake.answer = lambda key, value: seen.append(key) or (b"" if len(seen) == 3 else b"0123456789"
                                                          if len(seen) == 5 else value)
    done = run(broker, "demo", "--keys", 10)
    assert done.returncode == NO and done.stdout.startswith(b"8/10 ")
    assert b"key " + seen[2] in done.stderr and b"key " + seen[4] in done.stderr


@pytest.mark.parametrize("which", ["put", "get"])
def test_demo_ends_when_nobody_answers(broker, fake, which):
    setattr(fake, "acks" if which == "put" else "gets", False)
    done = run(broker, "demo", "--timeout", "300ms")
    end = b"dhtctl: 100 of 100 keys were put, and stay; 0 of them were got back and equal\n"
    if which == "get":
        assert done.stderr.endswith(end)
        done.stderr = done.stderr.removesuffix(end)
    refuses(done, TIMEOUT, f"the {which} of key", "300ms", "behind an access list", "--reference")


def test_demo_tells_what_was_put_when_the_broker_goes_away(broker, make_proxy, fake):
    proxy = make_proxy()

    def close_behind_ten(topic, payload):
        if len(fake.puts) == 10:
            broker.kill()
        return True
    proxy.upward = close_behind_ten
    done = run(proxy, "demo")
    assert done.returncode == UNREACHABLE
    first, second = done.stderr.decode().splitlines()
    assert "lost the connection" in first
    assert second == "dhtctl: 10 of 100 keys were put, and stay; 0 of them were got back and equal"


def test_demo_draws_a_bar_on_a_terminal_only(broker, fake):
    code, shown, out, _ = Terminal(broker, "demo", stderr="tty").finish()
    assert code == 0 and out.startswith(b"100/100 ")
    assert b"put [" in shown and shown.endswith(b"\r\x1b[K")


# ring


# The surface


@pytest.mark.parametrize("args, parts", [
    (["--bogus"], ["unknown option '--bogus'; see 'dhtctl --help'"]),
    (["--bogus", "get", "5"], ["unknown option '--bogus'", "see 'dhtctl get --help'"]),
    (["get", "5", "--brokr=x"], ["did you mean '--broker'?"]),
    (["-x"], ["unknown option '-x'"]),
    (["gte", "5"], ["unknown command 'gte'", "did you mean 'get'?"]),
    (["a\n\tb"], ["unknown command 'a\\x0a\\x09b'"]),
    (["frobnicate"], ["unknown command 'frobnicate'; see 'dhtctl --help'"]),
    # what others call it: the nearest word may do the opposite
    *(([word, "a", "b"], [f"unknown command '{word}'; did you mean '{meant}'?"])
      for word, meant in (("set", "put"), ("SET", "put"), ("Put", "put"), ("rm", "del"), ("delete", "del"),
                          ("decr", "incr"), ("keys", "ls"), ("list", "ls"), ("subscribe", "watch"), ("nodes", "ring"),
                          ("health", "status"), ("rtt", "ping"), ("dbsize", "count"),
                          ("restore", "import"), ("backup", "export"), ("journal", "log"))),
    (["version"], ["unknown command 'version'; did you mean '--version'?"]),
    (["put", "5", "x", "--tll", "5s"], ["unknown option '--tll'; did you mean '--ttl'?", "see 'dhtctl put --help'"]),
    (["-x", "get", "5"], ["unknown option '-x'; see 'dhtctl get --help'"]),
    (["cas", "-x"], ["unknown option '-x'; see 'dhtctl cas --help'"]),
    (["get"], ["too few arguments", "dhtctl get KEY..."]),
    (["incr", "1", "2", "3"], ["too many arguments", "dhtctl incr KEY [BY]"]),
    (["put", "1", "2", "3"], ["too many arguments", "dhtctl put KEY [VALUE]"]),
    (["ring", "x"], ["too many arguments", "dhtctl ring"]),
    (["help", "put", "get"], ["too many arguments", "'dhtctl help [COMMAND]'"]),
    (["help", "frobnicate"], ["unknown command 'frobnicate'"]),
    *(([command, *more, ""], [f"invalid {what} '': it must not be empty"])
      for command, more, what in (("export", [], "FILE"), ("import", [], "FILE"),
                                  ("broker-config", ["--nodes", "n1"], "DIR"))),
    (["leave"], ["too few arguments", "dhtctl leave NODE"]),
    (["demo", "--keys", "0"], ["invalid --keys '0'", "1 to 100000"]),
    (["get", "5", "--keys", "5"], ["'dhtctl get' has no option '--keys'", "see 'dhtctl get --help'"]),
    (["put", "01234", "x"], ["invalid key '01234'", "no zero ahead", "--name"]),
    (["get", "00"], ["invalid key '00'", "no zero ahead"]),
    (["put", "5", "x", "--meta"], ["'dhtctl put' has no option '--meta'"]),
    (["put", "5", "x", "--ttl", "0s"], ["invalid --ttl '0s'"]),
    (["put", "5", "x", "--file", "y"], ["only one"]),
    (["put", "-", "x"], ["'put -' reads lines", "no VALUE"]),
    (["put", "-", "--file", "x"], ["'put -' reads lines", "no --file"]),
    (["get", "-", "5"], ["no other key"]),
    *((["get", "-o", "x", *bad], ["--output takes the value of one KEY"])
      for bad in (["5", "6"], ["-"], ["5", "--meta"], ["5", "--json"])),
    (["get", "5", "-o", ""], ["invalid --output ''"]),
    (["ls", "n" * 65537], ["invalid prefix 'nnn", "at most 65536 bytes", "65537"]),
    (["watch", "n" * 65537 + "*"], ["invalid prefix 'nnn", "at most 65536 bytes", "65537"]),
    (["get", "5", "-"], ["no other key"]),
    (["del", "5", "6", "-", "7"], ["no other key"]),
    (["cas", "--absent", "-", "x"], ["'cas' reads no lines", "'-' give --name"]),
    (["incr", "-"], ["'incr' reads no lines", "'-' give --name"]),
    (["cas", "5", "x"], ["either --version N/C", "or --absent"]),
    (["cas", "5", "x", "--absent", "--version", "1/2"], ["either --version N/C", "or --absent"]),
    (["cas", "5", "x", "--version"], ["'--version' needs a value (N/C)"]),
    *((["cas", "5", "x", "--version", bad], ["invalid --version '" + bad + "'", "NUMBER/COUNTER"])
      for bad in ("", "1", "1/", "/1", "1/2/3", "1/x", "-1/2", "1/18446744073709551616", " 1/2")),
    *((["incr", "5", bad], ["invalid number '" + bad + "'", "-9223372036854775808 to 9223372036854775807"])
      for bad in ("", "x", "1.5", "1e3", "--1", "+", "0x1", "9223372036854775808", "-9223372036854775809", " 1")
      if not bad.startswith("--")),
    (["get", "5", "--timeout", "5"], ["invalid --timeout '5'", "5s"]),
    (["get", "5", "--timeout", "0s"], ["invalid --timeout '0s'", "10ms to 60m"]),
    (["get", "5", "--timeout"], ["'--timeout' needs a value"]),
    (["get", "5", "--json=yes"], ["'--json' takes no value"]),
])
def test_usage(args, parts):
    refuses(run(NOWHERE, *args), USAGE, *parts)


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["get", "--help"], ["--help", "--bogus"], ["help"], ["help", "get"],
                                  ["help", "help"], ["--version"], ["-V"]])
def test_help_needs_no_broker(args):
    done = run(NOWHERE, *args)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"dhtctl " if args[0] in ("--version", "-V") else b"usage: dhtctl ")
    assert max(map(len, done.stdout.split(b"\n"))) <= 100


@pytest.mark.parametrize("columns, widest", [(80, 80), (40, 50)])  # a URL's form is a word of 40 letters
def test_help_is_as_wide_as_the_terminal(broker, columns, widest):
    """Lines that a terminal has to break are broken amid words, and hide the columns."""
    for command in ["", *(usage.split()[0] for usage in [*COMMANDS, "bench"])]:
        args = ["help", command] if command else ["--help"]
        code, shown, _, _ = Terminal(broker, "--no-pager", *args, stdout="tty", screen=(24, columns)).finish()
        assert code == 0 and max(map(len, shown.decode().split("\r\n"))) <= widest, (command, shown)
        piped = run(broker, *args).stdout.decode()
        assert max(map(len, piped.split("\n"))) <= 100, command
        assert "".join(shown.decode().split()) == "".join(piped.split()), command
    code, shown, _, _ = Terminal(broker, stdout="tty", stderr="tty", screen=(24, columns)).finish()
    assert code == 0 and max(map(len, shown.decode().partition("more:")[0].split("\r\n"))) <= columns, shown


def test_a_key_called_like_a_command(broker, fake):
    """What options mean is the command's own matter, wherever they stand, and whatever the arguments are called."""
    for args in (["put", "--version"], ["--version", "cas"], ["ls", "-V"]):
        assert run(broker, *args).stdout.startswith(b"dhtctl "), args
    # whoever means cas's option is not to believe that something was stored
    for args in (["get", "x", "cas", "--version"], ["put", "ls", "cas", "-V"], ["put", "--version", "1/1", "x", "y"],
                 ["put", "x", "y", "--version=1/1"], ["incr", "x", "--version", "1/1"]):
        refuses(run(broker, *args), USAGE, f"'dhtctl {args[0]}' has no option '--version'", "'dhtctl cas' has")
    refuses(run(broker, "--version", "1/1", "put", "x", "y"), USAGE, "unknown command '1/1'")
    assert run(broker, "put", "ls", "-0").returncode == 0 and run(broker, "get", "--", "ls").stdout == b"-0"
    refuses(run(broker, "--version", "1/x", "cas", "5", "x"), USAGE, "invalid --version '1/x'")
    refuses(run(broker, "-qt", "300ms", "cas", "5", "x"), USAGE, "either --version N/C")
    refuses(run(broker, "--timeout=ls", "put", "-0", "x"), USAGE, "invalid --timeout 'ls'")


COMMANDS = {
    "put KEY [VALUE]": ["--name", "--ttl", "--if-absent", "--file", "--verbose"],
    "get KEY...": ["--name", "--meta", "--output"],
    "del KEY...": ["--name", "--verbose"],
    "cas KEY [NEW]": ["--name", "--version N/C", "--absent", "--ttl", "--file", "--verbose"],
    "incr KEY [BY]": ["--name", "--ttl"],
    "ls [PREFIX]": ["--long", "--null", "--limit"],
    "export [FILE]": ["--format"],
    "import [FILE]": ["--format", "--resume", "--overwrite"],
    "watch [KEY|PREFIX*] [-- CMD...]": ["--name", "--initial", "--count", "--idle"],
    "count [PREFIX]": [],
    "status": ["--watch"],
    "check": [],
    "ping [NODE]": ["--times"],
    "ring": ["--watch", "--utc"],
    "config": [],
    "broker-config [DIR]": ["--nodes", "--clients", "--operators", "--reference", "--server-certfile", "--server-keyfile",
                            "--port"],
    "completion bash|zsh|fish": [],
    "leave NODE": ["--force"],
    "recover ARC|all": ["--yes"],
    "scrub": [],
    "log [NODE...]": ["--follow", "--since", "--lines", "--directory", "--utc"],
    "demo": ["--keys"],
}


def test_help_names_every_command_and_option():
    text = run(NOWHERE, "--help").stdout.decode()
    for word in ("--broker URL", "DHT_BROKER", "--timeout", "--json", "--quiet", "--topic-prefix", "--version"):
        assert word in text
    for usage, options in COMMANDS.items():
        assert usage in text
        own = run(NOWHERE, usage.split()[0], "--help").stdout.decode()
        assert f"dhtctl [OPTIONS] {usage}" in own
        for special in {o for those in COMMANDS.values() for o in those}:
            assert (special + " " in own.partition("\noptions:")[2]) == (special in options), (usage, special)


def test_help_has_each_option_once_and_its_own_together():
    """Two options may have one name, each in another command."""
    for usage, options in COMMANDS.items():
        own = run(NOWHERE, usage.split()[0], "--help").stdout.decode().partition("\noptions:")[2]
        shown = re.findall(r"^  (?:-\w,|   ) (--[a-z-]+)", own, re.MULTILINE)
        assert len(shown) == len(set(shown)) and shown.count("--version") == 1, usage
        assert usage.startswith("cas") or shown[-2:] == ["--help", "--version"] or "--null" in shown, (usage, shown)
    assert "-V, --version" not in run(NOWHERE, "cas", "--help").stdout.decode(), "there it is another option"


def test_help_names_bounds_and_itself():
    assert "  help [COMMAND]  " in run(NOWHERE, "--help").stdout.decode()
    for args, words in ((["put"], ["at most 49 days", "(10ms to 60m; default 5s; DHT_TIMEOUT)"]),
                        (["bench"], ["(16 to 16777216; default 32)"])):
        text = " ".join(run(NOWHERE, "help", *args).stdout.decode().split())
        assert all(word in text for word in words), text


def test_without_arguments(broker, make_fake):
    done = run(NOWHERE)
    assert done.returncode == 0 and done.stdout.count(b"\n") + done.stderr.count(b"\n") <= 20
    assert b"dhtctl put" in done.stdout and b"cannot reach broker" in done.stderr
    done = run(broker)
    assert done.returncode == 0 and b"no ring answers (start a node: 'dht-node " in done.stdout
    make_fake(*nodes(5, 6, 7))
    done = run(broker)
    assert f"broker {broker.url} (--broker): 3 nodes, healthy".encode() in done.stdout
