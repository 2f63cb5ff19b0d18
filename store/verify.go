package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"

	"heed/consent"
)

// Invariant is the result of checking one promise: how many things were
// looked at, and which were broken, named by numbers and address keys.
type Invariant struct {
	Checked int      `json:"checked"`
	Broken  []string `json:"broken"`
}

// Verify checks the invariants on the live database.
func (s *Store) Verify(ctx context.Context) (map[string]Invariant, error) {
	report := map[string]Invariant{}
	checks := map[string]func(*tx, context.Context, *Invariant) error{
		"I1": (*tx).verifyStopped, "I2": (*tx).verifyOnce, "I3": (*tx).verifyOutcomes, "I4": (*tx).verifyMails,
		"I5": (*tx).verifyChains, "I6": (*tx).verifyFold, "I7": (*tx).verifyEvidence, "I8": (*tx).verifyErased,
		"I9": (*tx).verifyJournal, "I10": (*tx).verifyCarried, "I11": (*tx).verifyAlerts, "I12": (*tx).verifyReplies,
	}
	err := s.inSnapshot(ctx, func(t *tx) error {
		for name, check := range checks {
			one := Invariant{Broken: []string{}}
			if err := check(t, ctx, &one); err != nil {
				return fmt.Errorf("checking %s: %w", name, err)
			}
			report[name] = one
		}
		return nil
	})
	return report, err
}

// stoppedAfter finds marketing that was ended after the acknowledgement of an
// opt-out that covers it. An opt-out that had to wait was acknowledged when its
// barrier says so, and may have declared a message in flight: one whose claim
// is older than the opt-out.
const stoppedAfter = ` FROM ledger l
	JOIN campaign c ON (c.class = 'newsletter' AND (l.scope = 'marketing' OR l.scope = 'topic:' || c.topic))
		OR (c.class = 'partner_offer' AND (l.scope = 'marketing' OR l.scope = 'partner_offers' AND c.kind = ''))
	JOIN delivery d ON d.campaign = c.id AND d.address = l.address
	LEFT JOIN barrier b ON b.seq = l.seq
	WHERE l.choice = 'out' AND d.state IN ('accepted', 'uncertain')
	AND d.end_at > CASE WHEN b.seq IS NULL THEN l.recorded ELSE COALESCE(b.acked, d.end_at) END
	AND NOT (COALESCE(b.in_flight, 0) > 0 AND d.claimed <= l.recorded)
	AND NOT EXISTS (SELECT 1 FROM ledger y WHERE y.address = l.address AND y.seq > l.seq AND y.choice = 'in' AND y.recorded < d.end_at)`

