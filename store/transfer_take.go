package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"heed/consent"
)

// transferSource is what the ledger names as the source of what came in a bundle.
const transferSource = "transfer"

// ImportTransfer takes a bundle over, whole or not at all refused. Each no of it
// counts here; a yes counts only where nothing is on record, under the evidence
// that came with it. It can be begun again where it was cut short.
func (s *Store) ImportTransfer(ctx context.Context, from io.Reader, told string, a StaffAct) (sum Transferred, err error) {
	b, err := readBundle(from, told)
	if err != nil {
		return sum, err
	}
	names, err := s.loadNames(ctx)
	if err != nil {
		return sum, err
	}
	if err := b.fits(names); err != nil {
		return sum, err
	}
	if err := s.takeLimits(ctx, b); err != nil { // first, so that whoever comes in meanwhile meets them
		return sum, err
	}
	for start := 0; start < len(b.people); start += importChunk {
		if err := s.takePeople(ctx, b, b.people[start:min(start+importChunk, len(b.people))], names); err != nil {
			return sum, err
		}
	}
	a.Kind, a.Said = ActTransferIn, b.Head
	sum = Transferred{From: b.From, Rows: b.Rows, People: len(b.people), Limits: len(b.limits), Head: b.Head, Fingerprint: b.signer}
	return sum, s.NoteAct(ctx, a)
}

// fits wants every topic of the bundle to be known here: a no to a topic that
// nobody knows would be lost.
func (b *bundle) fits(n names) error {
	for _, topic := range b.Topics {
		if n.topics[topic] == 0 {
			return fmt.Errorf("the bundle has choices about the topic %q, which is not in the configuration; add it as [[topic]]", topic)
		}
	}
	return nil
}

