-- Requests seen through to their end: what heed writes to people, what they
-- wrote, and what happened to each case.

-- +goose Up

-- Everything that heed writes to one person outside campaigns is a row first,
-- with the job that sends it. What would name somebody is sealed under the key
-- of its holder, so that erasing the key leaves nothing to be read.
CREATE TABLE correspondence (
    id      BIGINT PRIMARY KEY,
    kind    TEXT NOT NULL CHECK (kind IN (
                'notice', 'answer', 'unknown', 'receipt', 'forged',
                'remind', 'staff', 'extended', 'outcome', 'refused',
                'report', 'move', 'moved', 'corrected', 'restricted', 'lifting',
                'confirm', 'erased')),
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
CREATE INDEX correspondence_case ON correspondence (caseno);
CREATE INDEX correspondence_address ON correspondence (address, created);
CREATE UNIQUE INDEX correspondence_inbound ON correspondence (inbound, kind);
CREATE INDEX correspondence_sent ON correspondence (ended) WHERE state = 'sent';

-- What a person wrote, for those who work on the case. Sealed like evidence.
CREATE TABLE mail_text (
    inbound BIGINT PRIMARY KEY,
    holder  TEXT NOT NULL,
    sealed  TEXT NOT NULL
);
CREATE INDEX mail_text_holder ON mail_text (holder);

-- What happened to a case, in order; staff names who did it, or is empty for
-- heed itself and for the person.
CREATE TABLE case_event (
    id     BIGINT PRIMARY KEY,
    caseno BIGINT NOT NULL REFERENCES privacy_case (id),
    at     BIGINT NOT NULL,
    kind   TEXT NOT NULL CHECK (kind IN ('opened', 'mail', 'asked', 'confirmed', 'reminded', 'assigned', 'answered', 'extended', 'noted',
                                         'alarmed', 'done', 'refused',
                                         'read', 'copied', 'closed_link', 'moving', 'moved', 'corrected', 'restricted', 'lifting', 'lifted',
                                         'held', 'shown', 'erasing')),
    staff  TEXT NOT NULL DEFAULT '',
    holder TEXT NOT NULL DEFAULT '',
    sealed TEXT NOT NULL DEFAULT ''
);
CREATE INDEX case_event_case ON case_event (caseno, id);

-- Why a mail may not be answered by a machine (RFC 3834); empty: it may.
ALTER TABLE inbound ADD COLUMN no_reply TEXT NOT NULL DEFAULT '';

-- Opt-outs that came by mail, each by its row of the ledger. Until undo_until a
-- link that was mailed to the address on file takes them back. What proves
-- nothing about its writer (proven = 0) may be part of a flood of forgeries: such
-- rows share a batch, and forged says when staff said so.
CREATE TABLE mail_optout (
    seq        BIGINT PRIMARY KEY,
    inbound    BIGINT NOT NULL,
    address    TEXT NOT NULL,
    recorded   BIGINT NOT NULL,
    proven     INTEGER NOT NULL CHECK (proven IN (0, 1)),
    undo_until BIGINT NOT NULL DEFAULT 0,
    undone     BIGINT,
    batch      BIGINT,
    forged     BIGINT,
    CHECK (batch IS NULL OR proven = 0),
    CHECK (forged IS NULL OR batch IS NOT NULL)
);
CREATE INDEX mail_optout_address ON mail_optout (address, seq);
CREATE INDEX mail_optout_inbound ON mail_optout (inbound);
CREATE INDEX mail_optout_recent ON mail_optout (recorded) WHERE proven = 0;
CREATE INDEX mail_optout_loose ON mail_optout (recorded) WHERE proven = 0 AND batch IS NULL;
CREATE INDEX mail_optout_batch ON mail_optout (batch) WHERE batch IS NOT NULL;

-- What the operator must know at once. One open alarm for each thing; key says
-- which, and never names a person.
CREATE TABLE alarm (
    id      BIGINT PRIMARY KEY,
    kind    TEXT NOT NULL,
    key     TEXT NOT NULL,
    raised  BIGINT NOT NULL,
    cleared BIGINT,
    quiet   INTEGER NOT NULL DEFAULT 0 CHECK (quiet IN (0, 1))
);
CREATE UNIQUE INDEX alarm_open ON alarm (kind, key) WHERE cleared IS NULL;

-- Messages of the last hour that were refused for a reason that lies with us:
-- reputation, authentication, content. Too many pause their campaign.
CREATE TABLE policy_refusal (
    id       BIGINT PRIMARY KEY,
    campaign BIGINT NOT NULL REFERENCES campaign (id),
    at       BIGINT NOT NULL
);
CREATE INDEX policy_refusal_campaign ON policy_refusal (campaign);

-- After a restore each finished mail is looked for by its digest.
CREATE INDEX inbound_by_digest ON inbound (digest);

-- Lines that the journal of opt-outs and erasures could not be given yet.
CREATE TABLE journal_owed (
    seq   BIGINT PRIMARY KEY,
    line  TEXT NOT NULL,
    since BIGINT NOT NULL
);

-- The state of a campaign when the database was put back from an older copy:
-- it may have been sent since, and waits for a person.
ALTER TABLE campaign ADD COLUMN held TEXT NOT NULL DEFAULT '' CHECK (held IN ('', 'draft', 'scheduled', 'sending', 'paused'));

-- An erasure under way or done. What is still needed of the person until
-- everybody has answered and the certificate is sent is sealed under the key of
-- the case, which is then forgotten.
CREATE TABLE erasure (
    caseno  BIGINT PRIMARY KEY REFERENCES privacy_case (id),
    seq     BIGINT NOT NULL,
    begun   BIGINT NOT NULL,
    ended   BIGINT,
    gone    BIGINT,
    backups TEXT NOT NULL DEFAULT '[]',
    silent  INTEGER NOT NULL DEFAULT 0 CHECK (silent IN (0, 1)),
    sealed  TEXT NOT NULL DEFAULT '',
    CHECK ((ended IS NULL) = (gone IS NULL))
);

-- What an erasure works off. Open: to be done by heed now; waiting: for a
-- mailbox, another system or the certificate; kept: somebody keeps it, and says
-- by which law.
CREATE TABLE erasure_item (
    caseno  BIGINT NOT NULL REFERENCES privacy_case (id),
    place   INTEGER NOT NULL,
    item    TEXT NOT NULL,
    state   TEXT NOT NULL CHECK (state IN ('open', 'waiting', 'done', 'kept')),
    changed BIGINT NOT NULL,
    note    TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (caseno, item)
);

-- Other systems that are told of an erasure, and what they answered. asked is
-- when it was tried first; law and until say why and how long something is kept.
CREATE TABLE system_notice (
    id     BIGINT PRIMARY KEY,
    caseno BIGINT NOT NULL REFERENCES privacy_case (id),
    system TEXT NOT NULL,
    name   TEXT NOT NULL,
    state  TEXT NOT NULL CHECK (state IN ('due', 'accepted', 'deleted', 'kept')),
    asked  BIGINT,
    tries  INTEGER NOT NULL DEFAULT 0,
    law    TEXT NOT NULL DEFAULT '',
    until  BIGINT,
    ended  BIGINT,
    UNIQUE (caseno, system),
    CHECK ((state IN ('deleted', 'kept')) = (ended IS NOT NULL)),
    CHECK (state <> 'kept' OR law <> '')
);

-- Mails that are to leave the mailbox. Digest and date find them wherever they
-- were moved to.
CREATE TABLE mail_removal (
    inbound  BIGINT PRIMARY KEY,
    caseno   BIGINT NOT NULL REFERENCES privacy_case (id),
    mailbox  TEXT NOT NULL,
    digest   TEXT NOT NULL,
    received BIGINT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('due', 'gone', 'missing')),
    changed  BIGINT NOT NULL
);
CREATE INDEX mail_removal_due ON mail_removal (mailbox) WHERE state = 'due';

