package inbox

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heed/store"
)

// health is what the figures of one mailbox are made of.
type health struct {
	mu      sync.Mutex
	ours    bool // this process reads the mailbox, or tries to
	well    bool
	waiting int
	oldest  time.Time
}

func (h *health) set(ours, well bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ours, h.well = ours, well
}

func (v *visits) waits(n int, oldest time.Time) {
	v.health.mu.Lock()
	defer v.health.mu.Unlock()
	v.health.waiting, v.health.oldest = n, oldest
}

// note is what the store was last told of the mailbox, and when.
type note struct {
	reason string
	at     time.Time
}

// noteEvery is how often it is told of the same trouble again.
const noteEvery = time.Minute

// says tells whether the store has to be told.
func (n note) says(reason string, now time.Time) bool {
	if n.reason != reason || n.at.IsZero() {
		return true
	}
	return reason != "" && now.Sub(n.at) >= noteEvery
}

// report tells the log, the figures and the store how a visit went. Whoever
// watches over the whole raises the alarm from what the store holds.
func (v *visits) report(ctx context.Context, err error) {
	if errors.Is(err, errLeased) {
		v.health.set(false, false)
		v.log().Debug("mailbox_leased_elsewhere", "role", v.Mailbox.Role)
		return
	}
	reason := v.reason(err)
	v.health.set(true, reason == "")
	if err == nil {
		v.well = true
	} else {
		v.log().Warn("mailbox_lost", "role", v.Mailbox.Role, "reason", reason, "cause", discreet(err))
	}
	if !v.noted.says(reason, v.now()) {
		return
	}
	if err := v.Store.NoteMailbox(ctx, v.name, v.Mailbox.Role, reason); err != nil {
		v.log().Warn("mailbox_unnoted", "role", v.Mailbox.Role, "cause", discreet(err))
		return
	}
	v.noted = note{reason, v.now()}
}

// reason sorts an error into the words that the store takes.
func (v *visits) reason(err error) string {
	if err == nil && len(v.filed) > 0 {
		return store.MailboxCannotFile
	}
	if err == nil {
		return ""
	}
	for _, one := range []struct {
		is     error
		reason string
	}{{errRefused, store.MailboxLoginRefused}, {errToken, store.MailboxTokenRefused}, {fs.ErrNotExist, store.MailboxNoSecret},
		{fs.ErrPermission, store.MailboxNoSecret}, {errSilent, store.MailboxSilent}, {errReach, store.MailboxUnreachable}, {errFolder, store.MailboxFolderMissing}} {
		if errors.Is(err, one.is) {
			return one.reason
		}
	}
	return store.MailboxFailed
}

// figures describe the mailboxes by role.
var (
	figureUp      = prometheus.NewDesc("heed_mailbox_up", "Whether the mailbox can be read: 1 or 0.", []string{"role"}, nil)
	figureBacklog = prometheus.NewDesc("heed_mailbox_backlog", "Mails that wait to be read.", []string{"role"}, nil)
	figureOldest  = prometheus.NewDesc("heed_mailbox_oldest_seconds", "How long the first of them has waited.", []string{"role"}, nil)
)

// Figures gives the state of mailboxes to a registry. Several of one role count
// as one, which is up where all are; those that another process reads are not
// counted here.
type Figures []*Poller

// Describe is for the registry.
func (Figures) Describe(to chan<- *prometheus.Desc) {
	to <- figureUp
	to <- figureBacklog
	to <- figureOldest
}

// figure is a role's sum.
type figure struct{ up, backlog, oldest float64 }

func (h *health) figure(now time.Time) (f figure, ours bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f.backlog = float64(h.waiting)
	if h.well {
		f.up = 1
	}
	if !h.oldest.IsZero() {
		f.oldest = max(0, now.Sub(h.oldest).Seconds())
	}
	return f, h.ours
}

// Collect is for the registry.
func (f Figures) Collect(to chan<- prometheus.Metric) {
	roles := map[string]figure{}
	for _, p := range f {
		h, ours := p.health.figure(p.now())
		if sum, known := roles[p.Mailbox.Role]; known {
			h = figure{min(h.up, sum.up), h.backlog + sum.backlog, max(h.oldest, sum.oldest)}
		}
		if ours {
			roles[p.Mailbox.Role] = h
		}
	}
	for role, h := range roles {
		to <- prometheus.MustNewConstMetric(figureUp, prometheus.GaugeValue, h.up, role)
		to <- prometheus.MustNewConstMetric(figureBacklog, prometheus.GaugeValue, h.backlog, role)
		to <- prometheus.MustNewConstMetric(figureOldest, prometheus.GaugeValue, h.oldest, role)
	}
}
