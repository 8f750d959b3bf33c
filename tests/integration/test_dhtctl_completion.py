"""Completion: what `dhtctl __complete` offers, and the scripts of three shells that ask it."""
import os
import shlex
import subprocess

import pytest

from harness import PATIENCE, ctl, ctl_binary
from manners import NOWHERE, USAGE, done, refuses, run
from test_dhtctl import COMMANDS

VERBS = {usage.split()[0] for usage in COMMANDS} | {"bench", "help"}


def offers(*words, broker=NOWHERE):
    """{word: description}"""
    result = subprocess.run([ctl_binary(), "__complete", *words], capture_output=True, timeout=20 * PATIENCE,
                            env={**os.environ, "DHT_BROKER": broker if isinstance(broker, str) else broker.url})
    assert (result.returncode, result.stderr) == (0, b""), result
    lines = result.stdout.decode().splitlines()
    assert len(lines) == len({line.partition("\t")[0] for line in lines}), lines
    return dict(line.partition("\t")[::2] for line in lines)


def test_commands():
    assert set(offers("")) == set(offers("--json", "")) == set(offers("help", "")) == VERBS
    assert offers("hel") == {"help": "print this text, or that of a command"}
    assert offers("ge") == {"get": "print the value of a key"}
    assert offers("xyz") == offers("frobnicate", "") == {}


@pytest.mark.parametrize("usage", COMMANDS)
def test_options(usage):
    offered = set(offers(usage.split()[0], "-"))
    general = {"--broker", "--password-file", "--cafile", "--certfile", "--keyfile", "--topic-prefix",
               "--timeout", "--color", "--no-color", "--json", "--quiet", "--no-pager", "--help", "--version"}
    assert offered == general | {option.split()[0] for option in COMMANDS[usage]}


@pytest.mark.parametrize("words, expected", [
    (["--color", ""], {"auto", "always", "never"}),
    (["--color=a"], {"--color=auto", "--color=always"}),
    (["completion", ""], {"bash", "zsh", "fish"}),
    (["completion", "bash", ""], set()),
    (["export", "--format", "c"], {"cbor"}),
    (["export", ""], {":files"}),
    (["put", "key", "--file", ""], {":files"}),
    (["log", "--directory", ""], {":files"}),
    (["get", "--timeout", ""], set()),
    (["ring", ""], set()),
    (["leave", ""], set()),  # no broker there: nothing, and no word about it
    (["get", "--", "-"], set()),
    (["put", "--", "--co"], set()),
    (["watch", "--", ""], {":files"}),
    (["watch", "key", "--", "sh", "-c", "--co"], {":files"}),
    (["watch", "key", "--", "grep", "--color", ""], {":files"}),
])
def test_values_and_arguments(words, expected):
    assert set(offers(*words)) == expected


def test_keys_and_nodes(broker, ring):
    ring(2)
    names = {n for n in offers("leave", "", broker=broker)}
    assert len(names) == 2 and names == set(offers("log", "--follow", "", broker=broker))
    for key in ("light/hall", "light/kitchen", "door", "new\nline", b"\xff"):
        assert ctl(broker.url, "put", key if isinstance(key, str) else os.fsdecode(key), "x").returncode == 0
    assert set(offers("get", "light/", broker=broker)) == {"light/hall", "light/kitchen"}
    assert set(offers("del", "door", "", broker=broker)) == {"light/hall", "light/kitchen", "door"}
    assert set(offers("put", "door", "", broker=broker)) == set()  # a value is anything


# The scripts


def test_no_other_shell():
    refuses(run(NOWHERE, "completion", "tcsh"), USAGE, "no completion for shell 'tcsh'", "bash, zsh and fish")


def test_a_shell_starts_whatever_the_settings_are(monkeypatch, tmp_path):
    monkeypatch.setenv("DHT_CONFIG", str(tmp_path / "none"))
    assert b"__complete" in done("no URL", "completion", "bash")
    assert set(offers("st", broker="no URL")) == {"status"}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        (folder / shell).write_bytes(done(NOWHERE, "completion", shell))
    return folder


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_syntax(scripts, shell):
    result = subprocess.run([shell, "-n", scripts / shell], capture_output=True, timeout=20 * PATIENCE)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def environment(broker=NOWHERE):
    return {**os.environ, "PATH": os.path.dirname(ctl_binary()) + ":" + os.environ["PATH"], "DHT_BROKER": broker}