-- Which way heard last of an alarm, and that it is over. quiet alarms are over
-- because a more urgent one took their place.
CREATE TABLE alarm_told (
    alarm BIGINT NOT NULL REFERENCES alarm (id),
    way   TEXT NOT NULL CHECK (way IN ('webhook', 'mail')),
    says  TEXT NOT NULL CHECK (says IN ('raised', 'over')),
    at    BIGINT NOT NULL,
    PRIMARY KEY (alarm, way, says)
);

-- A case has a desk: who works on it, how it came, its clock.
ALTER TABLE privacy_case ADD COLUMN via TEXT NOT NULL DEFAULT 'mail' CHECK (via IN ('mail', 'page', 'api', 'letter', 'telephone', 'person', 'other'));
ALTER TABLE privacy_case ADD COLUMN opened BIGINT NOT NULL DEFAULT 0;
ALTER TABLE privacy_case ADD COLUMN assignee TEXT NOT NULL DEFAULT '';
ALTER TABLE privacy_case ADD COLUMN first_due BIGINT;
ALTER TABLE privacy_case ADD COLUMN answered BIGINT;
ALTER TABLE privacy_case ADD COLUMN extended BIGINT;
ALTER TABLE privacy_case ADD COLUMN last_asked BIGINT;
ALTER TABLE privacy_case ADD COLUMN reminded INTEGER NOT NULL DEFAULT 0 CHECK (reminded BETWEEN 0 AND 2);
UPDATE privacy_case SET opened = received;
CREATE INDEX case_open ON privacy_case (due) WHERE ended IS NULL;

