#!/usr/bin/env python3
"""The checker, against logs written by hand: one that is in order, and each violation by itself. What it can't see, no run can prove."""
import os
import sys
import types
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checker  # noqa: E402

GROUPS = {"front": ["web1.example.com", "web2.example.com"], "back": ["web2.example.com"], "far": ["web9.example.com"]}


def lock(at, granted, freed=None, scopes="host:web1.example.com", hold="*", ends=0, until=10**15, request="locker0-1", lock_id="AAAAAA"):
    lines = [(at, "locker0", f"lock? r={request} s={scopes} h={hold} d=1 x={ends} k=0")]
    if granted:
        lines.append((granted, "locker0", f"lock! r={request} id={lock_id} u={until}"))
    if freed:
        lines.append((freed, "locker0", f"free? id={lock_id}"))
    return lines


def ask(at, said, answer="go", kind="permit", scopes="host:web1.example.com", actor="autoscaler", tokens="-", acts=(), untils=(), slot="actor0",
        name="p1", wall=0, ids="-", cause="-", age=None):
    lines = [(at, slot, f"{kind}? p={name} s={scopes} a={actor} t={tokens}"), (said, slot, f"said p={name} v={answer} w={cause} i={ids} wall={wall}" + (f" age={age}" if age is not None else ""))]
    lines += [(t, slot, f"until p={name} kill={kill} dead={dead}") for t, kill, dead in untils]
    return lines + [(t, slot, f"act p={name}") for t in acts]


def prove(*parts, listed=("AAAAAA",), wall_ms=0):
    events = []
    for t, slot, text in sorted((line for part in parts for line in part), key=lambda line: line[0]):
        events.extend(checker.parse([f"{t} 77 {text}\n"], slot))
    proof = checker.Proof(GROUPS)
    proof.read(events)
    proof.prove(set(listed), wall_ms)
    return proof


class InOrder(unittest.TestCase):
    def fine(self, *parts, **more):
        proof = prove(*parts, **more)
        self.assertEqual(dict(proof.violations), {})
        return proof

    def test_acts_before_a_lock_and_after_it(self):
        proof = self.fine(lock(100, 200, 300), ask(50, 60, acts=(70, 199)), ask(310, 320, acts=(330,), name="p2"))
        self.assertEqual(proof.count["operations"], 3)
        self.assertEqual(proof.count["acts"], 3)

    def test_acts_while_it_is_being_taken(self):
        self.fine(lock(100, 200), ask(90, 110, acts=(120, 180)))

    def test_acts_elsewhere(self):
        self.fine(lock(100, 200), ask(210, 220, acts=(230,), scopes="host:web9.example.com"), ask(210, 220, acts=(230,), scopes="group:far", name="p2"),
                  ask(210, 220, acts=(230,), scopes="service:db", name="p3"))

    def test_acts_of_another_kind(self):
        self.fine(lock(100, 200, hold="package-manager"), ask(210, 220, acts=(230,)))

    def test_acts_of_who_bears_its_token(self):
        self.fine(lock(100, 200), ask(210, 220, acts=(230,), tokens="token-of-nobody,token-of-locker0"))

    def test_a_lock_that_was_never_granted(self):
        self.fine(lock(100, None), ask(210, 220, acts=(230,)), listed=())

    def test_a_lock_that_has_ended_by_itself_for_who_asks(self):
        self.fine(lock(100, 200, ends=1, until=5000), ask(210, 220, acts=(230,), wall=5000), listed=(), wall_ms=6000)

    def test_held_and_unknown_are_answers(self):
        self.fine(lock(100, 200), ask(210, 220, "held", ids="AAAAAA"), ask(230, 240, "unknown", name="p2", cause="no-answer"))

    def test_a_check_on_a_server_that_lags(self):
        proof = self.fine(lock(100, 200), ask(210, 220, kind="check"))
        self.assertEqual(proof.count["stale checks (a lock that this host had not met)"], 1)

    def test_an_agent_that_looked_at_a_server_that_lags(self):
        proof = self.fine(lock(100, 200), ask(210, 220, kind="check", slot="asker0", age=0))
        self.assertEqual(proof.count["stale checks (a lock that this host had not met)"], 1)

    def test_a_lock_that_its_agents_have_acknowledged(self):
        proof = self.fine(lock(100, 200, scopes="group:front"), [(201, "locker0", "agents id=AAAAAA present=web1.example.com,web9.example.com acked=web1.example.com")])
        self.assertEqual(proof.count["acknowledgements that had to be there"], 1)

    def test_an_act_within_the_margin(self):
        proof = self.fine(ask(10, 20, acts=(95,), untils=((21, 90, 100),)))
        self.assertEqual(proof.count["acts in the margin"], 1)

    def test_a_later_proof_moves_the_deadline(self):
        self.fine(ask(10, 20, acts=(150,), untils=((21, 90, 100), (80, 190, 200))))

    def test_an_act_just_after_a_thaw_is_counted_as_the_known_limit(self):
        proof = self.fine(ask(10, 20, acts=(500,), untils=((21, 90, 100),)), [(499, "nemesis", "thaw slot=actor0")])
        self.assertEqual(proof.count["excused: acts just after a thaw"], 1)

    def test_unknown_of_an_old_store(self):
        proof = self.fine([(5, "actor0", "open?"), (1, "nemesis", "bad! kind=old"), (300, "nemesis", "good? kind=old")],
                          ask(10, 20, "unknown", cause="older-than-seen"))
        self.assertEqual(proof.count["told UNKNOWN, or not connected, by a store that was old"], 1)


