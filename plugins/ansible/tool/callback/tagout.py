"""Ansible stops before it touches a host that is held by a maintenance lock of tagout(1). See README.md beside the folder."""

import os
import subprocess
import sys
import time

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: tagout
    type: aggregate
    short_description: stops before a held host is touched
    description:
      - Asks tagout about the hosts of each play before its first task, and again during the play.
      - When one is held, or when that can't be told, the process ends with 75 or 69, and nothing more is done.
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
      again:
        description: Seconds after which the next task asks again. 0 asks before each task, -1 only before each play.
        default: 5
        type: int
        env: [{name: TAGOUT_ANSIBLE_AGAIN}]
        ini: [{section: callback_tagout, key: again}]
"""

PROGRAMS = ("/usr/bin/tagout", "/usr/local/bin/tagout")
GO, UNKNOWN, HELD = 0, 69, 75
AT_ONCE = 64  # scopes of one check
DEADLINE = 10  # of one check, in seconds; by itself it answers within 3
LOCAL = ("localhost", "127.0.0.1", "::1")


class Asker:
    """tagout check, for many hosts. Decides nothing, raises nothing."""

    def __init__(self, program, actor):
        self.program = program or next((path for path in PROGRAMS if os.access(path, os.X_OK)), PROGRAMS[0])
        self.actor = actor

    def check(self, scopes):
        """(status, line); [] asks about this machine. Whatever is not a clear answer is UNKNOWN."""
        argv = [self.program, "check", "--actor", self.actor] + scopes
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=DEADLINE, check=False)
        except subprocess.TimeoutExpired:
            return UNKNOWN, 'TAGOUT-UNKNOWN cause=no-answer detail="%s hangs: no answer after %d s"' % (self.program, DEADLINE)
        except (OSError, ValueError) as e:
            return UNKNOWN, 'TAGOUT-UNKNOWN cause=no-program detail="%s"' % str(e).replace('"', "'")
        if done.returncode == GO:
            return GO, ""
        said = done.stderr.decode("utf-8", "replace")
        line = next((line for line in said.splitlines() if line.startswith(("TAGOUT-HELD ", "TAGOUT-UNKNOWN "))), None)
        if line is None:
            detail = (said.strip().splitlines() or ["nothing was said"])[0].replace('"', "'")
            return UNKNOWN, 'TAGOUT-UNKNOWN cause=no-answer detail="%s ended with %d: %s"' % (self.program, done.returncode, detail)
        return HELD if done.returncode == HELD and line.startswith("TAGOUT-HELD ") else UNKNOWN, line

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
        self._guarded(self._start)

    def v2_playbook_on_play_start(self, play):
        self._guarded(self._play_start, play)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._guarded(self._task_start, task)

    def v2_playbook_on_handler_task_start(self, task):
        self._guarded(self._task_start, task)

    def v2_playbook_on_stats(self, stats):
        self._guarded(self._end, stats)

    # ---

    def _start(self):
        self.asker = Asker(self._option("program", ""), self._option("actor", "config-management"))
        if self._option("on_held", "stop") not in ("stop", "drop"):
            raise ValueError("on_held is stop or drop")

    def _play_start(self, play):
        self.play = play
        inventory = play.get_variable_manager()._inventory
        there = inventory.get_hosts(play.hosts, order=play.order)
        self.hosts = {host.name: self._scopes_of(host) for host in there}
        refused = self._ask(self.hosts)
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
        other = task.delegate_to if isinstance(task.delegate_to, str) and "{{" not in task.delegate_to else None
        if other and other not in self.hosts:
            refused = self._ask({other: self._scopes_of_name(other)})
            if refused:
                self._stop(refused, "Stopped before the task \"%s\"" % task.get_name())
        # free: other hosts are in the middle of tasks, which the end of the process would cut off
        again = int(self._option("again", 5))
        if again < 0 or time.monotonic() - self.asked_at < again or (self.play and self.play.strategy in ("free", "host_pinned")):
            return
        refused = self._ask(self.hosts)
        if refused:
            self._stop(refused, "Stopped before the task \"%s\"; what was done before stays" % task.get_name())

    def _end(self, stats):
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
