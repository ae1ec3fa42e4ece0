-- Plates of vehicles that are searched for: stolen, blocked, or cloned. Rows are only added: an entry, and its removal. Reviewers and the
-- writer have no right on the table: they see the hit of a case. Every row is an entry of the audit log, every look a line of the access log.
CREATE TABLE watch_changes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plate       text NOT NULL CHECK (plate ~ '^[A-Z0-9]{3,12}$'),
    change      text NOT NULL CHECK (change IN ('listed', 'removed')),
    reason      text NOT NULL CHECK (reason IN ('stolen', 'blocked', 'cloned')),
    vehicle     text CHECK (vehicle IN ('car', 'motorcycle', 'bus', 'truck')),
    source      text NOT NULL CHECK (length(source) BETWEEN 1 AND 500),
    valid_until date NOT NULL,
    changed_by  text NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    nonce       uuid UNIQUE,
    signature   text
);
CREATE INDEX watch_changes_plate ON watch_changes (plate, id);

CREATE TRIGGER watch_changes_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON watch_changes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER watch_changes_logged AFTER INSERT ON watch_changes FOR EACH ROW EXECUTE FUNCTION log_row('watch', 'id', '{}');
