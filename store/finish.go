package store

import (
	"context"
)

// FinishCampaigns closes the campaigns in which nobody waits any more.
func (s *Store) FinishCampaigns(ctx context.Context) (finished []int64, err error) {
	const quiet = ` AND c.fanned = 1
		AND NOT EXISTS (SELECT 1 FROM job j WHERE j.campaign = c.id AND j.state IN ('ready', 'carried', 'running'))
		AND NOT EXISTS (SELECT 1 FROM job j WHERE j.campaign = c.id AND j.state = 'failed')
		AND NOT EXISTS (SELECT 1 FROM retry r WHERE r.campaign = c.id)
		AND NOT EXISTS (SELECT 1 FROM claim k WHERE k.campaign = c.id)`
	var candidates int
	if err := s.lookRow(ctx, `SELECT count(*) FROM campaign c WHERE c.state = 'sending'`+quiet).Scan(&candidates); err != nil || candidates == 0 {
		return nil, err
	}
	err = s.inTx(ctx, "closing campaigns", func(t *tx) error {
		if err := t.adopt(ctx, quiet); err != nil {
			return err
		}
		found, err := t.QueryContext(ctx, `UPDATE campaign AS c SET state = 'done', ended = $1 WHERE c.state = 'sending'`+quiet+` RETURNING id`, t.now.UnixMicro())
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var id int64
			if err := found.Scan(&id); err != nil {
				return err
			}
			finished = append(finished, id)
		}
		return found.Err()
	})
	return finished, err
}

// adopt gives a new job to whoever still waits in a campaign that has none: a
// second look before a campaign is called done, so that nobody is lost
// whatever happened to the job that had them.
func (t *tx) adopt(ctx context.Context, quiet string) error {
	found, err := t.QueryContext(ctx, `SELECT c.id FROM campaign c WHERE c.state = 'sending'`+quiet+`
		AND EXISTS (SELECT 1 FROM delivery d WHERE d.campaign = c.id AND d.state IN ('waiting', 'deferred'))`)
	if err != nil {
		return err
	}
	ids, err := gather(found, single[int64])
	if err != nil {
		return err
	}
	for _, id := range ids {
		c, err := scanCampaign(t.QueryRowContext(ctx, `SELECT `+campaignColumns+` FROM campaign WHERE id = $1`, id))
		if err != nil {
			return err
		}
		job, err := t.addJobs(ctx, 1, Job{Queue: c.queue(), Kind: "send", Campaign: id})
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE delivery SET state = 'waiting', job = $2, changed = $3 WHERE campaign = $1 AND state IN ('waiting', 'deferred')`,
			id, job, t.now.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}
