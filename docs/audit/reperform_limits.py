"""Re-performance: every limit in force rebuilt from an export of the audit log alone, and every change that lacks its approvals.

    python reperform_limits.py log.jsonl [--limits limits.csv]
Standard library only, written to be read; it imports nothing of the program that wrote the log. First check the log itself with
verify_audit.py: this script believes the bodies. It knows five kinds of change: the opening (taken over from the ERP, approval not
evidenced here), the approved change, the change approved by a rule of the policy, the override (in force first; it lacks approvals until
they are given afterwards), and the reversal (of a temporary limit on its day, or of an override that was not approved). A temporary
limit that recurs ends likewise, and the end of the time between two seasons is a reversal that has it in force again.
Exit code 0: every change has what it needs. 1: at least one does not, each named with its entry; or the file is no export.
"""

import argparse
import csv
import json
import sys
from collections import Counter, defaultdict

class Log:
    """What the entries read so far amount to."""

    def __init__(self):
        self.limits = {}  # account -> (version, amount in minor units or None, terms in days or None, from, to, entry)
        self.proposals = {}  # proposal -> facts
        self.answers = defaultdict(dict)  # proposal -> person -> (action, digest, on behalf of, entry)
        self.makers = defaultdict(set)  # proposal -> people who had a hand in it
        self.changes = defaultdict(list)  # account -> changes in order, for what a reversal restores
        self.adopted = defaultdict(set)  # kind of document -> digests that took effect
        self.waiting = {}  # override -> what is said of it until somebody approved it: (entry, text)
        self.kinds, self.wrong = Counter(), []

    def take(self, seq, body):
        action, data, actor = body["action"], body["data"], body["actor"]
        kind, _, key = body["entity"].partition(":")
        if action in ("policy.changed", "authority.changed"):
            self.adopted[action.partition(".")[0]].add(key)
        elif action == "limit.opened":
            self.change(seq, key, data, "opening")
        elif action in ("limit.applied", "limit.override"):
            self.applied(seq, key, data, first=action == "limit.override")
        elif action == "limit.reverted":
            self.reverted(seq, key, data)
        elif kind == "proposal":
            self.proposal(seq, action, key, data, actor.removeprefix("person:"))

    def proposal(self, seq, action, key, data, person):
        if action == "proposal.created":
            before = self.makers[data["supersedes"]] if data.get("supersedes") and data.get("cause") != "counter_looser" else set()
            self.makers[key] |= ({data["proposer"]} - {"system"}) | before
            about = {"account": data["account"], "to": data["to_minor"], "digest": data["digest"]}
            self.proposals[key] = {**about, "needs": None, "rule": None}
        elif key not in self.proposals:
            return
        elif action == "proposal.amended":
            self.makers[key].add(person)
            self.proposals[key].update(to=data["after"]["to_minor"], digest=data["digest"])
        elif action in ("proposal.assigned", "proposal.released"):
            self.proposals[key]["needs"] = data["approvals"]
            if action == "proposal.released" and not person.startswith("system:"):
                self.makers[key].add(person)
        elif action == "proposal.auto_approved":
            self.proposals[key]["rule"] = data["rule"]
        elif action == "override.approved" and self.waiting.pop(data["change"], None):
            self.approved(seq, data["account"], data, self.proposals[key])
        elif action.startswith("decision.") and action != "decision.refused":
            self.answers[key][person] = (action, data["digest"], data["on_behalf_of"], seq)

    def applied(self, seq, account, data, first):
        asked = self.proposals.get(data["proposal"])
        if asked is None:
            self.wrong.append((seq, f"change {data['change']} of {account} has no proposal in the log"))
        else:
            if (asked["account"], asked["to"], asked["digest"]) != (account, data["to_minor"], data["digest"]):
                self.wrong.append((seq, f"change {data['change']} of {account} is not what proposal {data['proposal']} asked for"))
            for name in ("policy", "authority"):
                if data[name] not in self.adopted[name]:
                    self.wrong.append((seq, f"change {data['change']} stands on a {name} that nobody adopted before: {data[name][:16]}"))
            if first:
                self.waiting[data["change"]] = (seq, f"override {data['change']} of {account} was not approved afterwards")
            else:
                self.approved(seq, account, data, asked)
        self.change(seq, account, data, "override" if first else "by rule" if data["rule"] else "approved")

    def approved(self, seq, account, data, asked):
        """Enough different people, none of whom made it, approved exactly this; or a rule did."""
        if data["rule"]:
            if asked["rule"] != data["rule"] or data["approvers"]:
                self.wrong.append((seq, f"change {data['change']} of {account} names the rule {data['rule']!r}, which did not approve it"))
            return
        given = {p: a for p, a in self.answers[data["proposal"]].items() if a[0] == "decision.approve" and a[1] == data["digest"]}
        hands = set()
        for one in data["approvers"]:
            person, principal = one["approver"], one["on_behalf_of"]
            if person not in given or given[person][2] != principal:
                self.wrong.append((seq, f"change {data['change']} of {account} names an approval of {person} that is not in the log"))
            if {person, principal} & self.makers[data["proposal"]]:
                self.wrong.append((seq, f"change {data['change']} of {account} was approved by {person}, who made it"))
            if {person, principal} & hands:
                self.wrong.append((seq, f"change {data['change']} of {account}: {person} and another approver are one hand"))
            hands |= {person, principal} - {None}
        if len(data["approvers"]) < (needed := asked["needs"] or 1):
            self.wrong.append((seq, f"change {data['change']} of {account} has {len(data['approvers'])} approvals, {needed} are needed"))

    def reverted(self, seq, account, data):
        ended = self.changes[account][-1] if self.changes[account] else None
        due = ended is not None and ended["until"] and ended["until"] <= data["effective_from"]
        if ended is None or ended["change"] != data["reverses"] or not (due or data["reverses"] in self.waiting):
            self.wrong.append((seq, f"reversal {data['change']} of {account} does not end a temporary limit whose end had come"))
        under = next((c for c in self.changes[account] if c["change"] == data["restores"]), None)
        if data["restores"] and (under is None or under["to"] != data["to_minor"] or not holds(under, data["effective_from"])):
            self.wrong.append((seq, f"reversal {data['change']} of {account} does not restore what lies under it"))
        self.change(seq, account, data, "reversal")

    def change(self, seq, account, data, kind):
        before = self.limits.get(account, (0, None))
        if (data["version"], data["from_minor"]) != (before[0] + 1, before[1]):
            self.wrong.append((seq, f"change {data['change']} of {account} does not follow version {before[0]} with {before[1]}"))
        self.kinds[kind] += 1
        until = data.get("effective_to")
        about = {"from": data["effective_from"], "until": until, "recurs": data.get("recurs_until")}
        self.changes[account].append({"change": data["change"], "to": data["to_minor"], **about})
        self.limits[account] = (data["version"], data["to_minor"], data["to_terms_days"], data["effective_from"], until, seq)


