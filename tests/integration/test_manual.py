"""The manual pages: clean to what reads them, and nothing of --help is missing."""
import json
import os
import re
import subprocess

import pytest

import harness
from test_dhtctl import COMMANDS

PAGES = {"dhtctl": ("tools/dhtctl.1", harness.ctl_binary()), "dht-node": ("daemon/dht-node.8", harness.node_binary())}


def page(program):
    return os.path.join(harness.BUILD, PAGES[program][0])


def shown(program):
    text = subprocess.run(["mandoc", "-Tascii", "-Owidth=400", page(program)], capture_output=True, check=True).stdout
    return re.sub(r".\x08", "", text.decode())


def help_of(program, *command):
    return subprocess.run([PAGES[program][1], *command, "--help"], capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("program", PAGES)
def test_mandoc_has_nothing_to_say(program):
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page(program)], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("program", PAGES)
def test_every_section_is_there(program):
    heads = re.findall(r"^([A-Z][A-Z ]+)$", shown(program), re.M)
    assert {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES",
            "SEE ALSO"} <= set(heads)


@pytest.mark.parametrize("program", PAGES)
def test_every_option_and_variable_of_help_is_there(program):
    text = shown(program)
    helps = [help_of(program)] + [help_of(program, u.split()[0]) for u in COMMANDS if program == "dhtctl"]
    options = {o for h in helps for o in re.findall(r"^ +(?:-., )?(--[a-z-]+)", h, re.M)}
    assert len(options) >= 14
    for option in options:
        assert re.search(rf"^ +(-., )?{option}\b", text, re.M), option
    variables = {v for h in helps for v in re.findall(r"DHT_[A-Z_]+", h)}
    assert len(variables) >= 6
    for variable in variables:
        assert re.search(rf"^ +{variable}\b", text, re.M), variable


def test_every_command_is_there():
    text = shown("dhtctl")
    commands = re.findall(r"^  ([a-z-]+) (\S+ )*", help_of("dhtctl").partition("commands:")[2].partition("options")[0],
                          re.M)
    assert {usage.split()[0] for usage in COMMANDS} | {"help"} <= {c[0] for c in commands}
    for command, _ in commands:
        assert re.search(rf"^   {command}( |$)", text, re.M), command


def test_install_puts_them_where_they_are_looked_for():
    done = subprocess.run(["meson", "introspect", "--installed", harness.BUILD], capture_output=True, check=True)
    places = set(json.loads(done.stdout).values())
    for end in ("/man/man1/dhtctl.1", "/man/man8/dht-node.8", "/bash-completion/completions/dhtctl",
                "/zsh/site-functions/_dhtctl", "/fish/vendor_completions.d/dhtctl.fish"):
        assert any(place.endswith(end) for place in places), end


def test_every_exit_code_is_there():
    for program in PAGES:
        text = shown(program).partition("EXIT STATUS")[2].partition("ENVIRONMENT")[0]
        told = " ".join(help_of(program).partition("exit codes:")[2].split())
        for code in re.findall(r"(?:^|; ?)(\d+) ", told):
            assert re.search(rf"^ +{code} ", text, re.M), (program, code)


def test_examples_are_commands():
    text = shown("dhtctl").partition("EXAMPLES")[2].partition("SEE ALSO")[0]
    verbs = re.findall(r"^ +dhtctl ([a-z]+)", text, re.M)
    assert len(verbs) >= 8 and set(verbs) <= {usage.split()[0] for usage in COMMANDS} | {"bench"}
