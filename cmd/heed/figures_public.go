package main

import "heed/store"

type figuresCommand struct {
	Public bool `required:"" help:"Those that may be shown to anybody."`
	output
}

// Help tells what is in it and shows an example.
func (figuresCommand) Help() string {
	return "How rare alerts are, how many people chose what, how many messages went: counts of the last thirty days without ids. A count below ten is not told, and no total is from which it would follow.\n\nExample: heed figures --public --json"
}

// Run prints them.
func (c *figuresCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	f, err := s.Public(a.ctx)
	if err != nil {
		return err
	}
	return a.show(f, func() { a.sayFigures(f) })
}

func (a *app) sayFigures(f store.PublicFigures) {
	a.say("From %s to %s. Counts below %d are not told.", stamp(f.Since), stamp(f.Until), f.Least)
	for _, part := range []struct {
		title string
		cells []store.PublicCell
	}{{"People by the alerts that they got", f.Alerts}, {"People who want a topic", f.Topics}, {"People by other choices", f.Wishes}, {"Messages by class", f.Sent}} {
		a.say("%s:", part.title)
		for _, one := range part.cells {
			if one.Count == nil {
				a.say("  %-16s fewer than %d", one.Name, f.Least)
			} else {
				a.say("  %-16s %d", one.Name, *one.Count)
			}
		}
	}
}
