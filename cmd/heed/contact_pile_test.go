package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heed/consent"
	"heed/store"
)

// TestImportTakesNeighboursTogether: a large file is stored in the order of address
// keys, and still whoever names an id first has it, and a later row about somebody
// counts after an earlier one.
func TestImportTakesNeighboursTogether(t *testing.T) {
	newOffice(t, "")
	ctx := context.Background()
	var text strings.Builder
	text.WriteString("email,first_name,external_id\n")
	const people = 600
	for i := range people {
		fmt.Fprintf(&text, "p%d@example.org,First,id-%d\n", i, i%(people/2)) // each id is named twice
	}
	for i := range people {
		fmt.Fprintf(&text, "p%d@example.org,Second,\n", i)
	}
	text.WriteString("no address,X,\n")
	file := filepath.Join(t.TempDir(), "many.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &bytes.Buffer{}
	a := &app{voice: voice{out: out, err: &bytes.Buffer{}}, ctx: ctx, env: os.Environ()}
	defer a.close()
	if err := (&importCommand{File: file}).Run(a); err != nil {
		t.Fatal(err)
	}
	if said := out.String(); !strings.Contains(said, "600 added, 600 updated, 0 unchanged, 0 kept out") || !strings.Contains(said, "line 1202") {
		t.Errorf("it said %s", said)
	}
	s, err := a.store()
	if err != nil {
		t.Fatal(err)
	}
	var before consent.Key
	falls, stems := 0, map[string]bool{}
	if err := s.People(ctx, 0, func(p store.Person) bool {
		if bytes.Compare(before[:], p.Key[:]) > 0 {
			falls++
		}
		before, stems[p.Subject[:4]] = p.Key, true
		if p.FirstName != "Second" {
			t.Errorf("%s is called %s", p.Email, p.FirstName)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if falls > 1 || len(stems) > 10 { // the second to name an id come after all the first
		t.Errorf("the keys of neighbours fall %d times, and their ids begin in %d ways", falls, len(stems))
	}
	for i := range people / 2 {
		p, _, err := s.PersonByExternalID(ctx, fmt.Sprintf("id-%d", i))
		if err != nil || p.Email != fmt.Sprintf("p%d@example.org", i) {
			t.Errorf("id-%d is that of %s, %v", i, p.Email, err)
		}
	}
}
