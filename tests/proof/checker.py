#!/usr/bin/env python3
"""
Proves P1 to P4 from the logs of a run, or shows what contradicts them. Pure: it reads files and prints.

  checker.py FOLDER           FOLDER/logs/*, FOLDER/listed.json (what "tagout locks" said at the end), FOLDER/hosts.json (groups)

A log line is "TIME PID EVENT key=value…", TIME in µs of the monotonic clock (CLOCK_BOOTTIME: nobody steps it). Every act is logged before
it begins ("lock?") and after it has ended ("lock!"); so what is between "lock!" and "free?" was surely locked, and what was noted
as "act" surely happened then. README.md has the events.

What it holds against the logs:
  P1  no "act" of a held kind in an overlapping scope, by who bears no token of the lock, between "lock!" and the first "free?"
  P1  who had an agent when the lock was placed, and has it still ("agents … present="), has acknowledged it ("acked="), when it overlaps that host
  P2  no GO to a question that was asked and answered within that time, when it was a permit's (written before it was read), or an agent's
      from what it knows ("age=" not 0), or when the host that asked had met that lock before; no GO at all of a store that run knows to be old or empty ("bad!" to "good?"),
      to who opened it in that time
  P3  every lock with "lock!" and no "free?" is listed at the end; a lock whose own time had come (x=1) may have gone
  P4  no "act" after the moment when the store may have given the permit away ("until … dead=")

Locks that end by themselves (x=1) hold until their end by the clock of the host that asks: that is what they promise (README.md).
"""
import bisect
import collections
import glob
import json
import os
import sys

KEEP_VIOLATIONS = 20
FAR = 1 << 62
THAW_US = 1_000_000  # after a whole host was frozen, what it may still do is the known limit of P1 (README.md)


def overlap(a, b, groups):
    """Whether two scopes surely have a host or a thing in common. Independent of the C code on purpose."""
    if a == b or a == "fleet" or b == "fleet":
        return True
    (ka, _, na), (kb, _, nb) = a.partition(":"), b.partition(":")
    short = lambda name: name.split(".")[0]
    if ka == "host" and kb == "host":
        return short(na) == short(nb) and (na == nb or "." not in na or "." not in nb)
    if ka == "group" and kb == "group":
        return bool(set(groups.get(na, ())) & set(groups.get(nb, ())))
    if ka == "host" and kb == "group":
        ka, na, kb, nb = kb, nb, ka, na
    if ka == "group" and kb == "host":
        return any(short(h) == short(nb) for h in groups.get(na, ()))
    return False


class Lock:
    def __init__(self, request, scopes, hold, ends, keep, slot):
        self.request, self.scopes, self.hold, self.ends, self.keep, self.slot = request, scopes, hold, ends, keep, slot
        self.id, self.granted, self.freed, self.until = None, FAR, FAR, FAR
        self.met = {}  # host -> when it first met this lock

    def holds(self, actor, scopes, tokens, groups):
        if self.hold != "*" and self.hold != actor:
            return False
        if "token-of-" + self.slot in tokens.split(","):
            return False
        return any(overlap(a, b, groups) for a in self.scopes for b in scopes)


class Ask:
    """A question or a permit."""
    def __init__(self, name, kind, scopes, actor, tokens, slot, at):
        self.name, self.kind, self.scopes, self.actor, self.tokens, self.slot, self.asked = name, kind, scopes, actor, tokens, slot, at
        self.said, self.answer, self.cause, self.wall, self.opened = FAR, None, "-", 0, 0
        self.known = False  # answered by an agent, without a look
        self.untils = []  # (when noted, kill, dead)
        self.acts = []