class Violations(unittest.TestCase):
    def found(self, promise, *parts, **more):
        proof = prove(*parts, **more)
        self.assertEqual(list(proof.violations), [promise], dict(proof.violations))

    def test_an_act_under_a_lock(self):
        self.found("P1", lock(100, 200, 300), ask(90, 110, acts=(120, 250)))

    def test_an_act_under_a_lock_of_the_group_or_of_the_fleet(self):
        for scopes in ("group:front", "fleet", "group:far,group:front"):
            self.found("P1", lock(100, 200, scopes=scopes), ask(90, 110, acts=(250,)))

    def test_an_act_of_a_group_under_a_lock_of_a_host_or_of_another_group(self):
        for scopes in ("host:web2.example.com", "group:back", "host:web2"):
            self.found("P1", lock(100, 200, scopes=scopes), ask(90, 110, acts=(250,), scopes="group:front"))

    def test_an_act_of_who_bears_anothers_token(self):
        self.found("P1", lock(100, 200), ask(90, 110, acts=(250,), tokens="token-of-locker1"))

    def test_an_act_under_a_lock_that_ends_by_itself_later(self):
        self.found("P1", lock(100, 200, ends=1, until=5000), ask(90, 110, acts=(250,), wall=4000))

    def test_a_permit_given_under_a_lock(self):
        self.found("P2", lock(100, 200), ask(210, 220))

    def test_a_check_that_forgets_what_its_host_has_met(self):
        self.found("P2", lock(100, 200), ask(210, 220, "held", "check", ids="AAAAAA"), ask(230, 240, "go", "check", name="p2"))

    def test_go_of_an_agent_from_what_it_knows(self):
        self.found("P2", lock(100, 200), ask(210, 220, kind="check", slot="asker0", age=7))

    def test_a_lock_that_an_agent_has_not_acknowledged(self):
        self.found("P1", lock(100, 200, scopes="fleet"), [(201, "locker0", "agents id=AAAAAA present=web1.example.com acked=web2.example.com")])

    def test_go_of_an_agent_that_came_up_in_an_old_store(self):
        self.found("P2", [(5, "nemesis", "agent slot=agent0 pid=1"), (1, "nemesis", "bad! kind=old"), (300, "nemesis", "good? kind=old")],
                   ask(10, 20, kind="check", slot="asker0", age=3))

    def test_go_of_an_old_store(self):
        self.found("P2", [(5, "actor0", "open?"), (1, "nemesis", "bad! kind=old"), (300, "nemesis", "good? kind=old")], ask(10, 20, kind="check"))

    def test_a_lock_that_is_not_listed(self):
        self.found("P3", lock(100, 200), listed=())

    def test_a_lock_that_ends_by_itself_and_went_too_early(self):
        self.found("P3", lock(100, 200, ends=1, until=5000), listed=(), wall_ms=4999)

    def test_a_lock_that_is_another_when_asked_again(self):
        self.found("P3", lock(100, 200), lock(300, 400, lock_id="BBBBBB"), listed=("AAAAAA", "BBBBBB"))

    def test_an_act_after_the_permit_may_be_given_away(self):
        self.found("P4", ask(10, 20, acts=(101,), untils=((21, 90, 100),)))

    def test_an_act_long_after_a_thaw(self):
        self.found("P4", ask(10, 20, acts=(2_000_000,), untils=((21, 90, 100),)), [(499, "nemesis", "thaw slot=actor0")])

    def test_a_proof_that_came_after_the_act_does_not_help(self):
        self.found("P4", ask(10, 20, acts=(150,), untils=((21, 90, 100), (160, 290, 300))))


class WhileOthersWrite(unittest.TestCase):
    def test_what_the_next_look_does_not_find_is_no_mistake(self):
        looks = [{"P1": ["a"]}, {}, {"P1": ["b"]}, {"P1": ["c"], "P2": ["b"]}]
        search = checker.Search(lambda: types.SimpleNamespace(violations=looks.pop(0)))
        while looks:
            search.look()
            self.assertFalse(search.sure)

    def test_what_two_looks_find_is_one(self):
        looks = [{"P1": ["a"]}, {"P1": ["b", "a"]}]
        search = checker.Search(lambda: types.SimpleNamespace(violations=looks.pop(0)))
        search.look()
        search.look()
        self.assertEqual(search.sure, {("P1", "a")})


class Lines(unittest.TestCase):
    def test_a_line_that_kill_9_cut_is_none(self):
        self.assertEqual(list(checker.parse(["1 2 act p=x\n", "3 4 act p="], "a")), [(1, "a", 2, "act", {"p": "x"})])

    def test_overlap_is_the_same_either_way(self):
        scopes = ["fleet", "group:front", "group:back", "group:far", "host:web1", "host:web2.example.com", "host:web9.example.com", "service:db"]
        for a in scopes:
            for b in scopes:
                self.assertEqual(checker.overlap(a, b, GROUPS), checker.overlap(b, a, GROUPS), (a, b))


if __name__ == "__main__":
    unittest.main()
