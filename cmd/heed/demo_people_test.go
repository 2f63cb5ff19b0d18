package main

import (
	"bytes"
	"encoding/csv"
	"net/mail"
	"testing"
)

func TestDemoPeople(t *testing.T) {
	all := people(1, 1000)
	seen := map[string]bool{}
	broken, suppressed, holders := 0, 0, 0
	for _, p := range all {
		if seen[p.email] {
			t.Errorf("%q is there twice", p.email)
		}
		seen[p.email] = true
		_, err := mail.ParseAddress(p.email)
		if (err != nil) != p.broken {
			t.Errorf("%q: broken is %v, reading it says %v", p.email, p.broken, err)
		}
		broken, suppressed, holders = broken+count(p.broken), suppressed+count(p.suppressed), holders+count(len(p.services) > 0)
	}
	if broken != bad || suppressed != few || holders < 30 {
		t.Errorf("%d broken, %d suppressed, %d holders", broken, suppressed, holders)
	}
	for who := range places() {
		if !seen[who] {
			t.Errorf("%s is missing", who)
		}
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func TestDemoListIsTheSameForASeed(t *testing.T) {
	list := func(seed uint64) []byte {
		out, err := contactsCSV(people(seed, 300))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if !bytes.Equal(list(7), list(7)) || bytes.Equal(list(7), list(8)) {
		t.Error("the seed does not decide the list")
	}
	rows, err := csv.NewReader(bytes.NewReader(list(7))).ReadAll()
	if err != nil || len(rows) != 301 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	out, err := suppressionsCSV(people(7, 300))
	if rows := bytes.Count(out, []byte("\n")); err != nil || rows != few+1 {
		t.Errorf("%d rows, %v", rows, err)
	}
}
