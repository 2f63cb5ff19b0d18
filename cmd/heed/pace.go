package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"heed/store"
)

type paceCommand struct {
	Show  paceShowCommand  `cmd:"" help:"List relays and limits: how they stand, and what waits for them."`
	Clear paceClearCommand `cmd:"" help:"Forget that a relay, a group or a domain deferred our mail, or that a relay failed."`
}

type paceShowCommand struct{ output }

// Help shows an example.
func (paceShowCommand) Help() string {
	return "Relays, groups of receivers and all together, as the living workers see them, and campaigns where something waits for them. docs/relays.md tells more.\n\nExample: heed pace show --json"
}

// paceView is a relay or a limit as it is printed.
type paceView struct {
	Limit   string     `json:"limit"` // all | relay:NAME | group:NAME | domain:NAME | campaign:ID, for alerts among themselves with alert: before it
	State   string     `json:"state,omitempty"`
	Rate    float64    `json:"rate"`    // messages a second now; 0: no limit
	Ceiling float64    `json:"ceiling"` // as configured; 0: none
	Share   float64    `json:"share"`   // of the full rate, after deferrals
	Waiting int        `json:"waiting_batches"`
	Workers int        `json:"workers"`
	Since   *time.Time `json:"since,omitempty"` // when that changed
	Today   *todayView `json:"today,omitempty"` // of a warm-up
	Open    *openView  `json:"connections,omitempty"`
}

// openView is how many conversations of newsletters a relay has that bounds them.
type openView struct {
	Open int `json:"open"`
	Most int `json:"most"`
}

// todayView is how far a warm-up has come.
type todayView struct {
	Day     int `json:"day"` // of the plan, from 1
	Used    int `json:"used"`
	Allowed int `json:"allowed"` // 0: the plan is over
}

// Run lists them, one a line.
func (c *paceShowCommand) Run(a *app) error {
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	all, err := s.Pace(a.ctx)
	if err != nil {
		return err
	}
	ups, err := s.WarmUps(a.ctx)
	if err != nil {
		return err
	}
	domains, err := s.DomainNames(a.ctx, domainLimits(all))
	if err != nil {
		return err
	}
	for _, one := range all {
		v := paceView{Limit: limitName(one.Name, domains), State: one.State, Rate: one.Rate, Ceiling: one.Ceiling, Share: one.Cut, Waiting: one.Batches,
			Workers: one.Workers, Since: orNil(one.Since), Today: conf.today(one.Name, ups)}
		if one.Most > 0 {
			v.Open = &openView{one.Open, one.Most}
		}
		if err := a.show(v, func() { a.sayPace(v) }); err != nil {
			return err
		}
	}
	if len(all) == 0 && !a.json {
		a.say("no worker lives, and nothing waits")
	}
	return nil
}

// domainLimits are those that name single domains, by a hash.
func domainLimits(all []store.PaceView) (limits []string) {
	for _, one := range all {
		if strings.HasPrefix(one.Name, "domain:") {
			limits = append(limits, one.Name)
		}
	}
	return limits
}

// limitName names a limit; a domain of which nothing waits is known by its hash alone.
func limitName(limit string, domains map[string]string) string {
	if domain := domains[limit]; domain != "" {
		return "domain:" + domain
	}
	return limit
}

// today finds the warm-up of a name; nil where it has none.
func (c *config) today(name string, ups []store.WarmUp) *todayView {
	plan := c.plans()[name]
	if len(plan) == 0 {
		return nil
	}
	t := todayView{Day: 1, Allowed: plan[0]}
	for _, up := range ups {
		if up.Name == name {
			t = todayView{Day: up.Step + 1, Used: up.Used}
			if up.Step < len(plan) {
				t.Allowed = plan[up.Step]
			}
		}
	}
	return &t
}

// plans are the warm-ups of the configuration, by name.
func (c *config) plans() map[string][]int {
	all := map[string][]int{}
	for _, one := range c.Relay {
		all["relay:"+one.Name] = one.WarmUp
	}
	for _, one := range c.Limit {
		all["group:"+one.Group] = one.WarmUp
	}
	return all
}

func (a *app) sayPace(v paceView) {
	parts := []string{perSecond(v.Rate)}
	if v.Workers == 0 && strings.HasPrefix(v.Limit, "domain:") {
		parts = []string{"cut by deferrals"} // only those that are cut most are told of
	} else if v.Workers == 0 {
		parts = []string{"no living worker tells"}
	}
	if v.State != "" {
		parts = append(parts, map[string]string{"closed": "in use", "half_open": "being tried again", "open": "spared: it fails"}[v.State])
	}
	if v.Open != nil {
		parts = append(parts, fmt.Sprintf("%d of %d connections", v.Open.Open, v.Open.Most))
	}
	if v.Workers > 0 && v.Share < 1 {
		parts = append(parts, fmt.Sprintf("cut to %.0f %% by deferrals", 100*v.Share))
	}
	if t := v.Today; t != nil && t.Allowed > 0 {
		parts = append(parts, fmt.Sprintf("day %d of its warm-up, %d of %d used", t.Day, t.Used, t.Allowed))
	}
	if v.Waiting > 0 {
		parts = append(parts, fmt.Sprintf("batches waiting: %d", v.Waiting))
	}
	a.say("%-24s %s", v.Limit, strings.Join(parts, ", "))
}

// perSecond says a rate in the unit that reads best.
func perSecond(rate float64) string {
	switch {
	case rate == 0:
		return "no limit"
	case rate < 1.0/60:
		return fmt.Sprintf("%.3g an hour", rate*3600)
	case rate < 1:
		return fmt.Sprintf("%.3g a minute", rate*60)
	}
	return fmt.Sprintf("%.3g a second", rate)
}

type paceClearCommand struct {
	Limit string `arg:"" help:"Such as group:google, relay:main or domain:example.net."`
	output
}

// Help shows an example.
func (paceClearCommand) Help() string {
	return "Full rate again at once, on every worker. Limits of the configuration and warm-ups stay.\n\nExample: heed pace clear group:google"
}

// Run clears one.
func (c *paceClearCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	if domain, found := strings.CutPrefix(c.Limit, "domain:"); found {
		return c.clear(a, s, domainLimit(s, domain))
	}
	all, err := s.Pace(a.ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, one := range all {
		if one.Workers > 0 {
			names = append(names, one.Name)
		}
	}
	if !slices.Contains(names, c.Limit) {
		err := fmt.Errorf("no relay or limit is called %q", c.Limit)
		if near := nearest(c.Limit, names); near != "" {
			err = fmt.Errorf("%w, did you mean %s?", err, near)
		}
		return hinted(err, "heed pace show lists them")
	}
	return c.clear(a, s, c.Limit)
}

// domainLimit is the limit of a domain; a hash stands for itself.
func domainLimit(s *store.Store, domain string) string {
	if strings.Contains(domain, ".") {
		domain = s.DomainKey(domain)
	}
	return "domain:" + domain
}

func (c *paceClearCommand) clear(a *app, s *store.Store, limit string) error {
	if err := s.ClearPace(a.ctx, limit); err != nil {
		return err
	}
	return a.show(map[string]bool{"ok": true}, func() { a.say("%s has its full rate again", c.Limit) })
}
