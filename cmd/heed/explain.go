package main

import (
	"fmt"
	"slices"
	"time"

	"heed/store"
)

type explainCommand struct {
	Address string `arg:"" help:"E-mail address; it need not be stored."`
	output
}

// Help shows an example.
func (explainCommand) Help() string {
	return "One time line: each choice and the way on which it came, each message and why it was sent or was not, each letter, request and notice to others.\n\nExample: heed explain ann@example.com"
}

// explainView is what is known of one address, and the same as a time line.
type explainView struct {
	store.Explanation
	Timeline []happening `json:"timeline"`
}

// happening is one thing in the time line.
type happening struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // choice | message | letter | case | given
	Text string    `json:"text"`
}

// Run tells everything about one address.
func (c *explainCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	e, err := s.Explain(a.ctx, c.Address)
	if err != nil {
		return err
	}
	topics, err := a.topicNames(s)
	if err != nil {
		return err
	}
	v := explainView{e, timeline(e, topics)}
	return a.show(v, func() { a.sayExplanation(v) })
}

// timeline puts all that happened into one order, in words.
func timeline(e store.Explanation, topics map[string]string) []happening {
	all := []happening{}
	for _, l := range e.Ledger {
		text := decision(l.Scope, l.Choice, topics) + ", " + way(l.Via)
		if l.Policy != "" {
			text += " (policy " + l.Policy + ")"
		}
		all = append(all, happening{l.At, "choice", text})
	}
	for _, m := range e.Messages {
		all = append(all, happening{m.At, "message", fmt.Sprintf("campaign %s %q: %s", m.Campaign, m.Name, sent(m))})
	}
	for _, l := range e.Letters {
		text := fmt.Sprintf("letter (%s): %s", l.Kind, l.State)
		if l.Case != 0 {
			text += fmt.Sprintf(", in H-%d", l.Case)
		}
		all = append(all, happening{l.At, "letter", text})
	}
	for _, c := range e.Cases {
		all = append(all, happening{c.Received, "case", fmt.Sprintf("request %s (%s) came, by %s", c.Reference, c.Kind, c.Via)})
		if c.Ended != nil {
			all = append(all, happening{*c.Ended, "case", fmt.Sprintf("request %s (%s): %s", c.Reference, c.Kind, c.State)})
		}
	}
	for _, g := range e.Given {
		all = append(all, givenHappening(g))
	}
	slices.SortStableFunc(all, func(a, b happening) int { return a.At.Compare(b.At) })
	return all
}

func givenHappening(g store.ReportGiven) happening {
	text := map[string]string{
		"shared":                "their data was given to %s, since they agreed to sharing",
		store.OutsideSharing:    "%s is told that they share no more",
		store.OutsideService:    "%s is asked whether they use the service",
		"checked":               "said that they use %s no more",
		store.ActDisclosed:      "their data was given to %s by a document",
		store.ActServiceChecked: "staff looked whether they use the service%s",
		store.ActAcknowledged:   "staff wrote down what a partner answered%s",
	}[g.Kind]
	if text == "" {
		text = g.Kind + " %s"
	}
	text = fmt.Sprintf(text, g.To)
	if g.State != "" {
		text += ": " + g.State
	}
	return happening{g.At, "given", text}
}

func (a *app) sayExplanation(v explainView) {
	known := "stored"
	if !v.Known {
		known = "nobody is stored under it"
	}
	a.say("%s (%s)", v.Email, known)
	a.sayState(v.State)
	a.say("What happened, oldest first:")
	for _, one := range v.Timeline {
		a.say("  %s  %s", minute(one.At), one.Text)
	}
	if len(v.Timeline) == 0 {
		a.say("  nothing")
	}
}
