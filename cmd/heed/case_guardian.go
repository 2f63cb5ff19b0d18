package main

import (
	"fmt"

	"heed/store"
)

type caseGuardianCommand struct {
	ID       string `arg:"" help:"Number of the guardian's case."`
	Act      string `arg:"" enum:"hold,show,correct,erase" help:"hold, show, correct or erase."`
	Child    string `help:"The child's address." placeholder:"ADDRESS" required:""`
	Evidence string `help:"How you know that the one who asks is the guardian." placeholder:"TEXT" required:""`
	Second   string `help:"Another person who looked as well; needed to erase." placeholder:"NAME"`
	correctionFlags
	byFlag
	output
}

// Help tells what each does and shows an example.
func (caseGuardianCommand) Help() string {
	return `A guardian's mail puts the writer's own record on hold and touches nobody else. What it asks for a child is done here, when a person has looked:

hold puts the child on hold until the case ends; show mails a link to a copy of the child's data to the guardian's address on file; correct corrects details (--first-name and so on); erase deletes the child, and takes two people. The evidence is kept with the case.

Example: heed case guardian 7 erase --child kim@example.com --by ann --second bo --evidence "birth certificate seen on 2026-03-01"`
}

// guardianView is what is printed.
type guardianView struct {
	Case    string              `json:"case"`
	Act     string              `json:"act"`
	Erasure string              `json:"erasure,omitempty"`
	Changes []store.FieldChange `json:"changes,omitempty"`
}

// Run does the act.
func (c *caseGuardianCommand) Run(a *app) error {
	var what store.Correction
	var err error
	if c.Act == "correct" {
		if what, err = c.correction(); err != nil {
			return err
		}
	}
	id, by, s, err := a.actOn(c.ID, c.byFlag)
	if err != nil {
		return err
	}
	v, act := guardianView{Case: decimal(id), Act: c.Act}, store.GuardianAct{Case: id, Child: c.Child, By: by, Second: c.Second, Evidence: c.Evidence}
	switch c.Act {
	case "hold":
		err = s.GuardianHold(a.ctx, act)
	case "show":
		err = s.GuardianShow(a.ctx, act)
	case "correct":
		if act.Tell, err = a.whoHas(c.Child); err != nil {
			return err
		}
		v.Changes, err = s.GuardianCorrect(a.ctx, act, what)
	case "erase":
		var erasure int64
		erasure, err = s.GuardianErase(a.ctx, act)
		v.Erasure = decimal(erasure)
	}
	if err != nil {
		return refusal(err)
	}
	return a.show(v, func() { a.say("%s", guardianWords(v)) })
}

func guardianWords(v guardianView) string {
	switch v.Act {
	case "hold":
		return "the child is on hold until case " + v.Case + " ends"
	case "show":
		return "a link to the copy goes to the guardian's address on file"
	case "erase":
		return "the child is deleted; case " + v.Erasure + " tells how far that is"
	}
	return fmt.Sprintf("%d details corrected; the guardian is told by a letter", len(v.Changes))
}
