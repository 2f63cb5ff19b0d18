package store

import (
	"context"
	"time"
)

// signUps are the forms that were sent in for the address, with what they ask for
// as long as it is kept.
func (g *gathering) signUps(ctx context.Context, r *Held) error {
	type row struct {
		ReportSignUp
		id     int64
		sealed string
	}
	rows, err := each(ctx, g, `SELECT id, state, created, until, ended, sealed FROM signup WHERE address IN (`+in(g.keys)+`) ORDER BY id`, g.keys,
		func(s scanner) (one row, err error) {
			var created, until int64
			var ended *int64
			err = s.Scan(&one.id, &one.State, &created, &until, &ended, &one.sealed)
			one.Created, one.Until, one.Ended = time.UnixMicro(created).UTC(), time.UnixMicro(until).UTC(), instant(ended)
			return one, err
		}, func(one *row) (err error) {
			one.Detail, err = g.open(ctx, signUpHolder(one.id), one.sealed)
			return err
		})
	r.SignUps = []ReportSignUp{}
	for _, one := range rows {
		r.SignUps = append(r.SignUps, one.ReportSignUp)
	}
	return err
}

// registrations are the accounts that were confirmed to the address; which they
// are is not kept here.
func (g *gathering) registrations(ctx context.Context, r *Held) (err error) {
	r.Accounts, err = each(ctx, g, `SELECT at FROM registration WHERE address IN (`+in(g.keys)+`) ORDER BY at`, g.keys, func(s scanner) (one ReportAccount, err error) {
		var at int64
		err = s.Scan(&at)
		one.At = time.UnixMicro(at).UTC()
		return one, err
	}, func(*ReportAccount) error { return nil })
	return err
}

// welcomes are the topics to which the address was welcomed.
func (g *gathering) welcomes(ctx context.Context, r *Held) (err error) {
	r.Welcomed, err = each(ctx, g, `SELECT t.slug, w.at FROM welcomed w JOIN topic t ON t.id = w.topic WHERE w.address IN (`+in(g.keys)+`) ORDER BY w.at`, g.keys,
		func(s scanner) (one ReportWelcome, err error) {
			var at int64
			err = s.Scan(&one.Topic, &at)
			one.At = time.UnixMicro(at).UTC()
			return one, err
		}, func(*ReportWelcome) error { return nil })
	return err
}
