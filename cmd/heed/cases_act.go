package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"unicode/utf8"

	"heed/store"
)

// byFlag names who does something in a case.
type byFlag struct {
	By string `help:"Who does it; your login name where it is left out." placeholder:"NAME"`
}

func (f byFlag) staff(a *app) (string, error) {
	name := strings.TrimSpace(f.By)
	if name == "" {
		name = strings.TrimSpace(a.env.get("USER"))
	}
	if login, err := user.Current(); name == "" && err == nil {
		name = login.Username
	}
	if name == "" {
		name = "staff"
	}
	return name, checkName(name)
}

func checkName(name string) error {
	if len(name) > 80 || name != printableLine(name) {
		return problem{exitUsage, fmt.Errorf("%q is no name", printableLine(name)), "a name is one line of at most 80 letters"}
	}
	return nil
}

// actOn opens what the commands on one case need.
func (a *app) actOn(id string, who byFlag) (no int64, by string, s *store.Store, err error) {
	if no, err = number(id, "case"); err != nil {
		return 0, "", nil, err
	}
	if by, err = who.staff(a); err != nil {
		return 0, "", nil, err
	}
	s, err = a.store()
	return no, by, s, err
}

// tellCase shows a case as it stands after a command.
func (a *app) tellCase(s *store.Store, id int64) error {
	c, err := s.Case(a.ctx, id)
	if err != nil {
		return err
	}
	return a.showCase(c)
}

type caseAssignCommand struct {
	ID   string `arg:"" help:"Number of the case."`
	Name string `arg:"" optional:"" help:"Who works on it; nobody where it is left out."`
	byFlag
	output
}

// Help shows an example.
func (caseAssignCommand) Help() string {
	return "heed case list --mine NAME shows the cases of one person.\n\nExample: heed case assign 3 ann"
}

// Run assigns the case.
func (c *caseAssignCommand) Run(a *app) error {
	if err := checkName(c.Name); err != nil {
		return err
	}
	id, by, s, err := a.actOn(c.ID, c.byFlag)
	if err != nil {
		return err
	}
	if err := s.Assign(a.ctx, id, c.Name, by); err != nil {
		return err
	}
	return a.tellCase(s, id)
}

type caseNoteCommand struct {
	ID   string `arg:"" help:"Number of the case."`
	Text string `arg:"" help:"What to remember."`
	byFlag
	output
}

// Help shows an example.
func (caseNoteCommand) Help() string {
	return "The person is not told, but gets to see it with their data.\n\nExample: heed case note 3 \"called back, line was busy\""
}

// Run keeps the note.
func (c *caseNoteCommand) Run(a *app) error {
	id, by, s, err := a.actOn(c.ID, c.byFlag)
	if err != nil {
		return err
	}
	if err := s.NoteCase(a.ctx, id, c.Text, by); err != nil {
		return err
	}
	return a.tellCase(s, id)
}

type caseAnswerCommand struct {
	ID   string `arg:"" help:"Number of the case."`
	Text string `help:"File of the text, - for standard input." placeholder:"FILE" required:""`
	byFlag
	output
}

// Help tells the consequence and shows an example.
func (caseAnswerCommand) Help() string {
	return "The text goes to the address on file, with the number of the case under it, and to no other address. It is the first answer of the case where there was none.\n\nExample: heed case answer 3 --text answer.txt"
}

// Run writes the letter.
func (c *caseAnswerCommand) Run(a *app) error {
	text, err := readLetter(c.Text)
	if err != nil {
		return err
	}
	id, by, s, err := a.actOn(c.ID, c.byFlag)
	if err != nil {
		return err
	}
	letter, err := s.Answer(a.ctx, id, text, by)
	if err != nil {
		return hintRefused(err, "answer from your own mail program, and keep it with heed case note")
	}
	return a.show(map[string]string{"id": decimal(id), "letter": decimal(letter)}, func() {
		a.say("letter %d is on its way; heed case show %d tells when it has left", letter, id)
	})
}

// hintRefused says what to do where a rule forbids something.
func hintRefused(err error, hint string) error {
	if errors.Is(err, store.ErrRefused) {
		return problem{exitRefused, err, hint}
	}
	return err
}

const mostLetter = 64 << 10

// readLetter reads a text that somebody wrote for a person.
func readLetter(path string) (string, error) {
	in := io.Reader(os.Stdin)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("reading the text: %w", err)
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, mostLetter+1))
	text := strings.TrimSpace(string(raw))
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the text: %w", err)
	case len(raw) > mostLetter:
		return "", problem{exitUsage, errors.New("the text is longer than 64 KiB"), "write a shorter letter"}
	case text == "":
		return "", problem{exitUsage, errors.New("the text is empty"), "write it into a file, or give it on standard input with --text -"}
	case !utf8.ValidString(text):
		return "", problem{exitUsage, errors.New("the text is not UTF-8"), "save the file as UTF-8"}
	}
	return text, nil
}

type caseConfirmCommand struct {
	ID     string `arg:"" help:"Number of the case."`
	How    string `help:"How you know who asks." placeholder:"TEXT" required:""`
	Second string `help:"Another person who looked as well; needed to delete or to give out data." placeholder:"NAME"`
	byFlag
	output
}

// Help tells the consequence and shows an example.
func (caseConfirmCommand) Help() string {
	return "The case goes on as if the person had clicked: an erasure deletes at once, and cannot be undone.\n\n" +
		"Example: heed case confirm 3 --by ann --second bob --how \"called back under the number in the contract\""
}

