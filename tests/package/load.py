#!/usr/bin/python3
"""Clients as people write them, in the machine: each puts a key, counts, and reads back, by one dhtctl after the other, until
the file that is named is there.  Prints what it has done, and whatever has gone wrong: {"counted", "put": {key: value},
"wrong": [TEXTS]}."""
import json
import os
import subprocess
import sys
import threading


class Client:
    def __init__(self, number):
        self.key = f"load/{number}"
        self.counted, self.turn, self.wrong = 0, 0, []

    def ask(self, *command):
        done = subprocess.run(["dhtctl", "--quiet", "--timeout", "30s", *command], capture_output=True, text=True)
        if done.returncode != 0 or done.stderr:
            self.wrong.append(f"{command}: {done.returncode} {done.stderr}")
        return done

    def take_a_turn(self):
        self.turn += 1
        self.ask("put", f"{self.key}/{self.turn % 50}", f"turn {self.turn}")
        if self.ask("incr", "load/visits").returncode == 0:
            self.counted += 1
        seen = self.ask("get", f"{self.key}/{self.turn % 50}").stdout
        if seen != f"turn {self.turn}":
            self.wrong.append(f"turn {self.turn} of {self.key} reads {seen!r}")

    def put(self):
        """What its keys have to have now."""
        return {f"{self.key}/{turn % 50}": f"turn {turn}" for turn in range(max(1, self.turn - 49), self.turn + 1)}


def until(path, client):
    while not os.path.exists(path) and len(client.wrong) < 10:
        client.take_a_turn()


def main(path, count):
    clients = [Client(number) for number in range(count)]
    threads = [threading.Thread(target=until, args=(path, client)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"counted": sum(c.counted for c in clients), "put": {k: v for c in clients for k, v in c.put().items()},
                      "wrong": [text for c in clients for text in c.wrong]}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
