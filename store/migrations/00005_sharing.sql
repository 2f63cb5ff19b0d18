-- +goose Up

-- Messages that go out whatever people opted out of are somebody's act: who sent
-- an alert or wrote a notice, and what a second person decided about those who
-- had as many alerts as they get.
ALTER TABLE campaign ADD COLUMN sent_by TEXT NOT NULL DEFAULT '';
ALTER TABLE campaign ADD COLUMN over_cap TEXT NOT NULL DEFAULT '' CHECK (over_cap IN ('', 'approved', 'refused'));
ALTER TABLE campaign ADD COLUMN notice TEXT NOT NULL DEFAULT '' CHECK (notice IN ('', 'legal', 'sale'));

-- What staff did that has to be accounted for. Append-only; hash covers the row
-- and the hash before it. about is a number: of a campaign, a disclosure, a check.
CREATE TABLE staff_act (
    id      BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind <> ''),
    staff   TEXT NOT NULL CHECK (staff <> ''),
    second  TEXT NOT NULL DEFAULT '',
    about   BIGINT NOT NULL,
    address TEXT NOT NULL DEFAULT '',
    said    TEXT NOT NULL,
    hash    TEXT NOT NULL
);
CREATE INDEX staff_act_about ON staff_act (kind, about);
CREATE INDEX staff_act_address ON staff_act (address) WHERE address <> '';

-- A document by which an authority may be given somebody's data: written down
-- before anything is given, and approved by another person.
CREATE TABLE disclosure (
    id          BIGINT PRIMARY KEY,
    document    TEXT NOT NULL CHECK (document <> ''),
    authority   TEXT NOT NULL CHECK (authority <> ''),
    asked_by    TEXT NOT NULL CHECK (asked_by <> ''),
    approved_by TEXT NOT NULL CHECK (approved_by <> asked_by),
    created     BIGINT NOT NULL
);

-- Somebody says that they use a service no more. Alerts go on until the product
-- or staff say so too.
CREATE TABLE service_check (
    id      BIGINT PRIMARY KEY,
    address TEXT NOT NULL,
    service INTEGER NOT NULL REFERENCES service (id),
    state   TEXT NOT NULL CHECK (state IN ('open', 'ended', 'kept')),
    asked   BIGINT NOT NULL,
    ended   BIGINT,
    CHECK ((state = 'open') = (ended IS NULL))
);
CREATE UNIQUE INDEX service_check_open ON service_check (address, service) WHERE state = 'open';

-- Who is told of something about a person and has to answer: a partner, that
-- somebody shares no more; the product, that somebody uses a service no more. Its
-- numbers are those of system_notice too, so that one kind of job tells both.
CREATE TABLE outside_notice (
    id      BIGINT PRIMARY KEY,
    kind    TEXT NOT NULL CHECK (kind IN ('sharing', 'service')),
    party   TEXT NOT NULL,
    name    TEXT NOT NULL,
    address TEXT NOT NULL,
    about   BIGINT,
    holder  TEXT NOT NULL,
    sealed  TEXT NOT NULL,
    state   TEXT NOT NULL CHECK (state IN ('due', 'accepted', 'done')),
    created BIGINT NOT NULL,
    asked   BIGINT,
    tries   INTEGER NOT NULL DEFAULT 0,
    ended   BIGINT,
    CHECK ((state = 'done') = (ended IS NOT NULL)),
    CHECK ((kind = 'service') = (about IS NOT NULL))
);
CREATE INDEX outside_notice_address ON outside_notice (address);
CREATE INDEX outside_notice_open ON outside_notice (party, created) WHERE ended IS NULL;

-- Whose data a partner has got.
CREATE TABLE shared (
    address TEXT NOT NULL,
    partner TEXT NOT NULL,
    since   BIGINT NOT NULL,
    PRIMARY KEY (address, partner)
);

-- How new the file of a partner is. since is the first change that is not in it.
CREATE TABLE feed (
    partner  TEXT PRIMARY KEY,
    version  BIGINT NOT NULL,
    built    BIGINT NOT NULL DEFAULT 0,
    since    BIGINT,
    built_at BIGINT,
    people   BIGINT NOT NULL DEFAULT 0,
    CHECK ((version > built) = (since IS NOT NULL))
);

-- Bundles that were taken over from another business, each by the head of its
-- ledger, and the limits in them whose addresses nobody knows any more: keys under
-- the other business's pepper, which lies beside our own keys.
CREATE TABLE transfer (
    head   TEXT PRIMARY KEY,
    name   TEXT NOT NULL,
    signer TEXT NOT NULL,
    at     BIGINT NOT NULL
);
CREATE TABLE transferred_limit (
    key  TEXT NOT NULL,
    head TEXT NOT NULL REFERENCES transfer (head),
    at   BIGINT NOT NULL,
    PRIMARY KEY (key, head)
);

-- +goose Down
DROP TABLE transferred_limit;
DROP TABLE transfer;
DROP TABLE feed;
DROP TABLE shared;
DROP TABLE outside_notice;
DROP TABLE service_check;
DROP TABLE disclosure;
DROP TABLE staff_act;
ALTER TABLE campaign DROP COLUMN notice;
ALTER TABLE campaign DROP COLUMN over_cap;
ALTER TABLE campaign DROP COLUMN sent_by;