class Proof:
    def __init__(self, groups):
        self.groups = groups
        self.locks, self.by_id, self.asks = {}, {}, {}
        self.nemesis = []
        self.count = collections.Counter()
        self.causes = collections.Counter()
        self.violations = collections.defaultdict(list)
        self.thawed = collections.defaultdict(list)  # slot -> moments
        self.starved = []  # (begin, end): the machine did not let even a sleeping process run in time
        self.worst_late_us = 0
        self.agents = []  # (when, lock, hosts with an agent, hosts that have acknowledged)
        self.refused = []  # when a store could not be opened
        self.freed = {}  # id -> first "free?": somebody may break a lock before its taker has noted that he has it

    def violate(self, promise, text):
        self.count["violations of " + promise] += 1
        if len(self.violations[promise]) < KEEP_VIOLATIONS:
            self.violations[promise].append(text)

    # ---- reading

    def read(self, events):
        """events: (time, slot, pid, event, {key: value}) in the order of time."""
        opened = {}
        for t, slot, _pid, event, f in events:
            if event == "open?":
                opened[slot] = t
            handler = getattr(self, "on_" + event.replace("?", "_asks").replace("!", "_done").replace("-", "_failed"), None)
            if slot == "nemesis":
                self.nemesis.append((t, event, f))
                if event == "agent":
                    opened["asker" + f["slot"][-1]] = opened["holder" + f["slot"][-1]] = t
                elif event == "thaw":
                    self.thawed[f["slot"]].append(t)
                elif event == "starved":
                    self.starved.append((t - int(f["us"]), t))
                    self.count["times that the machine was starved"] += 1
            elif handler:
                handler(t, slot, f)
            if event in ("permit?", "check?"):
                self.asks[f["p"]].opened = opened.get(slot, 0)

    def on_lock_asks(self, t, slot, f):
        if f["r"] not in self.locks:
            self.locks[f["r"]] = Lock(f["r"], f["s"].split(","), f["h"], f["x"] == "1", f["k"] == "1", slot)

    def on_lock_done(self, t, slot, f):
        lock = self.locks[f["r"]]
        self.count["operations"] += 1
        self.count["locks"] += 1
        if lock.id not in (None, f["id"]):
            self.violate("P3", f"{lock.request} was granted as {lock.id}, and is {f['id']} when asked again: the first is gone, or there are two")
        lock.id, lock.granted = f["id"], min(lock.granted, t)
        lock.until = min(lock.until, int(f["u"]))
        lock.freed = min(lock.freed, self.freed.get(lock.id, FAR))
        lock.met.setdefault(slot, t)
        self.by_id[lock.id] = lock

    def on_lock_failed(self, t, slot, f):
        self.count["operations"] += 1
        self.count["locks not granted"] += 1
        self.causes[f["w"]] += 1

    def on_agents(self, t, slot, f):
        self.agents.append((t, f["id"], set(f["present"].split(",")) - {"-"}, set(f["acked"].split(","))))

    def on_free_asks(self, t, slot, f):
        self.freed.setdefault(f["id"], t)
        lock = self.by_id.get(f["id"])
        if lock:
            lock.freed = min(lock.freed, t)

    def on_freed(self, t, slot, f):
        self.count["operations"] += 1

    on_broke = on_free_failed = on_freed

    def on_extend_done(self, t, slot, f):
        self.count["operations"] += 1

    on_extend_failed = on_extend_done

    def on_permit_asks(self, t, slot, f):
        self.asks[f["p"]] = Ask(f["p"], "permit", f["s"].split(","), f["a"], f["t"], slot, t)

    def on_check_asks(self, t, slot, f):
        self.asks[f["p"]] = Ask(f["p"], "check", f["s"].split(","), f["a"], f["t"], slot, t)

    def on_said(self, t, slot, f):
        ask = self.asks[f["p"]]
        ask.said, ask.answer, ask.cause, ask.wall, ask.known = t, f["v"], f["w"], int(f["wall"]), int(f.get("age", 0)) > 0
        self.count["operations"] += 1
        self.count[f"{ask.kind}s{', of an agent' if 'age' in f else ''}: {ask.answer}"] += 1
        if ask.answer == "unknown":
            self.causes[ask.cause] += 1
        for lock_id in f["i"].split(","):
            if lock_id in self.by_id:
                self.by_id[lock_id].met.setdefault(slot, t)

    def on_until(self, t, slot, f):
        self.asks[f["p"]].untils.append((t, int(f["kill"]), int(f["dead"])))

    def on_act(self, t, slot, f):
        self.asks[f["p"]].acts.append(t)
        self.count["acts"] += 1

    def on_end(self, t, slot, f):
        self.count["commands: " + f["e"]] += 1

    def on_open_failed(self, t, slot, f):
        self.refused.append(t)

    def on_bug(self, t, slot, f):
        self.violate("P12", f"{slot} met a bug: {f}")

    # ---- proving

    def deadline(self, ask, t):
        """(KILL moment, moment when the store may give it away) as they were known at t; None: a session that can't be outlived."""
        known = [u for u in ask.untils if u[0] <= t]
        return (max(u[1] for u in known), max(u[2] for u in known)) if known else None

    def excused(self, ask, t):
        """What P1 assumes was not so: the host was frozen whole and is awake again, or starved when the keeper had to act."""
        if any(0 <= t - thaw <= THAW_US for thaw in self.thawed.get(ask.slot, ())):
            self.count["excused: acts just after a thaw"] += 1
            return True
        late = self.deadline(ask, t)
        if late and t > late[0] and any(begin <= t and late[0] <= end + THAW_US for begin, end in self.starved):
            self.count["excused: acts of a host that was starved"] += 1
            return True
        return False

    def act_deadline(self, ask):
        for t in ask.acts:
            late = self.deadline(ask, t)
            if not late:
                continue
            kill, dead = late
            if t > dead and not self.excused(ask, t):
                self.violate("P4", f"{ask.name} acted at {t}, {(t - dead) / 1000:.1f} ms after the store could give its permit away")
            elif t > kill and t <= dead:
                self.count["acts in the margin"] += 1
                self.worst_late_us = max(self.worst_late_us, t - kill)

    def held_at(self, lock, ask, t, said):
        """Whether it was surely held at t, for this host's clock. A lock that ends by itself: until its end by that clock."""
        if not lock.granted < t < lock.freed:
            return False
        return not lock.ends or ask.wall + (t - said) // 1000 < lock.until

    def meet(self, lock, ask):
        """One lock and one question whose times may touch."""
        for t in ask.acts:
            if self.held_at(lock, ask, t, ask.said) and not self.excused(ask, t):
                self.violate("P1", f"{ask.name} ({ask.actor} on {','.join(ask.scopes)}) acted at {t}, under {lock.id} on {','.join(lock.scopes)}, "
                                   f"granted at {lock.granted}" + (f", not asked back before {lock.freed}" if lock.freed < FAR else ""))
                break
        if ask.answer == "go" and self.held_at(lock, ask, ask.asked, ask.said) and self.held_at(lock, ask, ask.said, ask.said):
            if ask.kind == "permit" or ask.known or lock.met.get(ask.slot, FAR) < ask.asked:
                self.violate("P2", f"{ask.name} ({ask.actor} on {','.join(ask.scopes)}) was told GO at {ask.said}, against {lock.id} on "
                                   f"{','.join(lock.scopes)}, granted at {lock.granted}")
            else:
                self.count["stale checks (a lock that this host had not met)"] += 1

    def prove_meetings(self):
        locks = sorted((lock for lock in self.locks.values() if lock.granted < FAR), key=lambda lock: lock.granted)
        forever = [lock for lock in locks if lock.freed == FAR]
        passing = [lock for lock in locks if lock.freed < FAR]
        starts = [lock.granted for lock in passing]
        longest = max((lock.freed - lock.granted for lock in passing), default=0)
        for ask in self.asks.values():
            if ask.answer != "go":
                continue
            end = max([ask.said] + ask.acts)
            lo, hi = bisect.bisect_left(starts, ask.asked - longest), bisect.bisect_right(starts, end)
            for lock in passing[lo:hi] + forever:
                if lock.granted < end and lock.freed > ask.asked and lock.holds(ask.actor, ask.scopes, ask.tokens, self.groups):
                    self.count["meetings looked at"] += 1
                    self.meet(lock, ask)

    def prove_bad_stores(self):
        """No GO, and no lock taken, from what is known to be old or empty."""
        phases, begun = [], None
        for t, event, f in self.nemesis:
            if event == "bad!" and f["kind"] in ("old", "empty"):
                begun = (t, f["kind"])
            elif event == "good?" and begun:
                phases.append((*begun, t))
                begun = None
        for begin, kind, end in phases:
            seen = f"told UNKNOWN, or not connected, by a store that was {kind}"
            self.count[seen] += sum(begin < t < end for t in self.refused)
            for ask in self.asks.values():
                if ask.asked >= begin and ask.said <= end and ask.opened >= begin:
                    if ask.answer == "go":
                        self.violate("P2", f"{ask.name} was told GO at {ask.said} by a store that was {kind} since {begin}")
                    elif ask.answer == "unknown" and ask.cause != "no-agent":
                        self.count[seen] += 1

    def prove_acknowledged(self):
        for t, lock_id, present, acked in self.agents:
            lock = self.by_id[lock_id]
            meant = {host for host in present if any(overlap(scope, "host:" + host, self.groups) for scope in lock.scopes)}
            self.count["acknowledgements that had to be there"] += len(meant)
            for host in sorted(meant - acked):
                self.violate("P1", f"{lock_id} on {','.join(lock.scopes)} was granted at {lock.granted}, and the agent of {host} has not acknowledged it at {t}")

    def prove_lasting(self, listed, wall_ms):
        for lock in self.locks.values():
            if lock.granted == FAR or lock.freed < FAR:
                continue
            self.count["locks that had to be listed at the end"] += 1
            if lock.id not in listed and not (lock.ends and wall_ms >= lock.until):
                self.violate("P3", f"{lock.id} on {','.join(lock.scopes)}, granted at {lock.granted} and never asked back, is not there at the end")

    def prove(self, listed, wall_ms):
        for ask in self.asks.values():
            self.act_deadline(ask)
        self.prove_meetings()
        self.prove_bad_stores()
        self.prove_acknowledged()
        if listed is not None:
            self.prove_lasting(listed, wall_ms)
        return not self.violations


