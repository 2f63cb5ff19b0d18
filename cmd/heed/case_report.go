package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"heed/store"
	"heed/templates"
)

type caseReportCommand struct {
	ID    string `arg:"" help:"Number of the case."`
	Out   string `help:"File to write the copy to; it must not exist." placeholder:"FILE"`
	Close bool   `help:"Close the links that the case sent instead."`
	byFlag
	output
}

// Help tells when it is needed and shows an example.
func (caseReportCommand) Help() string {
	return `Whoever asks for a copy of their data gets it by a link, once they have clicked the link that was mailed to the address on file. This writes the same copy to a file, for somebody who needs it on paper. Only a request that was confirmed is answered, and the case notes who took the copy.

Example: heed case report 3 --out copy.json --by kim`
}

// copyTaken is what is printed.
type copyTaken struct {
	Case   string `json:"case"`
	File   string `json:"file,omitempty"`
	Closed int64  `json:"closed,omitempty"`
}

// Run writes the copy, or closes the links.
func (c *caseReportCommand) Run(a *app) error {
	if (c.Out == "") == !c.Close {
		return problem{exitUsage, errors.New("nothing says what to do"), "name a file with --out, or close the links with --close"}
	}
	id, by, s, err := a.actOn(c.ID, c.byFlag)
	if err != nil {
		return err
	}
	done := copyTaken{Case: decimal(id), File: c.Out}
	if c.Close {
		done.Closed, err = s.CloseReports(a.ctx, id, 0, by)
	} else {
		err = c.write(a, s, id, by)
	}
	if err != nil {
		return err
	}
	return a.show(done, func() {
		if c.Close {
			a.say("%d links closed", done.Closed)
			return
		}
		a.say("the copy is in %s; it holds everything about one person, delete it when it is printed", c.Out)
	})
}

func (c *caseReportCommand) write(a *app, s *store.Store, id int64, by string) error {
	f, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return hinted(fmt.Errorf("making the file of the copy: %w", err), "name a file that does not exist yet, in a folder that you can write")
	}
	report, err := s.ReportForStaff(a.ctx, id, by)
	if errors.Is(err, store.ErrState) {
		err = problem{exitRefused, err, "the person confirms by the link that was mailed to the address on file; heed case show tells where it stands"}
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(c.Out))
	}
	conf, err := a.config()
	if err != nil {
		return err
	}
	about, lang := conf.about().Of(report.State), ""
	if report.Person != nil {
		lang = report.Person.Language
	}
	encoder := json.NewEncoder(f)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	copied := store.Copy{Purposes: templates.Purposes(lang), Held: report, About: about, Rights: templates.Rights(lang, about.Controller.Contact, about.Authority)}
	return errors.Join(encoder.Encode(copied), f.Close())
}
