package store

import "context"

func (t *tx) verifyJournal(ctx context.Context, v *Invariant) error { return nil }
