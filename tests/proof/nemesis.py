"""
What is done to the workers and to their store, one thing after the other in each of two lanes, chosen by the seed. Every method is
one fault; it returns how often it took effect, counted on what it was done to, not on its having been tried.
"""
import os
import random
import shutil
import signal
import time

from ground import WANT_LONG, Tail, await_that, children, now_us
from links import OUTSIDE, Links

SESSION_S = 3.0  # as in worker.h


class Lane:
    """Chooses among its faults: each once in every round, in an order of the seed's; at last only what has had no effect yet."""

    def __init__(self, ground, store, seed, only):
        """only: kinds, None for all."""
        self.ground, self.store = ground, store
        self.dice = random.Random(f"{seed} {type(self).__name__}")
        self.rounds = []
        self.effects = {kind: 0 for kind in self.kinds() if not only or kind in only}

    def next(self):
        if self.ground.enough:
            self.rounds = [kind for kind in self.rounds if not self.effects[kind]] or [kind for kind, n in self.effects.items() if not n]
        if not self.rounds:
            self.rounds = list(self.effects)
            self.dice.shuffle(self.rounds)
        kind = self.rounds.pop()
        self.ground.note("fault", kind=kind)
        n = getattr(self, kind)()
        self.effects[kind] += n
        self.ground.note("effect", kind=kind, n=n)

    def sleep(self, least, most):
        time.sleep(self.dice.uniform(least, most))


class OnWorkers(Lane):
    """Processes and clocks."""
    lost = 0 # commands that a keeper has ended

    def kinds(self):
        return ["kill_worker", "stop_worker", "freeze_host", "kill_keeper", "kill_tagout", "stop_tagout", "kill_agent", "stop_agent", "end_agent",
                "step_clock"]

    def pid(self, *roles):
        slot = self.dice.choice(self.ground.slots(*roles))
        return slot, self.ground.running[slot].pid

    @staticmethod
    def signal(pid, number):
        try:
            os.kill(pid, number)
            return 1
        except ProcessLookupError:
            return 0

    def kill_worker(self):
        n = 0
        for _ in range(3):
            _, pid = self.pid("locker", "actor", "quick", "checker", "asker", "holder", "execer", "lockman")
            n += self.signal(pid, signal.SIGKILL)
            self.sleep(0.1, 0.6)
            self.ground.tend()
        return n

    def stop_worker(self):
        """Some longer than a session: its permit is given away, and the keeper must have ended the command. Never the quick ones:
        who acts without a keeper has nobody to stop him while he is stopped himself."""
        tail, long, slots = Tail(self.ground), self.dice.random() < 0.5 or not self.lost, self.ground.slots("actor", "locker")
        chosen = self.dice.sample(slots, 3)
        if long:
            busy = self.find_busy()
            chosen = [busy] + chosen[:2] if busy and busy not in chosen else chosen
        pids = [self.ground.running[slot].pid for slot in chosen]
        n = sum(self.signal(pid, signal.SIGSTOP) for pid in pids)
        time.sleep(SESSION_S + 0.8 if long else 0.4)
        for pid in pids:
            self.signal(pid, signal.SIGCONT)
        self.sleep(0.2, 0.4)
        self.lost += tail.ends("lost")
        return n if self.lost or not self.store.loses_sessions else 0

    def find_busy(self):
        """An actor whose command is going to outlast a session."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            self.ground.control[WANT_LONG] = 1
            for slot in self.ground.slots("actor"):
                if any(lasts_ms(pid) > 2 * SESSION_S * 1000 for pid in children(self.ground.running[slot].pid)):
                    return slot
            time.sleep(0.01)
        return None

    def freeze_host(self):
        """The whole host: worker, keepers and commands. What it does just after it wakes is the known limit of P1."""
        slot, pid = self.pid("actor", "execer")
        pids = [pid] + children(pid)
        for one in pids:
            self.signal(one, signal.SIGSTOP)
        time.sleep(self.dice.choice([0.4, SESSION_S + 0.8]))
        self.ground.note("thaw", slot=slot)
        for one in reversed(pids):  # the command first: the worst order
            self.signal(one, signal.SIGCONT)
        return 1

    def kill_some(self, name, *roles):
        """Processes of that name below workers; they come and go quickly."""
        n = 0
        for _ in range(4):
            pid = self.find(name, *roles)
            n += self.signal(pid, signal.SIGKILL) if pid else 0
            self.sleep(0.05, 0.3)
        return n

    def find(self, name, *roles):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            found = [child for slot in self.ground.slots(*roles) for child in children(self.ground.running[slot].pid) if is_named(child, name)]
            if found:
                return self.dice.choice(found)
            time.sleep(0.002)
        return None

    def kill_keeper(self):
        """Counted by the actors that found it gone, and not only by the dead: one that had done its work is missed by nobody."""
        tail, n, end = Tail(self.ground), 0, time.monotonic() + 30
        while not n and time.monotonic() < end:
            self.ground.control[WANT_LONG] = 1
            self.kill_some("tagout-keeper", "actor", "execer")
            n = tail.ends("vanished")
        return n

    def kill_tagout(self):
        """The command line itself: exec, lock and unlock."""
        return self.kill_some("tagout", "execer", "lockman")

    def stop_tagout(self):
        """Exec can't beat, and its keeper has to end the command."""
        pid = self.find("tagout", "execer", "lockman")
        if not pid or not self.signal(pid, signal.SIGSTOP):
            return 0
        time.sleep(self.dice.choice([0.4, SESSION_S + 0.8]))
        return self.signal(pid, signal.SIGCONT)

    def kill_agent(self):
        """It comes back, with what its state folder has."""
        return self.end_some(signal.SIGKILL)

    def end_agent(self):
        """As a new release does it: permits that it gave are still gone by."""
        return self.end_some(signal.SIGTERM)

    def end_some(self, number):
        n = 0
        for _ in range(2):
            slot, pid = self.pid("agent")
            n += self.signal(pid, number)
            await_that(f"{slot} has ended", lambda: self.ground.running[slot].pid != pid or self.ground.running[slot].poll() is not None)
            self.ground.tend()
            self.sleep(0.3, 1.0)
        return n

    def stop_agent(self):
        """Shorter and longer than a session."""
        pids = [self.ground.running[slot].pid for slot in self.dice.sample(self.ground.slots("agent"), 2)]
        n = sum(self.signal(pid, signal.SIGSTOP) for pid in pids)
        time.sleep(self.dice.choice([0.4, SESSION_S + 0.8]))
        for pid in pids:
            self.signal(pid, signal.SIGCONT)
        return n

    def step_clock(self):
        slots = self.dice.sample(self.ground.slots("locker", "actor", "quick", "checker"), 4)
        for slot in slots:
            self.ground.set_clock(slot, self.dice.choice([-7200000, -90000, -1500, 1500, 30000]))
        self.sleep(1.0, 2.5)
        for slot in slots:
            self.ground.set_clock(slot, 0)
        return len(slots)


