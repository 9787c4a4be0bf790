"""
The grain "tagout": is this minion held, by whom and why, when the grains were last read.

    salt -G tagout:held:True test.ping

With "tagout: {blackout: true}" in the minion's configuration a held minion is also in Salt's own blackout; the engine of the same name has
the grains read again when a lock comes or goes.
"""

import importlib.util
import os


def _rules():
    # The execution module lies beside this folder, in a package as well as in what saltutil.sync_all makes.
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "modules", "tagout.py")
    spec = importlib.util.spec_from_file_location("tagout_rules", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tagout():
    try:
        rules = _rules()
        answer = rules._ask(__opts__, patience="2s")
    except Exception as e:  # pylint: disable=broad-except
        return {"tagout": {"state": "unknown", "held": True, "cause": "salt-module", "detail": str(e)}}
    grains = {"tagout": {key: value for key, value in answer.items() if key != "line"}}
    if rules._configured(__opts__, "blackout", False) is True:
        grains["minion_blackout"] = answer["held"]
        grains["minion_blackout_whitelist"] = list(rules.BLACKOUT_PASSES)
    return grains
