"""
Maintenance locks, with tagout(1): is this minion held, by whom, and taking and releasing locks.

The program is found in /usr/bin and /usr/local/bin. Configuration of the minion, all of it optional:

    tagout:
      program: /opt/tagout/bin/tagout
      actor: config-management    # the kind of automation that Salt is, as locks name it
      deadline: 10                # seconds after which a check is ended and taken for UNKNOWN; by itself it answers within 3
      pass: [service.status]      # functions, or patterns of them, that change nothing and run on a held minion as well

The executor, the states, the grain and the engine of the same name use what is here.
"""

import fnmatch
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types

PROGRAMS = ("/usr/bin/tagout", "/usr/local/bin/tagout")
STATES = {0: "go", 75: "held"}
# name=value and name="value with \" and \\"
WORD = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S+))')
SAID = re.compile(r"^TAGOUT-(?:HELD|UNKNOWN) .*$", re.M)
# What runs on a held minion: it changes nothing, or is what gets one out again.
HARMLESS = (
    "test.*", "sys.*", "saltutil.*", "tagout.*", "grains.get", "grains.item", "grains.items", "grains.ls", "grains.has_value", "pillar.*",
    "config.get", "config.option", "config.items", "status.*", "schedule.list", "schedule.enable", "schedule.disable", "schedule.show_next_fire_time",
    "state.show_*", "state.running", "state.list_disabled", "disk.usage", "network.ping",
    "pkg.version", "pkg.list_pkgs", "service.status", "file.file_exists", "file.read",
)
# Salt's own blackout wants names, no patterns. Without find_job a master takes a running job for lost.
BLACKOUT_PASSES = (
    "test.ping", "test.version", "saltutil.find_job", "saltutil.is_running", "saltutil.running", "saltutil.kill_job", "saltutil.term_job",
    "saltutil.signal_job", "saltutil.refresh_grains", "saltutil.refresh_pillar", "saltutil.refresh_modules", "saltutil.sync_all", "saltutil.clear_cache",
    "grains.get", "grains.items", "pillar.get", "pillar.items", "tagout.check", "tagout.locks", "tagout.lock", "tagout.unlock", "tagout.guards", "tagout.run",
)
# Only these are known to honour test=True: "cmd.run … test=True" runs.
DRY_RUNS = ("apply", "highstate", "sls", "sls_id", "single", "high", "low", "template", "template_str", "top")


def __virtual__():
    return "tagout"


def _configured(opts, key, otherwise):
    conf = opts.get("tagout")
    value = conf.get(key) if isinstance(conf, dict) else None
    return otherwise if value is None else value


def _program(opts):
    """Where tagout is; the usual place when it is in neither, so that who starts it says so."""
    found = [path for path in PROGRAMS if os.access(path, os.X_OK)]
    return _configured(opts, "program", found[0] if found else PROGRAMS[0])


def _environment(tokens=None):
    env = {name: value for name, value in os.environ.items() if not name.startswith("LD_")}  # of Salt's own Python
    if tokens:
        env["TAGOUT_TOKEN"] = tokens
    return env


def _call(argv, deadline, tokens=None):
    """(status, stdout, stderr); status None when it was ended because it hung. Never longer than deadline and a second."""
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment(tokens), start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=deadline)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # what it started has our pipes as well
        try:
            process.communicate(timeout=1)
        except subprocess.TimeoutExpired:
            pass
        return None, "", ""
    return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _words(words):
    """Names of scopes and locks, none of which is taken for an option."""
    from salt.exceptions import SaltInvocationError

    for word in words:
        if not isinstance(word, str) or not re.match(r"[A-Za-z0-9]", word):
            raise SaltInvocationError("tagout: {!r} is neither a scope nor a lock".format(word))
    return list(words)


def _unknown(cause, detail):
    shown = detail.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return {"state": "unknown", "held": True, "cause": cause, "detail": detail, "line": 'TAGOUT-UNKNOWN cause={} detail="{}"'.format(cause, shown)}


