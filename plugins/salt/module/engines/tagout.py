"""
Has the grains read again when a maintenance lock on this minion comes or goes, so that the grain "tagout" is true, and with it the blackout.

    engines:
      - tagout: {interval: 5}    # seconds between two looks

A convenience: it looks now and then. What must not act asks the moment before: the executor, the state tagout.free, tagout.run.
"""

import logging
import time

log = logging.getLogger(__name__)


def __virtual__():
    return "tagout"


def start(interval=5):
    seen = None
    while True:
        answer = __salt__["tagout.check"]()
        now = (answer["state"], answer.get("id"), answer.get("until"))
        if now != seen:
            log.info("tagout: %s", answer.get("line", "free"))
            __salt__["event.fire"]({"force_refresh": True}, "grains_refresh")
            seen = now
        time.sleep(max(1, interval))
