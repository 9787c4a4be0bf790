"""What a run stands on: its folder, its workers, its store with what can be put in its place. See run."""
import collections
import glob
import json
import mmap
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time

from links import SPARE, Links

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
ZOOKEEPER = os.path.join(SOURCE, "tests/lib/zookeeper")
GROUPS = {"front": ["web1", "web2", "web3"], "back": ["web3", "web4", "web5"]}
HOSTS = 6
PEOPLE = ("execer", "lockman")  # people.py
N_FLAGS, SLOTS = 64, 56  # as in worker.h
WANT_LONG = N_FLAGS - 1
OPERATIONS = {"lock!", "lock-", "freed", "broke", "free-", "extend!", "extend-", "said"}  # what ends one


class Failed(Exception):
    """The run itself could not be done: no proof, and no violation."""


def now_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def await_that(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)


def call(*argv, **more):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: status {done.returncode}: {done.stdout[-600:]}")
    return done.stdout


def children(pid):
    """All that descends from a process."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path, encoding="ascii") as f:
                found += [int(child) for child in f.read().split()]
        except OSError:
            pass
    return found + [deep for child in found for deep in children(child)]


class Tail:
    """What the workers write from now on."""

    def __init__(self, ground):
        self.folder = ground.folder + "/logs"
        self.at = {name: os.path.getsize(f"{self.folder}/{name}") for name in self.names()}

    def names(self):
        return [name for name in os.listdir(self.folder) if name != "nemesis"]

    def lines(self):
        """(slot, the line's words) of what is new, slot by slot."""
        for name in self.names():
            with open(f"{self.folder}/{name}", "rb") as f:
                f.seek(self.at.get(name, 0))
                new = f.read()
            new = new[:new.rfind(b"\n") + 1]
            self.at[name] = self.at.get(name, 0) + len(new)
            for line in new.decode("utf-8", "replace").splitlines():
                yield name, line.split(" ")

    def ends(self, how):
        """How many commands came to that end."""
        return sum(words[2] == "end" and f"e={how}" in words for _, words in self.lines())


class Ground:
    """The folder, the control file, the log of what was done to them, and the workers."""

    def __init__(self, folder, build, fault, seed):
        self.folder, self.build, self.seed, self.fault = folder, build, seed, fault
        self.tagout = os.path.join(build, "bin/tagout")
        self.worker = os.path.join(build, "tests/proof_worker" + ("_" + fault if fault and fault != "agent_for_ever" else ""))
        self.env = dict(os.environ, PROOF_TAGOUT=self.tagout, PROOF_ACT=os.path.join(build, "tests/proof_act"),
                        LC_ALL="C.UTF-8", TZ="UTC")
        for name in ("TAGOUT_STORE", "TAGOUT_TOKEN", "TAGOUT_CONFIG", "TAGOUT_INVENTORY", "TAGOUT_STATE_DIR", "TAGOUT_AGENT_SOCKET"):
            self.env.pop(name, None)
        # The leak checker forks at every exit; when what it forked is killed, as happens here, it spins for ever.
        self.env["ASAN_OPTIONS"] = ":".join(filter(None, [self.env.get("ASAN_OPTIONS"), "detect_leaks=0"]))
        self.env["PROOF_ASAN"] = "ASAN_OPTIONS=" + self.env["ASAN_OPTIONS"]
        for name in ("logs", "state", "state/run"):
            os.makedirs(os.path.join(folder, name))
        self.write_hosts()
        with open(os.path.join(folder, "control"), "w+b") as f:
            f.write(bytes(N_FLAGS + 8 * SLOTS))
            f.flush()
            self.control = mmap.mmap(f.fileno(), 0)
        self.diary = open(os.path.join(folder, "logs/nemesis"), "a", encoding="ascii")
        self.roles, self.running, self.began = {}, {}, {}
        self.spawning = threading.RLock()
        self.over = False
        self.all_said, self.done = Tail(self), 0
        self.enough = False # operations: what has had no effect yet is left
        self.deaths = []

    def write_hosts(self):
        with open(os.path.join(self.folder, "hosts.yaml"), "w", encoding="ascii") as f:
            f.write("groups:\n")
            for name, hosts in GROUPS.items():
                f.write(f"  {name}: {{hosts: [{', '.join(h + '.example.com' for h in hosts)}]}}\n")
            f.write("hosts:\n" + "".join(f"  web{i}.example.com: {{}}\n" for i in range(1, HOSTS + 1)))
        with open(os.path.join(self.folder, "hosts.json"), "w", encoding="ascii") as f:
            json.dump({name: [h + ".example.com" for h in hosts] for name, hosts in GROUPS.items()}, f)

    def note(self, event, **fields):
        self.diary.write(f"{now_us()} {os.getpid()} {event} " + " ".join(f"{k}={v}" for k, v in fields.items()) + "\n")
        self.diary.flush()

    def init_another(self, url):
        """A new cluster, made by somebody who does not know of ours."""
        self.cli(url, "init", state=f"{self.folder}/state/{now_us()}")

    def cli(self, url, *args, state=None):
        state = state or self.folder + "/state/run"
        os.makedirs(state, exist_ok=True)
        config = os.path.join(self.folder, "run.yaml")
        with open(config, "w", encoding="ascii") as f:
            f.write(f"store: {url}\nstate-dir: {state}\ninventory: {self.folder}/hosts.yaml\n")
        return call(self.tagout, "--config", config, *args, env=self.env)

    def mark(self, slot):
        """The newest that a host has seen of any store; 0 nothing."""
        newest = 0
        for path in glob.glob(f"{self.folder}/state/{slot}/seen/*.json"):
            try:
                with open(path, encoding="utf-8") as f:
                    newest = max(newest, json.load(f)["txid"])
            except FileNotFoundError:  # being replaced
                pass
        return newest

    def make_news(self, url):
        """A lock that comes and goes: whatever was copied before is older. Returns what every host has seen that knows it."""
        lock = json.loads(self.cli(url, "lock", "service:news", "--for", "1h", "--reason", "news", "-o", "json"))
        self.cli(url, "unlock", lock.get("id") or lock["lock"]["id"])
        return self.mark("run")

    def await_news(self, news):
        if not self.fault:  # such a worker may know nothing at all
            await_that("every host has met a lock since", lambda: all(self.mark(slot) >= news for slot in self.roles if self.roles[slot][0] not in ("asker", "holder")))

    # ---- workers

    def start(self, role, slot, url):
        with self.spawning:
            if self.over:
                return
            number = self.roles[slot][1] if slot in self.roles else len(self.roles)
            self.roles[slot] = (role, number, url)
            self.began[slot] = self.began.get(slot, 0) + 1
            dice = random.Random(f"{self.seed} {slot} {self.began[slot]}").getrandbits(63)
            os.makedirs(os.path.join(self.folder, "state", slot), exist_ok=True)
            with open(os.path.join(self.folder, slot + ".err"), "ab") as err:
                program, env = [sys.executable, HERE + "/people.py"] if role in PEOPLE else [self.worker], self.env
                argv = [*program, role, slot, str(number), self.folder, url, str(dice)]
                if role == "agent":
                    argv, env = self.agent(slot, url)
                self.running[slot] = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
                if role == "agent":
                    self.note("agent", slot=slot, pid=self.running[slot].pid)

    def agent(self, slot, url):
        """The real one, of web1 for agent0. It is not this machine's own: it looks for nothing that runs here, and projects nothing."""
        state, env = f"{self.folder}/state/{slot}", self.env
        config = f"{state}/tagout.yaml"
        with open(config + ".new", "w", encoding="ascii") as f:
            f.write(f"store: {url}\nstate-dir: {state}\ninventory: {self.folder}/hosts.yaml\nsession: 3s\nagent-socket: {state}/socket\n")
        os.rename(config + ".new", config)
        if self.fault == "agent_for_ever":
            env = dict(env, LD_PRELOAD=os.path.join(self.build, "tests/proof_agent_for_ever.so"))
            env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
        return [self.tagout, "--config", config, "agent", "--host", f"web{int(slot[-1]) + 1}.example.com"], env

    def tend(self):
        """Those that were killed begin again; one that ended by itself is a failure of the run."""
        with self.spawning:
            for slot, process in list(self.running.items()):
                if process.poll() is None:
                    continue
                agent = self.roles[slot][0] == "agent" # one that is told to end has ended well
                if process.returncode not in (0, -signal.SIGKILL):
                    self.deaths.append(f"{slot} ended with {process.returncode}: " + self.last_words(slot))
                if not self.over and (process.returncode != 0 or agent):
                    self.start(self.roles[slot][0], slot, self.roles[slot][2])

    def last_words(self, slot):
        with open(os.path.join(self.folder, slot + ".err"), encoding="utf-8", errors="replace") as f:
            return f.read()[-1500:]

    def slots(self, *roles):
        return sorted(slot for slot, (role, _, _) in self.roles.items() if role in roles)

    def quiet(self, level):
        self.control[1] = level
        roles = ("locker", "lockman") if level == 1 else ("locker", "actor", "quick", "checker", "asker", "holder", *PEOPLE)
        if level:
            await_that(f"quiet {level}", lambda: self.tend() or all(self.control[2 + self.roles[s][1]] for s in self.slots(*roles)), 300)

    def set_clock(self, slot, off_ms):
        struct.pack_into("<q", self.control, N_FLAGS + 8 * self.roles[slot][1], off_ms)

    def operations(self):
        """So far."""
        self.done += sum(words[2] in OPERATIONS for _, words in self.all_said.lines())
        return self.done

    def finish(self):
        self.control[1] = 0
        self.control[0] = 1
        end = time.monotonic() + 90
        running = lambda: [slot for slot, process in self.running.items() if process.poll() is None and self.roles[slot][0] != "agent"]
        while running():
            if time.monotonic() > end:
                raise Failed("did not come to an end: " + ", ".join(running()))
            self.tend()
            time.sleep(0.05)
        self.tend()
        self.over = True

    def end(self):
        with self.spawning:
            self.over = True
            for process in self.running.values():
                if process.poll() is None:
                    process.kill()
                    process.wait()

    def list_locks(self, url):
        locks = json.loads(self.cli(url, "locks", "-o", "json"))
        locks = locks["locks"] if isinstance(locks, dict) else locks
        with open(os.path.join(self.folder, "listed.json"), "w", encoding="ascii") as f:
            json.dump({"ids": [lock["id"] for lock in locks], "wall_ms": time.time_ns() // 1000000}, f)


class Local:
    """The embedded store: a folder, and others that are put in its place."""
    loses_sessions = False # of one that is stopped: its keeper holds it

    def __init__(self, ground):
        self.ground, self.folder = ground, os.path.join(ground.folder, "place")
        os.mkdir(self.folder)
        self.url = self.direct = self.agents_url = f"local:{self.folder}/store.db"

    def prepare(self):
        self.ground.cli(self.url, "init")

    def copy(self, name):
        """A backup, as a careful person makes it."""
        to = os.path.join(self.ground.folder, name)
        os.makedirs(to)
        with sqlite3.connect(f"file:{self.folder}/store.db?mode=ro", uri=True, timeout=60) as db, sqlite3.connect(to + "/store.db") as out:
            db.backup(out)
        db.close()
        out.close()
        return to

    def damage(self, copy, dice):
        """Takes locks out of a copy: records, scopes, or a whole kind. Counters stay as they are."""
        db = sqlite3.connect(copy + "/store.db")
        n = 0
        for like in dice.sample(["/locks/%/%/%", "/locks/%/%", "/locks/service%"], 3):
            if not n: # of some there may be none just now
                n = db.execute("DELETE FROM node WHERE path LIKE ? AND path NOT IN ('/locks/fleet', '/locks/group', '/locks/host', '/locks/service')", (like,)).rowcount
        db.execute("UPDATE node SET children = (SELECT count(*) FROM node AS c WHERE c.parent = node.path)")
        db.commit()
        db.close()
        return n

    def empty(self, name, another):
        to = os.path.join(self.ground.folder, name)
        os.makedirs(to)
        if another:
            self.ground.init_another(f"local:{to}/store.db")
        return to

    def put(self, copy):
        os.rename(self.folder, self.ground.folder + "/true")
        os.rename(copy, self.folder)

    def put_back(self):
        os.rename(self.folder, f"{self.ground.folder}/was.{now_us()}")
        os.rename(self.ground.folder + "/true", self.folder)

    def stats(self):
        return {}

    def end(self):
        pass


class ZooKeeper:
    """An ensemble of three, each in a namespace of its own behind a real link (links.py), and there behind a proxy (proxy.py) for the workers and
    one for the agents; and single servers with other data, to which the proxies can lead."""
    loses_sessions = True

    def __init__(self, ground):
        self.ground, self.folder = ground, os.path.join(ground.folder, "zk")
        self.others, self.proxies = [], {}
        self.links = Links(Failed)
        self.env = dict(ground.env, ZK_OWNER=str(os.getpid()), ZK_HEAP="160m", ZK_ADDRESS="0.0.0.0") # of its own namespace
        self.start_ensemble()
        self.url, self.agents_url = self.behind_proxies(""), self.behind_proxies("agents")
        self.direct = "zk://" + ",".join(f"{self.links.address(i)}:2181" for i in (1, 2, 3)) + "/tagout"

    def start_ensemble(self):
        peers = "".join(f"server.{i}={self.links.address(i)}:2888:3888\n" for i in (1, 2, 3))
        for i in (1, 2, 3):
            os.makedirs(f"{self.folder}/{i}/data")
            for name, text in (("data/myid", f"{i}\n"), ("port", "2181\n"), ("servers", peers)):
                with open(f"{self.folder}/{i}/{name}", "w", encoding="ascii") as f:
                    f.write(text)
        starts = [threading.Thread(target=self.server, args=("start", i)) for i in (1, 2, 3)]  # none answers before two are there
        for start in starts:
            start.start()
        for start in starts:
            start.join()
        await_that("an ensemble with a leader", self.leader)

    def behind_proxies(self, whose):
        ports = [self.start_proxy(i, whose) for i in (1, 2, 3)]
        return "zk://" + ",".join(f"{self.links.address(i)}:{port}" for i, port in zip((1, 2, 3), ports)) + "/tagout"

    def start_proxy(self, i, whose):
        self.proxies[i, whose] = subprocess.Popen([*self.links.inside(i), sys.executable, HERE + "/proxy.py", self.links.address(i)],
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self.tell_one((i, whose), op="add", host="127.0.0.1", to=2181)["port"]

    def tell(self, i, **order):
        """For all who are clients of that server."""
        for whose in ("", "agents"):
            self.tell_one((i, whose), **order)

    def tell_one(self, which, **order):
        proxy = self.proxies[which]
        proxy.stdin.write(json.dumps(order) + "\n")
        proxy.stdin.flush()
        return json.loads(proxy.stdout.readline())

    def server(self, verb, i, *more):
        folder, host = (f"{self.folder}/{i}", i) if isinstance(i, int) else (i, SPARE)
        return call(*self.links.inside(host), "bash", ZOOKEEPER, verb, folder, *more, env=self.env)

    @staticmethod
    def port(folder):
        with open(f"{folder}/port", encoding="ascii") as f:
            return int(f.read())

    def mode(self, i):
        try:
            return self.server("mode", i).strip()
        except Failed:
            return ""

    def leader(self, *among):
        return next((i for i in among or (1, 2, 3) if self.mode(i) == "leader"), None)

    def prepare(self):
        self.ground.cli(self.direct, "init")

    def copy_data(self, i, to):
        """A live copy, as a backup of the folder is: the newest log may end in the middle of a transaction."""
        os.makedirs(to)
        shutil.copytree(f"{self.folder}/{i}/data/version-2", to + "/data/version-2")

    def copy(self, name):
        to = os.path.join(self.ground.folder, name)
        self.copy_data(self.leader() or 1, to)
        return self.single(to)

    def single(self, folder):
        """A server of its own on that data; it is ready when it is needed."""
        os.makedirs(folder + "/data", exist_ok=True)
        self.server("start", folder)
        self.others.append(folder)
        return folder

    def shell(self, copy, commands):
        """ZooKeeper's own shell: one start for all of it."""
        argv = ["java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
                "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar", "org.apache.zookeeper.ZooKeeperMain", "-server",
                f"{self.links.address(SPARE)}:{self.port(copy)}"]
        return subprocess.run(argv, input="".join(c + "\n" for c in commands + ["quit"]), capture_output=True, text=True, check=False).stdout

    def damage(self, copy, dice):
        """Takes locks out of a copy: buckets, scopes or records. Counters stay as they are."""
        locks = [path for path in self.shell(copy, ["ls -R /"]).split("\n") if path.startswith("/tagout/locks/")]
        levels = ([path for path in locks if path.count("/") == slashes + 1][:40] for slashes in dice.sample([3, 4, 5], 3))
        gone = next(filter(None, levels), []) # of some there may be none just now
        if gone:
            self.shell(copy, ["deleteall " + path for path in gone])
        return len(gone)

    def empty(self, name, another):
        to = self.single(os.path.join(self.ground.folder, name))
        if another:
            self.ground.init_another(f"zk://{self.links.address(SPARE)}:{self.port(to)}/tagout")
        return to

    def put(self, copy):
        for i in (1, 2, 3):
            self.tell(i, op="route", host=self.links.address(SPARE), to=self.port(copy))

    def put_back(self):
        for i in (1, 2, 3):
            self.tell(i, op="route", host="127.0.0.1", to=2181)
        for folder in self.others[1:]:  # the old one comes again
            self.server("kill", folder)
        del self.others[1:]

    def stats(self):
        total = collections.Counter()
        for which in self.proxies:
            total.update(self.tell_one(which, op="stats"))
        return total

    def end(self):
        for proxy in self.proxies.values():
            proxy.stdin.close()
            proxy.wait()
        for i in [1, 2, 3] + self.others:
            try:
                self.server("kill", i)
            except Failed:
                pass
        self.links.end()
