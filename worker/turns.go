package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"heed/consent"
	"heed/store"
)

// longest is how long a batch waits in memory for its next messages. What has
// to wait longer waits in the store.
const longest = 3 * time.Second

// parkTime is when a batch that waits in the store is carried even if nobody
// has released it, such as after its limit was taken out of the configuration.
const parkTime = time.Hour

// spell is how long a batch waits for one turn after the other before it makes room
// for the next one that waits.
const spell = 4 * time.Second

// turns is a batch on its way through the limits. What may go now goes; what
// may not is moved out of its way.
type turns struct {
	p     *pace
	b     batch
	began time.Time
}

// share is what goes to one group.
type share struct {
	group   string
	letters []store.Letter
	grant   grant
}

// inTurn sends a batch as the limits allow it. A batch that comes from the
// fan-out never waits: it sends what may go and parks the rest by what holds it.
// One that was parked and is now released waits for its turns, holding no lane.
func (w *Worker) inTurn(ctx context.Context, b batch, letters []store.Letter) (rest time.Duration, err error) {
	if w.pace.free(b.c) {
		rest, _ = w.round(ctx, b, nil, letters)
		return rest, nil
	}
	t := &turns{p: w.pace, b: b, began: w.Now()}
	for len(letters) > 0 && !w.stopped() {
		r, shares, err := t.next(ctx, letters)
		if err != nil || shares == nil { // no relay can be used
			return w.relayRest(b), err
		}
		now, held := divide(shares)
		if len(now) > 0 {
			rest, whole := t.send(ctx, r, shares, now)
			if !whole {
				return rest, nil
			}
		} else if w.pace.giveBack(r, b.j.Queue); !t.pause(ctx, held) {
			return 0, t.park(ctx, held)
		} else if on, err := t.going(ctx); !on || err != nil {
			return 0, err
		}
		letters = letters[:0]
		for _, one := range held {
			letters = append(letters, one.letters...)
		}
	}
	return 0, nil
}

// send sends what was granted, and gives back what was not used of it.
func (t *turns) send(ctx context.Context, r *relay, shares []share, now []store.Letter) (rest time.Duration, whole bool) {
	used := map[consent.Key]bool{}
	b := t.b
	b.used = used
	defer t.p.close(shares)
	rest, whole = t.p.w.round(ctx, b, r, now)
	for _, one := range shares {
		n := one.grant.n
		for _, letter := range one.letters[:n] {
			if used[letter.Address] {
				n--
			}
		}
		t.p.returnDays(r, one.group, n)
	}
	return rest, whole
}

// close ends the conversations of a batch.
func (p *pace) close(shares []share) {
	for _, one := range shares {
		p.leases.drop(one.grant.lease)
	}
}

// next chooses a relay and takes turns for as many messages as may go by it. A
// relay that has nothing left is passed over where there is another one. No
// shares: no relay can be used. No relay: none has anything left.
func (t *turns) next(ctx context.Context, letters []store.Letter) (*relay, []share, error) {
	var without []*relay
	var shares []share
	for {
		r := t.p.w.choose(ctx, t.b.j.Queue, func(r *relay) bool { return !slices.Contains(without, r) })
		if r == nil {
			return nil, shares, nil
		}
		shares = t.p.split(letters)
		if err := t.p.grant(ctx, t.b, r, shares); err != nil {
			t.p.close(shares)
			t.p.giveBack(r, t.b.j.Queue)
			return nil, nil, err
		}
		if now, held := divide(shares); len(now) > 0 || !heldBy(held, relayOf+r.Name) {
			return r, shares, nil
		}
		t.p.giveBack(r, t.b.j.Queue)
		without = append(without, r)
	}
}

func heldBy(held []share, name string) bool {
	return len(held) > 0 && !slices.ContainsFunc(held, func(s share) bool { return s.grant.by != name && s.grant.by != alertsBy+name })
}

// split sorts a batch by group, in the order of the batch.
func (p *pace) split(letters []store.Letter) []share {
	var all []share
	for _, letter := range letters {
		group := p.group(letter.Email)
		i := slices.IndexFunc(all, func(s share) bool { return s.group == group })
		if i < 0 {
			i, all = len(all), append(all, share{group: group})
		}
		all[i].letters = append(all[i].letters, letter)
	}
	return all
}

// grant takes turns for every share: first what today allows, then the rates,
// in one round trip for all.
func (p *pace) grant(ctx context.Context, b batch, r *relay, shares []share) error {
	asks := make([]ask, len(shares))
	for i := range shares {
		one := &shares[i]
		if by := p.line(b, r, one.group); by != "" {
			one.grant = grant{by: by, wait: leaseWait}
			continue
		}
		n, err := p.today(ctx, b, r, one)
		if err != nil {
			return err
		}
		if n, err = p.open(ctx, b, one, n); err != nil {
			return err
		}
		asks[i] = p.ask(b.c, b.j.Queue, one.group, r, n)
	}
	for i, g := range p.tokens.take(ctx, asks) {
		p.granted(r, &shares[i], asks[i].n, g)
	}
	return nil
}

// granted notes how many of n messages may go, and what holds the others.
func (p *pace) granted(r *relay, one *share, n int, g grant) {
	p.returnDays(r, one.group, n-g.n)
	if g.n < n || one.grant.by == "" {
		one.grant.by, one.grant.wait, one.grant.day = g.by, g.wait, false
	}
	if one.grant.n = g.n; g.n == 0 {
		p.leases.drop(one.grant.lease)
		one.grant.lease = lease{}
	}
}