-- Mail that asks for nothing: no clock, no hold, no case, until somebody clears
-- it or makes a case of it.
CREATE TABLE tray (
    inbound  BIGINT PRIMARY KEY,
    received BIGINT NOT NULL
);
INSERT INTO tray (inbound, received) SELECT id, received FROM inbound WHERE outcome = 'tray';
-- Sealed links to a copy of everything held about an address: whose data
-- (address), and to whom the link goes (reader), which are two where a guardian
-- is shown a child's.
CREATE TABLE report_link (
    id      BIGINT PRIMARY KEY,
    caseno  BIGINT NOT NULL REFERENCES privacy_case (id),
    address TEXT NOT NULL,
    reader  TEXT NOT NULL,
    created BIGINT NOT NULL,
    until   BIGINT NOT NULL,
    closed  BIGINT
);
CREATE INDEX report_link_reader ON report_link (reader);

-- A change of address on its way: done only when both mailboxes have answered.
-- The new address is sealed until then.
CREATE TABLE address_change (
    id          BIGINT PRIMARY KEY,
    old         TEXT NOT NULL,
    new         TEXT NOT NULL,
    caseno      BIGINT,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'dropped')),
    created     BIGINT NOT NULL,
    until       BIGINT NOT NULL,
    old_clicked BIGINT,
    new_clicked BIGINT,
    ended       BIGINT,
    holder      TEXT NOT NULL,
    sealed      TEXT NOT NULL,
    CHECK (old <> new),
    CHECK (state <> 'done' OR (old_clicked IS NOT NULL AND new_clicked IS NOT NULL)),
    CHECK ((state = 'waiting') = (ended IS NULL))
);
CREATE INDEX address_change_old ON address_change (old);
CREATE INDEX address_change_new ON address_change (new);

-- Two address keys of one person: a no on either counts for both, for ever.
CREATE TABLE address_link (
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    at  BIGINT NOT NULL,
    PRIMARY KEY (old, new)
);
CREATE INDEX address_link_new ON address_link (new);

-- Whom a case concerns beside the one who asks: a guardian's children.
CREATE TABLE case_subject (
    caseno  BIGINT NOT NULL REFERENCES privacy_case (id),
    address TEXT NOT NULL,
    PRIMARY KEY (caseno, address)
);
CREATE INDEX case_subject_address ON case_subject (address);

