package worker

import (
	"slices"
	"strings"
	"sync"
	"time"

	"heed/mailer"
)

// A domain that belongs to no group is watched once it defers our mail, and cut like
// a group. Only those in trouble are known, and no more than mostDomains. They are
// named by a keyed hash: a domain can be somebody's name.
const (
	domainOf    = "domain:"
	mostDomains = 500
	toldDomains = 20 // to status and metrics: those that are cut most

	fewDeferrals = 2                // before them a domain is only watched
	watchTime    = time.Minute      // for which it is
	domainRest   = 30 * time.Minute // without an answer; then it is forgotten
	sweepDomain  = time.Minute      // after which one that is whole again is forgotten
)

func isDomain(name string) bool { return strings.HasPrefix(name, domainOf) }

// named is the limit of a group.
func named(group string) string {
	if isDomain(group) {
		return group
	}
	return groupOf + group
}

// domain names the domain of an address.
func (p *pace) domain(email string) string {
	return domainOf + p.w.Store.DomainKey(email[strings.LastIndexByte(email, '@')+1:])
}

// group finds the group of an address, or the name of its domain where that is cut.
func (p *pace) group(email string) string {
	group := p.groups.of(email)
	if group == Other && p.cuts.domains.Load() > 0 {
		if name := p.domain(email); p.cuts.cut(name).active() {
			return name
		}
	}
	return group
}

// heardDomain counts an answer for a domain that belongs to no group, where it is in
// trouble.
func (p *pace) heardDomain(email string, slow bool, said mailer.Result) {
	if slow || p.cuts.domains.Load() > 0 {
		p.cuts.watch(p.domain(email), slow, said)
	}
}

// slowsDomain tells whether the relay passes on that a receiver wants less: it says
// that it closes, but for the receiver's reason (RFC 3463 §3.8: X.7 is policy).
func slowsDomain(r mailer.Result) bool {
	return r.Code == 421 && (r.Stage == mailer.StageRcpt || r.Stage == mailer.StageEnd) && strings.HasPrefix(r.Enhanced, "4.7.")
}

// watch counts an answer of a domain. One that never deferred our mail is not known.
func (a *adapter) watch(name string, slow bool, said mailer.Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tallies[name]
	if t == nil {
		if !slow && !a.cuts[name].active() || a.domains.Load() >= mostDomains {
			return
		}
		t = &tally{}
		a.tallies[name] = t
		a.domains.Add(1)
	}
	t.count(slow, said)
}

// tooFew tells that a domain has deferred too little to be cut. After a while it is
// known no longer.
func (a *adapter) tooFew(name string, t *tally) bool {
	if a.cuts[name].active() || t.slow.Load() >= fewDeferrals {
		return false
	}
	if t.idle > watchTime {
		delete(a.tallies, name)
	}
	return true
}

// forgetDomains drops what nobody needs to know any more, and counts the rest. What
// was whole for a while is taken out of Redis too.
func (a *adapter) forgetDomains(now time.Time) (tell []news) {
	n := map[string]bool{}
	for name, c := range a.cuts {
		if !isDomain(name) {
			continue
		}
		switch since := now.Sub(c.noted); {
		case c.active() && since > domainRest:
			a.cuts[name] = cut{share: 1, base: c.base, at: now, noted: now}
		case !c.active() && since > sweepDomain:
			if before := a.said[name]; before != "" {
				tell = append(tell, news{name, before, ""})
			}
			delete(a.cuts, name)
			delete(a.tallies, name)
			continue
		}
		n[name] = true
	}
	for name := range a.tallies {
		if isDomain(name) {
			n[name] = true
		}
	}
	a.domains.Store(int64(len(n)))
	return tell
}

// cutDomains lists domains that are cut, those that are cut most first, and counts
// them all.
func (a *adapter) cutDomains(most int) (names []string, all int) {
	if a.domains.Load() == 0 {
		return nil, 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, c := range a.cuts {
		if isDomain(name) && c.active() {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(x, y string) int {
		if d := a.cuts[x].share - a.cuts[y].share; d != 0 {
			return int(1e6 * d)
		}
		return strings.Compare(x, y)
	})
	all = len(names)
	return names[:min(most, all)], all
}

// slots says when what waits for a domain comes again: one after the other, as its
// turns come. No limit of a domain is looked at meanwhile, however many there are.
type slots struct {
	mu  sync.Mutex
	all map[string]time.Time
}

// longestSlot is how late at most.
const longestSlot = 5 * time.Minute

func (s *slots) next(name string, wait, gap time.Duration, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil || len(s.all) > 4*mostDomains {
		s.all = map[string]time.Time{}
	}
	at := now.Add(max(wait, time.Second))
	if last := s.all[name]; last.After(now) {
		at = last.Add(max(gap, time.Second))
	}
	if at.Sub(now) > longestSlot {
		at = now.Add(longestSlot)
	}
	s.all[name] = at
	return at
}

// free forgets the slots of a domain that is whole again.
func (s *slots) free(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, name)
}
