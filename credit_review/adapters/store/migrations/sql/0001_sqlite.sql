-- Triggers of revision 0001 for SQLite. Statements are separated by blank lines. The text of RAISE is the name of the rule.
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'audit_log_append_only'); END

CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'audit_log_append_only'); END

-- INSERT OR REPLACE would delete a row without firing the trigger above, so an insert that meets an existing row is refused here
CREATE TRIGGER audit_log_links BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE seq = NEW.seq OR leaf = NEW.leaf OR prev = NEW.prev)
  OR NEW.seq <> COALESCE((SELECT MAX(seq) + 1 FROM audit_log), 0)
  OR NEW.prev <> COALESCE((SELECT leaf FROM audit_log WHERE seq = NEW.seq - 1),
                          '0000000000000000000000000000000000000000000000000000000000000000')
BEGIN SELECT RAISE(ABORT, 'audit_log_gap_or_fork'); END

CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head BEGIN SELECT RAISE(ABORT, 'audit_head_never_back'); END

CREATE TRIGGER audit_head_never_back BEFORE UPDATE ON audit_head WHEN NEW.size <= OLD.size OR NEW.ts < OLD.ts
BEGIN SELECT RAISE(ABORT, 'audit_head_never_back'); END

CREATE TRIGGER audit_head_no_second BEFORE INSERT ON audit_head WHEN EXISTS (SELECT 1 FROM audit_head)
BEGIN SELECT RAISE(ABORT, 'audit_head_never_back'); END

CREATE TRIGGER audit_payload_erase_only BEFORE UPDATE ON audit_payload
WHEN NEW.seq <> OLD.seq OR NEW.salt IS NOT NULL OR NEW.payload IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'audit_payload_erase_only'); END

CREATE TRIGGER audit_payload_no_delete BEFORE DELETE ON audit_payload BEGIN SELECT RAISE(ABORT, 'audit_payload_erase_only'); END

CREATE TRIGGER audit_payload_no_replace BEFORE INSERT ON audit_payload
WHEN EXISTS (SELECT 1 FROM audit_payload WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'audit_payload_erase_only'); END

CREATE TRIGGER audit_checkpoint_no_update BEFORE UPDATE ON audit_checkpoint BEGIN SELECT RAISE(ABORT, 'audit_checkpoint_append_only'); END

CREATE TRIGGER audit_checkpoint_no_delete BEFORE DELETE ON audit_checkpoint BEGIN SELECT RAISE(ABORT, 'audit_checkpoint_append_only'); END

CREATE TRIGGER approval_decision_distinct_people BEFORE INSERT ON approval_decision
WHEN EXISTS (SELECT 1 FROM approval_decision d WHERE d.proposal_id = NEW.proposal_id
             AND (d.approver_id = NEW.on_behalf_of OR d.on_behalf_of = NEW.approver_id OR d.on_behalf_of = NEW.on_behalf_of))
BEGIN SELECT RAISE(ABORT, 'approval_decision_distinct_people'); END

CREATE TRIGGER approval_decision_maker_is_not_approver BEFORE INSERT ON approval_decision
WHEN EXISTS (SELECT 1 FROM proposal_maker m WHERE m.proposal_id = NEW.proposal_id AND m.person_id IN (NEW.approver_id, NEW.on_behalf_of))
BEGIN SELECT RAISE(ABORT, 'maker_is_not_approver'); END

CREATE TRIGGER proposal_maker_is_not_approver BEFORE INSERT ON proposal_maker
WHEN EXISTS (SELECT 1 FROM approval_decision d WHERE d.proposal_id = NEW.proposal_id
             AND (d.approver_id = NEW.person_id OR d.on_behalf_of = NEW.person_id))
BEGIN SELECT RAISE(ABORT, 'maker_is_not_approver'); END

CREATE TRIGGER limit_proposal_moves_forward BEFORE UPDATE OF state ON limit_proposal
WHEN NEW.state <> OLD.state AND NOT (
     OLD.state = 'draft' AND NEW.state IN ('pending', 'approved', 'rejected', 'returned', 'expired', 'superseded')
  OR OLD.state = 'pending' AND NEW.state IN ('approved', 'rejected', 'returned', 'expired', 'superseded')
  OR OLD.state = 'approved' AND NEW.state IN ('applied', 'rejected', 'expired', 'superseded'))
BEGIN SELECT RAISE(ABORT, 'limit_proposal_moves_forward'); END

CREATE TRIGGER limit_proposal_no_delete BEFORE DELETE ON limit_proposal BEGIN SELECT RAISE(ABORT, 'limit_proposal_no_delete'); END
