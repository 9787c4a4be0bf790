"""Ansible stops before it touches a host that is held by a maintenance lock of tagout(1). See README.md beside the folder."""

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: tagout
    type: aggregate
    short_description: stops before a held host is touched
    description:
      - Takes a permit on the hosts of each play before its first task, until the play ends. A lock on them waits for that.
      - When one is held, or when that can't be told, the process ends with 75 or 69, and nothing more is done.
      - When the permit is lost in the middle, the process is killed before a lock can be granted.
      - Dry runs (--check) go through.
    options:
      program:
        description: Where tagout is on this machine.
        default: ''
        env: [{name: TAGOUT_ANSIBLE_PROGRAM}]
        ini: [{section: callback_tagout, key: program}]
      actor:
        description: The kind of automation that Ansible is, as locks name it.
        default: config-management
        env: [{name: TAGOUT_ANSIBLE_ACTOR}]
        ini: [{section: callback_tagout, key: actor}]
      on_held:
        description: stop the whole run, or drop the held hosts from the play and end with 75 when all else went well.
        default: stop
        choices: [stop, drop]
        env: [{name: TAGOUT_ANSIBLE_ON_HELD}]
        ini: [{section: callback_tagout, key: on_held}]
      permits:
        description: no, only ask. For those who may read the store and not write to it. A lock then does not wait for the play; the play ends before its next task.
        default: 'yes'
        choices: ['yes', 'no']
        env: [{name: TAGOUT_ANSIBLE_PERMITS}]
        ini: [{section: callback_tagout, key: permits}]
      again:
        description: Seconds after which the next task asks again, so that a lock which waits ends the play. 0 asks before each task, -1 only before each play. By
          itself -1, and 5 without permits.
        default: ''
        env: [{name: TAGOUT_ANSIBLE_AGAIN}]
        ini: [{section: callback_tagout, key: again}]
