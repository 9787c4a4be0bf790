# mail-server.py FOLDER PORT: a mail server for scenarios, on the loopback. FOLDER/mode, one word, says what it does with the next connection:
#   ok            takes all
#   utf8          likewise, and offers SMTPUTF8
#   silent, endless-line, endless-lines, garbage, busy (421): to whom it greets
#   NNN-VERB      answers NNN to that command (mail, rcpt, data), or to a mail's end (end)
#   silent-rcpt, drop-data, drop-end, odd-end: says nothing more, or hangs up, or talks nonsense there
# A mail whose end came lies in FOLDER/box, whatever the client was told: MAIL, RCPT, an empty line, the mail. While there is a file hold-VERB, the answer
# to it waits, and held-VERB says that it does.
import itertools, os, socketserver, sys, time

folder, port = sys.argv[1], int(sys.argv[2])
number = itertools.count()


class Client(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            with open(folder + "/mode") as f:
                self.talk(f.read().strip())
        except OSError:
            pass

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def endless(self, piece):
        for _ in range(200000):
            self.wfile.write(piece)

    def hold(self, verb):
        if os.path.exists(folder + "/hold-" + verb):
            open(folder + "/held-" + verb, "w").close()
        while os.path.exists(folder + "/hold-" + verb):
            time.sleep(0.02)

    def greet(self, mode):
        if mode == "silent":
            self.rfile.read(1)
        elif mode == "endless-line":
            self.endless(b"220" + b"x" * 1000)
        elif mode == "endless-lines":
            self.endless(b"220-still here\r\n" * 50)
        elif mode == "garbage":
            self.endless(bytes(range(256)))
        elif mode == "busy":
            self.say("421 4.3.2 too busy")
        else:
            self.say("220 hello")
            return True
        return False

    def take(self, envelope):
        self.say("354 go on")
        mail = b""
        while not mail.endswith(b"\r\n.\r\n"):
            more = self.rfile.readline(100000)
            if not more:
                return False
            mail += more
        name = "%s/box/%019d.%06d" % (folder, time.time_ns(), next(number))
        with open(name + ".part", "wb") as f:
            f.write(envelope + b"\r\n" + mail[:-3])
        os.rename(name + ".part", name)
        return True

    def talk(self, mode):
        if not self.greet(mode):
            return
        envelope = b""
        while True:
            line = self.rfile.readline(100000)
            verb = line[:4].decode("ascii", "replace").lower()
            if not line or verb == "quit":
                return
            if verb == "ehlo":
                self.say("250-hello\r\n250-8BITMIME\r\n" + ("250-SMTPUTF8\r\n" if mode == "utf8" else "") + "250 SIZE 10000000")
                continue
            envelope = line if verb == "mail" else envelope + line if verb == "rcpt" else envelope
            self.hold(verb)
            if mode == "drop-data" and verb == "data":
                return
            if mode == "silent-rcpt" and verb == "rcpt":
                self.rfile.read(1)
                return
            if mode[3:] == "-" + verb:
                self.say(mode[:3] + " x.7.1 not like this")
                continue
            if verb == "data":
                if not self.take(envelope):
                    return
                self.hold("end")
                if mode == "drop-end":
                    return
                if mode == "odd-end":
                    self.say("sure, why not")
                    return
                if mode[3:] == "-end":
                    self.say(mode[:3] + " x.7.1 not like this")
                    continue
            self.say("250 fine")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


Server(("127.0.0.1", port), Client).serve_forever()
