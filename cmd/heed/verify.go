package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"heed/store"
)

type verifyCommand struct{ output }

// Help tells the exit code and shows an example.
func (verifyCommand) Help() string {
	return "Checks on the live database what heed promises (docs/promises.md names I1 to I12). Exit code 3 where a promise is broken.\n\nExample: heed verify --json"
}

// verifyView is the report.
type verifyView struct {
	OK         bool                       `json:"ok"`
	Invariants map[string]store.Invariant `json:"invariants"`
}

// Run checks every invariant.
func (c *verifyCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	report, err := s.Verify(a.ctx)
	if err != nil {
		return err
	}
	v := verifyView{OK: true, Invariants: report}
	names := slices.SortedFunc(maps.Keys(report), func(x, y string) int { return ordinal(x) - ordinal(y) })
	var broken []string
	for _, name := range names {
		if len(report[name].Broken) > 0 {
			v.OK = false
			broken = append(broken, name)
		}
	}
	if err := a.show(v, func() { a.sayVerify(v, names) }); err != nil || v.OK {
		return err
	}
	return found("docs/promises.md tells what each name means and what to do", "broken: %s", strings.Join(broken, ", "))
}

func ordinal(name string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(name, "I"))
	return n
}

func (a *app) sayVerify(v verifyView, names []string) {
	for _, name := range names {
		one := v.Invariants[name]
		text := "holds"
		if len(one.Broken) > 0 {
			text = fmt.Sprintf("BROKEN %d times: %s", len(one.Broken), strings.Join(one.Broken[:min(5, len(one.Broken))], ", "))
		}
		a.say("%-4s %9d checked  %s", name, one.Checked, text)
	}
}
