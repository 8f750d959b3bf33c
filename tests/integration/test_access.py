"""What `dhtctl broker-config` makes: all works under it that is to work; and what does not is told, by whom and why."""
import json
import os
import re
import subprocess
import threading

import pytest

import harness
from access import AccessBroker, AccessRing
from certificates import Set
from harness import ctl_binary, wait_for

NO, TIMEOUT, REFUSED, USAGE, LOCAL = 1, 5, 4, 2, 7
USERS = ("--nodes", "n1,n2,n3", "--operators", "op", "--clients", "alice,bob")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Set(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory, certificates):
    broker = AccessBroker(tmp_path_factory.mktemp("broker"), certificates, *USERS).start()
    yield broker
    broker.kill()


@pytest.fixture
def ring(broker, tmp_path):
    ring = AccessRing(broker, tmp_path)
    for name in ("n1", "n2", "n3"):
        # who hangs is not taken over from
        ring.add(name, env={"DHT_RECOVER_AFTER": "1s", "DHT_PING": "1m"})
    ring.wait_whole(3)
    yield ring
    for node in ring.nodes:
        if node.running():
            node.term()
    for node in ring.nodes:
        node.wait()
    assert not ring.complaints()


def test_a_ring_under_the_list(broker, ring):
    """Clients, operators, watching; nodes that come, go, die; and no node has anything to say about the list."""
    alice = lambda *args, **options: broker.ctl("alice", *args, **options).stdout
    alice("put", "door", "open")
    alice("put", "5", "five")
    assert alice("get", "door") == b"open" and alice("get", "5") == b"five"
    assert alice("incr", "visits") == b"1\n" and sorted(alice("ls").split()) == [b"5", b"door", b"visits"]
    assert alice("export").count(b"\n") == 3
    assert len(ring.look()) == 3
    told = broker.ctl("op", "broker-config", "--help").stdout.decode()
    for word, code in (("status", 0), ("check", 0), ("ring", 0), ("ping", 0), ("scrub", 0), ("recover", NO), ("leave", NO)):
        args = {"recover": ["all"], "leave": ["nobody"]}.get(word, [])
        assert broker.ctl("op", word, *args, check=False).returncode == code and f"'{word}'" in told, word
    watch = subprocess.Popen([ctl_binary(), "watch", "*"], stdout=subprocess.PIPE, text=True,
                             env={**os.environ, **broker.as_user("bob")}, preexec_fn=harness.die_with_parent)
    heard = []
    threading.Thread(target=lambda: heard.extend(iter(watch.stdout.readline, "")), daemon=True).start()
    wait_for("the first event", lambda: alice("put", "now", "1") == b"" and any("now" in line for line in heard))
    for node in ring.look():    # of whom it has heard nothing it misses nothing
        alice("put", str(node["id"]), "its own")
        wait_for(f"an event of {node['name']}", lambda: any(str(node["id"]) in line for line in heard))
    assert not any("gap" in line for line in heard)
    ring.nodes[1].kill()
    ring.wait_whole(2)
    wait_for(lambda: f"a gap: {heard}", lambda: any("gap" in line for line in heard), 30)
    assert alice("get", "door") == b"open"
    watch.kill()
    broker.ctl("op", "leave", "n3")
    ring.wait_whole(1)
    assert alice("get", "door") == b"open" and alice("get", "5") == b"five"
    assert not any("the broker has granted it" in node.log_text() for node in ring.nodes)


def test_what_a_client_may_not_is_told(broker, ring):
    done = broker.ctl("alice", "-t", "1s", "status", check=False)
    assert done.returncode and b"may this user write to 'ring'? with 'broker-config' operators may" in done.stderr, done
    for user, password, code in (("alice", "wrong", REFUSED), ("nobody", "x", REFUSED)):
        path = os.path.join(broker.folder, "password")
        with open(path, "w") as f:
            f.write(password)
        os.chmod(path, 0o600)
        done = broker.ctl("alice", "-b", broker.url_of(user), "--password-file", path, "get", "5", check=False)
        assert done.returncode == code, done


def test_why_nobody_answers_is_told_to_who_may_ask(broker, ring):
    """Who else is there is an operator's to see; a client is told as much as before."""
    node = next(n for n in ring.look() if n["name"] == "n1")
    key, n1 = node["arc"][1], next(n for n in ring.nodes if n.label == "n1")
    n1.pause()
    told = {user: broker.ctl(user, "--timeout", "1s", "get", str(key), check=False) for user in ("alice", "op")}
    n1.resume()
    assert told["alice"].returncode == told["op"].returncode == TIMEOUT
    assert f"not served: node {key} gives no answer" in told["op"].stderr.decode()
    assert "is a ring there? see 'dhtctl ring'" in told["alice"].stderr.decode()
    ring.wait_whole(3)


def edit(broker, change):
    """The access list, changed, until the broker has read it."""
    path = os.path.join(broker.dht, "dht.acl")
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(change(text))
    before = broker.log_text().count("Reloading config")
    broker.process.send_signal(1)
    wait_for("read anew", lambda: broker.log_text().count("Reloading config") > before)
    return text


def test_a_node_notices_what_the_list_swallows(broker, tmp_path):
    """Mosquitto grants and acknowledges all the same: within seconds, which topics, and what to do."""
    whole = edit(broker, lambda text: re.sub(r"(user n1\n(?:topic .*\n)*)", lambda m: re.sub(
        r"topic readwrite (op|ask|node|cut)/#\n", "", m[0]), text))
    ring = AccessRing(broker, tmp_path)
    try:
        node = ring.add("n1", env={"DHT_RECOVER_AFTER": "1s"})
        for where in ("cut/", "ask/", "op/", "node/"):
            told = wait_for(lambda: f"{where}\n" + node.tail(), lambda: next(
                (t for t in node.log_text().splitlines() if f"{where}" in t and "the broker has granted it" in t), None), 30)
            assert "its access list probably lets this user not read there" in told and "broker-config" in told
    finally:
        edit(broker, lambda text: whole)
    wait_for(lambda: "a word\n" + node.tail(), lambda: node.log_text().count("what this node publishes there comes back") >= 3,
             30)
    node.leave()


