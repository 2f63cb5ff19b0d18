package main

import (
	"errors"
	"fmt"
	"time"

	"heed/store"
)

type jobCommand struct {
	List  jobListCommand  `cmd:"" help:"List the work that failed and has not been done since."`
	Retry jobRetryCommand `cmd:"" help:"Have such work tried again at once."`
	Drop  jobDropCommand  `cmd:"" help:"Let go of a letter that was given up."`
}

type jobListCommand struct{ output }

// Help tells what the states mean and shows an example.
func (jobListCommand) Help() string {
	return "What fails is tried again, ever less often. A batch or a letter that failed too often is given up until you say so; erasures and what other systems must hear are tried for ever. job_failed in the log says why.\n\nExample: heed job list --json"
}

// jobView is a job that fails, as it is printed.
type jobView struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"` // send | write | erase | tell | alarm | hook
	State    string     `json:"state"`
	About    string     `json:"about"` // campaign 3, case 12, letter 7 …
	Failures int        `json:"failures"`
	Since    time.Time  `json:"since"`
	Again    *time.Time `json:"again,omitempty"` // absent: not before somebody says so
}

func viewJob(one store.FailingJob) jobView {
	v := jobView{ID: decimal(one.ID), Kind: one.Kind, State: "failing", Failures: one.Failures, Since: one.Since, Again: orNil(one.Again)}
	if v.Again == nil {
		v.State = "given_up"
	}
	what := map[string]string{"write": "letter", "erase": "case", "tell": "notice", "alarm": "alarm", "hook": "message"}[one.Kind]
	if v.About = fmt.Sprintf("%s %d", what, one.Subject); one.Campaign != 0 {
		v.About = fmt.Sprintf("campaign %d", one.Campaign)
	}
	return v
}

// Run lists them, one a line.
func (c *jobListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.FailingJobs(a.ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		v := viewJob(one)
		if err := a.show(v, func() { a.sayJob(v) }); err != nil {
			return err
		}
	}
	if len(all) == 0 && !a.json {
		a.say("nothing fails")
	}
	return nil
}

func (a *app) sayJob(v jobView) {
	next := "given up until heed job retry " + v.ID
	if v.Again != nil {
		next = "tried again at " + minute(*v.Again)
	}
	a.say("%6s  %-5s %s: failed %d times since %s, %s", v.ID, v.Kind, v.About, v.Failures, minute(v.Since), next)
}

type jobRetryCommand struct {
	ID  string `arg:"" optional:"" help:"Number of the job."`
	All bool   `help:"All of them."`
	output
}

// Help shows an example.
func (jobRetryCommand) Help() string {
	return "Mend first what job_failed in the log names.\n\nExample: heed job retry 12"
}

// Run has one or all tried again.
func (c *jobRetryCommand) Run(a *app) error {
	if (c.ID == "") == !c.All {
		return problem{exitUsage, errors.New("which job is to be tried again?"), "give its number, or --all; heed job list shows them"}
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	ids, err := c.which(a, s)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.RetryJob(a.ctx, id); err != nil && (!c.All || !errors.Is(err, store.ErrNotFound)) { // one that went meanwhile is as good
			return jobError(err)
		}
	}
	return a.show(map[string]int{"retried": len(ids)}, func() { a.say("%d tried again", len(ids)) })
}

func (c *jobRetryCommand) which(a *app, s *store.Store) (ids []int64, err error) {
	if !c.All {
		id, err := number(c.ID, "job")
		return []int64{id}, err
	}
	all, err := s.FailingJobs(a.ctx)
	for _, one := range all {
		ids = append(ids, one.ID)
	}
	return ids, err
}

type jobDropCommand struct {
	ID string `arg:"" help:"Number of the job."`
	output
}

// Help says what can be dropped and shows an example.
func (jobDropCommand) Help() string {
	return "Only letters that were given up: nobody gets it then. A batch of a campaign ends with heed campaign cancel; a deletion must be done.\n\nExample: heed job drop 12"
}

// Run drops a letter.
func (c *jobDropCommand) Run(a *app) error {
	id, err := number(c.ID, "job")
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	if err := s.DropJob(a.ctx, id); err != nil {
		return jobError(err)
	}
	return a.show(map[string]bool{"ok": true}, func() { a.say("dropped; the person gets no such letter") })
}

func jobError(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return hinted(err, "heed job list shows the work that fails")
	case errors.Is(err, store.ErrMustBeDone):
		return problem{exitRefused, err, "heed job retry has it tried again"}
	}
	return err
}
