package store

import (
	"context"
	"fmt"
	"slices"

	"heed/consent"
)

// group is claims and results that share one commit.
type group struct {
	worker  string
	asks    []pending
	results []Result
	chores  []*chore

	locked  map[consent.Key]bool // address keys that nobody else has
	closed  map[int64]int64      // claims whose result this is: when each was begun, by token
	running map[int64]running
	found   map[Ask]candidate

	verdicts []Verdict
	skips    []any
	claims   []any
	outcomes
}

// claimGroup records results and decides claims in one transaction.
//
// The order matters. A statement of its own locks the address keys; only later
// statements read what the decision needs, because a statement that locks and
// reads at once sees the state from before the lock (PostgreSQL, READ
// COMMITTED). An opt-out locks the same row: either it is committed first and
// is read here, or this claim is committed first and the opt-out's
// acknowledgement waits for it.
func (s *Store) claimGroup(ctx context.Context, worker string, asks []pending, results []Result, chores ...*chore) ([]Verdict, error) {
	g := newGroup(worker, asks, results, chores)
	if s.lines != nil {
		err := again(ctx, "claiming", func() error {
			g = newGroup(worker, asks, results, chores)
			return s.claimPiped(ctx, g)
		})
		return g.verdicts, err
	}
	ctx = context.WithoutCancel(ctx) // a context that can end costs a goroutine for each statement, and this writer is not slow
	err := again(ctx, "claiming", func() error {
		return s.directly(ctx, func(t directTx) error {
			g = newGroup(worker, asks, results, chores) // anew with each try
			return g.inOrder(ctx, t)
		})
	})
	if err == nil {
		s.makeGood(ctx)
	}
	return g.verdicts, err
}

func newGroup(worker string, asks []pending, results []Result, chores []*chore) *group {
	return &group{worker: worker, asks: asks, results: results, chores: chores, locked: map[consent.Key]bool{}, closed: map[int64]int64{},
		running: map[int64]running{}, found: make(map[Ask]candidate, len(asks)), verdicts: make([]Verdict, len(asks))}
}

// inOrder is a group on SQLite, whose one writer needs no locks.
func (g *group) inOrder(ctx context.Context, d directTx) error {
	t := d.tx
	if len(g.results) > 0 {
		text, args := g.closing(t)
		if err := d.rows(ctx, text, args, g.readClosed); err != nil {
			return fmt.Errorf("closing claims: %w", err)
		}
	}
	if len(g.asks) > 0 {
		text, args := g.askingCampaigns(t)
		if err := d.rows(ctx, text, args, g.readCampaigns); err != nil {
			return fmt.Errorf("reading campaigns: %w", err)
		}
		text, args = g.asking(t)
		if err := d.rows(ctx, text, args, g.readCandidates); err != nil {
			return fmt.Errorf("reading what the decision needs: %w", err)
		}
	}
	for _, one := range g.asks {
		g.locked[one.Address] = true
	}
	g.decide(t)
	for _, one := range g.writing(t) {
		if _, err := d.exec(ctx, one.text, one.args); err != nil {
			return fmt.Errorf("%s: %w", one.what, err)
		}
	}
	return g.doChores(ctx, d)
}

// scanned is what both engines give as the answer to a query.
type scanned interface {
	Next() bool
	Scan(to ...any) error
	Err() error
}

// statement is one that writes what was decided.
type statement struct {
	what, text string
	args       []any
}

