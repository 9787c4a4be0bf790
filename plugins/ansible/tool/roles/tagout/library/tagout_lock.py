#!/usr/bin/python
"""Takes and releases maintenance locks of tagout(1). Plain Python, for whichever machine runs it."""

import hashlib
import json

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: tagout_lock
short_description: a maintenance lock of tagout is there, or gone
description:
  - The same task again finds its lock and takes none beside it, whatever became of the first try.
  - A lock without hold holds config-management too, and so the plays of others; leave it out only when that is meant.
  - It asks the machine that it runs on; with delegate_to localhost that is the controller.
options:
  state: {description: present or absent, choices: [present, absent], default: present, type: str}
  scopes: {description: "what it covers, such as host:web1.example.com, group:web, service:autoscaler", required: true, type: list, elements: str}
  reason: {description: why; needed to take one, type: str}
  duration: {description: "how long it is needed, such as 3h; needed to take one", type: str, aliases: [for]}
  hold: {description: "which automation it holds, such as autoscaler, package-manager; all when not given", type: list, elements: str}
  ticket: {description: where more is written about it, type: str}
  wait: {description: how long to wait for what is in flight, default: 60s, type: str}
  request: {description: tells one's locks apart; made of the scopes when not given, type: str}
  program: {description: where tagout is, default: tagout, type: str}
"""
EXAMPLES = """
- tagout_lock: {scopes: ['service:autoscaler'], reason: new rack, duration: 4h, hold: [autoscaler]}
  delegate_to: localhost
  run_once: true
"""
RETURN = """
lock: {description: its id, returned: when one is there, type: str}
"""

ARGUMENTS = {
    "state": {"choices": ["present", "absent"], "default": "present"},
    "scopes": {"type": "list", "elements": "str", "required": True},
    "reason": {"type": "str"},
    "duration": {"type": "str", "aliases": ["for"]},
    "hold": {"type": "list", "elements": "str"},
    "ticket": {"type": "str"},
    "wait": {"type": "str", "default": "60s"},
    "request": {"type": "str"},
    "program": {"type": "str", "default": "tagout"},
}


def call(module, words):
    """The JSON of an order; on a failure the task ends with what tagout said."""
    order = words[0]
    status, out, err = module.run_command([module.params["program"]] + words + ["-o", "json"])
    if status != 0:
        try:
            error = json.loads(err)["error"]
            said = error["message"] + (" (%s)" % error["hint"] if error.get("hint") else "")
        except (ValueError, KeyError, TypeError):
            said = err.strip() or "it ended with %d" % status
        module.fail_json(msg="tagout %s: %s" % (order, said), rc=status)
    try:
        return json.loads(out)
    except ValueError as e:
        module.fail_json(msg="tagout %s said what is no JSON: %s" % (order, e))


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, required_if=[("state", "present", ("reason", "duration"))], supports_check_mode=True)
    p = module.params
    for scope in p["scopes"]:
        if not scope[:1].isalnum():
            module.fail_json(msg="%r is no scope: fleet, group:NAME, host:NAME or service:NAME" % scope)
    name = p["request"] or "ansible " + " ".join(sorted(p["scopes"]))
    request = hashlib.sha256(name.encode("utf-8")).hexdigest()[:32]
    there = [lock["id"] for lock in call(module, ["locks"] + p["scopes"]) if lock.get("request") == request]

    if p["state"] == "present":
        if there or module.check_mode:
            module.exit_json(changed=not there, lock=there[0] if there else "")
        words = ["lock"] + ["--%s=%s" % (key, p[of]) for key, of in (("reason", "reason"), ("for", "duration"), ("ticket", "ticket"), ("wait", "wait")) if p[of]]
        if p["hold"]:
            words.append("--hold=" + ",".join(p["hold"]))
        lock = call(module, words + ["--request=" + request] + p["scopes"])
        module.exit_json(changed=True, lock=lock["id"])
    if there and not module.check_mode:
        call(module, ["unlock"] + there)
    module.exit_json(changed=bool(there))


if __name__ == "__main__":
    main()
