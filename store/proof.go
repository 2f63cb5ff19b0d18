package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"heed/consent"
)

// ConsentProof is the chain of what an address decided, with what each link of
// it proves (GDPR Art. 7(1)).
type ConsentProof struct {
	Email string     `json:"email"`
	Keys  []string   `json:"address_keys"` // those of the person, where they changed their address
	At    time.Time  `json:"made_at"`
	Chain ProofChain `json:"chain"`
	Rows  []ProofRow `json:"rows"`

	Known  bool `json:"known"`  // somebody is stored under this address
	Erased bool `json:"erased"` // the person was deleted; what is left says so of each row
}

// ProofChain is the ledger that the rows stand in, all of it.
type ProofChain struct {
	Rows   int64    `json:"rows"`
	Head   string   `json:"head"` // hash of the last row, which every row before it goes into
	Broken []string `json:"broken"`
}

// What is left of the evidence of a choice.
const (
	EvidenceNone    = "none"    // none was kept
	EvidenceIntact  = "intact"  // it is what the ledger has the hash of
	EvidenceGone    = "gone"    // deleted with the person; the ledger still has its hash
	EvidenceAltered = "altered" // it is not what the ledger has the hash of
)

// ProofRow is one row of the ledger.
type ProofRow struct {
	Number        int64     `json:"number"`
	Scope         string    `json:"scope"`
	Choice        string    `json:"choice"`
	Received      time.Time `json:"received"`
	Recorded      time.Time `json:"recorded"`
	Via           string    `json:"via"`
	Source        string    `json:"source"`
	Policy        string    `json:"policy"`
	PolicyHash    string    `json:"policy_sha256"`
	Authenticated bool      `json:"authenticated"`
	Wording       string    `json:"wording"`  // that the person agreed to
	Evidence      any       `json:"evidence"` // opened, where it still can be
	Kept          string    `json:"evidence_is"`
	EvidenceHash  string    `json:"evidence_sha256"`
	Previous      string    `json:"previous_hash"`
	Hash          string    `json:"hash"`
	Verified      bool      `json:"verified"` // its hash is that of its words and of the row before it
	Counts        bool      `json:"counts"`   // it is the choice that holds now
}

// ConsentProof gathers it, in one snapshot. It looks at the whole ledger, since a
// row proves no more than the chain that it stands in.
func (s *Store) ConsentProof(ctx context.Context, address string) (p ConsentProof, err error) {
	key, email, err := s.Key(address)
	if err != nil {
		return p, err
	}
	err = s.inSnapshot(ctx, func(t *tx) error {
		g, err := t.gather(ctx, key)
		if err != nil {
			return err
		}
		p = ConsentProof{Email: email, At: g.now.Truncate(time.Second), Known: g.stored, Rows: []ProofRow{}}
		for _, one := range g.keys {
			p.Keys = append(p.Keys, one.(string))
		}
		return g.prove(ctx, &p)
	})
	if err != nil {
		return p, fmt.Errorf("gathering what proves a consent: %w", err)
	}
	return p, nil
}

func (g *gathering) prove(ctx context.Context, p *ConsentProof) error {
	state, err := g.stateOf(ctx)
	if err != nil {
		return err
	}
	p.Erased = state.Erased != 0
	chain := Invariant{Broken: []string{}}
	if err := g.verifyChain(ctx, &chain); err != nil {
		return err
	}
	p.Chain = ProofChain{Rows: int64(chain.Checked), Broken: chain.Broken}
	if err := g.QueryRowContext(ctx, `SELECT hash FROM chain WHERE one = 1`).Scan(&p.Chain.Head); err != nil {
		return err
	}
	return g.proveRows(ctx, p, state)
}

func (g *gathering) proveRows(ctx context.Context, p *ConsentProof, state consent.State) error {
	type row struct {
		consent.Entry
		hash, previous, holder, sealed string
		opened                         any
	}
	rows, err := each(ctx, g, `SELECT `+ledgerOfRow+`, COALESCE(b.hash, ''), COALESCE(x.holder, ''), COALESCE(x.sealed, '') FROM ledger l
		LEFT JOIN ledger b ON b.seq = l.seq - 1 LEFT JOIN annex x ON x.seq = l.seq WHERE l.address IN (`+in(g.keys)+`) ORDER BY l.seq`, g.keys, func(s scanner) (one row, err error) {
		one.Entry, one.hash, err = scanEntry(wider{s, []any{&one.previous, &one.holder, &one.sealed}})
		return one, err
	}, func(one *row) (err error) {
		one.opened, err = g.evidence(ctx, one.holder, one.sealed)
		return err
	})
	for _, one := range rows {
		previous, _ := hex.DecodeString(one.previous) // a damaged one makes the row unverified
		r := proofRow(one.Entry, one.hash, g.scopes)
		r.Previous, r.Verified = one.previous, hex.EncodeToString(one.Hash(previous)) == one.hash
		r.Kept = keptAs(one.Entry, one.sealed, one.opened)
		r.Evidence, r.Wording = one.opened, wordingOf(one.opened)
		mark := marksOf(state)[one.Scope]
		r.Counts = one.Address == g.key && string(mark.Choice) == r.Choice && mark.At == one.Received.UnixMicro()
		p.Rows = append(p.Rows, r)
	}
	return err
}

const ledgerOfRow = `l.seq, l.address, l.subject, l.scope, l.choice, l.received, l.recorded, l.via, l.source, l.policy, l.policy_hash, l.authenticated, l.evidence, l.hash`

// wider scans what a query has beyond what a reader of rows knows of.
type wider struct {
	scanner
	more []any
}

// Scan reads both.
func (w wider) Scan(to ...any) error { return w.scanner.Scan(append(to, w.more...)...) }

func proofRow(e consent.Entry, hash string, names map[consent.Scope]string) ProofRow {
	scope := string(e.Scope)
	if name, is := names[e.Scope]; is {
		scope = name
	}
	return ProofRow{Number: e.Seq, Scope: scope, Choice: string(e.Choice), Received: e.Received, Recorded: e.Recorded, Via: string(e.Via), Source: e.Source,
		Policy: e.PolicyID, PolicyHash: hex.EncodeToString(e.PolicyHash), Authenticated: e.Authenticated, EvidenceHash: hex.EncodeToString(e.Evidence), Hash: hash}
}

// keptAs says what is left of a row's evidence: its hash in the ledger is that of
// what was sealed, so that it can be held against it after years.
func keptAs(e consent.Entry, sealed string, opened any) string {
	sum := sha256.Sum256([]byte(sealed))
	switch {
	case len(e.Evidence) == 0:
		return EvidenceNone
	case sealed == "":
		return EvidenceGone
	case hex.EncodeToString(sum[:]) != hex.EncodeToString(e.Evidence):
		return EvidenceAltered
	case opened == nil:
		return EvidenceGone
	}
	return EvidenceIntact
}

// wordingOf is the text that the person agreed to, where the evidence has it.
func wordingOf(evidence any) string {
	detail, _ := evidence.(map[string]any)
	text, _ := detail["text"].(string)
	return text
}
