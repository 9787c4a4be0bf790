# The driver's eyes: a stdout callback that prints one JSON document a line. Sent along with each request, since ansible-core has
# none such. It decides nothing and prints nothing of what a task hides.
import json, os
from ansible import context
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'stdout'
    CALLBACK_NAME = 'tagout_events'

    def say(self, **event):
        print(json.dumps(event, default=str), flush=True)

    def what(self, task, r):
        args = r.get('invocation') or {}
        args = args.get('module_args') or args if isinstance(args, dict) else {}
        places = [] if 'censored' in r else [r.get('dest'), r.get('path'), args.get('dest'), args.get('path')]
        for place in places:
            if isinstance(place, str) and place.startswith('/'):
                return place
        name = task.get_name()
        label = '' if 'censored' in r else r.get('_ansible_item_label', r.get('item', ''))
        return '%s (%s)' % (name, label) if label != '' else name

    def diff(self, r):
        d = r.get('diff')
        if not d or 'censored' in r:
            return ''
        try:
            return self._get_diff(d)
        except Exception:
            return ''

    def tell(self, state, result, r, **more):
        diff = self.diff(r) if state == 'changed' else ''
        lines = [l for l in diff.splitlines() if l[:4] not in ('--- ', '+++ ')]
        self.say(tagout='task', host=result._host.name, state=state, what=self.what(result._task, r), task=result._task.get_name(),
                 added=sum(l[:1] == '+' for l in lines) if diff else -1, removed=sum(l[:1] == '-' for l in lines) if diff else -1,
                 diff=diff[:8192], msg='' if 'censored' in r else str(r.get('msg', ''))[:400], **more)

    def one(self, result, skipped=False):
        r = result._result
        if 'results' in r: # its items have been told
            return
        if r.get('changed') and not skipped:
            self.tell('changed', result, r)
        elif skipped and 'skip_reason' not in r and 'skipped_reason' not in r and self.foretells(result._task):
            self.tell('unforeseen', result, r)

    # Skipped because of check mode, not of a condition; a task that never changes anything needs no foretelling.
    def foretells(self, task):
        return context.CLIARGS.get('check') and list(task.changed_when or []) != [False]

    def v2_runner_on_ok(self, result):
        self.one(result)
    def v2_runner_item_on_ok(self, result):
        self.one(result)
    def v2_runner_on_skipped(self, result):
        self.one(result, True)
    def v2_runner_item_on_skipped(self, result):
        self.one(result, True)
    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.tell('failed', result, result._result, ignored=bool(ignore_errors))
    def v2_runner_on_unreachable(self, result):
        self.tell('unreachable', result, result._result)
    def v2_playbook_on_stats(self, stats):
        self.say(tagout='stats', hosts={h: stats.summarize(h) for h in stats.processed})