// SentAfterOptOut counts the messages that break the first promise, from the
// stored times of their ends and of the acknowledgements. It must be zero.
func (s *Store) SentAfterOptOut(ctx context.Context) (n int, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT count(*)`+stoppedAfter).Scan(&n)
	return n, err
}

func (t *tx) verifyStopped(ctx context.Context, v *Invariant) error {
	return t.verifyBy(ctx, v, `SELECT count(*) FROM ledger WHERE choice = 'out' OR (choice = 'set' AND scope IN ('restricted', 'on_hold'))`,
		`SELECT d.campaign || '/' || d.address`+stoppedAfter+` UNION SELECT d.campaign || '/' || d.address`+heldAfter, slack.Microseconds())
}

// verifyBy counts what is looked at with one query and lists what is broken
// with another.
func (t *tx) verifyBy(ctx context.Context, v *Invariant, count, broken string, args ...any) error {
	if err := t.QueryRowContext(ctx, count).Scan(&v.Checked); err != nil {
		return err
	}
	found, err := t.QueryContext(ctx, broken+` LIMIT 100`, args...)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var name string
		if err := found.Scan(&name); err != nil {
			return err
		}
		v.Broken = append(v.Broken, name)
	}
	return found.Err()
}

// verifyMails: what a mail led to is there, and of the same mail, however often
// it was found, one time counts (the schema keeps it from counting twice).
func (t *tx) verifyMails(ctx context.Context, v *Invariant) error {
	return t.verifyBy(ctx, v, `SELECT count(*) FROM inbound`, `SELECT 'mail ' || i.id FROM inbound i
		LEFT JOIN ledger l ON l.seq = i.ledger LEFT JOIN privacy_case p ON p.id = i.caseno
		LEFT JOIN inbound o ON o.mailbox = i.mailbox AND o.digest = i.digest AND o.outcome <> 'duplicate'
		WHERE (i.ledger IS NOT NULL AND l.seq IS NULL) OR (i.outcome = 'case' AND p.id IS NULL) OR (i.outcome = 'duplicate' AND o.id IS NULL)`)
}

func (t *tx) verifyChain(ctx context.Context, v *Invariant) error {
	found, err := t.QueryContext(ctx, `SELECT `+ledgerColumns+` FROM ledger ORDER BY seq`)
	if err != nil {
		return err
	}
	defer found.Close()
	var previous []byte
	last := ""
	for found.Next() {
		e, hash, err := scanEntry(found)
		if err != nil {
			return err
		}
		v.Checked++
		sum := e.Hash(previous)
		if e.Seq != int64(v.Checked) || hex.EncodeToString(sum) != hash {
			v.Broken = append(v.Broken, fmt.Sprintf("ledger %d", e.Seq))
		}
		previous, last = sum, hash
		if len(v.Broken) >= 100 {
			return nil
		}
	}
	if err := found.Err(); err != nil {
		return err
	}
	return t.verifyHead(ctx, v, last)
}

func (t *tx) verifyHead(ctx context.Context, v *Invariant, last string) error {
	var seq int64
	var head string
	if err := t.QueryRowContext(ctx, `SELECT seq, hash FROM chain WHERE one = 1`).Scan(&seq, &head); err != nil {
		return err
	}
	if seq != int64(v.Checked) || head != last {
		v.Broken = append(v.Broken, "the head of the ledger")
	}
	return nil
}

func (t *tx) verifyFold(ctx context.Context, v *Invariant) error {
	folded, err := t.foldAll(ctx)
	if err != nil {
		return err
	}
	found, err := t.QueryContext(ctx, `SELECT key, state FROM address`)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var key, stored string
		if err := found.Scan(&key, &stored); err != nil {
			return err
		}
		v.Checked++
		if folded[key].Encode() != stored {
			v.Broken = append(v.Broken, key)
		}
		delete(folded, key)
	}
	for key := range folded {
		v.Broken = append(v.Broken, key)
	}
	return found.Err()
}

func (t *tx) foldAll(ctx context.Context) (map[string]consent.State, error) {
	found, err := t.QueryContext(ctx, `SELECT `+ledgerColumns+` FROM ledger ORDER BY seq`)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	folded := map[string]consent.State{}
	for found.Next() {
		e, _, err := scanEntry(found)
		if err != nil {
			return nil, err
		}
		folded[e.Address.String()] = folded[e.Address.String()].With(e)
	}
	return folded, found.Err()
}

// verifyEvidence: every yes has evidence in the annex whose hash the ledger
// holds, unless its person was erased afterwards.
func (t *tx) verifyEvidence(ctx context.Context, v *Invariant) error {
	found, err := t.QueryContext(ctx, `SELECT l.seq, l.evidence, x.sealed, EXISTS (SELECT 1 FROM ledger e WHERE e.address = l.address AND e.scope = 'erased' AND e.seq > l.seq)
		FROM ledger l LEFT JOIN annex x ON x.seq = l.seq WHERE l.choice = 'in'`)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var seq int64
		var evidence string
		var sealed sql.NullString
		var erased bool
		if err := found.Scan(&seq, &evidence, &sealed, &erased); err != nil {
			return err
		}
		v.Checked++
		sum := sha256.Sum256([]byte(sealed.String))
		if evidence == "" || !erased && (!sealed.Valid || hex.EncodeToString(sum[:]) != evidence) {
			v.Broken = append(v.Broken, fmt.Sprintf("ledger %d", seq))
		}
	}
	return found.Err()
}

// verifyReplies: each letter that answers a mail answers one that may be
// answered, a mail has one answer at most, and no automatic mail led to a
// question.
func (t *tx) verifyReplies(ctx context.Context, v *Invariant) error {
	return t.verifyBy(ctx, v, `SELECT (SELECT count(*) FROM inbound) + (SELECT count(*) FROM correspondence WHERE inbound IS NOT NULL)`,
		`SELECT 'letter ' || c.id FROM correspondence c JOIN inbound i ON i.id = c.inbound
		WHERE c.kind IN `+automatic+` AND (i.no_reply <> '' OR i.kind IN ('auto-reply', 'bounce', 'arf', 'unrelated') OR i.outcome = 'duplicate')
		UNION ALL SELECT 'mail ' || inbound FROM correspondence WHERE kind IN `+automatic+` AND inbound IS NOT NULL GROUP BY inbound HAVING count(*) > 1
		UNION ALL SELECT 'mail ' || i.id FROM inbound i JOIN privacy_case p ON p.id = i.caseno WHERE i.kind IN ('auto-reply', 'bounce', 'arf') AND p.asked > 0`)
}
