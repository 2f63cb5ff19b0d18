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

// transferChunk is how many people are taken over in one transaction: what each
// decided is about ten rows at most, and none appends more than 500.
const transferChunk = 50

// ImportTransfer takes a bundle over, whole or not at all refused. Each no of it
// counts here; a yes counts only where nothing is on record, under the evidence
// that came with it. It can be begun again where it was cut short.
func (s *Store) ImportTransfer(ctx context.Context, from io.Reader, told string, a StaffAct) (sum Transferred, err error) {
	b, err := readBundle(ctx, from, told)
	if err != nil {
		return sum, err
	}
	defer b.close()
	names, err := s.loadNames(ctx)
	if err != nil {
		return sum, err
	}
	if err := b.fits(names); err != nil {
		return sum, err
	}
	sum = Transferred{From: b.From, Rows: b.Rows, People: b.people, Limits: b.limits, Head: b.Head, Fingerprint: b.signer}
	if sum.Again, err = s.takenOver(ctx, b.Head); err != nil {
		return sum, err
	}
	if err := s.takeLimits(ctx, b); err != nil { // first, so that whoever comes in meanwhile meets them
		return sum, err
	}
	for after := 0; ; {
		people, last, err := b.peopleAfter(ctx, after, transferChunk)
		if err != nil {
			return sum, err
		}
		if len(people) == 0 {
			break
		}
		taken, err := s.takePeople(ctx, b, people, names)
		if err != nil {
			return sum, err
		}
		sum.IDsTaken, after = sum.IDsTaken+taken, last
	}
	if sum.Again {
		return sum, nil // the act of taking it over stands in the list already
	}
	a.Kind, a.Said = ActTransferIn, b.Head
	return sum, s.NoteAct(ctx, a)
}

// takenOver tells whether a bundle was taken over to its end before.
func (s *Store) takenOver(ctx context.Context, head string) (bool, error) {
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM staff_act WHERE kind = $1 AND said = $2`, ActTransferIn, head).Scan(&n)
	return n > 0, err
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
	if err := writeSecret(filepath.Join(s.keys.folder, "transferred", b.Head), b.pepper); err != nil {
		return err
	}
	for after := ""; ; {
		keys, err := b.limitsAfter(ctx, after, importChunk)
		if err != nil {
			return err
		}
		err = s.inTx(ctx, "taking over whom nobody may write to", func(t *tx) error {
			_, err := t.exec(ctx, `INSERT INTO transfer (head, name, signer, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, b.Head, b.From, b.signer, t.now.UnixMicro())
			if err != nil || len(keys) == 0 {
				return err
			}
			var values []any
			for _, key := range keys {
				values = append(values, key, b.Head, t.now.UnixMicro())
			}
			_, err = t.exec(ctx, `INSERT INTO transferred_limit (key, head, at) VALUES `+rows(len(keys), 3, 1)+` ON CONFLICT DO NOTHING`, values...)
			return err
		})
		if err != nil || len(keys) < importChunk {
			return err
		}
		after = keys[len(keys)-1]
	}
}

// takePeople stores some people, and records what they decided. taken counts the
// external ids that are somebody else's here: two businesses may well count their
// customers alike.
func (s *Store) takePeople(ctx context.Context, b *bundle, people []transferPerson, n names) (taken int, err error) {
	chunk := make([]incoming, len(people))
	keys := make([]consent.Key, len(people))
	said := make([]history, len(people))
	for i, p := range people {
		if chunk[i], err = s.incomingOf(p, n); err != nil {
			return 0, err
		}
		keys[i] = chunk[i].key
		if said[i], err = b.historyOf(ctx, p.Key); err != nil {
			return 0, fmt.Errorf("reading what somebody decided: %w", err)
		}
	}
	err = s.inTx(ctx, "taking over people", func(t *tx) error {
		held, err := t.lockKeys(ctx, keys)
		if err != nil {
			return err
		}
		if _, err := t.upsertAll(ctx, chunk, held); err != nil {
			return err
		}
		if taken, err = t.takeIDs(ctx, people, keys); err != nil {
			return err
		}
		for i := range people {
			if err := t.takeChoices(ctx, b, said[i], held, keys[i], n); err != nil {
				return err
			}
		}
		return nil
	})
	return taken, err
}

func (s *Store) incomingOf(p transferPerson, n names) (one incoming, err error) {
	one = incoming{Contact: p.Contact}
	if one.key, one.Email, err = s.Key(p.Contact.Email); err != nil {
		return one, err
	}
	one.Topics, one.PartnerOffers, one.Sharing, one.ExternalID = nil, false, false, ""
	for _, service := range p.Services {
		if number := n.services[service]; number != 0 {
			one.services = append(one.services, number)
		}
	}
	return one, nil
}

// takeIDs stores the external ids of people who are stored; one that somebody
// else has here stays theirs.
func (t *tx) takeIDs(ctx context.Context, people []transferPerson, keys []consent.Key) (taken int, err error) {
	for i, p := range people {
		for _, id := range p.External {
			if _, err := t.exec(ctx, `INSERT INTO external_id (id, person) SELECT $1, id FROM person WHERE address = $2 ON CONFLICT DO NOTHING`, id, keys[i].String()); err != nil {
				return taken, fmt.Errorf("storing an external id: %w", err)
			}
			var here int
			err := t.QueryRowContext(ctx, `SELECT count(*) FROM external_id x JOIN person p ON p.id = x.person WHERE x.id = $1 AND p.address <> $2`, id, keys[i].String()).Scan(&here)
			if err != nil {
				return taken, err
			}
			taken += here
		}
	}
	return taken, nil
}

// takeChoices records a person's noes, then their yeses. That a yes raises no no
// is the ledger's own rule: here it is only not tried.
func (t *tx) takeChoices(ctx context.Context, b *bundle, h history, held map[consent.Key]*standing, key consent.Key, n names) error {
	acts := b.statuses(h.state, key)
	var yeses []act
	for _, scope := range scopesOf(h.state) {
		mark := marksOf(h.state)[scope]
		a, err := b.choice(h.rows[scope], key, scope, mark, n)
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
func (b *bundle) choice(row transferRow, key consent.Key, scope consent.Scope, mark consent.Mark, n names) (a act, err error) {
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