-- Jobs know new kinds. SQLite cannot change a CHECK, so that the table is made
-- anew; questions that were still to be mailed become correspondence.
CREATE TABLE job_new (
    id         BIGINT PRIMARY KEY,
    queue      TEXT NOT NULL CHECK (queue IN ('preference', 'alert', 'privacy', 'newsletter')),
    kind       TEXT NOT NULL CHECK (kind IN ('send', 'write', 'erase', 'tell', 'alarm')),
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
INSERT INTO correspondence (id, kind, state, caseno, address, holder, sealed, created)
    SELECT j.id, 'confirm', 'waiting', j.subject, c.address, c.address, '', j.changed
    FROM job j JOIN privacy_case c ON c.id = j.subject WHERE j.kind = 'confirm' AND j.state IN ('ready', 'carried', 'running');
INSERT INTO counter (name, value) SELECT 'correspondence', max(id) FROM correspondence HAVING max(id) IS NOT NULL;
INSERT INTO job_new (id, queue, kind, state, generation, due, campaign, subject, worker, attempts, note, changed)
    SELECT id, queue, CASE kind WHEN 'confirm' THEN 'write' ELSE kind END, state, generation, due, campaign,
           CASE kind WHEN 'confirm' THEN id ELSE subject END, worker, attempts, note, changed
    FROM job WHERE kind <> 'notice';
DROP TABLE job;
ALTER TABLE job_new RENAME TO job;
CREATE INDEX job_ready ON job (queue, due) WHERE state = 'ready';
CREATE INDEX job_moving ON job (changed) WHERE state IN ('carried', 'running');
CREATE INDEX job_campaign ON job (campaign) WHERE state IN ('ready', 'carried', 'running');

-- Whether a mailbox can be read, since when not, and how far one was looked
-- through in which other people's mail stays.
ALTER TABLE mailbox ADD COLUMN role TEXT NOT NULL DEFAULT '';
ALTER TABLE mailbox ADD COLUMN trouble TEXT NOT NULL DEFAULT '' CHECK (trouble IN ('', 'unreachable', 'silent', 'login_refused',
    'token_refused', 'no_secret', 'folder_missing', 'cannot_file', 'failed'));
ALTER TABLE mailbox ADD COLUMN trouble_since BIGINT;
ALTER TABLE mailbox ADD COLUMN noted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mailbox ADD COLUMN read_validity BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mailbox ADD COLUMN read_uid BIGINT NOT NULL DEFAULT 0;

-- What mails proved their writers by: a second time it is no proof.
CREATE TABLE proof (
    once TEXT PRIMARY KEY,
    seen BIGINT NOT NULL
);
CREATE INDEX proof_seen ON proof (seen);

-- +goose Down
DROP INDEX inbound_by_digest;
DROP TABLE proof;
ALTER TABLE campaign DROP COLUMN held;
DROP TABLE journal_owed;
ALTER TABLE mailbox DROP COLUMN read_uid;
ALTER TABLE mailbox DROP COLUMN read_validity;
ALTER TABLE mailbox DROP COLUMN noted;
ALTER TABLE mailbox DROP COLUMN trouble_since;
ALTER TABLE mailbox DROP COLUMN trouble;
ALTER TABLE mailbox DROP COLUMN role;
DROP TABLE policy_refusal;
DROP TABLE mail_removal;
DROP TABLE system_notice;
DROP TABLE erasure_item;
DROP TABLE erasure;

DROP TABLE tray;
DROP INDEX case_open;
ALTER TABLE privacy_case DROP COLUMN reminded;
ALTER TABLE privacy_case DROP COLUMN last_asked;
ALTER TABLE privacy_case DROP COLUMN extended;
ALTER TABLE privacy_case DROP COLUMN answered;
ALTER TABLE privacy_case DROP COLUMN first_due;
ALTER TABLE privacy_case DROP COLUMN assignee;
ALTER TABLE privacy_case DROP COLUMN opened;
ALTER TABLE privacy_case DROP COLUMN via;
DROP TABLE alarm_told;
DROP TABLE case_subject;
DROP TABLE address_link;
DROP TABLE address_change;
DROP TABLE report_link;
DROP TABLE alarm;
DROP TABLE mail_optout;
ALTER TABLE inbound DROP COLUMN no_reply;
DROP TABLE case_event;
DROP TABLE mail_text;
DROP TABLE correspondence;
