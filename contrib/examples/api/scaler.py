#!/usr/bin/env python3
"""An autoscaler that asks before it acts: the same as scaler.c, in Python.  scaler.py HOST…"""
import sys

import tagout


def main(hosts):
    if not hosts:
        print("Usage: scaler.py HOST…", file=sys.stderr)
        return 64
    done = 0
    try:
        with tagout.permit("autoscaler", ["service:autoscaler"] + ["host:" + h for h in hosts], what="scale in") as permit:
            for host in hosts:
                permit.prove()
                print("terminating", host, flush=True)
                done += 1
    except tagout.Refused as why:
        print("left alone:" if not done else "stopped after %d:" % done, why.line, file=sys.stderr)
        return why.answer
    return 0


sys.exit(main(sys.argv[1:]))
