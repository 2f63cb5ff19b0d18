-- One text for SQLite and PostgreSQL. Times are microseconds since 1970 (UTC),
-- address keys and hashes are text, and every state machine is a CHECK.

-- +goose Up

-- Numbers are handed out by locked rows rather than by sequences, so that a
-- lower number is never committed after a higher one: the audience of a
-- campaign is an upper bound on the person's number.
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE topic (
    id   INTEGER PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
);

CREATE TABLE service (
    id   INTEGER PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
);

-- The unit of every decision. A row is made when first needed, also for
-- somebody never stored; state is the fold of the address's ledger rows.
CREATE TABLE address (
    key   TEXT PRIMARY KEY CHECK (length(key) = 18),
    state TEXT NOT NULL DEFAULT '{}'
);

CREATE TABLE person (
    id         BIGINT PRIMARY KEY,
    subject    TEXT NOT NULL UNIQUE,
    address    TEXT NOT NULL UNIQUE REFERENCES address (key),
    email      TEXT NOT NULL,
    first_name TEXT NOT NULL DEFAULT '',
    last_name  TEXT NOT NULL DEFAULT '',
    company    TEXT NOT NULL DEFAULT '',
    language   TEXT NOT NULL DEFAULT '',
    time_zone  TEXT NOT NULL DEFAULT '',
    attrs      TEXT NOT NULL DEFAULT '{}',
    created    BIGINT NOT NULL,
    updated    BIGINT NOT NULL
);

CREATE TABLE external_id (
    id     TEXT PRIMARY KEY,
    person BIGINT NOT NULL REFERENCES person (id)
);
CREATE INDEX external_id_person ON external_id (person);

CREATE TABLE holding (
    service INTEGER NOT NULL REFERENCES service (id),
    person  BIGINT NOT NULL REFERENCES person (id),
    PRIMARY KEY (service, person)
);
CREATE INDEX holding_person ON holding (person);

-- Append-only; hash covers the row and the hash before it.
CREATE TABLE ledger (
    seq           BIGINT PRIMARY KEY,
    address       TEXT NOT NULL,
    subject       TEXT NOT NULL,
    scope         TEXT NOT NULL,
    choice        TEXT NOT NULL CHECK (choice IN ('in', 'out', 'set', 'lift', 'note')),
    received      BIGINT NOT NULL,
    recorded      BIGINT NOT NULL,
    via           TEXT NOT NULL CHECK (via IN ('page', 'one_click', 'mail', 'confirmed', 'api', 'import',
                                               'staff', 'bounce', 'spam_report', 'system')),
    source        TEXT NOT NULL,
    policy        TEXT NOT NULL,
    policy_hash   TEXT NOT NULL,
    authenticated INTEGER NOT NULL CHECK (authenticated IN (0, 1)),
    evidence      TEXT NOT NULL,
    hash          TEXT NOT NULL
);
CREATE INDEX ledger_address ON ledger (address, seq);

