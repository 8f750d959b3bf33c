"""Certificates made by openssl for the tests, and brokers that have them."""
import os
import subprocess

import harness


def openssl(*args):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, timeout=30 * harness.PATIENCE)
    assert done.returncode == 0, done.stderr.decode()


class Pair:
    """A certificate and its key."""

    def __init__(self, folder, name):
        self.name = name
        self.cert = os.path.join(str(folder), f"{name}.crt")
        self.key = os.path.join(str(folder), f"{name}.key")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        os.chmod(self.key, 0o600)


class Authority(Pair):
    """A CA."""

    def __init__(self, folder, name):
        super().__init__(folder, name)
        self.folder = folder
        openssl("req", "-x509", "-new", "-key", self.key, "-days", 30, "-subj", f"/CN={name}", "-out", self.cert)

    def issue(self, name, hosts=None, expired=False):
        """A certificate for a server with these hosts ("DNS:a,IP:b"), or for a client."""
        pair = Pair(self.folder, name)
        extension = os.path.join(str(self.folder), f"{name}.ext")
        with open(extension, "w") as f:
            f.write(f"subjectAltName={hosts}\nextendedKeyUsage=serverAuth\n" if hosts else
                    "extendedKeyUsage=clientAuth\n")
        openssl("req", "-new", "-key", pair.key, "-subj", f"/CN={name}", "-out", pair.cert + ".csr")
        config = os.path.join(str(self.folder), f"{name}.cnf")
        with open(config, "w") as f:
            f.write(f"[ca]\ndefault_ca=here\n[here]\ndatabase={pair.cert}.index\nserial={pair.cert}.serial\nnew_certs_dir={self.folder}\n"
                    "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n")
        open(f"{pair.cert}.index", "w").close()
        start, end = ("20200101000000Z", "20200102000000Z") if expired else ("20200101000000Z", "20991231000000Z")
        openssl("ca", "-batch", "-notext", "-create_serial", "-config", config, "-in", pair.cert + ".csr", "-cert", self.cert,
                "-keyfile", self.key, "-startdate", start, "-enddate", end, "-extfile", extension, "-out", pair.cert)
        return pair


class Set:
    """All that the tests want, made once."""

    def __init__(self, folder):
        here = "DNS:localhost,IP:127.0.0.1"
        self.folder = folder
        self.ca = Authority(folder, "ca")
        self.other_ca = Authority(folder, "other-ca")
        self.server = self.ca.issue("server", here)
        self.elsewhere = self.ca.issue("elsewhere", "DNS:broker.example,IP:192.0.2.1")
        self.expired = self.ca.issue("expired", here, expired=True)
        self.client = self.ca.issue("client")
        self.old_client = self.ca.issue("old-client", expired=True)
        self.stranger = self.other_ca.issue("stranger")


class TlsBroker(harness.Broker):
    """A Mosquitto that speaks TLS."""

    def __init__(self, folder, certificates, pair, settings=""):
        self.ca = certificates.ca
        super().__init__(folder, settings=f"certfile {pair.cert}\nkeyfile {pair.key}\n"
                                          f"cafile {certificates.ca.cert}\n{settings}")

    @property
    def url(self):
        return f"mqtts://localhost:{self.port}"
