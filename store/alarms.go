package store

import (
	"context"
	"fmt"
)

// raise sets off an alarm, once: while it is open the same kind and key are
// quiet. key says which thing, never who.
func (t *tx) raise(ctx context.Context, kind, key string) error {
	id, err := t.take(ctx, "alarm", 1)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, `INSERT INTO alarm (id, kind, key, raised) VALUES ($1, $2, $3, $4) ON CONFLICT (kind, key) WHERE cleared IS NULL DO NOTHING`,
		id, kind, key, t.now.UnixMicro())
	if err != nil {
		return fmt.Errorf("raising the alarm %s: %w", kind, err)
	}
	if n == 0 {
		return nil
	}
	_, err = t.addJobs(ctx, 1, Job{Queue: "privacy", Kind: "alarm", Subject: id})
	return err
}

// clearAlarm ends an alarm whose cause is gone.
func (t *tx) clearAlarm(ctx context.Context, kind, key string) error {
	_, err := t.exec(ctx, `UPDATE alarm SET cleared = $3 WHERE kind = $1 AND key = $2 AND cleared IS NULL`, kind, key, t.now.UnixMicro())
	if err != nil {
		return fmt.Errorf("clearing the alarm %s: %w", kind, err)
	}
	return nil
}
