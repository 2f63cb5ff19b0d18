-- +goose Up

-- What keeps a batch waiting, by the name of the limit; empty: nothing.
ALTER TABLE job ADD COLUMN pace TEXT NOT NULL DEFAULT '';
CREATE INDEX job_paced ON job (pace, campaign, due) WHERE state = 'ready' AND pace <> '';

-- A relay or a provider that gets more day by day: how much of a day is used.
CREATE TABLE warm_up (
    name TEXT NOT NULL,
    day  BIGINT NOT NULL,
    step INTEGER NOT NULL CHECK (step >= 0),
    used INTEGER NOT NULL CHECK (used >= 0),
    PRIMARY KEY (name, day)
);

-- What each worker knows of limits and relays, for those who look.
CREATE TABLE pace_note (
    worker  TEXT NOT NULL,
    name    TEXT NOT NULL,
    state   TEXT NOT NULL CHECK (state IN ('', 'closed', 'half_open', 'open')),
    rate    DOUBLE PRECISION NOT NULL,
    ceiling DOUBLE PRECISION NOT NULL,
    cut     DOUBLE PRECISION NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (worker, name)
);

-- Cuts that somebody has asked to be forgotten.
CREATE TABLE pace_clear (
    name TEXT PRIMARY KEY,
    at   BIGINT NOT NULL
);

-- Mails with the same words make one line on the desk. likeness is a keyed hash
-- of the words of the mail that opened a case which a person must look at.
ALTER TABLE privacy_case ADD COLUMN likeness TEXT NOT NULL DEFAULT '';

-- Which details of somebody are known, not what they are, so that it can be told
-- without a look at everybody whether a merge field is missing for anybody. 0 is
-- somebody whose details nobody has looked at yet.
CREATE TABLE shape (
    id     BIGINT PRIMARY KEY,
    fields TEXT NOT NULL UNIQUE
);
ALTER TABLE person ADD COLUMN shape BIGINT NOT NULL DEFAULT 0;
CREATE INDEX person_shape ON person (shape);

-- What is kept of a campaign that ended long ago, in place of its deliveries.
CREATE TABLE delivery_sum (
    campaign BIGINT NOT NULL REFERENCES campaign (id),
    state    TEXT NOT NULL CHECK (state IN ('accepted', 'rejected', 'skipped', 'uncertain')),
    reason   TEXT NOT NULL,
    people   BIGINT NOT NULL CHECK (people > 0),
    returned BIGINT NOT NULL CHECK (returned BETWEEN 0 AND people),
    PRIMARY KEY (campaign, state, reason)
);
ALTER TABLE campaign ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0 CHECK (pruned IN (0, 1));

-- Open claims are asked for by address and campaign, or, by whoever opts out, by
-- the address alone: one index serves both. Each message writes and deletes one.
CREATE TABLE open_claim (
    address  TEXT NOT NULL,
    campaign BIGINT NOT NULL,
    token    BIGINT NOT NULL,
    worker   TEXT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (address, campaign)
);
INSERT INTO open_claim (address, campaign, token, worker, at) SELECT address, campaign, token, worker, at FROM claim;
DROP TABLE claim;
ALTER TABLE open_claim RENAME TO claim;

-- +goose Down
CREATE TABLE old_claim (
    campaign BIGINT NOT NULL,
    address  TEXT NOT NULL,
    token    BIGINT NOT NULL,
    worker   TEXT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (campaign, address)
);
INSERT INTO old_claim (campaign, address, token, worker, at) SELECT campaign, address, token, worker, at FROM claim;
DROP TABLE claim;
ALTER TABLE old_claim RENAME TO claim;
CREATE INDEX claim_address ON claim (address);
ALTER TABLE campaign DROP COLUMN pruned;
DROP TABLE delivery_sum;
DROP INDEX person_shape;
ALTER TABLE person DROP COLUMN shape;
DROP TABLE shape;
ALTER TABLE privacy_case DROP COLUMN likeness;
DROP TABLE pace_clear;
DROP TABLE pace_note;
DROP TABLE warm_up;
DROP INDEX job_paced;
ALTER TABLE job DROP COLUMN pace;
