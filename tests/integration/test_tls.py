"""A broker with TLS: everything works as without; each way that it can fail has words of its own; and what the files are
to be like."""
import os
import re
import subprocess

import pytest

import harness
from certificates import Set, TlsBroker

UNREACHABLE, REFUSED, USAGE, LOCAL = 3, 4, 2, 7
NODE_USAGE, NODE_CONFIG = 64, 78


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Set(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def brokers(tmp_path_factory, certificates):
    """brokers[NAME]: one for each certificate, and one that wants ours."""
    folder = tmp_path_factory.mktemp("brokers")
    made = {
        "server": TlsBroker(folder / "server", certificates, certificates.server),
        "elsewhere": TlsBroker(folder / "elsewhere", certificates, certificates.elsewhere),
        "expired": TlsBroker(folder / "expired", certificates, certificates.expired),
        "demanding": TlsBroker(folder / "demanding", certificates, certificates.server,
                               "require_certificate true"),
        "plain": harness.Broker(folder / "plain"),
    }
    for broker in made.values():
        broker.start()
    yield made
    for broker in made.values():
        broker.kill()


@pytest.fixture(scope="module")
def only_1_2(tmp_path_factory):
    """The environment of a process that speaks no TLS 1.3: there a broker tells at once what it has against us."""
    path = tmp_path_factory.mktemp("old") / "openssl.cnf"
    path.write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = TLSv1.2\n")
    return {"OPENSSL_CONF": str(path)}


def given(pair):
    return ["--certfile", pair.cert, "--keyfile", pair.key] if pair else []


def test_a_ring_with_tls(brokers, certificates, make_ring, tmp_path):
    """Joining, values of any length, a fence, leaving."""
    broker = brokers["server"]
    ring = make_ring(broker)
    options = {"DHT_CAFILE": certificates.ca.cert}
    ring.env.update(options)
    os.environ.update(options)  # for dhtctl
    try:
        ring.start(3)
        long = os.urandom(5 << 20)
        for key, value in (("1", b"one"), ("long", long), ("longest", bytes(16 << 20))):
            harness.ctl(broker.url, "put", key, "--file", "/dev/stdin", input=value)
        assert harness.ctl(broker.url, "get", "long").stdout == long
        assert len(harness.ctl(broker.url, "get", "longest").stdout) == 16 << 20
        ring.nodes[0].kill()
        ring.wait_whole(2)
        assert harness.ctl(broker.url, "get", "long").stdout == long
        ring.nodes[1].leave()
        ring.wait_whole(1)
        assert harness.ctl(broker.url, "get", "long").stdout == long
        assert harness.ctl(broker.url, "get", "1").stdout == b"one"
    finally:
        del os.environ["DHT_CAFILE"]


def rows(c):
    """What is tried: broker, scheme, options, dhtctl's exit code, what both say."""
    ours, other = ["--cafile", c.ca.cert], ["--cafile", c.other_ca.cert]
    return {
        "expired": ("expired", "mqtts", ours, UNREACHABLE, r"its certificate expired on 20\d\d-\d\d-\d\d -> renew it"),
        "another name": ("elsewhere", "mqtts", ours, UNREACHABLE,
                         "its certificate is for broker.example, 192.0.2.1 and not for localhost"),
        "another CA": ("server", "mqtts", other, UNREACHABLE,
                       rf"its certificate is of a CA \(CN=ca\) that is not in the CA file {c.other_ca.cert}"),
        "a CA that the system does not know": (
            "server", "mqtts", [], UNREACHABLE,
            r"its certificate is of a CA \(CN=ca\) that this machine does not know -> name its file by --cafile"),
        "no TLS there": ("plain", "mqtts", ours, UNREACHABLE,
                         r"it closed the connection amid the TLS handshake \(does it speak TLS at this port\?"),
        "TLS there, and none here": ("server", "mqtt", [], UNREACHABLE, "one with TLS is mqtts://"),
        "no certificate of ours, 1.3": ("demanding", "mqtts", ours, REFUSED, "it demands a certificate of ours -> give"),
        "no certificate of ours, 1.2": ("demanding", "mqtts", ours, REFUSED, "it demands a certificate of ours"),
        "a certificate of another CA, 1.3": ("demanding", "mqtts", ours + given(c.stranger), REFUSED,
                                             f"it refuses our certificate {c.stranger.cert}"),
        "a certificate of another CA, 1.2": ("demanding", "mqtts", ours + given(c.stranger), REFUSED,
                                             f"it refuses our certificate {c.stranger.cert}: unknown CA"),
        "a certificate that expired, 1.2": ("demanding", "mqtts", ours + given(c.old_client), REFUSED,
                                       f"it refuses our certificate {c.old_client.cert}: certificate expired"),
        "a server's certificate for ours, 1.2": ("demanding", "mqtts", ours + given(c.server), REFUSED,
                                            f"it refuses our certificate {c.server.cert}: "),
    }


@pytest.mark.parametrize("case", rows(type("Any", (), {"__getattr__": lambda s, n: type("P", (), {
    "cert": "", "key": ""})})()))
def test_each_failure_has_its_words(brokers, certificates, tmp_path, case, only_1_2):
    where, scheme, options, code, words = rows(certificates)[case]
    url = f"{scheme}://localhost:{brokers[where].port}"
    env = only_1_2 if case.endswith("1.2") else {}
    done = harness.ctl(url, *options, "get", "5", check=False, env={**os.environ, **env})
    error = done.stderr.decode()
    assert done.returncode == code and re.search(words, error) and error.count("\n") == 1, error
    node = harness.Node(url, tmp_path, "n1", args=options, env=env).start()
    try:
        harness.wait_for(lambda: words + "\n" + node.tail(), lambda: re.search(words, node.log_text()))
        line = next(line for line in node.log_text().splitlines() if re.search(words, line))
        assert f"broker {url}" in line and node.running(), line
    finally:
        node.close()


def test_our_certificate_lets_us_in(brokers, certificates, only_1_2):
    for env in ({}, only_1_2):
        done = harness.ctl(brokers["demanding"].url, "--cafile", certificates.ca.cert, *given(certificates.client),
                           "-t", "500ms", "get", "5", check=False, env={**os.environ, **env})
        assert done.returncode == 5 and b"no answer" in done.stderr, done.stderr  # there is no node


def key_file(tmp_path, certificates, mode=0o600):
    path = tmp_path / "key"
    path.write_bytes(open(certificates.client.key, "rb").read())
    path.chmod(mode)
    return path


def bad_files(tmp_path, c):
    """Options, and what is said of them."""
    nothing = tmp_path / "nothing"
    nothing.write_text("nothing\n")
    nothing.chmod(0o600)
    encrypted = tmp_path / "encrypted"
    subprocess.run(["openssl", "pkey", "-in", c.client.key, "-aes128", "-passout", "pass:x", "-out", encrypted], check=True)
    encrypted.chmod(0o600)
    others = key_file(tmp_path, c).rename(tmp_path / "others")
    os.chown(others, 4711, 0)
    ours, cert = ["--cafile", c.ca.cert], ["--certfile", c.client.cert]
    return [
        (["--cafile", tmp_path / "none"], f"CA file {tmp_path}/none: no such file"),
        (["--cafile", tmp_path], f"CA file {tmp_path}: it is no regular file"),
        (["--cafile", nothing], f"CA file {nothing}: it holds no certificate"),
        ([*ours, *cert], f"certificate file {c.client.cert}: its key is missing -> give --keyfile"),
        ([*ours, "--keyfile", c.client.key], f"key file {c.client.key}: its certificate is missing -> give --certfile"),
        ([*ours, "--certfile", nothing, "--keyfile", c.client.key], f"certificate file {nothing}: it holds no"),
        ([*ours, "--certfile", tmp_path / "none", "--keyfile", c.client.key], "certificate file"),
        ([*ours, *cert, "--keyfile", tmp_path / "none"], f"key file {tmp_path}/none: no such file"),
        ([*ours, *cert, "--keyfile", nothing], f"key file {nothing}: it holds no private key"),
        ([*ours, *cert, "--keyfile", encrypted], f"key file {encrypted}: it is encrypted"),
        ([*ours, *cert, "--keyfile", others], f"key file {others}: it belongs to another user"),
        ([*ours, *cert, "--keyfile", key_file(tmp_path, c, 0o644)],
         f"key file {tmp_path}/key: its mode is 0644, so that others can read it -> chmod 600"),
        ([*ours, *cert, "--keyfile", c.server.key],
         f"key file {c.server.key}: it is not the key of the certificate in {c.client.cert}"),
    ]


def run_node(*args, env=None):
    return subprocess.run([harness.node_binary(), "--check-config", *map(str, args)], capture_output=True, text=True,
                          timeout=20 * harness.PATIENCE, env={**os.environ, **{k: str(v) for k, v in (env or {}).items()}})


def test_files_that_cannot_be_used(tmp_path, certificates):
    for options, words in bad_files(tmp_path, certificates):
        done = harness.ctl("mqtts://localhost", *options, "get", "5", check=False)
        assert done.returncode == LOCAL and words in done.stderr.decode() and done.stderr.count(b"\n") == 1, done
        done = run_node("-b", "mqtts://localhost", *options)
        assert done.returncode == NODE_CONFIG and words in done.stderr and done.stderr.count("\n") == 1, done
        assert "PRIVATE KEY" not in done.stderr


def test_the_credential_is_the_key(tmp_path, certificates):
    key_file(tmp_path, certificates, 0o440).rename(tmp_path / "dht-node.key")  # its mode is systemd's business
    options = ["-b", "mqtts://localhost", "--cafile", certificates.ca.cert, "--certfile", certificates.client.cert]
    assert run_node(*options, env={"CREDENTIALS_DIRECTORY": tmp_path}).returncode == 0
    done = run_node(*options, env={"CREDENTIALS_DIRECTORY": tmp_path / "none"})
    assert done.returncode == NODE_CONFIG and "give --keyfile, or the credential dht-node.key" in done.stderr


def test_the_same_names_in_files(tmp_path, certificates):
    settings = tmp_path / "settings"
    settings.write_text(f"broker = mqtts://h\ncafile = {certificates.ca.cert}\ncertfile = {certificates.client.cert}\n"
                        f"keyfile = {certificates.client.key}\n")
    done = run_node(env={"DHT_NODE_CONFIG": settings})
    assert done.returncode == 0 and re.search(r"broker +=.* mqtts://h:8883 ", done.stdout), done
    assert re.search(rf"keyfile += {certificates.client.key} +# {settings}:4", done.stdout)
    shown = subprocess.run([harness.ctl_binary(), "config"], capture_output=True, text=True,
                           env={**os.environ, "DHT_CONFIG": str(settings)})
    assert shown.returncode == 0 and f"{settings}:4" in shown.stdout, shown
    settings.write_text(f"broker = mqtts://h\ncafile = {tmp_path}/none\n")
    assert run_node(env={"DHT_NODE_CONFIG": settings}).returncode == NODE_CONFIG


def test_files_for_a_broker_without_tls(tmp_path, certificates):
    """Who gives them where he names the broker believes himself safe; who gives them elsewhere may mean another broker."""
    cafile = certificates.ca.cert
    words = "is for brokers with TLS, and mqtt://h:1883 is without: mqtts://"
    done = run_node("-b", "mqtt://h", "--cafile", cafile)
    assert done.returncode == NODE_USAGE and f"'cafile' (--cafile) {words}" in done.stderr, done
    done = harness.ctl("mqtt://h", "--cafile", cafile, "get", "5", check=False)
    assert done.returncode == USAGE and words in done.stderr.decode(), done
    settings = tmp_path / "settings"
    settings.write_text(f"broker = mqtt://h\ncafile = {cafile}\n")
    done = run_node(env={"DHT_NODE_CONFIG": settings})
    assert done.returncode == NODE_CONFIG and f"'cafile' ({settings}:2) {words}" in done.stderr, done
    assert run_node("-b", "mqtt://h", env={"DHT_NODE_CONFIG": settings}).returncode == 0
    other = tmp_path / "other"
    other.write_text("broker = mqtt://h\n")
    settings.write_text(f"broker = mqtts://h\ncafile = {cafile}\n")
    assert run_node(env={"DHT_NODE_CONFIG": f"{other}:{settings}"}).returncode == 0
    assert run_node(env={"DHT_CAFILE": cafile, "DHT_BROKER": "mqtt://h"}).returncode == NODE_USAGE