def lasts_ms(pid):
    """Of a command of an actor (act.c), how long it is to last; 0 of any other process."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().split(b"\0")
        return int(words[3]) if words[0].endswith(b"proof_act") else 0
    except (OSError, IndexError, ValueError):
        return 0


def is_named(pid, name):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            return f.read().strip() == name
    except OSError:
        return False


def refusals(begin, tail, opened):
    """How many have opened a store since, and were told UNKNOWN, or could not open it."""
    n = 0
    for slot, words in tail.lines():
        if words[2] == "open?" and int(words[0]) > begin:
            opened[slot] = True
        elif words[2] == "open-" and slot in opened:
            n += 1
        elif words[2] in ("permit?", "check?") and slot in opened:
            opened[words[3]] = True
        elif words[2] == "said" and words[3] in opened and "v=unknown" in words:
            n += 1
    return n


NOT_WHOLE = {"fewer-locks-than-recorded", "more-locks-than-recorded", "missing-node", "bad-record", "altered"}


def doubts(_begin, tail, _seen):
    """How many were told that a copy is not whole."""
    return sum(words[2] == "said" and any("w=" + cause in words for cause in NOT_WHOLE) for _, words in tail.lines())


class OnStore(Lane):
    """Another store in place of the true one. tend() is called by the other lane meanwhile; copies are made beforehand."""

    def __init__(self, ground, store, seed, only):
        super().__init__(ground, store, seed, only)
        self.serial = 0
        self.old = self.news = None

    def kinds(self):
        return ["old_store", "empty_store", "partial_store"]

    def copy_old(self):
        self.old = self.store.copy("copy.old")
        self.news = self.ground.make_news(self.store.direct)

    def in_place(self, kind, copy, told):
        """Until somebody was told, and for a while; whether he was."""
        self.ground.note("bad?", kind=kind)
        self.store.put(copy)
        self.ground.note("bad!", kind=kind)
        begin, end, n, tail = now_us(), time.monotonic() + 30, 0, Tail(self.ground)
        self.sleep(2.0, 3.0)
        seen = {}
        while not n and time.monotonic() < end and not self.ground.fault:
            n = told(begin, tail, seen)
            time.sleep(0.05)
        return min(n, 1)

    def bad(self, kind, copy):
        n = self.in_place(kind, copy, refusals)
        self.ground.note("good?", kind=kind)
        self.store.put_back()
        self.ground.note("good!", kind=kind)
        return n

    def name(self):
        self.serial += 1
        return f"copy.{self.serial}"

    def old_store(self):
        """Backup from the beginning of the run; every host has met locks since: one that has not can't tell it from the true one."""
        self.ground.await_news(self.news)
        old = self.old
        if os.path.exists(old + "/store.db"):  # the place that it is put in is not its own: use a copy
            old = shutil.copytree(old, os.path.join(self.ground.folder, self.name()))
        return self.bad("old", old)

    def empty_store(self):
        another = self.dice.random() < 0.5  # a new cluster was made in it
        return self.bad("empty", self.store.empty(self.name(), another))

    def partial_store(self):
        """As new as the true one, but locks are missing. Nobody locks meanwhile, and nobody acts across its end: what is written in a
        copy that is whole where one looks, and newest, is lost, and nobody can tell."""
        self.ground.quiet(1)
        copy = self.store.copy(self.name())
        if self.store.damage(copy, self.dice) == 0: # nobody holds anything: once more, later
            self.ground.quiet(0)
            return 0
        n = self.in_place("partial", copy, doubts)
        self.ground.quiet(2)
        self.ground.note("good?", kind="partial")
        self.store.put_back()
        self.ground.note("good!", kind="partial")
        self.ground.quiet(0)
        return n


