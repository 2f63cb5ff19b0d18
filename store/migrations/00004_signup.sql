-- People sign up by themselves, and agree to a version of the policy.

-- +goose Up

-- A sign-up that waits for the click from its address. What was asked for is
-- sealed under a key of its own, which goes when the sign-up ends.
CREATE TABLE signup (
    id      BIGINT PRIMARY KEY,
    address TEXT NOT NULL,
    state   TEXT NOT NULL CHECK (state IN ('waiting', 'confirmed', 'expired')),
    created BIGINT NOT NULL,
    until   BIGINT NOT NULL,
    ended   BIGINT,
    letter  BIGINT NOT NULL,
    sealed  TEXT NOT NULL,
    CHECK ((state = 'waiting') = (ended IS NULL)),
    CHECK (state = 'waiting' OR sealed = '')
);
CREATE INDEX signup_address ON signup (address, created);
CREATE INDEX signup_waiting ON signup (until) WHERE state = 'waiting';
CREATE INDEX signup_ended ON signup (ended) WHERE state <> 'waiting';

-- How many sign-ups came from a network within an hour; the empty network is
-- all of them together. A network is a keyed hash.
CREATE TABLE signup_count (
    network TEXT NOT NULL,
    hour    BIGINT NOT NULL,
    n       INTEGER NOT NULL CHECK (n > 0),
    PRIMARY KEY (network, hour)
);

-- What stands on forms that were given out to be put on other sites.
CREATE TABLE signup_wording (
    hash    TEXT PRIMARY KEY,
    wording TEXT NOT NULL,
    created BIGINT NOT NULL
);

-- Accounts whose registration was confirmed, each once; account is a keyed hash.
CREATE TABLE registration (
    account TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    at      BIGINT NOT NULL
);
CREATE INDEX registration_address ON registration (address);

-- Who was welcomed to a topic.
CREATE TABLE welcomed (
    address TEXT NOT NULL,
    topic   INTEGER NOT NULL REFERENCES topic (id),
    at      BIGINT NOT NULL,
    PRIMARY KEY (address, topic)
);

-- The versions of the policy. What a version says never changes.
CREATE TABLE policy_version (
    number    INTEGER PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,
    hash      TEXT NOT NULL,
    wording   TEXT NOT NULL,
    purposes  TEXT NOT NULL,
    material  INTEGER NOT NULL CHECK (material IN (0, 1)),
    state     TEXT NOT NULL CHECK (state IN ('announced', 'in_force', 'replaced', 'withdrawn')),
    posted    BIGINT NOT NULL,
    effective BIGINT NOT NULL,
    ended     BIGINT,
    CHECK (effective >= posted),
    CHECK ((state IN ('replaced', 'withdrawn')) = (ended IS NOT NULL))
);
CREATE UNIQUE INDEX policy_version_in_force ON policy_version (state) WHERE state = 'in_force';

-- What a campaign uses data for, and the version of the policy that it is about.
ALTER TABLE campaign ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
ALTER TABLE campaign ADD COLUMN policy TEXT NOT NULL DEFAULT '';
ALTER TABLE campaign ADD COLUMN kind TEXT NOT NULL DEFAULT '' CHECK (kind IN ('', 'policy_notice', 'consent_request', 'welcome'));

-- Letters know new kinds. SQLite cannot change a CHECK, so that the table is made
-- anew; which kinds there are is said by those who write them.
CREATE TABLE correspondence_new (
    id      BIGINT PRIMARY KEY,
    kind    TEXT NOT NULL CHECK (kind <> ''),
    state   TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'rejected', 'dropped')),
    caseno  BIGINT,
    inbound BIGINT,
    address TEXT NOT NULL DEFAULT '',
    holder  TEXT NOT NULL,
    sealed  TEXT NOT NULL,
    created BIGINT NOT NULL,
    ended   BIGINT,
    code    INTEGER NOT NULL DEFAULT 0,
    CHECK ((state = 'waiting') = (ended IS NULL))
);
INSERT INTO correspondence_new (id, kind, state, caseno, inbound, address, holder, sealed, created, ended, code)
    SELECT id, kind, state, caseno, inbound, address, holder, sealed, created, ended, code FROM correspondence;
DROP TABLE correspondence;
ALTER TABLE correspondence_new RENAME TO correspondence;
CREATE INDEX correspondence_case ON correspondence (caseno);
CREATE INDEX correspondence_address ON correspondence (address, created);
CREATE UNIQUE INDEX correspondence_inbound ON correspondence (inbound, kind);
CREATE INDEX correspondence_sent ON correspondence (ended) WHERE state = 'sent';

-- +goose Down
ALTER TABLE campaign DROP COLUMN kind;
ALTER TABLE campaign DROP COLUMN policy;
ALTER TABLE campaign DROP COLUMN purpose;
DROP TABLE policy_version;
DROP TABLE welcomed;
DROP TABLE registration;
DROP TABLE signup_wording;
DROP TABLE signup_count;
DROP TABLE signup;
