"""
Real links between real stacks: each server in a network namespace of its own, all on one bridge of 198.18.K.0/24 (the range of contrib/fleet,
without a route out of the machine). What is cut here swallows silently: no reset, no answer, connections half-open at both ends. A rule that
leads nowhere does it, at the side of the server, for one direction and one neighbour; so that one side may hear the other and not be heard.
"""
import atexit
import os
import random
import re
import subprocess
import threading

OUTSIDE, SPARE = 254, 4  # last bytes: the workers; servers with other data


def ip(*argv):
    """None when it was done; else why not."""
    done = subprocess.run(["ip", *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip() or f"status {done.returncode}" if done.returncode else None


class Links:
    """Hosts 1 to 3, and the spare one. failed: the exception to raise when this machine does not have them."""

    def __init__(self, failed):
        self.failed = failed
        self.hosts = [1, 2, 3, SPARE]
        self.bridge = self.cleaner = None
        self.making = threading.Lock()
        why = "no free /24"
        for k in random.sample(range(1, 255), 20):  # who else runs now is nothing that a seed could know
            self.prefix = f"198.18.{k}"
            with open("/proc/net/route", encoding="ascii") as f:
                if f"\t00{k:02X}12C6\t" in f.read():
                    continue
            why = ip("link", "add", f"tgp{k}", "address", self.mac(OUTSIDE), "type", "bridge")
            if not why:
                self.bridge = f"tgp{k}"
                break
        if not self.bridge:
            raise failed(f"links of its own can't be made here (they need root): {why}")
        self.clean_after()
        for host in self.hosts:
            self.make(host)
        self.must("addr", "add", self.address(OUTSIDE) + "/24", "dev", self.bridge)
        self.must("link", "set", self.bridge, "up")
        for host in self.hosts:
            self.must("neigh", "replace", self.address(host), "lladdr", self.mac(host), "nud", "permanent", "dev", self.bridge)

    def must(self, *argv):
        why = ip(*argv)
        if why:
            raise self.failed(f"ip {' '.join(argv)}: {why}")

    def address(self, host):
        return f"{self.prefix}.{host}"

    def mac(self, host):
        return f"02:54:47:{int(self.prefix.rsplit('.', 1)[1]):02x}:00:{host:02x}"

    def space(self, host):
        return f"{self.bridge}-{host}"

    def port(self, host):
        return f"{self.bridge}p{host}"

    def inside(self, host):
        """What a command line in that host begins with."""
        return ["ip", "netns", "exec", self.space(host)]

    def clean_after(self):
        """Whoever ends this run, and be it kill -9: its end of the pipe is closed then."""
        script = "cat >/dev/null; for i in $2; do ip link del ${1}p$i; ip netns del $1-$i; done; ip link del $1"
        self.cleaner = subprocess.Popen(["sh", "-c", script, "sh", self.bridge, " ".join(str(h) for h in self.hosts)], stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        atexit.register(self.end)

    def make(self, host):
        space, port = self.space(host), self.port(host)
        self.must("netns", "add", space)
        self.must("link", "add", port, "type", "veth", "peer", "name", "eth0", "address", self.mac(host), "netns", space)
        self.must("link", "set", port, "master", self.bridge, "up")
        for order in (["link", "set", "lo", "up"], ["link", "set", "eth0", "up"], ["addr", "add", self.address(host) + "/24", "dev", "eth0"],
                      # so that a rule can come before what is the host's own
                      ["rule", "add", "pref", "100", "lookup", "local"], ["rule", "del", "pref", "0"]):
            self.must("-n", space, *order)
        for other in self.hosts + [OUTSIDE]:  # or a cut would also keep them from finding each other, which is not silent
            if other != host:
                self.must("-n", space, "neigh", "replace", self.address(other), "lladdr", self.mac(other), "nud", "permanent", "dev", "eth0")

    # ---- faults

    def rule(self, verb, host, other, heard):
        way = ["iif", "eth0", "from", self.address(other)] if heard else ["to", self.address(other)]
        self.must("-n", self.space(host), "rule", verb, "pref", "10", *way, "blackhole")

    def deafen(self, host, other):
        """The host hears no more of the other; what it says itself arrives."""
        self.rule("add", host, other, True)

    def hear(self, host, other):
        self.rule("del", host, other, True)

    def mute(self, host, other):
        """It hears the other, which hears no more of it."""
        self.rule("add", host, other, False)

    def unmute(self, host, other):
        self.rule("del", host, other, False)

    def waiting(self, host):
        """How many connections of the workers to that host have said something again and again, and heard nothing."""
        far = "".join(f"{int(byte):02X}" for byte in reversed(self.address(host).split(".")))
        with open("/proc/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        return sum(row[2].startswith(far) and row[3] in ("01", "02") and int(row[6], 16) > 0 for row in rows)

    def thin(self, host):
        """A link of 64 kbit/s, both ways: this kernel has a bucket, where others have netem."""
        for where, dev in (([], self.port(host)), (self.inside(host), "eth0")):
            done = subprocess.run([*where, "tc", "qdisc", "replace", "dev", dev, "root", "tbf", "rate", "64kbit", "burst", "2kb", "latency", "3s"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode:
                raise self.failed(f"tc on {dev}: {done.stderr.strip()}")

    def widen(self, host):
        """As it was; how many packets had to wait."""
        waited = 0
        for where, dev in (([], self.port(host)), (self.inside(host), "eth0")):
            said = subprocess.run([*where, "tc", "-s", "qdisc", "show", "dev", dev], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            waited += sum(int(n) for n in re.findall(r"overlimits (\d+)", said.stdout))
            subprocess.run([*where, "tc", "qdisc", "del", "dev", dev, "root"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return waited

    def end(self):
        with self.making:
            if self.cleaner:
                self.cleaner.stdin.close()
                self.cleaner.wait()
                self.cleaner = None
