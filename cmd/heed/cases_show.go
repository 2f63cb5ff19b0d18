package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"heed/consent"
	"heed/store"
)

type caseShowCommand struct {
	ID string `arg:"" help:"Number of the case."`
	output
}

// Help shows an example.
func (caseShowCommand) Help() string {
	return "Shows what the person wrote, what we wrote and what became of it. Links that only the person may have are left out.\n\nExample: heed case show 3"
}

// caseFileView is a case with all that belongs to it.
type caseFileView struct {
	caseView
	Next    string         `json:"next"`
	Events  []eventView    `json:"events"`
	Mails   []caseMailView `json:"mails"`
	Letters []letterView   `json:"letters"`
	Erasure []itemView     `json:"erasure,omitempty"`
}

type eventView struct {
	At     time.Time `json:"at"`
	Event  string    `json:"event"`
	By     string    `json:"by,omitempty"`
	Second string    `json:"second,omitempty"`
	Text   string    `json:"text,omitempty"`
	Letter string    `json:"letter,omitempty"`
}

type caseMailView struct {
	Received time.Time `json:"received"`
	From     string    `json:"from"`
	Subject  string    `json:"subject"`
	Text     string    `json:"text"`
}

type letterView struct {
	ID      string     `json:"id"`
	Kind    string     `json:"kind"`
	State   string     `json:"state"`
	Code    int        `json:"code,omitempty"`
	Written time.Time  `json:"written"`
	Ended   *time.Time `json:"ended,omitempty"`
	Subject string     `json:"subject,omitempty"`
	Text    string     `json:"text,omitempty"`
}

// Run shows the case.
func (c *caseShowCommand) Run(a *app) error {
	id, err := number(c.ID, "case")
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	f, err := s.CaseFile(a.ctx, id)
	if err != nil {
		return err
	}
	v := viewFile(f)
	items, err := s.ErasureItems(a.ctx, id)
	if err != nil {
		return err
	}
	v.Erasure = viewItems(items)
	return a.show(v, func() {
		a.sayFile(f, v)
		a.sayItems(v.Erasure)
	})
}

func viewFile(f store.CaseFile) caseFileView {
	v := caseFileView{caseView: viewCase(f.Case), Next: nextStep(f.Case), Events: []eventView{}, Mails: []caseMailView{}, Letters: []letterView{}}
	for _, e := range f.Events {
		one := eventView{At: e.At, Event: e.Kind, By: printable(e.Staff), Second: printable(e.Second), Text: printable(e.Text)}
		if e.Letter != 0 {
			one.Letter = decimal(e.Letter)
		}
		v.Events = append(v.Events, one)
	}
	for _, m := range f.Mails {
		v.Mails = append(v.Mails, caseMailView{m.Received, printableLine(m.Writer), printableLine(m.Subject), printable(m.Text)})
	}
	for _, l := range f.Letters {
		v.Letters = append(v.Letters, letterView{decimal(l.ID), l.Kind, l.State, l.Code, l.Created, orNil(l.Ended), printableLine(l.Subject), printable(l.Text)})
	}
	return v
}

// printable lets a text of strangers be shown on a terminal: what is no letter
// there, such as the sequences that move its cursor or turn its text around,
// becomes a mark.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return -1
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// printableLine is printable for what stands on one line.
func printableLine(text string) string {
	return strings.Join(strings.Fields(printable(text)), " ")
}

func (a *app) sayFile(f store.CaseFile, v caseFileView) {
	a.say("case      %s, %s, %s", f.Reference(), v.Kind, v.State)
	a.say("identity  %s", v.Identity)
	if v.Email != "" {
		a.say("address   %s", v.Email)
	}
	a.say("received  %s by %s (%s)", minute(f.Received), v.Via, v.Mailbox)
	a.sayClock(f.Case)
	if f.Assignee != "" {
		a.say("assigned  %s", f.Assignee)
	}
	if v.Outcome != "" {
		a.say("outcome   %s", v.Outcome)
	}
	a.say("next      %s", v.Next)
	for _, one := range chapters(v) {
		a.say("\n%s  %s", minute(one.at), one.title)
		for _, line := range strings.Split(strings.TrimSpace(one.text), "\n") {
			if one.text != "" {
				a.say("    %s", line)
			}
		}
	}
}

