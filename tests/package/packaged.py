"""A machine as of tests/system, on which nothing of ours is until a package is installed."""
import glob
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))

import machine as machines  # noqa: E402

DEBS = os.environ.get("DHT_DEBS", "")
PACKAGES = ("dht-node", "dhtctl")


def deb(package, folder=DEBS):
    found = glob.glob(os.path.join(folder, f"{package}_*.deb"))
    assert len(found) == 1, (package, folder, found)
    return found[0]


def output_of(*command, **how):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          **how)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


class Machine(machines.Machine):
    def install(self):
        # a container's, which says that no service may be started
        self.remove("/usr/sbin/policy-rc.d")
        # else each dpkg would have all manual pages of the machine indexed
        self.remove("/var/lib/man-db/auto-update")
        self.write("/etc/mosquitto/conf.d/dht-tests.conf", "max_queued_messages 100000\n")

    def start_again(self):
        return super().boot()

    def boot(self):
        self.start_again()
        self.run("mkdir", "/root/debs")
        for package in PACKAGES:
            self.copy(deb(package))
        return self

    def copy(self, path, name=None):
        shutil.copy(path, f"{self.root}/root/debs/{name or os.path.basename(path)}")

    def dpkg(self, *arguments):
        """What it says, on both."""
        return self.run("sh", "-c", 'exec dpkg "$@" 2>&1', "dpkg", *arguments, timeout=120,
                        env={"DEBIAN_FRONTEND": "noninteractive"}).stdout

    def install_packages(self):
        """Unless they are there, as they were built."""
        versions = {f"installed {output_of('dpkg-deb', '--field', deb(p), 'Version').strip()}" for p in PACKAGES}
        if {self.installed(p) for p in PACKAGES} != versions:
            self.dpkg("--install", *(f"/root/debs/{os.path.basename(deb(p))}" for p in PACKAGES))

    def purge_packages(self):
        if any(self.installed(p) for p in PACKAGES):
            self.dpkg("--purge", *PACKAGES)

    def installed(self, package):
        return self.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package, check=False).stdout
