-- How many readers called a campaign spam.

-- +goose Up

-- The empty provider is all of them together, any other a keyed hash of the
-- domain of addresses. n is of all time; fresh is since the campaign last paused
-- itself for it.
CREATE TABLE complaint (
    campaign BIGINT NOT NULL,
    provider TEXT NOT NULL,
    n        INTEGER NOT NULL CHECK (n > 0),
    fresh    INTEGER NOT NULL CHECK (fresh BETWEEN 0 AND n),
    PRIMARY KEY (campaign, provider)
);

-- +goose Down
DROP TABLE complaint;
