package store

import (
	"time"

	"heed/consent"
)

// How a result proves that it may be written.
const (
	unclaimed = 0 // refused before the claim: nobody else may hold one
	claimed   = 1 // its token closed the open claim
	late      = 2 // the sweep was faster; the delivery must still carry its token
)

// outcomes are results as they are to be written.
type outcomes struct {
	ended     []any // of those that closed their claim: nearly all
	updates   []any // of the others
	retries   []any
	uncertain bool
}

// closing takes away the claims that have a result. The claim that carries the
// token goes first: where it is no longer there, the sweep has called the
// delivery uncertain meanwhile, and only the same token may still resolve that.
func (g *group) closing(t *tx) (string, []any) {
	given := make([]any, 0, 3*len(g.results))
	for _, r := range g.results {
		given = append(given, r.Campaign, r.Address.String(), r.Token)
	}
	table, args := t.s.d.given(given, 1, "BIGINT", "TEXT", "BIGINT")
	return `DELETE FROM claim WHERE (campaign, address, token) IN (SELECT v.column1, v.column2, v.column3 FROM ` + table + `) RETURNING token, at`, args
}

func (g *group) readClosed(found scanned) error {
	for found.Next() {
		var token, at int64
		if err := found.Scan(&token, &at); err != nil {
			return err
		}
		g.closed[token] = at
	}
	return found.Err()
}

// settle says what is to be written of results, given the claims that they
// closed. A message has one result: where a lane that had the claim tells what
// became of it, another one's refusal before a claim says nothing any more.
func (o *outcomes) settle(t *tx, results []Result, closed map[int64]int64) {
	told := map[Ask]bool{}
	for _, r := range results {
		_, mine := closed[r.Token]
		told[r.Ask] = told[r.Ask] || mine && r.Outcome != GivenBack
	}
	for _, r := range results {
		at, mine := closed[r.Token]
		proof := late
		if mine {
			proof = claimed
		} else if r.Token == 0 {
			proof = unclaimed
		}
		if r.Outcome == GivenBack {
			if proof != late {
				continue // it waits as before
			}
			r.Outcome, r.Due = Deferred, t.now // never ended after all
		}
		if proof == unclaimed {
			if told[r.Ask] {
				continue
			}
			told[r.Ask] = true
		}
		o.uncertain = o.uncertain || r.Outcome == Uncertain
		state, reason := string(r.Outcome), ""
		if r.Outcome == Expired {
			state, reason = "skipped", string(consent.Expired)
		}
		if proof == claimed && reason == "" {
			o.ended = append(o.ended, r.Campaign, r.Address.String(), state, r.Token, int64(r.Code), r.Status, at, endTime(r, at))
		} else {
			o.updates = append(o.updates, r.Campaign, r.Address.String(), state, r.Token, int64(r.Code), r.Status, at, endTime(r, at), int64(proof), reason)
		}
		if r.Outcome == Deferred {
			o.retries = append(o.retries, r.Campaign, r.Address.String(), r.Due.UnixMicro())
		}
	}
}

func endTime(r Result, at int64) int64 {
	if r.EndAt.IsZero() {
		return at
	}
	return r.EndAt.UnixMicro()
}

// writing gives the statements that record the results.
func (o *outcomes) writing(t *tx) (all []statement) {
	if len(o.ended) > 0 {
		table, args := t.s.d.given(o.ended, 2, "BIGINT", "TEXT", "TEXT", "BIGINT", "INTEGER", "TEXT", "BIGINT", "BIGINT")
		all = append(all, statement{"writing results", `UPDATE delivery SET state = v.column3, reason = '', token = v.column4, attempts = attempts + 1, code = v.column5, status = v.column6,
			claimed = v.column7, end_at = v.column8, changed = $1 FROM ` + table + `
			WHERE delivery.campaign = v.column1 AND delivery.address = v.column2`, append([]any{t.now.UnixMicro()}, args...)})
	}
	if len(o.updates) > 0 {
		table, args := t.s.d.given(o.updates, 2, "BIGINT", "TEXT", "TEXT", "BIGINT", "INTEGER", "TEXT", "BIGINT", "BIGINT", "INTEGER", "TEXT")
		all = append(all, statement{"writing late results", `UPDATE delivery SET state = v.column3, reason = v.column10, token = v.column4, attempts = attempts + 1, code = v.column5, status = v.column6,
			claimed = CASE WHEN v.column9 = 1 THEN v.column7 ELSE claimed END, end_at = CASE WHEN v.column9 = 1 THEN v.column8 ELSE end_at END,
			changed = $1 FROM ` + table + `
			WHERE delivery.campaign = v.column1 AND delivery.address = v.column2 AND (v.column9 = 1
			OR (v.column9 = 0 AND delivery.state = 'waiting' AND NOT EXISTS (SELECT 1 FROM claim k WHERE k.campaign = v.column1 AND k.address = v.column2))
			OR (v.column9 = 2 AND delivery.state = 'uncertain' AND delivery.token = v.column4 AND (v.column3 <> 'deferred'
				OR EXISTS (SELECT 1 FROM campaign c WHERE c.id = v.column1 AND c.state IN ('sending', 'paused')))))`, append([]any{t.now.UnixMicro()}, args...)})
	}
	if len(o.retries) > 0 {
		table, args := t.s.d.given(o.retries, 1, "BIGINT", "TEXT", "BIGINT")
		all = append(all, statement{"planning retries", `INSERT INTO retry (campaign, address, due) SELECT v.column1, v.column2, v.column3 FROM ` + table + `
			JOIN delivery d ON d.campaign = v.column1 AND d.address = v.column2 AND d.state = 'deferred'
			WHERE true ON CONFLICT (campaign, address) DO UPDATE SET due = excluded.due`, args})
	}
	if o.uncertain {
		all = append(all, retryAlerts)
	}
	return all
}

// AlertRetry is how long after an uncertain alert the same message, with the
// same Message-ID, is sent once more.
const AlertRetry = 15 * time.Minute

// retryAlerts plans the one further copy of an alert whose fate is unknown: an
// alert missed hurts more than one that came twice. One that is paused keeps its
// plan until it goes on; who is erased gets none.
var retryAlerts = statement{"planning alerts once more", `INSERT INTO retry (campaign, address, due) SELECT d.campaign, d.address, d.changed + $1 FROM delivery d
	JOIN campaign c ON c.id = d.campaign WHERE c.class = 'alert' AND c.state IN ('sending', 'paused') AND d.state = 'uncertain' AND d.attempts = 1 AND d.person IS NOT NULL
	ON CONFLICT DO NOTHING`, []any{AlertRetry.Microseconds()}}