"""

PROGRAMS = ("/usr/bin/tagout", "/usr/local/bin/tagout")
GO, UNKNOWN, HELD = 0, 69, 75
AT_ONCE = 64  # scopes of one check
DEADLINE = 10  # of one check, in seconds; by itself it answers within 3
LOCAL = ("localhost", "127.0.0.1", "::1")


OUTER = os.environ.get("TAGOUT_PERMIT")  # of the run that this whole playbook is a part of


def _environment():
    """Ours, without the name of our own permit: what we ask for ourselves is whether somebody waits for us."""
    env = {name: value for name, value in os.environ.items() if name != "TAGOUT_PERMIT"}
    if OUTER:
        env["TAGOUT_PERMIT"] = OUTER
    return env


class Asker:
    """tagout check, for many hosts. Decides nothing, raises nothing."""

    def __init__(self, program, actor):
        self.program = program or next((path for path in PROGRAMS if os.access(path, os.X_OK)), PROGRAMS[0])
        self.actor = actor

    def check(self, scopes):
        """(status, line); [] asks about this machine. Whatever is not a clear answer is UNKNOWN."""
        argv = [self.program, "check", "--actor", self.actor] + scopes
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=DEADLINE, check=False, env=_environment())
        except subprocess.TimeoutExpired:
            return UNKNOWN, 'TAGOUT-UNKNOWN cause=no-answer detail="%s hangs: no answer after %d s"' % (self.program, DEADLINE)
        except (OSError, ValueError) as e:
            return UNKNOWN, 'TAGOUT-UNKNOWN cause=no-program detail="%s"' % str(e).replace('"', "'")
        return (GO, "") if done.returncode == GO else self.judge(done.returncode, done.stderr)

    def judge(self, status, said):
        """What it said when it did not say GO."""
        said = said.decode("utf-8", "replace")
        line = next((line for line in said.splitlines() if line.startswith(("TAGOUT-HELD ", "TAGOUT-UNKNOWN "))), None)
        if line is None:
            detail = (said.strip().splitlines() or ["nothing was said"])[0].replace('"', "'")
            return UNKNOWN, 'TAGOUT-UNKNOWN cause=no-answer detail="%s ended with %d: %s"' % (self.program, status, detail)
        return HELD if status == HELD and line.startswith("TAGOUT-HELD ") else UNKNOWN, line

    def refused(self, hosts):
        """{name: (status, line)} of those that are not free; hosts: {name: [scope] or []}. Asks for many at once, and closer where something is."""
        found = {}
        names = sorted(hosts)
        for at in range(0, len(names), AT_ONCE):
            some = names[at : at + AT_ONCE]
            away = {name: hosts[name] for name in some if hosts[name]}
            if len(away) > 1:
                status, line = self.check([scope for scopes in away.values() for scope in scopes])
                if status == UNKNOWN and "cause=no-answer" not in line:  # of all of them alike: the store is away
                    found.update((name, (status, line)) for name in away)
                if status == GO or found.keys() >= away.keys():
                    some = [name for name in some if name not in away]
            for name in some:
                status, line = self.check(hosts[name])
                if status != GO:
                    found[name] = (status, line)
        return found


def _close(process, said, patience):
    """Within patience and some seconds gives back what "tagout permit" holds, or ends it before it has got anything."""
    try:
        process.stdin.write(b"\n")  # workers of Ansible have the pipe as well
        process.stdin.close()
    except OSError:
        pass  # it has ended
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:  # it hangs before it has got one: what it has started has our word
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()
    said.close()


class Permits:
    """tagout permit, for many hosts: each holds one as long as the pipe to it is open, which this process's end closes as well."""

    def __init__(self, asker, what):
        self.asker = asker
        self.what = what
        self.held = []
        self.name = None

    def take(self, hosts):
        """(GO, ""), or (status, line) of what refuses, and then none of these is held. hosts as of Asker.refused()."""
        scopes = sorted({scope for some in hosts.values() for scope in some})
        chunks = [scopes[at : at + AT_ONCE] for at in range(0, len(scopes), AT_ONCE)]
        if any(not some for some in hosts.values()):
            chunks.append([])  # this machine
        begun = []
        try:
            for chunk in chunks:
                begun.append(self._begin(chunk))
            deadline = time.monotonic() + DEADLINE
            for process, said in begun:
                status, line = self._await(process, said, deadline)
                if status != GO:
                    break
            else:
                status, line = GO, ""
                self.held += begun
                begun = []
                self._hand_down(chunks)
        except (OSError, ValueError) as e:
            status, line = UNKNOWN, 'TAGOUT-UNKNOWN cause=no-program detail="%s"' % str(e).replace('"', "'")
        for process, said in begun:
            _close(process, said, 1)
        return status, line

    def _hand_down(self, chunks):
        """
        What runs on this machine asks for itself: it is a part of this play, and a lock that waits for the play must not stop it in the middle. Of
        several permits none is handed down: there is one name.
        """
        self._take_back()
        if self.name and len(self.held) == 1 and len(chunks) == 1:
            os.environ["TAGOUT_PERMIT"] = self.name

    @staticmethod
    def _take_back():
        os.environ.pop("TAGOUT_PERMIT", None)
        if OUTER:
            os.environ["TAGOUT_PERMIT"] = OUTER

    def _begin(self, scopes):
        said = tempfile.TemporaryFile()
        argv = [self.asker.program, "permit", "--actor", self.asker.actor, "--what", self.what, "--stop", str(os.getpid())] + scopes
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True, env=_environment())
        return process, said

    def _await(self, process, said, deadline):
        line = b""
        while b"\n" not in line and len(line) < 4096:
            if not select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                return UNKNOWN, 'TAGOUT-UNKNOWN cause=no-answer detail="%s hangs: no permit after %d s"' % (self.asker.program, DEADLINE)
            more = os.read(process.stdout.fileno(), 4096)
            if not more:
                break
            line += more
        if line.startswith(b"TAGOUT-GO"):
            name = re.search(rb" permit=(\S+)", line)
            self.name = name.group(1).decode() if name else None
            return GO, ""
        try:
            status = process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return UNKNOWN, 'TAGOUT-UNKNOWN cause=no-answer detail="%s hangs"' % self.asker.program
        said.seek(0)
        return self.asker.judge(status, said.read(65536))

    def are_lost(self):
        return any(process.poll() is not None for process, _ in self.held)

    def give_back(self):
        held, self.held = self.held, []
        self._take_back()
        for process, said in held:
            _close(process, said, 5)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "tagout"
    # An installed file is enough: one that must be named in ansible.cfg is forgotten.
    CALLBACK_NEEDS_ENABLED = False
    CALLBACK_NEEDS_WHITELIST = False

    def __init__(self):
        super().__init__()
        self.asker = None
        self.play = None
        self.hosts = {}
        self.dropped = {}
        self.asked_at = 0.0
        self.playbook = "?"
        self.permits = None

    # An exception in a callback is a warning to Ansible, which goes on. Only the end of the process stops it, so all that goes wrong is one.
    def _guarded(self, what, *args):
        try:
            if self._is_dry_run():
                return
            what(*args)
        except Exception as e:  # pylint: disable=broad-except
            self._say('TAGOUT-UNKNOWN cause=callback detail="%s: %s"' % (type(e).__name__, str(e).replace('"', "'")))
            sys.exit(UNKNOWN)

    @staticmethod
    def _is_dry_run():
        return bool(context.CLIARGS.get("check", False))

    @staticmethod
    def _say(line):
        sys.stdout.flush()
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def _option(self, name, otherwise):
        value = self.get_option(name)
        return otherwise if value in (None, "") else value

    # --- what Ansible calls

    def v2_playbook_on_start(self, playbook):
        self._guarded(self._start, playbook)

    def v2_playbook_on_play_start(self, play):
        self._guarded(self._play_start, play)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._guarded(self._task_start, task)

    def v2_playbook_on_handler_task_start(self, task):
        self._guarded(self._task_start, task)

    def v2_runner_on_start(self, host, task):
        self._guarded(self._still_held, task)

    def v2_playbook_on_stats(self, stats):
        self._guarded(self._end, stats)

    # ---

    def _start(self, playbook):
        self.asker = Asker(self._option("program", ""), self._option("actor", "config-management"))
        self.playbook = os.path.basename(playbook._file_name)
        for name, words in (("on_held", ("stop", "drop")), ("permits", ("yes", "no"))):
            if self._option(name, words[0]) not in words:
                raise ValueError("%s is %s or %s" % (name, *words))
        self.with_permits = self._option("permits", "yes") == "yes"
        self.again = int(self._option("again", -1 if self.with_permits else 5))

    def _play_start(self, play):
        if self.permits:
            self.permits.give_back()
        self.play = play
        self.permits = Permits(self.asker, ("ansible: %s, play %s" % (self.playbook, play.get_name().strip() or "?"))[:200])
        inventory = play.get_variable_manager()._inventory
        there = inventory.get_hosts(play.hosts, order=play.order)
        self.hosts = {host.name: self._scopes_of(host) for host in there}
        self._leave_out(inventory, there, self._ask(self.hosts))
        while self.hosts and self.with_permits:
            status, line = self.permits.take(self.hosts)
            if status == GO:
                break
            # a lock has come since, or nobody can tell: then it is of all of them
            self._leave_out(inventory, there, (self._ask(self.hosts) if status == HELD else None) or dict.fromkeys(self.hosts, (status, line)))

    def _leave_out(self, inventory, there, refused):
        if not refused:
            return
        if self._option("on_held", "stop") == "stop" or len(refused) == len(self.hosts):
            self._stop(refused, "Nothing was done in this play")
        for name in refused:
            del self.hosts[name]
        self.dropped.update(refused)
        inventory.restrict_to_hosts([host for host in there if host.name in self.hosts])
        self._tell(refused, "Left out of this play")

    def _task_start(self, task):
        if self.asker is None:
            raise RuntimeError("a task came before the playbook")
        self._still_held(task)
        other = task.delegate_to if isinstance(task.delegate_to, str) and "{{" not in task.delegate_to else None
        if other and other not in self.hosts:
            self._take_other(other, task)
        # free: other hosts are in the middle of tasks, which the end of the process would cut off
        if self.again < 0 or time.monotonic() - self.asked_at < self.again or (self.play and self.play.strategy in ("free", "host_pinned")):
            return
        refused = self._ask(self.hosts)
        if refused:
            self._stop(refused, "Stopped before the task \"%s\"; what was done before stays" % task.get_name())

    def _take_other(self, name, task):
        """One that a task is delegated to: as if it were of the play from now on."""
        scopes = {name: self._scopes_of_name(name)}
        refused = self._ask(scopes)
        if not refused and self.with_permits:
            status, line = self.permits.take(scopes)
            refused = {} if status == GO else {name: (status, line)}
        if refused:
            self._stop(refused, "Stopped before the task \"%s\"" % task.get_name())
        if self.with_permits:
            self.hosts[name] = scopes[name]

    def _still_held(self, task):
        """By itself the process is killed when a permit is lost; this is for the day when that could not be done."""
        if self.permits and self.permits.are_lost():
            lost = 'TAGOUT-LOST detail="a permit of this play could not be proven alive"'
            self._stop(dict.fromkeys(self.hosts, (UNKNOWN, lost)), "Stopped before the task \"%s\"; what was done before stays" % task.get_name())

    def _end(self, stats):
        if self.permits:
            self.permits.give_back()
        if self.dropped:
            self._tell(self.dropped, "Left out")
            if not stats.failures and not stats.dark:
                sys.exit(HELD)

    # ---

    @staticmethod
    def _scopes_of_name(name):
        return [] if name in LOCAL else ["host:" + name]

    def _scopes_of(self, host):
        known_as = host.get_vars().get("tagout_host") or host.name
        return self._scopes_of_name(str(known_as))

    def _ask(self, hosts):
        refused = self.asker.refused(hosts)
        self.asked_at = time.monotonic()
        return refused

    def _tell(self, refused, what):
        for line in sorted({line for _, line in refused.values()}):
            self._say(line)
        self._say("tagout: %s: %s" % (what, ", ".join(sorted(refused))))

    def _stop(self, refused, what):
        self._tell(refused, what)
        sys.exit(UNKNOWN if any(status != HELD for status, _ in refused.values()) else HELD)
