package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"heed/consent"
)

// act is a choice or a change of status on its way into the ledger.
type act struct {
	key           consent.Key
	scope         consent.Scope
	choice        consent.Choice
	received      time.Time
	via           consent.Via
	source        string
	authenticated bool
	evidence      string // sealed into the annex; empty: none
	policy        string // the version that a yes was or is said under; empty: the one in force
}

// standing is what is known of an address key inside a transaction that holds
// its lock.
type standing struct {
	state   consent.State
	subject string        // random id of the person, or empty
	tied    []consent.Key // by changes of address: a no here is a no there
	dirty   bool
}

// lockKeys makes the rows of the keys, and of those that changes of address tie
// to them, where they are missing, locks them in ascending order and, in a later
// statement, reads what they hold.
func (t *tx) lockKeys(ctx context.Context, keys []consent.Key) (map[consent.Key]*standing, error) {
	keys, err := t.tied(ctx, keys)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(keys, func(a, b consent.Key) int { return cmp.Compare(a.String(), b.String()) })
	keys = slices.Compact(keys)
	if len(keys) == 0 {
		return nil, nil
	}
	args := keyArgs(keys)
	if _, err := t.exec(ctx, `INSERT INTO address (key) VALUES `+rows(len(keys), 1, 1)+` ON CONFLICT (key) DO NOTHING`, args...); err != nil {
		return nil, fmt.Errorf("making address keys: %w", err)
	}
	if !t.s.d.sqlite() {
		if _, err := t.exec(ctx, `SELECT key FROM address WHERE key IN (`+list(len(keys), 1)+`) ORDER BY key`+t.s.d.forUpdate, args...); err != nil {
			return nil, fmt.Errorf("locking address keys: %w", err)
		}
	}
	t.tick()
	now, err := t.tied(ctx, keys)
	if err == nil && len(now) > len(keys) {
		return t.lockKeys(ctx, now) // a change of address was committed while we waited
	}
	if err != nil {
		return nil, err
	}
	held, err := t.readStandings(ctx, len(keys), args)
	if err != nil {
		return nil, err
	}
	return held, t.readTies(ctx, held)
}

func (t *tx) readStandings(ctx context.Context, n int, args []any) (map[consent.Key]*standing, error) {
	found, err := t.QueryContext(ctx, `SELECT a.key, a.state, COALESCE(p.subject, '') FROM address a
		LEFT JOIN person p ON p.address = a.key WHERE a.key IN (`+list(n, 1)+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading states: %w", err)
	}
	defer found.Close()
	all := make(map[consent.Key]*standing, n)
	for found.Next() {
		var key, state string
		one := &standing{}
		if err := found.Scan(&key, &state, &one.subject); err != nil {
			return nil, err
		}
		if one.state, err = consent.DecodeState(state); err != nil {
			return nil, err
		}
		k, err := consent.ParseKey(key)
		if err != nil {
			return nil, err
		}
		all[k] = one
	}
	return all, found.Err()
}

func keyArgs(keys []consent.Key) []any {
	args := make([]any, len(keys))
	for i, k := range keys {
		args[i] = k.String()
	}
	return args
}

// record appends acts to the ledger and brings the states of their addresses,
// which must be locked, up to date. It gives the number of the first row.
func (t *tx) record(ctx context.Context, held map[consent.Key]*standing, acts []act) (first int64, err error) {
	if len(acts) == 0 {
		return 0, nil
	}
	acts = withTwins(held, acts)
	if err := t.ledgerHappens(ctx, held, acts); err != nil {
		return 0, err
	}
	sealed, err := t.sealAll(ctx, held, acts)
	if err != nil {
		return 0, err
	}
	if err := t.sharingTurns(ctx, held, acts); err != nil {
		return 0, err
	}
	versions, err := t.versions(ctx)
	if err != nil {
		return 0, err
	}
	var seq int64
	var head string
	if err := t.QueryRowContext(ctx, `SELECT seq, hash FROM chain WHERE one = 1`+t.s.d.forUpdate).Scan(&seq, &head); err != nil {
		return 0, fmt.Errorf("reading the head of the ledger: %w", err)
	}
	first = seq + 1
	values := make([]any, 0, 14*len(acts))
	var noes []consent.Entry
	for i, a := range acts {
		seq++
		e := t.entry(a, seq, held[a.key].subject, sealed[i], versions.of(a))
		if err := e.Check(); err != nil {
			return 0, err
		}
		previous, _ := hex.DecodeString(head)
		head = hex.EncodeToString(e.Hash(previous))
		values = append(values, entryValues(e, head)...)
		if keeps(e) {
			noes = append(noes, e)
		}
		held[a.key].state, held[a.key].dirty = held[a.key].state.With(e), true
	}
	if err := t.writeLedger(ctx, len(acts), values, first, sealed, acts, held, seq, head); err != nil {
		return 0, err
	}
	return first, t.follow(ctx, noes)
}