def bash(scripts, *words, breaks=None, **options):
    """What bash offers behind these words, the last one unfinished; split as bash does."""
    lines = [f"source {shlex.quote(str(scripts / 'bash'))}", "set -u",
             f"COMP_WORDS=({' '.join(map(shlex.quote, words))})", f"COMP_CWORD={len(words) - 1}",
             "_dhtctl", 'printf "%s\\n" "${COMPREPLY[@]-}"']
    result = subprocess.run(["bash", "--norc", "-c", "\n".join(lines)], capture_output=True, timeout=20 * PATIENCE,
                            env=environment(**options), cwd=scripts)
    assert (result.returncode, result.stderr) == (0, b""), result
    return set(result.stdout.decode().split("\n")) - {""}


def test_bash(scripts):
    assert bash(scripts, "dhtctl", "") == VERBS
    assert bash(scripts, "dhtctl", "st") == {"status"}
    assert "--if-absent" in bash(scripts, "dhtctl", "put", "key", "--")
    assert bash(scripts, "dhtctl", "--color", "=", "al") == {"always"}
    assert bash(scripts, "dhtctl", "--color", "=") == {"auto", "always", "never"}
    assert bash(scripts, "dhtctl", "--broker", "=", "mqtt", ":", "//h", "comp") == {"completion"}
    assert bash(scripts, "dhtctl", "import", "ba") == {"bash"}  # a file


def test_bash_and_keys(scripts, broker, ring):
    ring(1)
    for key in ("a:b", "a:c d"):
        ctl(broker.url, "put", key, "x")
    assert bash(scripts, "dhtctl", "get", "a", ":", "b", broker=broker.url) == {"b"}
    assert bash(scripts, "dhtctl", "get", "a", ":", "", broker=broker.url) == {"b", "c\\ d"}


def test_fish(scripts, tmp_path):
    def complete(line):
        lines = [f"source {scripts / 'fish'}", f"complete -C {shlex.quote(line)}"]
        result = subprocess.run(["fish", "--no-config", "-c", "\n".join(lines)], capture_output=True, cwd=scripts,
                                timeout=20 * PATIENCE, env={**environment(), "HOME": str(tmp_path)})
        assert (result.returncode, result.stderr) == (0, b""), result
        return dict(line.partition("\t")[::2] for line in result.stdout.decode().splitlines())
    assert set(complete("dhtctl ")) == VERBS
    assert complete("dhtctl st") == {"status": "tell whether all is well: broker, nodes, records"}
    assert "--if-absent" in complete("dhtctl put key --i")
    assert set(complete("dhtctl --color a")) == {"auto", "always"}
    assert set(complete("dhtctl import fi")) == {"fish"}


def test_zsh(scripts):
    """Its completion needs a terminal: what the function hands to _describe is looked at instead."""
    def complete(*words):
        lines = ["compdef() { }", f"source {scripts / 'zsh'}", '_files() { print -- ":files" }',
                 '_describe() { print -l -- "${(@P)3}" }', f"words=({' '.join(map(shlex.quote, words))})",
                 f"CURRENT={len(words)}", "_dhtctl"]
        result = subprocess.run(["zsh", "-f", "-c", "\n".join(lines)], capture_output=True, env=environment(),
                                timeout=20 * PATIENCE)
        assert result.stderr == b"", result
        return result.stdout.decode().splitlines()
    assert {line.partition(":")[0] for line in complete("dhtctl", "")} == VERBS
    assert complete("dhtctl", "st") == ["status:tell whether all is well: broker, nodes, records"]
    assert {line.partition(":")[0] for line in complete("dhtctl", "--color", "a")} == {"auto", "always"}
    assert complete("dhtctl", "import", "") == [":files"]
    assert complete("dhtctl", "xyz") == []
