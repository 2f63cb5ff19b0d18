package store

import (
	"context"
	"fmt"
	"time"

	"heed/consent"
)

// Suppression is an address that is not to be written to.
type Suppression struct {
	Row    int
	Email  string
	Scope  string // all | topic:ID
	At     time.Time
	Source string
}

// Suppress records suppressions; it gives how many changed something.
func (s *Store) Suppress(ctx context.Context, all []Suppression) (changed int, rejected []Rejected, err error) {
	names, err := s.loadNames(ctx)
	if err != nil {
		return 0, nil, err
	}
	for len(all) > 0 {
		n := min(len(all), importChunk)
		var acts []act
		for _, one := range all[:n] {
			a, err := s.suppression(one, names)
			if err != nil {
				rejected = append(rejected, Rejected{one.Row, err.Error()})
				continue
			}
			acts = append(acts, a)
		}
		done, err := s.suppressChunk(ctx, acts)
		if err != nil {
			return changed, rejected, err
		}
		changed += done
		all = all[n:]
	}
	return changed, rejected, nil
}

func (s *Store) suppression(one Suppression, n names) (act, error) {
	key, _, err := s.Key(one.Email)
	if err != nil {
		return act{}, err
	}
	a := act{key: key, scope: consent.ScopeSuppressed, choice: consent.Set, received: one.At, via: consent.ViaImport, source: one.Source}
	if one.Scope == "" || one.Scope == "all" {
		return a, nil
	}
	var id string
	if _, err := fmt.Sscanf(one.Scope, "topic:%s", &id); err != nil {
		return a, fmt.Errorf("scope %q must be all or topic:ID", one.Scope)
	}
	numbers, err := lookUp([]string{id}, n.topics, "topic")
	if err != nil {
		return a, err
	}
	a.scope, a.choice = consent.TopicScope(numbers[0]), consent.Out
	return a, nil
}

func (s *Store) suppressChunk(ctx context.Context, acts []act) (changed int, err error) {
	err = s.inTx(ctx, "suppressing addresses", func(t *tx) error {
		keys := make([]consent.Key, len(acts))
		for i, a := range acts {
			keys[i] = a.key
		}
		held, err := t.lockKeys(ctx, keys)
		if err != nil {
			return err
		}
		var fresh []act
		seen := map[string]bool{}
		for _, a := range acts {
			id := a.key.String() + string(a.scope)
			if !seen[id] && news(held[a.key].state, a) {
				fresh = append(fresh, a)
			}
			seen[id] = true
		}
		changed = len(fresh)
		_, err = t.record(ctx, held, fresh)
		return err
	})
	return changed, err
}

// news tells whether a suppression says something that is not on record.
func news(s consent.State, a act) bool {
	if a.scope == consent.ScopeSuppressed {
		return s.Suppressed == 0
	}
	_, out := stoppedAt(s, a.scope)
	return !out
}

// SuppressedLine is one address that is not written to. Email is empty where
// nobody is stored any more: the key alone still keeps them out.
type SuppressedLine struct {
	Key    consent.Key
	Email  string
	Scope  string
	At     time.Time
	Source string
}

// Suppressions calls each with every address that is kept out of all marketing
// or of a topic.
func (s *Store) Suppressions(ctx context.Context, each func(SuppressedLine) error) error {
	topics, err := s.Topics(ctx)
	if err != nil {
		return err
	}
	found, err := s.read.QueryContext(ctx, `SELECT a.key, a.state, COALESCE(p.email, '') FROM address a LEFT JOIN person p ON p.address = a.key
		WHERE a.state <> '{}' ORDER BY a.key`)
	if err != nil {
		return fmt.Errorf("reading suppressions: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var key, text, email string
		if err := found.Scan(&key, &text, &email); err != nil {
			return err
		}
		state, err := consent.DecodeState(text)
		if err != nil {
			return err
		}
		k, err := consent.ParseKey(key)
		if err != nil {
			return err
		}
		for _, line := range suppressedLines(state, topics) {
			line.Key, line.Email = k, email
			if err := each(line); err != nil {
				return err
			}
		}
	}
	return found.Err()
}

func suppressedLines(s consent.State, topics []Named) (lines []SuppressedLine) {
	for source, at := range map[string]int64{"suppressed": s.Suppressed, "erased": s.Erased, "dead_address": s.Dead} {
		if at != 0 {
			return []SuppressedLine{{Scope: "all", At: time.UnixMicro(at).UTC(), Source: source}}
		}
	}
	if s.Marketing.Choice == consent.Out {
		return []SuppressedLine{{Scope: "all", At: s.Marketing.Time(), Source: string(s.Marketing.Via)}}
	}
	for _, topic := range topics {
		if mark := s.Topics[topic.Number]; mark.Choice == consent.Out {
			lines = append(lines, SuppressedLine{Scope: "topic:" + topic.ID, At: mark.Time(), Source: string(mark.Via)})
		}
	}
	return lines
}
