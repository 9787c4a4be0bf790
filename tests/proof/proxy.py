"""
A TCP proxy with faults, in front of one of ZooKeeper's servers: "proxy.py ADDRESS". The run commands it through its standard input, one
JSON object a line, and gets one JSON line for each.

  {"op": "add", "host": HOST, "to": PORT}    listens on a free port of its address: {"port": …}
  {"op": "cut"}                              ends all its connections, and refuses new ones until "heal"
  {"op": "break"}                            ends all its connections
  {"op": "slow", "ms": 300}                  holds every chunk back this long, both ways, until "heal"
  {"op": "swallow"}                          takes what comes and passes nothing on, either way, until "heal"
  {"op": "lose", "count": 3}                 passes the next requests on, drops their answers and ends those connections: lost replies
  {"op": "route", "host": HOST, "to": PORT}  goes to another server from now on, and ends all its connections
  {"op": "heal"}
  {"op": "stats"}                            what happened so far: {"cut": …, "broken": …, "slowed": …, "swallowed": …, "lost": …}
"""
import asyncio
import collections
import json
import os
import sys

stats = collections.Counter()
link = None


class Link:
    """What stands for one server."""

    def __init__(self, host, to):
        self.host, self.to = host, to
        self.pipes = set()
        self.heal()

    def heal(self):
        self.cut, self.slow_ms, self.swallow, self.lose = False, 0, False, 0

    def end_all(self):
        n = len(self.pipes)
        for pipe in list(self.pipes):
            pipe.end()
        return n


class Pipe:
    """One connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.server = None
        self.asked = False  # a request was passed on while answers are to be lost

    def end(self):
        for writer in (self.writer, self.server):
            if writer and writer.transport:
                writer.transport.abort()

    async def copy(self, reader, writer, answers):
        while True:
            chunk = await reader.read(65536)
            if not chunk:
                break
            if link.slow_ms:
                stats["slowed"] += 1
                await asyncio.sleep(link.slow_ms / 1000)
            if link.swallow:
                stats["swallowed"] += 1
                continue
            if not answers:
                self.asked = link.lose > 0 and len(chunk) > 60  # not a ping
            elif self.asked and link.lose > 0:
                link.lose -= 1
                stats["lost"] += 1
                break
            writer.write(chunk)
            await writer.drain()

    async def run(self):
        link.pipes.add(self)
        tasks = []
        try:
            reader, self.server = await asyncio.open_connection(link.host, link.to)
            tasks = [asyncio.ensure_future(self.copy(self.reader, self.server, False)), asyncio.ensure_future(self.copy(reader, self.writer, True))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.end()
            link.pipes.discard(self)


async def add(order):
    global link
    link = Link(order["host"], order["to"])

    async def accept(reader, writer):
        if link.cut:
            stats["refused"] += 1
            writer.transport.abort()
            return
        await Pipe(reader, writer).run()

    server = await asyncio.start_server(accept, sys.argv[1], 0)
    link.server = server
    return {"port": server.sockets[0].getsockname()[1]}


async def obey(order):
    op = order["op"]
    if op == "add":
        return await add(order)
    if op == "cut":
        link.cut = True
        stats["cut"] += link.end_all()
    elif op == "break":
        stats["broken"] += link.end_all()
    elif op == "slow":
        link.slow_ms = order["ms"]
    elif op == "swallow":
        link.swallow = True
    elif op == "lose":
        link.lose = order["count"]
    elif op == "route":
        link.host, link.to = order["host"], order["to"]
        stats["routed"] += link.end_all()
    elif op == "heal":
        link.heal()
    return dict(stats)


async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        line = await reader.readline()
        if not line:
            os._exit(0)  # the connections that are left need no goodbye
        print(json.dumps(await obey(json.loads(line))), flush=True)


asyncio.run(main())
