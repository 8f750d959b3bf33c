"""A broker that refuses a subscription (0x80 in its SUBACK, MQTT 3.1.1, 3.9.3): within seconds it is said which, and what to do,
and nobody waits for ever.  Mosquitto grants all (test_broker.py has what it does instead), so a proxy refuses for it."""
import time

import pytest

from harness import ctl, wait_for
from manners import REFUSED, refuses

SOON = 10.0
TEND = {"WATCHDOG_USEC": "600000"}  # the sentence for the service manager is made anew at least five times a second
ALWAYS = ("join has_started ack-join put get leave ack-leave ring founder in/0000002a cut/0000002a node/0000002a "
          "ask/0000002a").split()


@pytest.fixture
def proxy(make_proxy):
    return make_proxy()


def line_about(node, *parts):
    """An error, in the log and in the sentence."""
    def found():
        return next((x for x in node.log_text().splitlines() if all(p in x for p in parts)), None)
    line = wait_for(lambda: f"{parts}\n" + node.tail(), found, SOON)
    assert "<3>" in line, line
    wait_for(lambda: f"a sentence with {parts}: {node.notifications()}",
             lambda: any(x.startswith("STATUS=") and all(p in x for p in parts) for x in node.notifications()), SOON)
    return line


def test_what_a_node_always_hears(broker, make_ring, proxy):
    """Each is named; it does not join; and with the next connection, when they are granted, it does."""
    proxy.refuses = lambda filter: True
    node = make_ring(broker).add(id=0x2a, url=proxy.url, env=TEND)
    line_about(node, "refuses the subscription to", "-> grant this node all of its topics")
    for topic in ALWAYS:
        assert node.log_text().count(f"the broker refuses the subscription to {topic} -> grant this node all of its topics") == 1
    assert not node.ready() and "joining" not in node.log_text()
    proxy.refuses = None
    proxy.cut()
    node.wait_ready()


@pytest.mark.parametrize("topic", ["in/0000002a", "ring"])
def test_one_of_them_is_enough(broker, make_ring, proxy, topic):
    proxy.refuses = lambda filter: filter == topic
    node = make_ring(broker).add(id=0x2a, url=proxy.url, env=TEND)
    line_about(node, f"the broker refuses the subscription to {topic} -> grant this node all of its topics")
    assert node.log_text().count("refuses the subscription") == 1 and "joining" not in node.log_text()


def test_what_clients_ask(broker, make_ring, proxy):
    """It takes nothing before it hears that, and who offers it goes on answering."""
    r = make_ring(broker, 1, ids=[1])
    proxy.refuses = lambda filter: filter.startswith("op/")
    node = r.add(id=0x2a, url=proxy.url, env=TEND)
    line_about(node, "the broker refuses the subscription to op/0/0/0/0 and others -> grant this node all of its topics")
    assert not node.ready()
    ctl(broker.url, "put", "16", "of the arc that was offered")
    assert ctl(broker.url, "get", "16").stdout == b"of the arc that was offered"


def test_the_cut_of_who_gives(broker, make_ring, proxy):
    r = make_ring(broker, 1, ids=[1])
    proxy.refuses = lambda filter: filter == "cut/00000001"
    node = r.add(id=0x2a, url=proxy.url, env=TEND)
    line_about(node, "the broker refuses the subscription to cut/00000001, which a handover needs "
                     "-> grant this node all of its topics")
    assert not node.ready()
    ctl(broker.url, "put", "16", "of the arc that was offered")
    proxy.refuses = None
    node.wait_ready()  # it is offered again, which takes no new connection
    assert ctl(broker.url, "get", "16").stdout == b"of the arc that was offered"


def test_the_statuses_of_who_may_be_there(broker, make_ring, proxy):
    """Without them nobody knows whom to fence before a new ring is founded beside what was there."""
    r = make_ring(broker, 1, ids=[1])
    r.nodes[0].kill()
    proxy.refuses = lambda filter: filter == "node/+"
    node = r.add(id=0x2a, url=proxy.url, env={**TEND, "DHT_RECOVER_AFTER": "1s"})
    line_about(node, "the broker refuses the subscription to node/+ -> no arc without an owner is taken, and no ring founded; "
                     "let this node read there")
    assert not node.ready()


COMMANDS = {
    "put a b": "to/", "get a": "to/", "incr a": "to/", "put -": "to/", "get -": "to/", "ls": "to/", "export -": "to/", "watch *": "to/",
    "status": "to/", "ring": "to/", "leave n1": "to/", "recover all": "to/", "scrub": "to/", "demo": "ack-put",
}


def test_every_command_of_dhtctl(ring, proxy):
    """At once, with its own exit code."""
    ring(1)
    proxy.refuses = lambda filter: True
    for command, topic in COMMANDS.items():
        begun = time.monotonic()
        error = refuses(ctl(proxy.url, *command.split(), check=False, input=b"a\tb\n"), REFUSED,
                        f"refused the subscription to '{topic}", "let this user read it", "broker-config")
        assert time.monotonic() - begun < SOON, error


def test_the_changes_of_a_watch(ring, proxy):
    """Its answers come, and the changes would not."""
    ring(1)
    proxy.refuses = lambda filter: filter.startswith("ev/")
    refuses(ctl(proxy.url, "watch", "*", check=False), REFUSED, "refused the subscription to 'ev/", "let this user read it")
