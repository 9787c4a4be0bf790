#!/usr/bin/env bash
# P9: what the engine sends to a host is the argv of a driver, never a command line that somebody typed. A shell's metacharacters stand in every text of a
# rollout in turn, of the inventory and of the command line: what is accepted reaches the tool as the one argument that it is, and nothing of it is run.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ip unshare python3

mkdir "$tmp/p9"
fleet_up --hosts app1 --tagout "$TAGOUT" --mount "$tmp/p9:/srv/p9"
# Tools that write down how they were called, below the real one's name.
for tool in puppet salt-call ansible-pull ansible-playbook; do
    # shellcheck disable=SC2016 # for the shell over there
    fleet exec app1 sh -c 'printf "%s\n" "#!/bin/sh" "for word; do printf \"%s\\0\" \"\$word\"; done >>/srv/p9/words" >"/usr/local/bin/$1"; chmod 755 "/usr/local/bin/$1"' sh "$tool"
done
cat >"$tmp/p9/try.py" <<'PY'
import copy, json, os, subprocess, sys

HERE = "/srv/p9/"
DONE = HERE + "done"  # whoever runs any of it makes this
TOUCH = "touch " + DONE
LINES = ["$(%s)" % TOUCH, "';%s;'\";%s;\"`%s`&&%s|%s" % ((TOUCH,) * 5), "x\n%s\n" % TOUCH]
USUAL = {
    "rollout": "p9", "targets": "*", "stages": [{"name": "all", "targets": "*", "until": "100%", "rate": "10/s", "bake": "0s"}],
    "limits": {"domains": {"rack": 1}}, "around": [{"lock": {"hold": ["autoscaler"]}}],
    "failure": {"failed": "100%", "then": "halt"},
    "verify": [{"command": ["true", "word"], "within": "1s"}, {"http": "http://127.0.0.1:1/{host}", "contains": "text", "within": "1s"}],
}
CHANGES = [
    {"puppet": {"manifest": "/m.pp", "modulepath": "/modules", "hiera-config": "/hiera.yaml", "environment": "production", "tags": ["one"], "skip-tags": ["two"], "timeout": "5s"}},
    {"puppet": {"server": "puppet.example.com", "environment": "production", "wait-for-run": "1s"}},
    {"salt": {"state": "web", "saltenv": "base", "pillarenv": "base", "pillar": {"key": "value"}, "timeout": "5s"}},
]
INVENTORY = {"groups": {"all": {"hosts": "n1.example.com", "attrs": {"rack": "r1"}}}, "hosts": {"n1.example.com": {"address": "127.0.0.1", "user": "root"}}}
tried = ran = 0


def texts(value, path=()):
    """The paths of all texts, and of the keys that a person chooses."""
    if isinstance(value, dict):
        for key in value:
            yield from texts(value[key], path + (key,))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from texts(item, path + (i,))
    elif isinstance(value, str):
        yield path


def put(value, path, text):
    value = copy.deepcopy(value)
    at = value
    for step in path[:-1]:
        at = at[step]
    shaped = at[path[-1]]
    at[path[-1]] = ("/" if shaped.startswith("/") else "http://127.0.0.1:1/" if shaped.startswith("http") else "") + text
    return value


def words():
    try:
        with open(HERE + "words", "rb") as file:
            return file.read().decode().split("\0")
    except FileNotFoundError:
        return []


def attempt(name, rollout, inventory, argv=()):
    global tried, ran
    for file, value in (("rollout.yaml", rollout), ("inventory.yaml", inventory)):
        with open(HERE + file, "w", encoding="utf-8") as out:
            json.dump(value, out)
    if os.path.exists(HERE + "words"):
        os.remove(HERE + "words")
    done = subprocess.run(["tagout", "--inventory", HERE + "inventory.yaml", "run", "--yes", "--transport", "local", *argv, HERE + "rollout.yaml"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False, cwd=HERE)
    tried += 1
    ran += bool(words())
    if os.path.exists(DONE):
        sys.exit("%s: it was run\n%s" % (name, done.stdout.decode("utf-8", "replace")))
    if done.returncode in (70, 134, 139) or done.returncode < 0:
        sys.exit("%s: %d\n%s" % (name, done.returncode, done.stdout.decode("utf-8", "replace")))
    return done


for change in CHANGES:
    rollout = dict(USUAL, change=change)
    first = attempt("as it is", rollout, INVENTORY)
    if not words():
        sys.exit("the tool was not called: %s\n%s" % (change, first.stdout.decode()))
    for path in texts(rollout if change is CHANGES[0] else {"change": change}):
        for line in LINES:
            attempt("%s: %r" % (path, line), put(rollout, path, line), INVENTORY)
rollout = dict(USUAL, change=CHANGES[0])
for path in (p for p in texts(INVENTORY) if p[-1] != "hosts"):
    for line in LINES:
        attempt("%s: %r" % (path, line), rollout, put(INVENTORY, path, line))
for line in LINES[:2]:
    attempt("host %r" % line, rollout, {"groups": {"all": {"hosts": line, "attrs": {"rack": "r1"}}}})
# What a path may have goes through as it is, in one word.
odd = "/" + LINES[1]
attempt("manifest", put(rollout, ("change", "puppet", "manifest"), LINES[1]), INVENTORY)
if odd not in words():
    sys.exit("the manifest did not arrive as it was written: %s" % words())
print("tried %d, of which %d came as far as the tool" % (tried, ran))
PY
run fleet exec app1 tagout init
expect_status 0
run fleet exec app1 env ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" python3 /srv/p9/try.py
expect_status 0
expect_match 'tried [0-9]{2,}, of which [0-9]{2,} came as far as the tool'
note "$out"