def _ask(opts, scopes=(), actor=None, tokens=None, patience="3s"):
    """
    What "tagout check" says, as a dict: state (go, held, unknown), held (also for unknown: what can't be proven free is not taken for
    free), line (as tagout prints it) and its words: id, scope, owner, ticket, until, reason, or cause and detail. Raises nothing.
    """
    argv = [_program(opts), "check", "--no-environment", "--actor", actor or _configured(opts, "actor", "config-management"), "--timeout", patience]
    try:
        deadline = float(_configured(opts, "deadline", 10))
        status, out, err = _call(argv + list(scopes), deadline, tokens)
    except (OSError, TypeError, ValueError) as e:
        return _unknown("no-program" if isinstance(e, OSError) else "configuration", str(e))
    if status is None:
        return _unknown("no-answer", "{} hangs: no answer after {:g} s".format(argv[0], deadline))
    if status == 0:
        return {"state": "go", "held": False}
    return _refusal(argv[0], status, out, err)


def _refusal(program, status, out, err):
    line = SAID.search(err) or SAID.search(out)
    if not line:
        return _unknown("no-answer", "{} ended with {}: {}".format(program, status, err.strip()))
    said = {name: bare or re.sub(r"\\(.)", r"\1", quoted) for name, quoted, bare in WORD.findall(line.group(0))}
    answer = {"state": STATES.get(status, "unknown"), "held": True, "line": line.group(0)}
    if "lock" in said:
        answer["id"] = said["lock"]
    answer.update((name, said[name]) for name in ("scope", "owner", "ticket", "until", "reason", "cause", "detail") if name in said)
    return answer


