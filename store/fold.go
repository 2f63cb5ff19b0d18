package store

import (
	"context"
	"fmt"

	"heed/consent"
)

// folding is the number of the way in which states are folded from the ledger. A
// heed that folds in another way than the one before brings the stored states up
// to date when it first opens a database.
const folding = 2 // 2: a yes knows the version of the policy that it was said under

const foldChunk = 500

// foldAnew folds the states of everybody anew, in small steps, unless that was
// done. Somebody whose ledger says nothing of a version has the same state as
// before.
func (s *Store) foldAnew(ctx context.Context) error {
	done, err := s.counter(ctx, "folding")
	if err != nil || done >= folding {
		return err
	}
	for after := ""; ; {
		var last string
		err := s.inTx(ctx, "folding states anew", func(t *tx) (err error) {
			last, err = t.foldSome(ctx, after)
			return err
		})
		if err != nil {
			return err
		}
		if last == "" {
			break
		}
		after = last
	}
	return s.inTx(ctx, "noting how states are folded", func(t *tx) error { return t.setCounter(ctx, "folding", folding) })
}

// foldSome takes the next addresses, and gives the last of them.
func (t *tx) foldSome(ctx context.Context, after string) (last string, err error) {
	found, err := t.QueryContext(ctx, fmt.Sprintf(`SELECT DISTINCT address FROM ledger WHERE address > $1 AND choice = 'in' AND policy <> '' ORDER BY address LIMIT %d`, foldChunk), after)
	if err != nil {
		return "", err
	}
	keys, err := gather(found, scanKey)
	if err != nil || len(keys) == 0 {
		return "", err
	}
	held, err := t.lockKeys(ctx, keys)
	if err != nil {
		return "", err
	}
	for _, key := range keys {
		entries, err := t.ledger(ctx, key)
		if err != nil {
			return "", err
		}
		held[key].state, held[key].dirty = consent.Fold(entries), true
	}
	return keys[len(keys)-1].String(), t.writeStates(ctx, held)
}
