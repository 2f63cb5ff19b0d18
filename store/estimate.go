package store

import (
	"context"
	"time"

	"heed/consent"
)

// Estimate counts who a campaign would reach if it began now, and who not and
// why. It asks the same questions as the send.
func (s *Store) Estimate(ctx context.Context, c Campaign, each func(Person, consent.Reason)) error {
	audience, err := consent.ParseAudience(c.Audience)
	if err != nil {
		return err
	}
	return s.inRead(ctx, func(t *tx) error {
		for cursor := int64(0); ; {
			people, err := t.members(ctx, c, cursor, 1<<62, fanChunk, false)
			if err != nil || len(people) == 0 {
				return err
			}
			lists, err := t.lists(ctx, audience.NeedsLists(), people)
			if err != nil {
				return err
			}
			for _, p := range people {
				if audience.Match(lists.Traits(p)) {
					each(p, t.decide(ctx, c, p))
				}
				cursor = p.ID
			}
		}
	})
}

func (t *tx) decide(ctx context.Context, c Campaign, p Person) consent.Reason {
	who := consent.Person{At: t.now, State: p.State, Holds: true}
	switch c.Class {
	case consent.Alert:
		_ = t.QueryRowContext(ctx, alertsReceived, p.Key.String(), t.now.Add(-AlertWindow).UnixMicro(), c.ID).Scan(&who.Received)
	case consent.PolicyNotice, consent.ConsentRequest:
		_ = t.QueryRowContext(ctx, aboutVersion(`$1`, `$2`, `$3`, `$4`), string(c.Class), c.Policy, c.ID, p.Key.String()).Scan(&who.Received)
	}
	return consent.Decide(who, c.Message(), t.s.limits)
}

// AlertWindow is the time over which the cap on alerts counts.
const AlertWindow = 30 * 24 * time.Hour

const alertsReceived = `SELECT count(*) FROM delivery d JOIN campaign c ON c.id = d.campaign
	WHERE c.class = 'alert' AND d.address = $1 AND d.state IN ('accepted', 'uncertain') AND d.changed > $2 AND c.id <> $3`