def test_a_client_notices_what_the_list_swallows(broker, ring):
    """Its answers cannot be read: it hears not even itself.  What was put is put all the same, and said to be unknown."""
    whole = edit(broker, lambda text: text.replace("pattern readwrite to/%u/+\n", ""))
    try:
        done = broker.ctl("alice", "-t", "2s", "get", "5", check=False)
        assert done.returncode == TIMEOUT and b"nor did a word to itself on 'to/alice/" in done.stderr, done
        assert b"the broker's access list probably lets user 'alice' not read there" in done.stderr
    finally:
        edit(broker, lambda text: whole)
    assert b"to itself" not in broker.ctl("alice", "-t", "2s", "get", "not there", check=False).stderr


def test_made_again_it_keeps_passwords(tmp_path):
    folder = tmp_path / "dht"

    def make(*args):
        return subprocess.run([ctl_binary(), "broker-config", *args, folder], capture_output=True, text=True)
    assert make("--nodes", "n1", "--clients", "a").returncode == 0
    first = {name: (folder / "passwords" / name).read_text() for name in ("n1", "a")}
    assert len(set(first.values())) == 2 and all(re.fullmatch(r"[0-9A-Za-z]{22}\n", p) for p in first.values())
    assert make("--nodes", "n1,n2", "--clients", "a").returncode == 0
    assert {name: (folder / "passwords" / name).read_text() for name in ("n1", "a")} == first
    for name in ("n1", "n2", "a"):
        assert (folder / "passwords" / name).stat().st_mode & 0o777 == 0o600
    assert (folder / "passwords").stat().st_mode & 0o777 == 0o700
    assert not (folder / "dht.passwd").stat().st_mode & 0o007
    hashes = (folder / "dht.passwd").read_text()
    assert hashes.count("\n") == 3 and not any(p.strip() in hashes for p in first.values())
    text = (folder / "dht.conf").read_text()
    assert "listener 1883 127.0.0.1" in text and f"acl_file {folder}/dht.acl" in text and "max_qos 0" in text
    assert make("--nodes", "n1", "--reference").returncode == 0 and "max_qos" not in (folder / "dht.conf").read_text()
    told = json.loads(make("--nodes", "n1", "--operators", "o", "--json").stdout)
    assert told == {"directory": str(folder), "files": ["dht.conf", "dht.acl", "dht.passwd"],
                    "users": [{"name": n, "role": role, "password_file": f"passwords/{n}"}
                              for n, role in (("n1", "node"), ("o", "operator"))]}
    assert all((folder / name).exists() for name in [*told["files"], *(u["password_file"] for u in told["users"])])
    assert make("--nodes", "n1", "--quiet").stdout == "" != make("--nodes", "n1").stdout
    (folder / "passwords" / "n1").chmod(0o644)
    done = make("--nodes", "n1")
    assert done.returncode == LOCAL and "others can read it" in done.stderr


@pytest.mark.parametrize("args, code, words", [
    ([], USAGE, "--nodes is missing"), (["--nodes", ""], USAGE, "nodes"),
    (["--nodes", "a/b"], USAGE, "'a/b' (--nodes): a user's name is a level of topics"),
    (["--nodes", "a,+"], USAGE, "'+' (--nodes)"), (["--nodes", "a,#"], USAGE, "'#'"), (["--nodes", "a,,b"], USAGE, "''"),
    (["--nodes", "n" * 28], USAGE, "1 to 27 letters"), (["--nodes", "a.b"], USAGE, "'a.b'"),
    (["--nodes", "a", "--clients", "b,a"], USAGE, "'a' (--clients): the name stands there twice"),
    (["--nodes", "a", "--server-certfile", "x"], USAGE, "belong together"),
    (["--nodes", "a", "--server-certfile", "/no/x", "--server-keyfile", "/no/y"], LOCAL, "cannot find /no/x"),
    (["--nodes", "a", "--topic-prefix", "A/"], USAGE, "invalid topic prefix"),
    (["--nodes", "a", "/dev/null/x"], LOCAL, "cannot make the directory /dev/null/x"),
    (["--nodes", "a", "x", "y"], USAGE, "too many arguments")])
def test_what_it_refuses(args, code, words):
    done = subprocess.run([ctl_binary(), "broker-config", *args], capture_output=True, text=True)
    assert done.returncode == code and words in done.stderr and done.stderr.count("\n") == 1, done


def test_printed_it_is_the_same():
    text = subprocess.run([ctl_binary(), "broker-config", "--nodes", "n1", "--clients", "a,b", "--topic-prefix", "house"],
                          capture_output=True, text=True, check=True).stdout
    assert "pattern readwrite house/to/%u/+\n" in text and "pattern write house/op/+/+/+/+/%u\n" in text
    assert "user a\ntopic read house/ev/+\n" in text and "topic readwrite house/founder" in text
    assert "$7$" not in text
    told = json.loads(subprocess.run([ctl_binary(), "broker-config", "--nodes", "n1", "--clients", "a,b", "--topic-prefix",
                                      "house", "--json"], capture_output=True, check=True).stdout)
    assert text == f"# dht.conf\n{told['conf']}\n# dht.acl\n{told['acl']}"
