"""What each line of the unit's sandbox forbids, tried; run in units by test_hardening.py.  `probe.py NUMBER...` tries these
of PROBES, without numbers all and what a node needs besides, and prints for each a line "WHAT: OUTCOME", which is done, an
error's name, the signal that it died of, or what was seen.

Each tells its line from all others: what comes of it in a service that has nothing but this line, and in one without it, is
written there."""
import ctypes
import errno
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
MARK = "dht-probe"  # in the names of what the test makes, to be seen or not
IPC_KEY = 0x647468
CLONE_NEWUTS, SYS_ADD_KEY, SYS_GETPID, X32 = 0x04000000, 248, 39, 0x40000000
HERE, BEYOND = ("127.0.0.1", 9), ("192.0.2.1", 9)
CALLS, LESS_CALLS = "SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources"
FAMILIES = "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"
NOBODY_ELSE = "IPAddressDeny=any"


class Probe:
    """An attempt, what comes of it under its line, and without (`otherwise`).  Its service is root's, or User=`user`, and has
    the lines `beside` in both cases, where this one means nothing by itself."""

    def __init__(self, line, what, attempt, outcome, otherwise="done", user=None, beside=()):
        self.line, self.what, self.attempt = line, what, attempt
        self.outcome, self.otherwise = outcome, otherwise
        self.beside = (*beside, *([f"User={user}"] if user else []))


