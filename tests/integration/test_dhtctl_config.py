"""Where dhtctl's settings come from: option, environment, the user's file, the system's, default; and who is to blame."""
import json
import os
import subprocess

import pytest

from harness import PATIENCE, ctl_binary
from manners import LOCAL, UNREACHABLE, USAGE, Terminal, refuses


def run(*args, env=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DHT_") and k != "XDG_CONFIG_HOME"}
    return subprocess.run([ctl_binary(), *map(str, args)], capture_output=True, timeout=20 * PATIENCE,
                          env={**clean, **{k: str(v) for k, v in (env or {}).items()}})


def config(*args, env=None):
    """{setting: (value, from)}"""
    done = run("config", "--json", *args, env=env)
    assert (done.returncode, done.stderr) == (0, b""), done
    lines = map(json.loads, done.stdout.splitlines())
    return {line["setting"]: (line["value"], line["from"]) for line in lines}


@pytest.fixture
def files(tmp_path):
    """files(user, system): the value of DHT_CONFIG for files with these lines."""
    def make(*texts):
        paths = [tmp_path / f"file{i}" for i in range(len(texts))]
        for path, text in zip(paths, texts):
            path.write_text(text)
        make.paths = paths
        return {"DHT_CONFIG": ":".join(map(str, paths))}
    return make


def test_defaults(tmp_path):
    told = config(env={"HOME": tmp_path})
    assert told.pop("json") == ("yes", "--json")
    assert told == {"broker": ("mqtt://127.0.0.1:1883", "default"), "password-file": ("", "default"),
                    "cafile": ("", "default"), "certfile": ("", "default"), "keyfile": ("", "default"),
                    "topic-prefix": ("", "default"), "timeout": ("5s", "default"), "color": ("auto", "default"), "quiet": ("no", "default")}


def test_each_source_is_stronger_than_the_next(files):
    env = files("broker = mqtt://user.example\n", "broker=mqtt://system.example:7\n timeout = 9s \n")
    user, system = files.paths
    assert config(env=env)["broker"] == ("mqtt://user.example:1883", f"{user}:1")
    assert config(env=env)["timeout"] == ("9s", f"{system}:2")
    assert config(env={"DHT_CONFIG": system})["broker"] == ("mqtt://system.example:7", f"{system}:1")
    env["DHT_BROKER"] = "mqtt://env.example"
    assert config(env=env)["broker"] == ("mqtt://env.example:1883", "DHT_BROKER")
    assert config("-b", "mqtt://option.example", env=env)["broker"] == ("mqtt://option.example:1883", "--broker")
    env["DHT_BROKER"] = ""  # as good as not set
    assert config(env=env)["broker"][1] == f"{user}:1"


def test_what_it_prints_is_a_file_of_settings(files):
    env = files("timeout = 9s # as ever\nbroker = mqtt://me@h\n")
    printed = run("config", env=env).stdout.decode()
    assert len({line.index(" = ") for line in printed.splitlines() if " = " in line}) == 1, "not aligned"
    assert "timeout       = 9s " in printed and f"# {files.paths[0]}:1" in printed
    again = config(env=files(printed))
    assert again["timeout"][0] == "9s" and again["broker"] == ("mqtt://me@h:1883", f"{files.paths[0]}:1")
    assert again["topic-prefix"][0] == "" and again["quiet"][0] == "no"


def test_the_users_file(tmp_path):
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config" / "dhtctl").write_text("# mine\n\n\tquiet = yes\n")
    (tmp_path / "xdg").mkdir()
    (tmp_path / "xdg" / "dhtctl").write_text("timeout = 2m")
    told = config(env={"HOME": tmp_path})
    assert told["quiet"] == ("yes", f"{tmp_path}/.config/dhtctl:3")
    told = config(env={"HOME": tmp_path, "XDG_CONFIG_HOME": tmp_path / "xdg"})
    assert (told["quiet"][1], told["timeout"]) == ("default", ("2m", f"{tmp_path}/xdg/dhtctl:1"))
    # the specification: what is not absolute is ignored
    assert config(env={"HOME": tmp_path, "XDG_CONFIG_HOME": "xdg"})["quiet"][0] == "yes"
    assert config(env={"HOME": tmp_path, "DHT_CONFIG": ""})["quiet"][0] == "no"
    text = run("config", env={"HOME": tmp_path, "DHT_QUIET": "no"}).stdout.decode()  # and says where it has looked
    assert f"# {tmp_path}/.config/dhtctl" in text and "# /etc/dht/dhtctl.conf" in text


@pytest.mark.parametrize("line, parts", [
    ("brokr = x", ["unknown setting 'brokr'", "did you mean 'broker'?"]),
    ("frobnicate = x", ["unknown setting 'frobnicate'", "broker password-file cafile certfile keyfile topic-prefix timeout color json quiet"]),
    ("ttl = 5s", ["unknown setting 'ttl'"]),  # an option of commands: nobody would think of it
    ("version = 1/2", ["unknown setting 'version'"]),
    ("mqtt://me:secret@h", ["expected NAME = VALUE"]),
    ("= x", ["unknown setting ''"]),
    ("timeout = 5", ["invalid timeout '5'", "such as 5s"]),
    ("color = blue", ["invalid color 'blue'", "auto, always or never"]),
    ("quiet = perhaps", ["invalid quiet 'perhaps'", "yes or no"]),
    ("quiet = no\x00x", ["expected NAME = VALUE"]),
    ("quiet = no\nquiet = no", [":3: 'quiet' stands in line 2 already"]),
    ("broker = mqtt://me:secret@h:x", ["invalid broker URL 'mqtt://me:***@h:x'", "port must be"]),
])
def test_mistakes_in_a_file_have_a_place(files, line, parts):
    env = files(f"# ours\n{line}\n")
    place = f"{files.paths[0]}:{3 if 'quiet = no' + chr(10) in line else 2}"
    error = refuses(run("config", env=env), USAGE, *parts, place)
    assert "secret" not in error
    assert run("config", "--help", env=env).returncode == 0


def test_files_that_cannot_be_read(tmp_path):
    refuses(run("config", env={"DHT_CONFIG": tmp_path}), LOCAL, str(tmp_path), "directory")
    refuses(run("config", env={"DHT_CONFIG": tmp_path / "none"}), LOCAL, "none", "no such file", "DHT_CONFIG")


def test_errors_say_where_the_broker_came_from(files):
    env = files("\nbroker = mqtt://me:secret@127.0.0.1:1\n")
    error = refuses(run("get", 5, env=env), UNREACHABLE, f"mqtt://me:***@127.0.0.1:1 ({files.paths[0]}:2)", "refused")
    assert "secret" not in error
    error = refuses(run("get", 5, env={"DHT_CONFIG": "", "DHT_BROKER": "mqtt://me:secret@127.0.0.1:1"}), UNREACHABLE,
                    "(DHT_BROKER)")
    assert "secret" not in error
    text = run("config", env=env).stdout.decode()
    assert "mqtt://me:***@127.0.0.1:1" in text and "secret" not in text


def test_settings_are_obeyed(broker, fake, files):
    env = files(f"broker = {broker.url}\njson = yes\n")
    fake.records[b"5"] = b"five"
    done = run("get", 5, env=env)
    assert json.loads(done.stdout)["value"] == "five", done
    env["DHT_JSON"] = "no"
    assert run("get", 5, env=env).stdout == b"five"


@pytest.mark.parametrize("args, env, colored", [
    (["--color=always"], {}, True),
    (["--color=never"], {}, False),
    (["--no-color"], {"DHT_COLOR": "always"}, False),
    ([], {}, False),  # a pipe
    ([], {"DHT_COLOR": "always"}, True),
    (["--color=always"], {"NO_COLOR": "1"}, True),  # who says so means it
])
def test_color_in_a_pipe(broker, fake, args, env, colored):
    done = run("ring", "-b", broker.url, *args, env={"DHT_CONFIG": "", **env})
    assert done.returncode == 0 and (b"\x1b[" in done.stdout) == colored


@pytest.mark.parametrize("name, value, colored", [
    ("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False), ("TERM", "", False), ("TERM", "xterm", True)])
def test_color_on_a_terminal(broker, fake, monkeypatch, name, value, colored):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    code, shown, _, _ = Terminal(broker, "ring", stdout="tty").finish()
    assert code == 0 and (b"\x1b[32mactive" in shown) == colored
    assert b"\x1b" not in Terminal(broker, "ring", "--color", "never", stdout="tty").finish()[1]


def test_color_is_one_of_three():
    refuses(run("ring", "--color=red", env={"DHT_CONFIG": ""}), USAGE, "invalid --color 'red'", "auto, always or never")