CREATE TABLE chain (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seq  BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO chain (one, seq, hash) VALUES (1, 0, '');

-- Evidence, sealed under a key of its person; the key lies elsewhere.
CREATE TABLE annex (
    seq    BIGINT PRIMARY KEY,
    holder TEXT NOT NULL,
    sealed TEXT NOT NULL
);
CREATE INDEX annex_holder ON annex (holder);

-- An opt-out that found open claims: when it was acknowledged, and how many
-- messages were then still on their way.
CREATE TABLE barrier (
    seq       BIGINT PRIMARY KEY,
    opened    INTEGER NOT NULL,
    acked     BIGINT,
    in_flight INTEGER
);

CREATE TABLE campaign (
    id         BIGINT PRIMARY KEY,
    name       TEXT NOT NULL,
    class      TEXT NOT NULL CHECK (class IN ('newsletter', 'partner_offer', 'registration', 'alert', 'legal', 'correspondence')),
    topic      INTEGER REFERENCES topic (id),
    service    INTEGER REFERENCES service (id),
    state      TEXT NOT NULL CHECK (state IN ('draft', 'scheduled', 'sending', 'paused', 'done', 'cancelled', 'missed', 'failed')),
    source     TEXT NOT NULL,
    audience   TEXT NOT NULL,
    only_to    TEXT NOT NULL DEFAULT '',
    alert_key  TEXT UNIQUE,
    rate       DOUBLE PRECISION NOT NULL DEFAULT 0,
    created    BIGINT NOT NULL,
    scheduled  BIGINT,
    start_by   BIGINT,
    started    BIGINT,
    ended      BIGINT,
    bound      BIGINT NOT NULL DEFAULT 0,
    fan_cursor BIGINT NOT NULL DEFAULT 0,
    fanned     INTEGER NOT NULL DEFAULT 0 CHECK (fanned IN (0, 1)),
    note       TEXT NOT NULL DEFAULT '',
    CHECK (class <> 'newsletter' OR topic IS NOT NULL),
    CHECK (class <> 'alert' OR service IS NOT NULL),
    CHECK (state NOT IN ('sending', 'paused', 'done') OR started IS NOT NULL),
    CHECK (state <> 'scheduled' OR scheduled IS NOT NULL)
);

-- One row per campaign and address key: what became of the message. While a
-- claim row names it, it is in flight.
CREATE TABLE delivery (
    campaign BIGINT NOT NULL REFERENCES campaign (id),
    address  TEXT NOT NULL,
    person   BIGINT,
    state    TEXT NOT NULL CHECK (state IN ('waiting', 'deferred', 'accepted', 'rejected', 'skipped', 'uncertain')),
    reason   TEXT NOT NULL DEFAULT '' CHECK (reason IN ('', 'opted_out', 'no_consent', 'suppressed', 'dead_address', 'on_hold',
                 'restricted', 'erased', 'capped', 'policy', 'unrenderable', 'expired', 'cancelled')),
    job      BIGINT,
    token    BIGINT NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    code     INTEGER NOT NULL DEFAULT 0,
    status   TEXT NOT NULL DEFAULT '',
    claimed  BIGINT,
    end_at   BIGINT,
    returned BIGINT,
    changed  BIGINT NOT NULL,
    PRIMARY KEY (campaign, address),
    CHECK ((state = 'skipped') = (reason <> '')),
    CHECK (state NOT IN ('accepted', 'uncertain') OR claimed IS NOT NULL),
    CHECK (returned IS NULL OR state IN ('accepted', 'uncertain'))
);
CREATE INDEX delivery_job ON delivery (job);

-- Open claims: written before the end of a message, gone with its result.
CREATE TABLE claim (
    campaign BIGINT NOT NULL,
    address  TEXT NOT NULL,
    token    BIGINT NOT NULL,
    worker   TEXT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (campaign, address)
);
CREATE INDEX claim_address ON claim (address);

CREATE TABLE retry (
    campaign BIGINT NOT NULL,
    address  TEXT NOT NULL,
    due      BIGINT NOT NULL,
    PRIMARY KEY (campaign, address)
);
CREATE INDEX retry_due ON retry (due);

-- Work to be done; Redis only carries the number and the generation.
CREATE TABLE job (
    id         BIGINT PRIMARY KEY,
    queue      TEXT NOT NULL CHECK (queue IN ('preference', 'alert', 'privacy', 'newsletter')),
    kind       TEXT NOT NULL CHECK (kind IN ('send', 'confirm', 'notice', 'erase')),
    state      TEXT NOT NULL CHECK (state IN ('ready', 'carried', 'running', 'done', 'failed')),
    generation INTEGER NOT NULL DEFAULT 0,
    due        BIGINT NOT NULL,
    campaign   BIGINT,
    subject    BIGINT,
    worker     TEXT NOT NULL DEFAULT '',
    attempts   INTEGER NOT NULL DEFAULT 0,
    note       TEXT NOT NULL DEFAULT '',
    changed    BIGINT NOT NULL,
    CHECK (kind <> 'send' OR campaign IS NOT NULL),
    CHECK (state <> 'running' OR worker <> '')
);
CREATE INDEX job_ready ON job (queue, due) WHERE state = 'ready';
CREATE INDEX job_moving ON job (changed) WHERE state IN ('carried', 'running');
CREATE INDEX job_campaign ON job (campaign) WHERE state IN ('ready', 'carried', 'running');

CREATE TABLE worker (
    id       TEXT PRIMARY KEY,
    place    TEXT NOT NULL,
    role     TEXT NOT NULL,
    capacity INTEGER NOT NULL,
    started  BIGINT NOT NULL,
    beat     BIGINT NOT NULL
);

CREATE TABLE mailbox (
    name        TEXT PRIMARY KEY,
    lease_owner TEXT NOT NULL DEFAULT '',
    lease_until BIGINT NOT NULL DEFAULT 0,
    seen        BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE privacy_case (
    id            BIGINT PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (kind IN ('erasure', 'access', 'rectification', 'objection', 'complaint', 'guardian', 'review')),
    state         TEXT NOT NULL CHECK (state IN ('open', 'waiting', 'confirmed', 'done', 'refused')),
    identity      TEXT NOT NULL CHECK (identity IN ('unknown', 'claimed', 'confirmed')),
    address       TEXT NOT NULL DEFAULT '',
    email         TEXT NOT NULL DEFAULT '',
    mailbox       TEXT NOT NULL,
    language      TEXT NOT NULL DEFAULT '',
    received      BIGINT NOT NULL,
    due           BIGINT NOT NULL,
    confirm_until BIGINT,
    asked         INTEGER NOT NULL DEFAULT 0,
    ended         BIGINT,
    outcome       TEXT NOT NULL DEFAULT '',
    CHECK ((state IN ('done', 'refused')) = (ended IS NOT NULL)),
    CHECK (state <> 'confirmed' OR identity = 'confirmed')
);
CREATE INDEX case_address ON privacy_case (address);

CREATE TABLE inbound (
    id       BIGINT PRIMARY KEY,
    mailbox  TEXT NOT NULL,
    validity BIGINT NOT NULL,
    uid      BIGINT NOT NULL,
    digest   TEXT NOT NULL,
    received BIGINT NOT NULL,
    recorded BIGINT NOT NULL,
    kind     TEXT NOT NULL,
    outcome  TEXT NOT NULL CHECK (outcome IN ('opted_out', 'case', 'returned', 'spam_report', 'no_action', 'tray', 'duplicate')),
    folder   TEXT NOT NULL CHECK (folder IN ('Processed', 'Review')),
    address  TEXT NOT NULL DEFAULT '',
    caseno   BIGINT,
    ledger   BIGINT,
    rules    TEXT NOT NULL,
    UNIQUE (mailbox, validity, uid),
    CHECK ((outcome = 'case') = (caseno IS NOT NULL))
);
CREATE UNIQUE INDEX inbound_digest ON inbound (mailbox, digest) WHERE outcome <> 'duplicate';

-- +goose Down
DROP TABLE inbound;
DROP TABLE privacy_case;
DROP TABLE mailbox;
DROP TABLE worker;
DROP TABLE job;
DROP TABLE retry;
DROP TABLE claim;
DROP TABLE delivery;
DROP TABLE campaign;
DROP TABLE barrier;
DROP TABLE annex;
DROP TABLE chain;
DROP TABLE ledger;
DROP TABLE holding;
DROP TABLE external_id;
DROP TABLE person;
DROP TABLE address;
DROP TABLE service;
DROP TABLE topic;
DROP TABLE counter;
