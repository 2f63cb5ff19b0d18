package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"heed/consent"
)

// readTies tells each of the locked keys which others it is tied to. What is
// locked is whole: lockKeys takes all that are tied to one of them.
func (t *tx) readTies(ctx context.Context, held map[consent.Key]*standing) error {
	if len(held) < 2 {
		return nil
	}
	found, err := t.QueryContext(ctx, `SELECT old, new FROM address_link WHERE old IN (`+list(len(held), 1)+`)`, keyArgs(keysOf(held))...)
	if err != nil {
		return fmt.Errorf("reading changes of address: %w", err)
	}
	defer found.Close()
	near := map[consent.Key][]consent.Key{}
	for found.Next() {
		var old, fresh string
		if err := found.Scan(&old, &fresh); err != nil {
			return err
		}
		a, b, err := parseTwo(old, fresh)
		if err != nil {
			return err
		}
		near[a], near[b] = append(near[a], b), append(near[b], a)
	}
	for key := range near {
		held[key].tied = reach(near, key)
	}
	return found.Err()
}

func parseTwo(one, two string) (a, b consent.Key, err error) {
	if a, err = consent.ParseKey(one); err != nil {
		return a, b, err
	}
	b, err = consent.ParseKey(two)
	return a, b, err
}

func keysOf(held map[consent.Key]*standing) []consent.Key {
	keys := make([]consent.Key, 0, len(held))
	for k := range held {
		keys = append(keys, k)
	}
	return keys
}

// reach lists the keys that can be come to from one, in ascending order.
func reach(near map[consent.Key][]consent.Key, from consent.Key) (all []consent.Key) {
	seen, next := map[consent.Key]bool{from: true}, []consent.Key{from}
	for len(next) > 0 {
		key := next[0]
		next = next[1:]
		for _, other := range near[key] {
			if !seen[other] {
				seen[other] = true
				all, next = append(all, other), append(next, other)
			}
		}
	}
	slices.SortFunc(all, func(a, b consent.Key) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// twinSource is what the ledger names as the source of a no that was said under
// the other address of a person.
const twinSource = "other address"

// withTwins adds, for each no and each status that holds for a person rather
// than a mailbox, the same for the keys that are tied to its own, unless it
// stands there already. It adds nothing to what it has added to before.
func withTwins(held map[consent.Key]*standing, acts []act) []act {
	all := slices.Clone(acts)
	for _, a := range acts {
		for _, other := range held[a.key].tied {
			twin := a
			twin.key, twin.source = other, twinSource
			if twin.evidence != "" {
				twin.evidence = `{"said_under":"` + a.key.String() + `"}` // the words may be another person's by now
			}
			if carries(held[other], twin) && !slices.ContainsFunc(all, twin.same) {
				all = append(all, twin)
			}
		}
	}
	return all
}

func (a act) same(b act) bool { return a.key == b.key && a.scope == b.scope && a.choice == b.choice }

// carries tells whether an act under one address of a person changes anything
// under another. A dead mailbox says nothing of the other; and whoever is
// stored by now under an address that somebody left is not erased with them.
func carries(other *standing, a act) bool {
	s := other.state
	if until, pause := a.scope.Pause(); pause {
		return s.Pause != 0 && a.choice == consent.Lift || a.choice == consent.Set && until.UnixMicro() > s.Pause
	}
	switch {
	case a.choice == consent.Out:
		_, out := stoppedAt(s, a.scope)
		return !out
	case a.scope == consent.ScopeHold:
		return (a.choice == consent.Set) == (s.Hold == 0)
	case a.scope == consent.ScopeRestricted:
		return (a.choice == consent.Set) == (s.Restricted == 0)
	case a.scope == consent.ScopeSuppressed:
		return a.choice == consent.Set && s.Suppressed == 0
	case a.scope == consent.ScopeErased:
		return a.choice == consent.Set && s.Erased == 0 && other.subject == ""
	}
	return false
}
