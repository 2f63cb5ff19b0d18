-- The doors for programs: keys of the API, what they were answered, and servers
-- that are told of what happens.

-- +goose Up

-- Keys of programs. Only a digest is kept; prefix is what people tell them apart
-- by. A test key reaches a sandbox and nobody real.
CREATE TABLE api_key (
    id      BIGINT PRIMARY KEY,
    name    TEXT NOT NULL,
    prefix  TEXT NOT NULL UNIQUE,
    digest  TEXT NOT NULL UNIQUE,
    scopes  TEXT NOT NULL,
    test    INTEGER NOT NULL CHECK (test IN (0, 1)),
    created BIGINT NOT NULL,
    expires BIGINT,
    used    BIGINT,
    revoked BIGINT,
    CHECK (expires IS NULL OR expires > created)
);

-- What a request with an Idempotency-Key was answered, committed together with
-- what it did. name and print are keyed hashes of that key and of the request.
CREATE TABLE api_answer (
    api_key BIGINT NOT NULL,
    name    TEXT NOT NULL,
    print   TEXT NOT NULL,
    sealed  TEXT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (api_key, name)
);
CREATE INDEX api_answer_at ON api_answer (at);

-- Servers that are told of what happens. failing is since when nothing arrives,
-- rest until when nothing is tried.
CREATE TABLE webhook (
    id      TEXT PRIMARY KEY,
    state   TEXT NOT NULL DEFAULT 'on' CHECK (state IN ('on', 'off')),
    tries   INTEGER NOT NULL DEFAULT 0,
    failing BIGINT,
    rest    BIGINT,
    stopped BIGINT,
    CHECK ((state = 'off') = (stopped IS NOT NULL))
);

-- What they are told: subject is the random id of the person, body says what
-- happened without naming anybody. external has the ids of a person who is being
-- erased, sealed, until everybody was told.
CREATE TABLE hook_event (
    id       BIGINT PRIMARY KEY,
    kind     TEXT NOT NULL,
    at       BIGINT NOT NULL,
    subject  TEXT NOT NULL DEFAULT '',
    body     TEXT NOT NULL,
    external TEXT NOT NULL DEFAULT ''
);
CREATE INDEX hook_event_at ON hook_event (at);

-- One for each event and server. held waits until its server is on again.
CREATE TABLE hook_message (
    id      BIGINT PRIMARY KEY,
    webhook TEXT NOT NULL REFERENCES webhook (id),
    event   BIGINT NOT NULL REFERENCES hook_event (id),
    state   TEXT NOT NULL CHECK (state IN ('waiting', 'held', 'sent', 'dropped')),
    tries   INTEGER NOT NULL DEFAULT 0,
    code    INTEGER NOT NULL DEFAULT 0,
    changed BIGINT NOT NULL
);
CREATE INDEX hook_message_event ON hook_message (event);
CREATE INDEX hook_message_open ON hook_message (webhook, id) WHERE state IN ('waiting', 'held');

-- Events that mail providers sent us, so that a second copy changes nothing.
CREATE TABLE provider_event (
    digest TEXT PRIMARY KEY,
    at     BIGINT NOT NULL
);
CREATE INDEX provider_event_at ON provider_event (at);

-- Jobs know one kind more; SQLite cannot change a CHECK.
CREATE TABLE job_new (
    id         BIGINT PRIMARY KEY,
    queue      TEXT NOT NULL CHECK (queue IN ('preference', 'alert', 'privacy', 'newsletter')),
    kind       TEXT NOT NULL CHECK (kind IN ('send', 'write', 'erase', 'tell', 'alarm', 'hook')),
    state      TEXT NOT NULL CHECK (state IN ('ready', 'carried', 'running', 'done', 'failed')),
    generation INTEGER NOT NULL DEFAULT 0,
    due        BIGINT NOT NULL,
    campaign   BIGINT,
    subject    BIGINT,
    worker     TEXT NOT NULL DEFAULT '',
    attempts   INTEGER NOT NULL DEFAULT 0,
    note       TEXT NOT NULL DEFAULT '',
    changed    BIGINT NOT NULL,
    pace       TEXT NOT NULL DEFAULT '',
    CHECK (kind <> 'send' OR campaign IS NOT NULL),
    CHECK (state <> 'running' OR worker <> '')
);
INSERT INTO job_new (id, queue, kind, state, generation, due, campaign, subject, worker, attempts, note, changed, pace)
    SELECT id, queue, kind, state, generation, due, campaign, subject, worker, attempts, note, changed, pace FROM job;
DROP TABLE job;
ALTER TABLE job_new RENAME TO job;
CREATE INDEX job_ready ON job (queue, due) WHERE state = 'ready';
CREATE INDEX job_moving ON job (changed) WHERE state IN ('carried', 'running');
CREATE INDEX job_campaign ON job (campaign) WHERE state IN ('ready', 'carried', 'running');
CREATE INDEX job_paced ON job (pace, campaign, due) WHERE state = 'ready' AND pace <> '';

-- +goose Down
DELETE FROM job WHERE kind = 'hook';
DROP TABLE provider_event;
DROP TABLE hook_message;
DROP TABLE hook_event;
DROP TABLE webhook;
DROP TABLE api_answer;
DROP TABLE api_key;