// takeLimits keeps the keys of those whom nobody knows any more, with the pepper
// by which they are known again.
func (s *Store) takeLimits(ctx context.Context, b *bundle) error {
	pepper, err := hex.DecodeString(b.Pepper)
	if err != nil || len(pepper) != 32 {
		return unfit("its pepper cannot be read")
	}
	if err := writeSecret(filepath.Join(s.keys.folder, "transferred", b.Head), pepper); err != nil {
		return err
	}
	return s.inTx(ctx, "taking over whom nobody may write to", func(t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO transfer (head, name, signer, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, b.Head, b.From, b.signer, t.now.UnixMicro()); err != nil {
			return err
		}
		for key := range b.limits {
			if _, err := t.exec(ctx, `INSERT INTO transferred_limit (key, head, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, key, b.Head, t.now.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	})
}

// takePeople stores some people, and records what they decided.
func (s *Store) takePeople(ctx context.Context, b *bundle, people []transferPerson, n names) error {
	return s.inTx(ctx, "taking over people", func(t *tx) error {
		var chunk []incoming
		var keys []consent.Key
		for _, p := range people {
			one := incoming{Contact: p.Contact}
			var err error
			if one.key, one.Email, err = s.Key(p.Contact.Email); err != nil {
				return err
			}
			one.Topics, one.PartnerOffers, one.Sharing = nil, false, false
			for _, service := range p.Services {
				if number := n.services[service]; number != 0 {
					one.services = append(one.services, number)
				}
			}
			if len(p.External) > 0 {
				one.ExternalID = p.External[0]
			}
			chunk, keys = append(chunk, one), append(keys, one.key)
		}
		held, err := t.lockKeys(ctx, keys)
		if err != nil {
			return err
		}
		if _, err := t.upsertAll(ctx, chunk, held); err != nil {
			return err
		}
		for i, p := range people {
			if err := t.takeChoices(ctx, b, p, held, keys[i], n); err != nil {
				return err
			}
		}
		return nil
	})
}

// takeChoices records a person's noes, then their yeses. That a yes raises no no
// is the ledger's own rule: here it is only not tried.
func (t *tx) takeChoices(ctx context.Context, b *bundle, p transferPerson, held map[consent.Key]*standing, key consent.Key, n names) error {
	state := b.states[p.Key]
	acts := b.statuses(state, key)
	var yeses []act
	for _, scope := range scopesOf(state) {
		mark := marksOf(state)[scope]
		a, err := b.choice(p, key, scope, mark, n)
		if err != nil {
			return err
		}
		switch mark.Choice {
		case consent.Out:
			if _, out := stoppedAt(held[key].state, a.scope); !out {
				acts = append(acts, a)
			}
		case consent.In:
			if marksOf(held[key].state)[a.scope].Choice == "" && !refuses(held[key].state, a.scope) && !mark.Unsure {
				yeses = append(yeses, a)
			}
		}
	}
	_, err := t.recordStops(ctx, held, append(acts, yeses...))
	return err
}

// statuses carries what stands against an address. A hold of a request that is
// settled elsewhere becomes a no, which the person alone ends.
func (b *bundle) statuses(s consent.State, key consent.Key) (acts []act) {
	for scope, at := range map[consent.Scope]int64{consent.ScopeSuppressed: max(s.Suppressed, s.Erased), consent.ScopeRestricted: s.Restricted, consent.ScopeDead: s.Dead} {
		if at != 0 {
			acts = append(acts, act{key: key, scope: scope, choice: consent.Set, received: time.UnixMicro(at).UTC(), via: consent.ViaImport, source: transferSource, evidence: b.mention(nil)})
		}
	}
	if s.Hold != 0 {
		for _, scope := range []consent.Scope{consent.ScopeMarketing, consent.ScopeSharing} {
			acts = append(acts, act{key: key, scope: scope, choice: consent.Out, received: time.UnixMicro(s.Hold).UTC(), via: consent.ViaImport, source: transferSource, evidence: b.mention(nil)})
		}
	}
	if s.Pause != 0 {
		until := time.UnixMicro(s.Pause)
		acts = append(acts, act{key: key, scope: consent.PauseScope(until), choice: consent.Set, via: consent.ViaImport, source: transferSource, evidence: b.mention(nil)})
	}
	return acts
}

// choice is a choice of the bundle under our own number of the topic.
func (b *bundle) choice(p transferPerson, key consent.Key, scope consent.Scope, mark consent.Mark, n names) (a act, err error) {
	row := b.rows[p.Key][scope]
	a = act{key: key, scope: scope, choice: mark.Choice, received: mark.Time(), via: consent.ViaImport, source: transferSource, evidence: b.mention(&row)}
	if row.PolicyID != "" { // the seller's, which is none of ours even where it has the same id
		a.policy = b.From + ": " + row.PolicyID
	}
	if number, is := scope.Topic(); is {
		a.scope = consent.TopicScope(n.topics[b.Topics[number]])
		if b.Topics[number] == "" {
			return a, unfit("a choice is about topic %d, which it does not name", number)
		}
	}
	return a, nil
}

// mention is the evidence of what came in a bundle: where it stands in the
// seller's ledger, and what proved it there.
func (b *bundle) mention(row *transferRow) string {
	said := map[string]any{"transfer": b.Head, "from": b.From, "signer": b.signer}
	if row != nil && row.Seq != 0 {
		said["row"], said["hash"], said["via"], said["policy"], said["policy_sha256"] = row.Seq, row.Hash, string(row.Via), row.PolicyID, hex.EncodeToString(row.PolicyHash)
		said["words"] = row.Words
		if text := wordingOf(row.Words); text != "" {
			said["text"] = text
		}
	}
	raw, err := json.Marshal(said)
	if err != nil {
		return `{"transfer":"` + b.Head + `"}` // words that came as JSON can be written as JSON
	}
	return string(raw)
}

// barTransferred puts whoever is stored for the first time, and stands among the
// limits of a bundle, on the list of those who are not written to. Their own
// confirmed yes outweighs that, as ever.
func (t *tx) barTransferred(ctx context.Context, fresh []incoming, held map[consent.Key]*standing) error {
	heads, err := t.texts(ctx, `SELECT head FROM transfer WHERE EXISTS (SELECT 1 FROM transferred_limit l WHERE l.head = transfer.head) ORDER BY head`)
	if err != nil || len(heads) == 0 {
		return err
	}
	for _, head := range heads {
		raw, err := os.ReadFile(filepath.Join(t.s.keys.folder, "transferred", head))
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the pepper of the transfer %s is missing beside the keys: put the copy back that you kept", head)
		}
		if err != nil {
			return err
		}
		pepper, err := hex.DecodeString(strings.TrimSpace(string(raw)))
		if err != nil {
			return fmt.Errorf("the pepper of the transfer %s is damaged: %w", head, err)
		}
		if err := t.barBy(ctx, head, pepper, fresh, held); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) barBy(ctx context.Context, head string, pepper []byte, fresh []incoming, held map[consent.Key]*standing) error {
	theirs, args := map[string]consent.Key{}, []any{head}
	for _, one := range fresh {
		key := consent.KeyOf(pepper, one.Email).String()
		theirs[key] = one.key
		args = append(args, key)
	}
	found, err := t.texts(ctx, `SELECT key FROM transferred_limit WHERE head = $1 AND key IN (`+list(len(args)-1, 2)+`) ORDER BY key`, args...)
	if err != nil {
		return err
	}
	var acts []act
	for _, key := range found {
		acts = append(acts, act{key: theirs[key], scope: consent.ScopeSuppressed, choice: consent.Set, via: consent.ViaImport, source: transferSource, evidence: `{"transfer":"` + head + `"}`})
	}
	if len(acts) == 0 {
		return nil
	}
	_, err = t.record(ctx, held, acts)
	return err
}
