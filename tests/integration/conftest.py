"""Fixtures: a broker, rings at it, a spy that hears everything.  Run with DHT_BUILD=<meson build folder>."""
import itertools
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import harness  # noqa: E402
import proxy as proxies  # noqa: E402
import wire  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test prints the tails of its nodes' logs and of its broker's."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            for thing in getattr(value, "made", [value]):
                if isinstance(thing, harness.Ring):
                    for node in thing.nodes:
                        report.sections.append((f"log of {node.label}", node.tail(40)))
                elif isinstance(thing, harness.Broker):
                    report.sections.append(("log of the broker", "\n".join(thing.log_text().splitlines()[-30:])))


def pytest_collection_modifyitems(items):
    """The slow ones first, as many for each worker: all then end at the same time.  What a worker begins with is a block of
    the order here (xdist's LoadScheduling: a quarter of all is dealt out like that, the rest as it is wanted)."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    fast = iter([item for item in items if not item.get_closest_marker("slow")])
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    size = max(len(items) // (4 * workers), 2)
    order = []
    for i in range(workers):
        block = slow[i::workers]
        order += block + list(itertools.islice(fast, max(size - len(block), 0)))
    items[:] = order + list(fast)


def pytest_configure(config):
    # Whoever runs us in the background has SIGINT ignored, and every child with it: Ctrl-C is what some tests are about.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # so has nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    config.addinivalue_line("markers", "slow: takes more than about 8 seconds; is started first")
    config.addinivalue_line("filterwarnings", "error::pytest.PytestUnhandledThreadExceptionWarning")
    # The stand-ins' threads die as the reference's do.
    config.addinivalue_line("filterwarnings", "ignore:(?s).*Died:pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture
def make_broker(tmp_path):
    """make_broker(persistence=False, settings="") starts one more Mosquitto."""
    def make(persistence=False, settings=""):
        broker = harness.Broker(tmp_path / f"broker{len(make.made)}", persistence, settings)
        make.made.append(broker)
        return broker.start()
    make.made = []
    yield make
    for broker in make.made:
        broker.kill()


@pytest.fixture
def broker(make_broker):
    """A Mosquitto on a free port: .port .url .restart() .stop() .kill() .pause() .log_text()."""
    return make_broker()


@pytest.fixture
def make_ring(tmp_path):
    """make_ring(broker, n=0, prefix=None, ids=None, env=None): a Ring; with n, waits until it is whole."""
    def make(broker, n=0, prefix=None, ids=None, env=None):
        folder = tmp_path / f"ring{len(make.made)}"
        folder.mkdir()
        ring = harness.Ring(broker, folder, prefix)
        ring.env.update(env or {})
        make.made.append(ring)
        return ring.start(n, ids) if n else ring
    make.made = []
    yield make
    for ring in make.made:
        ring.close()
    complaints = [c for ring in make.made for c in ring.complaints()]
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def ring(broker, make_ring):
    """ring(n): n nodes at `broker`, started together, one whole ring."""
    def make(n=0, **options):
        return make_ring(broker, n, **options)
    make.made = make_ring.made
    return make


@pytest.fixture
def spy(broker):
    """Hears '#' from now on."""
    with wire.Spy(broker.port) as s:
        yield s


@pytest.fixture
def make_client(broker):
    """make_client(): a plain client of the reference's wire, one operation at a time."""
    made = []

    def make(**options):
        client = wire.Client(broker.port, **options)
        made.append(client)
        return client
    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.fixture
def make_hammer(broker):
    """make_hammer(**options): a client that never stops, at work."""
    import hammer
    made = []

    def make(**options):
        h = hammer.Hammer(broker.port, **options)
        made.append(h)
        return h.start()
    yield make
    for h in made:
        h.close()


@pytest.fixture
def make_proxy_to():
    """make_proxy_to(broker): a TCP proxy to that broker."""
    made = []

    def make(broker):
        p = proxies.Proxy(broker.port)
        made.append(p)
        return p
    yield make
    for p in made:
        p.close()


@pytest.fixture
def make_proxy(broker, make_proxy_to):
    """make_proxy(): a TCP proxy to the broker."""
    return lambda: make_proxy_to(broker)


@pytest.fixture
def make_fake(broker):
    """make_fake(*members, prefix=""): a played ring at `broker`."""
    from fake_ring import FakeRing
    made = []

    def make(*members, prefix=""):
        made.append(FakeRing(broker.port, members, prefix))
        return made[-1]
    yield make
    for ring in made:
        ring.close()


@pytest.fixture
def fake(make_fake):
    from fake_ring import nodes
    return make_fake(*nodes(1 << 30, 1 << 31))


@pytest.fixture(scope="module")
def kv(tmp_path_factory):
    """A broker with three nodes for all tests of a file; each test has keys of its own."""
    folder = tmp_path_factory.mktemp("kv")
    broker = harness.Broker(folder / "broker").start()
    ring = harness.Ring(broker, folder).start(3)
    yield broker
    assert not ring.complaints()
    ring.close()
    broker.kill()


@pytest.fixture
def key():
    return wire.text(12)


@pytest.fixture
def reference(broker):
    """reference(id, wait=True, **options): a node of the reference's stand-in, active."""
    from reference_node import ReferenceNode
    made = []

    def make(id=None, wait=True, **options):
        node = ReferenceNode(broker.port, id, **options).start()
        made.append(node)
        if wait:
            harness.wait_for(f"reference {id} active", lambda: node.state == "active" and node.listening)
        return node
    yield make
    for node in made:
        node.close()