// plans are the warm-ups that a message to a group by a relay counts in.
func (p *pace) plans(r *relay, group string) map[string][]int {
	all := map[string][]int{}
	if len(r.WarmUp) > 0 {
		all[relayOf+r.Name] = r.WarmUp
	}
	if plan := p.limits[group].WarmUp; len(plan) > 0 {
		all[groupOf+group] = plan
	}
	return all
}

// today takes from the warm-ups; the one that allows the least holds the rest.
func (p *pace) today(ctx context.Context, b batch, r *relay, s *share) (n int, err error) {
	n = len(s.letters)
	got := map[string]int{}
	for name, plan := range p.plans(r, s.group) {
		if got[name], err = p.days.take(ctx, name, plan, n, b.j.Queue == "alert"); err != nil {
			return 0, err
		}
		if got[name] < n {
			n, s.grant = got[name], grant{by: name, wait: p.days.tomorrow().Sub(p.w.Now()), day: true}
		}
	}
	for name, g := range got {
		p.days.giveBack(name, g-n)
	}
	return n, nil
}

// open takes the right to one more conversation with a group that has a limit
// of them. Alerts need none.
func (p *pace) open(ctx context.Context, b batch, s *share, n int) (int, error) {
	most := p.limits[s.group].Connections
	if most == 0 || n == 0 || b.j.Queue == "alert" {
		return n, nil
	}
	if l, ok := p.leases.take(ctx, groupOf+s.group); ok {
		s.grant.lease = l
		return n, nil
	}
	s.grant = grant{by: groupOf + s.group, wait: leaseWait}
	return 0, nil
}

func (p *pace) returnDays(r *relay, group string, n int) {
	if n <= 0 {
		return
	}
	for name := range p.plans(r, group) {
		p.days.giveBack(name, n)
	}
}

// divide gives what may go now, and of each share what may not.
func divide(shares []share) (now []store.Letter, held []share) {
	for _, one := range shares {
		n := one.grant.n
		now = append(now, one.letters[:n]...)
		if n < len(one.letters) {
			held = append(held, share{one.group, one.letters[n:], one.grant})
		}
	}
	return now, held
}

// pause waits for the next turn, where the batch was released for it and there
// is room to wait. No lane is held meanwhile.
func (t *turns) pause(ctx context.Context, held []share) bool {
	wait := held[0].grant.wait
	for _, one := range held {
		wait = min(wait, one.grant.wait)
	}
	if t.b.j.Pace == "" || wait > longest || t.p.w.Now().Sub(t.began) > spell {
		return false
	}
	select {
	case t.p.rooms[t.b.j.Queue] <- struct{}{}:
	default:
		return false
	}
	defer func() { <-t.p.rooms[t.b.j.Queue] }()
	select {
	case <-ctx.Done():
		return false
	case <-t.p.w.stopping:
		return false
	case <-time.After(wait):
		return true
	}
}

// going tells whether the campaign still sends. The claim would say so too, but
// each message would use up a turn first.
func (t *turns) going(ctx context.Context) (bool, error) {
	c, err := t.p.w.Store.Campaign(ctx, t.b.c.ID)
	return c.State == "sending", err
}

// park moves what is held into jobs that wait in the store, one for each limit.
// A batch that waits for one limit as a whole just rests.
func (t *turns) park(ctx context.Context, held []share) error {
	var parts []store.Parked
	for _, one := range held {
		i := slices.IndexFunc(parts, func(p store.Parked) bool { return p.Limit == one.grant.by })
		if i < 0 {
			i, parts = len(parts), append(parts, store.Parked{Limit: one.grant.by, Due: t.due(one.grant)})
		}
		for _, letter := range one.letters {
			parts[i].Asks = append(parts[i].Asks, letter.Ask)
		}
	}
	if len(parts) == 1 {
		return errors.Join(t.p.w.deskOf(t.b.j).Flush(ctx), t.p.w.Store.Rest(ctx, t.b.j, parts[0].Limit, parts[0].Due))
	}
	return t.p.w.Store.Park(ctx, t.b.j, parts)
}

// due is when a part comes again by itself; a limit that has nothing for a
// while releases nothing meanwhile.
func (t *turns) due(g grant) time.Time {
	now := t.p.w.Now()
	if b, _ := t.p.bucket(g.by); isDomain(g.by) && b.rate > 0 {
		return t.p.slots.next(g.by, g.wait, time.Duration(float64(time.Second)/b.rate), now)
	}
	switch {
	case g.day:
		t.p.quiet.until(g.by, now.Add(min(g.wait, time.Minute)))
		return now.Add(g.wait)
	case g.wait > longest:
		t.p.quiet.until(g.by, now.Add(min(g.wait, 10*time.Second)))
	}
	return now.Add(parkTime)
}

// again has it looked at once what may go next.
func (p *pace) again() {
	select {
	case p.nudge <- struct{}{}:
	default:
	}
}

// still remembers which limits have nothing to give for a while.
type still struct {
	mu  sync.Mutex
	all map[string]time.Time
}

func (q *still) until(name string, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.all == nil {
		q.all = map[string]time.Time{}
	}
	q.all[name] = at
}

func (q *still) now(name string, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	at, found := q.all[name]
	if found && !now.Before(at) {
		delete(q.all, name)
		found = false
	}
	return found
}
