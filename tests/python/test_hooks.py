"""What decides in the hooks for Salt and Ansible, with programs that answer in every way (P2): whatever is no clear GO holds."""
import importlib.util
import os
import stat
import sys
import tempfile
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HELD = 'TAGOUT-HELD lock=L7K2QX scope=host:a owner=alice@ops1 until=2026-11-22T17:20:00Z reason="a \\"b\\" c"'
ANSWERS = [  # (what the program does, the state)
    ("exit 0", "go"),
    ("echo '%s' >&2; exit 75" % HELD, "held"),
    ("echo 'TAGOUT-UNKNOWN cause=store-unreachable detail=x' >&2; exit 69", "unknown"),
    ("exit 75", "unknown"),
    ("exit 1", "unknown"),
    ("exit 64", "unknown"),
    ("kill -9 $$", "unknown"),
    ("printf '\\377\\376' >&2; exit 3", "unknown"),
    ("sleep 1000 & sleep 1000", "unknown"),
]


def load(path):
    spec = importlib.util.spec_from_file_location("under_test", os.path.join(ROOT, path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class WithProgram(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.program = os.path.join(self.dir.name, "tagout")

    def tearDown(self):
        self.dir.cleanup()

    def answer(self, script):
        with open(self.program, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n%s\n" % script)
        os.chmod(self.program, stat.S_IRWXU)


class Salt(WithProgram):
    def setUp(self):
        super().setUp()
        self.rules = load("plugins/salt/module/modules/tagout.py")
        self.opts = {"tagout": {"program": self.program, "deadline": 0.5}}

    def test_only_a_clear_go_is_one(self):
        for script, state in ANSWERS:
            self.answer(script)
            got = self.rules._ask(self.opts)
            self.assertEqual((got["state"], got["held"]), (state, state != "go"), script)
            self.assertEqual("line" in got, state != "go", script)
        os.remove(self.program)
        self.assertEqual(self.rules._ask(self.opts)["cause"], "no-program")

    def test_only_a_clear_go_is_a_permit(self):  # P1, P2
        for script, state in ANSWERS + [("echo TAGOUT-G; exit 0", "unknown"), ("head -c 9000 /dev/zero; exec sleep 1000", "unknown")]:
            if state == "go":
                state = "unknown"  # that is what check says, and no permit
            self.answer(script)
            permit = self.rules._Permit(self.opts, "x")
            self.assertEqual(permit.refusal["state"], state, script)
            self.assertIsNone(permit.process, script)
        os.remove(self.program)
        self.assertEqual(self.rules._Permit(self.opts, "x").refusal["cause"], "no-program")

    def test_a_permit_is_given_back_by_a_word_or_by_the_end_of_the_pipe(self):
        self.answer('echo "TAGOUT-GO fence=1:2"; read -r x; echo "$x, $*" >%s.said' % self.program)
        permit = self.rules._Permit(self.opts, "salt: x")
        self.assertIsNone(permit.refusal)
        self.assertFalse(permit.lost())
        permit.close()
        with open(self.program + ".said", encoding="utf-8") as file:
            self.assertEqual(file.read(), ", permit --no-environment --actor config-management --what salt: x --stop %d\n" % os.getpid())

    def test_a_run_hands_down_the_name_of_its_permit(self):
        self.answer('echo "TAGOUT-GO fence=1:2 permit=1:2:ABC"; read -r x')
        permit = self.rules._Permit(self.opts, "x")
        self.assertEqual(os.environ["TAGOUT_PERMIT"], "1:2:ABC")
        inner = self.rules._Permit(self.opts, "y", stop=False)  # a thread's: the environment is everybody's
        inner.close()
        self.assertEqual(os.environ["TAGOUT_PERMIT"], "1:2:ABC")
        permit.close()
        self.assertNotIn("TAGOUT_PERMIT", os.environ)

    def test_one_job_has_one_permit_and_its_loss_is_no_go(self):
        self.answer('echo TAGOUT-GO; echo . >>%s.n; exec sleep 0.3' % self.program)
        self.rules.__opts__ = self.opts
        told = []

        def job():
            told.append(self.rules.gate("cmd.run"))
            told.append(self.rules.gate("cmd.run"))
            permit = next(iter(self.rules._permits().values()))
            permit.process.wait()
            told.append(self.rules.gate("cmd.run"))

        thread = threading.Thread(target=job)
        thread.start()
        thread.join()
        self.assertEqual(told[:2], [None, None])
        self.assertIn("cause=permit-lost", told[2])
        with open(self.program + ".n", encoding="utf-8") as file:
            self.assertEqual(len(file.readlines()), 1)

    def test_what_is_shown_has_no_arguments_but_names_of_states(self):
        for names, data, shown in (("state.apply", {"arg": ["web"], "jid": "2026"}, "salt: state.apply web, job 2026"), ("cmd.run", {"arg": ["x --password y"]}, "salt: cmd.run"),
                                   ("state.apply", {"arg": [{"pillar": 1}]}, "salt: state.apply"), (["a.b", "c.d"], {}, "salt: a.b, c.d"), (None, {}, "salt: ?")):
            self.assertEqual(self.rules._what(names, data), shown)

    def test_the_words_of_the_line_are_told_apart(self):
        self.answer("echo '%s' >&2; exit 75" % HELD)
        got = self.rules._ask(self.opts)
        self.assertEqual((got["id"], got["owner"], got["reason"]), ("L7K2QX", "alice@ops1", 'a "b" c'))

    def test_what_changes_something_is_not_harmless(self):
        for name, kwargs in (("cmd.run", {"test": True}), ("state.apply", {}), ("state.apply", {"test": "false"}), ("state.apply", {"test": 1}),
                             ("tagout.run", {}), ("pkg.upgrade", None), ("state.orchestrate", {"test": True}), ("", {})):
            self.assertFalse(self.rules._is_harmless({}, name, kwargs), name)
        for name, kwargs in (("test.ping", None), ("saltutil.sync_all", {}), ("state.apply", {"test": True}), ("tagout.check", {})):
            self.assertTrue(self.rules._is_harmless({}, name, kwargs), name)

    def test_the_least_harmless_of_several_decides(self):
        self.answer("echo '%s' >&2; exit 75" % HELD)
        self.rules.__opts__ = self.opts
        self.assertIsNone(self.rules.gate(["test.ping", "test.version"]))
        self.assertIn("TAGOUT-HELD", self.rules.gate(["test.ping", "cmd.run"]))
        self.assertFalse(self.rules._permits())

    def test_a_token_that_others_can_read_is_not_believed(self):
        path = os.path.join(self.dir.name, "token")
        with open(path, "w", encoding="utf-8") as file:
            file.write("abc\n")
        data = {"executor_opts": {"tagout_token_file": path}}
        for mode, token in ((0o644, None), (0o620, None), (0o600, "abc")):
            os.chmod(path, mode)
            self.assertEqual(self.rules._tokens_of(data), token)
        os.symlink(path, path + ".link")
        self.assertIsNone(self.rules._tokens_of({"executor_opts": {"tagout_token_file": path + ".link"}}))
        self.assertIsNone(self.rules._tokens_of({"executor_opts": "x"}))


class Ansible(WithProgram):
    def setUp(self):
        super().setUp()
        try:
            self.callback = load("plugins/ansible/tool/callback/tagout.py")
        except ImportError as e:
            self.skipTest(str(e))
        self.callback.DEADLINE = 0.5
        self.asker = self.callback.Asker(self.program, "x")

    def test_only_a_clear_go_is_one(self):
        for script, state in ANSWERS:
            if "sleep" in script:
                script = "exec sleep 1000"
            self.answer(script)
            self.assertEqual(self.asker.check(["host:a"])[0], {"go": 0, "held": 75, "unknown": 69}[state], script)

    def test_permits_are_for_all_hosts_or_for_none(self):  # P1, P2
        go = "echo TAGOUT-GO; read -r x"
        for script, status in ((go, 0), ('case "$*" in *host:h99*) echo \'%s\' >&2; exit 75 ;; esac; %s' % (HELD, go), 75), ("exit 0", 69), ("exec sleep 1000", 69),
                               ('case "$*" in *host:h99*) kill -9 $$ ;; esac; %s' % go, 69)):
            self.answer(script)
            permits = self.callback.Permits(self.asker, "ansible: x")
            hosts = {"h%d" % i: ["host:h%d" % i] for i in range(100)}
            hosts["localhost"] = []
            self.assertEqual(permits.take(hosts)[0], status, script)
            self.assertEqual(len(permits.held), 3 if status == 0 else 0, script)
            self.assertFalse(permits.are_lost())
            permits.give_back()
            self.assertEqual(permits.held, [])

    def test_of_many_hosts_those_that_are_held_are_found(self):
        self.answer('case "$*" in *host:h7*) echo \'%s\' >&2; exit 75 ;; esac; exit 0' % HELD)
        hosts = {"h%d" % i: ["host:h%d" % i] for i in (1, 2, 3, 7)}
        hosts["localhost"] = []
        self.assertEqual(list(self.asker.refused(hosts)), ["h7"])
        self.answer("echo 'TAGOUT-UNKNOWN cause=store-unreachable' >&2; exit 69")
        self.assertEqual(set(self.asker.refused(hosts)), set(hosts))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
