package main

import (
	"errors"
	"fmt"
	"time"

	"heed/store"
)

// retentionConfig says how long what is kept of people stays. What is absent
// is kept.
type retentionConfig struct {
	Mails      string `toml:"mails" json:"mails"`
	Tray       string `toml:"tray" json:"tray"`
	Deliveries string `toml:"deliveries" json:"deliveries"`
	Results    string `toml:"results" json:"results"`
	Cases      string `toml:"cases" json:"cases"`
}

// period is one of them.
type period struct{ key, value, what string }

func (r retentionConfig) all() []period {
	return []period{
		{"mails", r.Mails, "texts of mails and letters that belong to no open case"},
		{"tray", r.Tray, "mails that ask for nothing"},
		{"deliveries", r.Deliveries, "who got which campaign, from its end"},
		{"results", r.Results, "each delivery of a campaign, from its end; then only how many there were"},
		{"cases", r.Cases, "what closed cases say of the person, from their end"},
	}
}

func (r retentionConfig) periods() store.Periods {
	span := func(value string) time.Duration {
		d, _ := days(value) // it was checked; empty: 0
		return d
	}
	return store.Periods{Mails: span(r.Mails), Tray: span(r.Tray), Deliveries: span(r.Deliveries), Results: span(r.Results), Cases: span(r.Cases)}
}

// told are the periods as a copy of somebody's data tells them.
func (r retentionConfig) told() []store.Retention {
	all := []store.Retention{}
	for _, one := range r.all() {
		if d, err := days(one.value); one.value != "" && err == nil {
			all = append(all, store.Retention{What: one.what, Days: int(d / (24 * time.Hour))})
		}
	}
	return all
}

const week = 7 * 24 * time.Hour

func (r retentionConfig) check(backups []store.Backup) (problems []error) {
	for _, one := range r.all() {
		d, err := days(one.value)
		switch {
		case one.value == "":
		case err != nil:
			problems = append(problems, fmt.Errorf("retention.%s is %q, but must be a number of days such as 90d", one.key, one.value))
		case d < week:
			problems = append(problems, fmt.Errorf("retention.%s is %s, but must be 7d at least: undo links and answers rest on what is kept", one.key, one.value))
		case one.key == "results" && d < store.PruneAfter:
			problems = append(problems, fmt.Errorf("retention.results is %s, but must be 30d at least: mails that come back and the cap on alerts rest on each delivery", one.value))
		}
	}
	if len(problems) > 0 || r.Mails == "" {
		return problems
	}
	for _, b := range backups {
		if r.periods().Mails < b.Cycle {
			problems = append(problems, fmt.Errorf("retention.mails is %s, but a copy of the backup %s lives %d days: mails that came after a copy was made must still be in their folder when it is restored",
				r.Mails, b.Name, int(b.Cycle/(24*time.Hour))))
		}
	}
	return problems
}

type retentionCommand struct {
	Now retentionRunCommand `cmd:"" name:"run" help:"Take away now what was kept long enough."`
}

type retentionRunCommand struct {
	DryRun bool `help:"Only tell what would go."`
	output
}

// Help tells what it does and shows an example.
func (retentionRunCommand) Help() string {
	return "The scheduler does this every day by the periods of [retention]; the pollers delete the mails in the folders Processed and Review. Open cases keep what belongs to them.\n\nExample: heed retention run --dry-run"
}

// droppedView is what went, or would go.
type droppedView struct {
	What   string    `json:"what"`
	Before time.Time `json:"before"`
	Rows   int       `json:"rows"`
	DryRun bool      `json:"dry_run"`
}

// Run takes away what is too old.
func (c *retentionRunCommand) Run(a *app) error {
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	if conf.Retention == (retentionConfig{}) {
		return hinted(errors.New("there is no [retention] in the configuration: everything is kept"), "heed config example shows the periods that can be set")
	}
	dropped, err := s.Retain(a.ctx, c.DryRun)
	for _, one := range dropped {
		v := droppedView{one.What, one.Before, one.Rows, c.DryRun}
		if err := a.show(v, func() { a.sayDropped(v) }); err != nil {
			return err
		}
	}
	return err
}

func (a *app) sayDropped(v droppedView) {
	verb := "taken away"
	if v.DryRun {
		verb = "would go"
	}
	a.say("%-10s %6d %s, from before %s", v.What, v.Rows, verb, v.Before.Format(time.DateOnly))
}
