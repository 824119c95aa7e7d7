"""Re-performance: every limit in force rebuilt from an export of the audit log alone, and every change that lacks its approvals.

    python reperform_limits.py log.jsonl [--limits limits.csv]
Standard library only; it imports nothing of the program that wrote the log. First check the log itself with verify_audit.py: this script
believes the bodies. Kinds of change: the opening (taken over from the ERP, approval not evidenced here), those approved by people or a
committee or by a rule, the override (lacks approvals until they are given afterwards), the reversal (of a temporary limit, or of the time
between two of its seasons). Exit code 0: every change has what it needs. 1: one does not, each named with its entry; or no export.
"""

import argparse
import csv
import json
import sys
from collections import Counter, defaultdict
from functools import partial

class Log:  # what the entries read so far amount to
    def __init__(self):
        self.limits, self.proposals = {}, {}  # account -> (version, minor units or None, days or None, from, to, entry); proposal -> facts
        self.answers = defaultdict(dict)  # proposal -> person -> (action, digest, on behalf of, committee's sitting)
        self.changes = defaultdict(list)  # account -> changes in order, for what a reversal restores
        self.makers, self.adopted = defaultdict(set), defaultdict(set)  # proposal -> people with a hand in it; kind -> digests in effect
        self.sat, self.carried = defaultdict(dict), set()  # (sitting, proposal), or (None, sitting) -> person -> vote; what was carried
        self.waiting, self.kinds, self.wrong = {}, Counter(), []  # waiting: override -> (entry, text) until somebody approved it

    def take(self, seq, body):
        action, data, person = body["action"], body["data"], body["actor"].removeprefix("person:")
        kind, _, key = body["entity"].partition(":")
        of_limits = {"limit.opened": partial(self.change, kind="opening"), "limit.applied": partial(self.applied, first=False)}
        of_limits |= {"limit.override": partial(self.applied, first=True), "limit.reverted": self.reverted}
        if action in ("policy.changed", "authority.changed"):
            self.adopted[action.partition(".")[0]].add(key)
        elif action in of_limits:
            of_limits[action](seq, key, data)
        elif action in ("committee.attended", "committee.voted", "committee.recused"):
            self.sat[data.get("sitting"), key][data.get("member", person)] = data.get("vote", action.partition(".")[2])
        elif action == "committee.decided":
            self.decided(seq, key, data)
        elif kind == "proposal" and (key in self.proposals or action == "proposal.created"):
            self.proposal(seq, action, key, data, person)

    def proposal(self, seq, action, key, data, person):
        if action == "proposal.created":
            before = self.makers[data["supersedes"]] if data.get("supersedes") and data.get("cause") != "counter_looser" else set()
            self.makers[key] |= ({data["proposer"]} - {"system"}) | before
            self.proposals[key] = {**data, "to": data["to_minor"], "needs": None, "rule": None}
        elif action == "proposal.amended":
            self.makers[key].add(person)
            self.proposals[key].update(to=data["after"]["to_minor"], digest=data["digest"])
        elif action in ("proposal.assigned", "proposal.released"):
            self.proposals[key]["needs"] = data["approvals"]
            self.makers[key] |= {person} if action == "proposal.released" and not person.startswith("system:") else set()
        elif action == "proposal.auto_approved":
            self.proposals[key]["rule"] = data["rule"]
        elif action == "override.approved" and self.waiting.pop(data["change"], None):
            self.approved(seq, data["account"], data, self.proposals[key])
        elif action.startswith("decision.") and action != "decision.refused":
            self.answers[key][person] = (action, data["digest"], data["on_behalf_of"], data.get("sitting"))

    def check(self, holds, seq, text):
        self.wrong += [] if holds else [(seq, text)]
        return holds

    def decided(self, seq, key, data):  # enough were there who may vote, and votes they gave themselves carried it by the rule
        votes, quorum, role = self.sat[data["sitting"], key], data["quorum"], data["quorum"]["role"]
        there = {p for p in self.sat[None, data["sitting"]] if votes.get(p) != "recused"}
        able = (there & set(data["voters"])) - self.makers[key]
        yes, no = (sum(votes.get(p) == vote for p in able) for vote in ("approve", "reject"))
        enough = len(there) >= quorum["present"] and len(able) >= quorum["voters"] and role in (None, *map(data["roles"].get, able))
        carried = {"majority": 2 * yes > len(able), "unanimous": yes == len(able), "no_votes_against": not no}[data["rule"]]
        if data["outcome"] in ("approved", "rejected", "returned"):
            self.check(enough, seq, f"the committee decided {key} without quorum: {len(there)} present, {len(able)} able to vote")
            self.check(votes == data["votes"], seq, f"the committee's decision on {key} names votes that were not given")
        if enough and votes == data["votes"] and data["outcome"] == "approved" and carried and yes >= data["approvals_needed"]:
            self.carried.add(key)

    def applied(self, seq, account, data, first):
        asked, change = self.proposals.get(data["proposal"]), f"change {data['change']} of {account}"
        if self.check(asked, seq, f"{change} has no proposal in the log"):
            same = (asked["account"], asked["to"], asked["digest"]) == (account, data["to_minor"], data["digest"])
            self.check(same, seq, f"{change} is not what proposal {data['proposal']} asked for")
            for name in ("policy", "authority"):
                self.check(data[name] in self.adopted[name], seq, f"{change} stands on a {name} that nobody adopted: {data[name][:16]}")
            if not first:
                self.approved(seq, account, data, asked)
        self.waiting |= {data["change"]: (seq, f"override {data['change']} was not approved afterwards")} if first and asked else {}
        self.change(seq, account, data, "override" if first else "by rule" if data["rule"] else "approved")

    def approved(self, seq, account, data, asked):  # by enough different people who did not make it; a committee with quorum; or a rule
        change, key = f"change {data['change']} of {account}", data["proposal"]
        if rule := data["rule"]:
            return self.check(asked["rule"] == rule and not data["approvers"], seq, f"{change} names the rule {rule!r}, which did not")
        hands, given = set(), {p: a for p, a in self.answers[key].items() if a[0] == "decision.approve" and a[1] == data["digest"]}
        self.check(key in self.carried or not any(a[3] for a in given.values()), seq, f"{change} lacks its committee's quorum")
        for one in data["approvers"]:
            person, both = one["approver"], {one["approver"], one["on_behalf_of"]} - {None}
            self.check(given.get(person, [0] * 3)[2] == one["on_behalf_of"], seq, f"{change} names an approval of {person} not in the log")
            self.check(not both & self.makers[key], seq, f"{change} was approved by {person}, who made it")
            self.check(not both & hands, seq, f"{change}: {person} and another approver are one hand")
            hands |= both
        got, needed = len(data["approvers"]), asked["needs"] or 1
        self.check(got >= needed, seq, f"{change} has {got} approvals, {needed} are needed")

    def reverted(self, seq, account, data):
        change, ended = f"reversal {data['change']} of {account}", (self.changes[account] or [{"change": None}])[-1]
        due = data["reverses"] in self.waiting or (ended.get("effective_to") or "9999") <= data["effective_from"]
        self.check(ended["change"] == data["reverses"] and due, seq, f"{change} does not end a temporary limit whose end had come")
        under = [c["to_minor"] for c in self.changes[account] if c["change"] == data["restores"] and self.holds(c, data["effective_from"])]
        self.check(not data["restores"] or data["to_minor"] in under, seq, f"{change} does not restore what lies under it")
        self.change(seq, account, data, "reversal")

    def holds(self, one, day):  # on the days it was approved for, or on the same days of a later year while it recurs
        first, until, recurs = one["effective_from"].replace("-02-29", "-02-28"), one.get("effective_to") or "9999", one.get("recurs_until")
        years = range(1 + (int(day[:4]) - int(first[:4]) if recurs and day < recurs else 0))
        return any(f"{int(first[:4]) + n}{first[4:]}" <= day < f"{int(until[:4]) + n}{until[4:]}" for n in years)

    def change(self, seq, account, data, kind):
        before, until = self.limits.get(account, (0, None)), data.get("effective_to")
        follows = (data["version"], data["from_minor"]) == (before[0] + 1, before[1])
        self.check(follows, seq, f"change {data['change']} of {account} does not follow version {before[0]} with {before[1]}")
        self.kinds[kind] += 1
        self.changes[account].append(data)
        self.limits[account] = (data["version"], data["to_minor"], data["to_terms_days"], data["effective_from"], until, seq)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("export", help="what `credit-review audit export` wrote, from entry 0")
    parser.add_argument("--limits", help="write the limits in force as CSV")
    given, log = parser.parse_args(), Log()
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
            print("account,version,amount_minor,terms_days,effective_from,effective_to,entry", end="\r\n", file=file)
            csv.writer(file).writerows([account, *limit] for account, limit in sorted(log.limits.items()))
    print(f"{len(log.limits)} limits in force; changes: " + ", ".join(f"{count} {kind}" for kind, count in sorted(log.kinds.items())))
    for seq, text in sorted([*log.wrong, *log.waiting.values()]):
        print(f"entry {seq}: {text}")
    return 1 if log.wrong or log.waiting else 0


if __name__ == "__main__":
    sys.exit(main())
