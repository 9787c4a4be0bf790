"""libtagout for Python: may my program act now? A thin layer of ctypes over <tagout/tagout.h>, which tells all there is to know.

    import tagout
    with tagout.permit("autoscaler", ["service:autoscaler"], what="scale in") as permit:
        for host in surplus:
            permit.prove()          # raises tagout.Refused when it is lost
            terminate(host)

tagout.check() and tagout.permit() raise Refused unless the answer is GO: act only when nothing was raised.
"""
import ctypes
import os

GO, USAGE, UNKNOWN, HELD = 0, 64, 69, 75


class Refused(Exception):
    """The answer was not GO. answer is HELD, UNKNOWN or USAGE; line is the one for logs."""

    def __init__(self, answer, line, explain="", json="{}"):
        super().__init__(line)
        self.answer, self.line, self.explain, self.json = answer, line, explain, json


class _Ask(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("actor", ctypes.c_char_p), ("scopes", ctypes.POINTER(ctypes.c_char_p)), ("n_scopes", ctypes.c_size_t),
                ("tokens", ctypes.c_char_p), ("what", ctypes.c_char_p), ("owner", ctypes.c_char_p), ("timeout_ms", ctypes.c_int),
                ("socket", ctypes.c_char_p)]


def _load():
    lib = ctypes.CDLL(os.environ.get("TAGOUT_LIBRARY", "libtagout.so.1"), use_errno=True)
    pointer = ctypes.c_void_p
    for name, result, arguments in [
            ("check", ctypes.c_int, [ctypes.POINTER(_Ask), ctypes.POINTER(pointer)]),
            ("permit_take", ctypes.c_int, [ctypes.POINTER(_Ask), ctypes.POINTER(pointer), ctypes.POINTER(pointer)]),
            ("permit_alive", ctypes.c_int, [pointer]), ("permit_good_for_ms", ctypes.c_int64, [pointer]),
            ("permit_fence", ctypes.c_char_p, [pointer]), ("permit_name", ctypes.c_char_p, [pointer]), ("permit_release", None, [pointer]),
            ("verdict_line", ctypes.c_char_p, [pointer]), ("verdict_explain", ctypes.c_char_p, [pointer]),
            ("verdict_json", ctypes.c_char_p, [pointer]), ("verdict_free", None, [pointer])]:
        function = getattr(lib, "tagout_" + name)
        function.restype, function.argtypes = result, arguments
    return lib


_lib = _load()


def _bytes(text):
    return None if text is None else text.encode()


def _ask(actor, scopes, what, owner, tokens, timeout, socket):
    scopes = [s.encode() for s in scopes]
    array = (ctypes.c_char_p * (len(scopes) + 1))(*scopes)
    return _Ask(ctypes.sizeof(_Ask), _bytes(actor), array, len(scopes), _bytes(tokens), _bytes(what), _bytes(owner), int(timeout * 1000), _bytes(socket))


def _raise(answer, verdict):
    texts = [f(verdict).decode(errors="replace") for f in (_lib.tagout_verdict_line, _lib.tagout_verdict_explain, _lib.tagout_verdict_json)]
    _lib.tagout_verdict_free(verdict)
    if answer != GO:
        raise Refused(answer, *texts)


def check(actor, scopes=(), tokens=None, timeout=3.0, socket=None):
    """Returns when no lock is in the way at this moment; a lock may be taken in the next: what acts needs a permit."""
    verdict = ctypes.c_void_p()
    answer = _lib.tagout_check(ctypes.byref(_ask(actor, scopes, None, None, tokens, timeout, socket)), ctypes.byref(verdict))
    _raise(answer, verdict)


class permit:
    """The right to act, until it is given back (close(), or the end of a with). Whoever takes a lock on its scopes waits for that."""

    def __init__(self, actor, scopes=(), what=None, owner=None, tokens=None, timeout=3.0, socket=None):
        self._permit, verdict = ctypes.c_void_p(), ctypes.c_void_p()
        answer = _lib.tagout_permit_take(ctypes.byref(_ask(actor, scopes, what, owner, tokens, timeout, socket)), ctypes.byref(self._permit),
                                         ctypes.byref(verdict))
        _raise(answer, verdict)

    def prove(self):
        """Raises Refused when the permit is lost: stop at once. Call it before each act."""
        if _lib.tagout_permit_alive(self._permit) != GO:
            raise Refused(UNKNOWN, "TAGOUT-LOST detail=\"the permit could not be proven alive\"")

    @property
    def good_for(self):
        """Seconds for which it is sure to be ours: what is begun now must have ended by then."""
        return _lib.tagout_permit_good_for_ms(self._permit) / 1000

    @property
    def fence(self):
        return _lib.tagout_permit_fence(self._permit).decode()

    @property
    def name(self):
        """For TAGOUT_PERMIT of what is started under it."""
        return _lib.tagout_permit_name(self._permit).decode()

    def close(self):
        _lib.tagout_permit_release(self._permit)
        self._permit = ctypes.c_void_p()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
