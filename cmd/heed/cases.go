package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
)

type caseCommand struct {
	List     caseListCommand     `cmd:"" help:"List the open cases, those that are due first."`
	Open     caseOpenCommand     `cmd:"" help:"Open a case by hand, for a wish that came by letter or telephone."`
	Show     caseShowCommand     `cmd:"" help:"Show one case with its whole correspondence, and what to do next."`
	Assign   caseAssignCommand   `cmd:"" help:"Say who works on a case."`
	Note     caseNoteCommand     `cmd:"" help:"Keep something that staff want to remember of a case."`
	Answer   caseAnswerCommand   `cmd:"" help:"Write to the person of a case, at the address on file."`
	Confirm  caseConfirmCommand  `cmd:"" help:"Record that you know who asks, for a person who cannot click."`
	Extend   caseExtendCommand   `cmd:"" help:"Put off the day by which a case is answered, and tell the person why."`
	Resolve  caseResolveCommand  `cmd:"" help:"End a case by your decision, and tell the person."`
	Guardian caseGuardianCommand `cmd:"" help:"Do for a child what its guardian asks, when you have looked."`
	Report   caseReportCommand   `cmd:"" help:"Write the copy of a person's data to a file, or close the links to it."`

	System      caseSystemCommand      `cmd:"" help:"Record what another system answered to an erasure."`
	Certificate caseCertificateCommand `cmd:"" help:"Show what an erasure deleted, what stays and why."`
}

// caseView is a case as it is printed.
type caseView struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"`
	State    string     `json:"state"`
	Identity string     `json:"identity"`
	Email    string     `json:"email"`
	Mailbox  string     `json:"mailbox"`
	Received time.Time  `json:"received"`
	Due      time.Time  `json:"due"`
	Language string     `json:"language,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"`
	Outcome  string     `json:"outcome,omitempty"`
	Via      string     `json:"via"`
	Assignee string     `json:"assignee,omitempty"`
	FirstDue *time.Time `json:"first_due,omitempty"`
	Answered *time.Time `json:"answered,omitempty"`
	Extended *time.Time `json:"extended,omitempty"`
	Overdue  bool       `json:"overdue"`
}

func viewCase(c store.Case) caseView {
	return caseView{ID: decimal(c.ID), Kind: string(c.Kind), State: string(c.State), Identity: string(c.Identity), Email: c.Email,
		Mailbox: c.Mailbox, Received: c.Received, Due: c.Due, Language: c.Language, Outcome: printable(c.Outcome), Via: c.Via, Assignee: c.Assignee,
		Ended: orNil(c.Ended), FirstDue: orNil(c.FirstDue), Answered: orNil(c.Answered), Extended: orNil(c.Extended), Overdue: overdue(c)}
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func overdue(c store.Case) bool { return c.Ended.IsZero() && time.Now().After(c.Due) }

func (a *app) showCase(c store.Case) error {
	return a.show(viewCase(c), func() {
		mark := "due " + c.Due.Format(time.DateOnly)
		if overdue(c) {
			mark = "OVERDUE since " + c.Due.Format(time.DateOnly)
		}
		a.say("%6d  %-13s %-9s %-9s %s  %s%s", c.ID, c.Kind, c.State, c.Identity, mark, c.Email, assigned(c))
	})
}

func assigned(c store.Case) string {
	if c.Assignee == "" {
		return ""
	}
	return "  (" + c.Assignee + ")"
}

type caseListCommand struct {
	All     bool   `help:"The ended ones too."`
	Kind    string `help:"Only of this kind." placeholder:"KIND"`
	State   string `help:"Only in this state: open, waiting, confirmed, done or refused." placeholder:"STATE"`
	Mine    string `help:"Only those that NAME works on." placeholder:"NAME"`
	Overdue bool   `help:"Only those whose day is past."`
	output
}

// Help shows an example.
func (caseListCommand) Help() string {
	return "Example: heed case list --json\nExample: heed case list --kind complaint --mine ann"
}

// Run lists the cases, one a line.
func (c *caseListCommand) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.Cases(a.ctx, !c.All && !slices.Contains(endedStates(), c.State))
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(one store.Case) bool { return !c.wants(one) })
	if !a.json {
		all = a.sayFloods(all)
	}
	for _, one := range all {
		if err := a.showCase(one); err != nil {
			return err
		}
	}
	return nil
}