class _Permit:
    """
    "tagout permit", which holds one as long as the pipe to it is open: until close(), or until this process ends, however it ends. refusal is
    None, or what _ask() would say. When the permit is lost it ends this process, where stop is set. Raises nothing.
    """

    def __init__(self, opts, what, tokens=None, stop=True):
        argv = [_program(opts), "permit", "--no-environment", "--actor", _configured(opts, "actor", "config-management"), "--what", what]
        self.process, self.refusal, self.name, self.outer = None, None, None, None
        try:
            self.patience = float(_configured(opts, "deadline", 10))
            deadline = time.monotonic() + self.patience
            self.said = tempfile.TemporaryFile()
            self.process = subprocess.Popen(
                argv + (["--stop", str(os.getpid())] if stop else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said,
                env=_environment(tokens), start_new_session=True,
            )
            line = self._first_line(deadline)
            if not line.startswith(b"TAGOUT-GO"):
                self.refusal = self._why(argv[0], deadline)
            elif stop:
                self._hand_down(line)
        except (OSError, TypeError, ValueError) as e:
            self.refusal = _unknown("no-program" if isinstance(e, OSError) else "configuration", str(e))
        if self.refusal:
            self.close()

    def _hand_down(self, line):
        """
        What this process starts asks for itself (apt's hook, tagout exec in a script): it is a part of this run, and a lock that waits for the run
        must not stop it in the middle. Not of a thread: the environment is that of all jobs then.
        """
        name = re.search(rb" permit=(\S+)", line)
        if name:
            self.outer = os.environ.get("TAGOUT_PERMIT")
            self.name = os.environ["TAGOUT_PERMIT"] = name.group(1).decode()

    def _take_back(self):
        if self.name and os.environ.get("TAGOUT_PERMIT") == self.name:
            del os.environ["TAGOUT_PERMIT"]
            if self.outer:
                os.environ["TAGOUT_PERMIT"] = self.outer

    def _first_line(self, deadline):
        line = b""
        while b"\n" not in line and len(line) < 4096:
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                break
            more = os.read(self.process.stdout.fileno(), 4096)
            if not more:
                break
            line += more
        return line

    def _why(self, program, deadline):
        try:
            status = self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return _unknown("no-answer", "{} hangs: no answer after {:g} s".format(program, self.patience))
        self.said.seek(0)
        return _refusal(program, status, "", self.said.read(65536).decode("utf-8", "replace"))

    def lost(self):
        return self.process is None or self.process.poll() is not None

    def close(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        self._take_back()
        try:
            process.stdin.write(b"\n")  # children that were forked may have the pipe as well
            process.stdin.close()
        except OSError:
            pass  # it has ended
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:  # it hangs before it has got one: what it has started has our word
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
        self.said.close()


def _permits():
    """Those of this process, by thread. Not in this file: Salt loads it anew in the middle of a run, when that has installed a package."""
    return sys.modules.setdefault("_tagout_permits", types.ModuleType("_tagout_permits")).__dict__.setdefault("by_thread", {})


def _hold_on(opts, what, tokens=None):
    """
    None when this job has a permit, from now until it ends; else what _ask() would say. A job is a process of its own, which ends when the permit is
    lost. With "multiprocessing: False" it is a thread of the minion: that can't be ended, and is told of at the next question only.
    """
    key = (os.getpid(), threading.get_ident())
    thread = threading.current_thread()
    there = _permits().get(key)
    if there:
        return _unknown("permit-lost", "the permit of this job could not be proven alive") if there.lost() else None
    permit_of_it = _Permit(opts, what, tokens, stop=thread is threading.main_thread())
    if permit_of_it.refusal:
        return permit_of_it.refusal
    _permits()[key] = permit_of_it
    if thread is not threading.main_thread():
        threading.Thread(target=_give_back, args=(thread, key), daemon=True).start()
    return None


def _give_back(thread, key):
    thread.join()
    _permits().pop(key).close()


def _what(names, data):
    """For those who wait: the function and its states. Other arguments may be secrets."""
    names = names if isinstance(names, str) else ", ".join(str(name) for name in names or ["?"])
    arguments = data.get("arg")
    first = arguments[0] if isinstance(arguments, (list, tuple)) and arguments else None
    known = names.startswith("state.") and isinstance(first, str) and re.match(r"[\w.,-]+$", first)
    return "salt: {}{}{}".format(names, " " + first if known else "", ", job {}".format(data["jid"]) if data.get("jid") else "")


def _tokens_of(data):
    """
    What is in --executor-opts='{tagout_token_file: /root/token}', for jobs of a master: the minion's own environment has no token, and
    a token in the job itself would be kept in the master's job cache. A file that others can read is not believed.
    """
    given = data.get("executor_opts")
    path = given.get("tagout_token_file") if isinstance(given, dict) else None
    if not isinstance(path, str):
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, encoding="utf-8") as file:
            found = os.fstat(fd)
            return None if found.st_uid != os.geteuid() or found.st_mode & 0o077 else file.read(4096).strip()
    except (OSError, ValueError):
        return None


def _is_harmless(opts, name, kwargs=None):
    """Does this function run on a held minion? What changes nothing does, and dry runs of states."""
    if name == "tagout.run":
        return False
    more = _configured(opts, "pass", [])
    more = [more] if isinstance(more, str) else list(more)
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in list(HARMLESS) + more):
        return True
    module, _, function = name.partition(".")
    return module == "state" and function in DRY_RUNS and bool(kwargs) and kwargs.get("test") is True


def gate(names, kwargs=None, data=None):
    """
    None when functions of these names may be called now; else why not, in a line. What the executor asks. With what changes something this takes a
    permit until the job ends: a lock that is taken meanwhile waits for it.
    """
    # of a job with several functions, the least harmless one decides
    if all(_is_harmless(__opts__, name, kwargs) for name in (names if isinstance(names, (list, tuple)) else [names])):
        return None
    answer = _hold_on(__opts__, _what(names, data or {}), _tokens_of(data or {}))
    return answer["line"] if answer else None


def permit(what="a state run"):
    """
    Takes a permit for the rest of this job, unless it has one. What the state tagout.free does, where no executor has asked before. Says what
    tagout.check says.
    """
    answer = _hold_on(__opts__, "salt: {}".format(what))
    return answer or {"state": "go", "held": False}


def check(*scopes, **kwargs):
    """
    Is it held? Without scopes this minion is meant. The exit status of the call is 75 when it is, and 69 when that can't be told.

    CLI Example:

    .. code-block:: bash

        salt-call tagout.check
        salt-call tagout.check service:autoscaler actor=autoscaler
    """
    answer = _ask(__opts__, _words(scopes), kwargs.get("actor"))
    if answer["held"]:
        __context__["retcode"] = 75 if answer["state"] == "held" else 69
    return answer


