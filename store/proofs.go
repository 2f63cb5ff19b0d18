package store

import (
	"context"
	"fmt"
	"time"

	"heed/consent"
)

// proofKept is how long a proof is remembered. A mail proves its writer only
// within seven days of its date, so that an older one proves nothing again.
const proofKept = 16 * 24 * time.Hour

// firstTime takes the proof from a mail whose signed words came before: whoever
// holds a mail of another person can send it once more (RFC 6376 §8.6).
func (t *tx) firstTime(ctx context.Context, m *Inbound) error {
	if !m.Request.Authenticated || m.Once == "" {
		return nil
	}
	if _, err := t.exec(ctx, `DELETE FROM proof WHERE seen < $1`, t.now.Add(-proofKept).UnixMicro()); err != nil {
		return fmt.Errorf("forgetting old proofs: %w", err)
	}
	n, err := t.exec(ctx, `INSERT INTO proof (once, seen) VALUES ($1, $2) ON CONFLICT (once) DO NOTHING`, m.Once, t.now.UnixMicro())
	if err != nil {
		return fmt.Errorf("noting a proof: %w", err)
	}
	if n == 0 {
		m.Request.Authenticated = false
		m.Request.Evidence = append(m.Request.Evidence, consent.Evidence{Rule: "proof-used-before"})
	}
	return nil
}
