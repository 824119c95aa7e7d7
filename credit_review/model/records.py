"""Stored records, one frozen dataclass a table. The store keeps them; the rules in `review` read and write them through `ports`.

Times are aware UTC datetimes, dates are days in the company's time zone, money is integer minor units, `*_json` fields are canonical
JSON text. Facts (subclasses of nothing, but with `valid_from`, `valid_to`, `recorded_at`) are insert-only; `valid_to` is exclusive.
Fields marked [key] form the primary key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person in our directory [key: person_id, recorded_at]. Fact: `active` false from a leaver's last day."""

    person_id: str
    name: str
    email: str
    active: bool
    valid_from: date
    valid_to: date | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAccount:
    """An account that authenticates a person [key: kind, account, recorded_at]. kind: os, slack, token, sso; `demo` in a demo only.

    A Slack account is `team|user`, an sso account what the claim that settings.yaml names says of the person at company sign-in.
    """

    kind: str
    account: str
    person_id: str
    valid_from: date
    valid_to: date | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """`delegate_id` may decide on behalf of `principal_id` [key: delegation_id, recorded_at]. Fact; a correction is a new row."""

    delegation_id: str
    principal_id: str
    delegate_id: str
    valid_from: date
    valid_to: date | None
    recorded_at: datetime
    recorded_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPreference:
    """How a person reads and works [key: person_id, recorded_at]. Fact. Empty fields follow the company's settings.

    `calendar` is the country (or `DE-BY`) of his working days, `language` one of `words.LANGUAGES`.
    """

    person_id: str
    language: str
    locale: str
    time_zone: str
    calendar: str
    valid_from: date
    valid_to: date | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Days on which a person is out of office [key: absence_id, recorded_at]. Fact; a correction is a new row."""

    absence_id: str
    person_id: str
    valid_from: date
    valid_to: date | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRight:
    """What a person may see or ask for beside his part in approvals (`states.Right`) [key: person_id, access, recorded_at]. Fact."""

    person_id: str
    access: str
    valid_from: date
    valid_to: date | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictOfInterest:
    """A person's declaration about one customer [key: person_id, customer_id, recorded_at]. Fact, a year at most.

    `customer_id` empty declares that there is no conflict at all.
    """

    person_id: str
    customer_id: str
    valid_from: date
    valid_to: date | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernedDocument:
    """A policy, authority matrix, scorecard or mapping by content [key: digest]. In force only once adopted by two people."""

    digest: str
    kind: str
    name: str
    content: str
    author_id: str
    submitted_at: datetime
    adopted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """One person's adoption of a governed document [key: digest, person_id]."""

    digest: str
    person_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChangeRequest:
    """A policy change that was computed on past reviews and put before people [key: request_id]. Fact.

    `old_digest` is the policy in force then, `new_digest` the governed document asked for; `reviews` are the ids of the reviews it was
    computed on, joined by |. Report (HTML), list (CSV) and figures (JSON) are named by their SHA-256.
    """

    request_id: str
    old_digest: str
    new_digest: str
    reviews: str
    report_digest: str
    list_digest: str
    figures_digest: str
    reason: str
    requested_by: str
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a model in the inventory [key: digest]; `digest` is SHA-256 of its file, for a scorecard that of its document.

    `version` counts from 1 within `model_id`. `tier` is its materiality, 1 the highest (`review.models`). `developers` are person ids,
    or `system:<part>`, joined by |. `card_digest` is SHA-256 of its model card. `validated_*` and `report_digest` are the validation it
    stands on, empty where it stands on none. In force from `valid_from` until `valid_to` (exclusive, None: until replaced); both None
    before. `signature` is the signed note of its publication, empty while it has none.
    """

    digest: str
    model_id: str
    version: int
    kind: str
    status: str
    title: str
    owner_id: str
    tier: int
    purpose: str
    data: str
    limits_of_use: str
    developers: str
    card_digest: str
    registered_by: str
    registered_at: datetime
    validated_by: str
    validated_at: datetime | None
    report_digest: str
    valid_from: date | None
    valid_to: date | None
    retired_by: str
    retired_at: datetime | None
    retired_reason: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelValidation:
    """One validator's answer about a model's version [key: digest, person_id, at]. Fact.

    `developers` are the version's, copied, so that the database can refuse one of them. `authority` is in what right he answered
    (`model_validators`, an office of the matrix, or `independent` where it names nobody), `report_digest` SHA-256 of the report he saw.
    """

    digest: str
    person_id: str
    at: datetime
    developers: str
    verdict: str
    authority: str
    report_digest: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One review [key: review_id]. At most one live (not superseded) review per (scope, as_of)."""

    review_id: str
    label: str
    kind: str
    scope: str
    as_of: date
    attempt: int
    state: str
    last_good_state: str
    failure: str
    manifest_digest: str
    manifest_json: str
    started_by: str
    started_at: datetime
    supersede_reason: str
    hold: str
    hold_released_by: str
    closed_by: str
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewBatch:
    """A bucket's result, stored once [key: review_id, stage, bucket]."""

    review_id: str
    stage: str
    bucket: int
    path: str
    sha256: str
    root: str
    counts_json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAlias:
    """Our customer id for a source number [key: source, legal_entity, source_number, recorded_at]. Fact, reversible."""

    source: str
    legal_entity: str
    source_number: str
    customer_id: str
    decided_by: str
    evidence: str
    valid_from: date
    valid_to: date | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMembership:
    """A customer's ultimate parent [key: customer_id, recorded_at]. Fact; a customer without a row is its own group."""

    customer_id: str
    group_id: str
    valid_from: date
    valid_to: date | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A dated exchange rate [key: base, quote, valid_from, recorded_at]: one unit of base in units of quote, a decimal string. Fact."""

    base: str
    quote: str
    rate: str
    source: str
    valid_from: date
    valid_to: date | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitAccount:
    """What a limit belongs to [key: account_id]. Unique per (subject_kind, subject_id, legal_entity, layer, currency)."""

    account_id: str
    subject_kind: str
    subject_id: str
    legal_entity: str
    layer: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposed limit [key: proposal_id]. At most one open (draft, pending, approved) an account.

    `engine_minor` is what the engine said, `to_minor` what is asked for now. `digest` is SHA-256 of `packet_json`, the exact
    packet shown to approvers. `exceptional` and `reason_codes` are codes joined by |.
    """

    proposal_id: str
    review_id: str
    account_id: str
    customer_id: str
    group_id: str
    proposer_id: str
    state: str
    direction: str
    currency: str
    from_minor: int | None
    to_minor: int
    engine_minor: int | None
    from_terms_days: int | None
    terms_days: int | None
    effective_from: date
    effective_to: date | None
    base_version: int
    grade: str
    region: str
    exposure_minor: int
    own_risk_minor: int
    exceptional: str
    straight_through_rule: str
    assigned_to: str
    tier: str
    required_approvals: int
    packet_json: str
    digest: str
    created_at: datetime
    expires_at: datetime | None
    decided_at: datetime | None
    outcome_code: str
    supersedes_id: str | None
    policy_digest: str
    authority_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """A person who touched a proposal and so may never approve it [key: proposal_id, person_id]."""

    proposal_id: str
    person_id: str
    how: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A comment, amendment reason or attached file of a proposal [key: note_id]. kind: comment, amendment, attachment, question."""

    note_id: str
    proposal_id: str
    person_id: str
    kind: str
    text: str
    sha256: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One approver's answer [key: proposal_id, approver_id]; `delivery_key` is unique. `approver_id` never equals `proposer_id`.

    `reason_code` is of `states.ReasonCode`, empty where none is asked; `assurance` is how sure we were of the person (`states.Assurance`).
    """

    proposal_id: str
    approver_id: str
    on_behalf_of: str | None
    proposer_id: str
    verdict: str
    digest: str
    tier: str
    reason: str
    channel: str
    delivery_key: str
    at: datetime
    reason_code: str = ""
    assurance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitteeSitting:
    """A sitting of a committee and the agenda pack its members see [key: sitting_id]. state: `states.SittingState`.

    `pack_digest` is the SHA-256 of the pack's `pack.sha256`, which names every file of it with its own.
    """

    sitting_id: str
    committee: str
    state: str
    sits_on: date
    pack_digest: str
    called_by: str
    called_at: datetime
    opened_by: str
    opened_at: datetime | None
    closed_by: str
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitteeCase:
    """A case of a sitting's agenda [key: sitting_id, proposal_id], on the packet with `digest`; `outcome` is empty until the sitting is
    closed (`authority.Carried`), `tally_json` then says by whom and why."""

    sitting_id: str
    proposal_id: str
    digest: str
    outcome: str = ""
    tally_json: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitteeAttendance:
    """A member who came to a sitting [key: sitting_id, person_id]; `noted_by` himself, or the chair."""

    sitting_id: str
    person_id: str
    noted_by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitteeVote:
    """What a member last said to a case of a sitting [key: sitting_id, proposal_id, person_id]. vote: `states.Vote`."""

    sitting_id: str
    proposal_id: str
    person_id: str
    vote: str
    reason: str
    digest: str
    channel: str
    assurance: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalCondition:
    """What must come true before an approved limit is applied [key: condition_id]; `state` open, met or lapsed.

    Asked for by an approver with the approval, due on a day, confirmed by a second person with evidence (its SHA-256 when a file).
    """

    condition_id: str
    proposal_id: str
    kind: str
    text: str
    due: date
    asked_by: str
    asked_at: datetime
    state: str
    settled_by: str
    settled_at: datetime | None
    evidence: str
    evidence_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """A person a pending proposal was put before [key: proposal_id, person_id], and why: tier, delegate or escalation."""

    proposal_id: str
    person_id: str
    review_id: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpLink:
    """A single-use link to the page outside Slack [key: token_sha256]: one person, one packet, until it is used or ends."""

    token_sha256: str
    proposal_id: str
    person_id: str
    digest: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChange:
    """An applied change of a limit [key: change_id]; unique per (account_id, version), per proposal_id, per reverses_id.

    kind decision has a proposal; reversal names the change it ends; opening has neither, comes from a snapshot and is version 1.
    """

    change_id: str
    account_id: str
    version: int
    kind: str
    proposal_id: str | None
    reverses_id: str | None
    snapshot_digest: str | None
    old_minor: int | None
    new_minor: int | None
    old_terms_days: int | None
    new_terms_days: int | None
    effective_from: date
    effective_to: date | None
    applied_by: str
    applied_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonsEnded:
    """A fact: the limit that a change made recurs no more [key: change_id]; no season of it begins on `from_day` or later."""

    change_id: str
    from_day: date
    ended_by: str
    reason: str
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditLimit:
    """The limit in force [key: account_id]. (account_id, version, amount_minor) refers to a limit change, so a stray edit is refused."""

    account_id: str
    version: int
    amount_minor: int | None
    terms_days: int | None
    effective_from: date
    effective_to: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """An interaction handled once [key: delivery_key], with the outcome to repeat to a second delivery."""

    delivery_key: str
    outcome_json: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """An effect owed to the outside [key: outbox_id]; `dedup_key` is unique. kind: apply, erp, slack_post, slack_update,
    tell_owner, orders, order_list, letter."""

    outbox_id: str
    kind: str
    dedup_key: str
    payload_json: str
    state: str
    attempts: int
    not_before: datetime
    leased_by: str
    lease_until: datetime | None
    last_error: str
    confirmed_json: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessage:
    """A message of ours [key: subject, address]: what it shows (`proposal:<id>`, `digest:<review>` ...) and to whom.

    `address` is a channel id, or `@<person id>` for a direct message; `channel` and `ts` are where Slack put it.
    """

    subject: str
    address: str
    channel: str
    ts: str
    shown_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackTurn:
    """When an address was last sent a message [key: address], by whichever process: the next one waits for its second to pass."""

    address: str
    taken_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketOpening:
    """When a person first opened a proposal's packet [key: proposal_id, person_id]. Fact, for coaching only."""

    proposal_id: str
    person_id: str
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """A customer put off to a date [key: deferral_id]. Fact."""

    deferral_id: str
    customer_id: str
    review_id: str
    owner_id: str
    until: date
    reason: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A customer excluded by a named rule [key: exclusion_id, recorded_at]. Fact."""

    exclusion_id: str
    customer_id: str
    review_id: str
    rule: str
    owner_id: str
    valid_from: date
    valid_to: date | None
    reason: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskKept:
    """A reduction that did not happen [key: proposal_id]: expired, returned or rejected. `decided_by` empty while undecided."""

    proposal_id: str
    review_id: str
    customer_id: str
    currency: str
    amount_minor: int
    cause: str
    raised_at: datetime
    decided_by: str
    reason: str
    until: date | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyException:
    """A standing departure from policy, with owner, reason and end [key: exception_id]. `kind` of `states.ExceptionKind`.

    `source` is what it stands on: a limit change, an exclusion, a deferral, or the proposal whose risk is kept; one source begins one
    exception, so only a fresh approval renews it, and `renews_id` (empty: none) is the one before. `policy_*` is what policy proposed,
    `granted_*` what stands instead; None where the kind has no such figure. `ends` None: none on record when the register was begun.
    `due_on` is when its end came, or a person brought it forward; `how` of `states.ExceptionEnd`, empty while it is not ended.
    """

    exception_id: str
    kind: str
    source: str
    proposal_id: str
    customer_id: str
    account_id: str
    currency: str
    policy_minor: int | None
    granted_minor: int | None
    policy_terms_days: int | None
    granted_terms_days: int | None
    owner_id: str
    reason: str
    starts: date
    ends: date | None
    began_at: datetime
    renews_id: str
    state: str
    due_on: date | None
    due_at: datetime | None
    how: str
    ended_by: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A person's rehearsal on cases of a past review [key: rehearsal_id]; a person has at most one open.

    `seed` gives the cases and is shown to nobody; `case_days` is the age of reports they were drawn with. `answers_digest` is SHA-256 of
    the answers. A pass holds until `valid_until` (exclusive); `lapsed_at` is when its end was noted. Counts are 0 while it is open.
    """

    rehearsal_id: str
    person_id: str
    review_id: str
    seed: str
    cases: int
    case_days: int
    drawn_at: datetime
    state: str
    seeded: int
    caught: int
    false_alarms: int
    answers_digest: str
    answered_at: datetime | None
    valid_from: date | None
    valid_until: date | None
    lapsed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErpDifference:
    """A limit found in the ERP that is not ours [key: difference_id]; owned by a person until settled."""

    difference_id: str
    account_id: str
    found_minor: int | None
    expected_minor: int | None
    found_terms_days: int | None
    expected_terms_days: int | None
    found_at: datetime
    owner_id: str
    settled_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An exception with an owner and a day [key: finding_id]; `alarm_key`, unique, is the same for the same exception.

    `subject` is what it is about (`proposal:<id>`, `person:<id>`, ...), `about` the people it is about and `evidence` the SHA-256 of files,
    each joined by |. `facts_json` holds ids, codes, counts and amounts in minor units; `text`, `remedy` and `closing` are words of people.
    `owner_id` is empty while nobody owns it. How it came here is in the audit entries about `finding:<id>`.
    """

    finding_id: str
    alarm_key: str
    control: str
    subject: str
    severity: str
    state: str
    owner_id: str
    about: str
    due: date
    facts_json: str
    text: str
    opened_by: str
    opened_at: datetime
    assigned_at: datetime
    remedy: str
    evidence: str
    remedied_by: str
    remedied_at: datetime | None
    closing: str
    closed_as: str
    closed_by: str
    closed_at: datetime | None
    times_reopened: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdverseAction:
    """What a person says a reduction or a refusal is to the customer, and what became of the notice [key: proposal_id].

    `kind` is of `states.Unwelcome`, `suggested` and `classified` of `states.AdverseClass`; `reason` are words of the person where he
    differs or the class needs them. `reasons_json` holds the principal reasons, up to four English sentences. Days are the company's:
    `notice_due` and `retain_until` are None where the profile asks for neither; `asked_on` is when the customer asked for the reasons.
    """

    proposal_id: str
    kind: str
    profile: str
    suggested: str
    classified: str
    reason: str
    reasons_json: str
    confirmed_by: str
    confirmed_at: datetime
    notice_due: date | None
    notified_on: date | None
    notified_by: str
    letter_sha256: str
    asked_on: date | None
    reasons_due: date | None
    reasons_given_on: date | None
    retain_until: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerLetter:
    """A letter to a customer about an applied change [key: letter_id]; unique per change_id. Its page is `file` of the data folder.

    `kind` is of `states.LetterKind`, `state` of `states.LetterState`; `settled_by` released or dropped it, the latter for a `reason`.
    """

    letter_id: str
    change_id: str
    customer_id: str
    kind: str
    language: str
    file: str
    sha256: str
    state: str
    drafted_at: datetime
    settled_by: str
    settled_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A fact: what an account owner expects a customer to owe, or to buy, in [valid_from, valid_to) [key: forecast_id].

    `kind` is of `states.ForecastKind`: the highest balance (peak), or sales with payment terms of `terms_days` net. `source` is the
    SHA-256 of the file it came in, else empty.
    """

    forecast_id: str
    customer_id: str
    owner_id: str
    kind: str
    amount_minor: int
    currency: str
    terms_days: int | None
    valid_from: date
    valid_to: date
    reason: str
    source: str
    recorded_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastOutcome:
    """A fact: how a forecast ended, once [key: forecast_id]: withdrawn by a person before its days began, or compared with the ledger.

    `kind` is of `states.ForecastEnd`. `actual_minor` is the highest balance of its days, minor units of its currency, by the ledger of
    `review_id`; None when withdrawn.
    """

    forecast_id: str
    kind: str
    actual_minor: int | None
    review_id: str | None
    ended_by: str
    reason: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One row of audit_log [key: seq]; `body` is the exact text hashed, the other columns are copies for queries."""

    seq: int
    prev: str
    leaf: str
    action: str
    actor: str
    entity: str
    ts: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """The end of the log, one row [key: id], id 1. `frontier` is a JSON array of hex subtree roots, largest first."""

    id: int
    size: int
    leaf: str
    ts: str
    frontier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPayload:
    """Erasable part of an entry [key: seq]: names and free text under a random salt. Both None once erased."""

    seq: int
    salt: str | None
    payload: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReadRequest:
    """What somebody read with a database role that only reads [key: request_id]: `account` is his login role.

    `taken_at` is when it became an entry of the log; None until then.
    """

    request_id: str
    asked_at: datetime
    account: str
    what: str
    about: str
    taken_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCheckpoint:
    """A signed note over the first `size` entries [key: size]. A convenience copy: the evidence is outside the database."""

    size: int
    note: str
