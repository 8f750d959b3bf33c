"""Run as ExecStartPre= of the unit, so in its sandbox: tries what the unit forbids, and prints a line for each."""
import ctypes
import mmap
import os
import socket
import sys

LIBC = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(LIBC, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def write(path):
    with open(path, "w") as f:
        f.write("x")


def suid(folder):
    path = os.path.join(folder, "suid")
    write(path)
    try:
        os.chmod(path, 0o4755)
    finally:
        os.unlink(path)


def listen(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.bind(address)


def connect(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(address)
        s.send(b"x")


STATE = os.environ["STATE_DIRECTORY"]
TRIES = {
    "write /usr": lambda: write("/usr/x"),
    "write /etc": lambda: write("/etc/x"),
    "write /var": lambda: write("/var/x"),
    "write another instance's state": lambda: write(os.path.join(os.path.dirname(STATE), "other", "x")),
    "see /home": lambda: os.listdir("/home")[0],
    "see /root": lambda: os.listdir("/root")[0],
    "see other processes": lambda: os.kill(1, 0) if os.path.exists("/proc/1/status") else os.stat("/proc/1/status"),
    "see /proc/meminfo": lambda: os.stat("/proc/meminfo"),
    "see /proc/sys": lambda: os.stat("/proc/sys/kernel"),
    "see /dev/mem": lambda: os.stat("/dev/kmsg"),
    "memory to write and execute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "AF_NETLINK": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "AF_PACKET": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "namespaces": lambda: call("unshare", 0x10000000),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "personality": lambda: call("personality", 0x0400000),
    "set-user-id files": lambda: suid(STATE),
    "host name": lambda: socket.sethostname("x"),
    "chroot": lambda: os.chroot(STATE),
    "ptrace": lambda: call("ptrace", 16, os.getppid(), 0, 0),
    "clock": lambda: call("settimeofday", (ctypes.c_long * 2)(0, 0), None),
    "swap": lambda: call("swapoff", b"/nowhere"),
    "keys": lambda: call("syscall", 248, b"user", b"x", b"y", 1, -3),
    "listen": lambda: listen(socket.AF_INET, ("127.0.0.1", 44444)),
    "send beyond this machine": lambda: connect(("192.0.2.1", 9)),
    # and what it needs
    "own state": lambda: write(os.path.join(STATE, "x")) or os.unlink(os.path.join(STATE, "x")),
    "AF_UNIX": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
    "send to this machine": lambda: connect(("127.0.0.1", 9)),
}
for name, attempt in TRIES.items():
    try:
        attempt()
        print(f"{name}: done", file=sys.stdout)
    except (OSError, IndexError) as e:
        print(f"{name}: {type(e).__name__} {getattr(e, 'errno', '')}")