func (t *tx) writeLedger(ctx context.Context, n int, values []any, first int64, sealed []string, acts []act,
	held map[consent.Key]*standing, seq int64, head string) error {
	if _, err := t.exec(ctx, `INSERT INTO ledger (seq, address, subject, scope, choice, received, recorded, via, source,
		policy, policy_hash, authenticated, evidence, hash) VALUES `+rows(n, 14, 1), values...); err != nil {
		return fmt.Errorf("appending to the ledger: %w", err)
	}
	var annex []any
	for i, text := range sealed {
		if text != "" {
			annex = append(annex, first+int64(i), holder(acts[i].key, held[acts[i].key]), text)
		}
	}
	if n := len(annex) / 3; n > 0 {
		if _, err := t.exec(ctx, `INSERT INTO annex (seq, holder, sealed) VALUES `+rows(n, 3, 1), annex...); err != nil {
			return fmt.Errorf("keeping evidence: %w", err)
		}
	}
	if _, err := t.exec(ctx, `UPDATE chain SET seq = $1, hash = $2 WHERE one = 1`, seq, head); err != nil {
		return fmt.Errorf("moving the head of the ledger: %w", err)
	}
	return t.writeStates(ctx, held)
}

func (t *tx) writeStates(ctx context.Context, held map[consent.Key]*standing) error {
	var values []any
	for k, one := range held {
		if one.dirty {
			values = append(values, k.String(), one.state.Encode())
			one.dirty = false
		}
	}
	if len(values) == 0 {
		return nil
	}
	_, err := t.exec(ctx, statesText(len(values)/2), values...)
	if err != nil {
		return fmt.Errorf("writing states: %w", err)
	}
	return nil
}

// statesText writes n states. The cast keeps SQLite, which takes 500 rows for many, from
// reading all addresses to look each of them up among the values: an import of a
// million people would take twenty times as long for its last as for its first.
func statesText(n int) string {
	return `UPDATE address SET state = v.column2 FROM (VALUES ` + rows(n, 2, 1, "TEXT", "TEXT") + `) AS v
		WHERE address.key = CAST(v.column1 AS TEXT)`
}

// sealAll encrypts the evidence of each act under its holder's key.
func (t *tx) sealAll(ctx context.Context, held map[consent.Key]*standing, acts []act) ([]string, error) {
	sealed := make([]string, len(acts))
	var holders []string
	for _, a := range acts {
		if a.evidence != "" {
			holders = append(holders, holder(a.key, held[a.key]))
		}
	}
	if len(holders) == 0 {
		return sealed, nil
	}
	keys, err := t.s.keys.personKeys(ctx, holders)
	if err != nil {
		return nil, err
	}
	for i, a := range acts {
		if a.evidence == "" {
			continue
		}
		if sealed[i], err = sealWith(keys[holder(a.key, held[a.key])], a.evidence); err != nil {
			return nil, fmt.Errorf("sealing evidence: %w", err)
		}
	}
	return sealed, nil
}

// holder names whose key seals evidence: the person, or the address key of
// somebody never stored.
func holder(k consent.Key, one *standing) string {
	if one.subject != "" {
		return one.subject
	}
	return k.String()
}

func (t *tx) entry(a act, seq int64, subject, sealed string, under consent.PolicyVersion) consent.Entry {
	e := consent.Entry{Seq: seq, Address: a.key, Subject: subject, Scope: a.scope, Choice: a.choice,
		Received: a.received.UTC().Truncate(time.Microsecond), Recorded: t.now, Via: a.via, Source: a.source,
		PolicyID: under.ID, PolicyHash: under.Hash, Authenticated: a.authenticated}
	if e.Received.IsZero() {
		e.Received = t.now
	}
	if sealed != "" {
		sum := sha256.Sum256([]byte(sealed))
		e.Evidence = sum[:]
	}
	return e
}

func entryValues(e consent.Entry, hash string) []any {
	authenticated := 0
	if e.Authenticated {
		authenticated = 1
	}
	return []any{e.Seq, e.Address.String(), e.Subject, string(e.Scope), string(e.Choice), e.Received.UnixMicro(),
		e.Recorded.UnixMicro(), string(e.Via), e.Source, e.PolicyID, hex.EncodeToString(e.PolicyHash), authenticated,
		hex.EncodeToString(e.Evidence), hash}
}

// ledgerColumns is what scanEntry reads.
const ledgerColumns = `seq, address, subject, scope, choice, received, recorded, via, source, policy, policy_hash, authenticated, evidence, hash`

type scanner interface{ Scan(...any) error }

func scanEntry(row scanner) (e consent.Entry, hash string, err error) {
	var key, policyHash, evidence string
	var received, recorded int64
	var authenticated int
	if err = row.Scan(&e.Seq, &key, &e.Subject, &e.Scope, &e.Choice, &received, &recorded, &e.Via, &e.Source,
		&e.PolicyID, &policyHash, &authenticated, &evidence, &hash); err != nil {
		return e, "", err
	}
	e.Received, e.Recorded = time.UnixMicro(received).UTC(), time.UnixMicro(recorded).UTC()
	e.Authenticated = authenticated == 1
	if e.Address, err = consent.ParseKey(key); err != nil {
		return e, "", err
	}
	if policyHash != "" {
		if e.PolicyHash, err = hex.DecodeString(policyHash); err != nil {
			return e, "", err
		}
	}
	if evidence != "" {
		e.Evidence, err = hex.DecodeString(evidence)
	}
	return e, hash, err
}