// sayFloods leaves one case of those whose mails have the same words, and says
// how many they are: a flood must not hide what else waits.
func (a *app) sayFloods(all []store.Case) []store.Case {
	like := map[string]int{}
	for _, one := range all {
		like[floodOf(one)]++
	}
	told := map[string]bool{}
	return slices.DeleteFunc(all, func(one store.Case) bool {
		words := floodOf(one)
		if words == "" || like[words] < 2 {
			return false
		}
		if !told[words] {
			a.note("case %d and %d more have the same words: heed case show %d, then heed case resolve %d --alike ends them all", one.ID, like[words]-1, one.ID, one.ID)
		}
		seen := told[words]
		told[words] = true
		return seen
	})
}

func floodOf(one store.Case) string {
	if one.Kind != consent.CaseReview || !one.Ended.IsZero() {
		return ""
	}
	return one.Likeness
}

func endedStates() []string { return []string{string(consent.CaseDone), string(consent.CaseRefused)} }

func (c *caseListCommand) check() error {
	states := append([]string{string(consent.CaseOpen), string(consent.CaseWaiting), string(consent.CaseConfirmed)}, endedStates()...)
	if err := oneOf("kind", c.Kind, store.CaseKinds()); c.Kind != "" && err != nil {
		return err
	}
	if err := oneOf("state", c.State, states); c.State != "" && err != nil {
		return err
	}
	return nil
}

func (c *caseListCommand) wants(one store.Case) bool {
	return (c.Kind == "" || c.Kind == string(one.Kind)) && (c.State == "" || c.State == string(one.State)) &&
		(c.Mine == "" || strings.EqualFold(c.Mine, one.Assignee)) && (!c.Overdue || overdue(one))
}

// oneOf refuses a word that is not among those that are known.
func oneOf(what, word string, known []string) error {
	if slices.Contains(known, word) {
		return nil
	}
	hint := what + "s are " + strings.Join(known, ", ")
	if near := nearest(word, known); near != "" {
		hint += "; did you mean " + near + "?"
	}
	return problem{exitUsage, fmt.Errorf("the %s %q is unknown", what, word), hint}
}

// ways are how a request can come beside mail.
func ways() []string { return []string{"letter", "telephone", "person", "other"} }

type caseOpenCommand struct {
	Kind     string `arg:"" help:"erasure, access, rectification, objection, complaint, guardian or review."`
	Address  string `arg:"" help:"E-mail address of the person."`
	Received string `help:"When it came, from which its clock runs; now where it is left out." placeholder:"DATE"`
	Via      string `help:"How it came: letter, telephone, person or other." placeholder:"WAY" default:"other"`
	Note     string `help:"What the person said." placeholder:"TEXT"`
	byFlag
	output
}

// Help tells the consequence and shows an example.
func (caseOpenCommand) Help() string {
	return "The person is on hold from now on: no marketing, no sharing. For an erasure and for access a confirmation link is mailed to the address on file. The time to answer counts from the day on which the request came.\n\n" +
		"Example: heed case open erasure ann@example.com --received 2026-11-20 --via letter"
}

// Run opens the case.
func (c *caseOpenCommand) Run(a *app) error {
	if err := oneOf("kind", c.Kind, store.CaseKinds()); err != nil {
		return err
	}
	if err := oneOf("way", c.Via, ways()); err != nil {
		return err
	}
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	r := store.Report{Kind: consent.CaseKind(c.Kind), Email: c.Address, Mailbox: "desk", Via: c.Via, Note: c.Note}
	if r.Received, err = receivedOn(c.Received, conf.Law.law().Zone, time.Now()); err != nil {
		return err
	}
	if r.By, err = c.staff(a); err != nil {
		return err
	}
	id, err := s.OpenCase(a.ctx, r)
	if err != nil {
		return err
	}
	opened, err := s.Case(a.ctx, id)
	if err != nil {
		return err
	}
	return a.showCase(opened)
}

// receivedOn reads the day on which something came: a date of the operator's
// zone, or a moment.
func receivedOn(text string, zone *time.Location, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.ParseInLocation(time.DateOnly, text, zone)
	}
	if err != nil {
		return t, problem{exitUsage, fmt.Errorf("%q is no date", text), "write 2026-11-20, or 2026-11-20T09:30:00Z"}
	}
	if t.After(now) {
		return t, problem{exitUsage, fmt.Errorf("%s lies in the future", text), "it is the day on which the request came"}
	}
	if now.Sub(t) > 10*366*24*time.Hour {
		return t, problem{exitUsage, fmt.Errorf("%s is more than ten years ago", text), "it is the day on which the request came"}
	}
	return t.UTC(), nil
}
