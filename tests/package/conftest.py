"""One machine for all tests of it; each begins without the packages and with a fresh broker."""
import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import packaged  # noqa: E402


@pytest.fixture(scope="session")
def booted(tmp_path_factory):
    with packaged.machines.booted(packaged.Machine(tmp_path_factory.mktemp("machine"))) as m:
        yield m


@pytest.fixture
def machine(booted):
    booted.mark()
    booted.install_packages()
    yield booted
    booted.end_nodes()
    booted.purge_packages()
    booted.run("sh", "-c", "rm -rf /etc/credstore/* /etc/dht-node/*.conf /root/enough")
    booted.systemctl("reset-failed")
    booted.forget_ring()


@pytest.fixture(scope="session")
def later(tmp_path_factory):
    """Makes a package of a later version, with changes that a function makes to its files."""
    def make(package, version, change=lambda root: None):
        root = tmp_path_factory.mktemp("later") / "root"
        packaged.output_of("dpkg-deb", "--raw-extract", packaged.deb(package), root)
        control = root / "DEBIAN" / "control"
        text = control.read_text()
        before = next(line for line in text.splitlines() if line.startswith("Version: "))
        control.write_text(text.replace(before, f"Version: {version}"))
        change(root)
        packaged.output_of("dpkg-deb", "--root-owner-group", "-Znone", "--build", root, root.parent)
        shutil.rmtree(root)
        return packaged.deb(package, str(root.parent))
    return make


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    packaged.machines.report_journal(item, (yield))
