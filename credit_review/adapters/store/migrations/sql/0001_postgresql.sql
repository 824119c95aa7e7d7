-- Triggers of revision 0001 for PostgreSQL. Statements are separated by blank lines. CONSTRAINT names the rule.
CREATE FUNCTION credit_review_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_ARGV[0];
END $$

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
FOR EACH ROW EXECUTE FUNCTION credit_review_refuse('audit_log_append_only')

CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION credit_review_refuse('audit_log_append_only')

CREATE FUNCTION credit_review_audit_links() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  last_seq bigint; last_leaf text;
BEGIN
  SELECT seq, leaf INTO last_seq, last_leaf FROM audit_log ORDER BY seq DESC LIMIT 1;
  IF NEW.seq <> coalesce(last_seq + 1, 0) OR NEW.prev <> coalesce(last_leaf, repeat('0', 64)) THEN
    RAISE EXCEPTION 'audit_log_gap_or_fork' USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'audit_log_gap_or_fork';
  END IF;
  RETURN NEW;
END $$

CREATE TRIGGER audit_log_links BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION credit_review_audit_links()

CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head
FOR EACH ROW EXECUTE FUNCTION credit_review_refuse('audit_head_never_back')

CREATE TRIGGER audit_head_never_back BEFORE UPDATE ON audit_head
FOR EACH ROW WHEN (NEW.size <= OLD.size OR NEW.ts < OLD.ts) EXECUTE FUNCTION credit_review_refuse('audit_head_never_back')

CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_head
FOR EACH STATEMENT EXECUTE FUNCTION credit_review_refuse('audit_head_never_back')

CREATE TRIGGER audit_payload_erase_only BEFORE UPDATE ON audit_payload
FOR EACH ROW WHEN (NEW.seq <> OLD.seq OR NEW.salt IS NOT NULL OR NEW.payload IS NOT NULL)
EXECUTE FUNCTION credit_review_refuse('audit_payload_erase_only')

CREATE TRIGGER audit_payload_no_delete BEFORE DELETE ON audit_payload
FOR EACH ROW EXECUTE FUNCTION credit_review_refuse('audit_payload_erase_only')

CREATE TRIGGER audit_payload_no_truncate BEFORE TRUNCATE ON audit_payload
FOR EACH STATEMENT EXECUTE FUNCTION credit_review_refuse('audit_payload_erase_only')

CREATE TRIGGER audit_checkpoint_append_only BEFORE UPDATE OR DELETE ON audit_checkpoint
FOR EACH ROW EXECUTE FUNCTION credit_review_refuse('audit_checkpoint_append_only')

-- The proposal's row lock makes two deciders, or a decider and a maker, take turns: each sees what the other stored
CREATE FUNCTION credit_review_decision_people() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM limit_proposal WHERE proposal_id = NEW.proposal_id FOR UPDATE;
  IF EXISTS (SELECT 1 FROM approval_decision d WHERE d.proposal_id = NEW.proposal_id
             AND (d.approver_id = NEW.on_behalf_of OR d.on_behalf_of = NEW.approver_id OR d.on_behalf_of = NEW.on_behalf_of)) THEN
    RAISE EXCEPTION 'approval_decision_distinct_people'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_decision_distinct_people';
  END IF;
  IF EXISTS (SELECT 1 FROM proposal_maker m WHERE m.proposal_id = NEW.proposal_id
             AND m.person_id IN (NEW.approver_id, NEW.on_behalf_of)) THEN
    RAISE EXCEPTION 'maker_is_not_approver' USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'maker_is_not_approver';
  END IF;
  RETURN NEW;
END $$

CREATE TRIGGER approval_decision_people BEFORE INSERT ON approval_decision
FOR EACH ROW EXECUTE FUNCTION credit_review_decision_people()

CREATE FUNCTION credit_review_maker_people() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM limit_proposal WHERE proposal_id = NEW.proposal_id FOR UPDATE;
  IF EXISTS (SELECT 1 FROM approval_decision d WHERE d.proposal_id = NEW.proposal_id
             AND (d.approver_id = NEW.person_id OR d.on_behalf_of = NEW.person_id)) THEN
    RAISE EXCEPTION 'maker_is_not_approver' USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'maker_is_not_approver';
  END IF;
  RETURN NEW;
END $$

CREATE TRIGGER proposal_maker_people BEFORE INSERT ON proposal_maker
FOR EACH ROW EXECUTE FUNCTION credit_review_maker_people()

CREATE TRIGGER limit_proposal_moves_forward BEFORE UPDATE ON limit_proposal
FOR EACH ROW WHEN (NEW.state <> OLD.state AND NOT (
     OLD.state = 'draft' AND NEW.state IN ('pending', 'approved', 'rejected', 'returned', 'expired', 'superseded')
  OR OLD.state = 'pending' AND NEW.state IN ('approved', 'rejected', 'returned', 'expired', 'superseded')
  OR OLD.state = 'approved' AND NEW.state IN ('applied', 'rejected', 'expired', 'superseded')))
EXECUTE FUNCTION credit_review_refuse('limit_proposal_moves_forward')

CREATE TRIGGER limit_proposal_no_delete BEFORE DELETE ON limit_proposal
FOR EACH ROW EXECUTE FUNCTION credit_review_refuse('limit_proposal_no_delete')
