"""A Mosquitto with TLS as `dhtctl broker-config` sets it up, a ring at it, and users that come with a password."""
import json
import os
import re
import socket
import ssl
import subprocess
import threading

import paho.mqtt.client as mqtt

import harness
from harness import PATIENCE, wait_for


class AccessBroker(harness.Broker):
    """The shipped configuration, in `folder`/dht; passwords in .passwords/NAME.  The log has everything."""

    def __init__(self, folder, certificates, *options):
        super().__init__(folder)
        self.certificates = certificates
        self.options = options
        self.dht = os.path.join(self.folder, "dht")
        self.passwords = os.path.join(self.dht, "passwords")

    def url_of(self, user):
        return f"mqtts://{user}@localhost:{self.port}"

    @property
    def url(self):
        return self.url_of("op")

    def make(self):
        pair = self.certificates.server
        return subprocess.run([harness.ctl_binary(), "broker-config", *self.options, "--server-certfile", pair.cert,
                               "--server-keyfile", pair.key, "--port", str(self.port), self.dht],
                              capture_output=True, text=True, check=True)

    def _configure(self):
        self.config_path = os.path.join(self.folder, "mosquitto.conf")
        with open(self.config_path, "w") as f:
            f.write(f"user root\nlog_dest stderr\nlog_type all\nconnection_messages true\ninclude_dir {self.dht}\n")
        self.make()

    def password(self, user):
        with open(os.path.join(self.passwords, user)) as f:
            return f.read().strip()

    def as_user(self, user):
        """The environment of a process that comes as that user."""
        return {"DHT_CAFILE": self.certificates.ca.cert, "DHT_BROKER": self.url_of(user),
                "DHT_PASSWORD_FILE": os.path.join(self.passwords, user)}

    def ctl(self, user, *args, check=True, **options):
        return harness.ctl(self.url_of(user), *args, check=check, env={**os.environ, **self.as_user(user)}, **options)


class AccessRing(harness.Ring):
    """Nodes that log in by names of their own."""

    def add(self, name, **options):
        env = {**self.broker.as_user(name), **options.pop("env", {})}
        return super().add(name, url=self.broker.url_of(name), env=env, **options)

    def look(self):
        done = self.broker.ctl("op", "--timeout", self.look_timeout, "ring", "--json", check=False)
        return json.loads(done.stdout)["nodes"] if done.stdout.strip() else []


class User:
    """One connection with a password, or without; hears what it has subscribed."""

    def __init__(self, broker, user=None, password=None, client_id="", will=None, tls=True, wait=True):
        self.heard = []
        self.code = None
        self.closed = threading.Event()
        self.answered = threading.Event()
        self.granted = threading.Event()
        self.id = client_id or f"{user or 'nobody'}{os.urandom(6).hex()}"
        self.mqtt = mqtt.Client(self.id, clean_session=True)
        if user:
            self.mqtt.username_pw_set(user, broker.password(user) if password is None else password)
        if will:
            self.mqtt.will_set(*will)
        if tls:
            self.mqtt.tls_set(ca_certs=broker.certificates.ca.cert, cert_reqs=ssl.CERT_REQUIRED)
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_disconnect = lambda *_: self.closed.set()
        self.mqtt.on_subscribe = lambda *_: self.granted.set()
        self.mqtt.on_message = lambda c, u, m: self.heard.append((m.topic, m.payload, m.retain))
        self.mqtt.reconnect_delay_set(60, 60)
        try:
            self.mqtt.connect("localhost" if tls else "127.0.0.1", broker.port, 30)
        except (OSError, ValueError):
            self.code = "closed"
            self.closed.set()
            self.answered.set()
            return
        self.mqtt.loop_start()
        if wait:
            wait_for(f"an answer to {self.id}", lambda: self.answered.is_set() or self.closed.is_set())

    def _on_connect(self, client, userdata, flags, rc):
        self.code = rc
        self.answered.set()

    def subscribe(self, *filters):
        self.granted.clear()
        self.mqtt.subscribe([(f, 0) for f in filters])
        assert self.granted.wait(10 * PATIENCE)
        return self

    def publish(self, topic, payload=b"", retain=False, qos=0):
        self.mqtt.publish(topic, payload, qos, retain)

    def settle(self):
        """Until the broker has seen to all that it was sent: it answers in order."""
        self.subscribe("to/nobody")

    def cut(self):
        """Ends without a word: the broker publishes the will."""
        self.mqtt._thread_terminate = True  # loop_stop waits for a second
        self.mqtt.socket().shutdown(socket.SHUT_RDWR)

    def close(self):
        self.mqtt._thread_terminate = True
        self.mqtt.disconnect()


def denied(broker, user):
    """[(topic, what)] of what the broker did not let that connection publish."""
    return re.findall(rf"Denied PUBLISH from {re.escape(user.id)} \(.*?'(.*?)', \.\.\. \((\d+) bytes\)", broker.log_text())

