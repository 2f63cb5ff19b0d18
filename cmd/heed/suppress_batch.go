package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"heed/store"
)

type suppressBatchesCommand struct{ output }

// Help tells what a batch is and shows an example.
func (suppressBatchesCommand) Help() string {
	return fmt.Sprintf(`An opt-out by mail that nothing proves stops mail all the same, and is announced to its person with a link that takes it back. Where more than %d such mails come within an hour, or more than half a percent of the list (and more than %d) within a day, they are kept together as a batch, and the alarm optout_brake is raised.

Example: heed suppress batches --json`, store.BrakeAnHour, store.BrakeAtLeast)
}

// Run lists the batches, one a line.
func (c *suppressBatchesCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.Batches(a.ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		err := a.show(one, func() {
			marked := "not marked"
			if one.Forged != nil {
				marked = "marked as forged " + one.Forged.Format(time.RFC3339)
			}
			a.say("%6d  %d opt-outs of %d people, %s to %s, %d took theirs back; %s", one.ID, one.OptOuts, one.People,
				one.First.Format(time.RFC3339), one.Last.Format(time.RFC3339), one.TookBack, marked)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type suppressForgedCommand struct {
	Batch  string `arg:"" help:"Number of the batch; heed suppress batches lists them."`
	Reason string `help:"Why it is held to be forged; kept with each opt-out." placeholder:"TEXT" required:""`
	byFlag
	output
}

// Help tells the consequence and shows an example.
func (suppressForgedCommand) Help() string {
	return `Each opt-out of the batch gets a row in the ledger that says so, and each person who lost something by it gets one letter that asks whether they want it again, with a link that is good for 30 days. Nobody is switched back on by this command, and whoever decided otherwise since is left alone.

Example: heed suppress forged 1 --reason "1,200 mails with the same words from one network"`
}

// Run marks the batch.
func (c *suppressForgedCommand) Run(a *app) error {
	batch, s, err := a.batch(c.Batch)
	if err != nil {
		return err
	}
	if strings.TrimSpace(c.Reason) == "" {
		return problem{exitUsage, errors.New("the reason is empty"), "say in --reason why the batch is held to be forged"}
	}
	by, err := c.staff(a)
	if err != nil {
		return err
	}
	f, err := s.MarkForged(a.ctx, batch, c.Reason, by)
	if err != nil {
		return noBatch(err)
	}
	return a.show(f, func() {
		a.say("%d opt-outs of batch %d are marked as forged, %d people are asked", f.Marked, f.Batch, f.Asked)
	})
}

type suppressGenuineCommand struct {
	Batch string `arg:"" help:"Number of the batch."`
	output
}

// Help tells the consequence and shows an example.
func (suppressGenuineCommand) Help() string {
	return "Ends the alarm of a batch that nobody forged; the opt-outs stay as they are.\n\nExample: heed suppress genuine 1"
}

// Run ends the alarm.
func (c *suppressGenuineCommand) Run(a *app) error {
	batch, s, err := a.batch(c.Batch)
	if err != nil {
		return err
	}
	if err := s.MarkGenuine(a.ctx, batch); err != nil {
		return noBatch(err)
	}
	return a.show(map[string]int64{"batch": batch}, func() { a.say("batch %d is genuine, its alarm is over", batch) })
}

// batch opens what the commands on one batch need.
func (a *app) batch(text string) (no int64, s *store.Store, err error) {
	no, err = strconv.ParseInt(text, 10, 64)
	if err != nil || no < 1 {
		return 0, nil, problem{exitUsage, fmt.Errorf("%q is no number of a batch", printableLine(text)), "heed suppress batches lists them"}
	}
	s, err = a.store()
	return no, s, err
}

func noBatch(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return hinted(err, "heed suppress batches lists the batches")
	}
	return err
}
