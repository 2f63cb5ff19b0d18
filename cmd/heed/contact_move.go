package main

import (
	"errors"
	"time"

	"heed/store"
)

type moveCommand struct {
	Old  string `arg:"" help:"Address that the person is stored under."`
	New  string `arg:"" help:"Address that they want to use."`
	Case string `help:"Number of the request that it belongs to." placeholder:"ID"`
	byFlag
	output
}

// Help tells what it takes and shows an example.
func (moveCommand) Help() string {
	return `Each of the two addresses gets a link, and nothing changes before both are clicked. What the person stopped under either address stays stopped, and holds for both from then on; links in old newsletters still work. Two people are never put together.

Example: heed contact move ann@example.com ann@example.org --case 7`
}

// moveView is what is printed.
type moveView struct {
	ID    string    `json:"id"`
	Old   string    `json:"old"`
	New   string    `json:"new"`
	State string    `json:"state"`
	Until time.Time `json:"until"`
}

// Run begins the change.
func (c *moveCommand) Run(a *app) error {
	id, by, s, err := a.forCase(c.Case, c.byFlag)
	if err != nil {
		return err
	}
	change, err := s.MoveContact(a.ctx, c.Old, c.New, id, by)
	switch {
	case errors.Is(err, store.ErrTaken):
		return problem{exitRefused, err, "two people are never put together: if both are the same person, they can have one of the two deleted, and then change the address of the other"}
	case errors.Is(err, store.ErrRefused):
		return problem{exitRefused, err, ""}
	case errors.Is(err, store.ErrNotFound):
		return hinted(err, "heed contact show tells whether somebody is stored under an address")
	case err != nil:
		return err
	}
	v := moveView{ID: decimal(change.ID), Old: change.OldEmail, New: change.NewEmail, State: change.State, Until: change.Until}
	return a.show(v, func() {
		a.say("each of the two addresses gets a link; nothing changes before both are clicked, until %s", change.Until.Format(time.DateOnly))
	})
}

// forCase opens what a command needs that may belong to a case.
func (a *app) forCase(id string, who byFlag) (no int64, by string, s *store.Store, err error) {
	if id != "" {
		return a.actOn(id, who)
	}
	if by, err = who.staff(a); err != nil {
		return 0, "", nil, err
	}
	s, err = a.store()
	return 0, by, s, err
}
