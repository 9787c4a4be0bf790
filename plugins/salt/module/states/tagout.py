"""
States of tagout(1): a guard for whole runs, and locks that are there or gone.

    held-off:
      tagout.free:
        - order: 1
        - failhard: True

    autoscaler is locked:
      tagout.locked:
        - scopes: ['service:autoscaler']
        - reason: new rack
        - for: 4h

"order: 1" with "failhard: True" is what stops the run. An onlyif or unless would not: a state that is skipped counts as satisfied, and what
requires it goes ahead.
"""

import hashlib

from salt.exceptions import CommandExecutionError, SaltInvocationError


def __virtual__():
    return "tagout" if "tagout.check" in __salt__ else (False, "the execution module tagout is missing")


def _result(name, result, comment, changes=None):
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}


def free(name, scopes=None, actor=None):
    """
    Fails when a lock lies on the scopes (without any: on this minion), or when that can't be told; with test=True as well, because the real run
    would. A dry run that is to look past the lock: pillar='{tagout: {test: tell}}', which counts with test=True alone. When it is free, the rest of
    the run has a permit (without scopes and actor): a lock waits for its end.
    """
    if scopes or actor or __opts__["test"]:
        answer = __salt__["tagout.check"](*(scopes or []), actor=actor)
    else:
        answer = __salt__["tagout.permit"]()
    __context__.pop("retcode", None)  # what the run came to says the state
    if not answer["held"]:
        return _result(name, True, "free")
    if __opts__["test"] and __salt__["pillar.get"]("tagout:test") == "tell":
        return _result(name, None, "would be held: " + answer["line"])
    return _result(name, False, answer["line"])


def _mine(request, scopes):
    """The locks that this state has taken: those of its request."""
    return [lock for lock in __salt__["tagout.locks"](*scopes) if lock.get("request") == request]


def _request(name, request):
    # hashed: tagout takes 32 plain characters
    return hashlib.sha256("salt {}".format(request or "{} {}".format(__grains__["id"], name)).encode("utf-8")).hexdigest()[:32]


def _scopes(name, scopes):
    return [scopes] if isinstance(scopes, str) else list(scopes or [name])


def locked(name, reason=None, scopes=None, ticket=None, hold=None, wait=None, request=None, **kwargs):
    """
    A lock on the scopes is there (without any, the name is the scope). It needs reason and for. Without hold it holds all automation, and so the
    next run of this minion as well, if the minion is in its scopes. What is in flight there is waited for, at most wait (60s).
    """
    scopes = _scopes(name, scopes)
    request = _request(name, request)
    try:
        there = _mine(request, scopes)
        if there:
            return _result(name, True, "locked by {}".format(there[0]["id"]))
        if __opts__["test"]:
            return _result(name, None, "{} would be locked".format(", ".join(scopes)), {"lock": "new"})
        lock = __salt__["tagout.lock"](*scopes, reason=reason, ticket=ticket, hold=hold, wait=wait, request=request, **{"for": kwargs.get("for")})
    except (CommandExecutionError, SaltInvocationError) as e:
        return _result(name, False, str(e))
    return _result(name, True, "locked by {}".format(lock["id"]), {"lock": lock["id"]})


def unlocked(name, scopes=None, request=None):
    """The lock that tagout.locked of the same name took is gone. Those of others stay."""
    scopes = _scopes(name, scopes)
    try:
        there = [lock["id"] for lock in _mine(_request(name, request), scopes)]
        if not there:
            return _result(name, True, "no lock of this state is there")
        if __opts__["test"]:
            return _result(name, None, "{} would be released".format(", ".join(there)), {"released": there})
        __salt__["tagout.unlock"](*there)
    except (CommandExecutionError, SaltInvocationError) as e:
        return _result(name, False, str(e))
    return _result(name, True, "released {}".format(", ".join(there)), {"released": there})
