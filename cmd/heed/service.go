package main

import (
	"errors"
	"time"

	"heed/store"
)

type serviceCommand struct {
	List   serviceListCommand   `cmd:"" help:"List the services."`
	Checks serviceChecksCommand `cmd:"" help:"List people who say that they use a service no more."`
	Check  serviceCheckCommand  `cmd:"" help:"Say whether somebody still uses a service."`
}

type serviceListCommand struct{ output }

// Help shows an example.
func (serviceListCommand) Help() string { return "Example: heed service list --json" }

// Run lists them, one a line.
func (c *serviceListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.Services(a.ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if err := a.show(one, func() { a.say("%-20s %s", one.ID, one.Name) }); err != nil {
			return err
		}
	}
	return nil
}

type serviceChecksCommand struct {
	All bool `help:"Those that have ended too."`
	output
}

// Help tells where they come from and shows an example.
func (serviceChecksCommand) Help() string {
	return "Every service alert has a link by which its reader can say that they use the service no more. Alerts go on until the product, or you, have looked: a [[system]] of kind product is asked by itself.\n\nExample: heed service checks --json"
}

// checkedView is a check of a service.
type checkedView struct {
	Number  string     `json:"number"`
	Email   string     `json:"email"` // empty where nobody is stored any more
	Service string     `json:"service"`
	State   string     `json:"state"`
	Asked   time.Time  `json:"asked"`
	Ended   *time.Time `json:"ended,omitempty"`
}

// Run lists them, one a line.
func (c *serviceChecksCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.ServiceChecks(a.ctx, !c.All)
	if err != nil {
		return err
	}
	for _, one := range all {
		v, err := a.viewCheck(s, one)
		if err != nil {
			return err
		}
		if err := a.show(v, func() { a.sayCheckOf(v) }); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) viewCheck(s *store.Store, c store.ServiceCheck) (checkedView, error) {
	v := checkedView{Number: decimal(c.ID), Service: c.Service.ID, State: c.State, Asked: c.Asked}
	if !c.Ended.IsZero() {
		v.Ended = &c.Ended
	}
	p, err := s.PersonAt(a.ctx, c.Address)
	v.Email = p.Email
	return v, err
}

func (a *app) sayCheckOf(v checkedView) {
	a.say("%4s  %-6s %-16s %s  %s", v.Number, v.State, v.Service, stamp(v.Asked), v.Email)
}

type serviceCheckCommand struct {
	Number string `arg:"" help:"Number of the check."`
	Ended  bool   `help:"They use it no more: no more alerts about it."`
	Kept   bool   `help:"They still use it: alerts go on."`
	byFlag
	output
}

// Help shows an example.
func (serviceCheckCommand) Help() string {
	return "Example: heed service check 4 --ended --by ann"
}

// Run ends the check.
func (c *serviceCheckCommand) Run(a *app) error {
	if c.Ended == c.Kept {
		return problem{exitUsage, errors.New("say either --ended or --kept"), "heed service check 4 --ended"}
	}
	id, err := number(c.Number, "check")
	if err != nil {
		return err
	}
	by, err := c.staff(a)
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	if err := s.Check(a.ctx, id, c.Ended, by); err != nil {
		return hinted(err, "heed service checks lists those that are open")
	}
	check, err := s.ServiceCheck(a.ctx, id)
	if err != nil {
		return err
	}
	v, err := a.viewCheck(s, check)
	if err != nil {
		return err
	}
	return a.show(v, func() { a.sayCheckOf(v) })
}
