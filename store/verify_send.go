package store

import (
	"context"
	"time"
)

// slack is how far two times may lie apart that machines wrote with clocks of
// their own, or one step before its commit and another after.
const slack = 10 * time.Second

// heldAfter finds what was claimed long after its reader was restricted, or,
// of marketing, put on hold, or paused it for a time that was not over. What was
// claimed at about the same time may have been first.
const heldAfter = ` FROM ledger l JOIN delivery d ON d.address = l.address JOIN campaign c ON c.id = d.campaign
	WHERE l.choice = 'set' AND (l.scope = 'restricted' OR (l.scope = 'on_hold' AND c.class IN ('newsletter', 'partner_offer'))
		OR (c.class IN ('newsletter', 'partner_offer') AND d.claimed < CASE WHEN l.scope LIKE 'pause:%' THEN CAST(substr(l.scope, 7) AS BIGINT) * 1000000 ELSE 0 END
			AND NOT EXISTS (SELECT 1 FROM ledger y WHERE y.address = l.address AND y.scope LIKE 'pause:%' AND y.seq > l.seq AND y.recorded < d.claimed)))
	AND d.state IN ('accepted', 'uncertain') AND d.claimed > l.recorded + $1
	AND NOT EXISTS (SELECT 1 FROM ledger y WHERE y.address = l.address AND y.scope = l.scope AND y.choice = 'lift' AND y.seq > l.seq AND y.recorded < d.claimed)`

// verifyOnce: only who waits is claimed, what was handed over was claimed, and
// no two hand-overs share a claim.
func (t *tx) verifyOnce(ctx context.Context, v *Invariant) error {
	return t.verifyBy(ctx, v, `SELECT count(*) FROM delivery`, `SELECT k.campaign || '/' || k.address FROM claim k
		LEFT JOIN delivery d ON d.campaign = k.campaign AND d.address = k.address WHERE d.state IS NULL OR d.state <> 'waiting'
		UNION ALL SELECT campaign || '/' || address FROM delivery WHERE state IN ('accepted', 'uncertain') AND (token = 0 OR attempts = 0)
		UNION ALL SELECT max(campaign || '/' || address) FROM delivery WHERE token <> 0 GROUP BY token HAVING count(*) > 1`)
}

// verifyOutcomes: in a campaign that is over nobody waits; in one that is not,
// everybody of its audience is written, and who was put off has a time. No delivery is
// without a campaign.
func (t *tx) verifyOutcomes(ctx context.Context, v *Invariant) error {
	return t.verifyBy(ctx, v, `SELECT count(*) FROM delivery`, `SELECT d.campaign || '/' || d.address FROM delivery d JOIN campaign c ON c.id = d.campaign
		LEFT JOIN retry r ON r.campaign = d.campaign AND r.address = d.address
		LEFT JOIN claim k ON k.campaign = d.campaign AND k.address = d.address
		WHERE d.state IN ('waiting', 'deferred') AND k.token IS NULL AND (c.state IN ('done', 'failed', 'draft', 'scheduled', 'missed')
			OR (d.state = 'deferred' AND r.due IS NULL))
		UNION ALL SELECT r.campaign || '/' || r.address FROM retry r
			LEFT JOIN delivery d ON d.campaign = r.campaign AND d.address = r.address WHERE d.address IS NULL
		UNION ALL SELECT c.id || '/' || p.address FROM campaign c JOIN person p ON p.id <= c.bound
			WHERE c.state IN ('sending', 'paused') AND c.fanned = 1 AND c.audience = 'all' AND c.service IS NULL AND c.only_to = ''
			AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.campaign = c.id AND d.address = p.address)
			AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.campaign = c.id AND d.person = p.id)
		UNION ALL SELECT 'campaign ' || id FROM campaign WHERE state = 'done' AND fanned = 0
		UNION ALL SELECT d.campaign || '/' || d.address FROM delivery d WHERE NOT EXISTS (SELECT 1 FROM campaign c WHERE c.id = d.campaign)`)
}

// verifyCarried: a job that was handed to the queue comes back or is carried
// again, and a claim is resolved by its worker or by the sweep; none is
// forgotten. What a worker holds that is not known is nobody's: it is struck off
// together with what it held, and one that comes back says so within seconds. A claim
// that a known one holds is too old only while that one lives, or if it is older than
// its worker: where nobody lives the sweep comes with whoever starts.
func (t *tx) verifyCarried(ctx context.Context, v *Invariant) error {
	return t.verifyBy(ctx, v, `SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM claim)`,
		`SELECT 'job ' || id FROM job WHERE `+orphanJobs+` AND changed < $1
		UNION ALL SELECT k.campaign || '/' || k.address FROM claim k LEFT JOIN worker w ON w.id = k.worker
			WHERE (w.id IS NULL AND k.at < $1) OR (k.at < $2 AND w.beat > $3) OR k.at < w.started - $4`,
		t.now.Add(-6*Silence).UnixMicro(), t.now.Add(-claimLife-6*Silence).UnixMicro(), t.now.Add(-alive).UnixMicro(), time.Hour.Microseconds())
}

// verifyAlerts: an alert is tried until its fate is known, or twice was not, or
// its reader is erased, which begins with its delivery.
func (t *tx) verifyAlerts(ctx context.Context, v *Invariant) error {
	return t.verifyBy(ctx, v, `SELECT count(*) FROM delivery d JOIN campaign c ON c.id = d.campaign WHERE c.class = 'alert'`,
		`SELECT d.campaign || '/' || d.address FROM delivery d JOIN campaign c ON c.id = d.campaign
		LEFT JOIN retry r ON r.campaign = d.campaign AND r.address = d.address
		WHERE c.class = 'alert' AND ((c.state = 'done' AND (d.state IN ('waiting', 'deferred') OR (d.state = 'uncertain' AND d.attempts < 2)))
		OR (c.state = 'sending' AND d.state = 'uncertain' AND d.attempts = 1 AND r.due IS NULL))
		AND (d.state <> 'uncertain' OR (d.person IS NOT NULL AND EXISTS (SELECT 1 FROM person p WHERE p.address = d.address)))`)
}
