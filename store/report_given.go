package store

import (
	"context"
	"strconv"
	"time"
)

// ReportGiven is that somebody else got data of the person, or was told or asked
// something about them. Staff are not named.
type ReportGiven struct {
	At    time.Time  `json:"at"`
	Kind  string     `json:"kind"` // shared | sharing | service | checked, or the kind of an act of staff
	To    string     `json:"to"`   // partner, system or service; of a disclosure the authority
	By    string     `json:"by"`   // document of a disclosure, number of a notice
	State string     `json:"state"`
	Ended *time.Time `json:"ended,omitempty"`
}

// given is who has the person's data from us, who was told of them, and what
// staff did that concerns them.
func (g *gathering) given(ctx context.Context, r *Held) (err error) {
	r.Given, err = each(ctx, g, `SELECT since, 'shared', partner, '', '', NULL FROM shared WHERE address IN (`+in(g.keys)+`)
		UNION ALL SELECT created, kind, name, 'N-' || id, state, ended FROM outside_notice WHERE address IN (`+in(g.keys)+`)
		UNION ALL SELECT k.asked, 'checked', s.name, '', k.state, k.ended FROM service_check k JOIN service s ON s.id = k.service WHERE k.address IN (`+in(g.keys)+`)
		UNION ALL SELECT a.at, a.kind, COALESCE(d.authority, ''), a.said, '', NULL FROM staff_act a LEFT JOIN disclosure d ON d.id = a.about AND a.kind = '`+ActDisclosed+`'
			WHERE a.address IN (`+in(g.keys)+`) ORDER BY 1`, g.keys, func(s scanner) (one ReportGiven, err error) {
		var at int64
		var ended *int64
		err = s.Scan(&at, &one.Kind, &one.To, &one.By, &one.State, &ended)
		one.At, one.Ended = time.UnixMicro(at).UTC(), instant(ended)
		return one, err
	}, func(*ReportGiven) error { return nil })
	if err != nil {
		return err
	}
	return g.notices(ctx, r)
}

// notices opens what partners and the product are told of the person while they
// have not answered.
func (g *gathering) notices(ctx context.Context, r *Held) error {
	type row struct {
		id             int64
		holder, sealed string
		words          any
	}
	open, err := each(ctx, g, `SELECT id, holder, sealed FROM outside_notice WHERE sealed <> '' AND address IN (`+in(g.keys)+`) ORDER BY id`, g.keys,
		func(s scanner) (one row, err error) {
			err = s.Scan(&one.id, &one.holder, &one.sealed)
			return one, err
		}, func(one *row) (err error) {
			one.words, err = g.open(ctx, one.holder, one.sealed)
			return err
		})
	r.Notices = map[string]any{}
	for _, one := range open {
		r.Notices["N-"+strconv.FormatInt(one.id, 10)] = one.words
	}
	return err
}