def call(name, *arguments):
    if getattr(LIBC, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def write(path, text="x"):
    with open(path, "w") as f:
        f.write(text)


def made(act):
    """What comes of a new file of ours."""
    path = f"{os.environ.get('STATE_DIRECTORY', '/tmp')}/{MARK}-{os.getpid()}"
    write(path)
    try:
        return act(path)
    finally:
        os.unlink(path)


def mode(path):
    return f"mode {os.stat(path).st_mode & 0o777:03o}"


def mount():
    """Does the machine see what is mounted here?"""
    call("mount", b"none", b"/mnt", b"tmpfs", 0, None)
    try:
        with open("/proc/1/mounts") as f:
            return "done" if " /mnt tmpfs " in f.read() else "unseen"
    finally:
        call("umount", b"/mnt")


def control_group():
    with open("/proc/self/cgroup") as f:
        path = "/sys/fs/cgroup" + f.read().rpartition("::")[2].rstrip("\n") + "/" + MARK
    os.mkdir(path)
    os.rmdir(path)


def real_time():
    """Without a priority: that is wrong, which is all that comes of it where it is not forbidden."""
    call("sched_setscheduler", 0, os.SCHED_FIFO, struct.pack("i", 0))


def clock():
    """Only asked how it goes: by the call that sets it, too."""
    call("adjtimex", ctypes.create_string_buffer(512))


def set_user_id_program():
    """Root's `id`, that is for everybody."""
    done = subprocess.run([f"/usr/local/lib/{MARK}-id", "-u"], capture_output=True, text=True)
    return "done" if done.stdout == "0\n" else "no rights"


def writable_code():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def speak(family, kind=socket.SOCK_RAW):
    socket.socket(family, kind).close()


def listen():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.bind(("127.0.0.1", 44444))


def send(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", address)


PROBES = [
    # place
    Probe("User=dht-node", "be root", lambda: None if os.getuid() == 0 else "somebody else", "somebody else"),
    Probe("UMask=0077", "make files for all", lambda: made(mode), "mode 600", "mode 644"),
    Probe("StateDirectoryMode=0700", "a state for all", lambda: mode(os.environ["STATE_DIRECTORY"]), "mode 700", "mode 755",
          beside=[f"StateDirectory={MARK}"]),
    Probe("RuntimeDirectoryMode=0700", "a runtime directory for all", lambda: mode(os.environ["RUNTIME_DIRECTORY"]),
          "mode 700", "mode 755", beside=[f"RuntimeDirectory={MARK}"]),
    # rights
    Probe("CapabilityBoundingSet=", "give files away", lambda: made(lambda path: os.chown(path, 1, 1)), "EPERM"),
    Probe("LockPersonality=yes", "personality", lambda: call("personality", 0x0040000), "EPERM"),
    Probe("MemoryDenyWriteExecute=yes", "memory to write and execute", writable_code, "EPERM"),
    Probe("NoNewPrivileges=yes", "set-user-id programs", set_user_id_program, "no rights", user="dht-node"),
    # what is left is looked for at the end of the service (test_hardening.py)
    Probe("RemoveIPC=yes", "leave shared memory", lambda: write(f"/dev/shm/{MARK}"), "removed", user="dht-node"),
    Probe("RestrictNamespaces=yes", "namespaces", lambda: call("unshare", CLONE_NEWUTS), "EPERM"),
    Probe("RestrictRealtime=yes", "real time", real_time, "EPERM", "EINVAL"),
    Probe("RestrictSUIDSGID=yes", "set-user-id files", lambda: made(lambda path: os.chmod(path, 0o4755)), "EPERM"),
    Probe("SystemCallArchitectures=native", "another architecture's calls", lambda: call("syscall", X32 | SYS_GETPID),
          "SIGSYS", "ENOSYS"),
    Probe("SystemCallErrorNumber=EPERM", "die of a forbidden call", lambda: call("ptrace", 16, 0, 0, 0), "EPERM", "SIGSYS",
          beside=[CALLS]),
    Probe(CALLS, "ptrace", lambda: call("ptrace", 16, 0, 0, 0), "SIGSYS", "ESRCH"),
    Probe(LESS_CALLS, "chroot", lambda: os.chroot("/"), "SIGSYS"),
    Probe(LESS_CALLS, "choose a processor", lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)), "SIGSYS"),
    # what it sees of the machine
    Probe("PrivateDevices=yes", "see devices", lambda: os.stat("/dev/net"), "ENOENT"),
    Probe("PrivateIPC=yes", "see semaphores", lambda: call("semget", IPC_KEY, 1, 0), "ENOENT"),
    Probe("PrivateMounts=yes", "mount", mount, "unseen"),
    Probe("PrivateTmp=yes", "see /tmp", lambda: os.stat(f"/tmp/{MARK}"), "ENOENT"),
    Probe("PrivateTmp=yes", "see /var/tmp", lambda: os.stat(f"/var/tmp/{MARK}"), "ENOENT"),
    Probe("PrivateUsers=yes", "see whose a file is", lambda: f"user {os.stat(f'/usr/local/lib/{MARK}-1').st_uid}",
          "user 65534", "user 1"),
    Probe("ProcSubset=pid", "see the machine's memory", lambda: os.stat("/proc/meminfo"), "ENOENT"),
    Probe("ProtectClock=yes", "clock", clock, "EPERM"),
    Probe("ProtectControlGroups=yes", "control groups", control_group, "EROFS"),
    Probe("ProtectHome=yes", "see /home", lambda: os.stat(f"/home/{MARK}"), "ENOENT"),
    Probe("ProtectHome=yes", "see /root", lambda: os.stat(f"/root/{MARK}"), "ENOENT"),
    Probe("ProtectHostname=yes", "host name", lambda: socket.sethostname(socket.gethostname()), "EPERM"),
    Probe("ProtectKernelLogs=yes", "see the kernel's log", lambda: mode("/proc/kmsg"), "mode 000", "mode 600"),
    Probe("ProtectKernelModules=yes", "see modules", lambda: os.stat(f"/usr/lib/modules/{MARK}"), "ENOENT"),
    Probe("ProtectKernelTunables=yes", "tunables", lambda: write("/proc/sys/net/ipv4/ip_forward", "0"), "EROFS"),
    Probe("ProtectProc=invisible", "see other processes", lambda: os.stat("/proc/1/status"), "ENOENT", user="dht-node"),
    Probe("ProtectSystem=strict", "write /usr", lambda: write(f"/usr/{MARK}"), "EROFS"),
    Probe("ProtectSystem=strict", "write /etc", lambda: write(f"/etc/{MARK}"), "EROFS"),
    Probe("ProtectSystem=strict", "write /var", lambda: write(f"/var/{MARK}"), "EROFS"),
    # what it speaks to
    Probe(FAMILIES, "AF_NETLINK", lambda: speak(socket.AF_NETLINK), "EAFNOSUPPORT"),
    Probe(FAMILIES, "AF_PACKET", lambda: speak(socket.AF_PACKET), "EAFNOSUPPORT"),
    Probe("SocketBindDeny=any", "listen", listen, "EPERM"),
    Probe(NOBODY_ELSE, "send beyond this machine", lambda: send(BEYOND), "EPERM"),
    Probe("IPAddressAllow=localhost", "not send to this machine", lambda: send(HERE), "done", "EPERM", beside=[NOBODY_ELSE]),
]
# Not by one line alone, and what a node needs.
OTHERS = {
    "write another instance's state": lambda: write(os.path.join(os.path.dirname(os.environ["STATE_DIRECTORY"]), "other", "x")),
    "keys": lambda: call("syscall", SYS_ADD_KEY, b"user", b"x", b"y", 1, -3),
    "own state": lambda: write(os.path.join(os.environ["STATE_DIRECTORY"], "x"))
    or os.unlink(os.path.join(os.environ["STATE_DIRECTORY"], "x")),
    "AF_UNIX": lambda: speak(socket.AF_UNIX, socket.SOCK_DGRAM),
    "send to this machine": lambda: send(HERE),
}


def outcome(attempt):
    try:
        said = attempt()
        return said if isinstance(said, str) else "done"
    except OSError as e:
        return errno.errorcode[e.errno]


def in_a_process(attempt):
    """Of its own, which it may die of."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(theirs, outcome(attempt).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as f:
        said = f.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return signal.Signals(-code).name if code < 0 else said


def main(numbers):
    tries = [(p.what, p.attempt) for p in PROBES]
    tries = [tries[int(n)] for n in numbers] if numbers else [*tries, *OTHERS.items()]
    for what, attempt in tries:
        print(f"{what}: {in_a_process(attempt)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
