package store

import (
	"context"

	"heed/consent"
)

func (t *tx) brake(ctx context.Context, m Inbound, one *standing, all []Stopped) error {
	_ = consent.In
	return nil
}