// campaigns are those of a group, each once.
func (g *group) campaigns() []int64 {
	all := make([]int64, 0, len(g.asks))
	for _, one := range g.asks {
		all = append(all, one.Campaign)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// running is what the decision needs of a campaign. It is read once for a group: its
// row holds the whole text of the campaign.
type running struct {
	state, class    string
	topic, service  int
	approved        bool
	purpose, policy string
}

func (g *group) askingCampaigns(t *tx) (string, []any) {
	ids := []any{}
	for _, id := range g.campaigns() {
		ids = append(ids, id)
	}
	table, args := t.s.d.given(ids, 1, "BIGINT")
	return `SELECT c.id, c.state, ` + classOf("c") + `, COALESCE(c.topic, 0), COALESCE(c.service, 0), c.over_cap = 'approved', c.purpose, c.policy
		FROM ` + table + ` JOIN campaign c ON c.id = v.column1`, args
}

func (g *group) readCampaigns(found scanned) error {
	for found.Next() {
		var id int64
		var r running
		if err := found.Scan(&id, &r.state, &r.class, &r.topic, &r.service, &r.approved, &r.purpose, &r.policy); err != nil {
			return err
		}
		g.running[id] = r
	}
	return found.Err()
}

// learn notes which campaigns ask for no counts.
func (g *group) learn(s *Store) {
	for id, r := range g.running {
		if !r.counts() {
			s.plain.LoadOrStore(id, true)
		}
	}
}

// counts tells whether the decision asks for what a person holds or was sent.
func (r running) counts() bool {
	return r.service != 0 || r.policy != "" || r.class == string(consent.Alert)
}

// counting gives what the decision needs to know of a person beside their state: what
// they hold, and what they were sent. It is not asked for where no campaign of the group
// wants to know. PostgreSQL gets the question before it has told of the campaigns; what
// they want never changes once they are sent, so that they are known from the group before.
func (g *group) counting(t *tx) (columns, from string, args []any) {
	wanted := false
	for _, id := range g.campaigns() {
		r, told := g.running[id]
		_, plain := t.s.plain.Load(id)
		wanted = wanted || told && r.counts() || !told && !plain && !t.s.d.sqlite()
	}
	if !wanted {
		return `1, 0`, ``, nil
	}
	return `CASE WHEN c.service IS NULL THEN 1 ELSE (SELECT count(*) FROM holding h WHERE h.service = c.service AND h.person = p.id) END,
		CASE WHEN c.policy <> '' THEN (` + aboutVersion("c.kind", "c.policy", "c.id", "d.address") + `) WHEN c.class <> 'alert' THEN 0 ELSE (SELECT count(*) FROM delivery e JOIN campaign f ON f.id = e.campaign WHERE f.class = 'alert'
			AND f.id <> c.id AND e.address = d.address AND e.state IN ('accepted', 'uncertain') AND e.changed > $1) END`, ` JOIN campaign c ON c.id = d.campaign`, []any{t.now.Add(-AlertWindow).UnixMicro()}
}

// candidate is what the decision needs of one delivery.
type candidate struct {
	running
	delivery string // its state
	received int
	token    int64 // of an open claim
	holds    bool
	known    bool
	person   consent.State
}

func (g *group) asking(t *tx) (string, []any) {
	asked := make([]any, 0, 2*len(g.asks))
	for _, one := range g.asks {
		asked = append(asked, one.Campaign, one.Address.String())
	}
	columns, from, args := g.counting(t)
	table, values := t.s.d.given(asked, len(args)+1, "BIGINT", "TEXT")
	return `SELECT d.campaign, d.address, d.state, COALESCE(k.token, 0), p.address IS NOT NULL, a.state, ` + columns + ` FROM ` + table + `
		JOIN delivery d ON d.campaign = v.column1 AND d.address = v.column2` + from + `
		JOIN address a ON a.key = d.address
		LEFT JOIN person p ON p.address = d.address
		LEFT JOIN claim k ON k.campaign = d.campaign AND k.address = d.address`, append(args, values...)
}

func (g *group) readCandidates(found scanned) error {
	for found.Next() {
		var ask Ask
		var c candidate
		var key, state string
		var holds int
		if err := found.Scan(&ask.Campaign, &key, &c.delivery, &c.token, &c.known, &state, &holds, &c.received); err != nil {
			return err
		}
		var err error
		if ask.Address, err = consent.ParseKey(key); err != nil {
			return err
		}
		if c.person, err = consent.DecodeState(state); err != nil {
			return err
		}
		var stored bool
		c.holds = holds > 0
		if c.running, stored = g.running[ask.Campaign]; stored {
			g.found[ask] = c
		}
	}
	return found.Err()
}

// decide settles results first, and then who may be sent to.
func (g *group) decide(t *tx) {
	g.settle(t, g.results, g.closed)
	busy := map[consent.Key]bool{}
	for _, r := range g.results {
		busy[r.Address] = busy[r.Address] || r.Outcome != GivenBack
	}
	for i, one := range g.asks {
		c, found := g.found[one.Ask]
		switch {
		case !found:
			g.verdicts[i].Later = "gone"
		case !g.locked[one.Address], busy[one.Address]: // what was read is older than the result
			g.verdicts[i].Later = "locked"
		default:
			g.verdicts[i] = t.verdict(c, one.token)
		}
		switch v := g.verdicts[i]; {
		case v.Granted && c.token == 0:
			g.claims = append(g.claims, one.Campaign, one.Address.String(), v.Token)
			c.token = v.Token
			g.found[one.Ask] = c
		case v.Skipped != "":
			g.skips = append(g.skips, one.Campaign, one.Address.String(), string(v.Skipped))
		}
	}
}

// verdict asks the one function that decides, after the campaign itself.
func (t *tx) verdict(c candidate, token int64) Verdict {
	switch {
	case c.token == token: // a commit whose answer was lost
		return Verdict{Granted: true, Token: token}
	case c.token != 0, c.delivery != "waiting":
		return Verdict{Later: "gone"}
	case c.state == "cancelled":
		return Verdict{Skipped: consent.Cancelled}
	case c.state == "failed":
		return Verdict{Skipped: consent.Unrenderable}
	case c.state != "sending":
		return Verdict{Later: "paused"}
	case !c.known:
		return Verdict{Skipped: consent.Erased}
	}
	who := consent.Person{At: t.now, State: c.person, Holds: c.holds, Received: c.received}
	what := consent.Message{Class: consent.Class(c.class), Topic: c.topic, Service: c.service, Approved: c.approved, Purpose: c.purpose, Version: c.policy}
	if reason := consent.Decide(who, what, t.s.limits); reason != "" {
		return Verdict{Skipped: reason}
	}
	return Verdict{Granted: true, Token: token}
}

// writing gives the statements that record what was decided.
func (g *group) writing(t *tx) []statement {
	all := g.outcomes.writing(t)
	if len(g.claims) > 0 {
		table, args := t.s.d.given(g.claims, 3, "BIGINT", "TEXT", "BIGINT")
		all = append(all, statement{"writing claims", `INSERT INTO claim (campaign, address, token, worker, at)
			SELECT v.column1, v.column2, v.column3, CAST($1 AS TEXT), CAST($2 AS BIGINT) FROM ` + table, append([]any{g.worker, t.now.UnixMicro()}, args...)})
	}
	if len(g.skips) > 0 {
		all = append(all, skipping(t, g.skips))
	}
	return all
}

func skipping(t *tx, skips []any) statement {
	table, args := t.s.d.given(skips, 2, "BIGINT", "TEXT", "TEXT")
	return statement{"writing who is skipped", `UPDATE delivery SET state = 'skipped', reason = v.column3, changed = $1 FROM ` + table + `
		WHERE delivery.campaign = v.column1 AND delivery.address = v.column2 AND delivery.state = 'waiting'
		AND NOT EXISTS (SELECT 1 FROM claim k WHERE k.campaign = v.column1 AND k.address = v.column2)`, append([]any{t.now.UnixMicro()}, args...)}
}
