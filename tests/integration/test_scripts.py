"""The scripts of tools/: a ring by one command, from a bare tree, and nothing left behind."""
import json
import os
import re
import signal
import subprocess

import pytest

import harness

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))


def start(script, *args, **options):
    return subprocess.Popen([os.path.join(ROOT, "tools", script), *map(str, args)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            preexec_fn=harness.die_with_parent, **options)


def run(script, *args, timeout=60, **options):
    process = start(script, *args, **options)
    try:
        out, _ = process.communicate(timeout=timeout * harness.PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out


def processes_with(text):
    """Command lines that hold a text, by process id."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and int(pid) != os.getpid():
            found[int(pid)] = line
    return found


def states(broker):
    done = harness.ctl(broker.url, "ring", "--json", check=False)
    return [node["state"] for node in json.loads(done.stdout)["nodes"]] if done.stdout.strip() else []


@pytest.mark.parametrize("script", ["run-nodes", "quickstart"])
def test_help_and_usage(script):
    code, out = run(script, "--help")
    assert code == 0 and out.startswith(f"usage: tools/{script}")
    code, out = run(script, "--no-such-option")
    assert code == 2 and "--no-such-option" in out and "--help" in out


def run_nodes(broker, folder, n, *args):
    return start("run-nodes", n, "--broker", broker.url, "--dir", folder, "--bin", harness.node_binary(), *args)


def test_run_nodes_leave_in_good_order(broker, tmp_path):
    """Ctrl-C: every node leaves, the logs are there, one line of each node reached the terminal under its name."""
    logs = tmp_path / "logs"
    process = run_nodes(broker, logs, 3, "--names", "a")
    harness.wait_for("3 active nodes", lambda: states(broker) == ["active"] * 3, 30)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60 * harness.PATIENCE)
    assert process.returncode == 0, out
    assert str(logs) in out.splitlines()[0]
    assert "3 of 3 nodes left in good order" in out
    for name in ("a-1", "a-2", "a-3"):
        assert (logs / f"{name}.log").read_text()
        assert re.search(rf"(?m)^{name} +\| ", out)
    assert not processes_with(str(logs))
    assert "active" not in states(broker)


def test_run_nodes_tells_who_has_ended(broker, tmp_path):
    """A node that dies is named at once, the others stay, and the exit code remembers it."""
    process = run_nodes(broker, tmp_path / "logs", 2, "--names", "b-%d" % os.getpid())
    harness.wait_for("2 active nodes", lambda: states(broker) == ["active"] * 2, 30)
    found = [pid for pid in processes_with("--name b-%d-2" % os.getpid())]
    assert len(found) == 1
    os.kill(found[0], signal.SIGKILL)
    line = ""
    while "has ended by itself" not in line:
        line = process.stdout.readline()
        assert line, "run-nodes ended without a word"
    assert "-2 has" in line and "137" in line
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60 * harness.PATIENCE)
    assert process.returncode == 1 and "1 of 2 nodes left in good order" in out


@pytest.mark.parametrize("url, shown", [("mqtt://me:se@cret@127.0.0.1:1", "mqtt://me:***@127.0.0.1:1"),
                                        ("MQTTS://a/b:secret@[::1]:1", "MQTTS://a/b:***@[::1]:1"),
                                        ("mqtt://[::1]:1", "mqtt://[::1]:1"), ("mqtt://me@h:1", "mqtt://me@h:1")])
def test_run_nodes_prints_no_password(tmp_path, url, shown):
    code, out = run("run-nodes", 1, "--broker", url, "--dir", tmp_path, "--bin", "/bin/true")
    assert code == 1 and f" nodes at {shown}; " in out and "cret" not in out


def test_run_nodes_without_binary(tmp_path):
    code, out = run("run-nodes", "--bin", tmp_path / "none")
    assert code == 1 and "no dht-node" in out and "meson" in out


@pytest.fixture
def own(tmp_path):
    """An empty folder for what quickstart makes; nothing of it, and no process that names it, may be left."""
    folder = tmp_path / "own"
    folder.mkdir()
    yield folder
    assert os.listdir(folder) == []
    assert not processes_with(str(folder))


def quickstart_env(own):
    # what the sanitizers' run sets is not meant for the compilers
    env = {k: v for k, v in os.environ.items() if not k.endswith("SAN_OPTIONS")}
    return dict(env, TMPDIR=str(own))


def test_quickstart_once(own, tmp_path):
    """What it builds is there already: the next test builds."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"meson": f'cp -r "{harness.BUILD}/tools" "{harness.BUILD}/daemon" "$2"', "ninja": ":"}.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    env = dict(quickstart_env(own), PATH=f"{tools}:{os.environ['PATH']}")
    code, out = run("quickstart", "--once", "--port", harness.free_port(), timeout=180, env=env)
    assert code == 0, out
    assert "100/100" in out


@pytest.mark.slow
def test_quickstart_stays_until_ctrl_c(own):
    process = start("quickstart", "--port", harness.free_port(), "--nodes", 3, env=quickstart_env(own),
                    start_new_session=True)
    line = out = ""
    while "Ctrl-C here ends it all" not in line:
        line = process.stdout.readline()
        assert line, out
        out += line
    assert len(processes_with(str(own))) >= 5  # a broker, run-nodes and its nodes
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    rest, _ = process.communicate(timeout=60 * harness.PATIENCE)
    assert process.returncode == 0 and "100/100" in out, out + rest


def test_quickstart_interrupted_while_it_builds(own):
    process = start("quickstart", "--port", harness.free_port(), env=quickstart_env(own), start_new_session=True)
    while "building" not in process.stdout.readline():
        pass
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60 * harness.PATIENCE)
    assert process.returncode == 130


def test_quickstart_port_taken(broker, own):
    code, out = run("quickstart", "--once", "--port", broker.port, env=quickstart_env(own))
    assert code == 1 and f"port {broker.port} is taken" in out and "--port" in out
