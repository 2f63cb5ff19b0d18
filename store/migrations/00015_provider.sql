-- How many readers a mail provider has among people and of a campaign, without a
-- look at everybody.

-- +goose Up

-- What follows the last @ of an address: cut from the right what is no @, and take
-- away what is left.
CREATE INDEX person_domain ON person ((replace(email, rtrim(email, replace(email, '@', '')), '')));

-- accepted is how many readers a count has found; there are as many at least.
ALTER TABLE complaint ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE complaint DROP COLUMN accepted;
DROP INDEX person_domain;
