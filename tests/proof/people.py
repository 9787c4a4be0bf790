#!/usr/bin/env python3
"""
Workers that are people and their scripts: they run the real "tagout exec", "tagout lock" and "tagout unlock", and note in the same log lines
as worker.c what was asked and what came of it. What the command does under exec is noted by itself (act.c), and so is that it was let.

  people.py execer|lockman SLOT NUMBER FOLDER URL SEED
"""
import ctypes
import json
import mmap
import os
import random
import re
import signal
import subprocess
import sys
import time

N_FLAGS = 64  # as in worker.h
ACTORS = ["config-management", "package-manager", "autoscaler"]
HELD, UNKNOWN = 75, 69


class Person:
    def __init__(self, slot, number, folder, url, seed):
        self.slot, self.number, self.folder = slot, int(number), folder
        self.dice = random.Random(seed)
        with open(f"{folder}/control", "r+b") as f:
            self.control = mmap.mmap(f.fileno(), 0)
        self.control[2 + self.number] = 0
        self.log_path = f"{folder}/logs/{slot}"
        self.log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.config = f"{folder}/state/{slot}/tagout.yaml"
        with open(self.config, "w", encoding="ascii") as f:
            f.write(f"store: {url}\nstate-dir: {folder}/state/{slot}\ninventory: {folder}/hosts.yaml\nsession: 3s\nowner: {slot}\n")
        self.serial = 0

    def note(self, text):
        os.write(self.log, f"{time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000} {os.getpid()} {text}\n".encode())

    def stopping(self):
        return self.control[0]

    def be_quiet(self, level):
        while self.control[1] >= level and not self.stopping():
            self.control[2 + self.number] = 1
            time.sleep(0.005)
        self.control[2 + self.number] = 0

    def scope(self, locking):
        n = self.dice.randrange(100)
        if n < (3 if locking else 1):
            return "fleet"
        if n < 18:
            return "group:" + self.dice.choice(["front", "back"])
        if n < 40:
            return "service:" + self.dice.choice(["autoscaler", "db"])
        return f"host:web{self.dice.randint(1, 6)}.example.com"

    def tagout(self, *args):
        """Exit status and what it said; a negative status is the signal that ended it."""
        done = subprocess.run([os.environ["PROOF_TAGOUT"], args[0], "--config", self.config, *args[1:]], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        return done.returncode, done.stdout


class Execer(Person):
    """Runs commands under exec. Their output goes nowhere: who outlives exec holds nobody up."""

    def once(self):
        self.serial += 1
        name = f"{self.slot}.{time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000}.{self.serial}"
        scope, actor = self.scope(False), self.dice.choice(ACTORS)
        lasts = 5000 if self.dice.randrange(100) == 0 else self.dice.randint(10, 400)
        self.note(f"permit? p={name} s={scope} a={actor} t=-")
        args = [os.environ["PROOF_TAGOUT"], "exec", "--config", self.config, "--actor", actor, scope, "--", os.environ["PROOF_ACT"], self.log_path, name,
                str(lasts), self.dice.choice(["meek", "meek", "stubborn"]), "says"]
        with open(f"{self.folder}/{self.slot}.said", "wb") as said:
            status = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False).returncode
        if status in (HELD, UNKNOWN):
            with open(f"{self.folder}/{self.slot}.said", encoding="utf-8", errors="replace") as f:
                text = f.read()
            cause = re.search(r"cause=([a-z-]+)", text)
            # a command that was ended because its permit could not be proven has already noted that it was let
            if not self.began(name):
                self.note(f"said p={name} v={'held' if status == HELD else 'unknown'} w={cause.group(1) if cause else '-'} i=- "
                          f"wall={time.time_ns() // 1000000} c=0 e=")
                return
        self.note(f"end p={name} e={'exited' if status == 0 else 'execlost' if status == UNKNOWN else 'execended'} status={status}")

    def began(self, name):
        with open(self.log_path, "rb") as f:
            f.seek(max(0, os.path.getsize(self.log_path) - 400000))
            return f" said p={name} ".encode() in f.read()

    def run(self):
        while not self.stopping():
            self.be_quiet(2)
            self.once()


class Lockman(Person):
    """Locks and unlocks. One that was killed asks again for what it had asked for, by the same request, as a person would."""

    def recall(self):
        wish = lock = None
        open_wish = False
        with open(self.log_path, encoding="utf-8") as f:
            for line in f:
                if " lock? " in line and line.endswith("\n"):
                    wish = dict(part.split("=", 1) for part in line.split()[3:])
                    lock, open_wish = None, True
                elif " lock! " in line:
                    lock = line.split(" id=")[1].split()[0]
                elif " freed " in line:
                    open_wish = False
        self.serial = int(wish["r"].rsplit("-", 1)[1]) if wish else 0
        return (wish, lock) if open_wish else (None, None)

    def wish(self):
        self.serial += 1
        scopes = ",".join(dict.fromkeys(self.scope(True) for _ in range(self.dice.choice([1, 1, 2]))))
        return {"r": f"{self.slot}-{self.serial}", "s": scopes, "h": self.dice.choice(["*", "*", *ACTORS])}

    def take(self, wish):
        """The lock's id, however often it takes."""
        while self.stopping() < 2:
            self.note(f"lock? r={wish['r']} s={wish['s']} h={wish['h']} d=3600000 x=0 k=0")
            hold = [] if wish["h"] == "*" else ["--hold", wish["h"]]
            status, said = self.tagout("lock", *wish["s"].split(","), "--request", wish["r"], "--for", "1h", "--reason", "work", "--wait", "12s", *hold,
                                       "-o", "json")
            if status == 0:
                lock = json.loads(said[said.index("{"):said.rindex("}") + 1])
                self.note(f"lock! r={wish['r']} id={lock['id']} u={int(time.time() + 3600) * 1000}")
                return lock["id"]
            self.note(f"lock- r={wish['r']} c={status} w=- e={' '.join(said.split())[:200]}")
            time.sleep(0.05)
        return None

    def free(self, lock):
        while self.stopping() < 2:
            self.note(f"free? id={lock}")
            status, said = self.tagout("unlock", lock)
            if status == 0 or "there is no lock" in said or "has been released already" in said:
                self.note(f"freed id={lock} c={status}")
                return
            self.note(f"free- id={lock} c={status} w=- e={' '.join(said.split())[:200]}")
            time.sleep(0.05)

    def run(self):
        wish, lock = self.recall()
        while wish or not self.stopping():
            if not wish:
                self.be_quiet(1)
                if self.stopping():
                    return
                wish = self.wish()
            lock = lock or self.take(wish)
            if not lock:
                return
            time.sleep(self.dice.uniform(0, 0.05))
            self.free(lock)
            wish = lock = None
            time.sleep(self.dice.uniform(0, 0.3))


def main():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nobody outlives the run
    role, *rest = sys.argv[1:]
    person = {"execer": Execer, "lockman": Lockman}[role](*rest)
    person.note(f"start role={role} slot={person.slot}")
    person.run()
    person.note("leave")


main()
