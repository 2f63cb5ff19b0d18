package main

import (
	"errors"
	"strings"

	"heed/store"
)

// correctionFlags are the details that staff can correct.
type correctionFlags struct {
	FirstName *string           `help:"First name; an empty one is taken out, as with the others." placeholder:"TEXT"`
	LastName  *string           `help:"Last name." placeholder:"TEXT"`
	Company   *string           `help:"Company." placeholder:"TEXT"`
	Language  *string           `help:"Language, such as de." placeholder:"TAG"`
	TimeZone  *string           `help:"Time zone, such as Europe/Berlin." placeholder:"NAME"`
	Attr      map[string]string `help:"An attribute; without a value it is taken out. Can be given several times." placeholder:"NAME=TEXT" mapsep:"none"`
}

func (f correctionFlags) correction() (store.Correction, error) {
	c := store.Correction{FirstName: f.FirstName, LastName: f.LastName, Company: f.Company, Language: f.Language, TimeZone: f.TimeZone, Attrs: f.Attr}
	if f.FirstName == nil && f.LastName == nil && f.Company == nil && f.Language == nil && f.TimeZone == nil && len(f.Attr) == 0 {
		return c, problem{exitUsage, errors.New("nothing says what to correct"), "name details, such as --last-name or --attr plan=pro; heed contact move changes an address"}
	}
	for _, text := range []*string{f.FirstName, f.LastName, f.Company, f.Language, f.TimeZone} {
		if text != nil && *text != printableLine(*text) {
			return c, problem{exitUsage, errors.New("a detail holds a line break or another control character"), "a detail is one line of text"}
		}
	}
	return c, nil
}

type correctCommand struct {
	Address string `arg:"" help:"Address that the person is stored under."`
	Case    string `help:"Number of the request." placeholder:"ID" required:""`
	correctionFlags
	byFlag
	output
}

// Help tells what happens and shows an example.
func (correctCommand) Help() string {
	return "The case keeps what stood there before, and the person is told by a letter. Choices are never changed this way: they are the person's own.\n\nExample: heed contact correct ann@example.com --case 7 --last-name O'Neill --attr plan=pro"
}

// Run corrects the details.
func (c *correctCommand) Run(a *app) error {
	what, err := c.correction()
	if err != nil {
		return err
	}
	id, by, s, err := a.actOn(c.Case, c.byFlag)
	if err != nil {
		return err
	}
	tell, err := a.whoHas(c.Address)
	if err != nil {
		return err
	}
	changes, err := s.Correct(a.ctx, c.Address, store.Decision{Case: id, By: by, Tell: tell}, what)
	if err != nil {
		return refusal(err)
	}
	return a.showChanges(id, changes, tell)
}

// refusal gives what a rule forbids its exit code.
func refusal(err error) error {
	if errors.Is(err, store.ErrRefused) {
		return problem{exitRefused, err, ""}
	}
	return err
}

func (a *app) showChanges(id int64, changes []store.FieldChange, tell []string) error {
	return a.show(struct {
		Case    string              `json:"case"`
		Changes []store.FieldChange `json:"changes"`
		Tell    []string            `json:"tell"`
	}{decimal(id), changes, tell}, func() {
		for _, one := range changes {
			a.say("%-12s %q, was %q", one.Field, one.To, one.From)
		}
		a.sayTell(tell)
	})
}

type restrictCommand struct {
	Address string `arg:"" help:"E-mail address; it need not be stored."`
	Case    string `help:"Number of the request." placeholder:"ID" required:""`
	Reason  string `help:"Why." placeholder:"TEXT" required:""`
	byFlag
	output
}

// Help tells the consequence and shows an example.
func (restrictCommand) Help() string {
	return "From then on the data is only kept: no newsletter, no offer, no alert goes out, and nothing is passed on. Letters about the person's own request go on. It stays until heed contact unrestrict.\n\nExample: heed contact restrict ann@example.com --case 7 --reason \"says that the address is wrong\""
}

// Run restricts the address.
func (c *restrictCommand) Run(a *app) error {
	id, by, s, err := a.actOn(c.Case, c.byFlag)
	if err != nil {
		return err
	}
	tell, err := a.whoHas(c.Address)
	if err != nil {
		return err
	}
	if err := s.Restrict(a.ctx, c.Address, store.Decision{Case: id, Reason: c.Reason, By: by, Tell: tell}); err != nil {
		return refusal(err)
	}
	return a.showRestriction(id, true, tell, "the address is restricted; the person is told by a letter, where they are on file")
}

func (a *app) showRestriction(id int64, restricted bool, tell []string, words string) error {
	return a.show(struct {
		Case       string   `json:"case"`
		Restricted bool     `json:"restricted"`
		Tell       []string `json:"tell"`
	}{decimal(id), restricted, tell}, func() {
		a.say("%s", words)
		a.sayTell(tell)
	})
}

type unrestrictCommand struct {
	Address string `arg:"" help:"E-mail address."`
	Case    string `help:"Number of an open case." placeholder:"ID" required:""`
	Reason  string `help:"Why it ends; the person is told." placeholder:"TEXT" required:""`
	Told    string `help:"How the person was told already, where no letter can be sent." placeholder:"TEXT"`
	byFlag
	output
}

// Help tells the order of things and shows an example.
func (unrestrictCommand) Help() string {
	return "The person is told before it ends: a letter goes first, and the restriction ends when the relay has taken it. What the person stopped stays stopped.\n\nExample: heed contact unrestrict ann@example.com --case 7 --reason \"the address was right\""
}

// Run ends the restriction, or begins to.
func (c *unrestrictCommand) Run(a *app) error {
	id, by, s, err := a.actOn(c.Case, c.byFlag)
	if err != nil {
		return err
	}
	if err := s.Unrestrict(a.ctx, c.Address, store.Decision{Case: id, Reason: c.Reason, By: by}, c.Told); err != nil {
		return refusal(err)
	}
	if c.Told != "" {
		return a.showRestriction(id, false, []string{}, "the address is no longer restricted")
	}
	return a.showRestriction(id, true, []string{}, "a letter goes to the person; the restriction ends when it has left")
}

// whoHas lists the recipients who have the data of a person, and so must be told
// when it is corrected or restricted (GDPR Art. 19).
func (a *app) whoHas(address string) ([]string, error) {
	conf, s, err := a.both()
	if err != nil {
		return nil, err
	}
	e, err := s.Explain(a.ctx, address)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, one := range conf.about().Of(e.State).Recipients {
		names = append(names, one.Name)
	}
	return names, nil
}

func (a *app) sayTell(tell []string) {
	if len(tell) > 0 {
		a.say("these have the data too and must be told: %s", strings.Join(tell, ", "))
	}
}