// Run confirms the case.
func (c *caseConfirmCommand) Run(a *app) error {
	if strings.TrimSpace(c.How) == "" {
		return problem{exitUsage, errors.New("--how is empty"), "say in a sentence how you know who asks"}
	}
	if err := checkName(c.Second); err != nil {
		return err
	}
	id, by, s, err := a.actOn(c.ID, c.byFlag)
	if err != nil {
		return err
	}
	if _, err := s.ConfirmByStaff(a.ctx, id, store.Proof{By: by, Second: c.Second, How: c.How}); err != nil {
		return hintRefused(err, "let a second person look, and name them with --second NAME")
	}
	return a.tellCase(s, id)
}

type caseExtendCommand struct {
	ID     string `arg:"" help:"Number of the case."`
	Reason string `help:"Why it takes longer; the person reads it." placeholder:"TEXT" required:""`
	Months int    `help:"By how many months, if the law allows it." placeholder:"N" default:"2"`
	byFlag
	output
}

// Help tells the rule and shows an example.
func (caseExtendCommand) Help() string {
	return "Once, while the first time still runs, and never beyond what the law of your profile allows (GDPR Art. 12(3): two months more). The person is told the reason and the new date.\n\n" +
		"Example: heed case extend 3 --reason \"the archive of 2019 has to be searched by hand\""
}

// Run extends the case.
func (c *caseExtendCommand) Run(a *app) error {
	if strings.TrimSpace(c.Reason) == "" {
		return problem{exitUsage, errors.New("--reason is empty"), "the person has a right to know why"}
	}
	if c.Months < 1 || c.Months > 2 {
		return problem{exitUsage, fmt.Errorf("--months is %d", c.Months), "no law allows more than 2 months"}
	}
	id, by, s, err := a.actOn(c.ID, c.byFlag)
	if err != nil {
		return err
	}
	extended, err := s.Extend(a.ctx, id, c.Months, c.Reason, by)
	if err != nil {
		return hintRefused(err, fmt.Sprintf("heed case show %d tells what is possible", id))
	}
	return a.showCase(extended)
}

type caseResolveCommand struct {
	ID      string `arg:"" help:"Number of the case."`
	Outcome string `help:"What was done, or why it is refused; the person reads it." placeholder:"TEXT"`
	Refused bool   `help:"The request is refused; say why in --outcome."`
	Quiet   bool   `help:"The person was told otherwise: write no letter."`
	Alike   bool   `help:"End all open cases whose mails have the same words, without a letter."`
	byFlag
	output
}

// Help tells the consequence and shows an example.
func (caseResolveCommand) Help() string {
	return "The person is told the outcome, and where it is refused, why and where they can complain. With the last open case of a person the hold on them ends. Opt-outs stay.\n\n" +
		"Example: heed case resolve 3 --outcome \"We sent you the data by post.\""
}

// resolvedView is an ended case, and whether the person is told.
type resolvedView struct {
	caseView
	Told bool `json:"told"`
}

// Run ends the case.
func (c *caseResolveCommand) Run(a *app) error {
	r, err := c.resolution()
	if err != nil {
		return err
	}
	id, by, s, err := a.actOn(c.ID, c.byFlag)
	if err != nil {
		return err
	}
	r.By = by
	if c.Alike {
		return a.resolveAlike(s, id, r)
	}
	told, err := s.Resolve(a.ctx, id, r)
	if err != nil {
		return err
	}
	one, err := s.Case(a.ctx, id)
	if err != nil {
		return err
	}
	switch {
	case told || c.Quiet:
	case r.Quiet:
		a.note("the person was told nothing: --outcome says what was done")
	default:
		a.note("nobody was told: no address on file may be written to")
	}
	if a.json {
		return a.line(resolvedView{viewCase(one), told})
	}
	return a.showCase(one)
}

// resolveAlike ends a flood. Nobody is written to: those addresses are
// forged, or all get the same answer from a person who looks at each.
func (a *app) resolveAlike(s *store.Store, id int64, r store.Resolution) error {
	all, err := s.Alike(a.ctx, id)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return hinted(fmt.Errorf("case %d is not one that only a person can understand, or has too few words to compare", id), "end it without --alike")
	}
	r.Quiet = true
	for i, one := range all {
		if _, err := s.Resolve(a.ctx, one, r); err != nil {
			return fmt.Errorf("%d of %d cases are ended: %w", i, len(all), err)
		}
	}
	return a.show(map[string]int{"resolved": len(all)}, func() { a.say("%d cases with the same words are ended", len(all)) })
}

func (c *caseResolveCommand) resolution() (store.Resolution, error) {
	r := store.Resolution{Outcome: strings.TrimSpace(c.Outcome), Refused: c.Refused, Quiet: c.Quiet}
	switch {
	case r.Outcome == "erased":
		return r, problem{exitRefused, errors.New("an erasure is done by the confirmed request itself, not by a word"),
			"the person confirms by the link in the mail, or staff with heed case confirm; heed serve then erases"}
	case r.Outcome == "" && c.Refused:
		return r, problem{exitUsage, errors.New("a refusal needs its reasons"), "the person has a right to know why: give them in --outcome"}
	case r.Outcome == "":
		r.Outcome, r.Quiet = "resolved by staff", true // there is nothing to tell
	}
	return r, nil
}