def parse(lines, slot):
    """What a worker wrote. A last line that kill -9 cut is no line."""
    for line in lines:
        if not line.endswith("\n"):
            continue
        parts = line.split(" ")
        fields = dict(part.rstrip("\n").split("=", 1) for part in parts[3:] if "=" in part)
        yield int(parts[0]), slot, int(parts[1]), parts[2].rstrip("\n"), fields


def load(folder):
    events = []
    for path in glob.glob(os.path.join(folder, "logs", "*")):
        with open(path, encoding="utf-8") as f:
            events.extend(parse(f, os.path.basename(path)))
    events.sort(key=lambda event: event[0])
    return events


def report(proof, out=sys.stdout):
    for name in sorted(proof.count):
        print(f"{proof.count[name]:9}  {name}", file=out)
    if proof.worst_late_us:
        print(f"{proof.worst_late_us / 1000:9.1f}  ms: the latest act behind its KILL moment, within the margin", file=out)
    if proof.causes:
        print("           UNKNOWN for: " + ", ".join(f"{cause} {n}" for cause, n in proof.causes.most_common()), file=out)
    for promise in sorted(proof.violations):
        for text in proof.violations[promise]:
            print(f"VIOLATED {promise}: {text}", file=out)


def check(folder):
    with open(os.path.join(folder, "hosts.json"), encoding="utf-8") as f:
        proof = Proof(json.load(f))
    proof.read(load(folder))
    listed, wall_ms = None, 0
    path = os.path.join(folder, "listed.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            last = json.load(f)
        listed, wall_ms = set(last["ids"]), last["wall_ms"]
    proof.prove(listed, wall_ms)
    return proof


class Search:
    """
    For a mistake, while others write. Who looks then may see an answer without what came before it, and that the machine was starved is
    noted only afterwards: so what contradicts counts when the next look finds the same.
    """

    def __init__(self, proof):
        self.proof, self.seen, self.sure = proof, set(), set()

    def look(self):
        found = {(promise, text) for promise, texts in self.proof().violations.items() for text in texts}
        self.sure, self.seen = found & self.seen, found


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(64)
    result = check(sys.argv[1])
    report(result)
    sys.exit(1 if result.violations else 0)
