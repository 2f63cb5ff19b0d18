package inbox

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"

	"heed/consent"
)

// How a backlog is worked off. Headers are read in portions, mails one by one,
// and in between it is asked what has come meanwhile, even if the server does
// not tell.
const (
	portion  = 200
	atOnce   = 10
	arrivals = time.Second
)

// How urgent a mail is. An opt-out does not wait behind a flood.
const (
	urgent = iota // a link of ours in its address or subject
	likely        // its subject alone is a command
	usual
	urgencies
)

// queue is what lies in the mailbox and is still to be done, as numbers and
// sizes only: a hundred thousand mails take a few megabytes.
type queue struct {
	unsorted []imap.UID
	sorted   [urgencies][]envelope
	top      imap.UID      // the highest that is known
	asked    time.Time     // when it was last asked what has come
	cost     time.Duration // how long that took, with the filing
}

func (q *queue) add(uids []imap.UID) {
	q.unsorted = append(q.unsorted, uids...)
	for _, uid := range uids {
		q.top = max(q.top, uid)
	}
}

// next gives the mails to do now: a few of the urgent ones, or of the others
// once everything is sorted.
func (q *queue) next() (todo []envelope) {
	for level, waiting := range q.sorted {
		if level > urgent && len(q.unsorted) > 0 {
			return nil
		}
		if n := min(len(waiting), atOnce); n > 0 {
			q.sorted[level] = waiting[n:]
			return waiting[:n]
		}
	}
	return nil
}

func (q *queue) empty() bool { return q.waiting() == 0 }

func (q *queue) waiting() int {
	n := len(q.unsorted)
	for _, sorted := range q.sorted {
		n += len(sorted)
	}
	return n
}

// oldest is the arrival of the mail that has waited longest, as far as known.
func (q *queue) oldest() (first time.Time) {
	for _, sorted := range q.sorted {
		for _, e := range sorted {
			if first.IsZero() || e.arrived.Before(first) {
				first = e.arrived
			}
		}
	}
	return first
}

// sort reads the headers of the next portion. Where that breaks the
// connection, the next visit reads fewer at once, down to the one mail whose
// header does it, which then waits like any mail that fails.
func (v *visits) sort(c *connection, q *queue) error {
	n := min(len(q.unsorted), v.portion)
	part := q.unsorted[:n]
	q.unsorted = q.unsorted[n:]
	found, err := c.envelopes(part)
	if err != nil {
		if n == 1 {
			v.trouble(part[0])
		}
		v.portion = max(1, v.portion/8)
		return err
	}
	for _, e := range found {
		level := v.urgency(e.header)
		e.header = nil
		q.sorted[level] = append(q.sorted[level], e)
	}
	return nil
}

// urgency goes by what mail servers and mail programs write into the header.
func (v *visits) urgency(header []byte) (level int) {
	level = usual
	_ = guarded(func() error {
		r := reading{role: v.Mailbox.Role, ring: v.ring(), ours: v.Ours}
		r.readHeader(header)
		if _, found := r.addressLink(); found {
			level = urgent
		} else if r.role == RoleUnsubscribe && len(r.Subject) < 100 && r.commandIn(r.plainSubject()) != "" {
			level = likely
		}
		return nil
	})
	return level
}

func (v *visits) ring() consent.Keyring { return v.Store.Keys().Links }

// urgencyFields are the headers that tell.
func urgencyFields() []string { return append([]string{"Subject"}, addressed...) }

// between does what must not wait for the end of a long backlog: it files, keeps
// the lease and takes in what has come. On some servers each of that takes
// seconds while the folder is full: then it is done more rarely, so that most
// of the time goes into reading.
func (v *visits) between(ctx context.Context, c *connection, q *queue) error {
	now := v.now()
	if now.Sub(v.leased) >= leaseRenew {
		if err := v.lease(ctx); err != nil {
			return err
		}
	}
	if v.filing.n < enough && now.Before(q.asked.Add(q.pause(len(c.news) > 0))) {
		return nil
	}
	if err := v.file(ctx, c); err != nil {
		return err
	}
	err := v.takeIn(c, q)
	q.asked = v.now()
	q.cost = q.asked.Sub(now)
	return err
}

// pause is how long nothing but reading is done.
func (q *queue) pause(told bool) time.Duration {
	if told {
		return q.cost
	}
	return max(arrivals, min(4*q.cost, 10*time.Second))
}

// takeIn sorts what has come before anything else is done.
func (v *visits) takeIn(c *connection, q *queue) error {
	drain(c.news)
	came, err := c.above(q.top)
	if err != nil {
		return err
	}
	sorted := q.unsorted
	q.unsorted = nil
	q.add(came)
	for len(q.unsorted) > 0 {
		if err := v.sort(c, q); err != nil {
			return err
		}
	}
	q.unsorted = sorted
	v.waits(q.waiting(), q.oldest())
	return nil
}