def holds(change, day):
    """Whether a change holds on a day: in the days it was approved for, or on the same days of a later year while it recurs."""
    if change["from"] <= day and (change["until"] is None or day < change["until"]):
        return True
    if not change["recurs"] or day >= change["recurs"]:
        return False
    years = range(1, int(change["recurs"][:4]) - int(change["from"][:4]) + 1)
    return any(later(change["from"], year, "02-28") <= day < later(change["until"], year, "03-01") for year in years)


def later(day, years, instead):
    """The same day so many years on, `instead` of the 29th of February where there is none."""
    year, rest = int(day[:4]) + years, day[5:]
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return f"{year:04d}-{instead if rest == '02-29' and not leap else rest}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("export", help="what `credit-review audit export` wrote, from entry 0")
    parser.add_argument("--limits", help="write the limits in force as CSV")
    given = parser.parse_args()
    log = Log()
    try:
        with open(given.export, encoding="utf-8") as file:
            for row in (row for row in map(json.loads, file) if row["table"] in ("audit_log", "start")):
                if row["table"] == "start":
                    raise ValueError("it begins in the middle: export from entry 0")
                log.take(row["seq"], json.loads(row["body"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{given.export} is no whole export of the audit log: {error!r}")
    if given.limits:
        with open(given.limits, "w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(["account", "version", "amount_minor", "terms_days", "effective_from", "effective_to", "entry"])
            out.writerows([account, *limit] for account, limit in sorted(log.limits.items()))
    print(f"{len(log.limits)} limits in force; changes: " + ", ".join(f"{count} {kind}" for kind, count in sorted(log.kinds.items())))
    for seq, text in sorted([*log.wrong, *log.waiting.values()]):
        print(f"entry {seq}: {text}")
    return 1 if log.wrong or log.waiting else 0


if __name__ == "__main__":
    sys.exit(main())
