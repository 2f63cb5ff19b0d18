-- +goose Up

-- Each campaign's own line in a queue, so that none waits behind another.
CREATE INDEX job_line ON job (queue, (COALESCE(campaign, 0)), due) WHERE state = 'ready';

-- +goose Down
DROP INDEX job_line;
