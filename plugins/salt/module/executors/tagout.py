"""
Holds Salt off a minion while a maintenance lock of tagout(1) lies on it.

    module_executors: [tagout, direct_call]

Before a function is called, by a job of the master or by salt-call, a permit is taken until the job ends: a lock on the minion waits for it. When the
minion is held, or when that can't be told, the function is not called: the job fails with TAGOUT-HELD or TAGOUT-UNKNOWN and who, why and until when. What
changes nothing is called all the same: test.*, saltutil.*, and states with test=True. Who has TAGOUT_TOKEN passes its lock.

Salt calls nothing at all, not even saltutil.sync_executors, when this file is configured and missing: file first, configuration after.
"""

from salt.exceptions import CommandExecutionError


def __virtual__():
    return "tagout"


def execute(opts, data, func, args, kwargs):
    del opts, func, args
    try:
        refusal = __salt__["tagout.gate"](data.get("fun"), kwargs, data)
    except Exception as e:  # pylint: disable=broad-except
        # whatever it is: what can't ask does not act
        refusal = 'TAGOUT-UNKNOWN cause=salt-module detail="{}: {}"'.format(type(e).__name__, str(e).replace('"', "'"))
    if refusal:
        raise CommandExecutionError(refusal)
    return None  # on to the next executor