def run(name, *args, **kwargs):
    """
    Calls another function, unless this minion is held. For schedules: Salt calls their functions without asking an executor.

    .. code-block:: yaml

        schedule:
          highstate:
            function: tagout.run
            args: [state.apply]
            minutes: 30
    """
    from salt.exceptions import CommandExecutionError

    kwargs = {key: value for key, value in kwargs.items() if not key.startswith("__pub_")}
    if _is_harmless(__opts__, name, kwargs):
        return __salt__[name](*args, **kwargs)
    answer = _hold_on(__opts__, "salt: {}, by schedule".format(name))
    if answer:
        raise CommandExecutionError(answer["line"])
    return __salt__[name](*args, **kwargs)


def _ordered(argv, deadline):
    """Runs an order and gives its JSON; what it says against it is the error's text."""
    from salt.exceptions import CommandExecutionError

    try:
        status, out, err = _call([_program(__opts__)] + argv + ["-o", "json"], deadline)
    except OSError as e:
        raise CommandExecutionError("TAGOUT-UNKNOWN cause=no-program detail={}".format(json.dumps(str(e))))
    if status != 0:
        raise CommandExecutionError(_complaint(argv[0], status, err))
    try:
        return json.loads(out)
    except ValueError as e:
        raise CommandExecutionError("tagout {} said what is no JSON: {}".format(argv[0], e))


def _complaint(order, status, err):
    if status is None:
        return "tagout {} hung and was ended".format(order)
    try:
        error = json.loads(err)["error"]
        return error["message"] + (" ({})".format(error["hint"]) if error.get("hint") else "")
    except (ValueError, KeyError, TypeError):
        return err.strip() or "tagout {} ended with {}".format(order, status)


def locks(*scopes):
    """
    The locks that lie on the scopes; all when none is named.

    CLI Example:

    .. code-block:: bash

        salt-call tagout.locks host:web001.example.com
    """
    return _ordered(["locks"] + _words(scopes), 30)


def lock(*scopes, **options):
    """
    Takes a lock, and gives it as tagout.locks would. Options: reason and for (both needed), ticket, hold (a list of actors; without it
    all are held, and so is this minion's own Salt), wait (60s), request (the same request again is the same lock).

    CLI Example:

    .. code-block:: bash

        salt-call tagout.lock service:autoscaler reason='new rack' for=2h ticket=OPS-7
    """
    from salt.exceptions import SaltInvocationError

    argv = ["lock"]
    options = {key: value for key, value in options.items() if not key.startswith("__pub_") and value is not None}
    options.setdefault("wait", "60s")
    for key, value in sorted(options.items()):
        if key not in ("reason", "for", "ticket", "hold", "wait", "request"):
            raise SaltInvocationError("tagout.lock: there is no option {}".format(key))
        argv.append("--{}={}".format(key, ",".join(value) if isinstance(value, (list, tuple)) else value))
    if not scopes or "reason" not in options or "for" not in options:
        raise SaltInvocationError("tagout.lock: scopes, reason= and for= are needed")
    return _ordered(argv + _words(scopes), 24 * 3600)


def unlock(*ids):
    """
    Releases locks of one's own.

    CLI Example:

    .. code-block:: bash

        salt-call tagout.unlock L7K2QX
    """
    return _ordered(["unlock"] + _words(ids), 600)


def guards():
    """
    What holds Salt off this minion while a lock lies on it, and what does not: a list of sentences, empty when all is well.

    CLI Example:

    .. code-block:: bash

        salt-call tagout.guards
    """
    gaps = []
    executors = __opts__.get("module_executors") or []
    if "tagout" not in executors:
        gaps.append("module_executors lacks tagout: neither jobs of the master nor salt-call are held")
    jobs = dict(__opts__.get("schedule") or {})
    jobs.update(__salt__["schedule.list"](return_yaml=False) or {})
    for name, job in sorted(jobs.items()):
        function = job.get("function") if isinstance(job, dict) else None
        if function and function != "tagout.run" and not _is_harmless(__opts__, function):
            gaps.append("schedule {}: {} is not held; make it tagout.run with args: [{}]".format(name, function, function))
    return gaps
