package store

import "time"

// company is who may come along with the next group of claims: those whom the last
// one let go. Where a message is handed over faster than a group is committed, they
// are back in a moment, and it is better to wait for them than to let them wait for
// a whole group: with few connections groups are twice as large, and a message costs
// a fifth less. Behind a relay that is far away nobody waits.
type company struct {
	away   int                 // of the last group, who have not asked again
	left   map[int64]time.Time // when each claim without a result was granted, by token
	trip   time.Duration       // from a grant to its result, on average
	commit time.Duration       // what a group takes
}

func newCompany() company { return company{left: map[int64]time.Time{}} }

// leaves notes whom a group let go, and what it took.
func (c *company) leaves(verdicts []Verdict, took time.Duration) {
	now := time.Now()
	c.away = 0
	c.commit = drift(c.commit, took)
	for _, v := range verdicts {
		if v.Granted {
			c.left[v.Token] = now
			c.away++
		}
	}
}

// returns notes the result of a claim.
func (c *company) returns(token int64) {
	if at, mine := c.left[token]; mine {
		delete(c.left, token)
		c.trip = drift(c.trip, time.Since(at))
	}
}

func (c *company) asks() { c.away = max(0, c.away-1) }

// worth tells whether it pays that those who ask wait for those who are away.
func (c *company) worth(asking int) bool {
	return asking > 0 && c.away > 0 && asking+c.away <= groupSize && c.trip < c.commit
}

func drift(average, next time.Duration) time.Duration { return average + (next-average)/8 }

// longestWait bounds what a claim waits for others. No other wait here is as long:
// which of two ends first should not be chance.
const longestWait = 1700 * time.Microsecond

// awaitCompany waits, for as long as a group takes at most.
func (d *Desk) awaitCompany() {
	began := time.Now()
	var late *time.Timer
	for {
		d.mu.Lock()
		most := min(d.company.commit, longestWait)
		worth := d.company.worth(len(d.asks)) && !d.closed && time.Since(began) < most
		d.mu.Unlock()
		if !worth {
			return
		}
		if late == nil {
			late = time.AfterFunc(most, d.nudge)
			defer late.Stop()
		}
		<-d.wake
	}
}