func (a *app) sayClock(c store.Case) {
	if !c.Ended.IsZero() {
		a.say("ended     %s", minute(c.Ended))
		return
	}
	text := minute(c.Due)
	if overdue(c) {
		text += ", OVERDUE"
	}
	if !c.Extended.IsZero() {
		text += ", extended on " + c.Extended.Format(time.DateOnly)
	}
	a.say("due       %s", text)
	switch {
	case !c.Answered.IsZero():
		a.say("answered  first on %s", minute(c.Answered))
	case !c.FirstDue.IsZero():
		a.say("answer    first by %s", minute(c.FirstDue))
	}
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// chapter is one thing in the story of a case.
type chapter struct {
	at          time.Time
	title, text string
}

// chapters puts events, mails and letters into the order in which they happened.
func chapters(v caseFileView) []chapter {
	var all []chapter
	for _, e := range v.Events {
		if e.Event == "mail" { // the mail itself stands there
			continue
		}
		all = append(all, chapter{e.At, strings.Join(notEmpty(e.Event, by(e.By, e.Second)), " "), e.Text})
	}
	for _, m := range v.Mails {
		text := "(its text is no longer kept)"
		if m.From+m.Subject+m.Text != "" {
			text = "Subject: " + m.Subject + "\n\n" + m.Text
		}
		all = append(all, chapter{m.Received, strings.TrimSpace("mail from " + m.From), text})
	}
	for _, l := range v.Letters {
		text := l.Text
		if l.Subject != "" {
			text = "Subject: " + l.Subject + "\n\n" + text
		}
		all = append(all, chapter{l.Written, fmt.Sprintf("letter %s (%s), %s", l.ID, l.Kind, l.State), text})
	}
	slices.SortStableFunc(all, func(x, y chapter) int { return x.at.Compare(y.at) })
	return all
}

func by(names ...string) string {
	if names = notEmpty(names...); len(names) == 0 {
		return ""
	}
	return "by " + strings.Join(names, " and ")
}

func notEmpty(all ...string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// nextStep says what staff have to do in a case.
func nextStep(c store.Case) string {
	switch {
	case !c.Ended.IsZero():
		return "nothing: the case has ended"
	case c.State == consent.CaseConfirmed:
		return "nothing: heed serve does the work, and ends the case"
	case c.State == consent.CaseWaiting:
		return fmt.Sprintf("wait for the person's click until %s; if they cannot click, find out otherwise who asks, then heed case confirm %d --second NAME --how TEXT",
			c.Until.Format(time.DateOnly), c.ID)
	}
	return fmt.Sprintf(nextOf(c), c.ID)
}

// nextOf is the advice for an open case; %d is its number.
func nextOf(c store.Case) string {
	if c.Identity == consent.IdentityUnknown && c.Kind.HasClock() {
		return "nobody is on file under this address, or the mail names none: look whether the person has another one, then heed case resolve %d --outcome TEXT"
	}
	switch c.Kind {
	case consent.CaseErasure, consent.CaseAccess:
		return "find out who asks, then heed case confirm %d --second NAME --how TEXT"
	case consent.CaseRectification:
		return "correct what is wrong with heed contact correct ADDRESS --case %[1]d, or an address with heed contact move, then heed case resolve %[1]d --outcome TEXT"
	case consent.CaseObjection:
		return "see that what the person objects to has stopped, then heed case resolve %d --outcome TEXT"
	case consent.CaseComplaint:
		return "look into it, answer the person with heed case answer %[1]d --text FILE, then heed case resolve %[1]d --outcome TEXT"
	case consent.CaseGuardian:
		return "find out whether the writer cares for the child and which record is meant; then heed case guardian %[1]d hold, show, correct or erase --child ADDRESS --evidence TEXT, and heed case resolve %[1]d --outcome TEXT"
	}
	return "read the mail: do what it asks (heed contact restrict ADDRESS --case %[1]d, where data is to be kept only), or open a case of the right kind with heed case open; then heed case resolve %[1]d --outcome TEXT"
}
