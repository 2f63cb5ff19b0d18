-- +goose Up

-- Each campaign's own line in a queue, so that none waits behind another.
CREATE INDEX job_line ON job (queue, (COALESCE(campaign, 0)), due) WHERE state = 'ready';

-- Jobs that fail: how often in a row, and since when.
ALTER TABLE job ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN failing BIGINT;
CREATE INDEX job_failing ON job (id) WHERE failures > 0;
CREATE INDEX job_failed ON job (campaign) WHERE state = 'failed';

-- +goose Down
DROP INDEX job_failed;
DROP INDEX job_failing;
ALTER TABLE job DROP COLUMN failing;
ALTER TABLE job DROP COLUMN failures;
DROP INDEX job_line;
