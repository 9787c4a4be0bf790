# Written by tagout-hooks. dnf (4) and yum ask before they change packages; tagout-hooks(7) has more.
#
# pre_transaction comes after the transaction's test and before its first change, and neither for downloads nor for --assumeno. Only dnf's own Error
# stops it: any other exception is printed, and the transaction goes on. So everything that can go wrong here ends as an Error.
import os
import subprocess

import dnf

PROGRAM = "@PROGRAM@"
CHECK = [PROGRAM, "check", "--no-environment", "--actor", "package-manager", "--on-unknown", "hold"]


class Tagout(dnf.Plugin):
    name = "tagout"

    def pre_transaction(self):
        # The program is gone, or not there yet: dnf must be able to bring it.
        if not os.path.exists(PROGRAM):
            return
        try:
            asked = subprocess.run(CHECK, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=15)
            text = asked.stderr.decode("utf-8", "replace").strip()
            status = asked.returncode
        except Exception as e:
            raise dnf.exceptions.Error("tagout could not be asked: {}".format(e))
        if status != 0:
            raise dnf.exceptions.Error(text or "tagout check ended with {}".format(status))
        if text:  # an UNKNOWN that --on-unknown lets pass
            dnf.logging.logging.getLogger("dnf").warning(text)