class OnZooKeeper(OnStore):
    """Also servers and links."""

    def kinds(self):
        return ["kill_server", "pause_server", "change_leader", "cut_link", "cut_all", "cut_agents", "slow_link", "swallow_link", "lose_replies",
                "dead_link", "deaf_server", "mute_server", "dead_all", "thin_link", "cut_leader", "deaf_leader", "unheard_leader",
                "old_server", "empty_server"] + super().kinds()

    def any(self):
        return self.dice.choice([1, 2, 3])

    def back(self, i):
        self.store.server("start", i)
        await_that(f"server {i} takes part", lambda: self.store.mode(i) in ("leader", "follower"))

    def kill_server(self):
        i = self.any()
        self.store.server("kill", i)
        self.sleep(0.2, 1.0)
        self.back(i)
        return 1

    def pause_server(self):
        i = self.any()
        self.store.server("pause", i)
        time.sleep(self.dice.choice([0.5, SESSION_S + 0.5]))
        self.store.server("resume", i)
        self.store.server("await", i)
        return 1

    def change_leader(self):
        before = self.store.leader()
        if before is None:
            return 0
        self.store.server("kill", before)
        await_that("a new leader", lambda: self.store.leader() not in (None, before))
        self.back(before)
        return 1

    def delta(self, key, work):
        before = self.store.stats().get(key, 0)
        work()
        return self.store.stats().get(key, 0) - before

    def with_link(self, names, seconds, **order):
        for name in names:
            self.store.tell(name, **order)
        time.sleep(seconds)
        for name in names:
            self.store.tell(name, op="heal")

    def cut_link(self):
        return self.delta("cut", lambda: self.with_link([self.any()], self.dice.uniform(0.5, 2), op="cut"))

    def cut_all(self):
        """Longer than a session: all permits are lost, and locks stay."""
        return self.delta("cut", lambda: self.with_link([1, 2, 3], SESSION_S + self.dice.uniform(0.7, 1.7), op="cut"))

    def cut_agents(self):
        """All of them, longer than a session: locks are taken without them meanwhile, and they answer UNKNOWN."""
        def work():
            for i in (1, 2, 3):
                self.store.tell_one((i, "agents"), op="cut")
            time.sleep(SESSION_S + self.dice.uniform(2.0, 5.0))
            for i in (1, 2, 3):
                self.store.tell_one((i, "agents"), op="heal")
        return self.delta("cut", work)

    def slow_link(self):
        return self.delta("slowed", lambda: self.with_link([self.any()], 1.5, op="slow", ms=self.dice.choice([60, 250])))

    def swallow_link(self):
        return self.delta("swallowed", lambda: self.with_link([self.any()], self.dice.choice([1.0, SESSION_S + 0.5]), op="swallow"))

    def lose_replies(self):
        return self.delta("lost", lambda: self.with_link([1, 2, 3], 1.5, op="lose", count=4))

    # ---- links that swallow silently (links.py): nobody is told, on either side

    def silent(self, hosts, seconds, *begin_and_end):
        """The most connections of workers at one time that spoke in vain."""
        links = self.store.links
        for host in hosts:
            for begin, _ in begin_and_end:
                begin(links, host, OUTSIDE)
        most, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.1)
            most = max(most, sum(links.waiting(host) for host in hosts))
        for host in hosts:
            for _, stop in begin_and_end:
                stop(links, host, OUTSIDE)
        return most

    def dead_link(self):
        return self.silent([self.any()], self.dice.choice([1.5, SESSION_S + 1]), (Links.deafen, Links.hear), (Links.mute, Links.unmute))

    def deaf_server(self):
        """It hears no client, and they hear it."""
        return self.silent([self.any()], self.dice.choice([1.5, SESSION_S + 1]), (Links.deafen, Links.hear))

    def mute_server(self):
        """It does what it is asked, and nobody hears that it did."""
        return self.silent([self.any()], self.dice.choice([1.5, SESSION_S + 1]), (Links.mute, Links.unmute))

    def dead_all(self):
        return self.silent([1, 2, 3], SESSION_S + self.dice.uniform(0.7, 1.7), (Links.deafen, Links.hear), (Links.mute, Links.unmute))

    def thin_link(self):
        """For its peers too."""
        i = self.any()
        self.store.links.thin(i)
        time.sleep(2)
        return self.store.links.widen(i)

    def without_peers(self, begin_and_end):
        """The leader loses its quorum, until it knows, or the others have another one; clients are still with it meanwhile."""
        i = self.store.leader()
        if i is None:
            return 0
        others = [other for other in (1, 2, 3) if other != i]
        for begin, _, hears in begin_and_end:
            for other in others:
                begin(self.store.links, *((i, other) if hears else (other, i)))
        try:
            await_that("a leader without its peers is none", lambda: self.store.mode(i) != "leader" or self.store.leader(*others))
            self.sleep(0.2, 1.5)
        finally:
            for _, end, hears in begin_and_end:
                for other in others:
                    end(self.store.links, *((i, other) if hears else (other, i)))
        await_that(f"server {i} takes part", lambda: self.store.mode(i) in ("leader", "follower"))
        return 1

    def cut_leader(self):
        return self.without_peers([(Links.deafen, Links.hear, True), (Links.deafen, Links.hear, False)])

    def deaf_leader(self):
        """It does not hear its peers, and they hear it."""
        return self.without_peers([(Links.deafen, Links.hear, True)])

    def unheard_leader(self):
        return self.without_peers([(Links.deafen, Links.hear, False)])

    def replaced(self, prepare):
        """One server of three comes back with other data than it had: the others bring it up to date before it serves."""
        i = self.any()
        data = f"{self.store.folder}/{i}/data"
        self.store.server("kill", i)
        shutil.rmtree(data + "/version-2")
        prepare(data)
        self.back(i)
        return 1

    def old_server(self):
        return self.replaced(lambda data: shutil.copytree(self.old + ".data", data + "/version-2"))

    def empty_server(self):
        return self.replaced(lambda data: None)

    def copy_old(self):
        """Of server 1, for all who are to come back with old data; and a server of its own on the same."""
        shutil.copytree(f"{self.store.folder}/1/data/version-2", self.ground.folder + "/copy.old.data")
        super().copy_old()
