"""One machine for all tests; each begins without a node and with a fresh broker."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import machine as machines  # noqa: E402


@pytest.fixture(scope="session")
def booted(tmp_path_factory):
    with machines.booted(machines.Machine(tmp_path_factory.mktemp("machine"))) as m:
        yield m


@pytest.fixture
def machine(booted):
    booted.mark()
    yield booted
    booted.end_nodes()
    booted.run("sh", "-c", "rm -rf /etc/dht-node/* /etc/credstore/* /etc/systemd/system/dht-node@* "
                           "/etc/systemd/system/*.wants/dht-node* /run/systemd/system/dht-node@*")
    booted.systemctl("daemon-reload")
    booted.systemctl("reset-failed")
    booted.forget_ring()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    machines.report_journal(item, (yield))
